package plugin

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Folder of a release.
func (n *Node) Folder(version string) string {
	return filepath.Join(n.Data, "packages", n.Name, version)
}

func (n *Node) path(parts ...string) string {
	return filepath.Join(append([]string{n.Data}, parts...)...)
}

// ensure has the folder of a release complete. What it downloads is the release that
// was asked for, also into the folder of another one.
func (r *run) ensure(version string) error {
	s := r.load()
	if r.check(version) == nil && !(s.Version == version && (s.State == Failed || !r.same)) {
		return nil
	}
	if err := r.unpack(version); err != nil {
		return errors.Join(err, os.RemoveAll(r.Folder(version)))
	}
	if err := r.set(version, New); err != nil {
		return err
	}
	return r.check(version)
}

// check is the agent's look at a folder.
func (r *run) check(version string) error {
	if b, err := os.ReadFile(filepath.Join(r.Folder(version), "manifest.json")); err == nil {
		var m struct{ Name, Version string }
		switch err := json.Unmarshal(b, &m); {
		case err != nil:
			return fmt.Errorf("package manifest is invalid: %w", err)
		case !strings.EqualFold(m.Name, r.Name):
			return fmt.Errorf("package manifest is invalid: manifest name (%s) does not match expected package name (%s)", m.Name, r.Name)
		case !strings.EqualFold(m.Version, version):
			return fmt.Errorf("package manifest is invalid: manifest version (%s) does not match expected package version (%s)", m.Version, version)
		}
	}
	entries, err := os.ReadDir(r.Folder(version))
	if err != nil || len(entries) < 2 {
		return errors.New("package is incomplete")
	}
	for _, e := range entries {
		if e.Name() == "install.sh" || e.Name() == "install.ps1" {
			return nil
		}
	}
	return errors.New("package is not supported (package is missing install action)")
}

// unpack puts the zip over what is in the folder. Files get no execute bits: some
// archives have none.
func (r *run) unpack(version string) error {
	content, err := os.ReadFile(r.doc.File)
	if err != nil {
		return fmt.Errorf("failed to download installation package reliably: %w", err)
	}
	var m struct {
		Files map[string]struct {
			Checksums map[string]string
		}
	}
	if err := json.Unmarshal(r.doc.Manifest, &m); err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	if want, ok := m.Files[filepath.Base(r.doc.File)].Checksums["sha256"]; ok && !strings.EqualFold(want, hex.EncodeToString(sum[:])) {
		return errors.New("failed to download installation package reliably: checksum mismatch")
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err
	}
	folder := r.Folder(version)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, f := range z.File {
		if !filepath.IsLocal(f.Name) || filepath.Base(f.Name) != f.Name {
			return fmt.Errorf("entry %q of the zip", f.Name)
		}
		in, err := f.Open()
		if err != nil {
			return err
		}
		b, err := io.ReadAll(in)
		if err := errors.Join(err, in.Close()); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, f.Name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
