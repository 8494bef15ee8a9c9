//go:build unix

package safefile

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Program returns the path, without links, of a program that nobody but root could have
// replaced: every folder and link on the way and the file itself are root's, and no
// group but root's and nobody else may write to them. What is checked are the opened
// folders and the opened file.
func Program(name string) (string, error) { return trusted(name, hands{}) }

// Settings refuses a file, such as a configuration, that somebody else than root and the
// user of this process could have written, or put in the place of another. In a sticky
// folder nobody can do that.
func Settings(name string) error {
	abs, err := filepath.Abs(name)
	if err == nil {
		_, err = trusted(abs, hands{ours: true})
	}
	return err
}

// hands says whose hands a file may be in besides root's.
type hands struct {
	ours bool // those of the user of this process, and sticky folders
}

func (h hands) owner(uid uint32) bool { return uid == 0 || h.ours && own(uid) }

func trusted(name string, h hands) (string, error) {
	if !path.IsAbs(name) {
		return "", refuse(name, "not an absolute path")
	}
	at, err := h.folder(folder{-1, ""}, "/")
	if err != nil {
		return "", err
	}
	defer func() { at.close() }()
	rest, links := strings.Split(name, "/"), 0
	for len(rest) > 0 {
		c := rest[0]
		rest = rest[1:]
		if c == "" || c == "." {
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstatat(at.fd, c, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return "", at.error("open", c, err)
		}
		switch {
		case st.Mode&unix.S_IFMT == unix.S_IFLNK:
			if links++; links > maxLinks {
				return "", at.error("open", c, unix.ELOOP)
			}
			if !h.owner(st.Uid) {
				return "", refuse(path.Join(at.name, c), "a link of user %d, who could have put another file there", st.Uid)
			}
			b := make([]byte, unix.PathMax)
			n, err := unix.Readlinkat(at.fd, c, b)
			if err != nil || n == 0 || n == len(b) {
				return "", at.error("readlink", c, err)
			}
			rest = append(strings.Split(string(b[:n]), "/"), rest...)
			if b[0] == '/' {
				next, err := h.folder(folder{-1, ""}, "/")
				if err != nil {
					return "", err
				}
				at.close()
				at = next
			}
		case last(rest):
			return h.file(at, c)
		default:
			next, err := h.folder(at, c)
			if err != nil {
				return "", err
			}
			at.close()
			at = next
		}
	}
	return "", refuse(name, "no regular file but a folder")
}

// last reports whether nothing follows a component.
func last(rest []string) bool {
	for _, c := range rest {
		if c != "" && c != "." {
			return false
		}
	}
	return true
}

// folder opens a folder in another, which must be in these hands alone.
func (h hands) folder(in folder, base string) (folder, error) {
	fd, err := unix.Openat(max(in.fd, unix.AT_FDCWD), base, search|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	f := folder{fd, path.Join(in.name, base)}
	if err != nil {
		return f, in.error("open", base, err)
	}
	if err := h.only(fd, f.name); err != nil {
		f.close()
		return f, err
	}
	return f, nil
}

// file checks the opened file.
func (h hands) file(in folder, base string) (string, error) {
	name := path.Join(in.name, base)
	fd, err := unix.Openat(in.fd, base, search|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", in.error("open", base, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", in.error("stat", base, err)
	}
	if m := modeOf(&st); !m.IsRegular() {
		return "", refuse(name, "no regular file but %s", kind(m))
	}
	return name, h.only(fd, name)
}

// only refuses what somebody else could have changed.
func (h hands) only(fd int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return folder{fd, name}.error("stat", "", err)
	}
	who := shared(&st, true)
	if h.ours && st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Mode&unix.S_ISVTX != 0 || h.ours && os.Geteuid() != 0 && int(st.Gid) == os.Getegid() {
		who = ""
	}
	if !h.owner(st.Uid) {
		who = fmt.Sprintf("it belongs to user %d", st.Uid)
	}
	if who != "" {
		return refuse(name, "others could have put something else there: %s", who)
	}
	return nil
}
