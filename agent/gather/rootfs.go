package gather

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"runtime"
	"strings"
)

// Errors of the file system of a root, found with errors.Is.
var (
	// ErrNotAFile: a device, FIFO or socket stands where a file was expected.
	ErrNotAFile = errors.New("not a regular file or directory")
	// ErrLinkLoop: more than maxLinks links lead in a circle.
	ErrLinkLoop = errors.New("too many levels of links")
	// ErrTooLarge: a file exceeds the bound of its reader.
	ErrTooLarge = errors.New("larger than expected")
)

// maxLinks is the kernel's limit on links in one path.
const maxLinks = 40

// rootFS is a file tree whose links are resolved as after chroot: an absolute
// target starts at the root and ".." never leaves it.
type rootFS struct {
	root *os.Root
	dir  string
	live bool // the root is that of the system, the kernel resolves links itself
}

func newRootFS(dir string, live bool) (*rootFS, error) {
	fi, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("examine root %s: %w", dir, reason(err))
	}
	if !fi.IsDir() {
		return nil, fmt.Errorf("examine root %s: not a directory", dir)
	}
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("examine root %s: %w", dir, reason(err))
	}
	return &rootFS{root: r, dir: dir, live: live}, nil
}

// reason drops the operation and path of a path error, which callers name themselves,
// and URLs, which may hold a login.
func reason(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		if ue.Op == "parse" { // the error quotes a part of it
			return errors.New("not a usable URL")
		}
		err = ue.Err
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// Clean gives a name the form of io/fs: relative to the root.
func Clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}

// resolve returns the name without links. With last false the last component
// is left as it is.
func (f *rootFS) resolve(name string, last bool) (string, error) {
	rest := strings.Split(Clean(name), "/")
	at := make([]string, 0, len(rest))
	links := 0
	for len(rest) > 0 {
		c := rest[0]
		rest = rest[1:]
		switch c {
		case "", ".":
			continue
		case "..":
			if len(at) > 0 {
				at = at[:len(at)-1]
			}
			continue
		}
		if len(rest) == 0 && !last {
			at = append(at, c)
			break
		}
		p := path.Join(append(at[:len(at):len(at)], c)...)
		fi, err := f.root.Lstat(p)
		if err != nil {
			return "", err
		}
		if fi.Mode()&fs.ModeSymlink == 0 {
			at = append(at, c)
			continue
		}
		if links++; links > maxLinks {
			return "", ErrLinkLoop
		}
		target, err := f.root.Readlink(p)
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			at = at[:0]
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	if len(at) == 0 {
		return ".", nil
	}
	return path.Join(at...), nil
}

func pathError(op, name string, err error) error {
	err = reason(err)
	if isLoop(err) {
		err = ErrLinkLoop
	}
	return &fs.PathError{Op: op, Path: "/" + Clean(name), Err: err}
}

// Open opens a regular file or a directory; it never waits for a FIFO's writer
// and never opens a device.
func (f *rootFS) Open(name string) (fs.File, error) {
	fi, err := f.Stat(name)
	if err != nil {
		return nil, err
	}
	if !openable(fi) {
		return nil, pathError("open", name, ErrNotAFile)
	}
	var file *os.File
	if f.live {
		file, err = os.OpenFile(f.host(name), os.O_RDONLY|openNonblock, 0)
	} else {
		var p string
		if p, err = f.resolve(name, true); err == nil {
			file, err = f.root.OpenFile(p, os.O_RDONLY|openNonblock, 0)
		}
	}
	if err != nil {
		return nil, pathError("open", name, err)
	}
	// It may have been replaced since.
	if fi, err = file.Stat(); err != nil || !openable(fi) {
		file.Close()
		return nil, pathError("open", name, ErrNotAFile)
	}
	return file, nil
}

func openable(fi fs.FileInfo) bool { return fi.Mode().IsRegular() || fi.IsDir() }

func (f *rootFS) host(name string) string {
	if drive, rest, ok := driveOf(Clean(name)); ok && runtime.GOOS == "windows" {
		return drive + `\` + rest
	}
	return f.dir + Clean(name)
}

// Stat follows links.
func (f *rootFS) Stat(name string) (fs.FileInfo, error) {
	if f.live {
		fi, err := os.Stat(f.host(name))
		if err != nil {
			return nil, pathError("stat", name, err)
		}
		return fi, nil
	}
	p, err := f.resolve(name, true)
	if err == nil {
		var fi fs.FileInfo
		if fi, err = f.root.Lstat(p); err == nil {
			return fi, nil
		}
	}
	return nil, pathError("stat", name, err)
}

// Lstat does not follow a last link.
func (f *rootFS) Lstat(name string) (fs.FileInfo, error) {
	if f.live {
		fi, err := os.Lstat(f.host(name))
		if err != nil {
			return nil, pathError("lstat", name, err)
		}
		return fi, nil
	}
	p, err := f.resolve(name, false)
	if err == nil {
		var fi fs.FileInfo
		if fi, err = f.root.Lstat(p); err == nil {
			return fi, nil
		}
	}
	return nil, pathError("lstat", name, err)
}

// Readlink reads a last link as it stands.
func (f *rootFS) Readlink(name string) (string, error) {
	if f.live {
		s, err := os.Readlink(f.host(name))
		if err != nil {
			return "", pathError("readlink", name, err)
		}
		return s, nil
	}
	p, err := f.resolve(name, false)
	if err == nil {
		var s string
		if s, err = f.root.Readlink(p); err == nil {
			return s, nil
		}
	}
	return "", pathError("readlink", name, err)
}

// Bounds of a directory listing: of all, and of what is read at once.
const (
	maxDirEntries = 33_000 // the usual limit of processes, and what else is in /proc
	dirPiece      = 1000
)

// ReadDir lists a directory, unsorted. Of one with more than maxDirEntries it returns
// some, and ErrTooLarge.
func (f *rootFS) ReadDir(name string) ([]fs.DirEntry, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	d, ok := file.(fs.ReadDirFile)
	if !ok {
		return nil, pathError("readdir", name, ErrNotAFile)
	}
	var es []fs.DirEntry
	for {
		some, err := d.ReadDir(dirPiece)
		es = append(es, some...)
		switch {
		case errors.Is(err, io.EOF), err == nil && len(some) == 0:
			return es, nil
		case err != nil && len(es) == 0:
			return nil, pathError("readdir", name, err)
		case err != nil:
			return es, nil
		case len(es) > maxDirEntries:
			return es[:maxDirEntries], pathError("readdir", name, ErrTooLarge)
		}
	}
}

// real is the path of name on this machine, links resolved inside the root.
func (f *rootFS) real(name string) (string, error) {
	if f.live {
		return f.host(name), nil
	}
	p, err := f.resolve(name, true)
	if err != nil {
		return "", err
	}
	return path.Join(f.dir, p), nil
}

// Flag is the flag of a file that keeps everybody from changing it, see FlagOf.
func (f *rootFS) Flag(name string) string {
	if !f.live {
		return ""
	}
	return flagOf(f.host(name))
}

// FlagOf is immutable or append-only for a file that not even root may change; empty: it has
// no such flag, or the file system does not tell.
func FlagOf(fsys FileSystem, name string) string {
	if f, ok := fsys.(interface{ Flag(name string) string }); ok {
		return f.Flag(name)
	}
	return ""
}
