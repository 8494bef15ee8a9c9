//go:build linux

package safefile

import (
	"bytes"
	"io"
	"path"

	"golang.org/x/sys/unix"
)

// Rewrite gives a file of root's, or of this user's, new content in its place, so that
// its owner, mode, label and mounts stay; ok is false, and nothing is written, unless it
// holds what it is said to hold. It is opened once, by descriptor.
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
	has, err := io.ReadAll(io.LimitReader(file, int64(len(old))+1))
	if err != nil || !bytes.Equal(has, old) {
		return false, err
	}
	if _, err = file.WriteAt(next, 0); err == nil {
		err = file.Truncate(int64(len(next)))
	}
	if err == nil {
		err = file.Sync()
	}
	return err == nil, err
}

// MoveAside gives a regular file of root's, or of this user's, a name with an ending, that
// no other file has. Its content, owner, mode and label stay.
func MoveAside(name, ending string) error {
	f, base, err := open(name)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.mayHold(); err != nil {
		return err
	}
	file, err := f.openOwn(base, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer file.Close()
	var st, now unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return f.error("stat", base, err)
	}
	if !own(st.Uid) {
		return refuse(path.Join(f.name, base), "it belongs to another user")
	}
	if err := unix.Fstatat(f.fd, base, &now, unix.AT_SYMLINK_NOFOLLOW); err != nil || now.Ino != st.Ino || now.Dev != st.Dev {
		return refuse(path.Join(f.name, base), "somebody put another file in its place")
	}
	if err := unix.Renameat2(f.fd, base, f.fd, base+ending, unix.RENAME_NOREPLACE); err != nil {
		return f.error("rename", base, err)
	}
	return nil
}
