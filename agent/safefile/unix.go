//go:build unix

package safefile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// folder is an opened folder.
type folder struct {
	fd   int
	name string // for messages
}

func (f folder) close() { _ = unix.Close(f.fd) }

func (f folder) error(op, base string, err error) error {
	return &fs.PathError{Op: op, Path: path.Join(f.name, base), Err: err}
}

// own reports whether what belongs to a user is in no other hands than ours: root's
// and those of this process.
func own(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// shared says who besides us may write to a folder or file; empty: nobody. For a user
// without root rights a group of a folder counts as his.
func shared(st *unix.Stat_t, group bool) string {
	switch {
	case st.Mode&0o002 != 0:
		return "everybody may write to it"
	case st.Mode&0o020 != 0 && group && st.Gid != 0:
		return fmt.Sprintf("the group %d may write to it", st.Gid)
	}
	return ""
}

// open opens the folder of a name, and returns it with the name's last part. A link on
// the way is followed only where nobody else could have put it.
func open(name string) (folder, string, error) {
	if name == "" || strings.HasSuffix(name, "/") {
		return folder{}, "", refuse(name, "no regular file")
	}
	dir, base := path.Split(name)
	if base == "." || base == ".." {
		return folder{}, "", refuse(name, "no regular file")
	}
	f, err := walk(dir)
	return f, base, err
}

// walk opens a folder component by component.
func walk(dir string) (folder, error) {
	at := folder{-1, ""}
	start := func(name string) error {
		fd, err := unix.Open(name, search|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return at.error("open", name, err)
		}
		if at.fd >= 0 {
			at.close()
		}
		at = folder{fd, name}
		return nil
	}
	first := "."
	if strings.HasPrefix(dir, "/") {
		first = "/"
	}
	if err := start(first); err != nil {
		return at, err
	}
	rest, links := strings.Split(dir, "/"), 0
	for len(rest) > 0 {
		c := rest[0]
		rest = rest[1:]
		if c == "" || c == "." {
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstatat(at.fd, c, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			at.close()
			return at, at.error("open", c, err)
		}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			if links++; links > maxLinks {
				at.close()
				return at, at.error("open", c, unix.ELOOP)
			}
			to, err := ownLink(at, c, &st)
			if err == nil && strings.HasPrefix(to, "/") {
				err = start("/")
			}
			if err != nil {
				at.close()
				return at, err
			}
			rest = append(strings.Split(to, "/"), rest...)
			continue
		}
		fd, err := unix.Openat(at.fd, c, search|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			at.close()
			return at, at.error("open", c, err)
		}
		at.close()
		at = folder{fd, path.Join(at.name, c)}
	}
	return at, nil
}

// ownLink reads a link that nobody but us could have put, or put another in its place.
func ownLink(in folder, base string, st *unix.Stat_t) (string, error) {
	var dir unix.Stat_t
	if err := unix.Fstat(in.fd, &dir); err != nil {
		return "", in.error("stat", "", err)
	}
	name := path.Join(in.name, base)
	if !own(st.Uid) {
		return "", refuse(name, "a link of user %d; it is not followed", st.Uid)
	}
	if !own(dir.Uid) || shared(&dir, true) != "" && dir.Mode&unix.S_ISVTX == 0 {
		return "", refuse(name, "a link in a folder that others may write to; it is not followed")
	}
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(in.fd, base, b)
	if err != nil {
		return "", in.error("readlink", base, err)
	}
	if n == 0 || n == len(b) {
		return "", in.error("readlink", base, unix.ENAMETOOLONG)
	}
	return string(b[:n]), nil
}

// mayHold refuses a folder in which others could put something else in the place of
// what is written.
func (f folder) mayHold() error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return f.error("stat", "", err)
	}
	if why := shared(&st, os.Geteuid() == 0); why != "" && st.Mode&unix.S_ISVTX == 0 {
		return refuse(f.name, "not written there: %s, and it is not sticky; write to a folder of your own", why)
	}
	return nil
}

