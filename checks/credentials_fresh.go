package checks

import (
	"fmt"
	"regexp"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "credentials-fresh", Group: "credentials", Title: "The agent's credentials are fresh",
	Causes: []string{"credentials-stale"},
	Needs: []string{"agent-service", "imds-reachable", "credential-source", "instance-profile-trust", "dhmc-role", "hybrid-role", "registration-known", "registration-fingerprint",
		"clock", "tls-trust", "proxy", "proxy-applied", "dns", "dns-pin", "dns-private", "network-egress", "permission-registration", "disk-space", "disk-inodes", "filesystem-writable"},
	Doc: "The agent renews its credentials halfway to their end. Stored credentials that are past their end while the agent runs, is not waiting, and fresh ones could be had, mean that it holds on to old or failed ones. On a full disk that record is not kept, so that nothing can be told from it alone.",
	Eval: func(f *facts.Facts) Finding {
		r, ok := f.Credentials.Runtime.Get()
		if !ok {
			if f.Credentials.Runtime.Absent() {
				return skip("the agent has not stored a state of credentials")
			}
			return unknown("runtime configuration: %s", f.Credentials.Runtime.Reason())
		}
		if r.ExpiresAt.IsZero() || r.ExpiresAt.Year() <= 1 {
			return skip("no expiry is recorded")
		}
		if r.ExpiresAt.After(f.CollectedAt) {
			return pass("valid until %s, obtained %s", clockTime(f, r.ExpiresAt), ago(f, r.RetrievedAt))
		}
		if s := lastSuccess(f); s.At.After(r.ExpiresAt) {
			return pass("renewed since the recorded end")
		}
		if running, known := coreRunning(f); !known || !running {
			return skip("the agent does not run")
		}
		if b, ok := f.Log.Backoff.Get(); ok && b.Until.After(f.CollectedAt) {
			return skip("expired; the agent waits to retry until %s", clockTime(f, b.Until))
		}
		if m := lastNodeFailure(f); m.Last.After(r.RetrievedAt) && age(f, m.Last) < time.Hour && !onlyExpired(f, m) {
			return skip("expired; the agent failed to renew them %s and will retry", ago(f, m.Last))
		}
		mount, full := noRoom(f, f.Credentials.Runtime.From)
		if m := lastNodeFailure(f); full && (!onlyExpired(f, m) || m.Last.Before(r.ExpiresAt)) {
			return unknown("identity_config.json names an end that is past, but no file can be written on %s: the agent may have renewed them since", mount)
		}
		fresh := "could be had"
		if onProfile(f) {
			role, ok := f.IMDS.Role.Get()
			if !ok || role.Code != "Success" || !role.Expires.After(f.CollectedAt) {
				return unknown("expired, and whether fresh ones can be had is not known")
			}
			fresh = "of the role " + role.Name + " are there"
		} else if e := f.Network.Endpoint("ssm"); e == nil || !e.Usable() {
			return unknown("expired, and whether fresh ones can be had is not known")
		}
		fd := fail("credentials-stale", Likely, "the agent's credentials expired %s, although it runs and fresh ones %s; a restart makes it fetch them", ago(f, r.ExpiresAt), fresh).
			sawAt("identity_config.json", fmt.Sprintf("source %s, obtained %s, expired %s", orWord(r.Source, "none"), r.RetrievedAt.UTC().Format(time.RFC3339), r.ExpiresAt.UTC().Format(time.RFC3339)), f.Credentials.Runtime.From, r.ModifiedAt)
		if role, ok := f.IMDS.Role.Get(); ok && onProfile(f) {
			fd = fd.saw("imds GET iam/security-credentials/"+role.Name, "Success, valid until "+role.Expires.UTC().Format(time.RFC3339), f.IMDS.Role.From)
		}
		if m, ok := current(f, facts.SigCredsExpired); ok {
			fd = fd.logged(m)
		}
		if full {
			first := causes.Step{Text: "First free space and inodes on {mount}: on a full disk the agent does not start again", Command: "df -h {mount}; df -i {mount}", Where: causes.OnHost, GOOS: "linux darwin"}
			fd = fd.fix(first).fix(causes.Get("credentials-stale").Fix...).with("mount", mount)
		}
		return fd
	},
})

// onlyExpired reports whether a failure says no more than that the credentials are expired.
func onlyExpired(f *facts.Facts, m facts.Match) bool {
	return m.ID == facts.SigCredsExpired || reExpired.MatchString(m.Text)
}

var reExpired = regexp.MustCompile(`Expired(Token|TokenException)\b|security token included in the request is expired`)
