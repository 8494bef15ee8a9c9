package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

const own = "arn:aws:sts::111122223333:assumed-role/WebServerRole/i-0a1b2c3d4e5f60718"

func deniedText(principal, action, resource string) string {
	return "User: " + principal + " is not authorized to perform: " + action + " on resource: " + resource + " because no identity-based policy allows the " + action + " action"
}

// refusal puts a refusal into the agent's log, so long before the run, in an entry with
// a signature.
func refusal(signature string, before time.Duration, principal, action, resource string) fault {
	return func(f *facts.Facts) {
		text := deniedText(principal, action, resource)
		entry(signature, before, "AccessDeniedException: "+text)(f)
		f.Log.Refusals.Value = append(f.Log.Refusals.Value, facts.Refusal{Refusal: iam.ParseRefusal("AccessDeniedException", text), At: f.CollectedAt.Add(-before), Match: signature, File: "/log"})
	}
}

func refused(before time.Duration, action string) fault {
	return refusal(facts.SigAssociations, before, own, action, "*")
}

// read is an answer to this program's own read with an identity.
func read(identity, action, verdict, resource string) fault {
	return func(f *facts.Facts) {
		p := facts.Permission{Identity: identity, Action: action, Verdict: verdict, Resource: resource, From: action, At: f.CollectedAt}
		if verdict == facts.DeniedProven {
			p.Refused = iam.ParseRefusal("AccessDeniedException", deniedText(own, action, resource))
		}
		f.Permissions.Actions.Value = append(f.Permissions.Actions.Value, p)
	}
}

func invented(f *facts.Facts) {
	f.Permissions.Actions.Value[len(f.Permissions.Actions.Value)-1].Invented = true
}

func noReads(f *facts.Facts) { f.Permissions.Actions = facts.Known([]facts.Permission{}, "ssm") }

func actions(list []Refusal) (out []string) {
	for _, r := range list {
		out = append(out, r.Action)
	}
	return out
}

func TestRefusalsOfTheLog(t *testing.T) {
	t.Parallel()
	n := nodeOf(t, "profile", refused(3*time.Hour, "ssm:PutInventory"), refused(48*time.Hour, "ssm:GetManifest"), refused(time.Hour, "ssm:PutComplianceItems"))
	// The list of the facts is sorted by time; the latest comes first.
	slices.SortFunc(n.Facts.Log.Refusals.Value, func(a, b facts.Refusal) int { return a.At.Compare(b.At) })
	n = Of(n.Facts)
	if d := cmp.Diff([]string{"ssm:PutComplianceItems", "ssm:PutInventory", "ssm:GetManifest"}, actions(n.Refusals.Logged)); d != "" {
		t.Error(d)
	}
	if r := n.Refusals.Logged[0]; r.From != "file:/log" || r.Live || r.Match != facts.SigAssociations || r.Principal != own || n.Refusals.Read != Yes {
		t.Errorf("%+v", r)
	}
	if n := nodeOf(t, "profile", logUnread); n.Refusals.Read != Unknown || len(n.Refusals.Logged) != 0 {
		t.Errorf("unread: %+v", n.Refusals)
	}
	if n := nodeOf(t, "profile", refused(time.Hour, "ssm:PutInventory"), func(f *facts.Facts) { f.Log.Refusals = facts.Partly(f.Log.Refusals.Value, "x", "") }); n.Refusals.Read != Unknown || len(n.Refusals.Logged) != 1 {
		t.Errorf("partly read: %+v", n.Refusals)
	}
	if n := nodeOf(t, "profile", logAbsent, noAgentRuns); n.Refusals.Read != Yes {
		t.Errorf("no log: %+v", n.Refusals)
	}
	if n := nodeOf(t, "profile", logAbsent); n.Refusals.Read != Unknown || n.Refusals.Unseen == nil {
		t.Errorf("the log is gone: %+v", n.Refusals)
	}
	if n := nodeOf(t, "profile", refused(-time.Hour, "ssm:PutInventory")); len(n.Refusals.Logged) != 0 {
		t.Errorf("of another clock: %v", actions(n.Refusals.Logged))
	}
}

