//go:build !unix

package safefile

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceable refuses a name that something else than a regular file has.
func replaceable(r *os.Root, name string) error {
	fi, err := r.Lstat(filepath.Base(name))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if !fi.Mode().IsRegular() {
		return refuse(name, "no regular file but %s; nothing is written to it", kind(fi.Mode()))
	}
	return nil
}

// Replace gives a file new content, so that readers find the old or the new one. The
// file is made beside its place in the opened folder and takes its name when it is
// whole. Rights are those that the folder hands down.
func Replace(name string, mode fs.FileMode, b []byte) error {
	r, err := openFolder(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer r.Close()
	if err := replaceable(r, name); err != nil {
		return err
	}
	base := filepath.Base(name)
	part := "." + base[:min(len(base), 100)] + "." + rand.Text()[:12] + ".tmp"
	f, err := r.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if err = store(f, b); err == nil {
		err = r.Rename(part, base)
	}
	if err != nil {
		_ = r.Remove(part)
	}
	return err
}

// OpenRead opens a regular file to read.
func OpenRead(name string) (*os.File, error) {
	fi, err := os.Stat(name)
	if err == nil && !fi.Mode().IsRegular() {
		err = refuse(name, "not a regular file but %s", kind(fi.Mode()))
	}
	if err != nil {
		return nil, err
	}
	return os.Open(name)
}

// Append adds to a file of ours, which is made when it is not there.
func Append(name string, mode fs.FileMode, b []byte) error {
	r, err := openFolder(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer r.Close()
	if err := replaceable(r, name); err != nil {
		return err
	}
	f, err := r.OpenFile(filepath.Base(name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, mode)
	if err != nil {
		return err
	}
	return store(f, b)
}

// ReadTail reads the last limit bytes of a regular file.
func ReadTail(name string, limit int64) ([]byte, error) {
	r, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := replaceable(r, name); err != nil {
		return nil, err
	}
	f, err := r.Open(filepath.Base(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err == nil && fi.Size() > limit {
		if _, err := f.Seek(-limit, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// Remove removes a file; that there is none is no error.
func Remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// OpenStream opens the null device; ok says that the name is that.
func OpenStream(name string) (file *os.File, ok bool, err error) {
	fi, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case fi.Mode().IsRegular():
		return nil, false, nil
	case fi.Mode()&fs.ModeCharDevice == 0:
		return nil, false, refuse(name, "no regular file but %s; nothing is written to it", kind(fi.Mode()))
	}
	file, err = os.OpenFile(name, os.O_WRONLY, 0)
	return file, err == nil, err
}

// Descriptor: no name stands for a descriptor here.
func Descriptor(string) int { return -1 }

// OpenDescriptor is never called here.
func OpenDescriptor(int) (*os.File, error) { return nil, errors.ErrUnsupported }

// store writes to a file, down to the disk, and closes it.
func store(f *os.File, b []byte) error {
	_, err := f.Write(b)
	if e := f.Sync(); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
