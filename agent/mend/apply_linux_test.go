package mend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// system is a systemctl and an ip that behave.
type system struct {
	active, masked, enabled, read, static bool
	routes                                map[string]bool
	fails                                 string
}

func (s *system) run(_ context.Context, program string, args ...string) ([]byte, error) {
	all := program + " " + strings.Join(args, " ")
	if s.fails != "" && strings.HasPrefix(all, s.fails) {
		return nil, errors.New("exit status 1: Job failed")
	}
	if slices.Contains(args, "") {
		return nil, errors.New("an empty argument")
	}
	switch program + " " + args[0] {
	case "systemctl is-active":
		if !s.active {
			return nil, errors.New("exit status 3")
		}
		return []byte("active\n"), nil
	case "systemctl is-enabled":
		if s.static {
			return []byte("static\n"), nil
		}
		if s.masked || !s.enabled {
			return nil, errors.New("exit status 1")
		}
		return []byte("enabled\n"), nil
	case "systemctl unmask":
		s.masked = false
	case "systemctl mask":
		s.masked = true
	case "systemctl enable", "systemctl disable":
		if s.masked {
			return nil, errors.New("unit is masked")
		}
		s.enabled = args[0] == "enable"
	case "systemctl start", "systemctl restart":
		if s.masked {
			return nil, errors.New("unit is masked")
		}
		s.active = true
	case "systemctl stop":
		s.active = false
	case "systemctl daemon-reload":
		s.read = true
	case "ip -4", "ip -6":
		route := strings.Join(args[3:], " ")
		switch args[2] {
		case "show":
			var out string
			for r := range s.routes {
				if w := strings.Fields(r); slices.Contains(w, strings.TrimSuffix(args[4], "/32")) {
					out += r + " \n"
				}
			}
			return []byte(out), nil
		case "del":
			if !s.routes[route] {
				return nil, errors.New("RTNETLINK answers: No such process")
			}
			delete(s.routes, route)
		case "add":
			s.routes[route] = true
		}
	default:
		return nil, fmt.Errorf("nobody knows %s", all)
	}
	return nil, nil
}

// tree is a folder that stands for the root of a host: each file with content and mode.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.Walk(root, func(name string, fi os.FileInfo, err error) error {
		if err != nil || fi.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		out[name] = fmt.Sprintf("%q %v", b, fi.Mode())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	hosts = "127.0.0.1 localhost\n# kept\r\n10.0.0.9\tssm.eu-central-1.amazonaws.com  db # x\n\n10.0.0.9 ssm.eu-central-1.amazonaws.com\n"
	unit  = "amazon-ssm-agent.service"
)

func testHost(t *testing.T, s *system) *Host {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{hostsFile: hosts} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return &Host{Root: root, State: filepath.Join(t.TempDir(), "fix"), Now: func() time.Time { return time.Unix(1e9, 0) }, Run: s.run}
}

// TestUndo: each action changes what it says, and what it gives as its undoing brings all
// back, byte for byte.
func TestUndo(t *testing.T) {
	t.Parallel()
	route, _ := destination("52.119.128.0/17")
	null, _ := destination("169.254.169.254")
	for _, row := range []struct {
		name   string
		action Action
		undone bool
	}{
		{"unmask", Action{Kind: Unmask, Unit: unit}, true},
		{"enable", Action{Kind: Enable, Unit: unit}, true},
		{"start", Action{Kind: Start, Unit: unit}, true},
		{"restart", Action{Kind: Restart, Unit: unit}, false},
		{"reload", Action{Kind: Reload, Unit: unit}, false},
		{"hosts", Action{Kind: Hosts, Names: []string{"ssm.eu-central-1.amazonaws.com"}}, true},
		{"route", Action{Kind: Route, To: route, Via: "10.9.0.1", Dev: "tun0"}, true},
		{"null route", Action{Kind: Route, To: null, Type: "blackhole"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := &system{masked: row.action.Kind == Unmask, routes: map[string]bool{"52.119.128.0/17 via 10.9.0.1 dev tun0 proto static metric 50": true, "blackhole 169.254.169.254": true}}
			h := testHost(t, s)
			was, files := *s, tree(t, h.Root)
			was.routes = maps.Clone(s.routes)
			same := func() bool {
				return s.active == was.active && s.masked == was.masked && s.enabled == was.enabled && s.read == was.read && maps.Equal(s.routes, was.routes) && maps.Equal(tree(t, h.Root), files)
			}
			d, err := h.Apply(t.Context(), row.action)
			if err != nil {
				t.Fatal(err)
			}
			if same() {
				t.Fatal("nothing was changed")
			}
			log, err := os.ReadFile(filepath.Join(h.State, LogFile))
			if err != nil || !strings.Contains(string(log), row.action.Says()) || !strings.Contains(string(log), d.Undo) {
				t.Errorf("log: %s, %v", log, err)
			}
			if (d.Undo != "") != row.undone {
				t.Fatalf("undo: %q", d.Undo)
			}
			if !row.undone {
				return
			}
			w := strings.Fields(d.Undo)
			if w[0] == "systemctl" || w[0] == "ip" {
				_, err = s.run(t.Context(), w[0], w[1:]...)
			} else {
				err = exec.CommandContext(t.Context(), "/bin/sh", "-c", d.Undo).Run()
			}
			if err != nil {
				t.Fatalf("%s: %v", d.Undo, err)
			}
			if !same() {
				t.Errorf("%s does not bring it back: %v, want %v", d.Undo, tree(t, h.Root), files)
			}
		})
	}
}

