package causes

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWithoutKeysMac: keys are taken out in any case, as the agent takes them, and no others.
func TestWithoutKeysMac(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("no jq")
	}
	filter := between(WithoutKeysMac("Agent.Region", "Identity.ConsumptionOrder"), "'", "'")
	for _, c := range [][2]string{
		{`{"Agent":{"Region":"x","SelfUpdate":true}}`, `{"Agent":{"SelfUpdate":true}}`},
		{`{"identity":{"consumptionOrder":["EC2"],"CustomIdentities":[{"Region":"x"}]},"Identity":{"CONSUMPTIONORDER":[]}}`, `{"identity":{"CustomIdentities":[{"Region":"x"}]},"Identity":{}}`},
		{`{"Mgs":{"Region":"x"},"Os":null}`, `{"Mgs":{"Region":"x"},"Os":null}`},
		{`{}`, `{}`},
	} {
		cmd := exec.CommandContext(t.Context(), "jq", "-c", filter)
		cmd.Stdin = strings.NewReader(c[0])
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != c[1] {
			t.Errorf("%s: %s, want %s (%v)", c[0], out, c[1], err)
		}
	}
}

// TestWithoutKeys: the same, by the sed of Linux: keys are set back.
func TestWithoutKeys(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "sed", "-E", "-z", "p", os.DevNull).Run(); err != nil {
		t.Skip("no GNU sed")
	}
	for _, c := range [][2]string{
		{`{"Agent":{"Region":"x","SelfUpdate":true}}`, `{"Agent":{"Region":"","SelfUpdate":true}}`},
		{"{\n  \"agent\": {\n    \"SelfUpdate\": true,\n    \"region\" : \"x\"\n  }\n}\n", "{\n  \"agent\": {\n    \"SelfUpdate\": true,\n    \"region\" : \"\"\n  }\n}\n"},
		{`{"identity":{"CustomIdentities":[{"Region":"x"}],"consumptionOrder":["EC2"]}}`, `{"identity":{"CustomIdentities":[{"Region":"x"}],"consumptionOrder":["OnPrem", "EC2"]}}`},
		{`{"Mgs":{"Region":"x"},"Os":null}`, `{"Mgs":{"Region":"x"},"Os":null}`},
		{`{}`, `{}`},
	} {
		config := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(config, []byte(c[0]), 0o600); err != nil {
			t.Fatal(err)
		}
		command := strings.ReplaceAll(WithoutKeys("Agent.Region", "Identity.ConsumptionOrder"), "{config}", config)
		out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput()
		if got, readErr := os.ReadFile(config); err != nil || readErr != nil || string(got) != c[1] {
			t.Errorf("%s: %s, want %s (%v, %s)", c[0], got, c[1], err, out)
		}
	}
}

// TestLastOfChain: the last certificate is kept, and where there is none, nothing is that
// could be trusted, and why is shown.
func TestLastOfChain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ openssl, kept, shown string }{
		{`case $1 in s_client) printf 'x\n-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nca\n-----END CERTIFICATE-----\ny\n';; esac`, "-----BEGIN CERTIFICATE-----\nca\n-----END CERTIFICATE-----\n", ""},
		{`case $1 in s_client) echo connect:errno=111 >&2;; *) exit 1;; esac`, "", "connect:errno=111"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "openssl"), []byte("#!/bin/sh\n"+c.openssl+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "openssl s_client"+strings.ReplaceAll(lastOfChain, "~root", dir))
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		kept, readErr := os.ReadFile(filepath.Join(dir, "your-ca.pem"))
		if err != nil || string(kept) != c.kept || (readErr == nil) != (c.kept != "") || !strings.Contains(string(out), c.shown) {
			t.Errorf("kept %q (%v), shown %q (%v)", kept, readErr, out, err)
		}
	}
	for _, id := range []string{"tls-untrusted-ca", "proxy-certificate-untrusted"} {
		s := Get(id).Fix[0]
		if c, known := ChangesOf(s.Command, s.Where); !known || len(c) != 1 || c[0].Kind != FileWritten || !s.Root {
			t.Errorf("%s: %+v changes %+v", id, s, c)
		}
	}
}
