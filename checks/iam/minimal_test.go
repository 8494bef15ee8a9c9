package iam

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var fullTarget = Target{Partition: "aws-us-gov", Region: "us-gov-west-1", Account: "111122223333", GOOS: "linux", Buckets: []string{"out/commands/"}, LogGroups: []string{"/my/group"},
	Parameters: []string{"/app/prod"}, Keys: []string{"0f1e2d3c"}, Directory: "d-0123456789"}

// policies are the documents that a role would carry after following g.
func (g Grants) policies(t *testing.T) []*Policy {
	t.Helper()
	out := []*Policy{}
	for _, n := range g.Attach {
		out = append(out, documentByName(n).Policy)
	}
	if g.Custom != nil {
		b, err := json.Marshal(g.Custom)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePolicy(b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		out = append(out, p)
	}
	return out
}

// TestMinimalServes: what is suggested serves the feature, and nothing of the
// custom document is more than needed.
func TestMinimalServes(t *testing.T) {
	t.Parallel()
	for _, f := range Features() {
		for name, target := range map[string]Target{"empty": {}, "full": fullTarget, "conditional": {Conditional: true, Source: "hybrid"}, "dhmc": {Source: "ec2-dhmc"}} {
			g, err := Minimal([]string{f.ID}, target)
			if err != nil {
				t.Fatal(err)
			}
			ps := g.policies(t)
			verdict := func(action string) Verdict {
				a, _ := ActionByName(action)
				return Evaluate(Layers{Identity: ps}, requestFor(a)).Verdict
			}
			for _, a := range f.Of(Mandatory) {
				if v := verdict(a); v != Allow && v != Unknown {
					t.Errorf("%s, %s: %s is %s", f.ID, name, a, v)
				}
			}
			if name == "conditional" {
				for _, n := range f.Actions {
					if v := verdict(n.Action); n.Need == Conditional && v != Allow && v != Unknown && !strings.HasPrefix(n.Action, "kms:") && n.Action != "s3:PutObjectAcl" {
						t.Errorf("%s: conditional %s is %s", f.ID, n.Action, v)
					}
				}
			}
			if g.Custom == nil {
				continue
			}
			for _, s := range g.Custom.Statement {
				for _, a := range s.Action {
					if !slices.ContainsFunc(f.Actions, func(n Need) bool {
						return n.Action == a && (n.Need == Mandatory || n.Need == Conditional || f.ID == "agent-telemetry")
					}) && f.ID != "dhmc" {
						t.Errorf("%s, %s: grants %s, which it does not need", f.ID, name, a)
					}
					if row, _ := ActionByName(a); len(row.ResourceTypes) == 0 && !slices.Equal(s.Resource, []string{"*"}) {
						t.Errorf("%s, %s: %s can only be granted on *, not on %v", f.ID, name, a, s.Resource)
					}
					for _, n := range g.Attach {
						if ga := mustAction(t, a).GrantedBy[n]; ga.Scope == "all" {
							t.Errorf("%s, %s: %s is granted twice", f.ID, name, a)
						}
					}
				}
			}
			if name == "full" && len(g.Placeholders) != 0 && f.ID != "managed-buckets" { // of GovCloud no names are known
				t.Errorf("%s: placeholders %v though everything is known", f.ID, g.Placeholders)
			}
			if name == "full" {
				for _, s := range g.Custom.Statement {
					for _, r := range s.Resource {
						if strings.HasPrefix(r, "arn:aws:") {
							t.Errorf("%s: partition of %s", f.ID, r)
						}
					}
				}
			}
		}
	}
}

func mustAction(t *testing.T, name string) Action {
	t.Helper()
	a, ok := ActionByName(name)
	if !ok {
		t.Fatalf("no action %s", name)
	}
	return a
}

func TestMinimalChoice(t *testing.T) {
	t.Parallel()
	everyday := []string{"core", "messaging", "run-command", "session-manager", "state-manager", "inventory", "compliance", "patch-manager", "distributor", "parameter-store"}
	for _, c := range []struct {
		name     string
		features []string
		t        Target
		attach   []string
		custom   []string // actions
		instead  []string
	}{
		{"sessions only", []string{"session-manager"}, Target{}, nil,
			[]string{"ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"}, []string{Core}},
		{"everyday features", everyday, Target{}, []string{Core}, nil, nil},
		{"everyday features under Default Host Management", everyday, Target{Source: "ec2-dhmc"}, []string{"AmazonSSMManagedEC2InstanceDefaultPolicy"}, []string{"ssm:GetParameter", "ssm:GetParameters"}, nil},
		{"nothing but an optional action", []string{"agent-telemetry"}, Target{}, nil, []string{"cloudwatch:PutMetricData"}, []string{"CloudWatchAgentServerPolicy"}},
		{"domain join", []string{"domain-join"}, Target{}, []string{"AmazonSSMDirectoryServiceAccess"}, nil, nil},
		{"domain join on Linux", []string{"domain-join"}, Target{GOOS: "linux"}, []string{"AmazonSSMDirectoryServiceAccess"}, []string{"secretsmanager:GetSecretValue"}, nil},
		{"VSS has conditions that matter", []string{"vss-snapshots"}, Target{}, []string{"AWSEC2VssSnapshotPolicy"}, nil, nil},
		{"session key", []string{"session-kms"}, Target{}, nil, []string{"kms:Decrypt"}, nil},
		{"bucket of another account", []string{"run-command-output-s3"}, Target{ForeignBucket: true}, nil, []string{"s3:GetEncryptionConfiguration", "s3:PutObject", "s3:PutObjectAcl"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g, err := Minimal(c.features, c.t)
			if err != nil {
				t.Fatal(err)
			}
			var custom []string
			if g.Custom != nil {
				for _, s := range g.Custom.Statement {
					custom = append(custom, s.Action...)
				}
			}
			slices.Sort(custom)
			if d := cmp.Diff([][]string{c.attach, c.custom, c.instead}, [][]string{g.Attach, custom, g.Instead}); d != "" {
				t.Error(d)
			}
		})
	}
	if _, err := Minimal([]string{"sessions"}, Target{}); err == nil || !strings.Contains(err.Error(), `"sessions"`) {
		t.Errorf("unknown feature: %v", err)
	}
}

// TestMinimalLeft: optional actions that nothing grants are told.
func TestMinimalLeft(t *testing.T) {
	t.Parallel()
	left := func(features ...string) []string {
		g, err := Minimal(features, Target{Keys: []string{"0f1e"}})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, n := range g.Left {
			if n.Need == Optional {
				out = append(out, n.Action)
			}
		}
		return out
	}
	if got := left("run-command-output-s3"); !slices.Contains(got, "s3:AbortMultipartUpload") {
		t.Errorf("output to a bucket: %v", got)
	}
	if got := left("core", "messaging", "run-command", "state-manager", "inventory", "compliance", "patch-manager", "distributor", "parameter-store"); len(got) > 0 {
		t.Errorf("granted by what is attached: %v", got)
	}
}

// TestMinimalResources: with everything known the document is bound to it.
func TestMinimalResources(t *testing.T) {
	t.Parallel()
	g, err := Minimal([]string{"run-command-output-s3", "session-log-cloudwatch", "parameter-store", "session-kms"}, fullTarget)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, s := range g.Custom.Statement {
		got[s.Sid] = s.Resource
	}
	want := map[string][]string{
		"OutputObjects": {"arn:aws-us-gov:s3:::out/commands/*"}, "OutputBuckets": {"arn:aws-us-gov:s3:::out"},
		"OutputLogs":    {"arn:aws-us-gov:logs:us-gov-west-1:111122223333:log-group:/my/group", "arn:aws-us-gov:logs:us-gov-west-1:111122223333:log-group:/my/group:*"},
		"Node":          {"*"}, // logs:DescribeLogGroups
		"Parameters":    {"arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter/app/prod/*"},
		"ParameterKeys": {"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/0f1e2d3c"}, "SessionKeys": {"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/0f1e2d3c"},
		"BucketKeys": {"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/0f1e2d3c"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestManagedBuckets(t *testing.T) {
	t.Parallel()
	names, complete := ManagedBuckets("af-south-1", "linux")
	want := []string{"amazon-ssm-af-south-1", "aws-ssm-af-south-1", "patch-baseline-snapshot-af-south-1-tbxdb5b9", "aws-patch-manager-af-south-1-bdd5f65a9",
		"aws-ssm-document-attachments-af-south-1", "aws-ssm-distributor-file-af-south-1", "af-south-1-birdwatcher-prod"}
	if d := cmp.Diff(want, names); d != "" || !complete {
		t.Error(d, complete)
	}
	for _, region := range []string{"xx-new-1", "cn-north-1", "us-gov-west-1"} {
		if names, complete = ManagedBuckets(region, "darwin"); complete || names != nil {
			t.Errorf("%s: %v %v", region, names, complete)
		}
		g, err := Minimal([]string{"managed-buckets"}, Target{Region: region})
		if err != nil || !slices.Equal(g.Custom.Statement[0].Resource, []string{"arn:aws:s3:::BUCKET_NAME/*"}) || len(g.Placeholders) != 1 || len(g.Notes) != 1 {
			t.Errorf("%s: %+v %v", region, g, err)
		}
	}
	names, complete = ManagedBuckets("REGION", "darwin")
	if complete || len(names) == 0 || slices.ContainsFunc(names, func(n string) bool {
		return strings.ContainsAny(n, "*[") || strings.Contains(n, "PATCH") || strings.HasSuffix(n, "-")
	}) {
		t.Errorf("no Region: %v %v", names, complete)
	}
	if names, _ := ManagedBuckets("us-east-1", ""); !slices.Contains(names, "aws-windows-downloads-us-east-1") || !slices.Contains(names, "patch-baseline-snapshot-us-east-1") {
		t.Errorf("us-east-1: %v", names)
	}
}
