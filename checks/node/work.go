package node

import (
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// DefaultUser is the user that the agent makes for sessions.
const DefaultUser = "ssm-user"

// Unmended is the latest entry of the last day with a signature that no success of
// the same kind, named by its signatures, came after.
func (l Log) Unmended(id string, by ...string) Entry {
	e := l.Recent(id)
	if !e.Yes() {
		return e
	}
	if isAhead(l.f, e.Last) {
		return l.missing()
	}
	for _, s := range by {
		if m, ok := l.byID[s]; ok && m.Last.After(e.Last) && !isAhead(l.f, m.Last) {
			return l.missing()
		}
	}
	return e
}

// Near reports whether an entry of another signature was written within a while of e:
// it is of the same event.
func (l Log) Near(e Entry, within time.Duration, ids ...string) bool {
	return slices.ContainsFunc(ids, func(id string) bool {
		m, ok := l.byID[id]
		return ok && (m.Last.Sub(e.Last).Abs() <= within || m.Before.Sub(e.Last).Abs() <= within)
	})
}

// BucketRE and LogGroupRE find what an entry of the log names as the place of output.
var (
	BucketRE   = pattern.New(`s3://([a-zA-Z0-9.-]{3,63})/`)
	LogGroupRE = pattern.New(`Log group "([^"\s]{1,512})"`)
)

// userRE are the forms in which the agent's log names the user of a session.
// Source: amazon-ssm-agent, agent/session/shell and agent/session/utility.
var userRE = []*pattern.Pattern{
	pattern.New(`RunAs user (\S{1,100}) does not exist`),
	pattern.New(`Failed to retrieve (?:uid|gid|groups) for (\S{1,100}):`),
	pattern.New(`Failed to create (\S{1,100}):`),
}

// SessionUser is the user of a session that an entry of the log names; empty: none.
func SessionUser(entry string) string {
	for _, re := range userRE {
		if m := re.FindStringSubmatch(entry); m != nil && m[1] != facts.Gap {
			return m[1]
		}
	}
	return ""
}

// SessionUsers are the users that sessions run as, as far as the log tells.
func SessionUsers(list []facts.Match) []string {
	out := []string{DefaultUser}
	for _, m := range list {
		switch m.ID {
		case facts.SigRunAsMissing, facts.SigUserNotMade, facts.SigUserUnreadable:
			if u := SessionUser(m.Text); u != "" && !slices.Contains(out, u) {
				out = append(out, u)
			}
		}
	}
	return out
}

// HasUser reports whether a local user is there, and was not when an entry was
// written: the file of users was changed since.
func (n *Node) HasUser(name string, e Entry) (there, madeSince bool) {
	u, ok := n.Facts.Work.Users.Get()
	there = ok && slices.Contains(u.Named, name)
	return there, there && u.Changed.After(e.Last)
}

// SaysUnreachable reports whether an entry of the log says that a connection to AWS
// failed.
func SaysUnreachable(entry string) bool {
	low := strings.ToLower(entry)
	for _, s := range []string{"dial tcp", "i/o timeout", "no such host", "tls handshake timeout", "x509: ", "connection reset by peer"} {
		if strings.Contains(low, s) {
			return true
		}
	}
	return false
}
