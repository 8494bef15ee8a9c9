package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// activationFails is a host whose last registration failed with a code.
func activationFails(code string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		f.Registration.Hybrid = facts.Known(facts.Key{HasPrivate: true}, "file:/var/lib/amazon/ssm/Vault/Store/RegistrationKey")
		log(f, facts.SigRegisterFailed, time.Hour, "ERROR Registration failed due to error registering the instance: "+code)
	}
}

func TestActivation(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "an EC2 instance", want: want{status: Skip, says: "needs no activation"}},
		{name: "registered", kind: "hybrid", want: want{status: Pass, says: "registered as mi-"}},
		{name: "expired", kind: "hybrid", fault: activationFails("ActivationExpired"), want: want{status: Fail, effect: Blocks, cause: "activation-rejected", confidence: Likely, says: "has expired (ActivationExpired)", saw: "agent log: "}},
		{name: "used up", kind: "hybrid", fault: activationFails("ActivationLimitExceeded"), want: want{status: Fail, effect: Blocks, cause: "activation-rejected", says: "is used up"}},
		{name: "invalid", kind: "hybrid", fault: activationFails("InvalidActivationId"), want: want{status: Fail, effect: Blocks, cause: "activation-rejected", says: "is invalid"}},
		{name: "another reason", kind: "hybrid", fault: activationFails("dial tcp: i/o timeout"), want: want{status: Pass, says: "for another reason"}},
		{name: "registered since", kind: "hybrid", fault: func(f *facts.Facts) {
			key := f.Registration.Hybrid
			activationFails("ActivationExpired")(f)
			f.Registration.Hybrid = key
		}, want: want{status: Pass, says: "registered as mi-"}},
		{name: "accepted since", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Registration.Hybrid.Value.InstanceID = ""
			log(f, facts.SigRegisterFailed, 5*time.Hour, "ActivationExpired")
		}, want: want{status: Pass, says: "no refused registration"}},
		{name: "log unread", kind: "hybrid", fault: func(f *facts.Facts) { f.Registration.Hybrid.Value.InstanceID = ""; unreadLogOf(f) }, want: want{status: Unknown, says: "permission denied"}},
		{name: "vault unread", kind: "hybrid", fault: func(f *facts.Facts) {
			activationFails("ActivationExpired")(f)
			f.Registration.Hybrid = facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot)
		}, want: want{status: Unknown, says: "permission denied"}},
		{name: "nobody knows where", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Host.DMI = facts.DMI{}
			f.Registration, f.Credentials = facts.Registration{}, facts.Credentials{}
		}, want: want{status: Unknown}},
	}
	judge(t, Activation, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, Activation, table) })
}
