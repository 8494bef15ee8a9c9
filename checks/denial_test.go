package checks

import (
	"slices"
	"testing"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

func TestGrantedOn(t *testing.T) {
	t.Parallel()
	const instance = "arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0"
	for action, want := range map[string]string{"ssm:GetManifest": "*", "ssmmessages:OpenDataChannel": "*", "ssm:ListInstanceAssociations": instance, "other:Action": instance} {
		if got := grantedOn(action, instance); got != want {
			t.Errorf("%s: %s", action, got)
		}
	}
}

// readRefused is a host of which one read was refused in this run, and another allowed.
func readRefused(t *testing.T, asked []string, action, resource, tail string, invented bool) *node.Node {
	t.Helper()
	f := factstest.Healthy(t, "profile")
	f.Asked = asked
	message := "User: " + f.Permissions.Identities.Value[0].ARN + " is not authorized to perform: " + action + " on resource: " + resource + tail
	f.Permissions.Actions.Value = []facts.Permission{
		{Action: "ssm:DescribeDocument", Identity: facts.SourceProfile, Verdict: facts.AllowedProven, At: f.CollectedAt, From: "ssm"},
		{Action: action, Identity: facts.SourceProfile, Verdict: facts.DeniedProven, Invented: invented, Code: "AccessDeniedException", Message: message,
			Refused: iam.ParseRefusal("AccessDeniedException", message), At: f.CollectedAt, From: "ssm"},
	}
	return node.Of(f)
}

// TestMadeUpName: its refusal blames nobody; that of a path that was asked about
// names the path.
func TestMadeUpName(t *testing.T) {
	t.Parallel()
	const a, arn, tail = "ssm:GetParameters", "arn:aws:ssm:eu-central-1:111122223333:parameter/", " because no identity-based policy allows the ssm:GetParameters action"
	if fd := PermissionFeatures.Judge(readRefused(t, []string{"parameter-store"}, a, arn+"ssm-doctor/probe/none", tail, true)); fd.Status != Pass || fd.Cause != "" {
		t.Errorf("%s %s: %s", fd.Status, fd.Cause, fd.Summary)
	}
	if fd := PermissionFeatures.Judge(readRefused(t, []string{"parameter-store"}, a, arn+"app/"+facts.MadeUp, tail, false)); fd.Status != Warn || fd.Values["resource"] != arn+"app/*" {
		t.Errorf("%s %v: %s", fd.Status, fd.Values, fd.Summary)
	}
}

// TestFeaturesInUseDenied: a live refusal counts for features in use or asked
// for, and for what every node polls.
func TestFeaturesInUseDenied(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		asked  []string
		denied string
		tail   string
		status Status
		cause  string
	}{
		{"not in use", nil, "ssm:GetParameters", "", Pass, ""},
		{"asked for", []string{"parameter-store"}, "ssm:GetParameters", " because no identity-based policy allows the ssm:GetParameters action", Warn, "iam-missing-feature-action"},
		{"asked for, refused by the endpoint", []string{"parameter-store"}, "ssm:GetParameters", " because no VPC endpoint policy allows the ssm:GetParameters action", Warn, "vpce-policy-deny"},
		{"a conditional action", []string{"run-command"}, "ssm:GetParameters", "", Pass, ""},
		{"polled on every node", nil, "ssm:ListInstanceAssociations", "", Warn, "iam-missing-feature-action"},
		{"needed by associations only", nil, "ssm:GetDocument", "", Pass, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := PermissionFeatures.Judge(readRefused(t, c.asked, c.denied, "x", c.tail, false)); got.Status != c.status || got.Cause != c.cause {
				t.Errorf("%s %s: %s", got.Status, got.Cause, got.Summary)
			}
		})
	}
}

