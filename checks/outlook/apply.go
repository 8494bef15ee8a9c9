package outlook

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// apply makes one change. What the facts do not hold of it is asked for.
func (m *model) apply(c causes.Change) {
	f := m.f
	if c.On != "" && slices.ContainsFunc(f.Agent.ProxyFiles.Some(), func(p facts.ProxyFile) bool { return p.Path == c.On }) {
		m.proxySet(c)
		return
	}
	switch c.Kind {
	case causes.ServiceStopped:
		m.stopped, m.started = true, false
	case causes.ServiceStarted, causes.ServiceRestarted:
		runs := m.before.Agent.Core == node.Yes && !m.stopped
		masked := slices.ContainsFunc(f.Agent.Units.Some(), func(u facts.Unit) bool { return u.Enabled == "masked" || u.Load == "masked" })
		if masked || runs && c.Kind == causes.ServiceStarted {
			return
		}
		m.started, m.stopped = true, false
	case causes.ProcessResumed:
		for _, list := range [][]facts.Process{f.Agent.Processes.Value.Core, f.Agent.Processes.Value.Worker} {
			for i := range list {
				if list[i].Held == c.On {
					list[i].Held = ""
				}
			}
		}
	case causes.ServiceEnabled:
		m.units(func(u *facts.Unit) {
			if u.Enabled == "masked" || u.Enabled == "disabled" {
				u.Enabled = "enabled"
			}
			if u.Load == "masked" {
				u.Load = "loaded"
			}
			u.DanglingLink = false
		})
	case causes.UnitSet:
		m.unitSet(c)
	case causes.AgentInstalled:
		m.settled[installed] = true
		if c.To != "" && c.To != "before" {
			f.Agent.Installed = facts.Known(c.To, notDone)
		}
		if c.To == "before" || c.To != "" && c.To == m.acceptedRelease() {
			m.doubt(ofAgent, "whether the agent starts", c)
		} else { // another release was not seen here
			m.once(ofAgent, "whether the agent of that release starts and keeps running", c)
		}

	case causes.FileMoved, causes.FileRemoved:
		m.fileGone(c)
	case causes.FileEdited:
		switch {
		case strings.Contains(c.On, ".service.d/"):
			m.doubt(ofAgent, "whether the agent keeps running", c)
		case c.On == "/etc/nsswitch.conf":
			f.Host.NameSources = facts.Unknown[[]string](notDone, "")
			m.way(c)
		default:
			m.elsewhere("what changes", c)
		}
	case causes.OwnerSet, causes.ModeSet, causes.FlagCleared:
		m.pathSet(c)
	case causes.Mounted:
		for i := range f.Host.FileSystems.Value {
			fs := &f.Host.FileSystems.Value[i]
			switch {
			case fs.Mount != c.On:
			case c.To == "rw":
				fs.ReadOnly = facts.Known(false, notDone)
				m.settled[facts.SigReadOnly] = true
			case c.To == "exec":
				fs.NoExec = facts.Known(false, notDone)
				m.settled[facts.SigExecDenied] = true
			}
		}
		m.doubt(ofAgent, "whether the agent starts", c)
	case causes.SpaceFreed, causes.VolumeGrown:
		for i := range f.Host.FileSystems.Value {
			if u := &f.Host.FileSystems.Value[i].Usage; u.Known() && u.Value.FreeBytes < u.Value.TotalBytes/5 {
				u.Value.FreeBytes = u.Value.TotalBytes / 5
			}
		}
		m.settled[facts.SigNoSpace] = true
		m.once("space", "whether that is enough space", c)
		m.doubt(ofAgent, "whether the agent starts", c)
	case causes.InodesFreed:
		for i := range f.Host.FileSystems.Value {
			if u := &f.Host.FileSystems.Value[i].Usage; u.Known() && u.Value.FreeInodes < u.Value.TotalInodes/5 {
				u.Value.FreeInodes = u.Value.TotalInodes / 5
			}
		}
		m.settled[facts.SigNoSpace] = true
		m.once("space", "whether those are enough inodes", c)
		m.doubt(ofAgent, "whether the agent starts", c)
	case causes.MemoryAdded:
		m.once("memory", "whether that is enough memory", c)
		m.doubt(ofAgent, "whether the agent starts", c)
	case causes.RightsGranted, causes.LabelsSet, causes.ProfileRelaxed, causes.PackagesSettled:
		m.doubt(ofAgent, "whether the agent starts", c)
	case causes.LimitSet:
		if n, err := strconv.Atoi(c.To); err == nil && strings.HasPrefix(c.On, "fs.inotify.") {
			if c.On == "fs.inotify.max_user_watches" {
				f.Host.Inotify.Value.MaxWatches = n
			} else {
				f.Host.Inotify.Value.MaxInstances = n
			}
			return
		}
		if strings.HasPrefix(c.On, "net.") {
			m.way(c)
			return
		}
		m.elsewhere("what changes", c)
	case causes.ClockSet:
		if f.Network.Skew.Known() {
			f.Network.Skew.Value = 0
		}
		if f.Host.NTPSynchronized.LookedAt() {
			f.Host.NTPSynchronized = facts.Known(true, notDone)
		}
		m.settled[facts.SigClock] = true
		f.Log.Refusals.Value = slices.DeleteFunc(f.Log.Refusals.Value, func(r facts.Refusal) bool { return r.Match == facts.SigClock })
		m.once("clock", "whether a time server answers, and AWS accepts the clock of this host", c)

	case causes.HostsLine:
		names, err := regexp.Compile("^(?:" + c.On + ")$")
		m.endpoints(c, func(e *facts.Endpoint) bool {
			return e.DNS.Pinned != "" && (err != nil || names.MatchString(e.Host))
		})
	case causes.RouteRemoved, causes.RouteSet, causes.RoutingRule, causes.RouteStopped:
		if strings.HasPrefix(c.On, "169.254.") { // also that to all link-local addresses
			m.metadata(c)
			f.Host.PersistentRoutes.Value = slices.DeleteFunc(f.Host.PersistentRoutes.Value, func(r facts.Route) bool { return c.Kind == causes.RouteRemoved && r.From == c.On })
			return
		}
		if c.On == causes.Everywhere {
			m.metadata(c)
		}
		m.way(c)
	case causes.FirewallRule, causes.AnswersLetIn:
		if strings.HasPrefix(c.On, "169.254") {
			m.metadata(c)
			return
		}
		m.way(c)
	case causes.LinkUp, causes.AddressAsked:
		if plugged := slices.ContainsFunc(f.Host.Links.Some(), func(l facts.Link) bool { return !l.Loopback && (l.Carrier || !l.Up) }); f.Host.Links.Known() && !plugged {
			m.elsewhere("whether the device gets a carrier", c) // no setting of this host gives it one
			return
		}
		m.way(c)
	case causes.ResolverSet, causes.CAAdded, causes.TrustUpdated, causes.MTUSet, causes.TunnelChanged,
		causes.EndpointCreated, causes.EndpointNamed, causes.GroupOpened, causes.SubnetSet, causes.CloudRoute:
		m.way(c)
	case causes.MetadataOption, causes.ContainerSet:
		m.metadata(c)

	case causes.ProfileAttached:
		f.IMDS.Profile = facts.Known(facts.Profile{Name: c.To, Code: "Success"}, notDone)
		f.IMDS.Role = facts.Unknown[facts.Role](notDone, "")
		m.forgetRights()
		m.ask(ofRights, "whether the role of the instance profile %s may send a heartbeat and open the channel: no policy keeps it from that", c.To)
	case causes.ProfileAgain:
		f.IMDS.Role = facts.Unknown[facts.Role](notDone, "")
		m.sameRole()
		m.doubt(ofIdentity, "whether the metadata service gives new credentials", c)
	case causes.ManagementOn:
		m.forgetRights()
		m.ask(ofIdentity, "whether Default Host Management gives this instance credentials: the role exists, and no policy denies what it needs")
	case causes.TrustSet: // which says the same of a role that was deleted
		f.IMDS.Role = facts.Unknown[facts.Role](notDone, "")
		m.sameRole()
		m.once(ofIdentity, "whether the role is still there, and the node gets credentials of it", c)
	case causes.RoleCreated, causes.RoleInProfile, causes.NodeRoleSet, causes.RoleTagged:
		f.IMDS.Role = facts.Unknown[facts.Role](notDone, "")
		m.forgetRights()
		m.once(ofIdentity, "whether the node gets credentials of the role", c)
	case causes.RegionEnabled:
		m.forgetRights()
		m.once(ofIdentity, "whether the Region was not enabled, and AWS takes the credentials there now", c)
	case causes.PolicyAttached:
		if doc, ok := iam.Document(path.Base(c.To)); ok {
			if p, err := iam.ParsePolicy(doc); err == nil {
				m.grant(c.On, iam.LayerIdentity, func(r iam.Refusal) bool { return allows(p, r) })
				break
			}
		}
		m.elsewhere("what the role may do", c)
	case causes.PolicyPut:
		list := strings.Split(c.To, ",")
		m.grant(c.On, iam.LayerIdentity, func(r iam.Refusal) bool { return slices.Contains(list, r.Action) })
	case causes.BoundaryRemoved:
		m.grant(c.On, iam.LayerBoundary, func(iam.Refusal) bool { return true })
	case causes.Drafted:
		if c.To != "" {
			m.drafts[c.On], _, _ = strings.Cut(c.To, " of ")
		}
	case causes.PolicyReplaced:
		m.replace(c)
	case causes.PolicyDetached:
		m.forgetRights()
		m.elsewhere("what the role may do", c)

	case causes.RegistrationCleared, causes.RegistrationMade:
		m.identity(c)

	case causes.UserCreated, causes.PackageInstalled, causes.PreferenceSet, causes.KeyEnabled, causes.BucketEncrypted, causes.LogsEncrypted:
		m.once(ofSessions, "whether a session starts, and is logged", c) // nothing shows that before one is tried

	default:
		if !c.Lasts() && !harmless[c.Kind] {
			m.elsewhere("what changes", c)
		}
	}
}

