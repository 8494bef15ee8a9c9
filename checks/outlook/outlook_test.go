package outlook

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// stopped is a healthy host whose service was stopped and disabled.
func stopped(t *testing.T, kind string) *facts.Facts {
	t.Helper()
	f := factstest.Healthy(t, kind)
	f.Agent.Processes.Value = facts.Processes{}
	for i := range f.Agent.Units.Value {
		u := &f.Agent.Units.Value[i]
		u.Active, u.Sub, u.Enabled, u.Result, u.MainPID = "inactive", "dead", "disabled", "success", 0
	}
	for i := range f.Log.Matches.Value { // the channel was opened again half an hour ago
		if m := &f.Log.Matches.Value[i]; m.ID == facts.SigChannelUp {
			m.Last = f.CollectedAt.Add(-30 * time.Minute)
		}
	}
	return f
}

// TestOldAcceptance: that the node was accepted long ago, or as another, promises nothing:
// its role may have been replaced while no agent ran, whatever harmless reads are allowed.
func TestOldAcceptance(t *testing.T) {
	t.Parallel()
	const age = 20 * 24 * time.Hour
	old := func(f *facts.Facts) {
		for i := range f.Log.Matches.Value {
			m := &f.Log.Matches.Value[i]
			m.First, m.Last, m.Before = m.First.Add(-age), m.Last.Add(-age), m.Before.Add(-age)
		}
		r := &f.Credentials.Runtime.Value
		if f.Credentials.Runtime.Known() {
			r.RetrievedAt, r.ModifiedAt, r.ExpiresAt = r.RetrievedAt.Add(-age), r.ModifiedAt.Add(-age), r.ExpiresAt.Add(-age)
		}
	}
	other := func(f *facts.Facts) { // AWS named another role than the profile has now
		r := facts.Refusal{At: f.CollectedAt.Add(-time.Minute), Match: facts.SigAssociations}
		r.Action, r.Denied, r.Principal = "ssm:ListAssociations", true, "arn:aws:sts::111122223333:assumed-role/Former/"+node.Of(f).Identity.ID
		f.Log.Refusals = facts.Known([]facts.Refusal{r}, "")
		if node.Of(f).Credentials.Held.Replaced != node.Yes {
			t.Fatal("nothing says that the role is another")
		}
	}
	for _, kind := range []string{"profile", "dhmc", "hybrid"} {
		for name, fault := range map[string]func(*facts.Facts){"old": old, "of another": other} {
			if name != "old" && kind != "profile" {
				continue
			}
			f := stopped(t, kind)
			fault(f)
			if !node.Of(f).ReadsAllowed() {
				t.Fatalf("%s: the reads are not allowed", kind)
			}
			o, err := After(f, []causes.Change{{Kind: causes.ServiceEnabled}, {Kind: causes.ServiceStarted}})
			if err != nil {
				t.Fatal(err)
			}
			if len(o.Open) == 0 || node.Of(o.Facts).Acceptance.Now == node.Yes {
				t.Errorf("%s, %s: it is promised that the node is accepted", kind, name)
			}
		}
	}
}