func TestDenial(t *testing.T) {
	t.Parallel()
	const head = "User: arn:aws:sts::111122223333:assumed-role/WebServerRole/i-0a1b2c3d4e5f60718 is not authorized to perform: ssm:PutInventory on resource: x"
	n := node.Of(factstest.Healthy(t, "profile"))
	for _, c := range []struct {
		tail, cause, says string
	}{
		{" because no identity-based policy allows the ssm:PutInventory action", "missing", "the role WebServerRole may not call ssm:PutInventory: no identity-based policy allows it"},
		{"", "missing", "the role WebServerRole may not call ssm:PutInventory: which policy refuses is not told"},
		{" with an explicit deny", "iam-explicit-deny", "explicit deny in a policy"},
		{" with an explicit deny in an identity-based policy", "iam-explicit-deny", "explicit deny in an identity-based policy"},
		{" with an explicit deny in a service control policy", "iam-explicit-deny", "explicit deny in a service control policy (SCP)"},
		{" because no permissions boundary allows the ssm:PutInventory action", "iam-explicit-deny", "no permissions boundary allows it"},
		{" because no VPC endpoint policy allows the ssm:PutInventory action", "vpce-policy-deny", "no VPC endpoint policy allows it"},
	} {
		r := node.Refusal{Refusal: iam.ParseRefusal("AccessDeniedException", head+c.tail), At: n.Now().Add(-time.Hour), From: "file:/log"}
		fd := denial(n, r, "missing")
		compare(t, nil, fd, want{status: Fail, effect: Blocks, cause: c.cause, confidence: Likely, says: c.says, saw: "ssm:PutInventory: denied: User: arn:aws:sts", value: "action=ssm:PutInventory"})
		compare(t, nil, fd, want{status: Fail, effect: Blocks, cause: c.cause, value: "service=ssm"})
		if fd.Evidence[0].At != "2026-11-22T08:30:00Z" || fd.Values["role"] != "WebServerRole" {
			t.Errorf("%+v %v", fd.Evidence[0], fd.Values)
		}
		if r.Live = true; denial(n, r, "missing").Confidence != Proven {
			t.Error("an answer to this run is no proof")
		}
	}
}

func TestPrincipalName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, called, not string }{
		{"profile", "the role WebServerRole", "the role WebServerRole"},
		{"dhmc", "the role AWSSystemsManagerDefaultEC2InstanceManagementRole", "the Default Host Management role"},
		{"hybrid", "the role SSMServiceRole", "the hybrid service role"},
		{"task", "the task role", "the task role"},
	} {
		f := factstest.Healthy(t, c.kind)
		if got := principalName(node.Of(f), node.Refusal{}).String(); got != c.called {
			t.Errorf("%s: %s, want %s", c.kind, got, c.called)
		}
		f.Permissions.Identities = facts.Known([]facts.Identity{}, "")
		if got := principalName(node.Of(f), node.Refusal{}).String(); got != c.not {
			t.Errorf("%s, not called: %s, want %s", c.kind, got, c.not)
		}
	}
	if got := principalName(node.Of(&facts.Facts{}), node.Refusal{}).String(); got != "the role of this node" {
		t.Errorf("nothing known: %s", got)
	}
}

