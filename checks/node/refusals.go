package node

import (
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/text"
)

// Heartbeat is the action that makes a host a managed node.
const Heartbeat = "ssm:UpdateInstanceInformation"

// Refusal is one refused action, from the agent's log or from this program's own reads.
type Refusal struct {
	iam.Refusal
	At    time.Time
	From  string
	Match string // signature of the entry of the log
	Live  bool   // answered in this run
}

// ByUser reports whether the refused principal is an IAM user, so not the node's role.
func (r Refusal) ByUser() bool { return strings.Contains(r.Principal, ":user/") }

// Refusals are the refusals that still say something of this node.
type Refusals struct {
	// Logged are those of the agent's log, latest first; those that name another
	// principal, or what was allowed since, are left out. Read: the log was read, and
	// whose its refusals are is known. Unseen: what of it was not read, when it was not.
	Logged []Refusal
	Read   Answer
	Unseen facts.Unseen
	// Live are those that this run's own reads met with the identity in use, but
	// for names that this program made up. Asked: reads were answered at all.
	Live  []Refusal
	Asked Answer
	// Changed is the latest refusal of the log of something that this run was allowed:
	// the policy changed after it, and refusals up to then say nothing more. Zero: none.
	Changed time.Time
}

// Outdated reports whether a refusal was logged before the policy last changed.
func (r Refusals) Outdated(at time.Time) bool { return !at.After(r.Changed) }

func refusalsOf(n *Node) Refusals {
	f := n.Facts
	out := Refusals{Read: Yes}
	if n.Log.Read() != Yes || f.Log.Refusals.Unknown() {
		out.Read, out.Unseen = Unknown, n.Log.Unseen()
	}
	for _, r := range f.Log.Refusals.Some() {
		// Within a minute the agent meets the same policy with each of its calls.
		if at := r.At.Add(time.Minute); r.Denied && !r.NotIAM && allowedSince(n, r) && at.After(out.Changed) && !isForeign(n, r.Principal) {
			out.Changed = at
		}
	}
	for _, r := range slices.Backward(f.Log.Refusals.Some()) {
		switch {
		case isAhead(f, r.At), allowedSince(n, r), out.Outdated(r.At):
		case !isForeign(n, r.Principal):
			out.Logged = append(out.Logged, Refusal{Refusal: r.Refusal, At: r.At, From: "file:" + text.Or(r.File, "agent log"), Match: r.Match})
		case f.Permissions.Identities.Unknown() && out.Unseen == nil: // it may be of an identity that was not read
			out.Read, out.Unseen = Unknown, f.Permissions.Identities
		}
	}
	for _, a := range f.Permissions.Actions.Some() {
		if a.Identity != n.Credentials.Source {
			continue
		}
		if a.Verdict == facts.AllowedProven || a.Verdict == facts.DeniedProven {
			out.Asked = Yes
		}
		if a.Verdict != facts.DeniedProven || a.Invented {
			continue
		}
		p := a.Refused
		p.Action = text.Or(p.Action, a.Action)
		if path, ok := strings.CutSuffix(p.Resource, facts.MadeUp); ok {
			p.Resource = path + "*" // what was asked about, not the name that was made up for it
		}
		if p.Layer == "" || p.Layer == iam.LayerUnknown {
			p.Layer = text.Or(a.Layer, iam.LayerUnknown)
		}
		out.Live = append(out.Live, Refusal{Refusal: p, At: a.At, From: a.From, Live: true})
	}
	return out
}

// allowedSince reports whether this run was allowed what a refusal of the log is about.
func allowedSince(n *Node, r facts.Refusal) bool {
	for _, p := range n.Facts.Permissions.Actions.Some() {
		if p.Verdict == facts.AllowedProven && !p.Invented && p.Identity == n.Credentials.Source && p.Action == r.Action && p.At.After(r.At) && sameResource(p.Resource, r.Resource) {
			return true
		}
	}
	return false
}

// isForeign reports whether a principal is none of this node's: a role of another
// account, of another instance, or one that the node no longer has. A log may
// come with a machine image, or be older than a change of the role.
func isForeign(n *Node, principal string) bool {
	head, rest, ok := strings.Cut(principal, ":assumed-role/")
	if !ok {
		return false
	}
	identities := n.Facts.Permissions.Identities.Some()
	for _, id := range identities {
		if id.ARN == principal {
			return false
		}
	}
	source, inUse := n.Credentials.Source, n.Called(n.Credentials.Source)
	account := n.Facts.IMDS.Account.Value
	switch {
	case inUse != nil && inUse.Account != "":
		account = inUse.Account
	case source == facts.SourceHybrid:
		account = "" // that of the registration, which may be another than the instance's
	case source == "":
		account = n.Identity.Account
	}
	if account != "" && !strings.HasSuffix(head, ":"+account) {
		return true
	}
	role, session, _ := strings.Cut(rest, "/")
	if isNodeID(session) && n.Identity.ID != "" {
		ours := session == n.Identity.ID || session == n.Facts.IMDS.InstanceID.Value
		for _, id := range identities {
			ours = ours || session == id.Session
		}
		if !ours {
			return true
		}
	}
	now := n.rolesInUse()
	// The instance itself asks for the role of Default Host Management.
	return len(now) > 0 && !slices.Contains(now, role) && role != n.Identity.Role && role != "aws:ec2-instance"
}

