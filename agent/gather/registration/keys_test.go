package registration

import (
	"path/filepath"
	"strings"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func TestKeysAreHandedOver(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{"healthy-dhmc": facts.SourceDHMC, "hybrid-healthy": facts.SourceHybrid} {
		env := gathertest.Plain(t, filepath.Join("..", "testdata", "agent", name))
		run := env.Begin()
		if err := (Credentials{}).Gather(t.Context(), run, &facts.Facts{}); err != nil {
			t.Error(err)
		}
		k, ok := run.KeysOf(source)
		if !ok || !strings.HasPrefix(k.ID, "ASIA") || k.Secret == "" || k.Token == "" {
			t.Errorf("%s: no usable keys for %s", name, source)
		}
	}
}
