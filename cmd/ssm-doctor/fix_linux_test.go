package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/mend"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
)

// fixed runs fix against a demo whose service starts when it is told to.
func fixed(t *testing.T, demo, answers string, c fixFlags, change func(*fixer)) (out, asked string, ran []string, code int, state string) {
	t.Helper()
	f := demoFixer(t, demo, &ran)
	state = f.host.State
	if change != nil {
		change(&f)
	}
	var stdout, stderr bytes.Buffer
	a := &app{in: strings.NewReader(answers), out: &stdout, err: &stderr, getenv: func(string) string { return "" }}
	err := c.run(t.Context(), a, f)
	var exit *exitError
	if errors.As(err, &exit) {
		code = exit.code
	} else if err != nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String() + message2(exit), ran, code, state
}

// demoFixer is a demo whose service starts when it is told to; it notes what is run.
func demoFixer(t *testing.T, demo string, ran *[]string) fixer {
	t.Helper()
	name := demo
	state := filepath.Join(t.TempDir(), "fix")
	f := fixer{root: true, terminal: true, host: &mend.Host{State: state, Now: time.Now}}
	f.host.Run = func(_ context.Context, program string, args ...string) ([]byte, error) {
		if strings.HasPrefix(args[0], "is-") {
			return nil, errors.New("exit status 3") // neither active nor enabled
		}
		if ran != nil {
			*ran = append(*ran, program+" "+strings.Join(args, " "))
		}
		if args[0] == "start" {
			name = "healthy-profile"
		}
		return nil, nil
	}
	f.judge = func(ctx context.Context) (*report.Report, *facts.Facts, error) {
		h, err := sim.New(name)
		if err != nil {
			return nil, nil, err
		}
		defer h.Close()
		r, x := engine.Run(ctx, h.Env(), engine.Options{})
		x.Host.Container = facts.Absent[facts.Container]("", "")
		return r, x, nil
	}
	return f
}

func message2(e *exitError) string {
	if e == nil || e.err == nil {
		return ""
	}
	return e.err.Error()
}