// harmless are changes without an effect of their own on the way to a managed node.
var harmless = map[causes.Kind]bool{causes.UnitLoaded: true, causes.ActivationCreated: true, causes.ProfileCreated: true, causes.SessionTried: true, causes.CommandTried: true, causes.GroupCreated: true, causes.KeyImported: true, causes.ServiceEnabled: true}

// elsewhere is a change of something that the facts do not hold.
func (m *model) elsewhere(what string, c causes.Change) {
	m.touched = true
	m.once(ofSomething+c.On+string(c.Kind), what, c)
}

// acceptedRelease is the release that the service accepted last; empty: not known.
func (m *model) acceptedRelease() string {
	if start := m.before.Log.Latest(facts.SigStart); m.accepted.IsZero() || start.Yes() && start.Last.After(m.accepted) {
		return ""
	}
	return m.before.Facts.Agent.Running.Value
}

func (m *model) units(change func(*facts.Unit)) {
	for i := range m.f.Agent.Units.Value {
		change(&m.f.Agent.Units.Value[i])
	}
}

func (m *model) unitSet(c causes.Change) {
	for line := range strings.SplitSeq(c.To, `\n`) {
		switch key, value, _ := strings.Cut(line, "="); {
		case key == "MemoryMax" && value == "infinity":
			m.units(func(u *facts.Unit) { u.MemoryMax = 0 })
		case key == "User" && value == "root":
			m.units(func(u *facts.Unit) { u.User = "" })
		case key == "ExecStart" && value != "":
			m.units(func(u *facts.Unit) {
				u.Exec, u.Program = value, facts.Unknown[facts.Program](notDone, "")
			})
		case (key == "UnsetEnvironment" || strings.Contains(line, "METADATA")) && m.f.Agent.Metadata.Known():
			m.f.Agent.Metadata.Value = facts.MetadataEnv{From: m.f.Agent.Metadata.Value.From}
		}
	}
	if c.Lasts() {
		return
	}
	if strings.Contains(c.To, "_PROXY") || strings.Contains(c.To, "_proxy") {
		m.proxySet(c)
		return
	}
	switch {
	case strings.Contains(c.To, "UnsetEnvironment="):
		m.once("systemd", "whether systemd knows UnsetEnvironment, as from version 235 on", c)
	case strings.Contains(c.To, "METADATA"): // a file of variables comes after those of the unit
		m.once("systemd", "whether no EnvironmentFile sets the variable again", c)
	}
	m.doubt(ofAgent, "whether the agent keeps running and gets on", c)
}

