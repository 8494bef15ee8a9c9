package agentsvc

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

const lsofOutput = "p78\nf12\nn10.0.0.5:49152->52.119.181.21:443\nTST=ESTABLISHED\nTQR=0\nTQS=0\nf13\nn[fe80:5::1]:49153->[2600:1f18::1]:443\nTST=ESTABLISHED\nTQR=0\nTQS=0\nf14\nn127.0.0.1:80->127.0.0.1:5000\nf15\nn*:443\np77\n"

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
				if got := strings.Join(append([]string{name}, args...), " "); got != "lsof -nP -a -iTCP:443 -sTCP:ESTABLISHED -Tqs -FnT -p 78,77" {
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

// TestMacChannelWaits: what waits for an answer is looked at twice.
func TestMacChannelWaits(t *testing.T) {
	t.Parallel()
	ps := facts.Known(facts.Processes{Worker: []facts.Process{{PID: 78}}}, "ps")
	said := func(queue string) string {
		return "p78\nf12\nn10.0.0.5:49152->52.119.181.21:443\nTST=ESTABLISHED\nTQR=0\nTQS=" + queue + "\nn10.0.0.5:80->10.0.0.9:81\nTQS=9\n"
	}
	one := facts.Socket{Local: "10.0.0.5:49152", Remote: "52.119.181.21:443"}
	with := func(unacked, waited int, untold bool) facts.Socket {
		s := one
		s.Unacked, s.WaitedMS, s.Untold = unacked, waited, untold
		return s
	}
	broken := errors.New("run lsof: signal: killed")
	for _, c := range []struct {
		name  string
		looks []string // of which the last may fail
		err   error
		want  []facts.Socket
		state facts.State
	}{
		{"nothing waits", []string{said("0")}, nil, []facts.Socket{one}, facts.IsKnown},
		{"in flight, then answered", []string{said("62"), said("0")}, nil, []facts.Socket{one}, facts.IsKnown},
		{"some of it answered", []string{said("620"), said("62")}, nil, []facts.Socket{with(62, 0, false)}, facts.IsKnown},
		{"not answered", []string{said("62"), said("62")}, nil, []facts.Socket{with(62, 1100, false)}, facts.IsKnown},
		{"an upload, or one more ping", []string{said("62"), said("124")}, nil, []facts.Socket{with(124, 0, true)}, facts.IsKnown},
		{"a busy upload", []string{said("131072"), said("131072")}, nil, []facts.Socket{with(131072, 0, true)}, facts.IsKnown},
		{"as much as is no upload yet", []string{said("16384"), said("16384")}, nil, []facts.Socket{with(16384, 1100, false)}, facts.IsKnown},
		{"gone meanwhile", []string{said("62"), ""}, errors.New("run lsof: exit status 1"), []facts.Socket{}, facts.IsKnown},
		{"the second look fails", []string{said("62"), ""}, broken, []facts.Socket{with(62, 0, true)}, facts.IsUnknown},
		{"of a system that does not tell", []string{"n10.0.0.5:49152->52.119.181.21:443\n"}, nil, []facts.Socket{with(0, 0, true)}, facts.IsKnown},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				env := &gather.Env{GOOS: "darwin", Live: true, Privileged: facts.Known(true, ""), Exec: func(context.Context, string, ...string) ([]byte, error) {
					if asked++; asked == len(c.looks) {
						return []byte(c.looks[asked-1]), c.err
					}
					return []byte(c.looks[asked-1]), nil
				}}
				got := Channel(t.Context(), env, ps)
				if d := cmp.Diff(c.want, got.Some()); got.State != c.state || d != "" || asked != len(c.looks) {
					t.Errorf("%d looks, %+v %s", asked, got, d)
				}
			})
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
