package node

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
)

// nowhere is a machine about which neither firmware nor metadata tell anything.
func nowhere(f *facts.Facts) {
	f.Host.DMI, f.IMDS = facts.DMI{}, facts.IMDS{}
	noRuntime(f)
	f.Registration.EC2 = facts.Absent[facts.Key]("no such file", "")
}

func vendor(name string) fault {
	return func(f *facts.Facts) { f.Host.DMI = facts.DMI{Vendor: facts.Known(name, "dmi")} }
}

func unregistered(f *facts.Facts) {
	f.Registration.Hybrid, f.Registration.Informational = facts.Absent[facts.Key]("no such file", ""), facts.Absent[facts.Informational]("no such file", "")
	noRuntime(f)
}

func registeredAs(k facts.Key) fault {
	return func(f *facts.Facts) { f.Registration.Hybrid = facts.Known(k, "file:/RegistrationKey") }
}

var wholeKey = facts.Key{InstanceID: "mi-0123456789abcdef0", Region: "eu-west-1", HasPrivate: true}

func vaultUnread(f *facts.Facts) {
	f.Registration.Hybrid = facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot)
}

func order(names ...string) fault {
	return func(f *facts.Facts) { f.Agent.Config = facts.Known(facts.Config{ConsumptionOrder: names}, "") }
}

func configUnread(f *facts.Facts) {
	f.Agent.Config = facts.Unknown[facts.Config]("permission denied", "")
}

func TestKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind string
		fault      fault
		want       Kind
	}{
		{"profile", "profile", nil, KindEC2},
		{"dhmc", "dhmc", nil, KindEC2},
		{"hybrid", "hybrid", nil, KindHybrid},
		{"windows", "windows", nil, KindHybrid},
		{"task", "task", nil, KindECS},
		{"a task on an EC2 instance", "profile", func(f *facts.Facts) { f.ECS.Task = facts.Known(facts.ECSTask{Family: "web"}, "ecs") }, KindECS},
		{"a task whose metadata does not answer", "profile", func(f *facts.Facts) {
			f.ECS.Task, f.ECS.ManagedAgent = facts.Unknown[facts.ECSTask]("no answer", ""), facts.Known(true, "")
		}, KindECS},
		{"task or not", "profile", func(f *facts.Facts) { f.ECS = facts.ECS{} }, KindUnknown},
		{"an image is no task", "profile", func(f *facts.Facts) { f.ECS, f.Root = facts.ECS{}, "/mnt" }, KindEC2},
		{"registered on EC2", "profile", registeredAs(wholeKey), KindEC2},
		{"only the informational file", "hybrid", func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "")
			noRuntime(f)
		}, KindHybrid},
		{"registration that the configuration excludes", "hybrid", order("EC2"), KindHybrid},
		{"not registered", "hybrid", unregistered, KindNone},
		{"other cloud", "hybrid", all(unregistered, vendor("Google")), KindOther},
		{"other cloud, registered", "hybrid", vendor("Google"), KindHybrid},
		{"vault unread, agent hybrid", "hybrid", vaultUnread, KindHybrid},
		{"vault and runtime file unread", "hybrid", all(vaultUnread, runtimeUnread, func(f *facts.Facts) {
			f.Registration.Informational = facts.Absent[facts.Informational]("no such file", "")
		}), KindUnknown},
		{"maker unread", "hybrid", all(unregistered, func(f *facts.Facts) { f.Host.DMI = facts.DMI{EC2UUID: facts.Known(false, "dmi")} }), KindUnknown},
		{"informational file unread", "hybrid", all(unregistered, func(f *facts.Facts) { f.Registration.Informational = facts.Seen[facts.Informational]{} }), KindUnknown},
		{"no firmware, no metadata", "profile", nowhere, KindUnknown},
		{"no firmware, registered", "hybrid", nowhere, KindHybrid},
	} {
		if got := nodeOf(t, c.kind, nonNil(c.fault)).Identity.Kind; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func nonNil(f fault) fault {
	if f == nil {
		return func(*facts.Facts) {}
	}
	return f
}

func TestOnEC2(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault fault
		want  Answer
	}{
		{"metadata", func(f *facts.Facts) { f.Host.DMI = facts.DMI{} }, Yes},
		{"asset tag", all(nowhere, func(f *facts.Facts) { f.Host.DMI.AssetTag = facts.Known("i-0a1b2c3d4e5f60718", "dmi") }), Yes},
		{"vendor", all(nowhere, vendor("Amazon EC2")), Yes},
		{"another vendor", all(nowhere, vendor("Dell Inc.")), No},
		{"Xen, an older instance", all(nowhere, vendor("Xen"), func(f *facts.Facts) { f.Host.DMI.EC2UUID = facts.Known(true, "dmi") }), Yes},
		{"Xen elsewhere", all(nowhere, vendor("Xen"), func(f *facts.Facts) { f.Host.DMI.EC2UUID = facts.Known(false, "dmi") }), No},
		{"Xen, no more known", all(nowhere, vendor("Xen")), Unknown},
		{"uuid", all(nowhere, func(f *facts.Facts) { f.Host.DMI.EC2UUID = facts.Known(true, "dmi") }), Yes},
		{"another uuid", all(nowhere, func(f *facts.Facts) { f.Host.DMI.EC2UUID = facts.Known(false, "dmi") }), No},
		{"the agent's own word", all(nowhere, func(f *facts.Facts) { f.Credentials.Runtime = facts.Known(facts.Runtime{IdentityType: "EC2"}, "") }), Yes},
		{"a key of EC2", all(nowhere, func(f *facts.Facts) {
			f.Registration.EC2 = facts.Known(facts.Key{InstanceID: "i-0a1b2c3d4e5f60718"}, "")
		}), Yes},
		{"nothing", nowhere, Unknown},
	} {
		if got := nodeOf(t, "profile", c.fault).Identity.OnEC2; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestHybrid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind    string
		fault         fault
		hybrid, meant Answer
	}{
		{"hybrid", "hybrid", nil, Yes, Yes},
		{"profile", "profile", nil, No, No},
		{"registered on EC2", "profile", registeredAs(wholeKey), Yes, Yes},
		{"key without id on EC2", "profile", registeredAs(facts.Key{Region: "eu-west-1", HasPrivate: true}), No, No},
		{"not registered elsewhere", "hybrid", unregistered, No, Yes},
		{"key without id elsewhere", "hybrid", registeredAs(facts.Key{Region: "eu-west-1", HasPrivate: true}), No, Yes},
		{"excluded by the configuration", "profile", all(registeredAs(wholeKey), order("EC2")), No, No},
		{"named by the configuration", "profile", all(registeredAs(wholeKey), order("EC2", "onprem")), Yes, Yes},
		{"configuration unread", "profile", all(registeredAs(wholeKey), configUnread), Unknown, Unknown},
		{"a task", "task", nil, No, No},
		{"task or not, elsewhere", "hybrid", all(unregistered, func(f *facts.Facts) { f.ECS = facts.ECS{} }), No, Unknown},
		{"configuration and runtime file unread", "profile", all(registeredAs(wholeKey), configUnread, runtimeUnread), Unknown, Unknown},
		{"vault unread, agent hybrid", "hybrid", vaultUnread, Yes, Yes},
		{"vault unread, agent on EC2's identity", "profile", vaultUnread, No, No},
		{"vault and runtime file unread", "profile", all(vaultUnread, runtimeUnread), Unknown, Unknown},
		{"vault and runtime file unread elsewhere", "hybrid", all(vaultUnread, runtimeUnread), Unknown, Yes},
		{"vault unread, no runtime file", "profile", all(vaultUnread, noRuntime), Unknown, Unknown},
		{"EC2 or not, not registered", "profile", nowhere, No, Unknown},
	} {
		i := nodeOf(t, c.kind, nonNil(c.fault)).Identity
		if i.Hybrid != c.hybrid || i.HybridMeant != c.meant {
			t.Errorf("%s: hybrid %s, meant %s; want %s, %s", c.name, i.Hybrid, i.HybridMeant, c.hybrid, c.meant)
		}
	}
}

