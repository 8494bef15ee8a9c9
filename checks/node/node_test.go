package node

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
)

// Faults of the facts, for tables.

type fault func(*facts.Facts)

func all(list ...fault) fault {
	return func(f *facts.Facts) {
		for _, x := range list {
			x(f)
		}
	}
}

// nodeOf is the model of a healthy host with faults.
func nodeOf(t *testing.T, kind string, faults ...fault) *Node {
	t.Helper()
	f := factstest.Healthy(t, kind)
	all(faults...)(f)
	return Of(f)
}

// entry puts an entry into the agent's log, so long before the run; it takes the place
// of those with its signature.
func entry(id string, before time.Duration, text string) fault {
	return func(f *facts.Facts) {
		at := f.CollectedAt.Add(-before)
		without(id)(f)
		f.Log.Matches.Value = append(f.Log.Matches.Value, facts.Match{ID: id, Count: 1, First: at, Last: at, Text: text, File: "/log"})
	}
}

// without takes the entries with some signatures out of the agent's log.
func without(ids ...string) fault {
	return func(f *facts.Facts) {
		f.Log.Matches.Value = slices.DeleteFunc(f.Log.Matches.Value, func(m facts.Match) bool { return slices.Contains(ids, m.ID) })
	}
}

// onlyLog leaves nothing of the agent's log but these entries.
func onlyLog(entries ...fault) fault {
	return func(f *facts.Facts) {
		f.Log.Matches = facts.Known([]facts.Match{}, "file:/log")
		all(entries...)(f)
	}
}

func logUnread(f *facts.Facts) {
	f.Log.Matches, f.Log.Refusals = facts.Unknown[[]facts.Match]("permission denied", "").Because(facts.NeedsRoot), facts.Unknown[[]facts.Refusal]("permission denied", "").Because(facts.NeedsRoot)
}

// logPartly makes the log one of which a file could not be read.
func logPartly(f *facts.Facts) {
	f.Log.Matches = facts.Partly(f.Log.Matches.Value, "amazon-ssm-agent.log.1: input/output error", "")
}

// noAgentRuns is a host on which no process is the agent's.
func noAgentRuns(f *facts.Facts) { f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc") }

// logAbsent is a host on which the agent has no log.
func logAbsent(f *facts.Facts) {
	f.Log.Matches, f.Log.Refusals = facts.Absent[[]facts.Match]("no such directory", ""), facts.Absent[[]facts.Refusal]("no such directory", "")
}

func noRuntime(f *facts.Facts) {
	f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
}

func runtimeUnread(f *facts.Facts) {
	f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "").Because(facts.NeedsRoot)
}

func processes(core, worker int) fault {
	return func(f *facts.Facts) {
		f.Agent.Processes = facts.Known(facts.Processes{Core: make([]facts.Process, core), Worker: make([]facts.Process, worker)}, "file:/proc")
	}
}

// answers are the three-valued answers of a model, by name.
func answers(n *Node) map[string]Answer {
	out := map[string]Answer{"Log.Read": n.Log.Read(), "OnMessages": n.OnMessages()}
	for _, part := range []any{n.Identity, n.Agent, n.Credentials, n.Acceptance, n.Refusals, n.Endpoints} {
		v := reflect.ValueOf(part)
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Type == reflect.TypeFor[Answer]() {
				out[v.Type().Name()+"."+f.Name] = Answer(v.Field(i).Uint())
			}
		}
	}
	return out
}

var sections = []string{"Host", "Agent", "Registration", "IMDS", "Credentials", "Network", "Permissions", "Log", "ECS"}

