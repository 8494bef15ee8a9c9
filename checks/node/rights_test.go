package node

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

var rightsNow = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

func minutesAgo(n int) time.Time { return rightsNow.Add(-time.Duration(n) * time.Minute) }

// profileNode is an instance that uses the role NodeRole.
func profileNode(change func(*facts.Facts)) *facts.Facts {
	f := &facts.Facts{CollectedAt: rightsNow}
	f.IMDS.InstanceID = facts.Known("i-0123456789abcdef0", "imds")
	f.ECS.Task = facts.Absent[facts.ECSTask]("not in a task", "")
	f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "")
	f.Agent.Config = facts.Absent[facts.Config]("no such file", "")
	f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
	f.Log.Matches, f.Log.Refusals = facts.Known([]facts.Match{}, ""), facts.Known([]facts.Refusal{}, "")
	f.Permissions.Identities, f.Permissions.Actions = facts.Known([]facts.Identity{}, ""), facts.Known([]facts.Permission{}, "")
	f.IMDS.Profile = facts.Known(facts.Profile{Name: "NodeRole"}, "imds")
	f.IMDS.Role = facts.Known(facts.Role{Name: "NodeRole"}, "imds")
	change(f)
	return f
}

func matched(id string, ago int, text string) facts.Match {
	return facts.Match{ID: id, Count: 1, First: minutesAgo(ago), Last: minutesAgo(ago), Text: text, File: "/log"}
}