// TestRefuses: nothing is changed where something is not as it should be.
func TestRefuses(t *testing.T) {
	t.Parallel()
	to, _ := destination("10.0.0.0/8")
	has, _ := destination("52.119.128.0/17")
	edit := Action{Kind: Hosts, Names: []string{"ssm.eu-central-1.amazonaws.com"}}
	for _, row := range []struct {
		name   string
		action Action
		put    func(t *testing.T, h *Host) error
	}{
		{"the name is gone already", Action{Kind: Hosts, Names: []string{"kms.eu-central-1.amazonaws.com"}}, nil},
		{"no such route", Action{Kind: Route, To: to, Dev: "tun0"}, nil},
		{"another gateway has the route", Action{Kind: Route, To: has, Via: "10.9.0.9", Dev: "tun0"}, nil},
		{"a gateway has the route", Action{Kind: Route, To: has, Dev: "tun0"}, nil},
		{"another device has the route", Action{Kind: Route, To: has, Via: "10.9.0.1", Dev: "tun1"}, nil},
		{"the route is of another type", Action{Kind: Route, To: has, Type: "blackhole"}, nil},
		{"the unit is static", Action{Kind: Enable, Unit: unit}, nil},
		{"hosts is a link", edit, func(_ *testing.T, h *Host) error {
			name := filepath.Join(h.Root, hostsFile)
			return errors.Join(os.Rename(name, name+".real"), os.Symlink(name+".real", name))
		}},
		{"hosts has a second name", edit, func(_ *testing.T, h *Host) error {
			name := filepath.Join(h.Root, hostsFile)
			return os.Link(name, name+".other")
		}},
		{"everybody may write hosts", edit, func(_ *testing.T, h *Host) error { return os.Chmod(filepath.Join(h.Root, hostsFile), 0o666) }},
		{"everybody may write to its folder", edit, func(_ *testing.T, h *Host) error { return os.Chmod(filepath.Join(h.Root, "etc"), 0o777) }},
		{"hosts is too large", edit, func(_ *testing.T, h *Host) error {
			return os.WriteFile(filepath.Join(h.Root, hostsFile), make([]byte, maxHosts+1), 0o644)
		}},
		{"others may enter the folder of the log", Action{Kind: Start, Unit: unit}, func(_ *testing.T, h *Host) error { return os.Mkdir(h.State, 0o755) }},
		{"the folder of the log is a link", Action{Kind: Start, Unit: unit}, func(t *testing.T, h *Host) error { return os.Symlink(t.TempDir(), h.State) }},
		{"the folder of the log is another's", Action{Kind: Start, Unit: unit}, func(t *testing.T, h *Host) error {
			if os.Geteuid() != 0 {
				t.Skip("needs root to have a second user")
			}
			return errors.Join(os.Mkdir(h.State, 0o700), os.Chown(h.State, 65534, 65534))
		}},
		{"the log is a link", Action{Kind: Restart, Unit: unit}, func(t *testing.T, h *Host) error {
			return errors.Join(os.Mkdir(h.State, 0o700), os.Symlink(filepath.Join(t.TempDir(), "x"), filepath.Join(h.State, LogFile)))
		}},
		{"the log is a link, and hosts are edited", edit, func(t *testing.T, h *Host) error {
			return errors.Join(os.Mkdir(h.State, 0o700), os.Symlink(filepath.Join(t.TempDir(), "x"), filepath.Join(h.State, LogFile)))
		}},
		{"a kind that is none", Action{Kind: "reboot"}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := &system{routes: map[string]bool{"52.119.128.0/17 via 10.9.0.1 dev tun0": true}, static: row.action.Kind == Enable}
			h := testHost(t, s)
			if row.put != nil {
				if err := row.put(t, h); err != nil {
					t.Fatal(err)
				}
			}
			files := tree(t, h.Root)
			d, err := h.Apply(t.Context(), row.action)
			if err == nil {
				t.Error("no error")
			}
			if d.Begun || d.Undo != "" {
				t.Errorf("it is to be undone: %+v", d)
			}
			if s.active || s.enabled || len(s.routes) != 1 || !maps.Equal(tree(t, h.Root), files) {
				t.Error("something was changed")
			}
		})
	}
}

// TestInterrupted: nothing is begun after an interrupt.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := &system{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := testHost(t, s).Apply(ctx, Action{Kind: Start, Unit: unit}); !errors.Is(err, context.Canceled) || s.active {
		t.Errorf("%v, started: %v", err, s.active)
	}
}

// TestAlready: what another did meanwhile is not undone.
func TestAlready(t *testing.T) {
	t.Parallel()
	s := &system{active: true, enabled: true}
	for _, k := range []Kind{Enable, Start} {
		if d, err := testHost(t, s).Apply(t.Context(), Action{Kind: k, Unit: unit}); err != nil || d.Undo != "" {
			t.Errorf("%s: undo %q, %v", k, d.Undo, err)
		}
	}
}

// TestFails: what fails is in the log, with the way back before it.
func TestFails(t *testing.T) {
	t.Parallel()
	s := &system{fails: "systemctl start"}
	h := testHost(t, s)
	d, err := h.Apply(t.Context(), Action{Kind: Start, Unit: unit})
	if !d.Begun {
		t.Error("it is said not to be begun")
	}
	if err == nil || !strings.Contains(err.Error(), "Job failed") {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(h.State, LogFile))
	if err != nil || !strings.Contains(string(log), "undo: systemctl stop "+unit+"\n") || !strings.Contains(string(log), "failed") {
		t.Errorf("%s %v", log, err)
	}
}

// A file that somebody changes after it was read is left alone.
func TestRewriteOfChangedFile(t *testing.T) {
	t.Parallel()
	h := testHost(t, &system{})
	name := filepath.Join(h.Root, hostsFile)
	if err := rewrite(name, []byte("127.0.0.1 localhost\n"), []byte("x")); !errors.Is(err, ErrChanged) {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != hosts {
		t.Errorf("%q %v", b, err)
	}
}
