package main

import (
	"testing"

	"ssm-doctor/agent/config"
	"ssm-doctor/packaging/gen/golden"
)

// The configuration in the documentation holds every key of the program.
func TestGoldenConfiguration(t *testing.T) {
	t.Parallel()
	const file = "../../packaging/docs/ssm-doctor.yml"
	golden.File(t, file, []byte(config.Example(configNames())))
	if _, err := config.Check(file, configNames()); err != nil {
		t.Error(err)
	}
}
