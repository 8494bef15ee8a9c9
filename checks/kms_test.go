package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// kmsRole is the principal of the healthy instance with a profile.
const kmsRole = "arn:aws:sts::111122223333:assumed-role/WebServerRole/i-0a1b2c3d4e5f60718"

// kmsKey is the key that the refusals name.
const kmsKey = "arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d"

// kmsRefused is a refusal to use the key, so long before the run.
func kmsRefused(before time.Duration, why string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		refuse(f, facts.SigKMS, before, "AccessDeniedException", "User: "+kmsRole+" is not authorized to perform: kms:Decrypt on resource: "+kmsKey+why)
	}
}

func TestKms(t *testing.T) {
	t.Parallel()
	const none = " because no identity-based policy allows the kms:Decrypt action"
	named := func(c Confidence, says, value string) want {
		return want{status: Warn, effect: Breaks, cause: "kms-access-denied", confidence: c, says: says, value: value}
	}
	opaque := func(f *facts.Facts) {
		log(f, facts.SigKMS, time.Hour, "ERROR [ssm-session-worker] Failed to decrypt data key: The ciphertext refers to a customer master key that does not exist")
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Skip, "no session failed for lack of a key")},
		{name: "dhmc", kind: "dhmc", want: is(Skip, "no session failed for lack of a key")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "no session failed for lack of a key")},
		{name: "windows", kind: "windows", want: is(Skip, "no session failed for lack of a key")},
		{name: "task", kind: "task", want: is(Skip, "no session failed for lack of a key")},
		{name: "refused by name", fault: kmsRefused(time.Hour, none), want: named(Likely, "the role WebServerRole may not call kms:Decrypt: no identity-based policy allows it", "resource="+kmsKey)},
		{name: "the role", fault: kmsRefused(time.Hour, none), want: named(Likely, "", "role=WebServerRole")},
		{name: "what the log says", fault: kmsRefused(time.Hour, none), want: want{status: Warn, effect: Breaks, cause: "kms-access-denied", saw: "kms:Decrypt: denied: User: " + kmsRole}},
		{name: "by the key's policy", fault: kmsRefused(time.Hour, " with an explicit deny in a resource-based policy"), want: named(Likely, "explicit deny in a resource-based policy", "action=kms:Decrypt")},
		{name: "by a service control policy", fault: kmsRefused(time.Hour, " with an explicit deny in a service control policy"), want: named(Likely, "explicit deny in a service control policy (SCP)", "")},
		{name: "by the endpoint", fault: kmsRefused(time.Hour, " because no VPC endpoint policy allows the kms:Decrypt action"),
			want: want{status: Warn, effect: Breaks, cause: "vpce-policy-deny", confidence: Likely, says: "no VPC endpoint policy allows it", value: "service=kms"}},
		{name: "under another signature", fault: func(f *facts.Facts) {
			kmsRefused(time.Hour, none)(f)
			f.Log.Refusals.Value[0].Match = facts.SigSessionLogs
		}, want: named(Likely, "the role WebServerRole may not call kms:Decrypt", "")},
		{name: "no action told", fault: opaque, want: named(Likely, "the key that sessions are encrypted with cannot be used by this node", "action=kms:Decrypt")},
		{name: "no action told, the entry", fault: opaque, want: want{status: Warn, effect: Breaks, cause: "kms-access-denied", saw: "agent log: ERROR [ssm-session-worker] Failed to decrypt data key", value: "role=WebServerRole"}},
		{name: "no action told, hybrid", kind: "hybrid", fault: opaque, want: named(Likely, "cannot be used by this node", "")},
		{name: "the key is not usable", fault: func(f *facts.Facts) {
			refuse(f, facts.SigKMS, time.Hour, "InvalidKeyUsageException", kmsKey+" is disabled")
			f.Log.Refusals.Value[0].Resource = kmsKey
		}, want: named(Likely, "cannot be used by this node", "resource="+kmsKey)},
		{name: "another service's refusal", fault: func(f *facts.Facts) {
			refuse(f, facts.SigDownload, time.Hour, "AccessDenied", "User: "+kmsRole+" is not authorized to perform: s3:GetObject")
		}, want: is(Skip, "no session failed for lack of a key")},
		{name: "another role", fault: func(f *facts.Facts) {
			refuse(f, facts.SigSessionLogs, time.Hour, "AccessDeniedException", "User: arn:aws:sts::999900001111:assumed-role/Other/i-0fff is not authorized to perform: kms:Decrypt"+none)
		}, want: is(Skip, "no session failed for lack of a key")},
		{name: "another role, in an entry of the key", fault: func(f *facts.Facts) {
			refuse(f, facts.SigKMS, time.Hour, "AccessDeniedException", "User: arn:aws:sts::111122223333:assumed-role/FormerRole/i-0a1b2c3d4e5f60718 is not authorized to perform: kms:Decrypt on resource: "+kmsKey+none)
		}, want: is(Skip, "no session failed for lack of a key")},
		{name: "a session opened since", fault: func(f *facts.Facts) {
			kmsRefused(time.Hour, none)(f)
			log(f, facts.SigSessionOpened, time.Minute, "INFO [ssm-session-worker] Plugin Standard_Stream started")
		}, want: is(Skip, "no session failed for lack of a key")},
		{name: "long ago", fault: kmsRefused(25*time.Hour, none), want: is(Skip, "no session failed for lack of a key")},
		{name: "log unread", fault: unreadLogOf, want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "log partly read", fault: func(f *facts.Facts) {
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "errors.log: permission denied", "")
		}, want: is(Unknown, "agent log: errors.log")},
		{name: "refused in the part that was read", fault: func(f *facts.Facts) {
			kmsRefused(time.Hour, none)(f)
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "errors.log: permission denied", "")
			f.Log.Refusals = facts.Partly(f.Log.Refusals.Value, "errors.log: permission denied", "")
		}, want: named(Likely, "may not call kms:Decrypt", "")},
		{name: "refusals unread", fault: func(f *facts.Facts) {
			f.Log.Refusals = facts.Unknown[[]facts.Refusal]("errors.log: permission denied", "")
		}, want: is(Unknown, "agent log: errors.log: permission denied")},
	}
	judge(t, Kms, table)
	judgeUnread(t, Kms, table)
}
