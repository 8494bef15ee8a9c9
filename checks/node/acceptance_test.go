package node

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestAcceptance(t *testing.T) {
	t.Parallel()
	noProof := func(f *facts.Facts) {
		emptyLog(f)
		f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
	}
	for _, c := range []struct {
		name    string
		changes []change
		want    Answer
	}{
		{"healthy", nil, Yes},
		{"no proof", []change{noProof}, No},
		{"heartbeat", []change{noProof, entry(facts.SigHealthOK, time.Minute)}, Yes},
		{"heartbeat whose answer is not due", []change{noProof, entry(facts.SigHealthOK, 5*time.Second)}, No},
		{"heartbeat that is too old", []change{noProof, entry(facts.SigHealthOK, 21*time.Minute)}, No},
		{"heartbeat that failed in the same second", []change{noProof, entry(facts.SigHealthOK, time.Minute), entry(facts.SigHealthFailed, time.Minute)}, No},
		{"failure after the heartbeat", []change{noProof, entry(facts.SigHealthOK, 2*time.Minute), entry(facts.SigHealthFailed, time.Minute)}, No},
		{"channel", []change{noProof, entry(facts.SigChannelUp, 10*time.Minute)}, Yes},
		{"credentials of this hour", []change{noProof, entry(facts.SigProfileOK, 50*time.Minute)}, Yes},
		{"credentials of earlier", []change{noProof, entry(facts.SigProfileOK, 70*time.Minute)}, No},
		{"credentials of a silent agent", []change{noProof, entry(facts.SigStart, 3*time.Hour), func(f *facts.Facts) {
			f.Agent.Processes.Value.Core[0].Started = f.CollectedAt.Add(-3 * time.Hour)
			f.Agent.Units.Value[0].ActiveSince = f.CollectedAt.Add(-3 * time.Hour)
		}, entry(facts.SigHealthOK, time.Hour), entry(facts.SigRotation, 10*time.Minute)}, No},
		{"stored credentials", []change{emptyLog}, Yes},
		{"stored credentials that ended", []change{emptyLog, func(f *facts.Facts) { f.Credentials.Runtime.Value.ExpiresAt = f.CollectedAt.Add(-time.Minute) }}, No},
		{"entry ahead of the clock", []change{noProof, entry(facts.SigHealthOK, -time.Hour)}, No},
		{"agent stopped", []change{func(f *facts.Facts) { f.Agent.Processes = facts.Known(facts.Processes{}, "") }}, No},
		{"worker gone", []change{func(f *facts.Facts) { f.Agent.Processes.Value.Worker = nil }}, No},
		{"worker gone, version unread", []change{func(f *facts.Facts) {
			f.Agent.Processes.Value.Worker = nil
			f.Agent.Running, f.Agent.Installed = facts.Seen[string]{}, facts.Seen[string]{}
		}}, Unknown},
		{"log unread", []change{unreadLog}, Unknown},
		{"agent unread", []change{func(f *facts.Facts) { f.Agent = facts.Agent{} }}, Unknown},
		{"no proof, runtime unread", []change{emptyLog, noRuntime}, Unknown},
	} {
		a := hostWith(t, "profile", c.changes...).Acceptance
		if a.Now != c.want || (a.Now == Yes) == a.Proof.At.IsZero() {
			t.Errorf("%s: %s, proof %+v, failed %s", c.name, a.Now, a.Proof, a.Failed.ID)
		}
	}
}

// TestFailedRegistrationOfAnInstance: an instance needs none, so it says nothing.
func TestFailedRegistrationOfAnInstance(t *testing.T) {
	t.Parallel()
	if got := hostWith(t, "profile", entry(facts.SigRegisterFailed, time.Minute)).Acceptance; got.Failed.ID != "" || got.Now != Yes {
		t.Errorf("%+v", got)
	}
	if got := hostWith(t, "hybrid", entry(facts.SigRegisterFailed, time.Second)).Acceptance; got.Failed.ID != facts.SigRegisterFailed {
		t.Errorf("%+v", got)
	}
}

func TestConnected(t *testing.T) {
	t.Parallel()
	socks := func(s ...facts.Socket) change {
		return func(f *facts.Facts) { f.Agent.Channel = facts.Known(s, "") }
	}
	for name, c := range map[string]struct {
		change change
		want   Answer
	}{
		"one": {socks(facts.Socket{}), Yes}, "none": {socks(), No}, "dead": {socks(facts.Socket{Retransmits: deadRetransmits}), No},
		"unread": {func(f *facts.Facts) { f.Agent.Channel = facts.Unknown[[]facts.Socket]("hidden", "") }, Unknown},
	} {
		if got := hostWith(t, "profile", c.change).Acceptance.Connected; got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