// rolesInUse is the role of the source of credentials in use; of a source that could
// not be told, every role that AWS named in this run. Empty: not known.
func (n *Node) rolesInUse() []string {
	var out []string
	for _, id := range n.Facts.Permissions.Identities.Some() {
		ours := id.Source == n.Credentials.Source || n.Credentials.Source == "" && id.Source != facts.SourceShared
		if ours && id.Role != "" {
			out = append(out, id.Role)
		}
	}
	if len(out) == 0 && n.Credentials.Source == facts.SourceProfile && n.Identity.Role != "" {
		out = append(out, n.Identity.Role)
	}
	return out
}

// isNodeID reports whether a session name is that of an instance or managed node.
func isNodeID(session string) bool {
	return strings.HasPrefix(session, "i-") || strings.HasPrefix(session, "mi-")
}

// OfFeatures are the refusals of the last day of actions that neither the
// heartbeat nor the channel needs, one per action, latest first.
func (n *Node) OfFeatures() []Refusal {
	var out []Refusal
	seen := map[string]bool{}
	for _, r := range n.Refusals.Logged {
		if r.Action == "" || seen[r.Action] || !r.Denied || r.NotIAM || IsNodeAction(r.Action) || n.Age(r.At) > RecentWindow || r.ByUser() {
			continue
		}
		seen[r.Action] = true
		out = append(out, r)
	}
	return out
}

// IsNodeAction reports whether an action belongs to registration or the channel.
func IsNodeAction(action string) bool {
	switch action {
	case Heartbeat, "ssm:RequestManagedInstanceRoleToken", "ssm:RegisterManagedInstance", "ssm:UpdateManagedInstancePublicKey":
		return true
	}
	service, _, _ := strings.Cut(action, ":")
	return service == "ssmmessages" || service == "ec2messages" || service == "sts" || service == "kms"
}

// RoleOf is the role that a refusal is about; empty when it is not known.
func (n *Node) RoleOf(r Refusal) string {
	if i := strings.Index(r.Principal, "assumed-role/"); i >= 0 {
		name, _, _ := strings.Cut(r.Principal[i+len("assumed-role/"):], "/")
		return name
	}
	return n.RoleInUse()
}

// ChannelRefused is the latest refusal of the message channel that no later success
// took back: the entry of the log and what it says.
func (n *Node) ChannelRefused() (Entry, Refusal) {
	out := n.Log.missing()
	for _, id := range []string{facts.SigChannelToken, facts.SigChannelFailed} {
		m := n.Log.CurrentChannel(id)
		if !m.Yes() || !SaysRefused(m.Text) {
			continue
		}
		if n.QuotesAnother(m.Match) {
			continue
		}
		r := Refusal{Refusal: iam.Refusal{Layer: iam.LayerUnknown, Text: m.Text, Denied: true}, At: m.Last, From: "file:" + m.File, Match: id}
		if x, ok := n.quoted(m.Match); ok {
			r.Refusal, r.At = x.Refusal, x.At
		}
		return m, r
	}
	return out, Refusal{}
}

// quoted is the refusal that an entry of the log quotes.
func (n *Node) quoted(m facts.Match) (facts.Refusal, bool) {
	for _, r := range slices.Backward(n.Facts.Log.Refusals.Some()) {
		if r.Match == m.ID && !r.At.Before(m.Last) {
			return r, true
		}
	}
	return facts.Refusal{}, false
}

// QuotesAnother reports whether an entry of the log quotes a refusal of a principal
// that is none of this node's.
func (n *Node) QuotesAnother(m facts.Match) bool {
	r, ok := n.quoted(m)
	return ok && isForeign(n, r.Principal)
}

// SaysRefused reports whether an entry of the log says that a call was refused
// for lack of rights.
func SaysRefused(entry string) bool {
	low := strings.ToLower(entry)
	return strings.Contains(low, "accessdenied") || strings.Contains(low, "unauthorized request") || strings.Contains(low, "not authorized to perform")
}

// ReadsAllowed reports whether harmless reads of Systems Manager with the identity
// in use were answered and none of them was refused.
func (n *Node) ReadsAllowed() bool {
	some := false
	for _, p := range n.reads() {
		if p.Invented {
			continue
		}
		if p.Verdict == facts.DeniedProven {
			return false
		}
		some = some || p.Verdict == facts.AllowedProven
	}
	return some
}

// ReadsDenied says how many harmless reads of Systems Manager with the identity in
// use were answered, and whether all of them were refused.
func (n *Node) ReadsDenied() (answered int, all bool) {
	all = true
	for _, p := range n.reads() {
		switch p.Verdict {
		case facts.AllowedProven:
			answered++
			all = false
		case facts.DeniedProven:
			if !p.Invented { // what a made-up name is refused says nothing of others
				answered++
			}
		}
	}
	return answered, all
}

// ReadsOfFeatures are the actions, beyond those that a node needs, that this run's own
// reads found allowed and refused; what a made-up name is refused says nothing of others.
func (n *Node) ReadsOfFeatures() (allowed, refused []string) {
	for _, p := range n.reads() {
		switch {
		case IsNodeAction(p.Action):
		case p.Verdict == facts.AllowedProven && !slices.Contains(allowed, p.Action):
			allowed = append(allowed, p.Action)
		case p.Verdict == facts.DeniedProven && !p.Invented && !slices.Contains(refused, p.Action):
			refused = append(refused, p.Action)
		}
	}
	return allowed, refused
}

// reads are this run's reads of Systems Manager with the identity in use.
func (n *Node) reads() []facts.Permission {
	var out []facts.Permission
	for _, p := range n.Facts.Permissions.Actions.Some() {
		if p.Identity == n.Credentials.Source && strings.HasPrefix(p.Action, "ssm:") {
			out = append(out, p)
		}
	}
	return out
}
