package diagnose

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/iam"
)

// A state that cannot be told comes with what was tried, what is missing, a step that
// is safe, and the time to look again; another state comes without.
func TestDoubt(t *testing.T) {
	t.Parallel()
	quiet := func(f *facts.Facts) { unaccepted(f); f.Log.Matches.Value = nil }
	unread := func(f *facts.Facts) {
		quiet(f)
		f.Log.Matches = facts.Unknown[[]facts.Match]("permission denied", "").Because(facts.NeedsRoot)
	}
	for _, tc := range []struct {
		name  string
		fault func(*facts.Facts)
		fix   string // of the commands, separated by |
		not   string
	}{
		{"silent", quiet, "systemctl restart amazon-ssm-agent|ssm-doctor check --wait 5m|describe-instance-information", "sudo"},
		{"busy", func(f *facts.Facts) {
			quiet(f)
			at := f.CollectedAt.Add(-time.Minute)
			f.Log.Matches.Value = []facts.Match{{ID: facts.SigHealthFailed, Count: 1, First: at, Last: at, Text: "ThrottlingException: Rate exceeded"}}
			f.Log.Refusals = facts.Known([]facts.Refusal{{Refusal: iam.ParseRefusal("ThrottlingException", "Rate exceeded"), At: at, Match: facts.SigHealthFailed}}, "")
			f.Agent.Channel = facts.Known([]facts.Socket{}, "")
		}, "aws health describe-events|ssm-doctor check --wait 5m", "systemctl restart"},
		{"without root", unread, "sudo ssm-doctor check|systemctl restart", ""},
		{"stopped", func(f *facts.Facts) {
			quiet(f)
			f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
			f.Agent.Units = facts.Unknown[[]facts.Unit]("no answer", "")
		}, "systemctl start", "systemctl restart"},
		{"offline", func(f *facts.Facts) { quiet(f); f.Offline = true; f.Network = facts.Network{} }, "ssm-doctor check", ""},
		{"a file tree", func(f *facts.Facts) { quiet(f); f.Root = "/mnt" }, "ssm-doctor check", "restart"},
		{"cut off", func(f *facts.Facts) { f.Sources = append(f.Sources, facts.Source{Name: "imds", Ending: facts.CutOff}) }, "--timeout", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := factstest.Healthy(t, "profile")
			tc.fault(f)
			a := judge(f)
			if a.State != Unknown || a.Doubt == nil {
				t.Fatalf("%s, doubt %v, root %+v", a.State, a.Doubt, a.Root)
			}
			d := a.Doubt
			if len(d.Tried) == 0 || len(d.Missing) == 0 || !d.Again.After(f.CollectedAt) || d.Why.IsZero() {
				t.Errorf("%+v", d)
			}
			got := commands(d.Fix)
			for w := range strings.SplitSeq(tc.fix, "|") {
				if !strings.Contains(got, w) {
					t.Errorf("no %q in:\n%s", w, got)
				}
			}
			if tc.not != "" && strings.Contains(got, tc.not) {
				t.Errorf("%q in:\n%s", tc.not, got)
			}
		})
	}
	if a := judge(factstest.Healthy(t, "profile")); a.Doubt != nil {
		t.Errorf("managed: %+v", a.Doubt)
	}
	f := faulty(t, "agent-backoff-wait")
	if a := judge(f); a.Doubt != nil {
		t.Errorf("%s: %+v", a.State, a.Doubt)
	}
}

// A sleep that the agent announced is when to look again.
func TestDoubtWaitsForTheAgent(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	unaccepted(f)
	f.Log.Matches.Value = nil
	f.Log.Backoff = facts.Known(facts.Backoff{Since: f.CollectedAt, Seconds: 600, Until: f.CollectedAt.Add(10 * time.Minute)}, "")
	if a := judge(f); a.Doubt == nil || !a.Doubt.Again.Equal(f.CollectedAt.Add(11*time.Minute)) {
		t.Errorf("%s %+v", a.State, a.Doubt)
	}
}

// Where something else signs with the agent's credentials, the remedy says so once.
func TestReach(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "hybrid")
	unaccepted(f)
	fault(t, "hybrid-role-broken", f)
	f.Agent.Around = facts.Known([]facts.Trace{{Kind: facts.AroundEKS, From: "file:/opt/nodeadm/tracker"}}, "")
	a := judge(f)
	if a.Root == nil {
		t.Fatalf("%s", a.State)
	}
	said := 0
	for _, s := range a.Root.Fix {
		if strings.Contains(s.Text.String(), "the kubelet of this EKS hybrid node signs") {
			said++
		}
	}
	if said != 1 {
		t.Errorf("said %d times: %s", said, a.Root.Cause.ID)
	}
}
