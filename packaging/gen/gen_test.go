package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

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
	b, err := fromBuildInfo(info, "1.2.3", "ab")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"metadata":{"component":{"type":"application","bom-ref":"ssm-doctor","name":"ssm-doctor","version":"1.2.3","purl":"pkg:generic/ssm-doctor@1.2.3","hashes":[{"alg":"SHA-256","content":"ab"}]},"properties":[{"name":"build:GOOS","value":"linux"},{"name":"build:GOARCH","value":"arm64"}]},"components":[` +
		`{"type":"library","bom-ref":"example.org/b@v1.0.0+incompatible","name":"example.org/b","version":"v1.0.0+incompatible","purl":"pkg:golang/example.org/b@v1.0.0%2Bincompatible","hashes":[{"alg":"SHA-256","content":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}]},` +
		`{"type":"library","bom-ref":"example.org/fork@v0.2.0","name":"example.org/fork","version":"v0.2.0","purl":"pkg:golang/example.org/fork@v0.2.0"},` +
		`{"type":"library","bom-ref":"std@1.26.0","name":"std","version":"1.26.0","purl":"pkg:golang/std@1.26.0"}],` +
		`"dependencies":[{"ref":"ssm-doctor","dependsOn":["example.org/b@v1.0.0+incompatible","example.org/fork@v0.2.0","std@1.26.0"]}]}`
	if d := cmp.Diff(want, string(text)); d != "" {
		t.Error(d)
	}
	info.Deps[0].Sum = "h1:%"
	if _, err := fromBuildInfo(info, "1.2.3", ""); err == nil {
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
