package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// activationTried is a host outside EC2 that was to be registered, and was not: the
// vault is empty, and the log ends with this.
func activationTried(text string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		activationNone(f)
		log(f, facts.SigRegisterFailed, 10*time.Minute, "ERROR Registration failed due to error registering the instance with AWS SSM. "+text)
	}
}

// activationNone is a host outside EC2 without a registration.
func activationNone(f *facts.Facts) {
	neverAccepted(f)
	f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", f.Registration.Hybrid.From)
	f.Registration.Informational = facts.Absent[facts.Informational]("no such file", "")
	f.Registration.Fingerprint = facts.Absent[facts.Fingerprint]("no such file", "")
	f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
}

func TestActivation(t *testing.T) {
	t.Parallel()
	const expired = "ActivationExpired: activation is past its expiration date"
	after := func(change func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) { activationTried(expired)(f); change(f) }
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	refused := func(says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "activation-rejected", confidence: Likely, says: says, saw: "agent log: ERROR Registration failed due to error registering the instance with AWS SSM. " + saw}
	}
	table := []row{
		{name: "profile", want: is(Skip, "an EC2 instance needs no activation")},
		{name: "dhmc", kind: "dhmc", want: is(Skip, "an EC2 instance needs no activation")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "registered as mi-0f1e2d3c4b5a69788")},
		{name: "windows", kind: "windows", want: is(Pass, "registered as mi-0f1e2d3c4b5a69788")},
		{name: "expired", kind: "hybrid", fault: activationTried(expired), want: refused("the hybrid activation has expired (ActivationExpired)", "ActivationExpired:")},
		{name: "expired on Windows", kind: "windows", fault: activationTried(expired), want: refused("has expired", "ActivationExpired:")},
		{name: "used up", kind: "hybrid", fault: activationTried("RegistrationLimitExceeded: "), want: refused("is used up: its limit of registrations is reached (RegistrationLimitExceeded)", "RegistrationLimitExceeded")},
		{name: "used up, other code", kind: "hybrid", fault: activationTried("ActivationLimitExceeded: "), want: refused("is used up", "ActivationLimitExceeded")},
		{name: "invalid", kind: "hybrid", fault: activationTried("InvalidActivation: "), want: refused("is invalid: mistyped, deleted, or made in another Region or account (InvalidActivation)", "InvalidActivation")},
		{name: "invalid id", kind: "hybrid", fault: activationTried("InvalidActivationId: "), want: refused("(InvalidActivationId)", "InvalidActivationId")},
		{name: "invalid hybrid activation", kind: "hybrid", fault: activationTried("InvalidHybridActivation: "), want: refused("is invalid", "InvalidHybridActivation")},
		{name: "key without id", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{HasPrivate: true}, "file:/var/lib/amazon/ssm/Vault/Store/RegistrationKey")
		}), want: refused("has expired", "")},
		{name: "another failure", kind: "hybrid", fault: activationTried("RequestError: send request failed"), want: is(Skip, "the last attempt to register failed for another reason")},
		{name: "never tried", kind: "hybrid", fault: activationNone, want: is(Skip, "no attempt to register is on record")},
		{name: "registered since", kind: "hybrid", fault: func(f *facts.Facts) {
			log(f, facts.SigRegisterFailed, time.Minute, "ERROR Registration failed due to error. "+expired)
		}, want: is(Pass, "registered as mi-")},
		{name: "instance that was to be registered", fault: func(f *facts.Facts) {
			log(f, facts.SigRegisterFailed, time.Minute, "ERROR Registration failed due to error. "+expired)
		}, want: is(Skip, "an EC2 instance needs no activation")},
		{name: "task", kind: "task", want: is(Skip, "an ECS task needs no activation")},
		{name: "EC2 or not", kind: "hybrid", fault: after(func(f *facts.Facts) { f.Host.DMI = facts.DMI{} }), want: is(Unknown, "whether this host is meant to have a hybrid registration is not known")},
		{name: "log unread", kind: "hybrid", fault: after(unreadLogOf), want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "runtime configuration unread", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("identity_config.json: permission denied", "")
		}), want: is(Unknown, "agent log: identity_config.json: permission denied")},
		{name: "vault unread", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot)
		}), want: is(Unknown, "registration: permission denied")},
	}
	judge(t, Activation, table)
	judgeUnread(t, Activation, table)
}
