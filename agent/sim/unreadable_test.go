package sim_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
)

// examineLess runs the pipeline against a host of which less is to be seen.
func examineLess(t testing.TB, s sim.Scenario, less func(*gather.Env), opt engine.Options) *report.Report {
	t.Helper()
	h, err := sim.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	env := h.Env()
	if less != nil {
		less(env)
	}
	r, _ := engine.Run(t.Context(), env, opt)
	return r
}

var errIO = errors.New("input/output error")

// dim is a file system in which some names cannot be read. It notes which were asked.
type dim struct {
	gather.FileSystem
	mu    *sync.Mutex
	asked map[string]bool
	dark  func(name string) error
}

func (d dim) look(op, name string) error {
	name = "/" + strings.TrimPrefix(name, "/")
	d.mu.Lock()
	d.asked[name] = true
	d.mu.Unlock()
	if err := d.dark(name); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

func (d dim) Open(name string) (fs.File, error) {
	if err := d.look("open", name); err != nil {
		return nil, err
	}
	return d.FileSystem.Open(name)
}

func (d dim) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := d.look("open", name); err != nil {
		return nil, err
	}
	return d.FileSystem.ReadDir(name)
}

func (d dim) Readlink(name string) (string, error) {
	if err := d.look("readlink", name); err != nil {
		return "", err
	}
	return d.FileSystem.Readlink(name)
}

// darken makes names unreadable and collects those that are asked.
func darken(env *gather.Env, asked map[string]bool, dark func(name string) error) {
	env.FS = dim{env.FS, new(sync.Mutex), asked, dark}
}

// below reports whether a file is another or lies in it.
func below(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

// refuse keeps the environment from running a program.
func refuse(env *gather.Env, program string, err error) {
	exec := env.Exec
	env.Exec = func(ctx context.Context, name string, args ...string) ([]byte, error) {
		if name == program {
			return nil, fmt.Errorf("run %s: %w", name, err)
		}
		return exec(ctx, name, args...)
	}
}

// TestUnreadable: whoever sees less of a host gets the same answer, or none: never
// that all is well, and never another cause.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	var c tally
	answered(t, &c, func(t *testing.T, x observed, base *report.Report) {
		judge := func(how string, r *report.Report) {
			t.Helper()
			if why := c.verdict(base, r, x.Expected, true); why != "" {
				t.Errorf("%s: %s", how, why)
			}
		}
		host := func() sim.Scenario {
			s, _ := hostOf(&x, now)
			return s
		}
		s := host()
		s.UID = 1000
		judge("no root", examineLess(t, s, nil, engine.Options{}))
		judge("offline", examineLess(t, host(), nil, engine.Options{Waves: engine.Waves{SkipNetwork: true, SkipPermissions: true}}))
		for _, program := range []string{"systemctl", "nft", "iptables-save", "rpm"} {
			for _, err := range []error{gather.ErrNoProgram, fs.ErrPermission, context.DeadlineExceeded} {
				judge("no "+program+", "+err.Error(), examineLess(t, host(), func(env *gather.Env) { refuse(env, program, err) }, engine.Options{}))
			}
		}
		asked := map[string]bool{}
		examineLess(t, host(), func(env *gather.Env) { darken(env, asked, func(string) error { return nil }) }, engine.Options{})
		var names []string
		for name := range asked {
			names = append(names, name)
		}
		slices.Sort(names)
		r := seeded(x.ID+"unreadable", 0)
		try := func(what string, err error, dark ...string) {
			judge(what+" "+strings.Join(dark, " ")+": "+err.Error(), examineLess(t, host(), func(env *gather.Env) {
				darken(env, map[string]bool{}, func(name string) error {
					if slices.ContainsFunc(dark, func(d string) bool { return below(name, d) }) {
						return err
					}
					return nil
				})
			}, engine.Options{}))
		}
		for _, dir := range []string{"/var/log/amazon/ssm", "/var/lib/amazon/ssm", "/etc/amazon/ssm", "/proc", "/root", "/sys", "/etc", "/var/log"} {
			try("dark", fs.ErrPermission, dir)
		}
		try("gone", fs.ErrNotExist, "/var/log/amazon/ssm")
		try("gone", fs.ErrNotExist, "/var/log/amazon/ssm/amazon-ssm-agent.log")
		for range 6 * *mutantsEach {
			try("dark", []error{fs.ErrPermission, errIO}[r.IntN(2)], names[r.IntN(len(names))])
		}
		for range 3 * *mutantsEach {
			try("dark", errIO, names[r.IntN(len(names))], names[r.IntN(len(names))])
		}
		// Single observations, and pairs of them, which no file stands for.
		h, err := sim.Start(host())
		if err != nil {
			t.Fatal(err)
		}
		f := engine.Collect(t.Context(), h.Env(), engine.Options{})
		h.Close()
		list := factstest.Observations(f)
		for range 60 * *mutantsEach {
			g := factstest.Clone(f)
			lose := []factstest.Observation{list[r.IntN(len(list))]}
			if r.IntN(2) == 0 {
				lose = append(lose, list[r.IntN(len(list))])
			}
			// What lies in a list goes before the list.
			slices.SortFunc(lose, func(a, b factstest.Observation) int { return len(b.Name) - len(a.Name) })
			what := ""
			for _, o := range lose {
				how := factstest.Losses[r.IntN(len(factstest.Losses))]
				o.Lose(g, how)
				if o.Name == "Log.Refusals" { // one reading fills both
					g.Log.Matches = facts.Unknown[[]facts.Match]("not read", "")
				}
				what += o.Name + ", " + how + "; "
			}
			judge(what, engine.Judge(g, engine.Options{}))
		}
	})
}
