package opsys_test

import (
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/agent/gather/opsys"
	"ssm-doctor/checks/facts"
)

// TestMountsOfASandboxedService: a unit with ProtectSystem=strict sees everything
// mounted read-only, which is not what the agent sees.
func TestMountsOfASandboxedService(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"proc/self/mountinfo": "30 1 8:1 / / ro,relatime - ext4 /dev/vda1 rw\n",
		"proc/1/mountinfo":    "20 1 8:1 / / rw,relatime - ext4 /dev/vda1 rw\n",
		"var/lib/":            "",
	}
	for name, want := range map[string]bool{"": true, "0123456789abcdef": false} {
		env := gathertest.New(t, files, func(e *gather.Env) {
			e.Getenv = func(k string) string {
				if k == "INVOCATION_ID" {
					return name
				}
				return ""
			}
		})
		var f facts.Facts
		if err := (opsys.Source{}).Gather(t.Context(), env.Begin(), &f); err != nil {
			t.Fatal(err)
		}
		if len(f.Host.FileSystems.Value) == 0 {
			t.Fatal("no file system was looked at")
		}
		for _, x := range f.Host.FileSystems.Value {
			if got, ok := x.ReadOnly.Get(); !ok || got != want {
				t.Errorf("started by systemd %t: %s read-only %v, want %v", name != "", x.Dir, got, want)
			}
		}
	}
}
