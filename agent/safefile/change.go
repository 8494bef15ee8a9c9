//go:build linux

package safefile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Rewrite gives a file of root's, or of this user's, new content, so that readers find the
// old or the new one, whenever the host is cut off: a new file with its owner, mode, label
// and access list takes its name. ok is false, and nothing is changed, unless it holds what
// it is said to hold and still has its name. Where it cannot be replaced so, as a mount
// point, nothing is changed either.
func Rewrite(name string, old, next []byte) (ok bool, err error) {
	f, base, err := open(name)
	if err != nil {
		return false, err
	}
	defer f.close()
	if err := f.mayHold(); err != nil {
		return false, err
	}
	file, err := f.openOwn(base, unix.O_RDWR)
	if err != nil {
		return false, err
	}
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return false, f.error("stat", base, err)
	}
	if why := shared(&st, true); why != "" || !own(st.Uid) {
		return false, refuse(path.Join(f.name, base), "others may write to it")
	}
	if !holds(file, old) {
		return false, nil
	}
	part := "." + base[:min(len(base), 100)] + "." + rand.Text()[:12] + ".tmp"
	fd, err := unix.Openat(f.fd, part, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false, f.error("create", base, err)
	}
	beside := os.NewFile(uintptr(fd), path.Join(f.name, base))
	defer beside.Close()
	err = alike(beside, file, &st)
	if err == nil {
		_, err = beside.Write(next)
	}
	if err == nil {
		err = beside.Sync()
	}
	if err == nil && holds(file, old) && f.names(base, file) && f.names(part, beside) {
		err = unix.Renameat(f.fd, part, f.fd, base)
		ok = err == nil
	}
	if !ok {
		_ = unix.Unlinkat(f.fd, part, 0)
	}
	if err != nil {
		return false, f.error("replace", base, bare(err))
	}
	if ok {
		f.sync()
	}
	return ok, nil
}

// holds reports whether a file has a content, and no more.
func holds(file *os.File, content []byte) bool {
	has, err := io.ReadAll(io.NewSectionReader(file, 0, int64(len(content))+1))
	return err == nil && bytes.Equal(has, content)
}

// names reports whether a name is that of an opened file.
func (f folder) names(base string, file *os.File) bool {
	var is, has unix.Stat_t
	return unix.Fstat(int(file.Fd()), &is) == nil && unix.Fstatat(f.fd, base, &has, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		is.Ino == has.Ino && is.Dev == has.Dev
}

// sync writes the names of a folder to the disk; what it holds is there already.
func (f folder) sync() {
	if fd, err := unix.Openat(f.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
		_ = unix.Fsync(fd)
		_ = unix.Close(fd)
	}
}

// maxAttributes bounds the extended attributes of a file that are copied.
const maxAttributes = 64 << 10

// alike gives a new file the owner, mode, label and access list of another, which are
// extended attributes. One that cannot be had is a failure, unless there is no such thing
// on this file system, or it is the same already.
func alike(to, from *os.File, st *unix.Stat_t) error {
	if err := to.Chown(int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(int(to.Fd()), st.Mode&0o7777); err != nil {
		return err
	}
	list := make([]byte, maxAttributes)
	n, err := unix.Flistxattr(int(from.Fd()), list)
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if name == "" || name == "security.ima" || name == "security.evm" { // which the kernel writes, of the content
			continue
		}
		value, has := make([]byte, maxAttributes), make([]byte, maxAttributes)
		n, err := unix.Fgetxattr(int(from.Fd()), name, value)
		if err != nil {
			return err
		}
		if m, err := unix.Fgetxattr(int(to.Fd()), name, has); err == nil && bytes.Equal(value[:n], has[:m]) {
			continue
		}
		if err := unix.Fsetxattr(int(to.Fd()), name, value[:n], 0); err != nil {
			return err
		}
	}
	return nil
}
