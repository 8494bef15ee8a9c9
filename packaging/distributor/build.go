package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

//go:embed scripts
var scripts embed.FS

// zipTime is the time of every file in a zip, so that two builds are one: the first
// that the format can tell.
var zipTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// member is a file of a zip.
type member struct {
	name    string
	mode    fs.FileMode
	content []byte
}

// releaseFile holds the release; the scripts compare it with what is installed.
const releaseFile = "release"

// plan says what is built.
type plan struct {
	name      string // of the document
	version   string // letters, digits and dots
	publisher string
	binaries  map[string]string // "linux/amd64" -> path
	out       string            // folder, made if need be
	texts     map[string]string // name in the zip -> path, of licenses and notices
}

// build writes manifest.json and one zip per binary.
func build(p plan) (*manifest, error) {
	m := &manifest{
		SchemaVersion: "2.0", Version: p.version, Publisher: p.publisher,
		Description: "Says why a host is not an AWS Systems Manager managed node. Read-only.",
		Packages:    map[string]map[string]map[string]fileRef{}, Files: map[string]fileInfo{},
	}
	if err := os.MkdirAll(p.out, 0o755); err != nil {
		return nil, err
	}
	for _, t := range targets {
		bin, ok := p.binaries[t.goos+"/"+t.goarch]
		if !ok {
			continue
		}
		program, err := os.ReadFile(bin)
		if err != nil {
			return nil, err
		}
		members, err := p.members(t, program)
		if err != nil {
			return nil, err
		}
		content, err := pack(members)
		if err != nil {
			return nil, err
		}
		file := t.zipName(p.name)
		if err := os.WriteFile(filepath.Join(p.out, file), content, 0o644); err != nil {
			return nil, err
		}
		m.add(t, file, content)
	}
	if len(m.Files) != len(p.binaries) {
		return nil, fmt.Errorf("%d binaries given, but the package knows only %d of their platforms", len(p.binaries), len(m.Files))
	}
	if m.Packages["windows"] == nil || m.Packages["mac_os_x"] == nil {
		delete(m.Packages, anyKey) // they would get a program for Linux
	}
	return m, m.write(filepath.Join(p.out, "manifest.json"))
}

// members of the zip for a target: flat, the scripts of its family at the root.
func (p plan) members(t target, program []byte) ([]member, error) {
	family := "unix"
	if t.goos == "windows" {
		family = "windows"
	}
	// No manifest.json: the agent takes what it names for the release of the folder, and
	// it downloads the release that was asked for also into the folder of another one.
	out := []member{
		{t.program(), 0o755, program},
		{releaseFile, 0o644, []byte(p.version + "\n")},
	}
	for name, file := range p.texts {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		out = append(out, member{name, 0o644, b})
	}
	dir := path.Join("scripts", family)
	entries, err := scripts.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		b, err := scripts.ReadFile(path.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		// A checkout may have changed the line ends; dash does not take CRLF.
		b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
		mode := fs.FileMode(0o755)
		if strings.HasPrefix(e.Name(), "common") {
			mode = 0o644
		}
		out = append(out, member{e.Name(), mode, b})
	}
	slices.SortFunc(out, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	return out, nil
}

// pack makes a zip that depends on nothing but the members.
func pack(members []member) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate, Modified: zipTime}
		h.SetMode(m.mode)
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write(m.content)
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", m.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
