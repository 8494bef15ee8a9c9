// Package outlook says what the facts of a host would be after changes to it or to its
// account. What facts cannot tell before a change is made is unknown afterwards, and is
// listed: a plan promises nothing of what nobody saw.
package outlook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Outlook is a host after changes, as far as can be told.
type Outlook struct {
	Facts *facts.Facts
	// Open is what is not known before it is done. While there is some, nobody can
	// promise that the node will be accepted.
	Open []text.Text
	// RestsOn is when the service accepted the node, or its channel, where that has to
	// stand for what cannot be seen now: the oldest of them. Zero: all was seen.
	RestsOn time.Time
}

// notDone is why a fact is unknown after a change.
const notDone = "not known before it is done"

// model is a host to which changes are made.
type model struct {
	before *node.Node
	f      *facts.Facts // a copy, which is changed
	open   []text.Text
	drafts map[string]string // how texts of policies are edited, by the file of whoever mends

	started, stopped bool
	touched          bool // something of what the agent needs was changed
	asked            map[string]bool
	settled          map[string]bool // signatures of the log whose fault is gone
	granted          map[string]bool // actions that are allowed for sure
	accepted         time.Time       // see acceptance
	restsOn          time.Time       // the oldest of what something rests on
	back             map[string]bool // what changes give back as it was when the node was accepted
}

// After makes changes to a copy of the facts of a host.
func After(before *facts.Facts, list []causes.Change) (Outlook, error) {
	m, err := modelOf(before)
	if err != nil {
		return Outlook{}, err
	}
	for _, c := range list {
		m.apply(c)
	}
	m.finish()
	return m.outlook(), nil
}

func modelOf(before *facts.Facts) (*model, error) {
	b, err := json.Marshal(before)
	if err != nil {
		return nil, fmt.Errorf("copy facts: %w", err)
	}
	m := &model{before: node.Of(before), f: &facts.Facts{}, drafts: map[string]string{}, asked: map[string]bool{}, settled: map[string]bool{}, granted: map[string]bool{}, back: map[string]bool{}}
	if err := json.Unmarshal(b, m.f); err != nil {
		return nil, fmt.Errorf("copy facts: %w", err)
	}
	m.f.Pseudonyms = before.Pseudonyms
	m.accepted = acceptance(m.before)
	return m, nil
}

func (m *model) outlook() Outlook {
	o := Outlook{Facts: m.f, Open: m.open}
	if len(m.open) == 0 {
		o.RestsOn = m.restsOn
	}
	return o
}

// rest notes that something rests on what was accepted at a time.
func (m *model) rest(at time.Time) {
	if m.restsOn.IsZero() || at.Before(m.restsOn) {
		m.restsOn = at
	}
}

// ask notes what is not known before it is done; of several about one subject the first.
func (m *model) ask(subject, format string, args ...any) {
	if !m.asked[subject] {
		m.asked[subject] = true
		m.open = append(m.open, text.New(format, args...))
	}
}

// once asks for what a change brings to light.
func (m *model) once(subject, what string, c causes.Change) {
	t := text.New(what + ", once ").Append(c.Says())
	m.ask(subject, t.Format, t.Args...)
}

// doubt asks for what a change brings to light, unless it only gives back what the node
// was accepted with.
func (m *model) doubt(subject, what string, c causes.Change) {
	if m.accepted.IsZero() {
		m.once(subject, what, c)
		return
	}
	m.back[subject] = true
	m.rest(m.accepted)
}

// Subjects of what is asked for.
const (
	ofAgent     = "agent"
	ofIdentity  = "identity"
	ofMetadata  = "metadata"
	ofNetwork   = "network"
	ofRights    = "rights"
	ofPolicies  = "policies"
	ofLog       = "log"
	ofSessions  = "sessions"
	ofSomething = "" // and what is changed
)

// finish is what the agent does after the changes, as far as all of its way was seen.
func (m *model) finish() {
	n := m.before
	switch {
	case m.stopped:
		m.ask(ofAgent, "when the agent is started again")
		return
	case !m.started && n.Acceptance.Now == node.Yes && !m.touched:
		return // it goes on as it does
	case !m.started:
		m.ask(ofAgent, "what the agent meets when it tries again")
		m.settle()
		return
	}
	m.runs()
	m.premises()
	m.settle()
	if len(m.open) == 0 {
		m.accept()
	}
}