// replaceable refuses a name that something else than a regular file has.
func (f folder) replaceable(base string) error {
	var st unix.Stat_t
	switch err := unix.Fstatat(f.fd, base, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return f.error("stat", base, err)
	}
	if m := modeOf(&st); !m.IsRegular() {
		return refuse(path.Join(f.name, base), "no regular file but %s; nothing is written to it", kind(m))
	}
	return nil
}

func modeOf(st *unix.Stat_t) fs.FileMode {
	m := fs.FileMode(st.Mode & 0o777)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	case unix.S_IFIFO:
		m |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		m |= fs.ModeSocket
	case unix.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	default:
		m |= fs.ModeDevice
	}
	return m
}

// Replace gives a file new content, so that readers find the old or the new one. The
// file is made beside its place in the same opened folder, gets its mode and owner by
// its descriptor, and takes its name when it is whole. What stands there now must be a
// regular file, or nothing.
func Replace(name string, mode fs.FileMode, b []byte) error {
	f, base, err := open(name)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.mayHold(); err != nil {
		return err
	}
	if err := f.replaceable(base); err != nil {
		return err
	}
	// Does not end as the file does: folders are read by ending.
	part := "." + base[:min(len(base), 100)] + "." + rand.Text()[:12] + ".tmp"
	fd, err := unix.Openat(f.fd, part, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return f.error("create", base, err)
	}
	file := os.NewFile(uintptr(fd), path.Join(f.name, base))
	if err = f.fill(file, part, base, mode, b); err != nil {
		_ = unix.Unlinkat(f.fd, part, 0)
	}
	return err
}

// fill writes a new file and gives it its name.
func (f folder) fill(file *os.File, part, base string, mode fs.FileMode, b []byte) error {
	var is, has unix.Stat_t
	_, err := file.Write(b)
	if err == nil && os.Geteuid() == 0 {
		err = file.Chown(0, os.Getegid()) // a folder may give its group
	}
	if err == nil {
		err = file.Chmod(mode)
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = unix.Fstat(int(file.Fd()), &is)
	}
	if e := file.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = unix.Fstatat(f.fd, part, &has, unix.AT_SYMLINK_NOFOLLOW)
	}
	switch {
	case err != nil:
		return f.error("write", base, bare(err))
	case has.Ino != is.Ino || has.Dev != is.Dev:
		return refuse(path.Join(f.name, base), "somebody put another file in the place of what was written")
	}
	if err := unix.Renameat(f.fd, part, f.fd, base); err != nil {
		return f.error("rename", base, err)
	}
	return nil
}