// TestLacking: a policy gets what it was seen to lack, and the rest of a service only where
// nothing of that was allowed.
func TestLacking(t *testing.T) {
	t.Parallel()
	const head = "User: arn:aws:sts::111122223333:assumed-role/WebServerRole/i-0a1b2c3d4e5f60718 is not authorized to perform: "
	refusal := func(action, layer string) node.Refusal {
		return node.Refusal{Refusal: iam.ParseRefusal("AccessDeniedException", head+action+" on resource: x because no "+layer+" allows the "+action+" action")}
	}
	const scp, endpoint = "service control policy", "VPC endpoint policy"
	read := func(action, verdict string, refused iam.Refusal) facts.Permission {
		return facts.Permission{Action: action, Identity: facts.SourceProfile, Verdict: verdict, Refused: refused, From: "ssm"}
	}
	for _, c := range []struct {
		name    string
		refused node.Refusal
		fault   func(*facts.Facts)
		count   int
		has     []string
		not     []string
	}{
		{"accepted, one action of a feature", refusal("ssm:PutInventory", scp), nil, 1, []string{"ssm:PutInventory"}, nil},
		{"nothing of the service was allowed", refusal(node.Heartbeat, scp), neverAccepted, 15, []string{node.Heartbeat, "ssm:GetDocument"}, []string{"ssmmessages:CreateControlChannel", "ssm:*"}},
		{"reads of it were allowed", refusal(node.Heartbeat, scp), func(f *facts.Facts) {
			neverAccepted(f)
			f.Permissions.Actions = facts.Known([]facts.Permission{read("ssm:GetDocument", facts.AllowedProven, iam.Refusal{})}, "ssm")
		}, 1, []string{node.Heartbeat}, []string{"ssm:GetDocument"}},
		{"another of it was refused by the same layer", refusal("ssm:PutInventory", scp), func(f *facts.Facts) {
			f.Permissions.Actions = facts.Known([]facts.Permission{read("ssm:DescribeDocument", facts.AllowedProven, iam.Refusal{}), read("ssm:GetDocument", facts.DeniedProven, refusal("ssm:GetDocument", scp).Refusal)}, "ssm")
		}, 2, []string{"ssm:PutInventory", "ssm:GetDocument"}, nil},
		{"another of it was refused by another layer", refusal("ssm:PutInventory", scp), func(f *facts.Facts) {
			f.Permissions.Actions = facts.Known([]facts.Permission{read("ssm:DescribeDocument", facts.AllowedProven, iam.Refusal{}), read("ssm:GetDocument", facts.DeniedProven, refusal("ssm:GetDocument", endpoint).Refusal)}, "ssm")
		}, 1, nil, []string{"ssm:GetDocument"}},
		{"a session, beside an open channel", refusal("ssmmessages:CreateDataChannel", endpoint), nil, 2, []string{"ssmmessages:CreateDataChannel", "ssmmessages:OpenDataChannel"}, nil},
		{"a channel that was never open", refusal("ssmmessages:CreateControlChannel", endpoint), neverAccepted, 4, []string{"ssmmessages:OpenDataChannel"}, []string{node.Heartbeat}},
		{"a service that nodes need nothing of", refusal("s3:PutObject", scp), nil, 1, []string{"s3:PutObject"}, nil},
	} {
		f := factstest.Healthy(t, "profile")
		f.Permissions.Actions = facts.Known([]facts.Permission{}, "ssm")
		if c.fault != nil {
			c.fault(f)
		}
		got, known := lacking(node.Of(f), c.refused)
		if len(got) != c.count || known == "" {
			t.Errorf("%s: %q, %s", c.name, got, known)
		}
		for _, a := range c.has {
			if !slices.Contains(got, a) {
				t.Errorf("%s: no %s in %q", c.name, a, got)
			}
		}
		for _, a := range c.not {
			if slices.Contains(got, a) {
				t.Errorf("%s: %s in %q", c.name, a, got)
			}
		}
	}
}

// TestOfSessions: the agent is restarted for a session only where the channel that
// brought it does not stand any more.
func TestOfSessions(t *testing.T) {
	t.Parallel()
	restarts := func(steps []causes.Step) (n int) {
		for _, s := range steps {
			if s.Restarts() {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		name     string
		fault    func(*facts.Facts)
		action   string
		restarts int
	}{
		{"the channel stands", nil, "ssmmessages:CreateDataChannel", 0},
		{"the channel was refused since", func(f *facts.Facts) {
			at := f.CollectedAt.Add(-time.Second)
			f.Log.Matches.Value = append(f.Log.Matches.Value, facts.Match{ID: facts.SigChannelToken, Count: 1, First: at, Last: at, Text: "AccessDeniedException"})
		}, "ssmmessages:CreateDataChannel", 1},
		{"the log was not read", func(f *facts.Facts) { f.Log.Matches = facts.Unknown[[]facts.Match]("permission denied", "") }, "ssmmessages:CreateDataChannel", 1},
		{"another action", nil, "ssmmessages:CreateControlChannel", 1},
	} {
		f := factstest.Healthy(t, "profile")
		if c.fault != nil {
			c.fault(f)
		}
		n := node.Of(f)
		for _, steps := range [][]causes.Step{causes.SCPLacks, causes.BoundaryDenies, nil} {
			got := ofSessions(n, f.CollectedAt.Add(-time.Minute), c.action, "iam-missing-channel-action", steps)
			if len(steps) == 0 && c.restarts == 1 && len(got) == 0 {
				continue // the usual remedy of the cause
			}
			if restarts(got) != c.restarts || got[len(got)-1] != causes.Again {
				t.Errorf("%s: %d restarts of %d steps", c.name, restarts(got), len(got))
			}
		}
	}
}
