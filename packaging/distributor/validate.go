package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"ssm-doctor/packaging/distributor/plugin"
)

// Limits of the service; the version is held to what all its rules allow.
const (
	maxFiles    = 20
	maxFileSize = 1 << 30
	maxContent  = 64 << 10
	maxMember   = 256 << 20 // ours: nothing larger belongs into a zip
)

var (
	goodName    = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,128}$`)
	goodVersion = regexp.MustCompile(`^[A-Za-z0-9.]{1,128}$`)
	// reservedName: the service refuses names that begin so, in any case.
	reservedName = regexp.MustCompile(`(?i)^(aws|amazon|amzn)`)
	knownKeys    = regexp.MustCompile(`^(_any|\*|nano|[0-9]+(\.[0-9]+)*(\.\*)?(nano)?)$`)
	absolutePath = regexp.MustCompile(`^([A-Za-z]:|[/\\])`)
)

// problems collects what is wrong.
type problems []error

func (p *problems) add(format string, a ...any) { *p = append(*p, fmt.Errorf(format, a...)) }

// validate applies the rules of the service and of the node to a built package.
func validate(name, dir string) []error {
	var p problems
	m, content, err := readManifest(dir)
	if err != nil {
		p.add("%w", err)
		return p
	}
	if !goodName.MatchString(name) || reservedName.MatchString(name) {
		p.add("document name %q is not allowed", name)
	}
	p.document(m, content)
	p.platforms(m)
	used := m.zips(&p)
	for _, e := range mustReadDir(dir, &p) {
		if e.Name() == "manifest.json" {
			continue
		}
		if _, ok := m.Files[e.Name()]; !ok {
			p.add("%s lies in the folder and is not listed: the service refuses attachments it does not know", e.Name())
		}
	}
	for file := range m.Files {
		if len(used[file]) == 0 {
			p.add("%s is listed and no platform uses it", file)
			continue
		}
		p.file(m, dir, file, used[file][0])
	}
	return p
}

func mustReadDir(dir string, p *problems) []os.DirEntry {
	entries, err := os.ReadDir(dir)
	if err != nil {
		p.add("%w", err)
	}
	return entries
}

// document: the rules of the service for the manifest.
func (p *problems) document(m *manifest, content []byte) {
	if m.SchemaVersion != "2.0" {
		p.add("schemaVersion is %q, must be 2.0", m.SchemaVersion)
	}
	if m.Publisher == "" {
		p.add("publisher is missing")
	}
	if !goodVersion.MatchString(m.Version) {
		p.add("version %q must be letters, digits and dots", m.Version)
	}
	if len(m.Packages) == 0 || len(m.Files) == 0 {
		p.add("packages or files is empty")
	}
	if len(m.Files) > maxFiles {
		p.add("%d files, at most %d", len(m.Files), maxFiles)
	}
	if len(content) > maxContent {
		p.add("manifest.json has %d bytes, at most %d", len(content), maxContent)
	}
}

// platforms: keys that the node never matches, and distributions left out.
func (p *problems) platforms(m *manifest) {
	known := map[string]bool{}
	for _, t := range targets {
		for _, n := range t.platforms {
			known[n] = true
		}
	}
	for platform, versions := range m.Packages {
		if !known[platform] {
			p.add("platform %q is not a name that the agent knows", platform)
		}
		for version, archs := range versions {
			if !knownKeys.MatchString(version) {
				p.add("platform %q: version key %q never matches; whole components and .* only", platform, version)
			}
			for arch, ref := range archs {
				if arch != "x86_64" && arch != "arm64" && arch != "386" && arch != anyKey {
					p.add("platform %q: architecture %q never matches", platform, arch)
				}
				if _, ok := m.Files[ref.File]; !ok {
					p.add("platform %q: %q is not listed under files", platform, ref.File)
				}
			}
		}
		if _, ok := chooseVersion(versions, "0"); !ok {
			p.add("platform %q has no %q version: hosts of other versions get nothing, not the %q platform", platform, anyKey, anyKey)
		}
	}
	if _, ok := m.Packages[anyKey]; ok {
		for _, n := range linuxPlatforms {
			if _, err := m.choose(n, "1.0", "x86_64"); err != nil {
				p.add("%w", err)
			}
		}
	}
}

// zips: which targets take which file.
func (m *manifest) zips(p *problems) map[string][]target {
	used := map[string][]target{}
	for _, t := range targets {
		for _, platform := range t.platforms {
			if platform == anyKey {
				continue
			}
			// A platform without a package is one that was not built for.
			file, err := m.choose(platform, "1.0", t.arch)
			if err != nil {
				continue
			}
			if u := used[file]; len(u) > 0 && (u[0].goos != t.goos || u[0].goarch != t.goarch) {
				p.add("%s is used for %s/%s and for %s/%s", file, u[0].goos, u[0].goarch, t.goos, t.goarch)
			}
			used[file] = append(used[file], t)
		}
	}
	return used
}

// file: one zip as listed, and as the node unpacks it.
func (p *problems) file(m *manifest, dir, file string, t target) {
	if file != filepath.Base(file) || !strings.HasSuffix(file, ".zip") {
		p.add("%q is not a plain name of a zip", file)
		return
	}
	info := m.Files[file]
	st, err := os.Stat(filepath.Join(dir, file))
	if err != nil {
		p.add("%w", err)
		return
	}
	if st.Size() > maxFileSize {
		p.add("%s has %d bytes, at most %d", file, st.Size(), maxFileSize)
		return
	}
	content, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		p.add("%w", err)
		return
	}
	if info.Size != int64(len(content)) {
		p.add("%s has %d bytes, the manifest says %d", file, len(content), info.Size)
	}
	sum := sha256.Sum256(content)
	switch got, ok := info.Checksums["sha256"]; {
	case !ok:
		p.add("%s has no sha256: the node would not check it, or not take it", file)
	case !strings.EqualFold(got, hex.EncodeToString(sum[:])):
		p.add("%s: sha256 is not the one of the manifest", file)
	}
	for algorithm := range info.Checksums {
		if algorithm != "sha256" {
			p.add("%s: checksum %q is of no use", file, algorithm)
		}
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		p.add("%s: %w", file, err)
		return
	}
	p.archive(m.Version, file, z, t)
}

// archive: the content of a zip.
func (p *problems) archive(version, file string, z *zip.Reader, t target) {
	got := map[string][]byte{}
	for _, f := range z.File {
		switch {
		case strings.Contains(f.Name, "..") || absolutePath.MatchString(f.Name):
			p.add("%s: the node refuses the entry %q", file, f.Name)
			continue
		case strings.ContainsAny(f.Name, `/\`):
			p.add("%s: %q is in a folder; macOS flattens it and folders get the mode of a file", file, f.Name)
			continue
		case !f.Mode().IsRegular():
			p.add("%s: %q is not a regular file", file, f.Name)
			continue
		}
		if _, ok := got[f.Name]; ok {
			p.add("%s: %q is there twice", file, f.Name)
		}
		b, err := readMember(f)
		if err != nil {
			p.add("%s: %w", file, err)
			continue
		}
		got[f.Name] = b
	}
	own, other := ".sh", ".ps1"
	if t.goos == "windows" {
		own, other = other, own
	}
	for _, action := range []string{"install", "update", "uninstall", "validate"} {
		b, ok := got[action+own]
		if !ok {
			p.add("%s: %s is missing at the root", file, action+own)
			continue
		}
		if _, ok := got[action+other]; ok {
			p.add("%s: %s and %s: one family of scripts per zip", file, action+own, action+other)
		}
		p.script(file, action+own, b)
	}
	if b, ok := got["common"+own]; ok {
		p.script(file, "common"+own, b)
	}
	if b, ok := got[t.program()]; !ok {
		p.add("%s: the program %s is missing", file, t.program())
	} else if err := builtFor(b, t); err != nil {
		p.add("%s: %w", file, err)
	}
	if _, ok := got["manifest.json"]; ok {
		p.add("%s: a manifest.json in it would make the node refuse to remove any other release", file)
	}
	if b, ok := got[releaseFile]; !ok || strings.TrimSpace(string(b)) != version {
		p.add("%s: %s names %q, not %s", file, releaseFile, bytes.TrimSpace(b), version)
	}
}

func readMember(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxMember+1))
	if err == nil && len(b) > maxMember {
		err = fmt.Errorf("%s is larger than %d bytes", f.Name, maxMember)
	}
	return b, err
}

// script: what breaks under dash; those of Windows are one call of the program.
func (p *problems) script(file, name string, b []byte) {
	if strings.HasSuffix(name, ".sh") {
		if bytes.ContainsRune(b, '\r') {
			p.add("%s: %s has CRLF line ends, dash does not take them", file, name)
		}
		if name != "common.sh" && !bytes.HasPrefix(b, []byte("#!/bin/sh\n")) {
			p.add("%s: %s does not begin with #!/bin/sh", file, name)
		}
		return
	}
	if call, err := plugin.Called(string(b)); err != nil || call[0] != "ssm-doctor.exe" || call[len(call)-1]+".ps1" != name {
		p.add("%s: %s does not call the program beside it for its action", file, name)
	}
}

// builtFor says whether a program is one of the target's.
func builtFor(b []byte, t target) error {
	var got string
	r := bytes.NewReader(b)
	if f, err := elf.NewFile(r); err == nil {
		got = "linux/" + map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}[f.Machine]
	} else if f, err := pe.NewFile(r); err == nil {
		got = "windows/" + map[uint16]string{pe.IMAGE_FILE_MACHINE_AMD64: "amd64", pe.IMAGE_FILE_MACHINE_ARM64: "arm64"}[f.Machine]
	} else if f, err := macho.NewFile(r); err == nil {
		got = "darwin/" + map[macho.Cpu]string{macho.CpuAmd64: "amd64", macho.CpuArm64: "arm64"}[f.Cpu]
	} else {
		return fmt.Errorf("%s is not a program that any target can run", t.program())
	}
	if want := t.goos + "/" + t.goarch; got != want {
		return fmt.Errorf("%s is built for %s, not for %s", t.program(), got, want)
	}
	return nil
}