func TestObserved(t *testing.T) {
	t.Parallel()
	const head = "User: arn:aws:sts::111122223333:assumed-role/%s is not authorized to perform: %s on resource: x because no VPC endpoint policy allows the %[2]s action"
	refused := func(ago int, principal, action, match string) facts.Refusal {
		return facts.Refusal{Refusal: iam.ParseRefusal("AccessDeniedException", fmt.Sprintf(head, principal, action)), At: minutesAgo(ago), Match: match}
	}
	for _, c := range []struct {
		name   string
		change func(*facts.Facts)
		want   []string // identity action verdict layer
	}{
		{"nothing", func(*facts.Facts) {}, nil},
		{"the profile was chosen", func(f *facts.Facts) { f.Log.Matches.Value = []facts.Match{matched(facts.SigProfileOK, 5, "")} },
			[]string{"instance-profile ssm:UpdateInstanceInformation allowed-observed "}},
		{"too long ago", func(f *facts.Facts) { f.Log.Matches.Value = []facts.Match{matched(facts.SigProfileOK, 61, "")} }, nil},
		{"fresh runtime file", func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Known(facts.Runtime{IdentityType: "EC2", Source: "EC2", HasSource: true, RetrievedAt: minutesAgo(20), ExpiresAt: minutesAgo(-20)}, "file:/identity_config.json")
		}, []string{"instance-profile ssm:UpdateInstanceInformation allowed-observed "}},
		{"expired runtime file", func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Known(facts.Runtime{IdentityType: "EC2", Source: "EC2", HasSource: true, RetrievedAt: minutesAgo(50), ExpiresAt: minutesAgo(1)}, "")
		}, nil},
		{"a token of Default Host Management proves no right of its role", func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Known(facts.Runtime{IdentityType: "EC2", Source: "SSM", HasSource: true, RetrievedAt: minutesAgo(20), ExpiresAt: minutesAgo(-20)}, "")
			f.Log.Matches.Value = []facts.Match{matched(facts.SigDHMCOK, 20, "")}
		}, nil},
		{"heartbeat under Default Host Management", func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Known(facts.Runtime{IdentityType: "EC2", Source: "SSM", HasSource: true, RetrievedAt: minutesAgo(20), ExpiresAt: minutesAgo(-20)}, "")
			f.Log.Matches.Value = []facts.Match{matched(facts.SigHealthOK, 2, "")}
		}, []string{"default-host-management ssm:UpdateInstanceInformation allowed-observed "}},
		{"heartbeat followed by its failure", func(f *facts.Facts) {
			f.Log.Matches.Value = []facts.Match{matched(facts.SigHealthOK, 2, ""), matched(facts.SigHealthFailed, 2, "")}
		}, nil},
		{"channel opened", func(f *facts.Facts) { f.Log.Matches.Value = []facts.Match{matched(facts.SigChannelUp, 10, "")} },
			[]string{"instance-profile ssmmessages:CreateControlChannel allowed-observed ", "instance-profile ssmmessages:OpenControlChannel allowed-observed "}},
		{"channel opened long ago and still open", func(f *facts.Facts) {
			f.Log.Matches.Value = []facts.Match{matched(facts.SigStart, 601, ""), matched(facts.SigChannelUp, 600, "")}
			f.Agent.Channel = facts.Known([]facts.Socket{{Remote: "10.0.0.1:443"}}, "")
		}, []string{"instance-profile ssmmessages:CreateControlChannel allowed-observed ", "instance-profile ssmmessages:OpenControlChannel allowed-observed "}},
		{"channel opened long ago, no connection", func(f *facts.Facts) { f.Log.Matches.Value = []facts.Match{matched(facts.SigChannelUp, 600, "")} }, nil},
		{"channel refused after it was opened", func(f *facts.Facts) {
			f.Log.Matches.Value = []facts.Match{matched(facts.SigChannelUp, 10, ""), matched(facts.SigChannelToken, 5, "CreateControlChannel failed with error: <AccessDeniedException/>")}
		}, []string{"instance-profile ssmmessages:CreateControlChannel unknown-inconclusive unknown"}},
		{"refusals by principal", func(f *facts.Facts) {
			f.Log.Refusals.Value = []facts.Refusal{
				refused(30, "NodeRole/i-0123456789abcdef0", "ssm:PutInventory", ""),
				refused(30, "AWSSystemsManagerDefaultEC2InstanceManagementRole/i-0123456789abcdef0", "ssm:GetParameters", ""),
				refused(30, "Hybrid/mi-0123456789abcdef0", "ssm:GetDocument", ""),
				refused(30, "aws:ec2-instance/i-0123456789abcdef0", "ssm:RequestManagedInstanceRoleToken", ""),
				refused(2000, "NodeRole/i-0123456789abcdef0", "ssm:GetManifest", ""),
			}
		}, []string{"instance-profile ssm:PutInventory denied-proven vpce", "default-host-management ssm:GetParameters denied-proven vpce", "hybrid ssm:GetDocument denied-proven vpce"}},
		{"an error that is no refusal", func(f *facts.Facts) {
			f.Log.Refusals.Value = []facts.Refusal{{At: minutesAgo(1), Refusal: iam.Refusal{Code: "ThrottlingException", Action: "ssm:PutInventory", Text: "Rate exceeded"}}}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range Of(profileNode(c.change)).observed() {
				got = append(got, fmt.Sprint(p.Identity, " ", p.Action, " ", p.Verdict, " ", p.Layer))
				if p.At.IsZero() || p.From == "" {
					t.Errorf("no time or place: %+v", p)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func permission(action, verdict string, ago int) facts.Permission {
	return facts.Permission{Action: action, Identity: facts.SourceProfile, Verdict: verdict, At: minutesAgo(ago), From: "x"}
}

func madeUp(p facts.Permission) facts.Permission {
	p.Resource, p.Invented = "parameter/ssm-doctor/probe/none", true
	return p
}

func TestRightsMerge(t *testing.T) {
	t.Parallel()
	on := func(p facts.Permission, resource string) facts.Permission { p.Resource = resource; return p }
	const a = "ssm:GetParameter"
	for _, c := range []struct {
		name string
		in   []facts.Permission
		want []string
		v    iam.Verdict
	}{
		{"proven before predicted", []facts.Permission{permission(a, facts.DeniedPredicted, 0), permission(a, facts.AllowedProven, 10)}, []string{facts.AllowedProven}, iam.Allow},
		{"the newer proof", []facts.Permission{permission(a, facts.DeniedProven, 10), permission(a, facts.AllowedProven, 0)}, []string{facts.AllowedProven}, iam.Allow},
		{"a newer observation takes back an older refusal", []facts.Permission{permission(a, facts.DeniedProven, 10), permission(a, facts.AllowedObserved, 1)}, []string{facts.AllowedObserved}, iam.Allow},
		{"an older observation does not", []facts.Permission{permission(a, facts.DeniedProven, 1), permission(a, facts.AllowedObserved, 10)}, []string{facts.DeniedProven}, iam.ImplicitDeny},
		{"inconclusive says least", []facts.Permission{permission(a, facts.Inconclusive, 0), permission(a, facts.AllowedPredicted, 10)}, []string{facts.AllowedPredicted}, iam.Unknown},
		{"two resources", []facts.Permission{on(permission(a, facts.DeniedProven, 10), "arn:aws:ssm:r:1:parameter/a"), on(permission(a, facts.AllowedProven, 0), "parameter/b")},
			[]string{facts.DeniedProven, facts.AllowedProven}, iam.ImplicitDeny},
		{"one resource in two spellings", []facts.Permission{on(permission(a, facts.DeniedProven, 10), "arn:aws:ssm:r:1:parameter/a"), on(permission(a, facts.AllowedProven, 0), "parameter/a")},
			[]string{facts.AllowedProven}, iam.Allow},
		{"a refused made-up name", []facts.Permission{madeUp(permission(a, facts.DeniedProven, 0))}, []string{facts.DeniedProven}, iam.Unknown},
		{"an allowed made-up name", []facts.Permission{madeUp(permission(a, facts.AllowedProven, 0))}, []string{facts.AllowedProven}, iam.Unknown},
		{"a made-up name beside a real one", []facts.Permission{madeUp(permission(a, facts.AllowedProven, 0)), permission(a, facts.DeniedProven, 10)}, []string{facts.AllowedProven, facts.DeniedProven}, iam.ImplicitDeny},
		{"unreachable is not denied", []facts.Permission{permission(a, facts.Unreachable, 0)}, []string{facts.Unreachable}, iam.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := profileNode(func(f *facts.Facts) { f.Permissions.Actions.Value = c.in })
			var got []string
			rights := Of(f).Rights()
			for _, p := range rights {
				got = append(got, p.Verdict)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if v := VerdictOf(rights, facts.SourceProfile)(a); v != c.v {
				t.Errorf("verdict %s, want %s", v, c.v)
			}
		})
	}
}

func TestPredicted(t *testing.T) {
	t.Parallel()
	reads := []facts.Permission{permission("ssm:GetDocument", facts.AllowedProven, 0), permission("ssm:DescribeDocument", facts.AllowedProven, 0), permission("ssm:ListInstanceAssociations", facts.AllowedProven, 0)}
	with := func(beat bool, more ...facts.Permission) map[string]string {
		f := profileNode(func(f *facts.Facts) {
			f.Permissions.Actions.Value = append(append([]facts.Permission{}, reads...), more...)
			if beat {
				f.Log.Matches.Value = []facts.Match{matched(facts.SigProfileOK, 1, "")}
			}
		})
		out := map[string]string{}
		for _, p := range Of(f).Rights() {
			out[p.Action] = p.Verdict
		}
		return out
	}
	core := with(true, permission("ssm:GetParameter", facts.AllowedProven, 0))
	if core["ssm:PutInventory"] != facts.AllowedPredicted || core["ssm:GetParameters"] != facts.AllowedPredicted || core["s3:PutObject"] != "" {
		t.Errorf("the shape of Core: %v", core)
	}
	dhmc := with(true, permission("ssm:GetParameter", facts.DeniedProven, 0))
	if dhmc["ssm:PutInventory"] != facts.AllowedPredicted || dhmc["ssm:GetParameters"] != "" || dhmc["ssm:GetParameter"] != facts.DeniedProven {
		t.Errorf("the shape of the Default Host Management policy: %v", dhmc)
	}
	if got := with(false, permission("ssm:GetParameter", facts.AllowedProven, 0)); got["ssm:PutInventory"] != "" || got[Heartbeat] != "" {
		t.Errorf("predicted without a heartbeat, as with AmazonSSMReadOnlyAccess: %v", got)
	}
	if got := with(true); got["ssm:PutInventory"] != "" {
		t.Errorf("predicted without the parameter: %v", got)
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	f := profileNode(func(f *facts.Facts) {
		f.Asked = []string{"domain-join", "no-such-feature"}
		f.Agent.Uses = facts.Known([]facts.Use{{Feature: "inventory", From: "file:/x"}, {Feature: "future", From: "file:/y"}}, "")
		f.Agent.Config = facts.Known(facts.Config{TelemetryToCW: true}, "")
		f.Log.Matches.Value = []facts.Match{matched(facts.SigAssociations, 100, ""), matched(facts.SigKMS, 2000, "")}
		f.Log.Refusals.Value = []facts.Refusal{{At: minutesAgo(5), Refusal: iam.Refusal{Code: "AccessDenied", Action: "s3:PutObject", Text: "Access Denied"}}, {At: minutesAgo(2000), Refusal: iam.Refusal{Action: "ssm:GetParameter"}}}
	})
	want := map[string]string{"core": "every node", "messaging": "every node", "domain-join": "asked for", "inventory": "/x", "agent-telemetry": "the agent's configuration",
		"state-manager": "the agent's log", "run-command-output-s3": "the agent's log: s3:PutObject was refused"}
	if d := cmp.Diff(want, Of(f).InUse()); d != "" {
		t.Error(d)
	}
}

// TestReadsDenied: a refused made-up name is no read that was refused, an
// allowed one is a right.
func TestReadsDenied(t *testing.T) {
	t.Parallel()
	document, parameter := permission("ssm:GetDocument", facts.DeniedProven, 0), permission("ssm:GetParameter", facts.DeniedProven, 0)
	allowed := madeUp(permission("ssm:GetParameter", facts.AllowedProven, 0))
	for _, c := range []struct {
		in  []facts.Permission
		n   int
		all bool
	}{
		{[]facts.Permission{madeUp(parameter)}, 0, true},
		{[]facts.Permission{document, madeUp(parameter)}, 1, true},
		{[]facts.Permission{document, parameter}, 2, true},
		{[]facts.Permission{document, allowed}, 2, false},
	} {
		n, all := Of(profileNode(func(f *facts.Facts) { f.Permissions.Actions.Value = c.in })).ReadsDenied()
		if n != c.n || all != c.all {
			t.Errorf("%v: %d %v", c.in, n, all)
		}
	}
}