// proxySet is a proxy for the agent's service, or another list of what it does not serve.
func (m *model) proxySet(c causes.Change) {
	if _, no, ok := strings.Cut(c.To, "no_proxy="); ok && strings.Contains(no, "169.254.169.254") && m.f.IMDS.ViaProxy.Known() {
		no, _, _ = strings.Cut(no, `"`)
		m.f.Agent.ServiceProxy.Value.No, m.f.Agent.ServiceProxy.Value.TakesMetadata = no, false
		m.f.IMDS.ViaProxy = facts.Absent[facts.Exchange](notDone, "")
	}
	if slices.ContainsFunc(m.f.Agent.ProxyFiles.Some(), func(p facts.ProxyFile) bool { return p.Kind == facts.ProxyEnvironment && p.Path != c.On }) {
		m.once("systemd", "whether no EnvironmentFile sets a proxy again", c) // it comes after the variables of the unit
	}
	seen := m.f.IMDS.InstanceID.Known()
	for _, e := range m.f.Network.Endpoints.Some() {
		seen = seen && (e.Need != facts.NeedCore || e.Usable())
	}
	if p, ok := m.f.Network.ShellProxy.Get(); ok && p.Outcome == facts.OK && strings.Contains(c.To, p.URL) && !m.accepted.IsZero() && !m.channelOpened().IsZero() {
		for service, at := range map[string]time.Time{"ssm": m.accepted, "ssmmessages": m.channelOpened()} { // which the node used, by whatever way
			m.back[ofNetwork+service] = true
			m.rest(at)
		}
		m.touched = true
		m.once("proxy", "whether the proxy, which connects to ssm, connects to ssmmessages too", c)
		return
	}
	if seen { // without the proxy, which is in the way of the metadata service alone
		m.doubt(ofAgent, "whether the agent gets on", c)
		return
	}
	m.elsewhere("whether the agent gets on", c)
}

