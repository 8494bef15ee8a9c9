package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// manifest is the content of a Distributor document (type Package), schema 2.0.
type manifest struct {
	SchemaVersion string `json:"schemaVersion"`
	Version       string `json:"version"`
	Publisher     string `json:"publisher"`
	Description   string `json:"description,omitempty"`
	// Packages: platform, platform version, architecture -> file.
	Packages map[string]map[string]map[string]fileRef `json:"packages"`
	Files    map[string]fileInfo                      `json:"files"`
}

type fileRef struct {
	File string `json:"file"`
}

type fileInfo struct {
	Checksums map[string]string `json:"checksums"`
	Size      int64             `json:"size"` // bytes
}

// anyKey matches every platform, version or architecture without a key of its own.
const anyKey = "_any"

// linuxPlatforms are the names that the agent gives to distributions. All are
// listed, each for any version: a platform key hides the "_any" platform.
var linuxPlatforms = []string{
	"almalinux", "alpine", "amazon", "arch", "centos", "debian", "fedora", "gentoo", "opensuse",
	"opensuseleap", "oracle", "raspbian", "redhat", "rocky", "suse", "ubuntu", anyKey,
}

// target is one operating system and architecture that gets a zip.
type target struct {
	goos, goarch string
	platforms    []string
	arch         string // as the agent calls it
}

var targets = []target{
	{"linux", "amd64", linuxPlatforms, "x86_64"},
	{"linux", "arm64", linuxPlatforms, "arm64"},
	{"windows", "amd64", []string{"windows"}, "x86_64"},
	{"darwin", "amd64", []string{"mac_os_x"}, "x86_64"},
	{"darwin", "arm64", []string{"mac_os_x"}, "arm64"},
}

func (t target) zipName(name string) string { return name + "_" + t.goos + "_" + t.goarch + ".zip" }

// program is the name of the executable in the zip.
func (t target) program() string {
	if t.goos == "windows" {
		return "ssm-doctor.exe"
	}
	return "ssm-doctor"
}

// add enters a zip for the target.
func (m *manifest) add(t target, file string, content []byte) {
	sum := sha256.Sum256(content)
	m.Files[file] = fileInfo{Checksums: map[string]string{"sha256": hex.EncodeToString(sum[:])}, Size: int64(len(content))}
	for _, p := range t.platforms {
		if m.Packages[p] == nil {
			m.Packages[p] = map[string]map[string]fileRef{anyKey: {}}
		}
		m.Packages[p][anyKey][t.arch] = fileRef{File: file}
	}
}

func (m *manifest) write(path string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// choose returns the file that the agent would take on a platform. It matches level
// by level and never goes back: once a platform's key exists, "_any" is not tried.
func (m *manifest) choose(platform, version, arch string) (string, error) {
	versions, ok := m.Packages[platform]
	if !ok {
		versions, ok = m.Packages[anyKey]
	}
	if !ok {
		return "", fmt.Errorf("no package for platform %q", platform)
	}
	key, ok := chooseVersion(versions, version)
	if !ok {
		return "", fmt.Errorf("no package for version %q of platform %q", version, platform)
	}
	ref, ok := versions[key][arch]
	if !ok {
		ref, ok = versions[key][anyKey]
	}
	if !ok {
		return "", fmt.Errorf("no package for architecture %q of platform %q", arch, platform)
	}
	if _, ok := m.Files[ref.File]; !ok {
		return "", fmt.Errorf("failed to find file for platform %q: %q is not listed under files", platform, ref.File)
	}
	return ref.File, nil
}

// chooseVersion: exact, then the longest "x.y.*" by whole components, "_any", "*".
// Keys that end in "nano" are for Nano Server only, and it takes no others but these.
func chooseVersion[V any](versions map[string]V, version string) (string, bool) {
	if _, ok := versions[version]; ok {
		return version, true
	}
	best := ""
	for _, k := range slices.Sorted(maps.Keys(versions)) {
		prefix, ok := strings.CutSuffix(k, ".*")
		if ok && strings.HasPrefix(version+".", prefix+".") && len(k) > len(best) {
			best = k
		}
	}
	if best != "" {
		return best, true
	}
	for _, k := range []string{anyKey, "*"} {
		if _, ok := versions[k]; ok {
			return k, true
		}
	}
	return "", false
}

// readManifest reads manifest.json of a folder; unknown keys are errors, they would
// be misspelt ones.
func readManifest(dir string) (*manifest, []byte, error) {
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return nil, nil, err
	}
	var m manifest
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, nil, fmt.Errorf("read manifest.json: %w", err)
	}
	return &m, b, nil
}
