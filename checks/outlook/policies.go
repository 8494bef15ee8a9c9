package outlook

import (
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

// WithPolicies is a host whose role has other policies, by what they say of each action: what
// they refuse, the node is refused, and what its own policies refused it before and these allow
// is taken back. What they leave open is asked for, whatever the node was allowed before. An
// agent that runs is started again; one that does not is left as it is.
func WithPolicies(before *facts.Facts, verdicts map[string]iam.Verdict) (Outlook, error) {
	m, err := modelOf(before)
	if err != nil {
		return Outlook{}, err
	}
	m.touched = true
	var open, without []string
	refused := false
	for _, action := range needed() {
		v := verdicts[action]
		if v == iam.Allow {
			continue
		}
		m.f.Permissions.Actions.Value = slices.DeleteFunc(m.f.Permissions.Actions.Value, func(p facts.Permission) bool { return p.Action == action && p.Verdict == facts.AllowedProven })
		switch denied := v == iam.ImplicitDeny || v == iam.ExplicitDeny; {
		case denied && entryOf[action] != "":
			m.refuse(action, v == iam.ExplicitDeny)
			refused = true
		case denied:
			without = append(without, action)
		default:
			open = append(open, action)
		}
	}
	if len(open) > 0 {
		m.ask(ofRights, "whether these policies let the node call %s", strings.Join(open, " and "))
	}
	if len(without) > 0 {
		m.ask(ofPolicies, "what the agent does without %s, which these policies do not allow", strings.Join(without, " and "))
	}
	if refused {
		return m.outlook(), nil
	}
	allowed := func(r iam.Refusal) bool { return r.Layer == iam.LayerIdentity && verdicts[r.Action] == iam.Allow }
	if slices.ContainsFunc(m.f.Log.Refusals.Some(), func(r facts.Refusal) bool { return allowed(r.Refusal) }) {
		m.grant("", iam.LayerIdentity, allowed)
	}
	if m.before.Agent.Core == node.Yes {
		m.apply(causes.Change{Kind: causes.ServiceRestarted})
	}
	m.finish()
	return m.outlook(), nil
}

// needed are the actions without which a node is not managed, or has no channel.
func needed() []string {
	channel, _ := iam.FeatureByID("messaging")
	return append([]string{node.Heartbeat}, channel.Of(iam.Mandatory)...)
}

// entryOf is the entry that the agent logs when it is refused an action.
var entryOf = map[string]string{node.Heartbeat: facts.SigHealthFailed, createChannel: facts.SigChannelToken}

// refuse is what an agent leaves that may not call an action.
func (m *model) refuse(action string, explicit bool) {
	at := m.f.CollectedAt.Add(-time.Minute)
	id, why := entryOf[action], "because no identity-based policy allows the "+action+" action"
	if explicit {
		why = "with an explicit deny in an identity-based policy"
	}
	says := "AccessDeniedException: the role is not authorized to perform: " + action + " " + why
	r := facts.Refusal{At: at, Match: id, Refusal: iam.Refusal{Action: action, Code: "AccessDeniedException", Denied: true, Explicit: explicit, Layer: iam.LayerIdentity, Text: says}}
	m.f.Log.Refusals = facts.Known(append(slices.Clone(m.f.Log.Refusals.Some()), r), m.f.Log.Refusals.From)
	gone := []string{id}
	if action == node.Heartbeat {
		gone = append(gone, facts.SigHealthOK, facts.SigChannelUp, facts.SigChannelMGS, facts.SigProfileOK, facts.SigDHMCOK, facts.SigRotation)
		m.f.Credentials.Runtime = facts.Absent[facts.Runtime](notDone, "")
	} else {
		gone = append(gone, facts.SigChannelUp, facts.SigChannelMGS)
		m.f.Agent.Channel = facts.Known([]facts.Socket{}, notDone)
	}
	list := slices.DeleteFunc(slices.Clone(m.f.Log.Matches.Some()), func(x facts.Match) bool { return slices.Contains(gone, x.ID) })
	m.f.Log.Matches = facts.Known(append(list, facts.Match{ID: id, Count: 1, First: at, Last: at, Before: at, Text: says}), m.f.Log.Matches.From)
	m.f.Permissions.Actions.Value = append(slices.DeleteFunc(m.f.Permissions.Actions.Value, func(p facts.Permission) bool { return p.Action == action }),
		facts.Permission{Action: action, Identity: m.before.Credentials.Source, Verdict: facts.DeniedProven, Layer: iam.LayerIdentity, Explicit: explicit, Refused: r.Refusal, At: at})
}
