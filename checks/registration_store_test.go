package checks

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// storeDamaged is a vault with something that the agent cannot use.
func storeDamaged(f *facts.Facts) {
	f.Registration.Damage = facts.Known([]facts.Damage{
		{Path: "/vault/Manifest", Kind: "not-json", What: "unexpected end of JSON input"},
		{Path: "/vault/Store/RegistrationKey", Kind: "truncated", What: "0 bytes"},
	}, "file:/vault")
}

// storeLogged is a host whose agent logged this a minute ago.
func storeLogged(signature, text string) func(*facts.Facts) {
	return func(f *facts.Facts) { log(f, signature, time.Minute, text) }
}

// storeKeyLost is an instance that the service knows while its key is gone.
func storeKeyLost(f *facts.Facts) {
	f.Registration.EC2 = facts.Absent[facts.Key]("no such file", "file:/vault/EC2RegistrationKey")
	storeLogged(facts.SigAlreadyRegistered, "ERROR InstanceAlreadyRegistered: already registered")(f)
}

// storeVanished is a host that was registered, and whose key is gone.
func storeVanished(f *facts.Facts) {
	f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "file:/vault/RegistrationKey")
}

func TestRegistrationStore(t *testing.T) {
	t.Parallel()
	all := func(changes ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for _, change := range changes {
				change(f)
			}
		}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	damaged := func(s Status, e Effect, c Confidence, says, saw, value string) want {
		return want{status: s, effect: e, cause: "registration-store-damaged", confidence: c, says: says, saw: saw, value: value}
	}
	const (
		unusable = "/vault/Manifest cannot be used: unexpected end of JSON input"
		path     = "path=/var/lib/amazon/ssm/Vault"
		manifest = "ERROR failed to unmarshal vault manifest"
		missing  = "ERROR data file of RegistrationKey is missing"
		lost     = "the instance is already registered, but its key in /var/lib/amazon/ssm/Vault is lost"
	)
	noRuntime := func(f *facts.Facts) { f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "") }
	runtimeUnread := func(f *facts.Facts) {
		f.Credentials.Runtime = facts.Unknown[facts.Runtime]("identity_config.json: permission denied", "")
	}
	ec2Key := func(k facts.Key) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Registration.EC2 = facts.Known(k, "file:/vault/EC2RegistrationKey") }
	}
	table := []row{
		{name: "profile", want: is(Pass, "no damage seen")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "no damage seen")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "no damage seen")},
		{name: "windows", kind: "windows", want: is(Pass, "no damage seen")},
		{name: "task", kind: "task", want: is(Pass, "no damage seen")},

		{name: "damaged", kind: "hybrid", fault: all(neverAccepted, storeDamaged), want: damaged(Fail, Blocks, Proven, unusable, "read /vault/Manifest: not-json: unexpected end of JSON input (file:/vault/Manifest)", path)},
		{name: "all of the damage", kind: "hybrid", fault: all(neverAccepted, storeDamaged), want: damaged(Fail, Blocks, Proven, "", "read /vault/Store/RegistrationKey: truncated: 0 bytes", "")},
		{name: "damaged, of which the log tells", kind: "hybrid", fault: all(neverAccepted, storeDamaged, storeLogged(facts.SigVaultManifest, manifest)), want: damaged(Fail, Blocks, Proven, unusable, "agent log: "+manifest, path)},
		{name: "damaged, of which the log tells otherwise", kind: "hybrid", fault: all(neverAccepted, storeDamaged, storeLogged(facts.SigVaultMissing, missing)), want: damaged(Fail, Blocks, Proven, unusable, "agent log: "+missing, path)},
		{name: "damaged, accepted all the same", kind: "hybrid", fault: storeDamaged, want: damaged(Warn, Breaks, Proven, unusable, "", path)},
		{name: "damaged on an instance with a profile", fault: all(neverAccepted, storeDamaged), want: damaged(Warn, Notes, Proven, unusable, "", path)},
		{name: "damaged on an instance without a profile", kind: "dhmc", fault: all(neverAccepted, storeDamaged), want: damaged(Fail, Blocks, Proven, unusable, "", path)},
		{name: "damaged on Windows", kind: "windows", fault: all(neverAccepted, storeDamaged), want: damaged(Fail, Blocks, Proven, unusable, "", "path=/ProgramData/Amazon/SSM/InstanceData/Vault")},
		{name: "partly read, and damaged", kind: "hybrid", fault: all(neverAccepted, storeDamaged, func(f *facts.Facts) {
			f.Registration.Damage = facts.Partly(f.Registration.Damage.Value, "Store: permission denied", "")
		}), want: damaged(Fail, Blocks, Proven, unusable, "", path)},

		{name: "key lost", kind: "dhmc", fault: all(neverAccepted, storeKeyLost), want: damaged(Fail, Blocks, Likely, lost+", so Default Host Management cannot be used", "agent log: ERROR InstanceAlreadyRegistered", path)},
		{name: "the key", kind: "dhmc", fault: all(neverAccepted, storeKeyLost), want: damaged(Fail, Blocks, Likely, lost, "EC2RegistrationKey: no such file (file:/vault/EC2RegistrationKey)", path)},
		{name: "key without its private part", kind: "dhmc", fault: all(neverAccepted, storeKeyLost, ec2Key(facts.Key{InstanceID: "i-0a1b2c3d4e5f60718", Region: "eu-central-1"})), want: damaged(Fail, Blocks, Likely, lost, "EC2RegistrationKey: i-0a1b2c3d4e5f60718, private key false", path)},
		{name: "key without an id", kind: "dhmc", fault: all(neverAccepted, storeKeyLost, ec2Key(facts.Key{HasPrivate: true})), want: damaged(Fail, Blocks, Likely, lost, "EC2RegistrationKey: no instance id, private key true", path)},
		{name: "key lost, with a profile", fault: all(neverAccepted, storeKeyLost), want: damaged(Warn, Notes, Likely, lost, "", path)},
		{name: "key lost, another identity in use or not", kind: "dhmc", fault: all(neverAccepted, storeKeyLost, noRuntime, func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", Region: "eu-central-1", HasPrivate: true}, "")
			f.Agent.Config = facts.Unknown[facts.Config]("amazon-ssm-agent.json: permission denied", "")
		}), want: is(Unknown, "whether the agent may use its registration: amazon-ssm-agent.json: permission denied")},
		{name: "key lost, another identity in use", kind: "dhmc", fault: all(neverAccepted, storeKeyLost, noRuntime, func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", Region: "eu-central-1", HasPrivate: true}, "")
		}), want: is(Pass, "no damage seen")},
		{name: "key lost, accepted", kind: "dhmc", fault: storeKeyLost, want: damaged(Warn, Breaks, Likely, lost, "", path)},
		{name: "already registered, key whole", kind: "dhmc", fault: all(neverAccepted, storeLogged(facts.SigAlreadyRegistered, "ERROR InstanceAlreadyRegistered")), want: is(Pass, "no damage seen")},
		{name: "already registered, before it was accepted", kind: "dhmc", fault: all(storeKeyLost, func(f *facts.Facts) { log(f, facts.SigAlreadyRegistered, time.Hour, "ERROR InstanceAlreadyRegistered") }), want: is(Pass, "no damage seen")},
		{name: "already registered, not an instance", kind: "hybrid", fault: all(neverAccepted, storeKeyLost), want: is(Pass, "no damage seen")},

		{name: "manifest, in the log", kind: "hybrid", fault: all(neverAccepted, storeLogged(facts.SigVaultManifest, manifest)), want: damaged(Fail, Blocks, Likely, "the agent cannot use its vault: "+manifest, "agent log: "+manifest, path)},
		{name: "file missing, in the log", kind: "hybrid", fault: all(neverAccepted, storeLogged(facts.SigVaultMissing, missing)), want: damaged(Fail, Blocks, Likely, "the agent cannot use its vault: "+missing, "agent log: "+missing, path)},
		{name: "in the log of an instance with a profile", fault: all(neverAccepted, storeLogged(facts.SigVaultManifest, manifest)), want: damaged(Warn, Notes, Likely, "the agent cannot use its vault", "", path)},
		{name: "in the log, accepted since", kind: "hybrid", fault: func(f *facts.Facts) { log(f, facts.SigVaultManifest, time.Hour, manifest) }, want: is(Pass, "no damage seen")},

		{name: "registration vanished", kind: "hybrid", fault: all(neverAccepted, noRuntime, storeVanished), want: damaged(Fail, Blocks, Likely, "this host was registered as mi-0f1e2d3c4b5a69788, but the registration key in /var/lib/amazon/ssm/Vault is gone", "registration: mi-0f1e2d3c4b5a69788 eu-central-1 (file:/var/lib/amazon/ssm/registration)", path)},
		{name: "the vanished node", kind: "hybrid", fault: all(neverAccepted, noRuntime, storeVanished), want: damaged(Fail, Blocks, Likely, "", "RegistrationKey: does not exist (file:/vault/RegistrationKey)", "node=mi-0f1e2d3c4b5a69788")},
		{name: "vanished under an agent that is accepted", kind: "hybrid", fault: storeVanished, want: damaged(Warn, Breaks, Likely, "is gone", "", path)},
		{name: "never registered", kind: "hybrid", fault: all(neverAccepted, noRuntime, storeVanished, func(f *facts.Facts) {
			f.Registration.Informational = facts.Absent[facts.Informational]("no such file", "")
		}), want: is(Pass, "no damage seen")},
		{name: "an instance that was registered elsewhere", fault: func(f *facts.Facts) {
			f.Registration.Informational = facts.Known(facts.Informational{InstanceID: "mi-0f1e2d3c4b5a69788"}, "")
		}, want: is(Pass, "no damage seen")},

		{name: "vault unread", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("vault: permission denied", "").Because(facts.NeedsRoot)
		}, want: is(Unknown, "vault: vault: permission denied")},
		{name: "damage not looked for", fault: func(f *facts.Facts) {
			f.Registration.Damage = facts.Unknown[[]facts.Damage]("Store: permission denied", "").Because(facts.NeedsRoot)
		}, want: is(Unknown, "vault: Store: permission denied")},
		{name: "EC2 or not", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Host.DMI = facts.DMI{Vendor: facts.Unknown[string]("sys_vendor: permission denied", "")}
		}, want: is(Unknown, "whether this is an EC2 instance is not known: firmware tables of the machine: sys_vendor: permission denied")},
		{name: "log unread", fault: unreadLogOf, want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "in the log, runtime configuration unread", kind: "hybrid", fault: all(storeLogged(facts.SigVaultManifest, manifest), runtimeUnread), want: is(Unknown, "agent log: identity_config.json: permission denied")},
	}
	judge(t, RegistrationStore, table)
	judgeUnread(t, RegistrationStore, table)
}

// TestFreshVault: an instance needs no activation; a host that is none cannot do without.
func TestFreshVault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind, has, not string
	}{
		{"profile", "mv {data}/Vault", "activation"},
		{"dhmc", "associate-iam-instance-profile", "activation"},
		{"hybrid", "", ""}, // the catalogue's
	} {
		f := factstest.Healthy(t, tt.kind)
		neverAccepted(f)
		storeDamaged(f)
		var all strings.Builder
		for _, s := range RegistrationStore.Eval(node.Of(f)).Fix {
			all.WriteString(s.Command + "\n")
		}
		if s := all.String(); (s == "") != (tt.has == "") || !strings.Contains(s, tt.has) || tt.not != "" && strings.Contains(s, tt.not) {
			t.Errorf("%s: %s", tt.kind, s)
		}
	}
}
