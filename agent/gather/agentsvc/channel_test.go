package agentsvc

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// hiding is a system on which this user may not see what these processes hold.
type hiding struct {
	gather.FileSystem
	dirs []string
}

func (h hiding) ReadDir(name string) ([]fs.DirEntry, error) {
	for _, d := range h.dirs {
		if strings.TrimPrefix(name, "/") == d {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		}
	}
	return h.FileSystem.ReadDir(name)
}

// TestChannelWithoutPtrace: a service without CAP_SYS_PTRACE, a container and a user see
// the connections, and not whose they are.
func TestChannelWithoutPtrace(t *testing.T) {
	t.Parallel()
	const (
		head   = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
		root   = "   0: 0A00000A:BB80 15B57734:01BB 01 00000733:00000000 00:00000000 0000000E     0        0 41 1 0 20 4 30 10 -1\n"
		user   = "   1: 0A00000A:BB81 15B57734:01BB 01 00000000:00000000 00:00000000 00000000   990        0 42 1 0 20 4 30 10 -1\n"
		ours   = "   2: 0A00000A:BB82 15B57734:01BB 01 00000000:00000000 00:00000000 00000000     0        0 43 1 0 20 4 30 10 -1\n"
		broken = "   3: 0A00000A:BB83 15B57734:01BB 01 00000000:00000000 00:00000000 00000000     x        0 44 1 0 20 4 30 10 -1\n"
	)
	process := facts.Process{PID: 12, Owner: facts.Known(0, "")}
	unread := facts.Process{PID: 12, Owner: facts.Unknown[int]("x", "")}
	agents := facts.Socket{Local: "10.0.0.10:48000", Remote: "52.119.181.21:443", Retransmits: 14, Unacked: 1843}
	candidate := agents
	candidate.Unsure = true
	of990 := facts.Socket{Local: "10.0.0.10:48001", Remote: "52.119.181.21:443", Unsure: true}
	for name, c := range map[string]struct {
		table string
		p     facts.Process
		hide  []string
		want  []facts.Socket
		state facts.State
	}{
		"shown":                                {root + user + ours, process, nil, []facts.Socket{agents}, facts.IsKnown},
		"hidden":                               {root + user + ours, process, []string{"proc/12/fd"}, []facts.Socket{candidate}, facts.IsUnknown},
		"hidden, its user has none":            {user + ours + broken, process, []string{"proc/12/fd"}, []facts.Socket{}, facts.IsKnown},
		"hidden, its user was not read":        {root + user + ours, unread, []string{"proc/12/fd"}, []facts.Socket{candidate, of990}, facts.IsUnknown},
		"hidden, and so is what this one does": {user, process, []string{"proc/12/fd", "proc/self/fd"}, []facts.Socket{}, facts.IsUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := gathertest.New(t, map[string]string{
				"proc/net/tcp": head + c.table, "proc/net/tcp6": "  sl\n",
				"proc/12/fd/7": "-> socket:[41]", "proc/self/fd/5": "-> socket:[43]",
			}, func(e *gather.Env) { e.FS = hiding{e.FS, c.hide} })
			got := Channel(t.Context(), env, facts.Known(facts.Processes{Worker: []facts.Process{c.p}}, ""))
			if d := cmp.Diff(c.want, got.Some()); d != "" || got.State != c.state {
				t.Errorf("%v %s: %s", got.State, got.Why, d)
			}
		})
	}
}

// brief is a file system whose first look at the connections shows one more than the later ones.
type brief struct {
	hiding
	name  string
	looks *int
}

func (b brief) Open(name string) (fs.File, error) {
	if strings.TrimPrefix(name, "/") == "proc/net/tcp" {
		if *b.looks++; *b.looks > 1 {
			name = b.name
		}
	}
	return b.FileSystem.Open(name)
}

// TestOwnBriefConnection: what this program opened and closed between its looks at its own
// sockets is not taken for a connection of the agent.
func TestOwnBriefConnection(t *testing.T) {
	t.Parallel()
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	looks := 0
	env := gathertest.New(t, map[string]string{
		"proc/net/tcp": head + "   0: 0A00000A:BB82 15B57734:01BB 01 00000000:00000000 00:00000000 00000000     0        0 43 1 0 20 4 30 10 -1\n",
		"later":        head, "proc/12/fd/7": "-> socket:[41]", "proc/self/fd/5": "-> socket:[44]",
	}, func(e *gather.Env) { e.FS = brief{hiding{e.FS, []string{"proc/12/fd"}}, "later", &looks} })
	got := Channel(t.Context(), env, facts.Known(facts.Processes{Worker: []facts.Process{{PID: 12, Owner: facts.Known(0, "")}}}, ""))
	if list, known := got.Get(); !known || len(list) != 0 || looks != 2 {
		t.Errorf("after %d looks: %v %v %s", looks, got.State, list, got.Why)
	}
}