func (m *model) fileGone(c causes.Change) {
	f := m.f
	switch {
	case c.On == f.Agent.ConfigPath && c.On != "":
		f.Agent.Config = facts.Absent[facts.Config](notDone, "file:"+c.On)
		m.settled[facts.SigConfigUnusable], m.settled[facts.SigStartFailed] = true, true
		if slices.ContainsFunc(f.Network.Endpoints.Some(), func(e facts.Endpoint) bool {
			return e.Need == facts.NeedCore && (!e.Usable() || e.Configured != "default")
		}) {
			m.way(c) // it may name endpoints
		}
		m.doubt(ofAgent, "whether the agent starts", c)
	case c.On == f.Credentials.RootFile.Value.Path && c.On != "":
		f.Credentials.RootFile = facts.Absent[facts.SharedFile](notDone, "file:"+c.On)
		m.elsewhere("what the agent signs with", c)
	case m.folderGone(c.On):
		m.doubt(ofAgent, "whether the agent makes the folder again and starts", c)
	case strings.HasSuffix(c.On, "/identity_config.json"):
		f.Credentials.Runtime = facts.Absent[facts.Runtime](notDone, "file:"+c.On)
		m.doubt(ofAgent, "whether the agent keeps running", c)
	case strings.Contains(c.On, ".service.d/"), strings.HasSuffix(c.On, "/ipc"):
		m.doubt(ofAgent, "whether the agent keeps running", c) // what it writes again, or ran without
	default:
		m.elsewhere("what the agent does", c)
	}
}

