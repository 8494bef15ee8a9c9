package node

import (
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/sorting"
	"ssm-doctor/checks/text"
)

// observedWindow is how long an accepted call proves something about rights.
const observedWindow = time.Hour

const (
	createChannel = "ssmmessages:CreateControlChannel"
	openChannel   = "ssmmessages:OpenControlChannel"
	getMessages   = "ec2messages:GetMessages"
)

// observed is what the agent's log and state files prove about the rights of
// the node, without a request of our own.
func (n *Node) observed() []facts.Permission {
	f := n.Facts
	var out []facts.Permission
	allowed := func(identity, action, rule, from string, at time.Time, window time.Duration) {
		if at.IsZero() || n.Age(at) > window || n.Age(at) < -5*time.Minute || identity == facts.SourceNone {
			return
		}
		out = append(out, facts.Permission{Action: action, Identity: identity, Verdict: facts.AllowedObserved, Rule: rule, From: from, At: at})
	}
	last := func(ids ...string) facts.Match { return n.Log.Latest(ids...).Match }
	log := func(m facts.Match) string { return "file:" + m.File }

	if m := last(facts.SigProfileOK); m.Count > 0 {
		allowed(facts.SourceProfile, Heartbeat, "the agent chose the profile by this call", log(m), m.Last, observedWindow)
	}
	if r, ok := f.Credentials.Runtime.Get(); ok && r.Source == "EC2" && r.ExpiresAt.After(n.Now()) {
		allowed(facts.SourceProfile, Heartbeat, "the agent uses the profile, which it tests with this call", f.Credentials.Runtime.From, r.RetrievedAt, observedWindow)
	}
	// The line comes before the call, and nothing follows when it is accepted.
	if m := last(facts.SigHealthOK); n.Log.Read() == Yes && m.Count > 0 && n.Age(m.Last) > answerTime && last(facts.SigHealthFailed, facts.SigHibernate).Last.Before(m.Last) {
		allowed(n.Credentials.Source, Heartbeat, "a heartbeat without an error after it", log(m), m.Last, observedWindow)
	}
	up := last(facts.SigChannelUp, facts.SigChannelMGS)
	if bad := last(facts.SigChannelToken, facts.SigWebSocketFailed, facts.SigChannelFailed); up.Count > 0 && !bad.Last.After(up.Last) {
		window := observedWindow
		if c, ok := f.Agent.Channel.Get(); ok && len(c) > 0 && !last(facts.SigStart).Last.After(up.Last) {
			window = RecentWindow // the channel that was opened then is still open
		}
		for _, a := range []string{createChannel, openChannel} {
			allowed(n.Credentials.Source, a, "the control channel was opened", log(up), up.Last, window)
		}
	}
	for _, r := range f.Log.Refusals.Some() {
		if p, ok := n.observedRefusal(r); ok {
			out = append(out, p)
		}
	}
	// Some refusals name no action, but only one call is made there.
	for id, action := range map[string]string{facts.SigChannelToken: createChannel, facts.SigMDSFailed: getMessages} {
		m := last(id)
		if m.Count == 0 || n.Age(m.Last) > RecentWindow || !SaysRefused(m.Text) || n.namesAction(id) {
			continue
		}
		out = append(out, facts.Permission{Action: action, Identity: n.Credentials.Source, Verdict: facts.Inconclusive, Layer: iam.LayerUnknown, Message: text.Cut(m.Text, 300), From: log(m), At: m.Last})
	}
	return slices.DeleteFunc(out, func(p facts.Permission) bool { return p.Identity == facts.SourceNone || p.Identity == "" })
}

// namesAction reports whether the refusal in the latest entry with a signature
// names its action.
func (n *Node) namesAction(signature string) bool {
	return slices.ContainsFunc(n.Facts.Log.Refusals.Some(), func(r facts.Refusal) bool { return r.Match == signature && r.Action != "" })
}

func (n *Node) observedRefusal(r facts.Refusal) (facts.Permission, bool) {
	p := r.Refusal
	if p.Action == "" || !p.Proves(p.Action) || n.Age(r.At) > RecentWindow {
		return facts.Permission{}, false
	}
	identity := n.sourceOf(p.Principal, r.Match)
	return facts.Permission{Action: usualSpelling(p.Action), Identity: identity, Principal: p.Principal, Resource: p.Resource, Verdict: facts.DeniedProven, Layer: p.Layer, Explicit: p.Explicit,
		PolicyARN: p.PolicyARN, Code: p.Code, Message: p.Text, Refused: p, From: "file:" + text.Or(r.File, "agent log"), At: r.At}, identity != ""
}

// usualSpelling is the usual spelling of an action.
func usualSpelling(action string) string {
	if a, ok := iam.ActionByName(action); ok {
		return a.Action
	}
	return action
}

