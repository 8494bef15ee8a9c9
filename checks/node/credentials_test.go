package node

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
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
		want := Credentials{Source: c.source, Next: c.next, OnProfile: c.onProfile, OnDHMC: c.onDHMC}
		if got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}
