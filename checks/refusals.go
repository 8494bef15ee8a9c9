package checks

import (
	"fmt"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

const heartbeat = "ssm:UpdateInstanceInformation"

// refusal is one refused action, from the agent's log or from this program's own reads.
type refusal struct {
	iam.Refusal
	At   time.Time
	From string
	Live bool // answered in this run
}

// loggedRefusals are those of the log, parsed, latest first.
func loggedRefusals(f *facts.Facts) []refusal {
	var out []refusal
	for i := len(f.Log.Refusals) - 1; i >= 0; i-- {
		r := f.Log.Refusals[i]
		p := iam.ParseRefusal(r.Code, r.Message)
		if p.Action == "" {
			p.Action = r.Action
		}
		if stands(f, p, r.At) {
			out = append(out, refusal{Refusal: p, At: r.At, From: "file:agent log"})
		}
	}
	return out
}

// stands reports whether a refusal of the log still says something of this node:
// it names no principal of another one, and this run was not allowed the same.
func stands(f *facts.Facts, r iam.Refusal, at time.Time) bool {
	if foreign(f, r.Principal) || ahead(f, at) {
		return false
	}
	for _, p := range f.Permissions.Actions {
		if p.Verdict == facts.AllowedProven && !p.Invented && p.Identity == source(f) && p.Action == r.Action && p.At.After(at) && sameResource(p.Resource, r.Resource) {
			return false
		}
	}
	return true
}

// foreign reports whether a principal is none of this node's: a role of another
// account, of another instance, or one that the node no longer has. A log may
// come with a machine image, or be older than a change of the role.
func foreign(f *facts.Facts, principal string) bool {
	head, rest, ok := strings.Cut(principal, ":assumed-role/")
	if !ok {
		return false
	}
	for _, id := range f.Permissions.Identities {
		if id.ARN == principal {
			return false
		}
	}
	account := f.IMDS.Account.Value
	if id := identity(f, source(f)); id != nil && id.Account != "" {
		account = id.Account
	} else if source(f) == facts.SourceHybrid {
		account = "" // that of the registration, which may be another than the instance's
	}
	if account != "" && !strings.HasSuffix(head, ":"+account) {
		return true
	}
	role, session, _ := strings.Cut(rest, "/")
	if isNode(session) {
		ours := session == NodeID(f) || session == f.IMDS.InstanceID.Value
		for _, id := range f.Permissions.Identities {
			ours = ours || session == id.Session
		}
		if NodeID(f) != "" && !ours {
			return true
		}
	}
	now := ""
	if id := identity(f, source(f)); id != nil {
		now = id.Role
	}
	if source(f) == facts.SourceProfile {
		now = orWord(now, RoleName(f))
	}
	// The instance itself asks for the role of Default Host Management.
	return now != "" && role != now && role != RoleName(f) && role != "aws:ec2-instance"
}

// isNode reports whether a session name is that of an instance or managed node.
func isNode(session string) bool {
	return strings.HasPrefix(session, "i-") || strings.HasPrefix(session, "mi-")
}

// liveRefusals are those that this run's own reads met, with the identity in
// use. A refusal of a made-up name blames nobody.
func liveRefusals(f *facts.Facts) []refusal {
	var out []refusal
	for _, a := range f.Permissions.Actions {
		if a.Verdict != facts.DeniedProven || a.Identity != source(f) || a.Invented {
			continue
		}
		p := iam.ParseRefusal(a.Code, a.Message)
		if p.Action == "" {
			p.Action = a.Action
		}
		if path, ok := strings.CutSuffix(p.Resource, facts.MadeUp); ok {
			p.Resource = path + "*" // what was asked about, not the name that was made up for it
		}
		if p.Layer == "" || p.Layer == iam.LayerUnknown {
			p.Layer = orWord(a.Layer, iam.LayerUnknown)
		}
		out = append(out, refusal{Refusal: p, At: a.At, From: a.From, Live: true})
	}
	return out
}

// denial turns a refusal into a finding: which layer refuses decides the cause,
// missing is the cause when an identity policy simply lacks the action.
func denial(f *facts.Facts, r refusal, missing string) Finding {
	who := principalName(f, r)
	action := orWord(r.Refusal.Action, "an action")
	c := Likely
	if r.Live {
		c = Proven
	}
	var fd Finding
	switch r.Layer {
	case iam.LayerEndpoint:
		how := "does not allow"
		if r.Explicit {
			how = "explicitly denies"
		}
		fd = fail("vpce-policy-deny", c, "the VPC endpoint policy %s %s for %s", how, action, who)
	case iam.LayerSCP, iam.LayerRCP, iam.LayerBoundary, iam.LayerSession:
		how := "no " + layerName(r.Layer) + " allows it"
		if r.Explicit {
			how = "explicit deny in a " + layerName(r.Layer)
		}
		fd = fail("iam-explicit-deny", c, "%s may not call %s: %s", who, action, how)
	default:
		switch {
		case r.Explicit:
			in := "a policy"
			if r.Layer != iam.LayerUnknown && r.Layer != "" {
				in = "its " + layerName(r.Layer)
			}
			fd = fail("iam-explicit-deny", c, "%s may not call %s: explicit deny in %s", who, action, in)
		default:
			fd = fail(missing, c, "%s may not call %s: no policy of the role allows it", who, action)
			if r.Layer == iam.LayerUnknown || r.Layer == "" {
				fd.Summary = fmt.Sprintf("%s may not call %s; which policy refuses is not told", who, action)
			}
		}
	}
	fd = fd.sawAt(action, "denied: "+cut(r.Text, 400), r.From, r.At).
		with("action", action, "role", roleOf(f, r), "resource", grantedOn(action, r.Resource), "policy", r.PolicyARN, "service", serviceOf(action))
	return fd
}

// grantedOn is the resource to write into a grant: refusals name one of actions
// too that can be granted on * only.
func grantedOn(action, resource string) string {
	if a, ok := iam.ActionByName(action); ok && len(a.ResourceTypes) == 0 {
		return "*"
	}
	return resource
}

func layerName(layer string) string {
	switch layer {
	case iam.LayerSCP:
		return "service control policy (SCP)"
	case iam.LayerRCP:
		return "resource control policy (RCP)"
	case iam.LayerBoundary:
		return "permissions boundary"
	case iam.LayerSession:
		return "session policy"
	case iam.LayerEndpoint:
		return "VPC endpoint policy"
	case iam.LayerIdentity:
		return "identity-based policy"
	}
	return layer + " policy"
}

// roleOf is the role a refusal is about.
func roleOf(f *facts.Facts, r refusal) string {
	if i := strings.Index(r.Principal, "assumed-role/"); i >= 0 {
		name, _, _ := strings.Cut(r.Principal[i+len("assumed-role/"):], "/")
		return name
	}
	if id := identity(f, source(f)); id != nil && id.Role != "" {
		return id.Role
	}
	if source(f) == facts.SourceProfile {
		return RoleName(f)
	}
	return ""
}

func principalName(f *facts.Facts, r refusal) string {
	if name := roleOf(f, r); name != "" {
		return "the role " + name
	}
	switch source(f) {
	case facts.SourceDHMC:
		return "the Default Host Management role"
	case facts.SourceHybrid:
		return "the hybrid service role"
	case facts.SourceTask:
		return "the task role"
	}
	return "the role of this node"
}

func serviceOf(action string) string {
	s, _, _ := strings.Cut(action, ":")
	return s
}

// byUser reports whether the refused principal is an IAM user, so not the node's role.
func (r refusal) byUser() bool { return strings.Contains(r.Principal, ":user/") }

// featureRefusals are refusals of the last day of actions that neither the
// heartbeat nor the channel needs, one per action, latest first.
func featureRefusals(f *facts.Facts) []facts.Refusal {
	var out []facts.Refusal
	seen := map[string]bool{}
	for i := len(f.Log.Refusals) - 1; i >= 0; i-- {
		r := f.Log.Refusals[i]
		p := iam.ParseRefusal(r.Code, r.Message)
		action := orWord(p.Action, r.Action)
		if action == "" || seen[action] || p.NotIAM || nodeAction(action) || age(f, r.At) > 24*time.Hour || strings.Contains(p.Principal, ":user/") || !stands(f, p, r.At) {
			continue
		}
		seen[action] = true
		r.Action = action
		out = append(out, r)
	}
	return out
}

// nodeAction reports whether an action belongs to registration or the channel.
func nodeAction(action string) bool {
	switch action {
	case heartbeat, "ssm:RequestManagedInstanceRoleToken", "ssm:RegisterManagedInstance", "ssm:UpdateManagedInstancePublicKey":
		return true
	}
	return strings.HasPrefix(action, "ssmmessages:") || strings.HasPrefix(action, "ec2messages:") || strings.HasPrefix(action, "sts:") || strings.HasPrefix(action, "kms:")
}

// missingOr lowers a finding that only concerns a feature.
func asFeature(fd Finding) Finding {
	if fd.Status == Fail {
		fd.Status = Warn
	}
	return fd.severity(causes.Warning)
}
