package engine

import (
	"testing"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// TestKept: what a run takes over from the one before, and what it does not.
func TestKept(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	env := &gather.Env{Now: func() time.Time { return now }, Hold: "another time"}
	previous := &facts.Facts{Permissions: facts.Permissions{
		Identities: facts.Known([]facts.Identity{{Source: facts.SourceProfile}}, ""),
		Actions: facts.Known([]facts.Permission{
			{Action: "ssm:GetDocument", Verdict: facts.DeniedProven, At: now.Add(-49 * time.Hour)},
			{Action: "ssm:DescribeDocument", Verdict: facts.DeniedProven, At: now.Add(-47 * time.Hour)},
		}, ""),
		Calls: map[string]int{"ssm:GetDocument": 1},
	}}
	previous.Network.Region = "eu-central-1"
	local := Waves{SkipNetwork: true, SkipPermissions: true}
	for _, c := range []struct {
		name       string
		o          Options
		actions    int
		region     string
		held       string
		identities int
	}{
		{"first run", Options{}, 0, "", "", 0},
		{"first run without reads", Options{Waves: local}, 0, "", "another time", 0},
		{"local", Options{Waves: local, Previous: previous, ReadsLast: 48 * time.Hour}, 1, "eu-central-1", "", 1},
		{"all are old", Options{Waves: local, Previous: previous, ReadsLast: time.Hour}, 0, "eu-central-1", "another time", 1},
		{"for ever", Options{Waves: Waves{SkipPermissions: true}, Previous: previous}, 2, "", "", 1},
	} {
		f := kept(c.o, env)
		if len(f.Permissions.Actions.Value) != c.actions || f.Permissions.Actions.Known() != (c.actions > 0) || len(f.Permissions.Identities.Value) != c.identities || f.Network.Region != c.region ||
			f.Permissions.Held != c.held || len(f.Permissions.Calls) != 0 {
			t.Errorf("%s: %+v, Region %q", c.name, f.Permissions, f.Network.Region)
		}
	}
}

// TestCredentialsUnseen: no source is one thing, not having seen any another.
func TestCredentialsUnseen(t *testing.T) {
	t.Parallel()
	f := &facts.Facts{}
	if c := credentials(node.Of(f)); c.Source != "" {
		t.Errorf("from nothing: %+v", c)
	}
	f.ECS.Task = facts.Absent[facts.ECSTask]("not in a task", "")
	f.Log.Matches = facts.Absent[[]facts.Match]("no log", "")
	f.Registration.Hybrid = facts.Absent[facts.Key]("no file", "")
	f.Credentials.Runtime = facts.Absent[facts.Runtime]("no file", "")
	f.IMDS.Profile = facts.Absent[facts.Profile]("404", "")
	if c := credentials(node.Of(f)); c.Source != facts.SourceNone {
		t.Errorf("without any: %+v", c)
	}
	f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
	if c := credentials(node.Of(f)); c.Source != "" {
		t.Errorf("without root: %+v", c)
	}
}
