package gather_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentlog"
	"ssm-doctor/agent/gather/ecs"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/agent/gather/install"
	"ssm-doctor/agent/gather/opsys"
	"ssm-doctor/agent/gather/registration"
	"ssm-doctor/checks/facts"
	"ssm-doctor/packaging/gen/golden"
)

// fileSources are the sources that read files of the host.
var fileSources = []gather.Source{opsys.Source{}, install.Source{}, registration.Source{}, registration.Credentials{}, agentlog.Source{}, install.Uses{}, ecs.Source{}}

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

// latest is the latest entry of the log of some kinds; "" is any.
func latest(f *facts.Facts, kinds ...string) facts.Match {
	var last facts.Match
	for _, m := range f.Log.Matches.Value {
		i := slices.IndexFunc(facts.Signatures, func(s facts.Signature) bool { return s.ID == m.ID })
		if !m.Last.Before(last.Last) && (kinds[0] == "" || slices.Contains(kinds, facts.Signatures[i].Kind)) {
			last = m
		}
	}
	return last
}

func TestExpectations(t *testing.T) {
	t.Parallel()
	got := map[string]expectation{}
	for _, name := range fixtures(t) {
		f := gathertest.GatherDir(t, filepath.Join("testdata", "agent", name), fileSources...)
		last := latest(f, "").Last
		// The back-off is judged where the recording ends.
		env := gathertest.Plain(t, filepath.Join("testdata", "agent", name))
		env.Now = func() time.Time { return last }
		end := gathertest.Gather(t, env, agentlog.Source{})
		failed := latest(f, facts.KindNode, facts.KindFailure)
		e := expectation{
			Hybrid: f.Registration.Hybrid.Value.Complete(), EC2: f.Registration.EC2.Value.Complete(), Identity: f.Credentials.Runtime.Value.IdentityType, Source: f.Credentials.Runtime.Value.Source,
			LastFailure: failed.ID, Succeeded: latest(f, facts.KindSuccess).Last.After(failed.Last), Backoff: end.Log.Backoff.Known(), Config: f.Agent.Config.Known(),
		}
		e.Expired = !f.Credentials.Runtime.Value.ExpiresAt.IsZero() && f.Credentials.Runtime.Value.ExpiresAt.Before(last)
		switch {
		case len(f.Credentials.DHMCFile.Value.Profiles) > 0:
			e.File = "dhmc"
		case len(f.Credentials.RootFile.Value.Profiles) > 0:
			e.File = "root"
		}
		if r := f.Agent.Running; !r.Known() || r.Value != "3.3.0.0" || len(f.Registration.Damage.Value) > 0 || !f.Registration.Damage.Known() || !f.Log.Matches.Known() {
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
		"tls-intercepting-proxy":      {Identity: "EC2", LastFailure: facts.SigNotRegistered, Backoff: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func fixtures(t testing.TB) []string {
	t.Helper()
	es, err := os.ReadDir("testdata/agent")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range es {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	if len(out) < 10 {
		t.Fatalf("only %d fixtures", len(out))
	}
	return out
}

// TestGoldenFixtures compares what the sources say about trees that a real agent left.
func TestGoldenFixtures(t *testing.T) {
	t.Parallel()
	for _, name := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("testdata", "agent", name)
			f := gathertest.GatherDir(t, dir, fileSources...)
			// Modes and times of a checkout are not those of the host.
			f.Registration.Paths.Value = nil
			f.Credentials.Runtime.Value.ModifiedAt = time.Time{}
			f.Credentials.DHMCFile.Value.ModifiedAt = time.Time{}
			f.Credentials.RootFile.Value.ModifiedAt = time.Time{}
			got, err := json.MarshalIndent(map[string]any{
				"registration": f.Registration, "credentials": f.Credentials, "log": f.Log,
				"running": f.Agent.Running, "versions": f.Agent.Versions, "starts": f.Agent.Starts,
			}, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden.File(t, filepath.ToSlash(dir)+".json", append(got, '\n'))
		})
	}
}

// TestNoSecretInFacts looks for the secrets of every fixture in all its facts.
func TestNoSecretInFacts(t *testing.T) {
	t.Parallel()
	for _, name := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("testdata", "agent", name)
			f := gathertest.GatherDir(t, dir, fileSources...)
			b, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range secretsOf(t, dir) {
				if bytes.Contains(b, []byte(s)) {
					t.Errorf("the facts contain a secret that begins with %q", s[:4])
				}
			}
		})
	}
}

// secretsOf collects pieces of keys, tokens and machine ids of a fixture.
func secretsOf(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	for _, name := range []string{"RegistrationKey", "EC2RegistrationKey", "InstanceFingerprint"} {
		b, err := os.ReadFile(filepath.Join(dir, "var/lib/amazon/ssm/Vault/Store", name))
		if err != nil {
			continue
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		if k, ok := m["privateKey"].(string); ok && len(k) > 200 {
			out = append(out, k[64:128])
		}
		if h, ok := m["hardwareHash"].(map[string]any); ok {
			out = append(out, strings.TrimSpace(h["machine-id"].(string)), m["fingerprint"].(string))
		}
	}
	for _, name := range []string{"var/lib/amazon/ssm/credentials", "root/.aws/credentials"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, "="); ok && strings.HasPrefix(strings.TrimSpace(k), "aws_") {
				out = append(out, strings.TrimSpace(v))
			}
		}
	}
	return out
}

// TestSourcesEndEarly: a source whose time is up returns what it has.
func TestSourcesEndEarly(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	env := gathertest.Plain(t, "testdata/agent/healthy-profile")
	for _, s := range fileSources {
		if err := s.Gather(ctx, env.Begin(), &facts.Facts{}); err != nil {
			t.Errorf("%s: %v", s.Name(), err)
		}
	}
}
