//go:build unix

package safefile

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Program returns the path, without links, of a program that nobody but root could have
// replaced: every folder and link on the way and the file itself are root's, and no
// group but root's and nobody else may write to them. What is checked are the opened
// folders and the opened file.
func Program(name string) (string, error) {
	if !path.IsAbs(name) {
		return "", refuse(name, "not an absolute path")
	}
	at, err := rootsFolder(folder{-1, ""}, "/")
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
			if st.Uid != 0 {
				return "", refuse(path.Join(at.name, c), "a link of user %d, who could have put another program there", st.Uid)
			}
			b := make([]byte, unix.PathMax)
			n, err := unix.Readlinkat(at.fd, c, b)
			if err != nil || n == 0 || n == len(b) {
				return "", at.error("readlink", c, err)
			}
			rest = append(strings.Split(string(b[:n]), "/"), rest...)
			if b[0] == '/' {
				next, err := rootsFolder(folder{-1, ""}, "/")
				if err != nil {
					return "", err
				}
				at.close()
				at = next
			}
		case last(rest):
			return rootsFile(at, c)
		default:
			next, err := rootsFolder(at, c)
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

// rootsFolder opens a folder in another, which must be in root's hands alone.
func rootsFolder(in folder, base string) (folder, error) {
	fd, err := unix.Openat(max(in.fd, unix.AT_FDCWD), base, search|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	f := folder{fd, path.Join(in.name, base)}
	if err != nil {
		return f, in.error("open", base, err)
	}
	if err := rootsOnly(fd, f.name); err != nil {
		f.close()
		return f, err
	}
	return f, nil
}

// rootsFile checks the opened file.
func rootsFile(in folder, base string) (string, error) {
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
	return name, rootsOnly(fd, name)
}

// rootsOnly refuses what somebody else than root could have changed.
func rootsOnly(fd int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return folder{fd, name}.error("stat", "", err)
	}
	who := shared(&st, true)
	if st.Uid != 0 {
		who = fmt.Sprintf("it belongs to user %d", st.Uid)
	}
	if who != "" {
		return refuse(name, "others than root could have put another program there: %s", who)
	}
	return nil
}