// bare drops the path that a caller names itself.
func bare(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// openOwn opens an existing regular file that has no second name.
func (f folder) openOwn(base string, flags int) (*os.File, error) {
	fd, err := unix.Openat(f.fd, base, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		err = refuse(path.Join(f.name, base), "no regular file")
	} else if err != nil {
		err = f.error("open", base, err)
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		if m := modeOf(&st); !m.IsRegular() {
			err = refuse(path.Join(f.name, base), "no regular file but %s", kind(m))
		} else if st.Nlink > 1 && flags != unix.O_RDONLY {
			err = refuse(path.Join(f.name, base), "the file has a second name somewhere else")
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path.Join(f.name, base)), nil
}

// OpenRead opens a regular file to read; it never waits for a named pipe's writer.
func OpenRead(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = refuse(name, "not a regular file but %s", kind(fi.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Append adds to a file of ours, which is made with mode when it is not there.
func Append(name string, mode fs.FileMode, b []byte) error {
	f, base, err := open(name)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.mayHold(); err != nil {
		return err
	}
	file, err := f.openOwn(base, unix.O_WRONLY|unix.O_APPEND)
	if errors.Is(err, unix.ENOENT) {
		var fd int
		fd, err = unix.Openat(f.fd, base, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return f.error("create", base, err)
		}
		file = os.NewFile(uintptr(fd), name)
		err = file.Chmod(mode)
		if err != nil {
			file.Close()
		}
	}
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if e := file.Sync(); err == nil {
		err = e
	}
	if e := file.Close(); err == nil {
		err = e
	}
	return err
}

// ReadTail reads the last limit bytes of a regular file.
func ReadTail(name string, limit int64) ([]byte, error) {
	f, base, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.close()
	file, err := f.openOwn(base, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if fi, err := file.Stat(); err == nil && fi.Size() > limit {
		if _, err := file.Seek(-limit, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(file, limit))
}

// Remove removes a file; that there is none is no error.
func Remove(name string) error {
	f, base, err := open(name)
	if err == nil {
		defer f.close()
		if err = unix.Unlinkat(f.fd, base, 0); err != nil {
			err = f.error("remove", base, err)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// OpenStream opens what is no regular file and may be written to: a terminal, and the
// null device. ok says that the name has such a thing; a regular file, and what is not
// there, is left to Replace. A link is followed once, where nobody else could have put it.
func OpenStream(name string) (file *os.File, ok bool, err error) {
	for range maxLinks {
		f, base, err := open(name)
		if err != nil {
			return nil, false, err
		}
		var st unix.Stat_t
		err = unix.Fstatat(f.fd, base, &st, unix.AT_SYMLINK_NOFOLLOW)
		switch m := modeOf(&st); {
		case errors.Is(err, unix.ENOENT):
			f.close()
			return nil, false, nil
		case err != nil:
			f.close()
			return nil, false, f.error("stat", base, err)
		case m.IsRegular():
			f.close()
			return nil, false, nil
		case m&fs.ModeSymlink != 0:
			to, err := ownLink(f, base, &st)
			f.close()
			if err != nil {
				return nil, false, err
			}
			if !path.IsAbs(to) {
				to = path.Join(f.name, to)
			}
			name = to
			if own := Descriptor(name); own >= 0 {
				return dup(own, name)
			}
			fi, err := os.Lstat(name)
			if err == nil && fi.Mode().IsRegular() {
				return nil, false, refuse(name, "no regular file was named but a link to it; name the file itself")
			}
			continue
		case m&fs.ModeCharDevice == 0:
			f.close()
			return nil, false, refuse(name, "no regular file but %s; nothing is written to it", kind(m))
		}
		fd, err := unix.Openat(f.fd, base, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		f.close()
		if err != nil {
			return nil, false, f.error("open", base, err)
		}
		return stream(fd, name)
	}
	return nil, false, refuse(name, "too many levels of links")
}

// stream keeps a descriptor of a terminal or of the null device.
func stream(fd int, name string) (*os.File, bool, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	if err == nil && (modeOf(&st)&fs.ModeCharDevice == 0 || !terminal(fd) && !null(&st)) {
		err = refuse(name, "no regular file but a device; nothing is written to it")
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, false, err
	}
	return os.NewFile(uintptr(fd), name), true, nil
}

// null reports whether a device is the null device.
func null(st *unix.Stat_t) bool {
	var dev unix.Stat_t
	return unix.Stat(os.DevNull, &dev) == nil && dev.Mode&unix.S_IFMT == unix.S_IFCHR && dev.Rdev == st.Rdev
}

// Descriptor is the number of the descriptor of this process that a name stands for; -1:
// it stands for none.
func Descriptor(name string) int {
	switch name = path.Clean(name); name {
	case "/dev/stdout":
		return 1
	case "/dev/stderr":
		return 2
	}
	for _, dir := range []string{"/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/", fmt.Sprintf("/proc/%d/fd/", os.Getpid())} {
		if n, ok := strings.CutPrefix(name, dir); ok && len(n) > 0 && len(n) < 5 && strings.Trim(n, "0123456789") == "" {
			var fd int
			_, _ = fmt.Sscanf(n, "%d", &fd)
			return fd
		}
	}
	return -1
}

// OpenDescriptor is a second descriptor of one that this process was started with.
func OpenDescriptor(fd int) (*os.File, error) {
	f, _, err := dup(fd, fmt.Sprintf("/dev/fd/%d", fd))
	return f, err
}

func dup(fd int, name string) (*os.File, bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, false, refuse(name, "no such descriptor: %v", err)
	}
	switch m := modeOf(&st); {
	case m.IsRegular(), m&(fs.ModeNamedPipe|fs.ModeSocket) != 0:
	case m&fs.ModeCharDevice != 0 && (terminal(fd) || null(&st)):
	default:
		return nil, false, refuse(name, "no regular file but %s; nothing is written to it", kind(m))
	}
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, false, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(n), name), true, nil
}