// TestForeign: a log may come with a machine image, or be older than a change of the role.
func TestForeign(t *testing.T) {
	t.Parallel()
	role := func(account, name, session string) string {
		return "arn:aws:sts::" + account + ":assumed-role/" + name + "/" + session
	}
	const account, id, mi = "111122223333", "i-0a1b2c3d4e5f60718", "mi-0f1e2d3c4b5a69788"
	notCalled := func(f *facts.Facts) { f.Permissions.Identities = facts.Known([]facts.Identity{}, "") }
	noMetadata := func(f *facts.Facts) { f.IMDS = facts.IMDS{} }
	for _, c := range []struct {
		name, kind string
		fault      fault
		principal  string
		want       bool
	}{
		{"own", "profile", nil, own, false},
		{"own, not called", "profile", notCalled, own, false},
		{"not told", "profile", nil, "", false},
		{"a user", "profile", nil, "arn:aws:iam::999988887777:user/legacy", false},
		{"another account", "profile", nil, role("999988887777", "WebServerRole", id), true},
		{"another account, not called", "profile", notCalled, role("999988887777", "WebServerRole", id), true},
		{"another account, no metadata", "profile", noMetadata, role("999988887777", "WebServerRole", id), true},
		{"another instance", "profile", nil, role(account, "WebServerRole", "i-0fffffffffffffff0"), true},
		{"another managed node", "profile", nil, role(account, "WebServerRole", "mi-0fffffffffffffff0"), true},
		{"a former role", "profile", nil, role(account, "FormerRole", id), true},
		{"a former role, not called", "profile", notCalled, role(account, "FormerRole", id), true},
		{"a former role, no metadata", "profile", noMetadata, role(account, "FormerRole", id), true},
		{"a former role, nothing that tells the one in use", "profile", all(noMetadata, notCalled), role(account, "FormerRole", id), false},
		{"the instance itself", "profile", nil, role(account, "aws:ec2-instance", id), false},
		{"a session that is no node", "task", nil, role(account, "webTaskRole", "0a1b2c3d"), false},
		{"Default Host Management", "dhmc", nil, role(account, "AWSSystemsManagerDefaultEC2InstanceManagementRole", id), false},
		{"the profile beside Default Host Management", "dhmc", func(f *facts.Facts) { f.IMDS.Role = facts.Known(facts.Role{Name: "BatchRole"}, "imds") }, role(account, "BatchRole", id), false},
		{"hybrid", "hybrid", nil, role(account, "SSMServiceRole", mi), false},
		{"hybrid, another account", "hybrid", nil, role("999988887777", "SSMServiceRole", mi), true},
		{"hybrid, not called", "hybrid", notCalled, role("999988887777", "SSMServiceRole", mi), false},
		{"an earlier registration", "hybrid", nil, role(account, "SSMServiceRole", "mi-0fffffffffffffff0"), true},
		{"a session of other software", "profile", nil, role(account, "WebServerRole", "botocore-session-1"), false},
		{"the instance under its registration", "profile", all(registeredAs(facts.Key{InstanceID: mi, Region: "eu-west-1", HasPrivate: true}), noMetadata), role(account, "Other", id), false},
		{"registered on EC2, only the profile was called", "profile", registeredAs(facts.Key{InstanceID: mi, Region: "eu-west-1", HasPrivate: true}), role(account, "SSMServiceRole", mi), false},
		{"only a user was called", "profile", all(noMetadata, func(f *facts.Facts) {
			f.Permissions.Identities = facts.Known([]facts.Identity{{Source: facts.SourceShared, Role: "legacy", Account: account, Outcome: facts.CallOK}}, "")
		}), role(account, "FormerRole", id), false},
		{"the call was refused", "dhmc", func(f *facts.Facts) {
			f.Permissions.Identities = facts.Known([]facts.Identity{{Source: facts.SourceDHMC, Outcome: facts.CallRefused}}, "")
		}, role(account, "Ops", id), false},
		{"registered on EC2, in another account", "profile", all(registeredAs(facts.Key{InstanceID: mi, Region: "eu-west-1", HasPrivate: true}), notCalled), role("999988887777", "SSMServiceRole", mi), false},
	} {
		n := nodeOf(t, c.kind, nonNil(c.fault))
		if got := isForeign(n, c.principal); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	n := nodeOf(t, "profile", refusal(facts.SigAssociations, time.Hour, role(account, "FormerRole", id), "ssm:PutInventory", "*"))
	if len(n.Refusals.Logged) != 0 || !n.QuotesAnother(n.Log.Last(facts.SigAssociations).Match) || n.QuotesAnother(n.Log.Last(facts.SigHealthOK).Match) {
		t.Errorf("%v", actions(n.Refusals.Logged))
	}
}

// TestAllowedSince: what this run may do takes back an earlier refusal of the same.
func TestAllowedSince(t *testing.T) {
	t.Parallel()
	const list, parameter = "ssm:ListInstanceAssociations", "arn:aws:ssm:eu-central-1:111122223333:parameter/app/"
	get := func(name string) fault {
		return refusal(facts.SigAssociations, time.Hour, own, "ssm:GetParameter", parameter+name)
	}
	for _, c := range []struct {
		name  string
		fault fault
		want  int
	}{
		{"allowed", refusal(facts.SigAssociations, time.Hour, own, list, "arn:aws:ec2:eu-central-1:111122223333:instance/i-0a1b2c3d4e5f60718"), 0},
		{"another action", refused(time.Hour, "ssm:PutInventory"), 1},
		{"nothing was asked", all(refused(time.Hour, list), noReads), 1},
		{"refused still", all(noReads, refused(time.Hour, list), read(facts.SourceProfile, list, facts.DeniedProven, "*")), 1},
		{"allowed to another identity", all(noReads, refused(time.Hour, list), read(facts.SourceShared, list, facts.AllowedProven, "")), 1},
		{"one parameter", all(get("a"), read(facts.SourceProfile, "ssm:GetParameter", facts.AllowedProven, "parameter/app/a")), 0},
		{"another parameter", all(get("a"), read(facts.SourceProfile, "ssm:GetParameter", facts.AllowedProven, "parameter/app/b")), 1},
		{"a made-up name", all(get("a"), read(facts.SourceProfile, "ssm:GetParameter", facts.AllowedProven, "parameter/app/a"), invented), 1},
	} {
		if got := nodeOf(t, "profile", c.fault).Refusals.Logged; len(got) != c.want {
			t.Errorf("%s: %v", c.name, actions(got))
		}
	}
}

func TestRefusalsOfThisRun(t *testing.T) {
	t.Parallel()
	const path = "arn:aws:ssm:eu-central-1:111122223333:parameter/app/"
	n := nodeOf(t, "profile", noReads, read(facts.SourceProfile, "ssm:GetParameters", facts.DeniedProven, path+facts.MadeUp))
	if len(n.Refusals.Live) != 1 || n.Refusals.Asked != Yes {
		t.Fatalf("%+v", n.Refusals)
	}
	if r := n.Refusals.Live[0]; !r.Live || r.Action != "ssm:GetParameters" || r.Resource != path+"*" || r.Layer != iam.LayerIdentity || r.From != "ssm:GetParameters" {
		t.Errorf("%+v", r)
	}
	for _, c := range []struct {
		name  string
		fault fault
		live  int
		asked Answer
	}{
		{"healthy", nil, 0, Yes},
		{"a made-up name", all(noReads, read(facts.SourceProfile, "ssm:GetParameter", facts.DeniedProven, "*"), invented), 0, Yes},
		{"another identity", all(noReads, read(facts.SourceShared, "ssm:GetParameter", facts.DeniedProven, "*")), 0, Unknown},
		{"unreachable", all(noReads, read(facts.SourceProfile, "ssm:GetParameter", facts.Unreachable, "*")), 0, Unknown},
		{"none sent", func(f *facts.Facts) { f.Permissions.Actions = facts.Unknown[[]facts.Permission]("offline", "") }, 0, Unknown},
		{"credentials unread", all(noReads, read(facts.SourceProfile, "ssm:GetParameter", facts.DeniedProven, "*"), func(f *facts.Facts) { f.IMDS.Profile = facts.Seen[facts.Profile]{} }), 0, Unknown},
	} {
		if got := nodeOf(t, "profile", nonNil(c.fault)).Refusals; len(got.Live) != c.live || got.Asked != c.asked {
			t.Errorf("%s: %v, asked %s", c.name, actions(got.Live), got.Asked)
		}
	}
	// What the answer does not tell comes from the request, and from what else is known of it.
	n = nodeOf(t, "profile", noReads, func(f *facts.Facts) {
		f.Permissions.Actions.Value = []facts.Permission{{Identity: facts.SourceProfile, Action: "ssm:GetDocument", Verdict: facts.DeniedProven, Layer: iam.LayerSCP}}
	})
	if r := n.Refusals.Live[0]; r.Action != "ssm:GetDocument" || r.Layer != iam.LayerSCP {
		t.Errorf("%+v", r)
	}
}

func TestOfFeatures(t *testing.T) {
	t.Parallel()
	user := refusal(facts.SigAssociations, time.Hour, "arn:aws:iam::111122223333:user/legacy", "ssm:PutInventory", "*")
	setting := func(f *facts.Facts) {
		f.Log.Refusals.Value = append(f.Log.Refusals.Value, facts.Refusal{Refusal: iam.Refusal{Action: "ssm:GetParameter", Denied: true, NotIAM: true}, At: f.CollectedAt})
	}
	throttled := func(f *facts.Facts) {
		f.Log.Refusals.Value = append(f.Log.Refusals.Value, facts.Refusal{Refusal: iam.Refusal{Action: "ssm:GetParameter", Code: "ThrottlingException"}, At: f.CollectedAt})
	}
	for _, c := range []struct {
		name  string
		fault fault
		want  []string
	}{
		{"of the last day", all(refused(23*time.Hour, "ssm:PutInventory"), refused(25*time.Hour, "ssm:GetManifest")), []string{"ssm:PutInventory"}},
		{"each action once, the latest", all(refused(3*time.Hour, "ssm:PutInventory"), refused(2*time.Hour, "ssm:PutInventory"), refused(time.Hour, "ssm:GetManifest")), []string{"ssm:GetManifest", "ssm:PutInventory"}},
		{"registration and channel", all(refused(time.Hour, Heartbeat), refused(time.Hour, "ssmmessages:OpenDataChannel"), refused(time.Hour, "ec2messages:GetMessages"), refused(time.Hour, "kms:Decrypt"), refused(time.Hour, "sts:AssumeRole")), nil},
		{"a user", user, nil},
		{"a setting", setting, nil},
		{"no refusal", throttled, nil},
	} {
		if d := cmp.Diff(c.want, actions(nodeOf(t, "profile", c.fault).OfFeatures())); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestRoleOf(t *testing.T) {
	t.Parallel()
	notCalled := func(f *facts.Facts) { f.Permissions.Identities = facts.Known([]facts.Identity{}, "") }
	for _, c := range []struct {
		name, kind string
		fault      fault
		principal  string
		want       string
	}{
		{"its principal", "profile", nil, "arn:aws:sts::111122223333:assumed-role/Other/i-0", "Other"},
		{"that of the identity in use", "hybrid", nil, "", "SSMServiceRole"},
		{"that of the profile", "profile", notCalled, "", "WebServerRole"},
		{"Default Host Management, not called", "dhmc", notCalled, "", ""},
		{"a user", "profile", nil, "arn:aws:iam::111122223333:user/legacy", "WebServerRole"},
	} {
		if got := nodeOf(t, c.kind, nonNil(c.fault)).RoleOf(Refusal{Refusal: iam.Refusal{Principal: c.principal}}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestChannelRefused(t *testing.T) {
	t.Parallel()
	never := without(facts.SigChannelUp, facts.SigChannelMGS)
	plain := entry(facts.SigChannelToken, time.Minute, "CreateControlChannel failed: <BadRequest><message>Unauthorized request.</message></BadRequest>")
	named := refusal(facts.SigChannelToken, time.Minute, own, "ssmmessages:CreateControlChannel", "*")
	for _, c := range []struct {
		name   string
		fault  fault
		found  Answer
		action string
	}{
		{"healthy", nil, No, ""},
		{"named", named, Yes, "ssmmessages:CreateControlChannel"},
		{"not named", plain, Yes, ""},
		{"in the other entry", refusal(facts.SigChannelFailed, time.Minute, own, "ssmmessages:OpenControlChannel", "*"), Yes, "ssmmessages:OpenControlChannel"},
		{"failed without a refusal", entry(facts.SigChannelToken, time.Minute, "i/o timeout"), No, ""},
		{"opened since", all(named, entry(facts.SigChannelUp, time.Second, "")), No, ""},
		{"of another instance", refusal(facts.SigChannelToken, time.Minute, strings.Replace(own, "i-0a1b", "i-0fff", 1), "ssmmessages:CreateControlChannel", "*"), No, ""},
		{"of another instance, then its own", all(refusal(facts.SigChannelFailed, time.Minute, strings.Replace(own, "i-0a1b", "i-0fff", 1), "ssmmessages:CreateControlChannel", "*"), plain), Yes, ""},
		{"a refusal before the entry", all(named, plain, func(f *facts.Facts) { f.Log.Refusals.Value[0].At = f.CollectedAt.Add(-time.Hour) }), Yes, ""},
		{"unread", logUnread, Unknown, ""},
		{"partly read", all(never, logPartly), Unknown, ""},
		{"partly read, refused", all(never, named, logPartly), Yes, "ssmmessages:CreateControlChannel"},
	} {
		e, r := nodeOf(t, "profile", nonNil(c.fault)).ChannelRefused()
		if e.Found != c.found || r.Action != c.action || e.Yes() && (!r.Denied || r.Text == "" || r.From != "file:/log" || r.At.IsZero()) {
			t.Errorf("%s: %s %+v", c.name, e.Found, r)
		}
	}
}

func TestSaysRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"AccessDeniedException: no": true, "Unauthorized request.": true, "User: x is not authorized to perform: y": true,
		"i/o timeout": false, "500 Internal Server Error": false, "": false,
	} {
		if SaysRefused(text) != want {
			t.Errorf("%q", text)
		}
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	mds := func(before time.Duration) fault { return entry(facts.SigChannelMDS, before, "") }
	fails := func(before time.Duration) fault { return entry(facts.SigMDSFailed, before, "") }
	refused := entry(facts.SigChannelToken, 10*time.Minute, "AccessDenied")
	never := without(facts.SigChannelUp, facts.SigChannelMGS)
	for _, c := range []struct {
		name     string
		fault    fault
		on, work Answer
	}{
		{"never", refused, No, Unknown},
		{"it asks there", all(refused, entry(facts.SigMDSPolls, 11*time.Minute, "")), No, Yes},
		{"it asked there", all(refused, entry(facts.SigMDSPolls, 11*time.Minute, ""), entry(facts.SigMDSPaused, 9*time.Minute, "")), No, Unknown},
		{"it asks there in vain", all(refused, entry(facts.SigMDSPolls, 11*time.Minute, ""), fails(time.Minute)), No, No},
		{"after the refusal", all(refused, mds(time.Minute)), Yes, Yes},
		{"with the refusal", all(refused, mds(10*time.Minute)), Yes, Yes},
		{"before the refusal", all(never, refused, mds(time.Hour)), Yes, Unknown},
		{"failed since", all(refused, mds(2*time.Minute), fails(time.Minute)), No, No},
		{"failed before", all(refused, fails(2*time.Minute), mds(time.Minute)), Yes, Yes},
		{"over ssmmessages since", all(refused, mds(2*time.Minute), entry(facts.SigChannelMGS, time.Minute, "")), No, Yes},
		{"partly read, never seen", all(refused, logPartly), Unknown, Unknown},
		{"partly read, seen", all(refused, mds(time.Minute), logPartly), Unknown, Unknown}, // that it fails may be in the rest
		{"partly read, failed before", all(refused, fails(2*time.Minute), mds(time.Minute), logPartly), Yes, Yes},
		{"partly read, failed since", all(refused, mds(2*time.Minute), fails(time.Minute), logPartly), No, No},
		{"unread", logUnread, Unknown, Unknown},
	} {
		n := nodeOf(t, "profile", c.fault)
		if on, work := n.OnMessages(), n.MessagesWork(n.Log.Last(facts.SigChannelToken).Match); on != c.on || work != c.work {
			t.Errorf("%s: on %s, work %s; want %s, %s", c.name, on, work, c.on, c.work)
		}
	}
}

// TestReads: a refused made-up name is no read that was refused, an allowed one is a
// right.
func TestReads(t *testing.T) {
	t.Parallel()
	document, parameter := read(facts.SourceProfile, "ssm:GetDocument", facts.DeniedProven, "*"), read(facts.SourceProfile, "ssm:GetParameter", facts.DeniedProven, "*")
	allowed := read(facts.SourceProfile, "ssm:GetParameter", facts.AllowedProven, "*")
	for _, c := range []struct {
		name     string
		fault    fault
		answered int
		all      bool // refused
		allowed  bool // and none refused
	}{
		{"none", noReads, 0, true, false},
		{"healthy", nil, 3, false, true},
		{"a made-up name refused", all(noReads, parameter, invented), 0, true, false},
		{"one and a made-up name refused", all(noReads, parameter, invented, document), 1, true, false},
		{"two refused", all(noReads, document, parameter), 2, true, false},
		{"one refused, a made-up name allowed", all(noReads, document, allowed, invented), 2, false, false},
		{"a made-up name allowed", all(noReads, allowed, invented), 1, false, false},
		{"another service", all(noReads, read(facts.SourceProfile, "ec2:DescribeTags", facts.DeniedProven, "*")), 0, true, false},
		{"another identity", all(noReads, read(facts.SourceShared, "ssm:GetDocument", facts.DeniedProven, "*")), 0, true, false},
		{"unreachable", all(noReads, read(facts.SourceProfile, "ssm:GetDocument", facts.Unreachable, "*")), 0, true, false},
	} {
		n := nodeOf(t, "profile", nonNil(c.fault))
		if answered, denied := n.ReadsDenied(); answered != c.answered || denied != c.all {
			t.Errorf("%s: %d answered, all refused %v", c.name, answered, denied)
		}
		if got := n.ReadsAllowed(); got != c.allowed {
			t.Errorf("%s: allowed %v", c.name, got)
		}
	}
}