// runs is the agent's start.
func (m *model) runs() {
	n := m.before
	at := m.f.CollectedAt // what is on record is of before
	m.f.CollectedAt = at.Add(startedAgo)
	ended := n.Agent.Core != node.Yes && len(m.f.Agent.Notes.Some()) > 0
	for i := range m.f.Agent.Units.Value {
		u := &m.f.Agent.Units.Value[i]
		if n.Agent.Unit != nil && u.Name != n.Agent.Unit.Name {
			continue
		}
		if n.Agent.Core != node.Yes && (u.Result != "" && u.Result != "success" || u.Restarts > 2 && !m.back[ofMetadata] || u.Ended == "killed" || u.Ended == "dumped" || u.Unmet || u.LoadError != "" || u.Deleting) {
			ended = true
		}
		if p, ok := u.Program.Get(); ok && !p.Runnable || u.Program.Absent() {
			ended = true
		}
		u.Active, u.Sub, u.Result, u.ActiveSince, u.StartedAt, u.StoppedSince = "active", "running", "success", at, at, time.Time{}
	}
	switch {
	case m.back[ofAgent]: // it ran, before what is mended
	case n.Agent.Core == node.Unknown || ended || n.Agent.Installed != node.Yes && !m.settled[installed]:
		m.ask(ofAgent, "whether the agent keeps running")
	}
	if p, ok := m.f.Agent.PendingProxy.Get(); ok { // which the agent takes at its start
		m.f.Agent.ServiceProxy, m.f.Agent.PendingProxy = facts.Known(p, notDone), facts.Absent[facts.Proxy](notDone, "")
		for i := range m.f.Network.Endpoints.Value {
			if e := &m.f.Network.Endpoints.Value[i]; !e.Usable() {
				forget(e)
			}
		}
	}
	if v, ok := m.f.Agent.Installed.Get(); ok {
		m.f.Agent.Running = facts.Known(v, notDone)
	}
	core := []facts.Process{{PID: 1000, Owner: facts.Known(0, notDone), Started: at}}
	m.f.Agent.Processes = facts.Known(facts.Processes{Core: core, Worker: core}, notDone)
	m.f.Agent.Channel = facts.Unknown[[]facts.Socket](notDone, "")
	m.f.Work.Descriptors = facts.Unknown[[]facts.Descriptors](notDone, "") // those of the process that ended
	m.f.Agent.Notes = facts.Absent[[]facts.SystemNote](notDone, "")
}

// installed marks in model.settled that the agent's programs were installed.
const installed = "installed"

// Times of what an agent would have done by now that was started with the changes: long
// enough ago that the answer to its heartbeat is due.
const (
	startedAgo  = 4 * time.Minute
	acceptedAgo = 3 * time.Minute
)

// premises asks for everything between the agent and its acceptance that was not seen to
// work: who it is, what it signs with, the way there, the rights. What a change gives back
// and the rights rest on the acceptance, if there is one.
func (m *model) premises() {
	n := node.Of(m.f)
	if !m.f.Live() {
		m.ask(ofAgent, "what the host meets when it is started")
	}
	if m.back[ofMetadata] {
		m.identityBefore()
	} else {
		m.identityNow(n)
	}
	var silent []string
	for _, service := range []string{"ssm", "ssmmessages"} {
		e := n.Endpoints.Of(service)
		if m.back[ofNetwork+service] || e != nil && e.Usable() && (service != "ssmmessages" || e.WebSocket.Known() && e.WebSocket.Value.AWS) {
			continue
		}
		silent = append(silent, nameOf(e, service))
	}
	if len(silent) > 0 {
		m.ask(ofNetwork, "whether "+places(silent), anyOf(silent)...)
	}
	var rights []string
	for action, at := range map[string]time.Time{node.Heartbeat: m.accepted, createChannel: m.channelOpened()} {
		if !m.allowed(n, action, at) {
			rights = append(rights, action)
		}
	}
	if slices.Sort(rights); len(rights) > 0 {
		m.ask(ofRights, "whether the node may call "+strings.Join(rights, " and "))
	}
	if len(m.open) > 0 {
		return
	}
	for _, x := range m.f.Log.Matches.Some() {
		if k := kindOf(x.ID); (k == facts.KindNode || k == facts.KindFailure) && !x.Last.Before(m.before.Acceptance.Last.At) && !m.over(x) {
			m.ask(ofLog, "whether what the agent logged last is over: %s", text.Cut(x.Text, 160))
		}
	}
}

