package node

import (
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
)

// change is one thing that a host of a table has different.
type change = func(*facts.Facts)

func hostWith(t *testing.T, kind string, changes ...change) *Node {
	t.Helper()
	f := factstest.Healthy(t, kind)
	for _, c := range changes {
		if c != nil {
			c(f)
		}
	}
	return Of(f)
}

func noVault(f *facts.Facts) {
	f.Registration.Hybrid = facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot)
}

func noRuntime(f *facts.Facts) {
	f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "").Because(facts.NeedsRoot)
}

func unregistered(f *facts.Facts) {
	f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "")
	f.Registration.Informational = facts.Absent[facts.Informational]("no such file", "")
}

func TestKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind string
		change     change
		want       Kind
	}{
		{"instance", "profile", nil, KindEC2},
		{"registered", "hybrid", nil, KindHybrid},
		{"task", "task", nil, KindECS},
		{"nothing known", "profile", func(f *facts.Facts) { *f = facts.Facts{} }, KindUnknown},
		{"no registration", "hybrid", unregistered, KindNone},
		{"another cloud", "hybrid", func(f *facts.Facts) { unregistered(f); f.Host.DMI.Vendor = facts.Known("Google", "dmi") }, KindOther},
		{"registered in another cloud", "hybrid", func(f *facts.Facts) { f.Host.DMI.Vendor = facts.Known("Google", "dmi") }, KindHybrid},
		{"vault unread", "hybrid", func(f *facts.Facts) { unregistered(f); noVault(f); noRuntime(f) }, KindUnknown},
		{"only the file that the agent never reads", "hybrid", func(f *facts.Facts) { f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "") }, KindHybrid},
		{"registration unread", "hybrid", func(f *facts.Facts) { f.Registration, f.Credentials = facts.Registration{}, facts.Credentials{} }, KindUnknown},
		{"an older instance, by its UUID", "profile", func(f *facts.Facts) {
			f.IMDS, f.Credentials, f.Registration.EC2 = facts.IMDS{}, facts.Credentials{}, facts.Seen[facts.Key]{}
			f.Host.DMI = facts.DMI{Vendor: facts.Known("Xen", "dmi"), EC2UUID: facts.Known(true, "dmi")}
		}, KindEC2},
		{"maker unread", "hybrid", func(f *facts.Facts) { unregistered(f); f.Host.DMI = facts.DMI{EC2UUID: facts.Known(false, "dmi")} }, KindUnknown},
		{"tasks unread", "profile", func(f *facts.Facts) { f.ECS = facts.ECS{} }, KindUnknown},
		{"an image is no task", "profile", func(f *facts.Facts) { f.ECS, f.Root = facts.ECS{}, "/mnt" }, KindEC2},
		{"firmware and metadata unread", "profile", func(f *facts.Facts) {
			f.Host.DMI, f.IMDS, f.Credentials, f.Registration = facts.DMI{}, facts.IMDS{}, facts.Credentials{}, facts.Registration{}
		}, KindUnknown},
	} {
		if got := hostWith(t, c.kind, c.change).Identity.Kind; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestHybrid(t *testing.T) {
	t.Parallel()
	order := func(names ...string) change {
		return func(f *facts.Facts) {
			f.Agent.Config = facts.Known(facts.Config{ConsumptionOrder: names}, "file:config")
		}
	}
	onInstance := func(f *facts.Facts) {
		f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0a1b2c3d4e5f60718", Region: "eu-central-1", HasPrivate: true}, "file:key")
	}
	for _, c := range []struct {
		name, kind string
		change     change
		want       Answer
		meant      Answer
		maybe      bool
		id         string // prefix
	}{
		{"registered", "hybrid", nil, Yes, Yes, false, "mi-"},
		{"instance", "profile", nil, No, No, false, "i-"},
		{"a task needs no registration", "task", nil, No, No, false, ""},
		{"registration wins on EC2", "profile", onInstance, Yes, Yes, false, "mi-"},
		{"left out of the order", "profile", func(f *facts.Facts) { onInstance(f); order("EC2")(f) }, No, No, false, "i-"},
		{"in the order, in any case", "profile", func(f *facts.Facts) { onInstance(f); order("ec2", "onprem")(f) }, Yes, Yes, false, "mi-"},
		{"order unread", "profile", func(f *facts.Facts) {
			onInstance(f)
			f.Agent.Config = facts.Unknown[facts.Config]("permission denied", "")
		}, Unknown, Unknown, true, "mi-"},
		{"incomplete", "hybrid", func(f *facts.Facts) { f.Registration.Hybrid.Value.HasPrivate = false }, No, Yes, false, "mi-"},
		{"vault needs root, runtime tells", "hybrid", noVault, Yes, Yes, false, "mi-"},
		{"vault and runtime need root", "profile", func(f *facts.Facts) { noVault(f); noRuntime(f) }, Unknown, Unknown, false, "i-"},
		{"registration unread", "profile", func(f *facts.Facts) { f.Registration = facts.Registration{}; noRuntime(f) }, Unknown, Unknown, true, "i-"},
	} {
		n := hostWith(t, c.kind, c.change)
		i := n.Identity
		if i.Hybrid != c.want || i.HybridMeant != c.meant || n.MayBeHybrid() != c.maybe {
			t.Errorf("%s: hybrid %s, meant %s, maybe %v; want %s, %s, %v", c.name, i.Hybrid, i.HybridMeant, n.MayBeHybrid(), c.want, c.meant, c.maybe)
		}
		if len(i.ID) < len(c.id) || i.ID[:len(c.id)] != c.id {
			t.Errorf("%s: id %q, want %s…", c.name, i.ID, c.id)
		}
	}
}

func TestIdentityValues(t *testing.T) {
	t.Parallel()
	n := hostWith(t, "profile")
	if i := n.Identity; i.Region != "eu-central-1" || i.Partition != "aws" || len(i.Account) != 12 || i.Role != "WebServerRole" {
		t.Errorf("%+v", i)
	}
	n = hostWith(t, "hybrid", func(f *facts.Facts) {
		f.Registration.Hybrid.Value.Region = "cn-north-1"
		f.Permissions.Identities.Value = nil
	})
	if i := n.Identity; i.Region != "cn-north-1" || i.Partition != "aws-cn" {
		t.Errorf("%+v", i)
	}
}
