package opsys

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ssm-doctor/agent/gather"
)

// Debian's chrony has a second name below /etc, which systemctl refuses to enable; a mask
// is there too, and is no service.
func TestTimeServices(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, name := range []string{"usr/lib/systemd/system/chrony.service", "etc/systemd/system/chronyd.service", "etc/systemd/system/systemd-timesyncd.service"} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("[Service]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env, err := gather.Host(root)
	if err != nil {
		t.Fatal(err)
	}
	env.GOOS = "linux"
	if got := timeServices(env); !slices.Equal(got.Value, []string{"chrony"}) {
		t.Errorf("%v", got)
	}
}
