package causes

import (
	"os/exec"
	"strings"
	"testing"
)

// TestWithoutKeys: keys are taken out in any case, as the agent takes them, and no others.
func TestWithoutKeys(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("no jq")
	}
	filter := between(WithoutKeys("Agent.Region", "Identity.ConsumptionOrder"), "'", "'")
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
