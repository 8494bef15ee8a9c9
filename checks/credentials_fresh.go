package checks

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// CredentialsFresh is credentials-fresh.
var CredentialsFresh = register(Check{
	ID: "credentials-fresh", Group: "credentials", Title: "The agent's credentials are fresh",
	Station: AtCredentials, Behind: AtAcceptance,
	Causes: []string{"credentials-stale", "credentials-file-damaged"},
	Doc:    "The agent renews its credentials halfway to their end. Stored credentials that are past their end while the agent runs, is not waiting, and fresh ones could be had, mean that it holds on to old or failed ones. On a full disk that record is not kept, so that nothing can be told from it alone. A record, or on a hybrid node a credentials file, that was written by half keeps the agent from renewing them.",
	Eval: func(n *node.Node) Finding {
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
		case !ok:
			return skip("the agent has not stored a state of credentials")
		case r.ExpiresAt.IsZero() || r.ExpiresAt.Year() <= 1:
			return skip("no expiry is recorded")
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
	return stops(n, "credentials-file-damaged", Likely, "%s cannot be read (%s), so that the agent cannot renew its credentials", path, strings.TrimPrefix(what, "damaged: ")).
		saw("read "+path, what, from).logged(n.Log.Current(facts.SigCredsWrite)).with("path", path), true
}

// waitsOrCannotTell is the answer about expired credentials that the agent will
// renew by itself, or of which it cannot be told whether fresh ones can be had.
func waitsOrCannotTell(n *node.Node, r facts.Runtime) (Finding, bool) {
	if b, asleep := n.Sleeping(); asleep == node.Yes {
		return skip("expired; the agent waits to retry until %s", n.ClockTime(b.Until)), true
	}
	m := n.Acceptance.Failed
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

// holderOf is the file system of the innermost directory that was asked for and holds
// a file. That of identity_config.json is asked for itself on Linux only.
func holderOf(n *node.Node, file string) (out facts.FileSystem) {
	for _, fs := range n.Facts.Host.FileSystems.Some() {
		if strings.HasPrefix(file, "file:"+strings.TrimSuffix(fs.Dir, "/")+"/") && len(fs.Dir) > len(out.Dir) {
			out = fs
		}
	}
	return out
}

// saysOnlyExpired reports whether a failure says no more than that the credentials
// are expired.
func saysOnlyExpired(m facts.Match) bool {
	return m.ID == facts.SigCredsExpired || expiredToken.MatchString(m.Text)
}

var expiredToken = regexp.MustCompile(`Expired(Token|TokenException)\b|security token included in the request is expired`)
