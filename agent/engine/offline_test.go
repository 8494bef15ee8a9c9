package engine

import (
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

func carried(t *testing.T, names ...string) []*iam.Policy {
	t.Helper()
	out := []*iam.Policy{}
	for _, n := range names {
		raw, ok := iam.Document(n)
		if !ok {
			t.Fatalf("no document %s", n)
		}
		p, err := iam.ParsePolicy(raw)
		if err != nil {
			t.Fatal(err)
		}
		p.Name = n
		out = append(out, p)
	}
	return out
}

func TestOffline(t *testing.T) {
	t.Parallel()
	ready := func(o Offline) map[string]string {
		out := map[string]string{}
		features, permissions := o.Evaluate()
		for _, f := range features {
			out[f.ID] = f.Ready
		}
		if len(permissions) != len(iam.Actions()) {
			t.Errorf("%d permissions", len(permissions))
		}
		for _, p := range permissions {
			if p.Evidence == "" || p.Verdict == facts.AllowedProven || p.Verdict == facts.DeniedProven {
				t.Errorf("a document proves nothing: %+v", p)
			}
		}
		return out
	}
	core := iam.Layers{Identity: carried(t, iam.Core)}
	for _, c := range []struct {
		name string
		o    Offline
		want map[string]string
	}{
		{"Core", Offline{Layers: core}, map[string]string{"core": "yes", "session-manager": "yes", "parameter-store": "yes", "domain-join": "no", "dhmc": "no", "hybrid": "yes", "vss-snapshots": "no"}},
		{"Core on a hybrid node", Offline{Layers: core, Target: iam.Target{Source: "hybrid", GOOS: "linux"}}, map[string]string{"core": "yes", "hybrid": "yes", "vss-snapshots": "", "fleet-manager-rdp": "", "dhmc": ""}},
		{"one document is missing", Offline{Layers: core, Incomplete: []string{"Other"}}, map[string]string{"core": "unknown", "domain-join": "unknown"}},
		{"an endpoint policy shuts out", Offline{Layers: core, Endpoints: map[string][]*iam.Policy{"": carried(t, "custom-RunCommandOutputS3")}, Incomplete: []string{"Other"}}, map[string]string{"core": "no"}},
		{"an endpoint policy of one service", Offline{Layers: core, Endpoints: map[string][]*iam.Policy{"ssmmessages": carried(t, "custom-RunCommandOutputS3")}}, map[string]string{"core": "yes", "messaging": "no"}},
		{"one bucket", Offline{Layers: iam.Layers{Identity: carried(t, "custom-RunCommandOutputS3")}}, map[string]string{"run-command-output-s3": "unknown", "core": "no"}},
		{"the role of Default Host Management", Offline{Layers: iam.Layers{Identity: carried(t, "AmazonSSMManagedEC2InstanceDefaultPolicy")}, Target: iam.Target{Source: "ec2-dhmc"}, Asked: []string{"dhmc"}}, map[string]string{"dhmc": "yes", "core": "yes"}},
		{"a role of Default Host Management that may nothing", Offline{Layers: iam.Layers{Identity: carried(t, "custom-DHMCSafeProfile")}, Target: iam.Target{Source: "ec2-dhmc"}}, map[string]string{"dhmc": "no"}},
		{"a profile for Default Host Management", Offline{Layers: iam.Layers{Identity: carried(t, "custom-DHMCSafeProfile")}}, map[string]string{"dhmc": "yes", "core": "no"}},
	} {
		got := ready(c.o)
		for id, want := range c.want {
			if got[id] != want {
				t.Errorf("%s: %s is %q, want %q", c.name, id, got[id], want)
			}
		}
	}
}

// A policy bound to one instance is decided once the node is known.
func TestOfflineNode(t *testing.T) {
	t.Parallel()
	p, err := iam.ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ssm:UpdateInstanceInformation","Resource":"arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0",
		"Condition":{"ArnLike":{"ec2:SourceInstanceARN":"arn:aws:ec2:*:*:instance/i-0123*"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	f := &facts.Facts{}
	f.IMDS.InstanceID = facts.Known("i-0123456789abcdef0", "imds")
	f.IMDS.Region, f.IMDS.Account = facts.Known("eu-west-1", "imds"), facts.Known("111122223333", "imds")
	o := Offline{Layers: iam.Layers{Identity: []*iam.Policy{p}}}
	core := func() string {
		fs, _ := o.Evaluate()
		return fs[0].Ready
	}
	if got := core(); got != "unknown" {
		t.Errorf("node not known: %s", got)
	}
	o.Facts, o.Target = f, TargetOf(node.Of(f))
	if got := core(); got != "yes" {
		t.Errorf("this node: %s", got)
	}
	f.IMDS.InstanceID.Value = "i-0fff"
	if got := core(); got != "no" {
		t.Errorf("another node: %s", got)
	}
}