// identityNow asks for who the node is and what it signs with, as far as they are not seen.
func (m *model) identityNow(n *node.Node) {
	i := n.Identity
	if i.ID == "" || i.Region == "" {
		m.ask(ofIdentity, "which node this host becomes")
	}
	switch n.Credentials.Source {
	case facts.SourceProfile:
		if r, ok := m.f.IMDS.Role.Get(); !m.back[ofIdentity] && (!ok || r.Code != "Success" || !r.Expires.IsZero() && !r.Expires.After(n.Now())) {
			m.ask(ofIdentity, "whether the metadata service gives credentials of the instance profile")
		}
	case facts.SourceDHMC, facts.SourceHybrid:
		if m.accepted.IsZero() || m.before.Credentials.Source != n.Credentials.Source {
			m.ask(ofIdentity, "whether Systems Manager gives the node credentials")
		} else {
			m.rest(m.accepted)
		}
	default:
		m.ask(ofIdentity, "what the agent signs with")
	}
	switch one, told := m.f.IMDS.V1Allowed.Get(); {
	case i.OnEC2 != node.Yes || i.Hybrid == node.Yes:
	case !m.f.IMDS.InstanceID.Known():
		m.ask(ofMetadata, "whether the metadata service answers")
	case told && !one && n.Agent.OlderThan(node.LeastV2) == node.Yes && m.before.Acceptance.Now != node.Yes:
		m.ask(ofMetadata, "whether agent %s reads metadata with a token, which is required here", n.Agent.Version)
	}
}

// identityBefore asks the same of a host whose metadata service is given back: it is who it
// was, where its log says what the agent signed with.
func (m *model) identityBefore() {
	if s := m.before.Credentials.Held.Source; s != facts.SourceProfile && s != facts.SourceDHMC {
		m.ask(ofIdentity, "what the agent signs with")
	}
}

// over reports whether what the agent logged of not being accepted is mended: what it
// could not reach was seen to answer or is given back, and what was refused is allowed.
func (m *model) over(x facts.Match) bool {
	skew, clock := m.f.Network.Skew.Get()
	switch {
	case m.settled[x.ID], slices.Contains([]string{facts.SigNoIdentity, facts.SigSleeping, facts.SigNotYetRegistered}, x.ID): // said of another entry
		return true
	case node.SaysRefused(x.Text):
		return !m.refusedSince(node.Heartbeat, m.before.Acceptance.Last.At)
	case saysAny(x.Text, "Signature expired", "Signature not yet current", "RequestTimeTooSkewed"):
		return clock && max(skew, -skew) < 60
	case saysAny(x.Text, "no space left on device", "read-only file system"):
		return m.settled[facts.SigReadOnly] || m.settled[facts.SigNoSpace]
	case !strings.Contains(x.Text, "dial tcp") && saysAny(x.Text, "operation not permitted", "permission denied", "address in use", "Core Agent crashed"):
		return m.back[ofAgent]
	}
	return ofTheWay(x.Text)
}

// ofTheWay reports whether an entry blames the way to a service or to the metadata service,
// all of which was seen to work or is given back where this is asked.
func ofTheWay(entry string) bool {
	return saysAny(entry, "RequestError: send request failed", "dial tcp", "x509: ", "proxyconnect", "EC2MetadataError", "failed to find agent identity", "failed to find identity")
}

func saysAny(entry string, list ...string) bool {
	return slices.ContainsFunc(list, func(x string) bool { return strings.Contains(entry, x) })
}

const (
	createChannel = "ssmmessages:CreateControlChannel"
	openChannel   = "ssmmessages:OpenControlChannel"
)

// places is a form for names that answer or not.
func places(names []string) string {
	if len(names) == 1 {
		return "%s answers"
	}
	return strings.Repeat("%s, ", len(names)-2) + "%s and %s answer"
}

