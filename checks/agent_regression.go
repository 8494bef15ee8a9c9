package checks

import (
	"fmt"
	"time"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "agent-regression", Group: "agent", Title: "No update broke an agent that worked",
	Causes: []string{"agent-version-regression"},
	Needs: []string{"agent-installed", "agent-config", "agent-exec", "agent-packaging", "disk-space", "disk-inodes", "filesystem-writable", "state-dir-access",
		"imds-reachable", "dns", "network-egress", "tls-trust", "proxy", "clock"},
	Doc: "Compares the versions that started, from audit files and log, with the last accepted call: an older version that was accepted, followed by another that never was and keeps ending, " +
		"points at the update. It needs the history on this host; lists of known bad releases age and are not kept.",
	Eval: func(f *facts.Facts) Finding {
		vs := f.Agent.Versions
		if len(vs) < 2 {
			return skip("only one version on record")
		}
		last := vs[len(vs)-1]
		first := last // first start of the run of starts of the present version
		var before *facts.VersionStart
		for i := len(vs) - 1; i >= 0; i-- {
			if vs[i].Version != last.Version {
				before = &vs[i]
				break
			}
			first = vs[i]
		}
		if before == nil {
			return skip("only one version on record")
		}
		ok := lastSuccess(f)
		if ok.At.After(first.At) {
			return pass("%s works; %s ran before", last.Version, before.Version)
		}
		if _, managed := Managed(f); managed {
			return pass("%s works; %s ran before", last.Version, before.Version)
		}
		trouble, what := troubleSince(f, first.At)
		if ok.At.IsZero() && !ranLong(vs, before, first) || trouble == nil {
			return unknown("%s followed %s; nothing tells whether either worked", last.Version, before.Version)
		}
		fd := fail("agent-version-regression", Possible, "agent %s fails (%s) since it replaced %s, which worked", last.Version, what, before.Version).
			sawAt("first start of "+last.Version, last.Version, "file:audits", first.At).
			sawAt("last start of "+before.Version, before.Version, "file:audits", before.At).
			with("version", before.Version)
		if !ok.At.IsZero() {
			fd = fd.sawAt("last accepted call", ok.What, ok.From, ok.At)
		}
		fd.Evidence = append(fd.Evidence, trouble...)
		return withPackage(f, fd)
	},
})

// ranLong reports whether the earlier version ran for more than an hour without a restart.
func ranLong(vs []facts.VersionStart, before *facts.VersionStart, first facts.VersionStart) bool {
	return before != nil && first.At.Sub(before.At) > time.Hour && len(vs) > 1
}

// troubleSince is evidence that the agent itself ends or breaks since a time.
func troubleSince(f *facts.Facts, since time.Time) (ev []Evidence, what string) {
	for _, id := range []string{facts.SigPanic, facts.SigBusStart, facts.SigDocWorker, facts.SigWorkerRestart, facts.SigStream, facts.SigStartFailed} {
		if m, ok := f.Log.Last(id); ok && !m.Last.Before(since) {
			ev = append(ev, Evidence{What: "agent log", Seen: m.Text, From: "file:" + m.File, At: stamp(m.Last)})
			if what == "" {
				what = "its log says " + quote(cut(m.Text, 120))
			}
		}
	}
	if u := mainUnit(f); u != nil && (u.Active == "failed" || u.Active == "activating") {
		s := fmt.Sprintf("%s (%s), exit status %d, %d restarts", u.Active, u.Sub, u.ExitStatus, u.Restarts)
		ev = append(ev, Evidence{What: "state of " + u.Name, Seen: s, From: "systemctl:" + u.Name})
		if what == "" {
			what = s
		}
	}
	return ev, what
}

// cut shortens text to n bytes at a rune boundary.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
