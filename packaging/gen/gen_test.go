package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/daemon/svc"
	"ssm-doctor/packaging/gen/golden"
)

// TestGoldenSystemd: packages hold the units that the program would install.
func TestGoldenSystemd(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for name, text := range systemdFiles() {
		files[name] = []byte(text)
	}
	golden.Dir(t, "../systemd", "*", files)
}

// TestExposure holds the hardened unit to 1.8 of 10 (0 is best).
func TestExposure(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=18", "--no-pager", "../systemd/ssm-doctor.service").CombinedOutput()
	if err != nil && strings.Contains(string(out), "unrecognized option") {
		t.Skip("systemd-analyze is too old for --offline")
	}
	i := bytes.LastIndex(out, []byte("Overall exposure"))
	if err != nil || i < 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out[i:])
}

func TestSBOM(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{
		GoVersion: "go1.26.0",
		Main:      debug.Module{Path: "ssm-doctor", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "example.org/b", Version: "v1.0.0+incompatible", Sum: "h1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
			{Path: "example.org/a", Version: "v0.1.0", Replace: &debug.Module{Path: "example.org/fork", Version: "v0.2.0"}},
		},
		Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm64"}},
	}
	when := time.Date(2026, 11, 27, 12, 0, 0, 0, time.FixedZone("", 3600))
	licenses := map[string]string{"std@1.26.0": "BSD-3-Clause", "example.org/fork@v0.2.0": "MIT"}
	b, err := fromBuildInfo(info, "1.2.3", "ab", when, licenses)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"metadata":{"timestamp":"2026-11-27T11:00:00Z","tools":[{"vendor":"ssm-doctor maintainers","name":"packaging/gen","version":"1.2.3"}],"supplier":{"name":"ssm-doctor maintainers"},"component":{"type":"application","bom-ref":"ssm-doctor","name":"ssm-doctor","version":"1.2.3","purl":"pkg:generic/ssm-doctor@1.2.3","hashes":[{"alg":"SHA-256","content":"ab"}],"supplier":{"name":"ssm-doctor maintainers"},"licenses":[{"expression":"Apache-2.0"}]},"properties":[{"name":"build:GOOS","value":"linux"},{"name":"build:GOARCH","value":"arm64"}]},"components":[` +
		`{"type":"library","bom-ref":"example.org/b@v1.0.0+incompatible","name":"example.org/b","version":"v1.0.0+incompatible","purl":"pkg:golang/example.org/b@v1.0.0%2Bincompatible","hashes":[{"alg":"SHA-256","content":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}],"supplier":{"name":"example.org"}},` +
		`{"type":"library","bom-ref":"example.org/fork@v0.2.0","name":"example.org/fork","version":"v0.2.0","purl":"pkg:golang/example.org/fork@v0.2.0","supplier":{"name":"example.org"},"licenses":[{"expression":"MIT"}]},` +
		`{"type":"library","bom-ref":"std@1.26.0","name":"std","version":"1.26.0","purl":"pkg:golang/std@1.26.0","supplier":{"name":"The Go Authors"},"licenses":[{"expression":"BSD-3-Clause"}]}],` +
		`"dependencies":[{"ref":"ssm-doctor","dependsOn":["example.org/b@v1.0.0+incompatible","example.org/fork@v0.2.0","std@1.26.0"]}]}`
	if d := cmp.Diff(want, string(text)); d != "" {
		t.Error(d)
	}
	info.Deps[0].Sum = "h1:%"
	if _, err := fromBuildInfo(info, "1.2.3", "", when, licenses); err == nil {
		t.Error("a damaged checksum was taken")
	}
}

func TestSums(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"b": "", "sub/a": "x", "SHA256SUMS": "old", "SHA256SUMS.minisig": "old"} {
		if err := writeAll(filepath.Join(dir, filepath.Dir(name)), map[string]string{filepath.Base(name): text}); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := sums(dir, &b); err != nil {
		t.Fatal(err)
	}
	want := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n" +
		"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881  sub/a\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"nothing"}, {"sbom"}, {"sbom", "no-such-file"}, {"all", "x"}, {"check", "x"}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

// systemdFiles are the files of the service as deb and rpm install them.
func systemdFiles() map[string]string {
	return map[string]string{
		"ssm-doctor.service":       svc.Unit("/usr/bin/ssm-doctor", 252),
		"ssm-doctor-plain.service": svc.Unit("/usr/bin/ssm-doctor", 219),
		"ssm-doctor.sysusers":      svc.Sysusers(),
		"ptrace.conf":              svc.PtraceDropIn(),
	}
}

func TestLicenseOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Apache License\n  Version 2.0, January 2004":                                                     "Apache-2.0",
		"Redistributions in binary form must reproduce the above copyright notice; Neither the name of X": "BSD-3-Clause",
		"Redistributions in binary form must\nreproduce the above copyright notice":                       "BSD-2-Clause",
		"Permission is hereby granted, free of charge, to any person obtaining a copy":                    "MIT",
		"All rights reserved.": "",
	} {
		if got := strings.Join(licenseOf(text), " "); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if _, err := folderNotice("x@v1", t.TempDir()); err == nil {
		t.Error("a module without a license was taken")
	}
}

// Every module of the program has a license that is known, and its text is passed on.
func TestNotices(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}@{{.Version}} {{.Dir}} {{.Main}}{{end}}", "../../cmd/ssm-doctor").Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []notice
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] == "true" || strings.Contains(f[1], "/packaging/") || slices.ContainsFunc(list, func(n notice) bool { return n.module == f[0] }) {
			continue
		}
		n, err := folderNotice(f[0], f[1])
		if err != nil {
			t.Error(err)
		}
		list = append(list, n)
	}
	var b strings.Builder
	if err := writeNotices(list, &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"(BSD-3-Clause)", "(Apache-2.0)", "github.com/aws/aws-sdk-go-v2@", "github.com/spf13/cobra@", "Amazon.com, Inc. or its affiliates"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	texts := map[string]bool{}
	for _, n := range list {
		for _, text := range n.texts {
			texts[text] = true
		}
	}
	for text := range texts {
		if n := strings.Count(b.String()+"\n====", "\n\n"+text+"\n\n===="); n != 1 {
			t.Errorf("a text stands there %d times: %.60q", n, text)
		}
	}
}

func TestChangelog(t *testing.T) {
	t.Parallel()
	const text = "# Changelog\n\n## unreleased\n\n* [FEATURE] A `thing` that is long enough to be broken into two lines of the changelog, which are indented.\n* [BUGFIX] B.\n\n## 1.0.0 / 2026-01-02\n\n* [FEATURE] First.\n"
	all, err := releases(text, "1.1.0", time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	want := `ssm-doctor (1.1.0) stable; urgency=medium

  * [FEATURE] A thing that is long enough to be broken into two lines of the
    changelog, which are indented.
  * [BUGFIX] B.

 -- ssm-doctor maintainers <maintainers@ssm-doctor.invalid>  Fri, 27 Nov 2026 12:00:00 +0000

ssm-doctor (1.0.0) stable; urgency=medium

  * [FEATURE] First.

 -- ssm-doctor maintainers <maintainers@ssm-doctor.invalid>  Fri, 02 Jan 2026 00:00:00 +0000
`
	if d := cmp.Diff(want, debChangelog(all)); d != "" {
		t.Error(d)
	}
	rpm, err := rpmChangelog(all)
	if err != nil || !strings.Contains(rpm, `"semver": "1.0.0-1"`) || !strings.Contains(rpm, `"note": "[BUGFIX] B."`) {
		t.Errorf("%v\n%s", err, rpm)
	}
	if _, err := releases("# Changelog\n", "1", time.Time{}); err == nil {
		t.Error("an empty changelog was taken")
	}
}

func TestProvenance(t *testing.T) {
	t.Parallel()
	sums := filepath.Join(t.TempDir(), "sums")
	sum := strings.Repeat("ab", 32)
	if err := os.WriteFile(sums, []byte(sum+"  bin/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := provenanceOf(sums, "no commit", "1", "amd64", "linux", time.Time{}, &b); err == nil {
		t.Error("no commit was taken")
	}
}
