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
