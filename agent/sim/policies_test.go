package sim_test

import (
	"path/filepath"
	"strings"
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// bearers are the ways in which a document can be the only one that bears on a node's requests.
var bearers = []struct {
	name, base string
	attach     func(s *sim.Scenario, document string)
	layers     func(p *iam.Policy) iam.Layers
}{
	{"profile", "profile", func(s *sim.Scenario, d string) { s.Principals["profile"].Policies = []sim.Policy{sim.Policy(d)} }, identityOnly},
	{"default host management", "dhmc", func(s *sim.Scenario, d string) { s.Principals["dhmc"].Policies = []sim.Policy{sim.Policy(d)} }, identityOnly},
	{"hybrid", "hybrid", func(s *sim.Scenario, d string) { s.Principals["hybrid"].Policies = []sim.Policy{sim.Policy(d)} }, identityOnly},
	{"boundary", "profile", func(s *sim.Scenario, d string) {
		s.Principals["profile"].Policies, s.Principals["profile"].Boundary = []sim.Policy{sim.Allow("*")}, sim.Policy(d)
	}, func(p *iam.Policy) iam.Layers {
		return iam.Layers{Identity: []*iam.Policy{everything}, Boundary: []*iam.Policy{p}}
	}},
}

func identityOnly(p *iam.Policy) iam.Layers { return iam.Layers{Identity: []*iam.Policy{p}} }

var everything = func() *iam.Policy {
	p, err := iam.ParsePolicy([]byte(sim.Allow("*")))
	if err != nil {
		panic(err)
	}
	return p
}()

// carriedPolicies are the names of the documents that a role may have; trust
// policies say who may take a role, not what the role may do.
func carriedPolicies(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../checks/iam/data/policies/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d documents, %v", len(files), err)
	}
	var names []string
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".json"); !strings.HasPrefix(name, "TrustPolicy-") {
			names = append(names, name)
		}
	}
	return names
}

// What a run holds for proven about an action is what the documents say.
func TestVerdictsAgreeWithDocuments(t *testing.T) {
	t.Parallel()
	proven, tried := 0, 0
	for i, name := range carriedPolicies(t) {
		raw, ok := iam.Document(name)
		if !ok {
			t.Fatalf("no text of %s", name)
		}
		p, err := iam.ParsePolicy(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for j, b := range bearers {
			if every > 1 && (i+j)%8 != 0 {
				continue
			}
			s := bases[b.base]()
			s.Now = now
			b.attach(&s, name)
			h, err := sim.Start(s)
			if err != nil {
				t.Fatal(err)
			}
			env := h.Env()
			env.Probes = awsapi.ProbeFamilies
			f := engine.Collect(t.Context(), env, engine.Options{})
			full := h.Scenario()
			asked := map[string]string{} // action to resource
			for _, e := range h.Journal() {
				if e.Action != "" && e.Resource != "" {
					asked[e.Action] = e.Resource
				}
			}
			h.Close()
			if len(f.Permissions.Actions.Value) < 10 {
				t.Errorf("%s as %s: only %d actions asked", name, b.name, len(f.Permissions.Actions.Value))
			}
			for _, a := range f.Permissions.Actions.Value {
				if a.Verdict == facts.Unreachable {
					continue // an endpoint that is not played
				}
				tried++
				node := "arn:aws:ec2:" + full.Region + ":" + full.Account + ":instance/" + full.Instance
				want := iam.Evaluate(b.layers(p), iam.Request{Action: a.Action, Resource: asked[a.Action], ResourceAccount: full.Account, Complete: true,
					Context: map[string][]string{"aws:RequestedRegion": {full.Region}, "aws:SecureTransport": {"true"}, "ec2:SourceInstanceARN": {node}, "ssm:SourceInstanceARN": {node}}})
				switch a.Verdict {
				case facts.AllowedProven, facts.AllowedPredicted:
					proven++
					if want.Verdict != iam.Allow {
						t.Errorf("%s as %s: %s is held for %s, the document says %s", name, b.name, a.Action, a.Verdict, want.Verdict)
					}
				case facts.DeniedProven, facts.DeniedPredicted:
					proven++
					if want.Verdict == iam.Allow {
						t.Errorf("%s as %s: %s is held for %s, the document allows it: %s", name, b.name, a.Action, a.Verdict, a.Message)
					}
					if a.Layer != "" && a.Layer != iam.LayerUnknown && a.Layer != want.Layer {
						t.Errorf("%s as %s: %s is said to be refused by %s, it is %s", name, b.name, a.Action, a.Layer, want.Layer)
					}
				}
			}
		}
	}
	// Nearly everything that is asked is answered, or the test would prove nothing.
	if proven*10 < tried*9 || tried == 0 {
		t.Errorf("%d of %d actions have a verdict", proven, tried)
	}
}