func TestFix(t *testing.T) {
	t.Parallel()
	apply := fixFlags{apply: true}
	for _, row := range []struct {
		name, demo, answers string
		flags               fixFlags
		change              func(*fixer)
		runs                int // programs that were run
		code                int
		says, asks          string
	}{
		{"dry run", "agent-stopped", "", fixFlags{}, nil, 0, 2, "Nothing was changed. To do it: ssm-doctor fix --apply", ""},
		{"all is agreed to", "agent-stopped", "y\ny\ny\n", apply, nil, 2, 0, "\nNow managed: ", "Start the service amazon-ssm-agent.service? It costs: nothing. [y/N]"},
		{"nothing is agreed to", "agent-stopped", "\n", apply, nil, 0, 2, "Nothing was changed.", "[y/N]"},
		{"no answer", "agent-stopped", "", apply, nil, 0, 2, "Nothing was changed.", "[y/N]"},
		{"the second is refused", "agent-stopped", "y\nno\n", apply, nil, 1, 2, "\nNow not-managed: ", "[y/N]"},
		{"a script names the cause", "agent-stopped", "", fixFlags{apply: true, yes: "agent-service-stopped"}, func(f *fixer) { f.terminal = false }, 2, 0, "To undo, last first", ""},
		{"a script names another", "agent-stopped", "", fixFlags{apply: true, yes: "clock-skew"}, nil, 0, 2, "", "nothing was changed: the cause is agent-service-stopped, not clock-skew"},
		{"a script, and nothing is wrong", "healthy-profile", "", fixFlags{apply: true, yes: "clock-skew"}, nil, 0, 0, "", "no cause was found, not clock-skew"},
		{"an operator's remedy", "no-credential-source", "y\n", apply, nil, 0, 2, "not done by this program: it is not done on this host", ""},
		{"a login that only its proxy's administrator knows", "proxy-refuses", "y\n", apply, nil, 0, 2, "not done by this program: it is not among the steps that this program does", ""},
		{"managed", "healthy-profile", "y\n", apply, nil, 0, 0, "There is no remedy to carry out.", ""},
		{"no terminal", "agent-stopped", "y\n", apply, func(f *fixer) { f.terminal = false }, 0, 64, "", "there is no terminal to ask on"},
		{"no root", "agent-stopped", "y\n", apply, func(f *fixer) { f.root = false }, 0, 64, "", "--apply needs root"},
		{"another system", "agent-stopped", "y\n", apply, func(f *fixer) { f.host = nil }, 0, 64, "", "this program changes nothing"},
		{"yes alone", "agent-stopped", "", fixFlags{yes: "clock-skew"}, nil, 0, 64, "", "--yes is for --apply"},
		{"facts of another host", "agent-stopped", "", fixFlags{apply: true, from: "x"}, nil, 0, 64, "", "it takes no --from"},
		{"the log cannot be written", "agent-stopped", "y\ny\n", apply, func(f *fixer) { f.host.State += "/no/such/folder" }, 0, 70, "Nothing was changed.", "no such file"},
		{"it fails", "agent-stopped", "y\ny\n", apply, func(f *fixer) {
			f.host.Run = func(context.Context, string, ...string) ([]byte, error) { return nil, errors.New("no bus") }
		}, 0, 70, "To undo", "no bus"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			out, asked, ran, code, state := fixed(t, row.demo, row.answers, row.flags, row.change)
			if len(ran) != row.runs || code != row.code || !strings.Contains(out, row.says) || !strings.Contains(asked, row.asks) {
				t.Errorf("ran %q, exit %d\n%s\n%s", ran, code, out, asked)
			}
			for l := range strings.Lines(out) {
				if len([]rune(l)) > 400 {
					t.Errorf("a line of %d", len(l))
				}
			}
			log, err := os.ReadFile(filepath.Join(state, mend.LogFile))
			if row.runs > 0 != (err == nil) && row.code != 70 {
				t.Errorf("log: %v", err)
			}
			if row.runs == 2 && !strings.Contains(string(log), "undo: systemctl stop amazon-ssm-agent.service\n") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// No variable of the environment makes fix change something.
func TestFixNotByEnvironment(t *testing.T) {
	t.Parallel()
	var out, stderr bytes.Buffer
	a := &app{in: strings.NewReader("y\n"), out: &out, err: &stderr, getenv: func(name string) string {
		return map[string]string{"SSM_DOCTOR_APPLY": "true", "SSM_DOCTOR_YES": "agent-service-stopped"}[name]
	}}
	a.run(t.Context(), func() {}, []string{"fix", "--offline"})
	if strings.Contains(stderr.String(), "[y/N]") || strings.Contains(out.String(), "done:") {
		t.Errorf("%s\n%s", out.String(), stderr.String())
	}
}

// TestFixInterrupted: an interrupt at a question ends it, whatever is answered then.
func TestFixInterrupted(t *testing.T) {
	t.Parallel()
	for _, answers := range []string{"", "y\ny\n"} {
		ctx, cancel := context.WithCancel(t.Context())
		var out, stderr bytes.Buffer
		in, w := io.Pipe()
		asked := &hooked{to: &stderr, at: "[y/N]", then: func() {
			cancel()
			go func() {
				_, _ = w.Write([]byte(answers))
				w.Close()
			}()
		}}
		a := &app{in: in, out: &out, err: asked, getenv: func(string) string { return "" }}
		f := demoFixer(t, "agent-stopped", nil)
		err := (&fixFlags{apply: true}).run(ctx, a, f)
		in.Close()
		var exit *exitError
		if !errors.As(err, &exit) || exit.code != 130 || !strings.Contains(out.String(), "Nothing was changed.") || strings.Contains(out.String(), "done:") {
			t.Errorf("%q: %v\n%s", answers, err, out.String())
		}
	}
}

// hooked calls a function when something was written.
type hooked struct {
	to   io.Writer
	at   string
	then func()
}

func (h *hooked) Write(b []byte) (int, error) {
	if strings.Contains(string(b), h.at) {
		h.then()
	}
	return h.to.Write(b)
}
