package node

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	noProfile := func(f *facts.Facts) {
		f.IMDS.Profile, f.IMDS.Role = facts.Absent[facts.Profile]("404", "imds"), facts.Absent[facts.Role]("404", "imds")
	}
	profileUnread := func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer in time", "imds") }
	source := func(s string, has bool) fault {
		return func(f *facts.Facts) {
			f.Credentials.Runtime.Value.Source, f.Credentials.Runtime.Value.HasSource = s, has
		}
	}
	dhmc := func(before time.Duration) fault { return entry(facts.SigDHMCOK, before, "") }
	profile := func(before time.Duration) fault { return entry(facts.SigProfileOK, before, "") }
	for _, c := range []struct {
		name, kind        string
		fault             fault
		source, next      string
		onProfile, onDHMC Answer
	}{
		{"profile", "profile", nil, facts.SourceProfile, facts.SourceDHMC, Yes, No},
		{"dhmc", "dhmc", nil, facts.SourceDHMC, facts.SourceProfile, No, Yes},
		{"hybrid", "hybrid", nil, facts.SourceHybrid, "", No, No},
		{"task", "task", nil, facts.SourceTask, "", No, No},
		{"registered on EC2", "profile", registeredAs(wholeKey), facts.SourceHybrid, "", No, No},
		{"nothing on EC2", "profile", all(noProfile, source("", true)), facts.SourceNone, facts.SourceDHMC, No, No},
		{"nothing elsewhere", "hybrid", unregistered, facts.SourceNone, "", No, No},
		{"Default Host Management although a profile is attached", "profile", source("SSM", true), facts.SourceDHMC, facts.SourceProfile, No, Yes},
		{"an agent that does not write the source", "profile", all(source("SSM", false), onlyLog(profile(time.Hour), dhmc(2*time.Hour))), facts.SourceProfile, facts.SourceDHMC, Yes, No},
		{"by the log, Default Host Management later", "profile", all(noRuntime, onlyLog(profile(2*time.Hour), dhmc(time.Hour))), facts.SourceDHMC, facts.SourceProfile, No, Yes},
		{"by the log, the profile later", "profile", all(noRuntime, onlyLog(profile(time.Hour), dhmc(2*time.Hour))), facts.SourceProfile, facts.SourceDHMC, Yes, No},
		{"nothing in the log", "profile", all(noRuntime, onlyLog()), facts.SourceProfile, facts.SourceDHMC, Yes, No},
		{"runtime file unread, the profile in the log", "profile", all(runtimeUnread, onlyLog(profile(time.Hour))), facts.SourceProfile, facts.SourceDHMC, Yes, No},
		// The profile is tried first whatever else there is.
		{"runtime file unread, nothing in the log", "profile", all(runtimeUnread, onlyLog()), facts.SourceProfile, facts.SourceDHMC, Yes, Unknown},
		{"runtime file and log unread", "profile", all(runtimeUnread, logUnread), facts.SourceProfile, facts.SourceDHMC, Yes, Unknown},
		{"runtime file and log unread, no profile", "dhmc", all(runtimeUnread, logUnread), "", "", No, Unknown},
		{"profile unread", "profile", profileUnread, "", "", Unknown, No},
		{"profile unread, Default Host Management in use", "dhmc", profileUnread, facts.SourceDHMC, facts.SourceProfile, No, Yes},
		{"vault, runtime file and log unread: no root", "profile", all(vaultUnread, runtimeUnread, logUnread), facts.SourceProfile, facts.SourceDHMC, Yes, Unknown},
		{"vault unread for another reason", "profile", all(noRuntime, func(f *facts.Facts) { f.Registration.Hybrid = facts.Unknown[facts.Key]("input/output error", "") }), "", "", Unknown, No},
		{"vault and runtime file unread elsewhere", "hybrid", all(vaultUnread, runtimeUnread), "", "", No, No},
		{"EC2 or not", "profile", nowhere, "", "", Unknown, No},
		{"EC2 or not, runtime file unread", "profile", all(nowhere, runtimeUnread, onlyLog(profile(time.Hour))), "", "", Unknown, Unknown},
		{"EC2 or not, log unread", "profile", all(nowhere, logUnread), "", "", Unknown, Unknown},
		{"a task on an EC2 instance", "profile", func(f *facts.Facts) { f.ECS.Task = facts.Known(facts.ECSTask{}, "ecs") }, facts.SourceTask, "", No, No},
		{"task or not", "profile", func(f *facts.Facts) { f.ECS = facts.ECS{} }, "", "", Unknown, No},
	} {
		got := nodeOf(t, c.kind, nonNil(c.fault)).Credentials
		got.Held = Held{} // TestHeld
		want := Credentials{Source: c.source, Next: c.next, OnProfile: c.onProfile, OnDHMC: c.onDHMC}
		if got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}

