package gather

import (
	"errors"
	"io/fs"
)

// userFS is the file system as seen by a user without root rights: what is
// refused to him would not be refused to root.
type userFS struct{ FileSystem }

// rootNeeded is a refusal that root rights would lift.
type rootNeeded struct{ error }

func (e rootNeeded) Unwrap() error { return e.error }

func refusedToUser(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return rootNeeded{err}
	}
	return err
}

func (u userFS) Open(name string) (fs.File, error) {
	f, err := u.FileSystem.Open(name)
	return f, refusedToUser(err)
}

func (u userFS) ReadDir(name string) ([]fs.DirEntry, error) {
	es, err := u.FileSystem.ReadDir(name)
	return es, refusedToUser(err)
}

func (u userFS) Flag(name string) string { return FlagOf(u.FileSystem, name) }

func (u userFS) Stat(name string) (fs.FileInfo, error) {
	fi, err := u.FileSystem.Stat(name)
	return fi, refusedToUser(err)
}

func (u userFS) Lstat(name string) (fs.FileInfo, error) {
	fi, err := u.FileSystem.Lstat(name)
	return fi, refusedToUser(err)
}

func (u userFS) Readlink(name string) (string, error) {
	s, err := u.FileSystem.Readlink(name)
	return s, refusedToUser(err)
}
