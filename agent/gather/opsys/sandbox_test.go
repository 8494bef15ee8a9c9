package opsys_test

import (
	"testing"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/agent/gather/opsys"
	"ssm-doctor/checks/facts"
)

// TestMountsOfTheAgent: a unit with ProtectSystem=strict and a container see everything
// mounted read-only, which is not what the agent sees.
func TestMountsOfTheAgent(t *testing.T) {
	t.Parallel()
	const (
		rw      = "20 1 8:1 / / rw,relatime - ext4 /dev/vda1 rw\n"
		ro      = "30 1 8:1 / / ro,relatime - ext4 /dev/vda1 rw\n"
		errors  = "30 1 8:1 / / rw,relatime - ext4 /dev/vda1 ro,errors=remount-ro\n"
		rescue  = "20 1 0:31 / / rw,relatime - tmpfs tmpfs rw\n"
		subtree = "20 1 8:1 /@other / rw,relatime - btrfs /dev/vda1 rw\n"
	)
	for name, x := range map[string]struct {
		self, init string
		known, ro  bool
	}{
		"the same":                             {rw, rw, true, false},
		"read-only for this program":           {ro, rw, true, false},
		"read-only for all":                    {ro, ro, true, true},
		"the file system is":                   {errors, errors, true, true},
		"init cannot be read":                  {rw, "", true, false},
		"init cannot be read, read-only":       {ro, "", false, false},
		"init cannot be read, the file system": {errors, "", true, true},
		"of a rescue system":                   {ro, rescue, false, false},
		"of a rescue system, written":          {rw, rescue, true, false},
		"another folder of the file system":    {ro, subtree, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"proc/self/mountinfo": x.self, "var/lib/": ""}
			if x.init != "" {
				files["proc/1/mountinfo"] = x.init
			}
			var f facts.Facts
			if err := (opsys.Source{}).Gather(t.Context(), gathertest.New(t, files).Begin(), &f); err != nil {
				t.Fatal(err)
			}
			if len(f.Host.FileSystems.Value) == 0 {
				t.Fatal("no file system was looked at")
			}
			for _, fs := range f.Host.FileSystems.Value {
				if got, ok := fs.ReadOnly.Get(); ok != x.known || got != x.ro {
					t.Errorf("%s: read-only %v, known %v; want %v, %v", fs.Dir, got, ok, x.ro, x.known)
				}
			}
		})
	}
}