// sourceOf is the source whose principal a refusal names; empty for one that
// is none of the node's roles, such as the role of the instance itself.
func (n *Node) sourceOf(principal, match string) string {
	if principal == "" {
		switch match {
		case facts.SigProfileFailed, facts.SigDHMCSkipped:
			return facts.SourceProfile
		}
		return n.Credentials.Source
	}
	for _, id := range n.Facts.Permissions.Identities.Some() {
		if id.ARN != "" && id.ARN == principal {
			return id.Source
		}
	}
	_, rest, ok := strings.Cut(principal, ":assumed-role/")
	role, session, _ := strings.Cut(rest, "/")
	switch {
	case !ok && strings.Contains(principal, ":user/"):
		return facts.SourceShared
	case !ok || role == "aws:ec2-instance":
		return ""
	case strings.HasPrefix(session, "mi-"):
		return facts.SourceHybrid
	case role == n.Identity.Role && role != "":
		return facts.SourceProfile
	case role == "AWSSystemsManagerDefaultEC2InstanceManagementRole":
		return facts.SourceDHMC
	}
	if match == facts.SigProfileFailed || match == facts.SigDHMCSkipped {
		return facts.SourceProfile
	}
	return n.Credentials.Source
}

// weight orders kinds of verdicts: of two on the same action the heavier counts.
func weight(verdict string) int {
	switch verdict {
	case facts.AllowedProven, facts.DeniedProven:
		return 4
	case facts.AllowedObserved:
		return 3
	case facts.AllowedPredicted, facts.DeniedPredicted:
		return 2
	case facts.Inconclusive, facts.Unreachable:
		return 1
	}
	return 0
}

// Rights are everything known of the rights of this host's identities: own
// requests, observations and predictions, one verdict for each identity, action
// and resource asked about. Sorted by identity and action.
func (n *Node) Rights() []facts.Permission {
	all := slices.Concat(n.Facts.Permissions.Actions.Some(), n.observed())
	all = append(all, n.predicted(all)...)
	var out []facts.Permission
	for _, p := range all {
		i := slices.IndexFunc(out, func(o facts.Permission) bool {
			return o.Identity == p.Identity && o.Action == p.Action && o.Invented == p.Invented && sameResource(o.Resource, p.Resource)
		})
		switch {
		case i < 0:
			out = append(out, p)
		case outweighs(p, out[i]):
			out[i] = p
		}
	}
	sorting.By(out, func(a, b facts.Permission) int {
		return strings.Compare(a.Identity+" "+a.Action, b.Identity+" "+b.Action)
	})
	return out
}

// sameResource compares what two verdicts are about; a short name stands for
// the ARN that ends in it, and one without a resource, or on *, is about any.
func sameResource(a, b string) bool {
	return a == "" || b == "" || a == "*" || b == "*" || strings.HasSuffix(a, b) || strings.HasSuffix(b, a)
}

// outweighs: what was seen counts before what is predicted, the newer of two
// observations before the older, and an accepted call that came after a refusal
// before the refusal.
func outweighs(p, old facts.Permission) bool {
	a, b := weight(p.Verdict), weight(old.Verdict)
	switch {
	case a >= 3 && b >= 3 && !p.At.Equal(old.At):
		return p.At.After(old.At)
	case a != b:
		return a > b
	}
	return p.At.After(old.At)
}

// predicted extends what was proven by the shape of the two usual policies
// (Core and that of Default Host Management). The heartbeat itself is never
// predicted: roles that leave the node to Default Host Management lack just that.
func (n *Node) predicted(all []facts.Permission) []facts.Permission {
	who := n.Credentials.Source
	is := func(action string, verdicts ...string) bool {
		for _, p := range all {
			if p.Identity == who && p.Action == action && slices.Contains(verdicts, p.Verdict) {
				return true
			}
		}
		return false
	}
	if !is(Heartbeat, facts.AllowedObserved, facts.AllowedProven) {
		return nil
	}
	for _, a := range []string{"ssm:GetDocument", "ssm:DescribeDocument", "ssm:ListInstanceAssociations"} {
		if !is(a, facts.AllowedProven) {
			return nil
		}
	}
	name := ""
	switch {
	case is("ssm:GetParameter", facts.AllowedProven):
		name = "AmazonSSMManagedInstanceCore"
	case is("ssm:GetParameter", facts.DeniedProven):
		name = "AmazonSSMManagedEC2InstanceDefaultPolicy"
	default:
		return nil
	}
	var out []facts.Permission
	for _, a := range iam.Actions() {
		if _, ok := a.GrantedBy[name]; ok && a.Action != Heartbeat {
			out = append(out, facts.Permission{Action: a.Action, Identity: who, Verdict: facts.AllowedPredicted, Rule: "what was allowed has the shape of " + name, From: "inferred", At: n.Now()})
		}
	}
	return out
}