func TestAfter(t *testing.T) {
	t.Parallel()
	start := []causes.Change{{Kind: causes.ServiceEnabled}, {Kind: causes.ServiceStarted}}
	for _, row := range []struct {
		name    string
		fault   func(*facts.Facts)
		changes []causes.Change
		open    string // part of what is not known; empty: all is
	}{
		{"started", nil, start, ""},
		{"nothing is done", nil, nil, "what the agent meets when it tries again"},
		{"left stopped", nil, []causes.Change{{Kind: causes.ServiceStopped}}, "when the agent is started again"},
		{"masked", func(f *facts.Facts) {
			for i := range f.Agent.Units.Value {
				f.Agent.Units.Value[i].Enabled = "masked"
			}
		}, start[1:], "what the agent meets"},
		{"ended by itself", func(f *facts.Facts) {
			for i := range f.Agent.Units.Value {
				f.Agent.Units.Value[i].Result = "exit-code"
			}
		}, start, "whether the agent keeps running"},
		{"an endpoint was not reached", func(f *facts.Facts) {
			f.Network.Endpoint("ssm").HTTP = facts.Unknown[facts.HTTP]("timed out", "")
		}, start, "answers"},
		{"no credentials seen", func(f *facts.Facts) { f.IMDS.Role = facts.Unknown[facts.Role]("timed out", "") }, start, "gives credentials"},
		{"never accepted", func(f *facts.Facts) {
			f.Log.Matches = facts.Known([]facts.Match{}, "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("", "")
		}, start, "whether the node may call ssm:UpdateInstanceInformation and ssmmessages:CreateControlChannel"},
		{"a route is removed too", nil, append([]causes.Change{{Kind: causes.RouteRemoved, On: "10.0.0.0/8"}}, start...), "once the route to 10.0.0.0/8 is removed"},
		{"the newest release", nil, append([]causes.Change{{Kind: causes.AgentInstalled}}, start...), "whether the agent of that release"},
		{"a release that was not accepted here", nil, append([]causes.Change{{Kind: causes.AgentInstalled, To: "3.3.1.0"}}, start...), "whether the agent of that release"},
		{"the release of before", nil, append([]causes.Change{{Kind: causes.AgentInstalled, To: "before"}}, start...), ""},
		{"the release that was accepted", func(f *facts.Facts) { f.Agent.Running = facts.Known("3.3.1.0", "") }, append([]causes.Change{{Kind: causes.AgentInstalled, To: "3.3.1.0"}}, start...), ""},
		{"a release that was started since", func(f *facts.Facts) {
			at := f.CollectedAt.Add(-time.Second)
			f.Agent.Running = facts.Known("3.3.1.0", "")
			f.Log.Matches.Value = append(slices.DeleteFunc(f.Log.Matches.Value, func(m facts.Match) bool { return m.ID == facts.SigStart }), facts.Match{ID: facts.SigStart, Count: 1, First: at, Last: at})
		}, append([]causes.Change{{Kind: causes.AgentInstalled, To: "3.3.1.0"}}, start...), "whether the agent of that release"},
		{"space is freed", nil, append([]causes.Change{{Kind: causes.SpaceFreed}}, start...), "whether that is enough space"},
		{"the volume grows", nil, append([]causes.Change{{Kind: causes.VolumeGrown}}, start...), "whether that is enough space"},
		{"memory is added", nil, append([]causes.Change{{Kind: causes.MemoryAdded}}, start...), "whether that is enough memory"},
		{"the clock is set", func(f *facts.Facts) { f.Network.Skew = facts.Known(900.0, "") }, append([]causes.Change{{Kind: causes.ClockSet}}, start...), "whether a time server answers"},
		{"a variable is taken away", nil, append([]causes.Change{{Kind: causes.UnitSet, To: "[Service]\\nUnsetEnvironment=AWS_EC2_METADATA_DISABLED"}}, start...), "version 235"},
		{"a variable is emptied", nil, append([]causes.Change{{Kind: causes.UnitSet, To: "[Service]\\nEnvironment=\"AWS_EC2_METADATA_DISABLED=\""}}, start...), "EnvironmentFile"},
		{"another profile", nil, append([]causes.Change{{Kind: causes.ProfileAttached, To: "P"}}, start...), "instance profile P"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := stopped(t, "profile")
			if row.fault != nil {
				row.fault(f)
			}
			o, err := After(f, row.changes)
			if err != nil {
				t.Fatal(err)
			}
			var open []string
			for _, x := range o.Open {
				open = append(open, x.String())
			}
			says := strings.Join(open, "; ")
			accepted := node.Of(o.Facts).Acceptance.Now == node.Yes
			if row.open == "" && says != "" || !strings.Contains(says, row.open) || accepted != (row.open == "") {
				t.Errorf("open: %s; accepted: %v", says, accepted)
			}
			if len(f.Agent.Processes.Value.Core) > 0 || f.Agent.Units.Value[0].Active != "inactive" {
				t.Error("the facts that were given were changed")
			}
		})
	}
}

// A refusal is taken back only by a change of the layer and action that AWS named.
func TestGrant(t *testing.T) {
	t.Parallel()
	refused := func(layer string) *facts.Facts {
		f := factstest.Healthy(t, "profile")
		r := facts.Refusal{At: f.CollectedAt.Add(-time.Minute), Match: facts.SigHealthFailed}
		r.Action, r.Layer, r.Denied, r.Code = node.Heartbeat, layer, true, "AccessDeniedException"
		f.Log.Refusals = facts.Known([]facts.Refusal{r}, "")
		return f
	}
	core := causes.Change{Kind: causes.PolicyAttached, To: "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}
	for _, row := range []struct {
		name, layer string
		change      causes.Change
		left        int
	}{
		{"core policy", "identity", core, 0},
		{"core policy, an SCP denies", "scp", core, 1},
		{"another action", "identity", causes.Change{Kind: causes.PolicyPut, To: "ssm:GetParameter"}, 1},
		{"that action", "identity", causes.Change{Kind: causes.PolicyPut, To: "ssm:GetParameter,ssm:UpdateInstanceInformation"}, 0},
		{"boundary", "boundary", causes.Change{Kind: causes.BoundaryRemoved}, 0},
		{"boundary, the policy lacks it", "identity", causes.Change{Kind: causes.BoundaryRemoved}, 1},
	} {
		o, err := After(refused(row.layer), []causes.Change{row.change, {Kind: causes.ServiceRestarted}})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(o.Facts.Log.Refusals.Value); got != row.left {
			t.Errorf("%s: %d refusals are left", row.name, got)
		}
	}
}
