package main

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// elfFor is the smallest file that names itself a program of a machine.
func elfFor(m elf.Machine) []byte {
	var b bytes.Buffer
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(m), Version: 1, Ehsize: 64}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	_ = binary.Write(&b, binary.LittleEndian, h)
	return b.Bytes()
}

// built makes a package of two small programs in a new folder.
func built(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	bins := map[string]string{}
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		path := filepath.Join(t.TempDir(), arch)
		if err := os.WriteFile(path, elfFor(machine), 0o755); err != nil {
			t.Fatal(err)
		}
		bins["linux/"+arch] = path
	}
	if _, err := build(plan{name: "ssm-doctor", version: "1.2.3", publisher: "Example", binaries: bins, out: dir}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBuiltPackageIsValid(t *testing.T) {
	t.Parallel()
	if p := validate("ssm-doctor", built(t)); len(p) > 0 {
		t.Error(p)
	}
}

func TestTwoBuildsAreTheSame(t *testing.T) {
	t.Parallel()
	a, b := built(t), built(t)
	entries, err := os.ReadDir(a)
	if err != nil || len(entries) != 3 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		x, _ := os.ReadFile(filepath.Join(a, e.Name()))
		y, _ := os.ReadFile(filepath.Join(b, e.Name()))
		if len(x) == 0 || !bytes.Equal(x, y) {
			t.Errorf("%s differs", e.Name())
		}
	}
}

// The rows are what the agent's own plugin did.
func TestChoose(t *testing.T) {
	t.Parallel()
	p := func(platform, version, arch string) *manifest {
		return &manifest{
			Packages: map[string]map[string]map[string]fileRef{platform: {version: {arch: {"x.zip"}}}},
			Files:    map[string]fileInfo{"x.zip": {}},
		}
	}
	withAny := p("debian", "11", "x86_64")
	withAny.Packages["_any"] = map[string]map[string]fileRef{"_any": {"x86_64": {"x.zip"}}}
	dangling := p("debian", "_any", "x86_64")
	delete(dangling.Files, "x.zip")
	for _, tt := range []struct {
		name                    string
		m                       *manifest
		platform, version, arch string
		ok                      bool
	}{
		{"exact", p("debian", "12", "x86_64"), "debian", "12", "x86_64", true},
		{"prefix of the same", p("debian", "12.*", "x86_64"), "debian", "12", "x86_64", true},
		{"prefix", p("redhat", "9.*", "x86_64"), "redhat", "9.4", "x86_64", true},
		{"major alone is not a prefix", p("redhat", "9", "x86_64"), "redhat", "9.4", "x86_64", false},
		{"no prefix without a dot", p("debian", "12*", "x86_64"), "debian", "12", "x86_64", false},
		{"no prefix inside a component", p("debian", "1*", "x86_64"), "debian", "12", "x86_64", false},
		{"component, not letters", p("redhat", "9.*", "x86_64"), "redhat", "91.4", "x86_64", false},
		{"any version", p("debian", "_any", "x86_64"), "debian", "12", "x86_64", true},
		{"star", p("debian", "*", "x86_64"), "debian", "12", "x86_64", true},
		{"family name never matches", p("linux", "_any", "x86_64"), "debian", "12", "x86_64", false},
		{"amd64 never matches", p("debian", "_any", "amd64"), "debian", "12", "x86_64", false},
		{"any architecture", p("debian", "_any", "_any"), "debian", "12", "arm64", true},
		{"any platform", withAny, "ubuntu", "22.04", "x86_64", true},
		{"no fall-back once the platform is there", withAny, "debian", "12", "x86_64", false},
		{"file not listed", dangling, "debian", "12", "x86_64", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.m.choose(tt.platform, tt.version, tt.arch)
			if (err == nil) != tt.ok {
				t.Errorf("got %v, want match %v", err, tt.ok)
			}
		})
	}
	many := map[string]int{"_any": 0, "9.*": 1, "9.4.*": 2, "*": 3}
	if k, ok := chooseVersion(many, "9.4.1"); k != "9.4.*" || !ok {
		t.Errorf("longest prefix: got %q", k)
	}
}