// TestHeld: what a running agent signs with, until when, and whether that still serves.
func TestHeld(t *testing.T) {
	t.Parallel()
	stored := runtimeAt(10*time.Minute, 50*time.Minute)
	refusedAs := func(signature, code, principal string, before time.Duration) fault {
		return func(f *facts.Facts) {
			f.Log.Refusals = facts.Known(append(f.Log.Refusals.Value, facts.Refusal{Refusal: iam.Refusal{Code: code, Principal: principal}, At: f.CollectedAt.Add(-before), Match: signature}), "")
		}
	}
	detached := func(f *facts.Facts) { f.IMDS.Profile = facts.Absent[facts.Profile]("404", "imds") }
	const other = "arn:aws:sts::111122223333:assumed-role/Other/i-0a1b2c3d4e5f60718"
	for _, c := range []struct {
		name     string
		kind     string
		fault    fault
		source   string
		until    time.Duration // from now; 0: not known
		refused  Answer
		replaced Answer
	}{
		{"stored", "profile", stored, facts.SourceProfile, 50 * time.Minute, No, No},
		{"Default Host Management", "dhmc", stored, facts.SourceDHMC, 50 * time.Minute, No, No},
		{"hybrid", "hybrid", stored, facts.SourceHybrid, 50 * time.Minute, No, No},
		{"announced", "profile", all(noRuntime, onlyLog(entry(facts.SigProfileOK, 5*time.Minute, ""), entry(facts.SigRotation, 5*time.Minute, "Next credential rotation will be in 29.5 minutes"))), facts.SourceProfile, 54 * time.Minute, No, No},
		{"not known", "profile", all(noRuntime, onlyLog()), "", 0, No, No},
		{"unknown to AWS", "profile", all(stored, refusedAs(facts.SigMDSFailed, "UnrecognizedClientException", "", time.Minute)), facts.SourceProfile, 50 * time.Minute, Yes, No},
		{"refused before they were obtained", "profile", all(stored, refusedAs(facts.SigMDSFailed, "ExpiredTokenException", "", 20*time.Minute)), facts.SourceProfile, 50 * time.Minute, No, No},
		{"an action refused", "profile", all(stored, refusedAs(facts.SigMDSFailed, "AccessDeniedException", "", time.Minute)), facts.SourceProfile, 50 * time.Minute, No, No},
		{"those of a command", "profile", all(stored, refusedAs("", "ExpiredToken", "", time.Minute)), facts.SourceProfile, 50 * time.Minute, No, No},
		{"profile detached", "profile", all(stored, detached), facts.SourceProfile, 50 * time.Minute, No, Yes},
		{"no profile, and none needed", "dhmc", all(stored, detached), facts.SourceDHMC, 50 * time.Minute, No, No},
		{"another role", "profile", all(stored, refusedAs(facts.SigChannelToken, "AccessDeniedException", other, time.Minute)), facts.SourceProfile, 50 * time.Minute, No, Yes},
		{"another role before", "profile", all(stored, refusedAs(facts.SigChannelToken, "AccessDeniedException", other, 20*time.Minute)), facts.SourceProfile, 50 * time.Minute, No, No},
		{"metadata unread", "profile", all(stored, func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("timeout", "") }), facts.SourceProfile, 50 * time.Minute, No, Unknown},
	} {
		n := nodeOf(t, c.kind, c.fault)
		h := n.Credentials.Held
		until := time.Duration(0)
		if !h.Until.IsZero() {
			until = h.Until.Sub(n.Now()).Round(time.Minute)
		}
		if h.Source != c.source || until != c.until || h.Refused.Found != c.refused || h.Replaced != c.replaced {
			t.Errorf("%s: source %q, until %s, refused %s, replaced %s", c.name, h.Source, until, h.Refused.Found, h.Replaced)
		}
		if at := h.Renewal(); !h.Until.IsZero() && (at.Before(h.Since) || at.After(h.Until)) {
			t.Errorf("%s: renewed at %s", c.name, at)
		}
	}
}
