package checks

import (
	"regexp"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "registration-known", Group: "identity", Title: "The service knows this node's id",
	Causes: []string{"registration-orphaned"},
	Needs:  []string{"agent-installed", "clock", "tls-trust", "dns", "network-egress", "proxy"},
	Doc: "InvalidInstanceId means that the stored id no longer exists: the node was deregistered, or belongs to another account or Region. The agent retries for ever. " +
		"Read from its log and from the answers to this program's own reads.",
	Eval: func(f *facts.Facts) Finding {
		id := NodeID(f)
		for _, p := range f.Permissions.Actions {
			if p.Code == "InvalidInstanceId" && p.Identity == facts.SourceHybrid {
				return fail("registration-orphaned", Proven, "the service does not know %s any more: its registration was deleted", orUnnamed(id)).
					sawAt(p.Action, p.Code+" "+cut(p.Message, 200), p.From, p.At)
			}
		}
		if !hybridMeant(f) {
			return skip("no hybrid registration in use")
		}
		m, ok := current(f, facts.SigInvalidInstance)
		switch {
		case !ok:
			return pass("no refusal of the id on record")
		case startedAfter(f, m):
			return unknown("the agent was started after the id was refused; whether it still is shows once it has tried")
		case registeredAnew(f, m):
			return stillOld(f, m, "registration-orphaned")
		}
		return fail("registration-orphaned", Likely, "the service does not know %s any more: the registration was deleted, or belongs to another account or Region", orUnnamed(id)).
			logged(m).saw("registration in use", orUnnamed(id)+" "+Region(f), f.Registration.Hybrid.From)
	},
})

// hybridMeant reports whether the host works, or is meant to, by a hybrid registration.
func hybridMeant(f *facts.Facts) bool {
	ec2, _ := OnEC2(f)
	return !ec2 || hybridActive(f)
}

var reManagedID = regexp.MustCompile(`\bmi-[0-9a-f]{8,17}\b`)

// registeredAnew reports whether a refusal is about an earlier registration than
// the stored one, which the running agent does not know yet.
func registeredAnew(f *facts.Facts, m facts.Match) bool {
	k, ok := f.Registration.Hybrid.Get()
	if !ok || !k.Complete() {
		return false
	}
	if id := reManagedID.FindString(m.Text); id != "" && id != k.InstanceID {
		return true
	}
	r := f.Credentials.Runtime.Value.InstanceID
	return strings.HasPrefix(r, "mi-") && r != k.InstanceID || k.CreatedAt.After(m.Last)
}

// stillOld is the finding of an agent that was not restarted after a new registration.
func stillOld(f *facts.Facts, m facts.Match, cause string) Finding {
	old := "an earlier registration"
	if r := f.Credentials.Runtime.Value.InstanceID; strings.HasPrefix(r, "mi-") && r != NodeID(f) {
		old = r
	}
	return fail(cause, Likely, "the agent still uses %s, which the service refuses; this host was registered anew as %s, and a restart makes the agent use that", old, orUnnamed(NodeID(f))).
		logged(m).saw("registration in the vault", orUnnamed(NodeID(f))+" "+Region(f), f.Registration.Hybrid.From).fix(causes.RestartRegistered...)
}

func orUnnamed(id string) string {
	if id == "" {
		return "this node's id"
	}
	return id
}