// TestIgnoranceIsUnknown: nothing known gives no answer, and a section that is taken
// away turns no answer into its opposite.
func TestIgnoranceIsUnknown(t *testing.T) {
	t.Parallel()
	for name, a := range answers(Of(&facts.Facts{Root: "/", CollectedAt: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)})) {
		if a != Unknown {
			t.Errorf("nothing known: %s is %s", name, a)
		}
	}
	broken := map[string]fault{
		"healthy":        func(*facts.Facts) {},
		"stopped":        processes(0, 0),
		"no worker":      processes(1, 0),
		"never accepted": onlyLog(entry(facts.SigCredsFailed, time.Minute, "AccessDeniedException")),
		"not installed": func(f *facts.Facts) {
			processes(0, 0)(f)
			f.Agent.Installations, f.Agent.Units = facts.Known([]facts.Installation{}, ""), facts.Known([]facts.Unit{}, "")
		},
		"no profile": func(f *facts.Facts) { f.IMDS.Profile = facts.Absent[facts.Profile]("404", "imds") },
		"dual stack": func(f *facts.Facts) { f.Agent.Config = facts.Known(facts.Config{DualStack: true}, "") },
		"EC2 only":   all(order("EC2"), noRuntime),
		"a task":     func(f *facts.Facts) { f.ECS.Task = facts.Known(facts.ECSTask{Family: "web"}, "ecs") },
		"ec2messages": all(without(facts.SigChannelUp, facts.SigChannelMGS), entry(facts.SigChannelMDS, time.Minute, ""), func(f *facts.Facts) {
			f.Agent.Channel = facts.Known([]facts.Socket{}, "file:/proc/net/tcp")
		}),
	}
	for _, kind := range factstest.Kinds() {
		for name, fault := range broken {
			whole := nodeOf(t, kind, fault)
			before := answers(whole)
			for _, section := range sections {
				rest := nodeOf(t, kind, fault, func(f *facts.Facts) { reflect.ValueOf(f).Elem().FieldByName(section).SetZero() })
				if k := rest.Identity.Kind; k != whole.Identity.Kind && k != KindUnknown {
					t.Errorf("%s, %s: without %s a %s node, was %s", kind, name, section, k, whole.Identity.Kind)
				}
				if s := rest.Credentials.Source; s != whole.Credentials.Source && s != "" {
					t.Errorf("%s, %s: without %s it signs with %s, was %s", kind, name, section, s, whole.Credentials.Source)
				}
				for what, a := range answers(rest) {
					if a != before[what] && a != Unknown {
						t.Errorf("%s, %s: without %s, %s is %s, was %s", kind, name, section, what, a, before[what])
					}
				}
			}
		}
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	for _, a := range []Answer{Unknown, No, Yes} {
		if not(not(a)) != a || not(Yes) != No || not(Unknown) != Unknown {
			t.Errorf("not %s is %s", a, not(a))
		}
	}
	if ifKnown(true, false) != Unknown || ifKnown(true, true) != Yes || ifKnown(false, true) != No {
		t.Error("ifKnown")
	}
	var zero Answer
	if zero.String() != "unknown" || No.String() != "no" || Yes.String() != "yes" {
		t.Error("words of the answers")
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	n := nodeOf(t, "profile")
	for before, want := range map[time.Duration]string{0: "just now", time.Second: "just now", 90 * time.Second: "90 s ago", 4 * time.Minute: "4 min ago", 3 * time.Hour: "3 h ago", 72 * time.Hour: "3 days ago", -4 * time.Minute: "in 4 min"} {
		if got := n.Ago(n.Now().Add(-before)); got != want {
			t.Errorf("%s: %q, want %q", before, got, want)
		}
	}
	if n.Age(time.Time{}) != 0 {
		t.Error("a time that is not set has an age")
	}
}

func TestClockTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 21, 41, 0, 0, time.UTC)
	for _, c := range []struct {
		offset facts.Seen[int]
		want   string
	}{
		{facts.Known(0, ""), "21:41:00 UTC"},
		{facts.Known(-5*3600, ""), "16:41:00 -05:00"},
		{facts.Known(19800, ""), "03:11:00 +05:30"},
		{facts.Seen[int]{}, "21:41:00 UTC"},
	} {
		if got := nodeOf(t, "profile", func(f *facts.Facts) { f.Host.UTCOffset = c.offset }).ClockTime(at); got != c.want {
			t.Errorf("%v: %s, want %s", c.offset.Value, got, c.want)
		}
	}
}

func TestLayout(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{"profile": "/var/lib/amazon/ssm", "windows": "/ProgramData/Amazon/SSM/InstanceData"} {
		if got := nodeOf(t, kind).Layout().Data; got != want {
			t.Errorf("%s: %s", kind, got)
		}
	}
}