// repack rewrites the amd64 zip of a package, and its entry in the manifest.
func repack(t *testing.T, dir string, change func([]member) []member) {
	t.Helper()
	file := filepath.Join(dir, "ssm-doctor_linux_amd64.zip")
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var members []member
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, member{f.Name, f.Mode(), b})
	}
	_ = z.Close()
	b, err := pack(change(members))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	remake(t, dir, func(m *manifest) { m.add(targets[0], filepath.Base(file), b) })
}

func remake(t *testing.T, dir string, change func(*manifest)) {
	t.Helper()
	m, _, err := readManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	change(m)
	if err := m.write(filepath.Join(dir, "manifest.json")); err != nil {
		t.Fatal(err)
	}
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	const zipFile = "ssm-doctor_linux_amd64.zip"
	edit := func(name string, f func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			repack(t, dir, func(in []member) []member {
				for i := range in {
					if in[i].name == name {
						in[i].content = f(in[i].content)
					}
				}
				return in
			})
		}
	}
	drop := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			repack(t, dir, func(in []member) []member {
				var out []member
				for _, m := range in {
					if m.name != name {
						out = append(out, m)
					}
				}
				return out
			})
		}
	}
	with := func(m member) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			repack(t, dir, func(in []member) []member { return append(in, m) })
		}
	}
	man := func(f func(*manifest)) func(*testing.T, string) {
		return func(t *testing.T, dir string) { remake(t, dir, f) }
	}
	for _, tt := range []struct {
		name   string
		change func(*testing.T, string)
		want   string
	}{
		{"no schema version", man(func(m *manifest) { m.SchemaVersion = "" }), "schemaVersion"},
		{"no publisher", man(func(m *manifest) { m.Publisher = "" }), "publisher"},
		{"version with a dash", man(func(m *manifest) { m.Version = "1.2.3-1" }), "letters, digits and dots"},
		{"linux as a platform", man(func(m *manifest) { m.Packages["linux"] = m.Packages["debian"] }), `platform "linux" is not a name`},
		{"version 12*", man(func(m *manifest) { m.Packages["debian"]["12*"] = m.Packages["debian"]["_any"] }), `"12*" never matches`},
		{"version blocks any", man(func(m *manifest) {
			m.Packages["debian"] = map[string]map[string]fileRef{"12.*": m.Packages["debian"]["_any"]}
		}), "get nothing"},
		{"amd64", man(func(m *manifest) { m.Packages["debian"]["_any"]["amd64"] = fileRef{zipFile} }), `"amd64" never matches`},
		{"dangling file", man(func(m *manifest) { m.Packages["debian"]["_any"]["x86_64"] = fileRef{"other.zip"} }), "not listed"},
		{"windows gets a program for Linux", man(func(m *manifest) { m.Packages["_any"] = m.Packages["debian"] }), "is used for linux/amd64 and for windows/amd64"},
		{"wrong program for an architecture", man(func(m *manifest) { m.Packages["debian"]["_any"]["arm64"] = fileRef{zipFile} }), "is used for"},
		{"no checksum", man(func(m *manifest) { m.Files[zipFile] = fileInfo{Size: m.Files[zipFile].Size} }), "no sha256"},
		{"only sha512", man(func(m *manifest) { m.Files[zipFile].Checksums["sha512"] = "00" }), "of no use"},
		{"wrong checksum", man(func(m *manifest) { m.Files[zipFile].Checksums["sha256"] = strings.Repeat("0", 64) }), "sha256 is not"},
		{"wrong size", man(func(m *manifest) { i := m.Files[zipFile]; i.Size++; m.Files[zipFile] = i }), "the manifest says"},
		{"too many files", man(func(m *manifest) {
			for i := range 20 {
				m.Files[fmt.Sprintf("x%d.zip", i)] = fileInfo{}
			}
		}), "at most 20"},
		{"unlisted file", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "not listed"},
		{"truncated zip", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, zipFile), []byte("PK"), 0o644); err != nil {
				t.Fatal(err)
			}
			remake(t, dir, func(m *manifest) { m.add(targets[0], zipFile, []byte("PK")) })
		}, "not a valid zip"},
		{"no uninstall", drop("uninstall.sh"), "uninstall.sh is missing"},
		{"no update", drop("update.sh"), "update.sh is missing"},
		{"no validate", drop("validate.sh"), "validate.sh is missing"},
		{"no program", drop("ssm-doctor"), "program ssm-doctor is missing"},
		{"two families", with(member{"install.ps1", 0o644, []byte("exit 0\n")}), "one family"},
		{"climbing entry", with(member{"../x", 0o644, nil}), "refuses the entry"},
		{"absolute entry", with(member{"/x", 0o644, nil}), "refuses the entry"},
		{"nested entry", with(member{"lib/x", 0o644, nil}), "in a folder"},
		{"link", with(member{"x", os.ModeSymlink | 0o777, []byte("/etc/shadow")}), "is not a regular file"},
		{"top folder", func(t *testing.T, dir string) {
			repack(t, dir, func(in []member) []member {
				for i := range in {
					in[i].name = "ssm-doctor-1.2.3/" + in[i].name
				}
				return in
			})
		}, "install.sh is missing at the root"},
		{"CRLF", edit("install.sh", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }), "CRLF"},
		{"bash", edit("install.sh", func(b []byte) []byte { return append([]byte("#!/bin/bash\n"), b...) }), "#!/bin/sh"},
		{"another release inside", edit("release", func([]byte) []byte { return []byte("1.2.4\n") }), `release names "1.2.4"`},
		{"a manifest inside", with(member{"manifest.json", 0o644, []byte(`{"name":"ssm-doctor","version":"1.2.3"}`)}), "refuse to remove any other release"},
		{"text as the program", edit("ssm-doctor", func([]byte) []byte { return []byte("#!/bin/sh\n") }), "is not a program that any target"},
		{"program of another architecture", edit("ssm-doctor", func([]byte) []byte { return elfFor(elf.EM_AARCH64) }), "is built for linux/arm64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := built(t)
			tt.change(t, dir)
			var all []string
			for _, p := range validate("ssm-doctor", dir) {
				all = append(all, p.Error())
			}
			if !strings.Contains(strings.Join(all, "\n"), tt.want) {
				t.Errorf("got %q, want one with %q", all, tt.want)
			}
		})
	}
}

func TestReservedNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"aws-doctor", "AmazonDoctor", "amzn", "AWSEC2x", "x", "a b c"} {
		if len(validate(name, built(t))) == 0 {
			t.Errorf("%q was taken", name)
		}
	}
}

func TestPackageVersion(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"v1.2.3": "1.2.3", "1.2.3-4-gabcdef0": "1.2.3.4.gabcdef0", "1.0.0-rc.1+x": "1.0.0.rc.1.x"} {
		if got := packageVersion(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestEveryPlatformIsListed(t *testing.T) {
	t.Parallel()
	m, _, err := readManifest(built(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, platform := range linuxPlatforms {
		if platform == anyKey {
			continue
		}
		got := []string{}
		for _, arch := range []string{"x86_64", "arm64"} {
			f, err := m.choose(platform, "7.9", arch)
			if err != nil {
				t.Error(err)
			}
			got = append(got, f)
		}
		if d := cmp.Diff([]string{"ssm-doctor_linux_amd64.zip", "ssm-doctor_linux_arm64.zip"}, got); d != "" {
			t.Errorf("%s: %s", platform, d)
		}
	}
}

// FuzzManifest: a foreign manifest is judged, never a crash.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":"2.0","packages":{"_any":{"_any":{"_any":{"file":"../x.zip"}}}},"files":{"../x.zip":{}}}`))
	f.Add([]byte(`{"packages":{"debian":{"9.*":{}}},"files":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "manifest.json"), b, 0o644); err != nil {
			t.Skip()
		}
		if p := validate("ssm-doctor", dir); len(p) == 0 && json.Valid(b) {
			t.Errorf("a package without zips was taken: %s", b)
		}
	})
}
