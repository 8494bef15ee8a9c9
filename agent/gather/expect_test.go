package gather

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
)

// expectation is what a tree must show by the situation it was recorded in; the
// golden files hold everything else.
type expectation struct {
	Hybrid, EC2 bool   // complete registrations
	Identity    string // of the runtime configuration
	Source      string
	Expired     bool   // of its credentials, at the end of the log
	File        string // whose keys are on disk: dhmc, root
	LastFailure string // signature
	Succeeded   bool   // a success after the last failure
	Backoff     bool
	Config      bool // the file exists
}

func TestExpectations(t *testing.T) {
	t.Parallel()
	got := map[string]expectation{}
	for _, name := range fixtures(t) {
		f := gatherFrom(t, filepath.Join("testdata", "agent", name), FileSources()...)
		last, _ := f.Log.LastLine.Get()
		// The back-off is judged where the recording ends.
		env := testEnv(t, filepath.Join("testdata", "agent", name))
		env.Now = func() time.Time { return last }
		end := gatherEnv(t, env, logSource{})
		e := expectation{
			Hybrid: f.Registration.Hybrid.Value.Complete(), EC2: f.Registration.EC2.Value.Complete(), Identity: f.Credentials.Runtime.Value.IdentityType, Source: f.Credentials.Runtime.Value.Source,
			LastFailure: f.Log.LastFailure.Value.ID, Succeeded: f.Log.LastSuccess.Known() && f.Log.LastSuccess.Value.At.After(f.Log.LastFailure.Value.At), Backoff: end.Log.Backoff.Known(), Config: f.Agent.Config.Known(),
		}
		e.Expired = !f.Credentials.Runtime.Value.ExpiresAt.IsZero() && f.Credentials.Runtime.Value.ExpiresAt.Before(last)
		switch {
		case len(f.Credentials.DHMCFile.Value.Profiles) > 0:
			e.File = "dhmc"
		case len(f.Credentials.RootFile.Value.Profiles) > 0:
			e.File = "root"
		}
		if r := f.Agent.Running; !r.Known() || r.Value != "3.3.0.0" || len(f.Registration.Damage) > 0 || f.Log.LastStart.Unknown() {
			t.Errorf("%s: %+v %+v", name, r, f.Registration.Damage)
		}
		got[name] = e
	}
	want := map[string]expectation{
		"assume-role-unauthorized":    {EC2: true, Identity: "EC2", LastFailure: facts.SigDHMCOff, Backoff: true},
		"blackholed-all":              {Identity: "EC2"}, // the first call had not timed out yet
		"clock-skew":                  {Identity: "EC2", LastFailure: facts.SigClock, Backoff: true},
		"healthy-dhmc":                {EC2: true, Identity: "EC2", Source: "SSM", File: "dhmc", LastFailure: facts.SigProfileFailed, Succeeded: true},
		"healthy-profile":             {EC2: true, Identity: "EC2", Source: "EC2", Succeeded: true},
		"hybrid-fingerprint-mismatch": {Hybrid: true, Identity: "OnPrem", LastFailure: facts.SigFingerprint, Backoff: true},
		"hybrid-healthy":              {Hybrid: true, Identity: "OnPrem", Source: "SSM", File: "root", Succeeded: true},
		"imds-disabled":               {LastFailure: facts.SigNoIdentity},
		"imds-unreachable":            {LastFailure: facts.SigNoIdentity},
		"legacy-AmazonEC2RoleforSSM":  {EC2: true, Identity: "EC2", Source: "EC2", Succeeded: true},
		"missing-ssmmessages":         {EC2: true, Identity: "EC2", Source: "EC2", LastFailure: facts.SigChannelToken},
		"no-profile-no-dhmc":          {EC2: true, Identity: "EC2", LastFailure: facts.SigDHMCOff, Backoff: true},
		"profile-blocks-dhmc":         {EC2: true, Identity: "EC2", Source: "EC2", LastFailure: facts.SigChannelToken},
		"scp-deny":                    {EC2: true, Identity: "EC2", LastFailure: facts.SigDHMCOff, Backoff: true},
		"tls-intercepting-proxy":      {Identity: "EC2", LastFailure: facts.SigDHMCSkipped, Backoff: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
