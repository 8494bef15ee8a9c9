package checks

import (
	"slices"
	"strings"

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
	return fd.sawAt(action, "denied: "+text.Cut(r.Text, 400), r.From, r.At).fix(ofSessions(action, undoDenial(d, serviceOf(action), policy != ""))...).
		with("policyid", policy, "action", action, "role", n.RoleOf(r), "resource", grantedOn(action, r.Resource), "policy", r.PolicyARN, "service", serviceOf(action))
}

// undoDenial is the remedy of a refusal by the layer that AWS names; none: the layer is
// not told, or the usual remedy of the cause is for it. named: AWS names the policy too.
func undoDenial(d iam.Denial, service string, named bool) []causes.Step {
	switch {
	case d.Cause == "vpce-policy-deny" && d.Explicit:
		return causes.EndpointDenies
	case d.Cause == "vpce-policy-deny":
		if way := causes.EndpointLacksOf[service]; way != nil {
			return way
		}
		return causes.EndpointLacksOf[""]
	case d.Cause != "iam-explicit-deny":
	case d.Layer == iam.LayerSCP && d.Explicit, d.Layer == iam.LayerRCP:
		if !named {
			return append([]causes.Step{causes.FindSCP}, causes.SCPDenies...)
		}
		return causes.SCPDenies
	case d.Layer == iam.LayerSCP:
		return causes.SCPLacks
	case d.Layer == iam.LayerBoundary && d.Explicit:
		return causes.BoundaryDenies
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
// of its own, so that the agent need not be restarted, and the next session shows the change.
func ofSessions(action string, steps []causes.Step) []causes.Step {
	if len(steps) < 2 || !strings.HasSuffix(action, "DataChannel") {
		return steps
	}
	return append(slices.Clone(steps[:len(steps)-2]), causes.TrySession, causes.Again)
}
