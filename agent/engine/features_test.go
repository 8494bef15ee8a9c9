package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

func featuresOf(f *facts.Facts) []report.Feature {
	n := node.Of(f)
	return features(n, n.Rights(), nil)
}

func TestFeatures(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	f := &facts.Facts{CollectedAt: now, Asked: []string{"parameter-store"}}
	f.Host.GOOS = "linux"
	f.ECS.Task, f.Registration.Hybrid = facts.Absent[facts.ECSTask]("", ""), facts.Absent[facts.Key]("", "")
	f.IMDS.InstanceID = facts.Known("i-0123456789abcdef0", "imds")
	f.IMDS.Profile = facts.Known(facts.Profile{Name: "NodeRole"}, "imds")
	ago := now.Add(-time.Minute)
	f.Log.Matches = facts.Known([]facts.Match{{ID: facts.SigProfileOK, Count: 1, First: ago, Last: ago}, {ID: facts.SigChannelUp, Count: 1, First: ago, Last: ago}}, "")
	f.Permissions.Actions = facts.Known([]facts.Permission{
		{Action: "ssm:GetParameters", Identity: facts.SourceProfile, Verdict: facts.DeniedProven, At: ago},
		{Action: "ssm:GetParameter", Identity: facts.SourceHybrid, Verdict: facts.AllowedProven, At: ago},
	}, "")
	type row struct {
		Ready   string
		InUse   bool
		Denied  []string
		Limited int
	}
	got := map[string]row{}
	var ids []string
	for _, x := range featuresOf(f) {
		ids = append(ids, x.ID)
		got[x.ID] = row{x.Ready, x.InUse, x.Denied, len(x.Limited)}
	}
	for id, want := range map[string]row{
		"core":            {"yes", true, nil, 0},
		"messaging":       {"yes", true, nil, 0},
		"run-command":     {"yes", false, nil, 1},
		"session-manager": {"unknown", false, nil, 0},
		"parameter-store": {"no", true, []string{"ssm:GetParameters"}, 0},
		"dhmc":            {"no", false, nil, 0},
	} {
		if d := cmp.Diff(want, got[id]); d != "" {
			t.Errorf("%s\n%s", id, d)
		}
	}
	if slices.Contains(ids, "hybrid") || slices.Contains(ids, "vss-snapshots") {
		t.Errorf("features of other hosts: %v", ids)
	}
	if r := Judge(f, Options{}); len(r.Features) != len(ids) || len(r.Permissions) < 5 {
		t.Errorf("report has %d features and %d permissions", len(r.Features), len(r.Permissions))
	}
}

func TestFeaturesWithoutIdentity(t *testing.T) {
	t.Parallel()
	if got := featuresOf(&facts.Facts{}); got != nil {
		t.Errorf("a host that is no node has features: %v", got)
	}
	var r report.Report
	r.Normalize()
	if r.Features == nil {
		t.Error("features are null")
	}
}

// A host whose profile was taken off is open to Default Host Management.
func TestFeatureDHMC(t *testing.T) {
	t.Parallel()
	f := &facts.Facts{CollectedAt: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)}
	f.IMDS.InstanceID = facts.Known("i-0123456789abcdef0", "imds")
	f.ECS.Task, f.Registration.Hybrid = facts.Absent[facts.ECSTask]("", ""), facts.Absent[facts.Key]("", "")
	f.IMDS.Profile = facts.Absent[facts.Profile]("404", "imds")
	f.Credentials.Runtime = facts.Known(facts.Runtime{IdentityType: "EC2", Source: "SSM", HasSource: true}, "")
	i := slices.IndexFunc(featuresOf(f), func(x report.Feature) bool { return x.ID == "dhmc" && x.Ready == "yes" && x.InUse })
	if i < 0 {
		t.Errorf("%+v", featuresOf(f))
	}
}

// TestBrokenFeature: what was found keeps a feature from working, whatever its rights.
func TestBrokenFeature(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		sig, text, feature, ready, broken string
	}{
		{facts.SigRunAsMissing, "RunAs user deploy does not exist", "session-manager", "no", "session-failing"},
		{facts.SigDocWorker, "document worker timed out", "run-command", "no", "command-failing"},
		{facts.SigFiles, "too many open files", "run-command", "no", "descriptors-exhausted"},
		{facts.SigSessionUpload, "Failed to upload: NoSuchBucket", "session-log-s3", "no", "session-failing"},
		{facts.SigSessionUpload, "Failed to upload: NoSuchBucket", "run-command", "yes", ""},
	} {
		f := factstest.Healthy(t, "profile")
		at := f.CollectedAt.Add(-time.Minute)
		f.Log.Matches.Value = append(f.Log.Matches.Value, facts.Match{ID: tc.sig, Count: 1, First: at, Last: at, Text: tc.text})
		for _, x := range Judge(f, Options{}).Features {
			if x.ID == tc.feature && (x.Ready != tc.ready || x.Broken != tc.broken) {
				t.Errorf("%s: %s is %s, broken by %q", tc.sig, x.ID, x.Ready, x.Broken)
			}
		}
	}
}
