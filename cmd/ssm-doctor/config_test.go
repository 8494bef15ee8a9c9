package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/config"
)

// The configuration in the documentation holds every key of the program.
func TestConfigurationFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "packaging", "docs", "ssm-doctor.yml")
	want := config.Example(configNames())
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(b)); d != "" {
		t.Errorf("packaging/docs/ssm-doctor.yml is stale; go test ./cmd/ssm-doctor -update: %s", d)
	}
	if err := config.Check(file, configNames()); err != nil {
		t.Error(err)
	}
}
