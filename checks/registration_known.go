package checks

import (
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
		m, ok := current(f, facts.SigInvalidInstance)
		if !ok {
			return pass("no refusal of the id on record")
		}
		return fail("registration-orphaned", Likely, "the service does not know %s any more: the registration was deleted, or belongs to another account or Region", orUnnamed(id)).
			logged(m).saw("registration in use", orUnnamed(id)+" "+Region(f), f.Registration.Hybrid.From)
	},
})

func orUnnamed(id string) string {
	if id == "" {
		return "this node's id"
	}
	return id
}
