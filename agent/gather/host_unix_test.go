//go:build unix

package gather

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestRootFSRefusesFIFO(t *testing.T) {
	t.Parallel()
	f := rootOf(t, map[string]string{"etc/": "", "etc/link": "-> fifo"})
	if err := syscall.Mkfifo(filepath.Join(f.dir, "etc", "fifo"), 0o644); err != nil {
		t.Skip(err)
	}
	for _, live := range []bool{false, true} {
		g := *f
		if g.live = live; live {
			g.dir += "/"
		}
		for _, name := range []string{"etc/fifo", "etc/link"} {
			done := make(chan error, 1)
			go func() { _, err := g.Open(name); done <- err }()
			select {
			case err := <-done:
				if !errors.Is(err, ErrNotAFile) {
					t.Errorf("live %v: open %s: %v", live, name, err)
				}
			case <-time.After(time.Minute):
				t.Fatal("open waits for a writer")
			}
		}
	}
}

func TestRootFSRefusesDevice(t *testing.T) {
	t.Parallel()
	f, err := newRootFS("/", true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.root.Close()
	if _, err := f.Open("dev/null"); !errors.Is(err, ErrNotAFile) {
		t.Errorf("open of a device: %v", err)
	}
}

func TestUnreadableIsNotMissing(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := tree(t, map[string]string{"var/lib/amazon/ssm/Vault/Store/RegistrationKey": "{}"})
	v := filepath.Join(dir, "var/lib/amazon/ssm/Vault")
	if err := os.Chmod(v, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(v, 0o700) })
	f := gatherFrom(t, dir, registrationSource{})
	if s := f.Registration.Hybrid; !s.Unknown() || s.State != facts.IsUnknown || s.Why != "permission denied" {
		t.Errorf("got %+v, want unknown with the reason", s)
	}
	if len(f.Registration.Damage) > 0 {
		t.Errorf("lack of permission is no damage: %+v", f.Registration.Damage)
	}
}

func TestFIFOInTheVault(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"var/lib/amazon/ssm/Vault/Store/": ""})
	if err := syscall.Mkfifo(filepath.Join(dir, "var/lib/amazon/ssm/Vault/Store/RegistrationKey"), 0o600); err != nil {
		t.Skip(err)
	}
	f := gatherFrom(t, dir, registrationSource{})
	if !f.Registration.Hybrid.Unknown() || !hasDamage(f, damageNotAFile) {
		t.Errorf("got %+v, %+v", f.Registration.Hybrid, f.Registration.Damage)
	}
}
