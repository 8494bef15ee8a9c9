package checks

import (
	"fmt"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "agent-backoff", Group: "agent", Title: "The agent is not asleep after a fault that is gone",
	Causes: []string{"agent-backoff-wait"},
	Needs:  append([]string{"agent-service", "agent-stable", "agent-regression", "profile-vs-dhmc", "permission-channel"}, acceptance...),
	Doc: "After a refusal the agent sleeps up to 30 minutes, after other errors up to 60, and from the fourth failure on its log says nothing at the default level. When nothing stands in the way any more, " +
		"a restart makes it try at once. Whether the retry will be accepted is known only after it.",
	Eval: func(f *facts.Facts) Finding {
		if running, known := coreRunning(f); known && !running {
			return skip("the agent does not run")
		}
		if p, ok := Managed(f); ok {
			return pass("awake, accepted %s", ago(f, p.At))
		}
		failed := lastNodeFailure(f)
		if failed.ID == "" {
			return skip("no failure on record")
		}
		if startedAfter(f, failed) {
			return skip("the agent was started after its last failure")
		}
		if lastSuccess(f).At.After(failed.Last) {
			return pass("accepted after its last failure")
		}
		if held, why := stillRefused(f); held {
			return unknown("%s", why)
		}
		b, sleeping := f.Log.Backoff.Get()
		sleeping = sleeping && b.Until.After(f.CollectedAt)
		until := failed.Last.Add(time.Hour)
		when := "within an hour of its last failure, that is before " + clockTime(f, until)
		if sleeping {
			until = b.Until
			when = fmt.Sprintf("at %s, in %s", clockTime(f, until), span(b.Until.Sub(f.CollectedAt)))
		} else if w, known := workerRunning(f); !known || w || until.Before(f.CollectedAt) {
			return skip("not asleep")
		}
		fd := Finding{Status: Fail, Cause: "agent-backoff-wait", Severity: causes.Info, Confidence: Likely,
			Summary: fmt.Sprintf("the agent still sleeps after an earlier failure and retries %s; wait, or restart it", when)}
		fd = fd.logged(failed).with("until", clockTime(f, until))
		if sleeping {
			fd = fd.sawAt("back-off", fmt.Sprintf("sleeping %s until %s", span(time.Duration(b.Seconds)*time.Second), clockTime(f, b.Until)), "file:agent log", b.Since)
			fd = fd.with("minutes", fmt.Sprint(int(b.Until.Sub(f.CollectedAt).Minutes())+1))
		}
		if u := mainUnit(f); u != nil {
			fd = fd.with("unit", u.Name)
		}
		for _, r := range loggedRefusals(f) {
			if r.Denied && r.Refusal.Action == heartbeat {
				fd = fd.fix(causes.Get(fd.Cause).Fix...).fix(causes.Step{Where: causes.OperatorCLI,
					Text:    "If it is refused again, the permission is still missing or still denied: see what the role allows",
					Command: "aws iam simulate-principal-policy --policy-source-arn arn:{partition}:iam::{account}:role/{role} --action-names " + heartbeat}).with("role", roleOf(f, r))
				break
			}
		}
		return fd
	},
})

// stillRefused reports whether the latest failure may well stand: a refusal
// that no probe of this run contradicts.
func stillRefused(f *facts.Facts) (bool, string) {
	if core := f.Network.Endpoint("ssm"); core == nil || !core.Usable() {
		return true, "whether the fault is gone cannot be told without an answer of the ssm endpoint"
	}
	if n, all := readsDenied(f); n > 0 && all {
		return true, "the identity in use is refused the harmless reads as well"
	}
	if onProfile(f) {
		if r, ok := f.IMDS.Role.Get(); !ok || r.Code != "Success" || !r.Expires.IsZero() && !r.Expires.After(f.CollectedAt) {
			return true, "whether the fault is gone cannot be told without valid credentials of the instance profile"
		}
		// These come fresh from the metadata service, not from what the agent stored.
		if id := identity(f, facts.SourceProfile); id != nil && id.Outcome == "refused" {
			return true, "the credentials of the instance profile are refused by AWS: " + orWord(id.Code, "no code")
		}
		if code := undecided(f); code != "" {
			return true, "this run's own reads with the instance profile are not answered either: " + code
		}
	}
	return false, ""
}

// undecided is the error code of this run's reads with the identity in use, when
// all of them ended in one that says nothing of rights; empty otherwise.
func undecided(f *facts.Facts) string {
	code := ""
	for _, p := range f.Permissions.Actions {
		if p.Identity != source(f) {
			continue
		}
		if p.Verdict != facts.Inconclusive || p.Code == "" {
			return ""
		}
		code = p.Code
	}
	return code
}

// clockTime renders a time as the host's own clock shows it.
func clockTime(f *facts.Facts, t time.Time) string {
	if off, ok := f.Host.UTCOffset.Get(); ok && off != 0 {
		return t.In(time.FixedZone("", off)).Format("15:04:05 -07:00")
	}
	return t.UTC().Format("15:04:05 UTC")
}
