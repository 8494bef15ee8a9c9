//go:build unix

package registration

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func hasDamage(f *facts.Facts, kind string) bool {
	for _, d := range f.Registration.Damage.Value {
		if d.Kind == kind {
			return true
		}
	}
	return false
}

func TestUnreadableIsNotMissing(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := gathertest.Tree(t, map[string]string{"var/lib/amazon/ssm/Vault/Store/RegistrationKey": "{}"})
	v := filepath.Join(dir, "var/lib/amazon/ssm/Vault")
	if err := os.Chmod(v, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(v, 0o700) })
	f := gathertest.GatherDir(t, dir, Source{})
	if s := f.Registration.Hybrid; !s.Unknown() || s.State != facts.IsUnknown || s.Why != "permission denied" {
		t.Errorf("got %+v, want unknown with the reason", s)
	}
	if len(f.Registration.Damage.Some()) > 0 || !f.Registration.Damage.Unknown() {
		t.Errorf("lack of permission is no damage: %+v", f.Registration.Damage)
	}
}

func TestFIFOInTheVault(t *testing.T) {
	t.Parallel()
	dir := gathertest.Tree(t, map[string]string{"var/lib/amazon/ssm/Vault/Store/": ""})
	if err := syscall.Mkfifo(filepath.Join(dir, "var/lib/amazon/ssm/Vault/Store/RegistrationKey"), 0o600); err != nil {
		t.Skip(err)
	}
	f := gathertest.GatherDir(t, dir, Source{})
	if !f.Registration.Hybrid.Unknown() || !hasDamage(f, damageNotAFile) {
		t.Errorf("got %+v, %+v", f.Registration.Hybrid, f.Registration.Damage)
	}
}
