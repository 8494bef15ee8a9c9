package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// quiet is a host whose log, runtime file and requests tell nothing yet.
var quiet = all(onlyLog(), noRuntime, noReads, func(f *facts.Facts) { f.Permissions.Identities = facts.Known([]facts.Identity{}, "") })

func TestObserved(t *testing.T) {
	t.Parallel()
	const minute = time.Minute
	runtime := func(source string, retrieved, expires time.Duration) fault {
		return func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Known(facts.Runtime{IdentityType: "EC2", Source: source, HasSource: true, RetrievedAt: f.CollectedAt.Add(-retrieved), ExpiresAt: f.CollectedAt.Add(expires)}, "file:/identity_config.json")
		}
	}
	sockets := func(f *facts.Facts) { f.Agent.Channel = facts.Known([]facts.Socket{{Remote: "10.0.0.1:443"}}, "") }
	noSocket := func(f *facts.Facts) { f.Agent.Channel = facts.Known([]facts.Socket{}, "") }
	by := func(before time.Duration, session, action string) fault {
		return func(f *facts.Facts) {
			text := fmt.Sprintf("User: arn:aws:sts::111122223333:assumed-role/%s is not authorized to perform: %s on resource: x because no VPC endpoint policy allows the %[2]s action", session, action)
			f.Log.Refusals.Value = append(f.Log.Refusals.Value, facts.Refusal{Refusal: iam.ParseRefusal("AccessDeniedException", text), At: f.CollectedAt.Add(-before)})
		}
	}
	channel := []string{"instance-profile ssmmessages:CreateControlChannel allowed-observed ", "instance-profile ssmmessages:OpenControlChannel allowed-observed "}
	heartbeat := []string{"instance-profile ssm:UpdateInstanceInformation allowed-observed "}
	for _, c := range []struct {
		name  string
		fault fault
		want  []string // identity, action, verdict, layer
	}{
		{"nothing", nil, nil},
		{"the profile was chosen", entry(facts.SigProfileOK, 5*minute, ""), heartbeat},
		{"too long ago", entry(facts.SigProfileOK, 61*minute, ""), nil},
		{"by a clock that is ahead", entry(facts.SigProfileOK, -10*minute, ""), nil},
		{"fresh runtime file", runtime("EC2", 20*minute, 20*minute), heartbeat},
		{"expired runtime file", runtime("EC2", 50*minute, -minute), nil},
		{"a token of Default Host Management proves no right of its role", all(runtime("SSM", 20*minute, 20*minute), entry(facts.SigDHMCOK, 20*minute, "")), nil},
		{"heartbeat", entry(facts.SigHealthOK, 2*minute, ""), heartbeat},
		{"heartbeat under Default Host Management", all(runtime("SSM", 20*minute, 20*minute), entry(facts.SigHealthOK, 2*minute, "")), []string{"default-host-management ssm:UpdateInstanceInformation allowed-observed "}},
		{"heartbeat without an answer yet", entry(facts.SigHealthOK, 5*time.Second, ""), nil},
		{"heartbeat followed by its failure", all(entry(facts.SigHealthOK, 2*minute, ""), entry(facts.SigHealthFailed, 2*minute, "")), nil},
		{"heartbeat, and its failure may be in what was not read", all(entry(facts.SigHealthOK, 2*minute, ""), logPartly), nil},
		{"heartbeat of credentials that are not known", all(entry(facts.SigHealthOK, 2*minute, ""), func(f *facts.Facts) { f.IMDS.Profile = facts.Seen[facts.Profile]{} }), nil},
		{"channel opened", all(noSocket, entry(facts.SigChannelUp, 10*minute, "")), channel},
		{"channel opened long ago and still open", all(sockets, entry(facts.SigStart, 601*minute, ""), entry(facts.SigChannelUp, 600*minute, "")), channel},
		{"channel opened long ago, by an agent that was restarted", all(sockets, entry(facts.SigStart, 30*minute, ""), entry(facts.SigChannelUp, 600*minute, "")), nil},
		{"channel opened long ago, no connection", all(noSocket, entry(facts.SigChannelUp, 600*minute, "")), nil},
		{"channel refused after it was opened", all(entry(facts.SigChannelUp, 10*minute, ""), entry(facts.SigChannelToken, 5*minute, "CreateControlChannel failed with error: <AccessDeniedException/>")),
			[]string{"instance-profile ssmmessages:CreateControlChannel unknown-inconclusive unknown"}},
		{"channel failed without a refusal", entry(facts.SigChannelToken, 5*minute, "i/o timeout"), nil},
		{"a refusal that names no action", entry(facts.SigMDSFailed, 5*minute, "GetMessages Error: AccessDeniedException"), []string{"instance-profile ec2messages:GetMessages unknown-inconclusive unknown"}},
		{"a refusal that names its action", refusal(facts.SigMDSFailed, 5*minute, own, "ec2messages:GetMessages", "*"), []string{"instance-profile ec2messages:GetMessages denied-proven identity"}},
		{"refusals by principal", all(by(30*minute, "WebServerRole/i-0a1b2c3d4e5f60718", "ssm:PutInventory"), by(30*minute, "AWSSystemsManagerDefaultEC2InstanceManagementRole/i-0a1b2c3d4e5f60718", "ssm:GetParameters"),
			by(30*minute, "Hybrid/mi-0123456789abcdef0", "ssm:GetDocument"), by(30*minute, "aws:ec2-instance/i-0a1b2c3d4e5f60718", "ssm:RequestManagedInstanceRoleToken"), by(2000*minute, "WebServerRole/i-0a1b2c3d4e5f60718", "ssm:GetManifest")),
			[]string{"instance-profile ssm:PutInventory denied-proven vpce", "default-host-management ssm:GetParameters denied-proven vpce", "hybrid ssm:GetDocument denied-proven vpce"}},
		{"refusal of a user", refusal(facts.SigAssociations, minute, "arn:aws:iam::111122223333:user/legacy", "ssm:PutInventory", "*"), []string{"shared-file ssm:PutInventory denied-proven identity"}},
		{"the usual spelling", by(minute, "WebServerRole/i-0a1b2c3d4e5f60718", "SSM:putinventory"), []string{"instance-profile ssm:PutInventory denied-proven vpce"}},
		{"an action that is not in the table", by(minute, "WebServerRole/i-0a1b2c3d4e5f60718", "new:Action"), []string{"instance-profile new:Action denied-proven vpce"}},
		{"an error that is no refusal", func(f *facts.Facts) {
			f.Log.Refusals = facts.Known([]facts.Refusal{{Refusal: iam.Refusal{Code: "ThrottlingException", Action: "ssm:PutInventory", Text: "Rate exceeded"}, At: f.CollectedAt.Add(-minute)}}, "")
		}, nil},
	} {
		var got []string
		for _, p := range nodeOf(t, "profile", quiet, nonNil(c.fault)).observed() {
			got = append(got, fmt.Sprint(p.Identity, " ", p.Action, " ", p.Verdict, " ", p.Layer))
			if p.At.IsZero() || p.From == "" {
				t.Errorf("%s: no time or place: %+v", c.name, p)
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// TestSourceOf: whose a refusal is that names no principal shows where it was met.
func TestSourceOf(t *testing.T) {
	t.Parallel()
	n := nodeOf(t, "dhmc")
	const role = "arn:aws:sts::111122223333:assumed-role/"
	for _, c := range []struct{ principal, match, want string }{
		{"", facts.SigAssociations, facts.SourceDHMC},
		{"", facts.SigProfileFailed, facts.SourceProfile},
		{"", facts.SigDHMCSkipped, facts.SourceProfile},
		{role + "AWSSystemsManagerDefaultEC2InstanceManagementRole/i-0a1b2c3d4e5f60718", facts.SigAssociations, facts.SourceDHMC},
		{role + "Batch/i-0a1b2c3d4e5f60718", facts.SigProfileFailed, facts.SourceProfile},
		{role + "Batch/i-0a1b2c3d4e5f60718", facts.SigAssociations, facts.SourceDHMC},
		{role + "aws:ec2-instance/i-0a1b2c3d4e5f60718", facts.SigDHMCFailed, ""},
		{role + "Ops/mi-0fffffffffffffff0", facts.SigCredsFailed, facts.SourceHybrid},
		{"arn:aws:iam::111122223333:user/legacy", facts.SigAssociations, facts.SourceShared},
		{"arn:aws:iam::111122223333:root", facts.SigAssociations, ""},
	} {
		if got := n.sourceOf(c.principal, c.match); got != c.want {
			t.Errorf("%q in %s: %q, want %q", c.principal, c.match, got, c.want)
		}
	}
}

func TestRightsMerge(t *testing.T) {
	t.Parallel()
	const a, parameter = "ssm:GetParameter", "arn:aws:ssm:r:1:parameter/"
	type right = facts.Permission
	now := nodeOf(t, "profile").Now()
	p := func(verdict string, minutes int) right {
		return right{Action: a, Identity: facts.SourceProfile, Verdict: verdict, At: now.Add(-time.Duration(minutes) * time.Minute), From: "x"}
	}
	on := func(p right, resource string) right { p.Resource = resource; return p }
	madeUp := func(p right) right { p.Resource, p.Invented = "parameter/ssm-doctor/probe/none", true; return p }
	for _, c := range []struct {
		name string
		in   []right
		want []string
		v    iam.Verdict
	}{
		{"proven before predicted", []right{p(facts.DeniedPredicted, 0), p(facts.AllowedProven, 10)}, []string{facts.AllowedProven}, iam.Allow},
		{"the newer proof", []right{p(facts.DeniedProven, 10), p(facts.AllowedProven, 0)}, []string{facts.AllowedProven}, iam.Allow},
		{"the newer proof, whatever the order", []right{p(facts.AllowedProven, 0), p(facts.DeniedProven, 10)}, []string{facts.AllowedProven}, iam.Allow},
		{"a newer observation takes back an older refusal", []right{p(facts.DeniedProven, 10), p(facts.AllowedObserved, 1)}, []string{facts.AllowedObserved}, iam.Allow},
		{"an older observation does not", []right{p(facts.DeniedProven, 1), p(facts.AllowedObserved, 10)}, []string{facts.DeniedProven}, iam.ImplicitDeny},
		{"proven before observed at the same time", []right{p(facts.AllowedObserved, 1), p(facts.DeniedProven, 1)}, []string{facts.DeniedProven}, iam.ImplicitDeny},
		{"inconclusive says least", []right{p(facts.Inconclusive, 0), p(facts.AllowedPredicted, 10)}, []string{facts.AllowedPredicted}, iam.Unknown},
		{"not probed says nothing", []right{p(facts.NotProbed, 0), p(facts.Inconclusive, 10)}, []string{facts.Inconclusive}, iam.Unknown},
		{"two resources", []right{on(p(facts.DeniedProven, 10), parameter+"a"), on(p(facts.AllowedProven, 0), "parameter/b")}, []string{facts.DeniedProven, facts.AllowedProven}, iam.ImplicitDeny},
		{"one resource in two spellings", []right{on(p(facts.DeniedProven, 10), parameter+"a"), on(p(facts.AllowedProven, 0), "parameter/a")}, []string{facts.AllowedProven}, iam.Allow},
		{"a refused made-up name", []right{madeUp(p(facts.DeniedProven, 0))}, []string{facts.DeniedProven}, iam.Unknown},
		{"an allowed made-up name", []right{madeUp(p(facts.AllowedProven, 0))}, []string{facts.AllowedProven}, iam.Unknown},
		{"a made-up name beside a real one", []right{madeUp(p(facts.AllowedProven, 0)), p(facts.DeniedProven, 10)}, []string{facts.AllowedProven, facts.DeniedProven}, iam.ImplicitDeny},
		{"unreachable is not denied", []right{p(facts.Unreachable, 0)}, []string{facts.Unreachable}, iam.Unknown},
	} {
		rights := nodeOf(t, "profile", quiet, func(f *facts.Facts) { f.Permissions.Actions.Value = c.in }).Rights()
		var got []string
		for _, p := range rights {
			got = append(got, p.Verdict)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		if v := VerdictOf(rights, facts.SourceProfile)(a); v != c.v {
			t.Errorf("%s: verdict %s, want %s", c.name, v, c.v)
		}
	}
}

func TestRightsAreSorted(t *testing.T) {
	t.Parallel()
	rights := nodeOf(t, "profile", read(facts.SourceShared, "ssm:GetDocument", facts.AllowedProven, ""), read(facts.SourceProfile, "ssm:DescribeDocument", facts.AllowedProven, "")).Rights()
	if !slices.IsSortedFunc(rights, func(a, b facts.Permission) int {
		return strings.Compare(a.Identity+" "+a.Action, b.Identity+" "+b.Action)
	}) || len(rights) < 5 {
		t.Errorf("%+v", rights)
	}
}

func TestPredicted(t *testing.T) {
	t.Parallel()
	reads := all(read(facts.SourceProfile, "ssm:GetDocument", facts.AllowedProven, ""), read(facts.SourceProfile, "ssm:DescribeDocument", facts.AllowedProven, ""), read(facts.SourceProfile, "ssm:ListInstanceAssociations", facts.AllowedProven, ""))
	accepted := entry(facts.SigProfileOK, time.Minute, "")
	parameter := func(verdict string) fault { return read(facts.SourceProfile, "ssm:GetParameter", verdict, "") }
	rights := func(more ...fault) map[string]string {
		out := map[string]string{}
		for _, p := range nodeOf(t, "profile", quiet, all(more...)).Rights() {
			out[p.Action] = p.Verdict
		}
		return out
	}
	core := rights(reads, accepted, parameter(facts.AllowedProven))
	if core["ssm:PutInventory"] != facts.AllowedPredicted || core["ssm:GetParameters"] != facts.AllowedPredicted || core["s3:PutObject"] != "" || core[Heartbeat] != facts.AllowedObserved {
		t.Errorf("the shape of Core: %v", core)
	}
	dhmc := rights(reads, accepted, parameter(facts.DeniedProven))
	if dhmc["ssm:PutInventory"] != facts.AllowedPredicted || dhmc["ssm:GetParameters"] != "" || dhmc["ssm:GetParameter"] != facts.DeniedProven {
		t.Errorf("the shape of the Default Host Management policy: %v", dhmc)
	}
	for name, got := range map[string]map[string]string{
		"without a heartbeat, as with AmazonSSMReadOnlyAccess": rights(reads, parameter(facts.AllowedProven)),
		"without the parameter":                                rights(reads, accepted),
		"without one of the reads":                             rights(accepted, parameter(facts.AllowedProven)),
	} {
		if got["ssm:PutInventory"] != "" || got["ssm:PutComplianceItems"] != "" {
			t.Errorf("predicted %s: %v", name, got)
		}
	}
}
