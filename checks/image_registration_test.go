package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

// imageClean is an image that nothing of a node was left in.
func imageClean(f *facts.Facts) {
	r := &f.Registration
	r.Hybrid, r.EC2 = facts.Absent[facts.Key]("no such file", ""), facts.Absent[facts.Key]("no such file", "")
	r.Fingerprint, r.Informational = facts.Absent[facts.Fingerprint]("no such file", ""), facts.Absent[facts.Informational]("no such file", "")
	r.NodeFolders = facts.Known([]string{}, "file:/var/lib/amazon/ssm")
	f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
}

func TestImageRegistration(t *testing.T) {
	t.Parallel()
	left := func(change func(*facts.Registration)) func(*facts.Facts) {
		return func(f *facts.Facts) { imageClean(f); change(&f.Registration) }
	}
	named := func(says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "registration-cloned-image", confidence: Proven, says: "the image carries the registration of another machine: " + says, saw: saw}
	}
	key := func(k facts.Key) facts.Seen[facts.Key] { return facts.Known(k, "file:/key") }
	table := []row{
		{name: "clean", fault: imageClean, want: want{status: Pass, says: "no key, fingerprint or registration file"}},
		{name: "hybrid key", fault: left(func(r *facts.Registration) {
			r.Hybrid = key(facts.Key{InstanceID: "mi-0f1e2d3c4b5a69788", HasPrivate: true})
		}),
			want: named("Vault/Store/RegistrationKey (mi-0f1e2d3c4b5a69788)", "Vault/Store/RegistrationKey: mi-0f1e2d3c4b5a69788 (file:/key)")},
		{name: "key without an id", fault: left(func(r *facts.Registration) { r.Hybrid = key(facts.Key{HasPrivate: true}) }), want: named("Vault/Store/RegistrationKey (a private key)", "")},
		{name: "EC2 key", fault: left(func(r *facts.Registration) { r.EC2 = key(facts.Key{InstanceID: "i-0a1b2c3d4e5f60718"}) }), want: named("Vault/Store/EC2RegistrationKey (i-0a1b2c3d4e5f60718)", "")},
		{name: "cleared key", fault: left(func(r *facts.Registration) { r.Hybrid = key(facts.Key{}) }), want: want{status: Pass}},
		{name: "fingerprint", fault: left(func(r *facts.Registration) { r.Fingerprint = facts.Known(facts.Fingerprint{}, "file:/fp") }), want: named("Vault/Store/InstanceFingerprint (exists)", "Vault/Store/InstanceFingerprint: exists (file:/fp)")},
		{name: "registration file", fault: left(func(r *facts.Registration) {
			r.Informational = facts.Known(facts.Informational{InstanceID: "mi-0f1e2d3c4b5a69788"}, "file:/registration")
		}), want: named("registration (mi-0f1e2d3c4b5a69788)", "registration: mi-0f1e2d3c4b5a69788 (file:/registration)")},
		{name: "all of it", kind: "hybrid", want: named("Vault/Store/RegistrationKey (mi-0f1e2d3c4b5a69788)", "Vault/Store/InstanceFingerprint: exists")},
		{name: "vault unread", fault: left(func(r *facts.Registration) {
			r.EC2 = facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot)
		}), want: want{status: Unknown, says: "registration: permission denied"}},
		{name: "fingerprint unread", fault: left(func(r *facts.Registration) { r.Fingerprint = facts.Unknown[facts.Fingerprint]("is not JSON", "") }), want: want{status: Unknown, says: "registration: is not JSON"}},
		{name: "registration file unread", fault: left(func(r *facts.Registration) { r.Informational = facts.Seen[facts.Informational]{} }), want: want{status: Unknown, says: "registration: not looked at"}},
	}
	judge(t, ImageRegistration, table)
	judgeUnread(t, ImageRegistration, table)
	judgeImageFix(t, ImageRegistration, table[1].fault, "rm -rf {root}{data}/Vault", "(Join-Path {data} Vault)")
}