// TestMayBeHybrid: a vault that only root may read is not taken for one with a key.
func TestMayBeHybrid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault fault
		want  bool
	}{
		{"no key", nil, false},
		{"a key", registeredAs(wholeKey), false},
		{"configuration unread", all(registeredAs(wholeKey), configUnread), true},
		{"vault and runtime file need root", all(vaultUnread, runtimeUnread), false},
		{"registration unread", func(f *facts.Facts) { f.Registration = facts.Registration{}; runtimeUnread(f) }, true},
	} {
		if got := nodeOf(t, "profile", nonNil(c.fault)).MayBeHybrid(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestMayBe(t *testing.T) {
	t.Parallel()
	absent := func(f *facts.Facts) { f.Agent.Config = facts.Absent[facts.Config]("no such file", "") }
	for _, c := range []struct {
		name, identity string
		fault          fault
		want           Answer
	}{
		{"no file", "OnPrem", absent, Yes},
		{"no file", "ECS", absent, No},
		{"no order", "EC2", order(), Yes},
		{"no order", "ECS", order(), No},
		{"listed", "ECS", order("ecs"), Yes},
		{"not listed", "EC2", order("OnPrem"), No},
		{"unread", "EC2", configUnread, Unknown},
	} {
		if got := nodeOf(t, "profile", c.fault).MayBe(c.identity); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.name, c.identity, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind                string
		fault                     fault
		id, region, account, role string
	}{
		{"profile", "profile", nil, "i-0a1b2c3d4e5f60718", "eu-central-1", "111122223333", "WebServerRole"},
		{"dhmc", "dhmc", nil, "i-0a1b2c3d4e5f60718", "eu-central-1", "111122223333", ""},
		{"hybrid", "hybrid", nil, "mi-0f1e2d3c4b5a69788", "eu-central-1", "111122223333", ""},
		{"registered on EC2", "profile", registeredAs(wholeKey), "mi-0123456789abcdef0", "eu-west-1", "111122223333", "WebServerRole"},
		{"excluded registration", "profile", all(registeredAs(wholeKey), order("EC2")), "i-0a1b2c3d4e5f60718", "eu-central-1", "111122223333", "WebServerRole"},
		{"vault unread, agent hybrid", "hybrid", func(f *facts.Facts) { vaultUnread(f); f.IMDS.InstanceID = facts.Known("i-0a1b2c3d4e5f60718", "imds") }, "mi-0f1e2d3c4b5a69788", "eu-central-1", "111122223333", ""},
		{"no metadata", "profile", func(f *facts.Facts) { f.IMDS = facts.IMDS{} }, "i-0a1b2c3d4e5f60718", "eu-central-1", "111122223333", ""},
		{"no runtime file either", "profile", func(f *facts.Facts) { f.IMDS = facts.IMDS{}; noRuntime(f) }, "i-0a1b2c3d4e5f60718", "eu-central-1", "111122223333", ""},
		{"only the informational file", "hybrid", all(unregistered, func(f *facts.Facts) {
			f.Registration.Informational = facts.Known(facts.Informational{InstanceID: "mi-0fedcba9876543210", Region: "eu-west-1"}, "")
		}), "mi-0fedcba9876543210", "eu-central-1", "111122223333", ""},
		{"a user is not the node", "profile", func(f *facts.Facts) {
			f.Permissions.Identities = facts.Known([]facts.Identity{{Source: facts.SourceShared, Account: "999988887777", Outcome: facts.CallOK}}, "")
		}, "i-0a1b2c3d4e5f60718", "eu-central-1", "111122223333", "WebServerRole"},
		{"role unread", "profile", func(f *facts.Facts) {
			f.IMDS.Role, f.IMDS.Profile = facts.Seen[facts.Role]{}, facts.Known(facts.Profile{Name: "AppProfile"}, "imds")
		}, "i-0a1b2c3d4e5f60718", "eu-central-1", "111122223333", "AppProfile"},
		{"nothing", "profile", func(f *facts.Facts) {
			nowhere(f)
			f.Network, f.Permissions = facts.Network{}, facts.Permissions{}
		}, "", "", "", ""},
	} {
		i := nodeOf(t, c.kind, nonNil(c.fault)).Identity
		if i.ID != c.id || i.Region != c.region || i.Account != c.account || i.Role != c.role {
			t.Errorf("%s: %q %q %q %q, want %q %q %q %q", c.name, i.ID, i.Region, i.Account, i.Role, c.id, c.region, c.account, c.role)
		}
	}
}

func TestPartition(t *testing.T) {
	t.Parallel()
	bare := func(region string, more ...fault) fault {
		return func(f *facts.Facts) {
			f.Permissions, f.IMDS.Partition, f.IMDS.Region = facts.Permissions{}, facts.Seen[string]{}, facts.Known(region, "imds")
			all(more...)(f)
		}
	}
	for _, c := range []struct {
		fault fault
		want  string
	}{
		{bare("eu-central-1"), "aws"},
		{bare("cn-north-1"), "aws-cn"},
		{bare("us-gov-west-1"), "aws-us-gov"},
		{bare("eu-central-1", func(f *facts.Facts) { f.IMDS.Partition = facts.Known("aws-iso", "imds") }), "aws-iso"},
		{bare("eu-central-1", func(f *facts.Facts) {
			f.Permissions.Identities = facts.Known([]facts.Identity{{ARN: "arn:aws-eusc:sts::111122223333:assumed-role/R/i-1"}}, "")
		}), "aws-eusc"},
	} {
		if got := nodeOf(t, "profile", c.fault).Identity.Partition; got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestCalled(t *testing.T) {
	t.Parallel()
	n := nodeOf(t, "profile")
	if id := n.Called(facts.SourceProfile); id == nil || id.Role != "WebServerRole" {
		t.Errorf("the profile: %+v", id)
	}
	if id := n.Called(facts.SourceShared); id != nil {
		t.Errorf("nobody asked who %+v is", id)
	}
}

// TestRoleInUse: the role is that of what the agent signs with, by whatever named it.
func TestRoleInUse(t *testing.T) {
	t.Parallel()
	unasked := func(f *facts.Facts) { f.Permissions.Identities = facts.Known([]facts.Identity{}, "") }
	refused := func(principal string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			unasked(f)
			r := facts.Refusal{At: f.CollectedAt.Add(-time.Hour), Match: facts.SigHealthFailed}
			r.Principal, r.Action, r.Denied = principal, Heartbeat, true
			f.Log.Refusals = facts.Known([]facts.Refusal{r}, "")
		}
	}
	entry := func(text string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			unasked(f)
			at := f.CollectedAt.Add(-time.Hour)
			f.Log.Matches.Value = append(f.Log.Matches.Value, facts.Match{ID: facts.SigCredsFailed, Count: 1, First: at, Last: at, Text: text})
		}
	}
	session := Of(factstest.Healthy(t, "hybrid")).Identity.ID
	for _, c := range []struct {
		name, kind string
		fault      func(*facts.Facts)
		want       string
	}{
		{"profile", "profile", nil, "WebServerRole"},
		{"profile, not asked", "profile", unasked, "WebServerRole"},
		{"hybrid", "hybrid", nil, "SSMServiceRole"},
		{"hybrid, not asked", "hybrid", unasked, ""},
		{"hybrid, a refusal names it", "hybrid", refused("arn:aws:sts::111122223333:assumed-role/Plant/" + session), "Plant"},
		{"hybrid, a refusal of another node", "hybrid", refused("arn:aws:sts::111122223333:assumed-role/Plant/mi-00000000000000000"), ""},
		{"hybrid, an entry names it", "hybrid", entry("ERROR ValidationException: Systems Manager was unable to assume role arn:aws:iam::111122223333:role/service-role/Plant: not trusted"), "Plant"},
		{"host management", "dhmc", nil, "AWSSystemsManagerDefaultEC2InstanceManagementRole"},
		{"host management, not asked", "dhmc", unasked, ""},
	} {
		f := factstest.Healthy(t, c.kind)
		if c.fault != nil {
			c.fault(f)
		}
		if got := Of(f).RoleInUse(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
