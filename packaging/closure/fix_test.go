//go:build lab

package closure

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// fixed is a situation for fix.
type fixed struct {
	id, cause string
	post      []string // what is broken in the box besides
	shows     string   // a command that shows what is changed
	questions int
}

// TestFixInLab: fix says what it would do and changes nothing, refuses whom it must, asks
// before each thing, does it, and what it wrote down undoes it.
func TestFixInLab(t *testing.T) {
	lab, binary, file := labOf(t)
	program := standIn(t)
	const service = "systemctl is-enabled amazon-ssm-agent; systemctl is-active amazon-ssm-agent; true"
	for i, c := range []fixed{
		{"agt-installed-but-disabled", "agent-service-stopped", nil, service, 2},
		{"wild-null-route-by-loopback", "imds-blocked-by-host", nil, "ip -o route show table main", 1}, // what sets it is found by hand
	} {
		t.Run(c.cause, func(t *testing.T) {
			t.Parallel()
			x := &one{t: t, lab: lab, binary: binary, id: c.id, name: fixName(i), work: t.TempDir(), file: file, post: c.post, settle: time.Second}
			for _, s := range catalogueOf(t, file) {
				if s.ID == c.id {
					x.post, x.env, x.args = append(slices.Clone(s.Box.Post), c.post...), s.Box.Env, s.Box.Args
				}
			}
			if why := x.up(program); why != "" {
				t.Fatal(why)
			}
			before := x.ask()
			if before.RootCause == nil || before.RootCause.ID != c.cause {
				t.Fatalf("the cause is %v", before.RootCause)
			}
			state := func() string { return x.box(c.shows) }
			was := state()
			same := func(when string) {
				t.Helper()
				if now := state(); now != was {
					t.Errorf("%s it is changed: %q, was %q", when, now, was)
				}
				if log := x.box("cat /var/lib/ssm-doctor-fix/fix.log 2>/dev/null"); log != "" {
					t.Errorf("%s something is written: %s", when, log)
				}
			}
			says := func(out string, words ...string) {
				t.Helper()
				for _, w := range words {
					if !strings.Contains(out, w) {
						t.Errorf("%q is not said: %s", w, out)
					}
				}
			}
			says(x.box("ssm-doctor fix"), "undo", "Nothing was changed.")
			same("by a dry run")
			says(x.box("setpriv --reuid 65534 --regid 65534 --clear-groups ssm-doctor fix --apply --yes "+c.cause+"; echo rc $?"), "needs root", "rc 64")
			says(x.box("ssm-doctor fix --apply </dev/null; echo rc $?"), "no terminal", "rc 64")
			says(x.box("ssm-doctor fix --apply --yes disk-full"), "nothing was changed", c.cause)
			same("by one who may not")
			asked := x.box("(sleep 1; echo n; sleep 3) | script -qec 'ssm-doctor fix --apply' /dev/null")
			says(asked, "[y/N]", "Nothing was changed.")
			if n := strings.Count(asked, "[y/N]"); n != 1 {
				t.Errorf("%d questions after no: %s", n, asked)
			}
			same("after no")
			done := x.box("(for n in 1 2 3 4 5; do sleep 1; echo y; done; sleep 8) | script -qec 'ssm-doctor fix --apply' /dev/null")
			if n := strings.Count(done, "[y/N]"); n != c.questions {
				t.Errorf("%d questions: %s", n, done)
			}
			if state() == was {
				t.Fatalf("nothing is done: %s", done)
			}
			if after := x.ask(); after.RootCause != nil && after.RootCause.ID == c.cause {
				t.Errorf("the cause is still there: %s", after.Summary)
			}
			var undo []string
			for l := range strings.Lines(x.box("cat /var/lib/ssm-doctor-fix/fix.log")) {
				if u, ok := strings.CutPrefix(l, "  undo: "); ok {
					undo = append([]string{strings.TrimSpace(u)}, undo...)
				}
			}
			x.box(strings.Join(undo, "\n"))
			if now := state(); now != was {
				t.Errorf("undone by %q it is %q, was %q", undo, now, was)
			}
			if mode := x.box("stat -c '%a %U' /var/lib/ssm-doctor-fix /var/lib/ssm-doctor-fix/fix.log"); mode != "700 root\n600 root" {
				t.Errorf("the log: %s", mode)
			}
		})
	}
	t.Run("not proven", func(t *testing.T) {
		t.Parallel()
		x := &one{t: t, lab: lab, binary: binary, id: "cred-404-log-older-than-role-imds", name: fixName(9), work: t.TempDir(), file: file}
		if why := x.up(program); why != "" {
			t.Fatal(why)
		}
		before := x.ask()
		if before.RootCause == nil || before.RootCause.Confidence == "proven" {
			t.Fatalf("the cause is %v", before.RootCause)
		}
		out := x.box("ssm-doctor fix --apply --yes " + before.RootCause.ID + "; ls /var/lib/ssm-doctor-fix 2>/dev/null")
		if !strings.Contains(out, "it is not certain that this is what is wrong") || strings.Contains(out, "done:") || strings.Contains(out, "fix.log") {
			t.Error(out)
		}
	})
}

func fixName(i int) string { return fmt.Sprintf("fx%d-%d", os.Getpid(), i) }

// box runs a command on the host, and gives what it prints.
func (x *one) box(command string) string {
	out, _ := x.run(command+"\n", "./lab.sh", append(x.inBox(), "bash", "-c", "cd /root; exec bash -s 2>&1")...)
	return strings.TrimSpace(out)
}
