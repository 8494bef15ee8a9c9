package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// hybridUnregistered is a host outside EC2 whose vault holds no registration.
func hybridUnregistered(f *facts.Facts) {
	neverAccepted(f)
	f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", f.Registration.Hybrid.From)
	f.Registration.Informational = facts.Absent[facts.Informational]("no such file", "")
	f.Registration.Fingerprint = facts.Absent[facts.Fingerprint]("no such file", "")
	f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
}

// hybridVaultUnread is a host outside EC2 of which nobody could read the vault.
func hybridVaultUnread(f *facts.Facts) {
	f.Registration.Hybrid = facts.Unknown[facts.Key]("vault: permission denied", "").Because(facts.NeedsRoot)
}

// around puts traces around the agent.
func around(kinds ...string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		var list []facts.Trace
		for _, k := range kinds {
			list = append(list, facts.Trace{Kind: k, From: "file:/opt/" + k})
		}
		f.Agent.Around = facts.Known(list, "")
	}
}

func TestHybridRegistration(t *testing.T) {
	t.Parallel()
	after := func(change func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) { hybridUnregistered(f); change(f) }
	}
	key := func(k facts.Key) func(*facts.Facts) {
		return after(func(f *facts.Facts) { f.Registration.Hybrid = facts.Known(k, "file:/vault/RegistrationKey") })
	}
	onlyEC2 := func(f *facts.Facts) {
		f.Agent.Config = facts.Known(facts.Config{ConsumptionOrder: []string{"EC2"}}, "file:"+f.Agent.ConfigPath)
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	missing := func(saw string) want {
		return want{status: Fail, effect: Blocks, cause: "hybrid-not-registered", confidence: Proven, says: "is not an EC2 instance and holds no hybrid registration", saw: saw}
	}
	table := []row{
		{name: "profile", want: is(Skip, "an EC2 instance needs no registration")},
		{name: "dhmc", kind: "dhmc", want: is(Skip, "an EC2 instance needs no registration")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "registered as mi-0f1e2d3c4b5a69788")},
		{name: "windows", kind: "windows", want: is(Pass, "registered as mi-0f1e2d3c4b5a69788")},
		{name: "task", kind: "task", want: is(Skip, "an ECS task needs no registration")},
		{name: "a node of EKS", kind: "hybrid", fault: around(facts.AroundEKS), want: is(Pass, "registered as")},
		{name: "a node of EKS with two providers", kind: "hybrid", fault: around(facts.AroundEKS, facts.AroundAnywhere), want: want{status: Warn, says: "takes its credentials from one of them, never from both", saw: "IAM Roles Anywhere: set up (file:/opt/roles-anywhere)"}},
		{name: "on Azure", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Host.DMI.Chassis = facts.Known("7783-7084-3265-9085-8269-3286-77", "file:/sys/class/dmi/id/chassis_asset_tag")
		}), want: missing("cloud of this machine: Microsoft Azure")},
		{name: "no registration", kind: "hybrid", fault: hybridUnregistered, want: missing("RegistrationKey: does not exist (file:/var/lib/amazon/ssm/Vault/Store/RegistrationKey)")},
		{name: "no registration on Windows", kind: "windows", fault: hybridUnregistered, want: missing("RegistrationKey: does not exist (file:/ProgramData/")},
		{name: "the firmware", kind: "hybrid", fault: hybridUnregistered, want: missing("firmware vendor: Dell Inc. (file:/sys/class/dmi/id/sys_vendor)")},
		{name: "failed attempt", kind: "hybrid", fault: key(facts.Key{HasPrivate: true}), want: missing("RegistrationKey: a key without instance id: an attempt to register failed (file:/vault/RegistrationKey)")},
		{name: "cleared", kind: "hybrid", fault: key(facts.Key{}), want: missing("RegistrationKey: blank: the registration was cleared (file:/vault/RegistrationKey)")},
		{name: "without its private key", kind: "hybrid", fault: key(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", Region: "eu-central-1"}), want: missing("RegistrationKey: mi-0f1e2d3c4b5a69788, incomplete: it lacks its Region or its private key")},
		{name: "the agent says so", kind: "hybrid", fault: after(func(f *facts.Facts) {
			log(f, facts.SigNoIdentity, time.Minute, "ERROR Agent failed to assume any identity")
		}), want: missing("agent log: ERROR Agent failed to assume any identity")},
		{name: "nor would it be used", kind: "hybrid", fault: after(onlyEC2), want: missing("Identity.ConsumptionOrder: leaves out OnPrem (file:/etc/amazon/ssm/amazon-ssm-agent.json)")},
		{name: "registered, and kept from using it", kind: "hybrid", fault: onlyEC2, want: is(Pass, "registered as mi-0f1e2d3c4b5a69788, which the configuration keeps the agent from using")},
		{name: "by what the agent uses", kind: "hybrid", fault: hybridVaultUnread, want: is(Pass, "registered as mi-0f1e2d3c4b5a69788")},
		{name: "EC2 or not", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Host.DMI = facts.DMI{Vendor: facts.Unknown[string]("sys_vendor: permission denied", "")}
		}), want: is(Unknown, "whether this is an EC2 instance is not known: firmware tables of the machine: sys_vendor: permission denied")},
		{name: "EC2 or not, and the reason names the whole path", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Host.DMI = facts.DMI{Vendor: facts.Unknown[string]("/sys/class/dmi/id/sys_vendor: permission denied", "file:/sys/class/dmi/id/sys_vendor")}
		}), want: is(Unknown, "firmware tables of the machine: /sys/class/dmi/id/sys_vendor: permission denied")},
		{name: "EC2 or not, and the reason names no file", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Host.DMI = facts.DMI{Vendor: facts.Unknown[string]("no answer in time", "file:/sys/class/dmi/id/sys_vendor")}
		}), want: is(Unknown, "firmware tables of the machine, /sys/class/dmi/id/sys_vendor: no answer in time")},
		{name: "task or not", kind: "hybrid", fault: after(func(f *facts.Facts) { f.ECS = facts.ECS{} }), want: is(Unknown, "whether this is an ECS task is not known")},
		{name: "vault unread", kind: "hybrid", fault: after(hybridVaultUnread), want: is(Unknown, "registration: vault: permission denied")},
		{name: "configuration unread", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
			f.Agent.Config = facts.Unknown[facts.Config]("amazon-ssm-agent.json: permission denied", "")
		}, want: is(Unknown, "whether the agent may use its registration: amazon-ssm-agent.json: permission denied")},
	}
	judge(t, HybridRegistration, table)
	judgeUnread(t, HybridRegistration, table)
	// Not with judgeUnread: without the vault, what the agent uses tells of a registration.
	judge(t, HybridRegistration, []row{
		{name: "removed under an agent that is accepted", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", f.Registration.Hybrid.From)
		}, want: want{status: Warn, effect: Breaks, cause: "hybrid-not-registered", confidence: Proven, saw: "RegistrationKey: does not exist"}},
	})
}