// folderGone takes what stands in the place of a folder of the agent's away; false: it is none.
func (m *model) folderGone(name string) (gone bool) {
	for i := range m.f.Registration.Paths.Value {
		if p := &m.f.Registration.Paths.Value[i]; p.Path == name && p.Folder && (p.Error != "" || p.Exists && !strings.HasPrefix(p.Mode, "d")) {
			p.Exists, p.Mode, p.Error, gone = false, "", "", true
		}
	}
	return gone
}

func (m *model) pathSet(c causes.Change) {
	for i := range m.f.Registration.Paths.Value {
		p := &m.f.Registration.Paths.Value[i]
		switch {
		case p.Path != c.On:
		case c.Kind == causes.OwnerSet:
			p.Owner = facts.Known(0, notDone)
		case c.Kind == causes.FlagCleared:
			p.Flag = ""
		default:
			if bits, err := strconv.ParseUint(c.To, 8, 12); err == nil && len(p.Mode) == 10 {
				p.Mode = p.Mode[:1] + modeText(bits)
			}
		}
	}
	m.units(func(u *facts.Unit) {
		if u.Exec == c.On && c.Kind == causes.ModeSet && u.Program.Known() {
			u.Program.Value.Runnable = true
		}
	})
	m.doubt(ofAgent, "whether the agent starts", c)
}

// modeText is a mode as ls writes it.
func modeText(bits uint64) string {
	out := []byte("rwxrwxrwx")
	for i := range out {
		if bits&(1<<(8-i)) == 0 {
			out[i] = '-'
		}
	}
	return string(out)
}

// givesBack are the changes of a way that take away what was put in it: behind them is what
// the node was accepted by. What others lead to was never tried.
var givesBack = map[causes.Kind]bool{
	causes.HostsLine: true, causes.RouteRemoved: true, causes.RouteSet: true, causes.RoutingRule: true, causes.FirewallRule: true, causes.AnswersLetIn: true, causes.LinkUp: true, causes.AddressAsked: true,
	causes.TunnelChanged: true, causes.MTUSet: true, causes.LimitSet: true, causes.GroupOpened: true, causes.MetadataOption: true,
}

// endpoints forgets what was seen of the way to some endpoints.
func (m *model) endpoints(c causes.Change, which func(*facts.Endpoint) bool) {
	m.touched = true
	var names []string
	kept := 0
	for i := range m.f.Network.Endpoints.Value {
		e := &m.f.Network.Endpoints.Value[i]
		if !which(e) {
			continue
		}
		forget(e)
		if e.Need != facts.NeedCore {
			continue
		}
		if names = append(names, e.Host); !m.accepted.IsZero() && givesBack[c.Kind] {
			since := m.accepted
			if e.Service == "ssmmessages" { // no heartbeat went there
				since = m.channelOpened()
			}
			if !since.IsZero() {
				m.back[ofNetwork+e.Service] = true
				m.rest(since)
				kept++
			}
		}
	}
	if kept > 0 && kept == len(names) {
		return
	}
	if len(names) == 0 {
		m.once(ofNetwork, "whether the endpoints answer", c)
		return
	}
	t := text.New("whether "+places(names)+", once ", anyOf(names)...).Append(c.Says())
	m.ask(ofNetwork, t.Format, t.Args...)
}

// forget drops what was seen of the way to an endpoint.
func forget(e *facts.Endpoint) {
	e.DNS, e.TCP, e.Proxy, e.Scope = facts.DNS{}, nil, facts.Connect{}, ""
	e.TLS, e.HTTP, e.WebSocket = facts.Unknown[facts.TLS](notDone, ""), facts.Unknown[facts.HTTP](notDone, ""), facts.Unknown[facts.HTTP](notDone, "")
	e.Stall, e.Dual = facts.Unknown[facts.Stall](notDone, ""), facts.Unknown[facts.DualName](notDone, "")
}

