package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

// identityHybrid gives an instance a hybrid registration as well, which its agent uses.
func identityHybrid(f *facts.Facts) {
	f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", Region: "eu-central-1", HasPrivate: true}, "file:/vault/RegistrationKey")
	f.Credentials.Runtime.Value.IdentityType, f.Credentials.Runtime.Value.InstanceID = "OnPrem", "mi-0f1e2d3c4b5a69788"
}

func TestRegistrationIdentity(t *testing.T) {
	t.Parallel()
	is := func(s Status, says string) want { return want{status: s, says: says} }
	carries := func(saw string) want {
		return want{status: Warn, effect: Breaks, cause: "hybrid-registration-on-ec2", confidence: Proven, says: "carries the hybrid registration mi-0f1e2d3c4b5a69788, which wins over its EC2 identity", saw: saw}
	}
	const vault, runtime = "vault: permission denied", "no such file"
	vaultUnread := func(f *facts.Facts) {
		f.Registration.Hybrid = facts.Unknown[facts.Key](vault, "").Because(facts.NeedsRoot)
	}
	order := func(identities ...string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			identityHybrid(f)
			f.Agent.Config = facts.Known(facts.Config{ConsumptionOrder: identities}, "file:"+f.Agent.ConfigPath)
		}
	}
	table := []row{
		{name: "profile", want: is(Pass, "no hybrid registration is in use")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "no hybrid registration is in use")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "not an EC2 instance")},
		{name: "windows", kind: "windows", want: is(Skip, "not an EC2 instance")},
		{name: "task", kind: "task", want: is(Skip, "not an EC2 instance")},
		{name: "both", fault: identityHybrid, want: carries("RegistrationKey: mi-0f1e2d3c4b5a69788 (file:/vault/RegistrationKey)")},
		{name: "its own id", fault: identityHybrid, want: carries("imds GET instance-id: i-0a1b2c3d4e5f60718 (imds:")},
		{name: "both, with Default Host Management", kind: "dhmc", fault: identityHybrid, want: carries("RegistrationKey: mi-")},
		{name: "metadata service unread", fault: func(f *facts.Facts) { identityHybrid(f); f.IMDS = facts.IMDS{} }, want: carries("RegistrationKey: mi-")},
		{name: "both, and not accepted", fault: func(f *facts.Facts) { neverAccepted(f); identityHybrid(f) }, want: carries("RegistrationKey: mi-")},
		{name: "allowed by name", fault: order("OnPrem", "EC2"), want: carries("RegistrationKey: mi-")},
		{name: "kept from using it", fault: order("EC2"), want: is(Pass, "no hybrid registration is in use")},
		{name: "incomplete", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", HasPrivate: true}, "file:/vault/RegistrationKey")
		}, want: is(Pass, "no hybrid registration is in use")},
		{name: "EC2 or not", fault: func(f *facts.Facts) {
			f.Host.DMI, f.IMDS.InstanceID = facts.DMI{Vendor: facts.Unknown[string]("sys_vendor: permission denied", "")}, facts.Seen[string]{}
			f.Credentials.Runtime, f.Registration.EC2 = facts.Absent[facts.Runtime](runtime, ""), facts.Absent[facts.Key](runtime, "")
		}, want: is(Unknown, "whether this is an EC2 instance is not known: firmware tables of the machine: sys_vendor: permission denied")},
		{name: "vault unread", fault: func(f *facts.Facts) {
			vaultUnread(f)
			f.Credentials.Runtime = facts.Absent[facts.Runtime](runtime, "")
		}, want: is(Unknown, "registration: "+vault)},
		{name: "vault unread, and what the agent uses is not", fault: vaultUnread, want: is(Pass, "no hybrid registration is in use")},
		{name: "by what the agent uses", fault: func(f *facts.Facts) {
			identityHybrid(f)
			vaultUnread(f)
		}, want: carries("identity in use: mi-0f1e2d3c4b5a69788 (file:/var/lib/amazon/ssm/runtimeconfig/identity_config.json)")},
		{name: "configuration unread", fault: func(f *facts.Facts) {
			identityHybrid(f)
			f.Credentials.Runtime = facts.Absent[facts.Runtime](runtime, "")
			f.Agent.Config = facts.Unknown[facts.Config]("amazon-ssm-agent.json: permission denied", "")
		}, want: is(Unknown, "configuration: amazon-ssm-agent.json: permission denied")},
	}
	judge(t, RegistrationIdentity, table)
	judgeUnread(t, RegistrationIdentity, table)
}
