package agentsvc

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

const lsofOutput = "p78\nf12\nn10.0.0.5:49152->52.119.181.21:443\nf13\nn[fe80:5::1]:49153->[2600:1f18::1]:443\nf14\nn127.0.0.1:80->127.0.0.1:5000\nf15\nn*:443\np77\n"

func TestMacChannel(t *testing.T) {
	t.Parallel()
	ps := facts.Known(facts.Processes{Core: []facts.Process{{PID: 77}}, Worker: []facts.Process{{PID: 78}}}, "ps")
	two := []facts.Socket{{Local: "10.0.0.5:49152", Remote: "52.119.181.21:443"}, {Local: "[fe80:5::1]:49153", Remote: "[2600:1f18::1]:443"}}
	for _, c := range []struct {
		name  string
		ps    facts.Seen[facts.Processes]
		user  bool
		out   string
		err   error
		want  []facts.Socket
		state facts.State
	}{
		{name: "two", ps: ps, out: lsofOutput, want: two, state: facts.IsKnown},
		{name: "one of the processes has none", ps: ps, out: lsofOutput, err: errors.New("run lsof: exit status 1"), want: two, state: facts.IsKnown},
		{name: "none", ps: ps, err: errors.New("run lsof: exit status 1"), want: []facts.Socket{}, state: facts.IsKnown},
		{name: "fails", ps: ps, err: errors.New("run lsof: exit status 1: lsof: illegal option"), state: facts.IsUnknown},
		{name: "too slow", ps: ps, err: context.DeadlineExceeded, state: facts.IsUnknown},
		{name: "not root", ps: ps, user: true, err: errors.New("run lsof: exit status 1"), state: facts.IsUnknown},
		{name: "no process", ps: facts.Known(facts.Processes{}, "ps"), user: true, want: []facts.Socket{}, state: facts.IsKnown},
		{name: "processes not read", ps: facts.Unknown[facts.Processes]("x", "ps"), state: facts.IsUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env := &gather.Env{GOOS: "darwin", Live: true, Privileged: facts.Known(!c.user, ""), Exec: func(_ context.Context, name string, args ...string) ([]byte, error) {
				if got := strings.Join(append([]string{name}, args...), " "); got != "lsof -nP -a -iTCP:443 -sTCP:ESTABLISHED -Fn -p 78,77" {
					t.Errorf("runs %s", got)
				}
				return []byte(c.out), c.err
			}}
			got := Channel(t.Context(), env, c.ps)
			if d := cmp.Diff(c.want, got.Value); got.State != c.state || c.state == facts.IsKnown && d != "" {
				t.Errorf("%+v %s", got, d)
			}
		})
	}
}

// FuzzLsof feeds the output of lsof.
func FuzzLsof(f *testing.F) {
	gathertest.AddSeeds(f, lsofOutput)
	f.Fuzz(func(t *testing.T, b []byte) {
		list := parseLsof(b, 443)
		gathertest.Sound(t, list)
		if len(list) > maxSockets {
			t.Errorf("%d connections", len(list))
		}
	})
}