// way forgets what was seen of the network.
func (m *model) way(c causes.Change) {
	m.endpoints(c, func(e *facts.Endpoint) bool { return !e.Usable() })
	h, n := &m.f.Host, &m.f.Network
	h.Links, h.Interfaces = facts.Unknown[[]facts.Link](notDone, ""), facts.Unknown[[]facts.Interface](notDone, "")
	h.Defaults, h.Rules, h.Paths = facts.Unknown[[]facts.Route](notDone, ""), facts.Unknown[[]facts.RoutingRule](notDone, ""), facts.Unknown[[]facts.Path](notDone, "")
	h.DefaultIPv4, h.DefaultIPv6 = facts.Unknown[bool](notDone, ""), facts.Unknown[bool](notDone, "")
	h.Resolver, h.Firewall = facts.Unknown[facts.Resolver](notDone, ""), facts.Unknown[facts.Firewall](notDone, "")
	n.Proxy, n.ShellProxy = facts.Unknown[facts.ProxyProbe](notDone, ""), facts.Unknown[facts.ProxyProbe](notDone, "")
	n.Direct = facts.Unknown[[]facts.DirectProbe](notDone, "")
	n.Others = facts.Unknown[[]facts.InterfaceProbe](notDone, "")
	if c.Kind == causes.LinkUp || c.Kind == causes.AddressAsked {
		m.metadata(c)
	}
}

// metadata forgets what was seen of the metadata service, unless it answered.
func (m *model) metadata(c causes.Change) {
	m.touched = true
	i := &m.f.IMDS
	if i.InstanceID.Known() && i.Token.Known() && i.Token.Value.Token {
		return
	}
	// An option is what is wrong where the service itself answered.
	if t, ok := i.Token.Get(); givesBack[c.Kind] && (c.Kind != causes.MetadataOption || ok && t.Status != 0 || m.f.Host.Container.Known()) {
		m.doubt(ofMetadata, "whether the metadata service answers", c)
	} else {
		m.once(ofMetadata, "whether the metadata service answers", c)
	}
	e := facts.Unknown[facts.Exchange](notDone, "")
	i.Token, i.Bare, i.ViaProxy, i.IPv6, i.V1Allowed = e, e, e, e, facts.Unknown[bool](notDone, "")
	s := facts.Unknown[string](notDone, "")
	i.InstanceID, i.Region, i.Account, i.Partition = s, s, s, s
	i.Profile, i.Role, i.IdentityRole = facts.Unknown[facts.Profile](notDone, ""), facts.Unknown[facts.Role](notDone, ""), facts.Unknown[facts.Role](notDone, "")
	m.f.Host.IMDSRoute = facts.Unknown[facts.Route](notDone, "")
}

// identity is a registration that goes, or comes.
func (m *model) identity(c causes.Change) {
	if m.before.Agent.Core == node.Yes && !m.stopped {
		m.elsewhere("what the agent, which runs and writes its state again, does", c)
		return
	}
	m.touched = true
	r := &m.f.Registration
	r.Informational, r.Fingerprint = facts.Unknown[facts.Informational](notDone, ""), facts.Unknown[facts.Fingerprint](notDone, "")
	r.Damage = facts.Unknown[[]facts.Damage](notDone, "")
	m.f.Credentials.Runtime = facts.Unknown[facts.Runtime](notDone, "")
	m.forgetRights()
	if c.Kind == causes.RegistrationCleared {
		r.Hybrid = facts.Absent[facts.Key](notDone, "")
		m.once(ofIdentity, "how the node identifies itself", c)
		return
	}
	r.Hybrid = facts.Unknown[facts.Key](notDone, "")
	m.ask("activation", "whether AWS takes the activation, and gives the node credentials")
}

// ofRunning are entries about the agent's programs, whatever they sign with.
var ofRunning = []string{facts.SigPanic, facts.SigBusStart, facts.SigStartFailed, facts.SigConfigUnusable, facts.SigNoSpace, facts.SigReadOnly, facts.SigExecDenied}

// forgetRights drops what is known of the rights of the identity that was in use.
func (m *model) forgetRights() {
	m.touched = true
	p := &m.f.Permissions
	p.Actions, p.Identities = facts.Unknown[[]facts.Permission](notDone, ""), facts.Unknown[[]facts.Identity](notDone, "")
	m.f.Log.Refusals = facts.Partly([]facts.Refusal(nil), notDone, "")
	for _, s := range facts.Signatures {
		if !slices.Contains(ofRunning, s.ID) {
			m.settled[s.ID] = true
		}
	}
}

