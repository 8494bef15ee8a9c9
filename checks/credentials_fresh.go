package checks

import (
	"fmt"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// CredentialsFresh is credentials-fresh.
var CredentialsFresh = register(Check{
	ID: "credentials-fresh", Group: "credentials", Title: "The agent's credentials are fresh",
	Station: AtCredentials, Behind: AtAcceptance,
	Causes: []string{"credentials-stale", "credentials-file-damaged"},
	Doc: "The agent gets credentials at its start and renews them halfway to their end. Until then it holds what it has, whatever changes around it. A fault is named in four cases: AWS refuses the credentials it holds; they are of a profile " +
		"that is gone and no longer work; they have expired and fresh ones could be had; or it failed to get any, does not try again, and could have them now. On a full disk the agent keeps no record of them, so nothing can be told from it alone. " +
		"A half-written record, or on a hybrid node a half-written credentials file, keeps the agent from renewing them.",
	Eval: func(n *node.Node) Finding {
		if fd, ok := heldRefused(n); ok {
			return fd
		}
		if fd, ok := heldOfOldProfile(n); ok {
			return fd
		}
		seen := n.Facts.Credentials.Runtime
		r, ok := seen.Get()
		if fd, damaged := damagedCredentials(n); damaged {
			return fd
		}
		if n.Facts.Credentials.RootFile.Value.ParseError != "" && n.Identity.Hybrid == node.Unknown {
			return unreadHybrid(n)
		}
		switch {
		case seen.Unknown():
			return unread("runtime configuration", seen)
		case !ok || r.ExpiresAt.IsZero() || r.ExpiresAt.Year() <= 1:
			return neverObtained(n, ok)
		case r.ExpiresAt.After(n.Now()) && n.Log.Read() != node.Yes:
			return unreadLog(n) // they may be refused
		case r.ExpiresAt.After(n.Now()):
			return pass("valid until %s, obtained %s", n.ClockTime(r.ExpiresAt), n.Ago(r.RetrievedAt))
		case n.Acceptance.Last.At.After(r.ExpiresAt):
			return pass("renewed since the recorded end")
		case n.Agent.Core == node.No:
			return skip("the agent does not run")
		case n.Agent.Core == node.Unknown:
			return unread("processes", n.Facts.Agent.Processes)
		case n.Log.Read() != node.Yes:
			return unreadLog(n)
		}
		if fd, ok := waitsOrCannotTell(n, r); ok {
			return fd
		}
		fresh := text.New("could be had")
		if n.Credentials.OnProfile == node.Yes {
			fresh = text.New("of the role %s are there", n.Identity.Role)
		}
		fd := stops(n, "credentials-stale", Likely, "the agent's credentials expired %s, although it runs and fresh ones %s; a restart makes it fetch them", n.Ago(r.ExpiresAt), fresh).
			sawAt("identity_config.json", fmt.Sprintf("source %s, obtained %s, expired %s", text.Or(r.Source, "none"), text.Stamp(r.RetrievedAt), text.Stamp(r.ExpiresAt)), seen.From, r.ModifiedAt)
		if role, ok := n.Facts.IMDS.Role.Get(); ok && n.Credentials.OnProfile == node.Yes {
			fd = fd.saw("imds GET iam/security-credentials/"+role.Name, "Success, valid until "+text.Stamp(role.Expires), n.Facts.IMDS.Role.From)
		}
		fd = fd.logged(n.Log.Current(facts.SigCredsExpired))
		if mount, full := fullAt(n, seen.From); full {
			first := causes.Step{Text: "First free space and inodes on {mount}: on a full disk the agent does not start again", Command: "df -h {mount}; df -i {mount}", Where: causes.OnHost, GOOS: "linux darwin"}
			return fd.fix(first).fix(causes.Get("credentials-stale").Fix...).with("mount", mount)
		}
		return withFlush(n, fd)
	},
})

// damagedCredentials finds a file of the agent's credentials that it cannot read: its
// record of them, without which the agent does not begin to renew them at its start, or
// the file that a hybrid agent stores them in, which it does not overwrite unasked.
// Source: amazon-ssm-agent, core/app/credentialrefresher/credentialrefresher.go; its
// README.md on ForceUpdateCreds.
func damagedCredentials(n *node.Node) (Finding, bool) {
	record, shared := n.Facts.Credentials.Runtime, n.Facts.Credentials.RootFile
	from, what := record.From, record.Reason()
	if file, ok := shared.Get(); n.Identity.Hybrid == node.Yes && ok && file.ParseError != "" && record.Obstacle() != facts.Damaged {
		from, what = shared.From, file.ParseError
	} else if record.Obstacle() != facts.Damaged {
		return Finding{}, false
	}
	path := strings.TrimPrefix(from, "file:")
	if mount, full := fullAt(n, from); full { // what is written there is cut off
		return unknown("%s cannot be read (%s), as it goes on the full %s: what is damaged beside that is seen once there is space", path, strings.TrimPrefix(what, "damaged: "), mount).saw("read "+path, what, from), true
	}
	return stops(n, "credentials-file-damaged", Likely, "%s cannot be read (%s), so that the agent cannot renew its credentials", path, strings.TrimPrefix(what, "damaged: ")).
		saw("read "+path, what, from).logged(n.Log.Current(facts.SigCredsWrite)).with("path", path), true
}

// heldRefused is the finding of an agent whose credentials AWS refuses, and has accepted
// nothing since; false: they are not, or nothing can be told.
func heldRefused(n *node.Node) (Finding, bool) {
	held := n.Credentials.Held
	m := held.Refused
	ssm := n.Endpoints.Of("ssm")
	switch {
	case !m.Yes(), n.Agent.Core == node.No, n.Acceptance.Now == node.Yes, n.Acceptance.Last.At.After(m.Last):
		return Finding{}, false
	case n.Log.CurrentCredentials(facts.SigCredsFailed, facts.SigDHMCOff, facts.SigDHMCFailed, facts.SigNotYetRegistered, facts.SigCredsExpired).Yes():
		return Finding{}, false // it tried to renew them, and what keeps it from that is for others
	case n.Log.Read() != node.Yes, n.Agent.Core == node.Unknown:
		return unknown("AWS refused the agent's credentials %s; what came after was not read", n.Ago(m.Last)), true
	case ssm == nil || !ssm.Usable():
		return unknown("AWS refused the agent's credentials %s, and whether fresh ones can be had is not known", n.Ago(m.Last)), true
	}
	fd := blocks("credentials-stale", Likely, "AWS refuses the credentials that the agent holds, last %s (%s)", n.Ago(m.Last), text.Cut(m.Text, 80)).logged(m)
	if at := held.Renewal(); at.After(n.Now()) {
		fd = fd.add("; it renews them at %s, in %s, and a restart does so now", n.ClockTime(at), text.Span(at.Sub(n.Now())))
	} else {
		fd = fd.add("; a restart makes it fetch others")
	}
	if !held.Since.IsZero() {
		fd = fd.sawAt("credentials in use", text.Or(held.Source, "source not known")+", until "+text.Stamp(held.Until), held.From, held.Since)
	}
	id := n.Called(facts.SourceProfile)
	switch role, ok := n.Facts.IMDS.Role.Get(); {
	case n.Identity.OnEC2 != node.Yes || n.Identity.Hybrid == node.Yes:
	case n.Facts.IMDS.Profile.Absent():
		fd = fd.add(". No instance profile is attached: unless Default Host Management is on, attach one first").
			saw("imds GET iam/info", "404, no instance profile attached", n.Facts.IMDS.Profile.From).
			fix(causes.Step{Text: "Attach an instance profile first, unless Default Host Management is on in this Region", Command: causes.AttachProfile[0].Command, Where: causes.OperatorCLI}).
			fix(causes.Get("credentials-stale").Fix...)
	case id != nil && id.Outcome == facts.CallRefused:
		return unknown("AWS refuses the credentials that the agent holds, and those of the instance profile as well: %s", text.Or(id.Code, "no code")), true
	case ok && role.Code == "Success":
		fd = fd.saw("imds GET iam/security-credentials/"+role.Name, "Success, valid until "+text.Stamp(role.Expires), n.Facts.IMDS.Role.From)
	}
	return fd, true
}

// heldOfOldProfile is the finding of an agent that holds credentials of a profile which
// the instance no longer has, and with which it does not get all it needs.
func heldOfOldProfile(n *node.Node) (Finding, bool) {
	held := n.Credentials.Held
	if held.Replaced != node.Yes || n.Agent.Core != node.Yes || n.Log.Read() != node.Yes {
		return Finding{}, false
	}
	m := n.Log.CurrentChannel(facts.SigChannelToken, facts.SigChannelFailed)
	if !m.Yes() || !node.SaysRefused(m.Text) {
		m = n.Log.CurrentChannel(facts.SigChannelMDS)
	}
	if r := n.Log.Current(facts.SigHealthFailed); r.Yes() {
		m = r
	}
	if !m.Yes() || m.Last.Before(held.Since) || n.Log.StartedAfter(m.Match) {
		return Finding{}, false
	}
	now := text.New("which no longer is attached")
	if n.Identity.Role != "" {
		now = text.New("which the role %s has replaced", n.Identity.Role)
	}
	fd := blocks("credentials-stale", Likely, "the agent still signs with the credentials of an earlier instance profile, %s, and is refused with them; a restart makes it fetch others", now).
		logged(m).sawAt("credentials in use", "of an instance profile, until "+text.Stamp(held.Until), held.From, held.Since).
		saw("imds GET iam/info", text.Or(n.Facts.IMDS.Profile.Value.Name, "404, no instance profile attached"), n.Facts.IMDS.Profile.From)
	return ends(n, time.Time{}, fd), true
}

// longestSleep is the longest wait of an agent that failed to get credentials, with
// which it begins anew. Source: amazon-ssm-agent, core/app/credentialrefresher.
const longestSleep = time.Hour

// neverObtained is the finding of an agent without credentials that failed to get any,
// although they could be had now, and has slept longer than it ever does.
func neverObtained(n *node.Node, stored bool) Finding {
	none := skip("no expiry is recorded")
	if !stored {
		none = skip("the agent has not stored a state of credentials")
	}
	m := n.Acceptance.Failed
	switch {
	case n.Acceptance.Now != node.No || n.Agent.Core != node.Yes || n.Agent.Worker != node.No || n.Log.Read() != node.Yes || n.Credentials.OnProfile != node.Yes,
		m.ID == "" || n.Age(m.Last) < longestSleep || n.Acceptance.Last.At.After(m.Last) || n.Log.StartedAfter(m):
		return none
	}
	role, ok := n.Facts.IMDS.Role.Get()
	ssm := n.Endpoints.Of("ssm")
	id := n.Called(facts.SourceProfile)
	answered, denied := n.ReadsDenied()
	if !ok || role.Code != "Success" || !role.Expires.IsZero() && !role.Expires.After(n.Now()) || ssm == nil || !ssm.Usable() || (id == nil || id.Outcome != facts.CallOK) && answered == 0 || answered > 0 && denied {
		return none
	}
	return stops(n, "credentials-stale", Likely, "the agent failed to get credentials %s and has not tried again, although the role %s gives them now; restart it", n.Ago(m.Last), role.Name).
		sawAt("agent log", m.Text, "file:"+m.File, m.Last).
		saw("imds GET iam/security-credentials/"+role.Name, "Success, valid until "+text.Stamp(role.Expires), n.Facts.IMDS.Role.From)
}

// waitsOrCannotTell is the answer about expired credentials that the agent will
// renew by itself, or of which it cannot be told whether fresh ones can be had.
func waitsOrCannotTell(n *node.Node, r facts.Runtime) (Finding, bool) {
	if b, asleep := n.Sleeping(); asleep == node.Yes {
		return skip("expired; the agent waits to retry until %s", n.ClockTime(b.Until)), true
	}
	m := n.Acceptance.Failed
	if e := n.Log.CurrentCredentials(facts.SigCredsFailed, facts.SigDHMCOff, facts.SigDHMCFailed); e.Yes() && saysOnlyExpired(m) {
		m = e.Match
	}
	if m.Last.After(r.RetrievedAt) && n.Age(m.Last) < time.Hour && !saysOnlyExpired(m) {
		return skip("expired; the agent failed to renew them %s and will retry", n.Ago(m.Last)), true
	}
	if mount, full := fullAt(n, n.Facts.Credentials.Runtime.From); full && (!saysOnlyExpired(m) || m.Last.Before(r.ExpiresAt)) {
		return unknown("identity_config.json names an end that is past, but no file can be written on %s: the agent may have renewed them since", mount), true
	}
	if n.Facts.Host.FileSystems.Unknown() {
		return unread("whether the agent can store renewed credentials", n.Facts.Host.FileSystems), true
	}
	if usage := holderOf(n, n.Facts.Credentials.Runtime.From).Usage; usage.Unknown() {
		return unread("whether the agent can store renewed credentials", usage), true
	}
	role, ok := n.Facts.IMDS.Role.Get()
	ssm := n.Endpoints.Of("ssm")
	if n.Credentials.Source == "" || n.Credentials.OnProfile == node.Yes && (!ok || role.Code != "Success" || !role.Expires.After(n.Now())) ||
		n.Credentials.OnProfile != node.Yes && (ssm == nil || !ssm.Usable()) {
		return unknown("expired, and whether fresh ones can be had is not known"), true
	}
	return Finding{}, false
}

// fullAt reports whether the file system that holds a file can take nothing new, and
// where it is mounted. The file is given as a file: URL.
func fullAt(n *node.Node, file string) (mount string, full bool) {
	fs := holderOf(n, file)
	u, ok := fs.Usage.Get()
	return text.Or(fs.Mount, fs.Dir), ok && (u.FreeBytes < fullBytes || lacksInodes(u))
}

// saysOnlyExpired reports whether a failure says no more than that the credentials
// are expired.
func saysOnlyExpired(m facts.Match) bool {
	return m.ID == facts.SigCredsExpired || expiredToken.MatchString(m.Text)
}

var expiredToken = pattern.New(`Expired(Token|TokenException)\b|security token included in the request is expired`)
