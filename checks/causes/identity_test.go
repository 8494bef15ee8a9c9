package causes

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestWithoutKeys: keys are set back in any case, as the agent takes them, and no others. The
// result is JSON for what was JSON.
func TestWithoutKeys(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{`{"Agent":{"Region":"x","SelfUpdate":true}}`, `{"Agent":{"Region":"","SelfUpdate":true}}`},
		{"{\n  \"agent\": {\n    \"SelfUpdate\": true,\n    \"region\" : \"x\"\n  }\n}\n", `{"agent":{"SelfUpdate":true,"region":""}}`},
		{`{"identity":{"CustomIdentities":[{"Region":"x"}],"consumptionOrder":["EC2"]}}`, `{"identity":{"CustomIdentities":[{"Region":"x"}],"consumptionOrder":["OnPrem","EC2"]}}`},
		{"{\"Identity\":{\"ConsumptionOrder\":\n null}}", `{"Identity":{"ConsumptionOrder":["OnPrem","EC2"]}}`},
		{`{"agent":{"UseDualStackEndpoint": true,"Region":""}}`, `{"agent":{"UseDualStackEndpoint":false,"Region":""}}`},
	} {
		command := WithoutKeys("Agent.Region", "Identity.ConsumptionOrder", "Agent.UseDualStackEndpoint")
		got := editedBy(t, command, c[0])
		if !sameJSON(got, c[1]) {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
}

// TestOnPremOnly: the order of identities is set wherever it stands, and where it does not.
func TestOnPremOnly(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"", `{"Identity":{"ConsumptionOrder":["OnPrem"]}}`},
		{"{ }\n", `{"Identity":{"ConsumptionOrder":["OnPrem"]}}`},
		{`{"Agent":{"Region":"x"}}`, `{"Identity":{"ConsumptionOrder":["OnPrem"]},"Agent":{"Region":"x"}}`},
		{"{\n\"identity\":{\"consumptionorder\":\n[\"EC2\",\n\"OnPrem\"]}}", `{"identity":{"consumptionorder":["OnPrem"]}}`},
		{`{"Identity":{"ConsumptionOrder":null}}`, `{"Identity":{"ConsumptionOrder":["OnPrem"]}}`},
	} {
		if got := editedBy(t, onPremOnly, c[0]); !sameJSON(got, c[1]) {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
}

// editedBy is a configuration after a command.
func editedBy(t *testing.T, command, content string) string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(command, "{config}", config)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
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
