package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func fingerprintOfOther(f *facts.Facts) {
	f.Registration.Fingerprint.Value.MachineIDMatches = facts.Known(false, "")
}

func fingerprintLog(signature, text string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		log(f, signature, time.Minute, "ERROR "+text)
	}
}

func TestRegistrationFingerprint(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "an EC2 instance", want: want{status: Skip, says: "no hybrid registration in use"}},
		{name: "healthy", kind: "hybrid", want: want{status: Pass, says: "no mismatch seen"}},
		{name: "another machine-id", kind: "hybrid", fault: func(f *facts.Facts) { neverAccepted(f); fingerprintOfOther(f) }, want: want{status: Fail, effect: Blocks, cause: "registration-cloned-image", confidence: Proven, says: "copied from another machine", saw: "differs from this machine's"}},
		{name: "another machine-id, still accepted", kind: "hybrid", fault: fingerprintOfOther, want: want{status: Warn, effect: Breaks, cause: "registration-cloned-image", says: "refused at its next start"}},
		{name: "hardware id in the log", kind: "hybrid", fault: fingerprintLog(facts.SigHardwareID, "The hardware ID (***) does not match"), want: want{status: Fail, effect: Blocks, cause: "registration-cloned-image", confidence: Likely}},
		{name: "drift", kind: "hybrid", fault: fingerprintLog(facts.SigHardwareDrift, "changed more than the allowed threshold"), want: want{status: Fail, effect: Blocks, cause: "fingerprint-mismatch", confidence: Likely, says: "past the similarity threshold", saw: "similarity threshold"}},
		{name: "refused", kind: "hybrid", fault: fingerprintLog(facts.SigFingerprint, "MachineFingerprintDoesNotMatch"), want: want{status: Fail, effect: Blocks, cause: "fingerprint-mismatch", says: "refuses this machine's fingerprint"}},
		{name: "refused, registered again", kind: "hybrid", fault: func(f *facts.Facts) {
			fingerprintLog(facts.SigFingerprint, "MachineFingerprintDoesNotMatch")(f)
			f.Registration.Hybrid.Value.CreatedAt = f.CollectedAt.Add(-30 * time.Second)
		}, want: want{status: Fail, effect: Blocks, cause: "fingerprint-mismatch", says: "was registered again as mi-"}},
		{name: "refused, registered again and started", kind: "hybrid", fault: func(f *facts.Facts) {
			fingerprintLog(facts.SigFingerprint, "MachineFingerprintDoesNotMatch")(f)
			f.Registration.Hybrid.Value.CreatedAt = f.CollectedAt.Add(-30 * time.Second)
			log(f, facts.SigStart, 20*time.Second, "amazon-ssm-agent - v3.3.3050.0")
		}, want: want{status: Unknown, says: "started since"}},
		{name: "damaged", kind: "hybrid", fault: fingerprintLog(facts.SigFingerprintBad, "saved machine configuration could not be loaded"), want: want{status: Warn, says: "was damaged and made again"}},
		{name: "fingerprint unread", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Registration.Fingerprint = facts.Unknown[facts.Fingerprint]("permission denied", "")
		}, want: want{status: Unknown, says: "fingerprint: permission denied"}},
		{name: "log unread", kind: "hybrid", fault: unreadLogOf, want: want{status: Unknown, says: "permission denied"}},
	}
	judge(t, RegistrationFingerprint, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, RegistrationFingerprint, table) })
}
