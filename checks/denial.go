package checks

import (
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// denial turns a refusal into a finding: which layer refuses decides the cause,
// missing is the cause when an identity policy simply lacks the action.
func denial(n *node.Node, r node.Refusal, missing string) Finding {
	who, action := principalName(n, r), text.Or(r.Action, "an action")
	c := Likely
	if r.Live {
		c = Proven
	}
	d := iam.ExplainRefusal(r.Refusal, missing)
	how := text.New("which policy refuses is not told")
	switch {
	case d.Explicit && d.Known():
		how = text.New("explicit deny in %s", withArticle(d.Policy))
	case d.Explicit:
		how = text.New("explicit deny in a policy")
	case d.Known():
		how = text.New("no %s allows it", d.Policy)
	}
	fd := blocks(text.Or(d.Cause, missing), c, "%s may not call %s: %s", who, action, how)
	fd.Answered = true
	_, policy, _ := strings.Cut(r.PolicyARN, "_control_policy/")
	lacks, known := lacking(n, r)
	if len(lacks) > 0 {
		fd = fd.with("actions", causes.ActionList(lacks), "lacks", known)
	}
	toChannel := serviceOf(action) == "ssm" && !slices.ContainsFunc(lacks, isOfChannel) && !passes(n, "ssmmessages")
	if d.Layer == iam.LayerRCP {
		fd = fd.with("policytype", "RESOURCE_CONTROL_POLICY")
	}
	return fd.sawAt(action, "denied: "+text.Cut(r.Text, 400), r.From, r.At).fix(ofSessions(n, r.At, action, fd.Cause, undoDenial(d, policy != "", toChannel))...).
		with("policyid", policy, "action", action, "role", n.RoleOf(r), "resource", grantedOn(action, r.Resource), "policy", r.PolicyARN, "service", serviceOf(action))
}

func isOfChannel(action string) bool { return serviceOf(action) == "ssmmessages" }

// lacking are the actions that a layer lacks of which nothing allows an action: what it
// refused, and the rest of what a node needs of a service of which nothing passed it. known
// says how that is known.
func lacking(n *node.Node, r node.Refusal) (actions []string, known string) {
	if r.Action == "" {
		return nil, ""
	}
	add := func(a string) {
		if a != "" && !slices.Contains(actions, a) {
			actions = append(actions, a)
		}
	}
	add(r.Action)
	for _, x := range slices.Concat(n.Refusals.Logged, n.Refusals.Live) {
		if x.Layer != r.Layer || x.Explicit || !x.Denied || x.NotIAM || x.ByUser() || r.Layer == iam.LayerEndpoint && serviceOf(x.Action) != serviceOf(r.Action) {
			continue
		}
		add(x.Action)
	}
	known = "refused to this host: " + strings.Join(actions, ", ")
	var whole []string
	for _, a := range slices.Clone(actions) {
		service := serviceOf(a)
		if kind, ok := strings.CutSuffix(a, "Channel"); ok { // one is of no use without the other
			_, kind, _ = strings.Cut(strings.NewReplacer("Create", " ", "Open", " ").Replace(kind), " ")
			add(service + ":Create" + kind + "Channel")
			add(service + ":Open" + kind + "Channel")
		}
		// The wish for a data channel came over the control channel.
		if passes(n, service) || strings.HasSuffix(a, "DataChannel") || slices.Contains(whole, service) || len(causes.CoreActions(service)) == 0 {
			continue
		}
		whole = append(whole, service)
		for _, a := range causes.CoreActions(service) {
			add(a)
		}
	}
	if len(whole) > 0 {
		known += "; nothing of " + strings.Join(whole, " and ") + " was allowed here, so that the rest of it which a node needs is in the statement too"
	}
	return actions, known
}

// passes reports whether an action of a service was allowed to this host.
func passes(n *node.Node, service string) bool {
	answered, denied := n.ReadsDenied()
	switch {
	case service == "ssm" && n.Acceptance.Now == node.Yes && (answered == 0 || !denied), service == "ssmmessages" && n.ChannelOpen():
		return true
	}
	return slices.ContainsFunc(n.Facts.Permissions.Actions.Some(), func(p facts.Permission) bool {
		return p.Verdict == facts.AllowedProven && p.Identity == n.Credentials.Source && serviceOf(p.Action) == service
	})
}

// undoDenial is the remedy of a refusal by the layer that AWS names; none: the layer is
// not told, or the usual remedy of the cause is for it. named: AWS names the policy too.
// toChannel: the node needs the message channel after it, which came to nothing yet.
func undoDenial(d iam.Denial, named, toChannel bool) []causes.Step {
	switch {
	case d.Cause == "vpce-policy-deny" && d.Explicit:
		return causes.EndpointDenies
	case d.Cause == "vpce-policy-deny":
		return causes.EndpointLacks
	case d.Cause != "iam-explicit-deny":
	case d.Layer == iam.LayerSCP && d.Explicit, d.Layer == iam.LayerRCP:
		if !named {
			return append([]causes.Step{causes.FindSCP}, causes.SCPDenies...)
		}
		return causes.SCPDenies
	case d.Layer == iam.LayerSCP && toChannel:
		return causes.SCPLacksNode
	case d.Layer == iam.LayerSCP:
		return causes.SCPLacks
	case d.Layer == iam.LayerBoundary && d.Explicit:
		return causes.BoundaryDenies
	case d.Layer == iam.LayerBoundary && toChannel:
		return causes.BoundaryLacksNode
	case d.Layer == iam.LayerBoundary:
		return causes.BoundaryLacks
	case d.Layer == iam.LayerIdentity:
		return causes.RoleDenies
	case d.Layer == iam.LayerSession:
		return causes.SessionRefuses
	}
	return nil
}

// withArticle puts the article before a noun.
func withArticle(noun string) string {
	if noun != "" && strings.Contains("aeiou", noun[:1]) {
		return "an " + noun
	}
	return "a " + noun
}

// grantedOn is the resource to write into a grant: refusals name one of actions
// too that can be granted on * only.
func grantedOn(action, resource string) string {
	if a, ok := iam.ActionByName(action); ok && len(a.ResourceTypes) == 0 {
		return "*"
	}
	return resource
}

// principalName names who was refused.
func principalName(n *node.Node, r node.Refusal) text.Text {
	if name := n.RoleOf(r); name != "" {
		return text.New("the role %s", name)
	}
	switch n.Credentials.Source {
	case facts.SourceDHMC:
		return text.New("the Default Host Management role")
	case facts.SourceHybrid:
		return text.New("the hybrid service role")
	case facts.SourceTask:
		return text.New("the task role")
	}
	return text.New("the role of this node")
}

func serviceOf(action string) string {
	s, _, _ := strings.Cut(action, ":")
	return s
}

// ofSessions are the steps of a refusal by its action: each session asks for a data channel
// of its own, and the next one shows the change. An agent whose channel brought it the session,
// and still stands, need not be restarted for that.
func ofSessions(n *node.Node, at time.Time, action, cause string, steps []causes.Step) []causes.Step {
	if !strings.HasSuffix(action, "DataChannel") {
		return steps
	}
	if c := causes.Get(cause); len(steps) == 0 && c != nil {
		steps = c.Fix
	}
	steps = slices.DeleteFunc(slices.Clone(steps), func(s causes.Step) bool {
		return s == causes.Again || s.Restarts() && n.ChannelOpenSince(at)
	})
	return append(steps, causes.TrySession, causes.Again)
}