// sameRole is new credentials of the role that was in use: what it was refused since it was
// accepted last, it is refused with them too.
func (m *model) sameRole() {
	last := m.before.Acceptance.Last.At
	still := m.refusedSince(node.Heartbeat, last) || m.refusedSince(createChannel, m.channelOpened()) || m.refusedSince(openChannel, m.channelOpened()) ||
		slices.ContainsFunc(m.f.Log.Matches.Some(), func(x facts.Match) bool {
			k := kindOf(x.ID)
			return (k == facts.KindNode || k == facts.KindFailure) && !m.settled[x.ID] && node.SaysRefused(x.Text) && !x.Last.Before(last)
		})
	m.forgetRights()
	if still {
		m.ask(ofRights, "whether AWS still refuses what it refused this role last")
	}
}

// allows reports whether a policy by itself allows what was refused.
func allows(p *iam.Policy, r iam.Refusal) bool {
	resource := r.Resource
	if resource == "" {
		resource = "*"
	}
	return iam.Evaluate(iam.Layers{Identity: []*iam.Policy{p}}, iam.Request{Action: r.Action, Resource: resource, Complete: true}).Verdict == iam.Allow
}

// grant takes back refusals of one layer that a change meets. AWS decides in the order
// explicit deny, resource control policy, SCP, identity, boundary, session: a layer that
// comes after the one it named was not asked yet.
func (m *model) grant(role, layer string, meets func(iam.Refusal) bool) {
	m.touched = true
	private := false
	for _, e := range m.f.Network.Endpoints.Some() {
		private = private || e.Need == facts.NeedCore && e.Scope != "public"
	}
	gone := func(r iam.Refusal) bool {
		of := m.before.RoleOf(node.Refusal{Refusal: r})
		if r.Explicit || r.NotIAM || r.Layer != layer || role != "" && of != "" && of != role || !meets(r) {
			return false
		}
		if layer == iam.LayerBoundary && !private || !m.accepted.IsZero() {
			m.granted[r.Action] = true
		}
		return true
	}
	m.drop(gone)
	switch {
	case !m.accepted.IsZero() && (m.granted[node.Heartbeat] || m.granted[createChannel]):
		m.rest(m.accepted) // no other policy was in the way
	case layer != iam.LayerBoundary:
		m.ask(ofPolicies, "whether another policy, such as a permissions boundary, keeps the role %s from it", role)
	case private:
		m.ask(ofPolicies, "whether the policy of the VPC endpoint lets the role %s do it", role)
	}
}

// drop takes back refusals, of the log and of this run.
func (m *model) drop(gone func(iam.Refusal) bool) {
	f := m.f
	f.Log.Refusals.Value = slices.DeleteFunc(f.Log.Refusals.Value, func(r facts.Refusal) bool {
		if !gone(r.Refusal) {
			return false
		}
		m.settled[r.Match] = true
		return true
	})
	f.Permissions.Actions.Value = slices.DeleteFunc(f.Permissions.Actions.Value, func(p facts.Permission) bool {
		return p.Verdict == facts.DeniedProven && gone(p.Refused)
	})
}

// replace puts an edited text in the place of a policy.
func (m *model) replace(c causes.Change) {
	kind, _, _ := strings.Cut(c.On, " ")
	layer := map[string]string{"scp": iam.LayerSCP, "endpoint": iam.LayerEndpoint, "boundary": iam.LayerBoundary, "role": iam.LayerIdentity}[kind]
	word, rest, _ := strings.Cut(m.drafts[c.To], " ")
	actions, _, _ := strings.Cut(rest, " ")
	list := strings.Split(actions, ",")
	m.touched = true
	m.drop(func(r iam.Refusal) bool {
		gone := !r.NotIAM && r.Layer == layer && slices.Contains(list, r.Action) && r.Explicit == (word == "exempt")
		if gone && !m.accepted.IsZero() {
			m.granted[r.Action] = true
		}
		return gone
	})
	m.doubt(ofPolicies, "whether no other policy keeps the node from it", c)
}
