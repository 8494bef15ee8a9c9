//go:build unix

package gather

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"
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
