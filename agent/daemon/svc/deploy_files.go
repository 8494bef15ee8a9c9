package svc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files of a deployment: where they are, whose they are, and how they are moved.

func (d *Deployment) bin() string     { return filepath.Join(d.Home, d.Program) }
func (d *Deployment) payload() string { return filepath.Join(d.From, d.Program) }

// beside is another file of the program: before its extension, if it has one.
func (d *Deployment) beside(what string) string {
	ext := filepath.Ext(d.Program)
	return filepath.Join(d.Home, strings.TrimSuffix(d.Program, ext)+"."+what+ext)
}
func (d *Deployment) fresh() string { return d.beside("new") }
func (d *Deployment) prev() string  { return d.beside("prev") }

// rejected holds the SHA-256 of a payload whose service did not stay up, until another is
// installed.
func (d *Deployment) rejected() string { return filepath.Join(d.Home, "rejected") }

// own: the program that the service starts is the one of this package.
func (d *Deployment) own(program string) bool {
	if program == "" || strings.EqualFold(program, d.bin()) {
		return program != ""
	}
	a, err := os.Stat(program)
	b, berr := os.Stat(d.bin())
	return err == nil && berr == nil && os.SameFile(a, b)
}

// placed holds the SHA-256 of the program that a deployment has put in place: an
// administrator's, by hand, goes to the same folder.
func (d *Deployment) placed() string { return filepath.Join(d.Home, "placed") }

// ours: a deployment has put the program in place, or was cut off while it did.
func (d *Deployment) ours() bool {
	b, _ := os.ReadFile(d.placed())
	_, err := os.Stat(d.prev())
	return err == nil || len(b) > 0 && strings.TrimSpace(string(b)) == hash(d.bin()) || same(d.bin(), d.payload())
}

// mark writes the SHA-256 of a program into a file.
func mark(file, program string) error { return os.WriteFile(file, []byte(hash(program)+"\r\n"), 0o644) }

// refused: the payload of this folder did not stay up on this host.
func (d *Deployment) refused() bool {
	b, err := os.ReadFile(d.rejected())
	if err != nil {
		return false
	}
	_, err = os.Stat(d.bin())
	return err == nil && strings.TrimSpace(string(b)) == hash(d.payload())
}

// removeOwn takes away the program and what updates leave.
func (d *Deployment) removeOwn(ctx context.Context) error {
	err := d.remove(ctx, d.bin(), d.fresh(), d.prev(), d.rejected(), d.placed())
	_ = os.Remove(d.Home) // fails, as it should, while something of the administrator is in it
	return err
}

// remove takes files away that may be there.
func (d *Deployment) remove(ctx context.Context, names ...string) error {
	var errs []error
	for _, name := range names {
		if err := patient(ctx, func() error { return os.Remove(name) }); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func rename(ctx context.Context, from, to string) error {
	return patient(ctx, func() error { return os.Rename(from, to) })
}

// patient tries for a while: a program that has just ended, or was just written, may still
// be held, by the system or by who looks for viruses.
func patient(ctx context.Context, act func() error) error {
	err := act()
	for try := 0; try < 16 && err != nil && !errors.Is(err, os.ErrNotExist) && ctx.Err() == nil; try++ {
		time.Sleep(pollEvery / 4)
		err = act()
	}
	return err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("the package holds no program: %w", err)
	}
	defer in.Close()
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// hash of a file's content; empty when it cannot be read.
func hash(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

func same(a, b string) bool {
	h := hash(a)
	return h != "" && h == hash(b)
}