func anyOf(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// channelOpened is when the agent opened its channel last, if it is one of the node as it
// was accepted, and nothing says since that it may not.
func (m *model) channelOpened() time.Time {
	up := m.before.Log.Latest(facts.SigChannelUp, facts.SigChannelMGS)
	bad := m.before.Log.Latest(facts.SigChannelToken, facts.SigChannelFailed, facts.SigWebSocketFailed, facts.SigChannelMDS)
	fails := bad.Yes() && !bad.Last.Before(up.Last) && !ofTheWay(bad.Text) && !(node.SaysRefused(bad.Text) && m.granted[createChannel])
	if !up.Yes() || fails || m.accepted.IsZero() || m.before.Age(up.Last) > acceptedWindow {
		return time.Time{}
	}
	return up.Last
}

func nameOf(e *facts.Endpoint, service string) string {
	if e == nil || e.Host == "" {
		return service
	}
	return e.Host
}

// allowed reports whether the node may call an action by what was seen: it was allowed,
// or the agent was accepted with it lately and nothing says since that this changed.
func (m *model) allowed(n *node.Node, action string, accepted time.Time) bool {
	verdict := ""
	for _, p := range n.Rights() {
		if p.Identity == n.Credentials.Source && p.Action == action && !p.Invented {
			verdict = p.Verdict
		}
	}
	switch {
	case m.granted[action]:
		return true
	case verdict == facts.AllowedProven:
		return action == node.Heartbeat || !accepted.IsZero()
	case verdict == facts.DeniedProven, accepted.IsZero(), m.refusedSince(action, accepted):
		return false
	}
	if answered, all := n.ReadsDenied(); answered > 0 && all { // its role is not what it was
		return false
	}
	m.rest(accepted)
	return true
}

// acceptedWindow is how long an acceptance stands for what nobody can see now: a weekend.
// Who reads the plan is told since when nothing else may have changed.
const acceptedWindow = 72 * time.Hour

// acceptance is when the service accepted this node last, as what it still is: not of other
// credentials, and not too long ago. Zero: nothing stands for what is not seen.
func acceptance(n *node.Node) time.Time {
	held, last := n.Credentials.Held, n.Acceptance.Last.At
	other := held.Source != "" && n.Credentials.Source != "" && n.Credentials.Source != facts.SourceNone && held.Source != n.Credentials.Source
	if last.IsZero() || n.Age(last) > acceptedWindow || other || held.Replaced == node.Yes || held.Refused.Yes() {
		return time.Time{}
	}
	return last
}

func (m *model) refusedSince(action string, at time.Time) bool {
	return slices.ContainsFunc(m.f.Log.Refusals.Some(), func(r facts.Refusal) bool {
		return r.Denied && (r.Action == action || r.Action == "") && !r.At.Before(at)
	})
}

// settle takes from the log what the agent said of the past, but for what it was refused
// last: nothing says that this is over.
func (m *model) settle() {
	quoted := map[string]bool{}
	if len(m.open) > 0 {
		for _, r := range m.refused() {
			quoted[r.Match] = true
		}
	}
	var kept []facts.Match
	for _, x := range m.f.Log.Matches.Some() {
		switch kind := kindOf(x.ID); {
		case quoted[x.ID], kind != facts.KindNode && kind != facts.KindFailure && kind != facts.KindBackoff && !ofChannel(x.ID):
			kept = append(kept, x)
		}
	}
	m.f.Log.Backoff = facts.Absent[facts.Backoff](notDone, "")
	m.f.Log.Matches.Value = kept
	if len(m.open) > 0 && len(quoted) == 0 {
		m.f.Log.Matches = facts.Partly(kept, notDone, m.f.Log.Matches.From)
		m.f.Log.Refusals = facts.Partly(m.f.Log.Refusals.Some(), notDone, m.f.Log.Refusals.From)
		m.f.Log.Backoff = facts.Unknown[facts.Backoff](notDone, "")
		if m.started {
			m.f.Agent.Processes = facts.Unknown[facts.Processes](notDone, "")
		}
	}
}

// refused are the refusals of the node's own calls that no later acceptance has overtaken.
func (m *model) refused() []facts.Refusal {
	last := m.before.Acceptance.Last.At
	var out []facts.Refusal
	for _, r := range m.f.Log.Refusals.Some() {
		if r.Denied && r.Action == node.Heartbeat && !r.NotIAM && r.At.After(last) {
			out = append(out, r)
		}
	}
	return out
}

func kindOf(id string) string {
	i := slices.IndexFunc(facts.Signatures, func(s facts.Signature) bool { return s.ID == id })
	if i < 0 {
		return ""
	}
	return facts.Signatures[i].Kind
}

// ofChannel are entries about the state of the message channel of an agent that ended.
func ofChannel(id string) bool {
	return slices.Contains([]string{facts.SigChannelLost, facts.SigChannelMDS, facts.SigMDSPaused, facts.SigMDSStopped, facts.SigMDSFailed, facts.SigAssociations}, id)
}

// accept is what an agent leaves that the service accepts.
func (m *model) accept() {
	n := node.Of(m.f)
	at := m.f.CollectedAt.Add(-acceptedAgo)
	ids := []string{facts.SigHealthOK, facts.SigChannelUp}
	switch n.Credentials.Source {
	case facts.SourceProfile:
		ids = append(ids, facts.SigProfileOK)
	case facts.SourceDHMC:
		ids = append(ids, facts.SigDHMCOK)
	}
	list := slices.DeleteFunc(m.f.Log.Matches.Some(), func(x facts.Match) bool { return x.ID == facts.SigStart || slices.Contains(ids, x.ID) })
	add := func(id string, at time.Time) {
		list = append(list, facts.Match{ID: id, Count: 1, First: at, Last: at, Before: at, Text: notDone})
	}
	add(facts.SigStart, m.f.CollectedAt.Add(-startedAgo))
	for _, id := range ids {
		add(id, at)
	}
	m.f.Log.Matches = facts.Known(list, m.f.Log.Matches.From)
	if !m.f.Log.Refusals.Known() {
		m.f.Log.Refusals = facts.Known(m.f.Log.Refusals.Some(), "")
	}
	if r, ok := m.f.Credentials.Runtime.Get(); ok {
		r.RetrievedAt, r.ModifiedAt = at, at
		if r.ExpiresAt.Year() > 1 {
			r.ExpiresAt = at.Add(time.Hour)
		}
		m.f.Credentials.Runtime.Value = r
	}
}
