package sim

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/iam"
)

// After is a host after the steps of a remedy were carried out, twelve minutes after a
// start of its agent where there was one. A change acts on the world from which the host
// is played, and has no effect where what it changes was not wrong; what the agent then
// does follows from the world.
func After(s Scenario, list []causes.Change) (Scenario, error) {
	s, err := s.filled()
	if err != nil {
		return s, err
	}
	if s.Principals == nil {
		s.Principals = map[string]*Principal{}
	}
	if s.Agent.Units == nil {
		s.Agent.Units = map[string]Unit{}
	}
	a := &aftermath{Scenario: s, drafts: map[string]string{}, hidden: hiddenIn(s)}
	if w, err := new(Host).build(s); err == nil && s.Agent.Worker && s.Agent.Channel == nil {
		a.Agent.Channel = []string{} // one that is not there now is not there after the change either
		if e, _ := w.endpoint("ssmmessages"); len(e.Address) > 0 && e.TCP == "" && e.DNS == "" && e.TLS == "" && e.WebSocket == "" {
			a.Agent.Channel = []string{e.Address[0] + ":443"}
		}
	}
	a.read()
	for _, c := range list {
		a.apply(c)
	}
	if a.down {
		a.Agent.Core, a.Agent.Worker = false, false
		for k, u := range a.Agent.Units {
			u.Active = "inactive"
			a.Agent.Units[k] = u
		}
	}
	if a.started && !a.down {
		if err := a.live(); err != nil {
			return s, err
		}
	}
	a.work()
	return a.Scenario, nil
}

// CloneOf is a copy of a scenario that shares nothing with it.
func CloneOf(s Scenario) (Scenario, error) { return s.clone() }

// Aged lets a day pass for entries of a log that hold a text; empty: for none.
func Aged(log []string, holds string) []string {
	out := slices.Clone(log)
	for i, l := range out {
		if holds != "" && strings.Contains(l, holds) {
			out[i] = earlier([]string{l}, 25*time.Hour)[0]
		}
	}
	return out
}

// reTakenOut is a setting that a program of sed takes out of a unit.
var reTakenOut = regexp.MustCompile(`\*(\w+)\[\[:space:\]\]\*=/d`)

// aftermath is a host to which changes are made.
type aftermath struct {
	Scenario
	drafts        map[string]string // text of policies in files of whoever mends, by how they are edited
	hidden        map[string]bool   // what is wrong and shows in the agent's log or unit only
	activation    bool
	filledProfile bool   // it was given a role, which metadata names once the profile is attached again
	version       string // installed, and not started yet
	down          bool   // the agent was stopped
	started       bool   // it was started since
	newTask       bool
	runAsOff      bool
	session       bool // was tried
	command       bool
	pending       []string          // lines of drop-ins that systemd has not read
	loaded        []string          // and that it has
	inForce       map[string]string // drop-ins as systemd has read them, by packaging
}

// Hidden faults: what AWS or the kernel says of them stands in the log, and nothing else
// of a scenario holds them.
var hiddenFaults = []struct{ name, says string }{
	{"unknown to the service", "InvalidInstanceId"}, {"drifted", "configuration has changed more"}, {"drifted", "MachineFingerprintDoesNotMatch"},
	{"role", "Unable to assume role"}, {"activation", "ActivationExpired"}, {"region", "Registration failed due to error registering the instance with AWS SSM. RequestError"},
	{"bus", "address in use"}, {"release", "Core Agent crashed"}, {"service", "500 Internal Server Error"}, {"reboot", "requested reboot"},
	{"key", "kms:Decrypt"}, {"session key", "Fetching data key failed"}, {"log group", "on the selected CloudWatch Logs log group"}, {"bucket", "on the selected Amazon S3 bucket"}, {"document worker", "error: fork/exec /usr/bin/ssm-document-worker: no such file"},
}

func hiddenIn(s Scenario) map[string]bool {
	out := map[string]bool{}
	for _, f := range hiddenFaults {
		out[f.name] = slices.ContainsFunc(s.Log, func(l string) bool { return strings.Contains(l, f.says) })
	}
	for _, l := range append(slices.Clone(s.Host.Syslog), s.Host.Audit...) {
		switch {
		case !strings.Contains(l, "{now}"):
		case strings.Contains(l, "Memory cgroup out of memory"):
			out["limit"] = true
		case strings.Contains(l, "Out of memory"):
			out["memory"] = true
		case strings.Contains(l, "shared libraries"):
			out["library"] = true
		case strings.Contains(l, "Dependency failed"):
			for _, u := range s.Agent.Units {
				out["dependency"] = out["dependency"] || u.Active == "inactive"
			}
		case strings.Contains(l, "apparmor"):
			out["apparmor"] = true
		case strings.Contains(l, "avc:"):
			out["labels"] = true
		}
	}
	out["session key"] = out["session key"] && !out["key"]
	for _, u := range s.Agent.Units {
		out["crash"] = out["crash"] || u.Result == "core-dump"
		out["timeout"] = out["timeout"] || u.Result == "timeout"
		out["user"] = out["user"] || u.Exit == 217
		out["other program"] = out["other program"] || u.Exec != "" && path.Base(u.Exec) != "amazon-ssm-agent"
	}
	return out
}

func (a *aftermath) apply(c causes.Change) {
	s := &a.Scenario
	if a.flagged(c) {
		return
	}
	role := func() *Principal {
		for _, p := range s.Principals {
			if p.Name == c.On || c.On == "ROLE_NAME" && p.Kind == KindTask { // which the reader looks up
				return p
			}
		}
		return nil
	}
	each := func(change func(*Endpoint)) {
		for name, e := range s.Endpoints {
			change(&e)
			s.Endpoints[name] = e
		}
	}
	open := func(kinds ...string) func(*Endpoint) {
		return func(e *Endpoint) {
			if slices.Contains(kinds, e.TCP) {
				e.TCP = ""
			}
		}
	}
	unit := func(change func(*Unit)) {
		for kind, u := range s.Agent.Units {
			change(&u)
			s.Agent.Units[kind] = u
		}
	}
	switch c.Kind {
	case causes.AgentInstalled:
		to := c.To
		if to == "before" {
			to = s.Agent.Previous
		}
		if to == "" {
			to = "3.3.4364.0"
		}
		if s.Agent.Version == "" {
			s.Agent = Agent{NoManager: s.Agent.NoManager, Others: s.Agent.Others, Units: map[string]Unit{}}
			w := &world{Scenario: *s}
			kind := "deb"
			if w.rpmHost() {
				kind = "rpm"
			}
			s.Agent.Packaging, s.Agent.Units[kind] = []string{kind}, Unit{Active: "inactive", Enabled: "disabled"}
		}
		a.version = to // what runs is the old one until it is started again
		if !s.Agent.Core {
			s.Agent.Version = to
		}
		for kind, u := range s.Agent.Units { // where the package brings its unit
			u.Exec = ""
			s.Agent.Units[kind] = u
		}
		for name := range s.Files {
			if strings.HasPrefix(name, "/usr/bin/") {
				delete(s.Files, name)
			}
		}
		for _, f := range []string{"release", "library", "crash", "document worker"} {
			delete(a.hidden, f)
		}
	case causes.AgentRemoved:
		s.Agent.Packaging = slices.DeleteFunc(s.Agent.Packaging, func(k string) bool { return k == c.On || c.On == "deb" && k == "rpm" })
		delete(s.Agent.Units, c.On)
		s.Agent.Package = ""
	case causes.PackagesSettled:
		s.Agent.Package = ""
	case causes.KeyImported:
		s.Host.RPMKeys += "gpg-pubkey 88d19d46\n"
	case causes.PackageInstalled:
		if c.On == "util-linux" {
			s.Host.NoScript = false
			if s.Files == nil {
				s.Files = map[string]File{}
			}
			s.Files["/usr/bin/script"] = File{Mode: 0o755, Age: Duration(2 * time.Minute)}
		}

	case causes.ServiceRestarted, causes.ServiceStarted:
		runs := s.Agent.Core && !a.down
		masked := false
		for _, u := range s.Agent.Units {
			masked = masked || u.Enabled == "masked"
		}
		if c.Kind == causes.ServiceStarted && runs || masked { // systemctl start of one that runs does nothing
			return
		}
		a.started, a.down = true, false
	case causes.ServiceStopped:
		a.down = true
	case causes.ServiceEnabled:
		unit(func(u *Unit) {
			if u.Enabled == "masked" || u.Enabled == "disabled" {
				u.Enabled = "enabled"
			}
		})
	case causes.ProcessResumed:
		a.resume(c.On)
	case causes.UnitLoaded:
		a.loaded, a.pending = append(a.loaded, a.pending...), nil
		a.read()
	case causes.UnitSet:
		a.pending = append(a.pending, strings.Split(c.To, `\n`)...)
	case causes.OtherService, causes.AssociationMade, causes.AgentHeld, causes.TunnelChanged, causes.NodeDeregistered, causes.SerialOpened, causes.GroupCreated:
		// for later, or for what a simulated world does not have

	case causes.RegistrationCleared:
		for name := range s.Files { // a damaged vault is not written either
			if strings.HasPrefix(name, "/var/lib/amazon/ssm/Vault") {
				return
			}
		}
		if !s.Agent.Core || a.down { // one that runs writes its state again
			s.Agent.Hybrid, s.Agent.Cloned, s.Agent.Fingerprint = false, false, nil
		}
	case causes.ActivationCreated:
		a.activation = true
	case causes.RegistrationMade:
		for name := range s.Files {
			if strings.HasPrefix(name, "/var/lib/amazon/ssm/Vault") {
				return
			}
		}
		if !a.activation || s.Agent.Hybrid {
			return
		}
		s.Agent.Hybrid, s.Agent.Cloned, s.Agent.Fingerprint = true, false, nil
		for _, f := range []string{"unknown to the service", "drifted", "activation", "region"} {
			delete(a.hidden, f)
		}
	case causes.ProfileRelaxed:
		delete(a.hidden, "apparmor")
		a.past("apparmor")

	case causes.FileMoved, causes.FileRemoved:
		w := &world{Scenario: *s}
		d := w.dirs()
		switch {
		case c.On == "/"+d.config:
			s.Agent.Config = ""
		case c.On == "/"+d.shared:
			for name, p := range s.Principals {
				if p.Kind == KindUser {
					delete(s.Principals, name)
				}
			}
		case strings.HasSuffix(c.On, "/ipc"):
			delete(a.hidden, "bus")
		case strings.HasSuffix(c.On, "/Vault"), c.On != "" && strings.HasPrefix("/"+d.data+"/Vault", c.On+"/") && !s.Files[c.On].stands(): // or the folder that it is in
			s.Agent.Hybrid, s.Agent.EC2 = false, false
		case strings.HasSuffix(c.On, ".service.d/50-local.conf"):
			unit(func(u *Unit) {
				u.Started = cmp.Or(u.Started, u.DropIn)
				if strings.Contains(u.DropIn, "User=") {
					u.User = ""
				}
				u.DropIn = ""
			})
		}
		for name := range s.Files {
			if name == c.On || strings.HasPrefix(name, c.On+"/") {
				delete(s.Files, name)
			}
		}
	case causes.FileEdited:
		w := &world{Scenario: *s}
		d := w.dirs()
		switch {
		case strings.HasSuffix(c.On, ".service.d/50-local.conf"): // settings taken out by sed
			unit(func(u *Unit) {
				u.Started = cmp.Or(u.Started, u.DropIn)
				for _, m := range reTakenOut.FindAllStringSubmatch(c.To, -1) {
					u.DropIn = regexp.MustCompile(`(?m)^\s*`+m[1]+`\s*=.*\n?`).ReplaceAllString(u.DropIn, "")
					if m[1] == "User" {
						u.User = ""
					}
				}
				if !strings.Contains(u.DropIn, "=") { // a section without a setting
					u.DropIn = ""
				}
			})
		case c.On == "/etc/nsswitch.conf":
			if f, ok := s.Files[c.On]; ok && strings.Contains(c.To, " dns/") {
				f.Content = strings.TrimSuffix(f.Content, "\n") + " dns\n"
				s.Files[c.On] = f
			}
		case c.On == "/"+d.config:
			s.Agent.Config = editedConfig(s.Agent.Config, c.To)
		case c.On == "/"+d.shared && strings.Contains(c.To, "default"):
			for name, p := range s.Principals {
				if p.Kind == KindUser {
					delete(s.Principals, name)
				}
			}
		}
	case causes.OwnerSet, causes.ModeSet:
		if f, ok := s.Files[c.On]; ok {
			if c.Kind == causes.OwnerSet {
				f.UID = 0
			} else if _, err := fmt.Sscanf(c.To, "%o", &f.Mode); err != nil {
				return
			}
			s.Files[c.On] = f
		}
	case causes.FlagCleared:
		if f, ok := s.Files[c.On]; ok {
			f.Flag = ""
			s.Files[c.On] = f
		}
	case causes.LabelsSet:
		delete(a.hidden, "labels")
		a.past("avc:")
	case causes.Mounted:
		for i, m := range s.Host.Mounts {
			if f := strings.Fields(m); f[0] == c.On && c.To == "exec" {
				s.Host.Mounts[i] = strings.ReplaceAll(m, ",noexec", "")
			} else if f[0] == c.On && c.To == "rw" {
				s.Host.Mounts[i] = strings.Replace(m, " ro", " rw", 1)
			}
		}
	case causes.SpaceFreed:
		s.Host.DiskUsed = min(s.Host.DiskUsed, 70)
	case causes.InodesFreed:
		s.Host.InodesUsed = min(s.Host.InodesUsed, 70)
	case causes.InstanceMoved: // whose new hardware has a metadata service that answers
		if s.Kind == EC2 && (s.IMDS.Mode == "absent" || s.IMDS.Mode == "hang") {
			s.IMDS.Mode = "required"
		}
		a.started, a.down = true, false
	case causes.MemoryAdded:
		delete(a.hidden, "memory")
	case causes.LimitSet:
		switch c.On {
		case "fs.inotify.max_user_watches":
			s.Host.MaxWatches = 524288
		case "net.ipv4.tcp_mtu_probing":
			each(open("large-lost"))
		case "net.ipv4.ip_local_port_range":
			each(open("no-port"))
		}
	case causes.UserCreated:
		s.Host.Users, s.Host.NoUsers = append(s.Host.Users, c.On), false

	case causes.HostsLine:
		f, ok := s.Files["/etc/hosts"]
		if names, err := regexp.Compile(`\s+(` + c.On + `)(\s|$)`); ok && err == nil {
			var kept []string
			for l := range strings.SplitSeq(strings.TrimSuffix(f.Content, "\n"), "\n") {
				if l = names.ReplaceAllString(names.ReplaceAllString(l, "$2"), "$2"); len(strings.Fields(l)) != 1 {
					kept = append(kept, l)
				}
			}
			f.Content = strings.Join(kept, "\n") + "\n"
			s.Files["/etc/hosts"] = f
		}
	case causes.ResolverSet:
		if c.On != "/etc/resolv.conf" && !slices.Contains(s.Resolvers, "127.0.0.53") {
			return // a setting of systemd-resolved, which this host does not ask
		}
		s.Resolvers = []string{"169.254.169.253"}
		each(func(e *Endpoint) {
			if e.DNS == "timeout" {
				e.DNS = ""
			}
			if v := e.Views["169.254.169.253"]; len(v) > 0 {
				e.Address, e.TCP, e.DNS, e.Private = v, "", "", true
			}
		})
	case causes.CAAdded:
		each(func(e *Endpoint) {
			if e.TLS == "untrusted" {
				e.TLS = ""
			}
		})
		for i := range s.Proxies {
			if s.Proxies[i].TLS == "untrusted" {
				s.Proxies[i].TLS = "trusted"
			}
		}
	case causes.ClockSet:
		s.Skew, s.Unsynced = 0, false
	case causes.FirewallRule:
		if !strings.Contains(strings.ToLower(s.Host.Rules), "drop") && !strings.Contains(strings.ToLower(s.Host.Rules), "reject") {
			return
		}
		if c.On == "53" {
			s.Host.Rules = letThrough(s.Host.Rules, c.On)
			return
		}
		if port := map[bool]string{true: "443", false: "80"}[c.On == "443"]; stopped(s.Host.Rules, packet{"tcp", "sport " + port, ""}, "input", "prerouting") {
			return // it lets out what went out already
		}
		if c.On == "443" {
			each(open("timeout", "refuse", "not-permitted"))
		} else if s.IMDS.Mode == "absent" || s.IMDS.Mode == "not-permitted" || s.IMDS.Mode == "refuse" {
			s.IMDS.Mode = "required"
		}
		s.Host.Rules = letThrough(s.Host.Rules, c.On)
	case causes.AnswersLetIn:
		s.Host.Rules = letIn(s.Host.Rules, c.To, answerOf(c.On))
	case causes.RouteRemoved:
		to := strings.TrimSuffix(c.On, "/32")
		s.Net.Routes = slices.DeleteFunc(s.Net.Routes, func(r Route) bool { return strings.TrimSuffix(r.To, "/32") == to })
		if to == "169.254.169.254" {
			if s.IMDSGateway != "" || s.IMDS.Mode == "invalid" || s.IMDS.Mode == "unreachable" {
				s.IMDS.Mode = "required"
			}
			s.IMDSGateway = ""
		}
	case causes.RouteSet, causes.RoutingRule:
		r := Route{To: c.On + "/32", Via: (&world{Scenario: *s}).gateway(), Dev: c.To, Table: 1}
		if c.Kind == causes.RoutingRule || c.To == "" {
			r.Dev = "eth0"
		}
		s.Net.Routes = append(s.Net.Routes, r)
		if own, ok := s.Interfaces[r.Dev]; ok { // what is next to that device can be reached by it
			p, err := netip.ParsePrefix(own)
			for name, e := range s.Endpoints {
				if len(e.Address) != 1 || err != nil {
					continue
				}
				if to, err := netip.ParseAddr(e.Address[0]); err == nil && e.Address[0] == c.On && p.Masked().Contains(to) {
					e.TCP = ""
					s.Endpoints[name] = e
				}
			}
		}
	case causes.RouteStopped:
		if c.On == "169.254.169.254" && s.Kind != EC2 {
			s.IMDS.Mode = "unreachable"
		}
	case causes.LinkUp:
		s.Net.Down = false
	case causes.AddressAsked:
		s.Net.NoAddress, s.Net.NoDefault = false, false
		s.NoIPv4 = s.NoIPv4 && s.IPv6
	case causes.MTUSet:
		each(open("large-lost"))

	case causes.ProfileAttached:
		s.IMDS.NoRole = false
		if s.IMDS.Profile == "" {
			s.Principals["attached"] = &Principal{Kind: KindProfile, Name: "NodeRole", Policies: []Policy{"AmazonSSMManagedInstanceCore"}}
			s.IMDS.Profile = "attached"
		}
	case causes.ProfileAgain:
		if p := s.Principals[s.IMDS.Profile]; p != nil && p.Life < 0 {
			p.Life = 0
		}
		s.IMDS.NoRole = s.IMDS.NoRole && !a.filledProfile
	case causes.RegionEnabled:
		s.RegionOff = s.RegionOff && c.On != s.Region
	case causes.ManagementOn:
		s.Principals[dhmc] = &Principal{Kind: KindDHMC, Name: "AWSSystemsManagerDefaultEC2InstanceManagementRole", Path: "/service-role/", Policies: []Policy{"AmazonSSMManagedEC2InstanceDefaultPolicy"}}
	case causes.ProfileCreated: // beside the role that is put into it
	case causes.RoleInProfile:
		if p := role(); p != nil && p.Code == "AssumeRoleUnauthorizedAccess" {
			p.Code, p.Message = "", ""
		}
		a.filledProfile = true
	case causes.RoleCreated:
		if a.hidden["role"] && s.Principals[dhmc] == nil && s.Kind == EC2 {
			s.Principals[dhmc] = &Principal{Kind: KindDHMC, Name: c.On, Path: "/service-role/"}
			delete(a.hidden, "role")
		}
	case causes.TrustSet, causes.NodeRoleSet:
		if a.hidden["role"] && s.Principals[dhmc] == nil && s.Kind == EC2 { // it is there after all
			a.apply(causes.Change{Kind: causes.ManagementOn})
			delete(a.hidden, "role")
		}
		if p := role(); p != nil && p.Code == "AssumeRoleUnauthorizedAccess" {
			p.Code, p.Message = "", ""
		}
		if s.Kind == Hybrid {
			delete(a.hidden, "role")
		}
	case causes.PolicyAttached:
		if p := role(); p != nil {
			p.Policies = append(p.Policies, Policy(path.Base(c.To)))
		}
	case causes.PolicyDetached:
		if p := role(); p != nil {
			p.Policies = slices.DeleteFunc(p.Policies, func(d Policy) bool {
				return string(d) == path.Base(c.To) || c.To == "POLICY_ARN" && allows(d, "ssm:UpdateInstanceInformation")
			})
		}
	case causes.PolicyPut:
		if p := role(); p != nil {
			p.Policies = append(p.Policies, Allow(strings.Split(c.To, ",")...))
		}
		if strings.Contains(c.To, "kms:Decrypt") {
			delete(a.hidden, "key")
		}
	case causes.BoundaryRemoved:
		if p := role(); p != nil {
			p.Boundary = ""
		}
	case causes.Drafted:
		if c.To == "" {
			a.drafts[c.On] = "as it is"
		} else if how, of, ok := strings.Cut(c.To, " of "); !ok || a.drafts[of] != "" {
			a.drafts[c.On] = how
		}
	case causes.PolicyReplaced:
		a.replacePolicy(c.On, a.drafts[c.To])
	case causes.MetadataOption:
		switch {
		case c.On == "http-endpoint" && c.To == "enabled" && s.IMDS.Mode == "disabled":
			s.IMDS.Mode = "required"
		case c.On == "http-tokens" && (s.IMDS.Mode == "required" || s.IMDS.Mode == "optional"):
			s.IMDS.Mode = c.To
		case c.On == "http-put-response-hop-limit" && s.IMDS.Mode == "token-timeout":
			s.IMDS.Mode = "required"
		}
	case causes.ContainerSet:
		if c.On == "network" && s.IMDS.Mode == "token-timeout" {
			s.IMDS.Mode = "required"
		}
		if c.On == "readonlyRootFilesystem" && s.Task != nil {
			s.Task.ReadOnly = false
		}
	case causes.TaskStarted:
		a.newTask = true
		if s.Task != nil && c.To == "execute-command" {
			s.Task.Exec = true
		}
		a.started = true
	case causes.EndpointCreated:
		if s.Endpoints == nil {
			s.Endpoints = map[string]Endpoint{}
		}
		s.Endpoints[c.On] = Endpoint{Private: true}
	case causes.GroupOpened:
		each(func(e *Endpoint) {
			if e.Private && (e.TCP == "timeout" || e.TCP == "refuse") {
				e.TCP = ""
			}
		})
	case causes.SubnetSet, causes.CloudRoute:
		a.hidden[c.On] = true
		if a.hidden["enable-dns64"] && a.hidden["64:ff9b::/96"] {
			if len(s.Endpoints) == 0 {
				s.Endpoints = map[string]Endpoint{"*": {}}
			}
			for i, name := range Services {
				e := s.Endpoints["*"]
				e.IPv6 = []string{fmt.Sprintf("64:ff9b::3477:%x", 0xb400+i)}
				s.Endpoints[name] = e
			}
		}
	case causes.KeyEnabled:
		delete(a.hidden, "session key")
	case causes.LogsEncrypted:
		delete(a.hidden, "log group")
	case causes.BucketEncrypted:
		delete(a.hidden, "bucket")
	case causes.PreferenceSet:
		if of := map[string]string{"cloudWatchEncryptionEnabled": "log group", "s3EncryptionEnabled": "bucket"}[c.On]; c.To == "false" {
			delete(a.hidden, of)
		}
		if c.On == "kmsKeyId" {
			delete(a.hidden, "session key")
		}
		a.runAsOff = a.runAsOff || c.On == "runAsEnabled" && c.To == "false"
	case causes.SessionTried:
		a.session = true
	case causes.CommandTried:
		a.command = true
	}
}

// reAnyCase is a letter as sed is told it in any case.
var reAnyCase = regexp.MustCompile(`\[([A-Z])[a-z]\]`)

// editedConfig is the agent's configuration after an edit: the text that takes its
// place, or keys that a filter of jq takes out.
func editedConfig(old, edit string) string {
	if strings.HasPrefix(edit, "{") {
		return edit
	}
	edit = reAnyCase.ReplaceAllString(edit, "$1")
	m := map[string]map[string]any{}
	if old != "" && json.Unmarshal([]byte(old), &m) != nil {
		return old
	}
	for _, k := range regexp.MustCompile(`\. == "(\w+\.\w+)"`).FindAllStringSubmatch(edit, -1) {
		for section, keys := range m {
			maps.DeleteFunc(keys, func(key string, _ any) bool { return strings.EqualFold(section+"."+key, k[1]) })
		}
	}
	for _, k := range regexp.MustCompile(`s/\("(\w+)"[^"]*"(\w+)"`).FindAllStringSubmatch(edit, -1) { // of sed
		for section, keys := range m {
			maps.DeleteFunc(keys, func(key string, _ any) bool { return strings.EqualFold(section+"."+key, k[1]+"."+k[2]) }) // an empty text is one that is not set
		}
	}
	for text, value := range map[string]string{`\1["OnPrem", "EC2"]`: `["OnPrem","EC2"]`, `\1["OnPrem"]`: `["OnPrem"]`} {
		if strings.Contains(edit, text) {
			if m["Identity"] == nil {
				m["Identity"] = map[string]any{}
			}
			m["Identity"]["ConsumptionOrder"] = json.RawMessage(value)
		}
	}
	if strings.Contains(edit, `"UseDualStackEndpoint": true`) {
		if m["Agent"] == nil {
			m["Agent"] = map[string]any{}
		}
		m["Agent"]["UseDualStackEndpoint"] = true
	}
	for _, k := range regexp.MustCompile(`^\.(\w+)\.(\w+) = (\S+)`).FindAllStringSubmatch(edit, -1) {
		if m[k[1]] == nil {
			m[k[1]] = map[string]any{}
		}
		m[k[1]][k[2]] = json.RawMessage(k[3])
	}
	b, err := json.Marshal(m)
	if err != nil {
		return old
	}
	return string(b)
}

func allows(p Policy, action string) bool {
	d, err := p.parse()
	return err == nil && iam.Evaluate(iam.Layers{Identity: []*iam.Policy{d}}, iam.Request{Action: action, Resource: "*", Complete: true}).Verdict == iam.Allow
}

// replacePolicy puts an edited text in the place of a policy, as its filter edits it.
func (a *aftermath) replacePolicy(which, edit string) {
	word, rest, _ := strings.Cut(edit, " ")
	if word != "allow" && word != "exempt" {
		return // as it is
	}
	change := func(p Policy) Policy {
		var doc map[string]any
		text := []byte(p)
		if b, ok := iam.Document(string(p)); ok {
			text = b
		}
		if json.Unmarshal(text, &doc) != nil {
			return p
		}
		list, ok := doc["Statement"].([]any)
		if !ok {
			list = []any{doc["Statement"]}
		}
		if word == "allow" {
			st := map[string]any{"Effect": "Allow", "Action": strings.Split(rest, ","), "Resource": "*"}
			if strings.HasPrefix(which, "endpoint") {
				st["Principal"] = map[string]any{"AWS": "arn:" + a.Partition() + ":iam::" + a.Account + ":root"}
			}
			list = append(list, st)
		} else {
			action, role, _ := strings.Cut(rest, " ")
			for _, x := range list {
				st, _ := x.(map[string]any)
				one, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": st["Action"], "Resource": "*"}}})
				if err != nil || st["Effect"] != "Deny" || !allows(Policy(one), action) {
					continue
				}
				st["Condition"] = map[string]any{"ArnNotLike": map[string]any{"aws:PrincipalArn": []any{"arn:" + a.Partition() + ":iam::" + a.Account + ":role/" + role}}}
			}
		}
		doc["Statement"] = list
		b, err := json.Marshal(doc)
		if err != nil {
			return p
		}
		return Policy(b)
	}
	switch kind, name, _ := strings.Cut(which, " "); kind {
	case "scp":
		for i := range a.SCP {
			a.SCP[i] = change(a.SCP[i])
		}
	case "endpoint":
		name = strings.TrimPrefix(name, "of ")
		if e, ok := a.Endpoints[name]; ok && e.Policy != "" {
			e.Policy = change(e.Policy)
			a.Endpoints[name] = e
		} else if e, ok := a.Endpoints["*"]; ok && e.Policy != "" {
			e.Policy = change(e.Policy)
			a.Endpoints[name] = e
		}
	case "boundary":
		for _, p := range a.Principals {
			if p.Boundary != "" {
				p.Boundary = change(p.Boundary)
			}
		}
	case "role":
		for _, p := range a.Principals {
			if p.Name == name {
				for i := range p.Policies {
					p.Policies[i] = change(p.Policies[i])
				}
			}
		}
	}
}

// since is how long ago the agent was started, when the host is judged again.
const since = 12 * time.Minute

// cannotRun says what keeps the agent's programs from running, as far as a start gets;
// empty: nothing.
func (a *aftermath) cannotRun() string {
	w := &world{Scenario: a.Scenario}
	file := func(name string) (File, bool) { f, ok := a.Files[name]; return f, ok }
	program, changed := file("/usr/bin/amazon-ssm-agent")
	worker, _ := file("/usr/bin/ssm-agent-worker")
	folder, played := file("/" + w.dirs().data)
	user, dropIn := "", false
	for _, u := range a.Agent.Units {
		if u.User != "" && u.User != "root" {
			user = u.User
		}
		dropIn = dropIn || u.DropIn != ""
	}
	for _, x := range []struct {
		why  string
		does bool
	}{
		{"no agent", a.Agent.Version == ""},
		{"setup", a.GOOS == "windows" && a.Host.ImageState != "" && a.Host.ImageState != "IMAGE_STATE_COMPLETE"},
		{"dependency", a.hidden["dependency"]},
		{"user", user != "" && a.hidden["user"]},
		{"program", changed && (program.Absent || program.Content == "" || program.Mode&0o111 == 0) || strings.HasPrefix(worker.Content, "#!")},
		{"apparmor", a.hidden["apparmor"]},
		{"labels", a.hidden["labels"]},
		{"other program", a.hidden["other program"]},
		{"library", a.hidden["library"]},
		{"timeout", a.hidden["timeout"] && dropIn},
		{"memory", a.hidden["memory"]},
		{"limit", a.hidden["limit"]},
		{"crash", a.hidden["crash"]},
		{"configuration", a.Agent.Config != "" && !json.Valid([]byte(a.Agent.Config))},
		{"obstacle", a.obstacle() != ""},
		{"sealed", a.setting("ProtectSystem=strict") && !a.writesTo("/"+w.dirs().data)},
		{"command before", a.setting("ExecStartPre=")},
		{"size of files", a.setting("LimitFSIZE=0")},
		{"state directory", user != "" || played && folder.Dir && (folder.Mode&0o700 != 0o700 || folder.UID != 0)},
		{"bus", a.hidden["bus"]},
		{"release", a.hidden["release"]},
	} {
		if x.does {
			return x.why
		}
	}
	return ""
}

// endings are how a start ends that something keeps from going on: what systemd says of the
// unit, and the agent in its log. What the kernel says stands in the log of the system.
var endings = map[string]struct {
	unit Unit
	line string
}{
	"dependency":      {Unit{Active: "inactive", Result: "success"}, ""},
	"user":            {Unit{Active: "activating", Result: "exit-code", Ended: "exited", Exit: 217, Restarts: 20}, ""},
	"program":         {Unit{Active: "failed", Exit: 203}, ""},
	"apparmor":        {Unit{Active: "failed", Exit: 203}, ""},
	"labels":          {Unit{Active: "failed", Exit: 203}, ""},
	"other program":   {Unit{Active: "activating", Restarts: 30}, ""},
	"library":         {Unit{Active: "activating", Exit: 127, Restarts: 7}, ""},
	"timeout":         {Unit{Active: "failed", Result: "timeout", Ended: "killed", Exit: 15}, ""},
	"memory":          {Unit{Active: "activating", Result: "oom-kill", Ended: "killed", Exit: 9, Restarts: 9}, ""},
	"limit":           {Unit{Active: "activating", Result: "oom-kill", Ended: "killed", Exit: 9, Restarts: 9}, ""},
	"crash":           {Unit{Active: "failed", Result: "core-dump", Ended: "dumped", Exit: 11}, ""},
	"configuration":   {Unit{Active: "activating", Restarts: 9}, "ERROR Error occurred when starting amazon-ssm-agent: app config could not be loaded - invalid character '}' looking for beginning of object key string"},
	"state directory": {Unit{Active: "failed", Exit: 1}, "WARN Failed to load instance info from vault. Failed to set permission for vault folder or its content. chown /var/lib/amazon/ssm/Vault: operation not permitted"},
	"obstacle":        {Unit{Active: "activating", Exit: 1, Restarts: 9}, noFolder},
	"sealed":          {Unit{Active: "activating", Exit: 1, Restarts: 9}, noFolder + "mkdir /var/lib/amazon/ssm/ipc/: read-only file system"},
	"command before":  {Unit{Active: "activating", Sub: "auto-restart", Result: "exit-code", Restarts: 2}, ""},
	"size of files":   {Unit{Active: "activating", Sub: "auto-restart", Result: "success", Ended: "exited", Restarts: 2}, ""},
	"bus":             {Unit{Active: "activating", Restarts: 20}, "ERROR Error occurred when starting amazon-ssm-agent: failed to start message bus, failed to start health channel: failed to listen on the channel: ipc:///var/lib/amazon/ssm/ipc/health, address in use"},
	"release":         {Unit{Active: "activating", Restarts: 5}, "ERROR [amazon-ssm-agent] Core Agent crashed with message: runtime error: invalid memory address or nil pointer dereference"},
}

// ends is a start that something keeps from going on.
func (a *aftermath) ends(why string) {
	e, played := endings[why]
	if !played { // nothing was started
		return
	}
	a.Log = earlier(a.Log, since)
	a.Agent.Core, a.Agent.Worker, a.Agent.Channel, a.Agent.Source, a.Agent.Identity = false, false, nil, "", ""
	ago := since
	if e.unit.Active == "activating" {
		ago = 30 * time.Second
	}
	if e.line == noFolder {
		e.line += a.obstacle()
	}
	if e.line != "" {
		a.Log = append(a.Log, at(ago+time.Second, e.line)...)
	}
	a.Agent.Starts = []Duration{Duration(ago + time.Second)}
	for k, u := range a.Agent.Units {
		n := e.unit
		n.Since, n.Enabled, n.Wanted, n.User, n.Exec, n.DropIn, n.Restart = Duration(ago), u.Enabled, u.Wanted, u.User, u.Exec, u.DropIn, u.Restart
		a.Agent.Units[k] = n
	}
}

// live is the life of an agent that was started in this world.
func (a *aftermath) live() error {
	settings := map[string]string{}
	for _, l := range a.loaded {
		if k, v, ok := strings.Cut(l, "="); ok {
			settings[k] = v
		}
	}
	set := func(key string) string { return settings[key] }
	if a.Kind == ECS {
		a.liveInTask()
		return nil
	}
	if set("MemoryMax") == "infinity" {
		delete(a.hidden, "limit")
	}
	if a.version != "" {
		a.Agent.Version = a.version
	}
	if exec := set("ExecStart"); exec != "" {
		for k, u := range a.Agent.Units {
			u.Exec = exec
			a.Agent.Units[k] = u
		}
		delete(a.hidden, "other program")
	}
	if e := a.filled(set("Environment")); e != "" {
		env := map[string]string{}
		for k, v := range a.Agent.Environment {
			env[k] = v
		}
		for _, m := range regexp.MustCompile(`"(\w+)=([^"]*)"`).FindAllStringSubmatch(e, -1) {
			env[m[1]] = m[2]
		}
		a.Agent.Environment = env
	}
	if names := set("UnsetEnvironment"); names != "" {
		env := maps.Clone(a.Agent.Environment)
		for name := range strings.FieldsSeq(names) {
			delete(env, name)
		}
		a.Agent.Environment = env
	}
	if u := set("User"); u != "" {
		for k, x := range a.Agent.Units {
			x.User = u
			a.Agent.Units[k] = x
		}
	}
	if why := a.cannotRun(); why != "" {
		a.ends(why)
		return nil
	}
	for name, f := range a.Files { // drop-ins of files apply from now on
		if strings.Contains(name, ".service.d/") && len(a.loaded) == 0 {
			env := map[string]string{}
			for _, m := range regexp.MustCompile(`"(\w+)=([^"]*)"`).FindAllStringSubmatch(f.Content, -1) {
				env[m[1]] = m[2]
			}
			a.Agent.Environment = env
			delete(a.Files, name)
		}
	}
	a.shift(since)
	w := &world{Scenario: a.Scenario}
	kinds := w.packagings()
	units := map[string]Unit{}
	for _, k := range kinds {
		u := a.Agent.Units[k]
		units[k] = Unit{Enabled: u.Enabled, Wanted: u.Wanted, Since: Duration(since), DropIn: u.DropIn}
	}
	for _, l := range a.loaded { // which else the world would not show
		if strings.HasPrefix(l, "ReadWritePaths=") {
			for k, u := range units {
				u.DropIn += l + "\n"
				units[k] = u
			}
		}
	}
	a.Agent.Units, a.Agent.Starts, a.Agent.Core, a.Agent.Worker, a.Agent.Held = units, nil, true, false, ""
	a.Agent.Age, a.Agent.Stuck, a.Agent.Channel, a.Agent.Source, a.Agent.Identity = 0, false, nil, "", ""
	a.Host.OpenFiles = 0
	if set("LimitNOFILE") != "" {
		a.Host.MaxFiles = 65536
	}
	delete(a.hidden, "reboot")
	h, err := Start(a.Scenario)
	if err != nil {
		return err
	}
	defer h.Close()
	l := &starting{aftermath: a, h: h, w: h.world.Load()}
	l.run()
	return nil
}

// filled is a setting with what its reader knows: the proxy that is in use, which is the last
// one of this world, and the login that a proxy asks for.
func (a *aftermath) filled(setting string) string {
	if len(a.Proxies) == 0 {
		return setting
	}
	p := a.Proxies[len(a.Proxies)-1]
	if strings.Contains(setting, "PROXY_URL") {
		a.Proxies[len(a.Proxies)-1].Login = basicLogin(url.UserPassword("host", "told-by-admin"))
	}
	return strings.NewReplacer("PROXY:PORT", net.JoinHostPort(p.Name, fmt.Sprint(p.Port)), "PROXY_URL", "http://host:told-by-admin@"+net.JoinHostPort(p.Name, fmt.Sprint(p.Port))).Replace(setting)
}

// basicLogin is what a client sends of a login.
func basicLogin(u *url.Userinfo) string {
	password, _ := u.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password))
}

// past makes of entries of the system what was logged some time ago.
func (a *aftermath) past(which string) {
	for _, list := range [][]string{a.Host.Syslog, a.Host.Audit} {
		for i := range list {
			if strings.Contains(list[i], which) {
				list[i] = a.ago(list[i], since)
			}
		}
	}
}

// ago is an entry of the system of so long before now.
func (a *aftermath) ago(line string, by time.Duration) string {
	old := a.Now.Add(-by).Format("Jan _2 15:04:05") + " host"
	if strings.Contains(line, "audit({now}") {
		old = fmt.Sprint(a.Now.Add(-by).Unix())
	}
	return strings.ReplaceAll(line, "{now}", old)
}

// shift moves what was logged back in time.
func (a *aftermath) shift(by time.Duration) {
	a.Log = earlier(a.Log, by)
	for _, list := range [][]string{a.Host.Syslog, a.Host.Audit} {
		for i := range list {
			list[i] = a.ago(list[i], by)
		}
	}
}

func (a *aftermath) liveInTask() {
	if !a.newTask || a.Task == nil || !a.Task.Exec {
		return
	}
	a.Host.Mounts = slices.DeleteFunc(a.Host.Mounts, func(m string) bool { return !a.Task.ReadOnly && strings.HasPrefix(m, "/ ") })
	a.Agent = Agent{Version: "3.3.4364.0", Packaging: []string{"managed"}, NoManager: true, Core: true}
	a.Log = at(since, "INFO [amazon-ssm-agent] amazon-ssm-agent - v{version}")
	if a.Task.ReadOnly {
		return
	}
	for _, p := range a.Principals {
		if p.Kind != KindTask {
			continue
		}
		for _, d := range p.Policies {
			if allows(d, "ssmmessages:CreateControlChannel") {
				a.Agent.Worker = true
				a.Log = append(a.Log, at(since, "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully", "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ssmmessages")...)
				return
			}
		}
		a.Agent.Worker, a.Agent.Channel = false, []string{}
		a.Log = append(a.Log, at(3*time.Minute, "ERROR [MessageService] [MGSInteractor] CreateControlChannel failed with error: AccessDeniedException: User: arn:{partition}:sts::{account}:assumed-role/"+p.Name+"/0123 is not authorized to perform: ssmmessages:CreateControlChannel")...)
	}
}

// starting is an agent at its start, in a world that is played.
type starting struct {
	*aftermath
	h *Host
	w *world
}

func (l *starting) log(lines ...string) { l.Log = append(l.Log, at(since-time.Second, lines...)...) }

// begins logs a start.
func (l *starting) begins() { l.Log = append(l.Log, began(since)...) }

// proxy is the proxy of the agent's service for a host; empty: none.
func (l *starting) proxy(scheme, host string) string {
	env := map[string]string{}
	for k, v := range l.Agent.Environment {
		env[strings.ToLower(k)] = v
	}
	for n := range strings.SplitSeq(env["no_proxy"], ",") {
		if n != "" && (n == host || strings.HasPrefix(n, ".") && strings.HasSuffix(host, n)) {
			return ""
		}
	}
	return env[scheme+"_proxy"]
}

// metadata says why the agent cannot use the metadata service; empty: it can.
func (l *starting) metadata() string {
	const token = "failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: : \n\tstatus code: 0, request id: \ncaused by: RequestError: send request failed\ncaused by: Put \"http://169.254.169.254/latest/api/token\": "
	if l.Agent.Environment["AWS_EC2_METADATA_DISABLED"] == "true" {
		return "failed to get identity instance id. Error: EC2MetadataError: access disabled to EC2 IMDS via client option, or \"AWS_EC2_METADATA_DISABLED\" environment variable"
	}
	if l.proxy("http", "169.254.169.254") != "" {
		return "failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\n\tstatus code: 403"
	}
	if why := l.isolated(); why != "" {
		return token + "dial tcp 169.254.169.254:80: " + why
	}
	c, err := l.h.dial(context.Background(), "tcp", imdsAddr, netip.Addr{})
	if err != nil {
		return token + plain(err)
	}
	c.Close()
	switch l.IMDS.Mode {
	case "required", "optional":
		if l.IMDS.Mode == "required" && !atLeast(l.Agent.Version, "2.3.842") {
			return "Failed to fetch region. Data from vault is empty. EC2MetadataError: failed to make EC2Metadata request\n\tstatus code: 401"
		}
		return ""
	case "disabled":
		return strings.Replace(token, "status code: 0", "status code: 403", 1) + "EC2MetadataError: failed to make EC2Metadata request\n\tstatus code: 403, request id: "
	}
	return token + "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
}

func plain(err error) string {
	if err == nil {
		return ""
	}
	return strings.Replace(err.Error(), "i/o deadline reached", "i/o timeout", 1)
}

// reach says why the agent cannot talk to a service; empty: it can.
func (l *starting) reach(service string) string {
	host := l.HostName(service)
	if why := l.isolated(); why != "" {
		return "dial tcp: lookup " + host + " on 10.0.0.2:53: dial udp 10.0.0.2:53: " + why
	}
	dual := strings.Contains(l.Agent.Config, `"UseDualStackEndpoint": true`) && atLeast(l.Agent.Version, "3.3.3270")
	var addresses []string
	if f, ok := l.Files["/etc/hosts"]; ok {
		for line := range strings.Lines(f.Content) {
			if w := strings.Fields(line); len(w) > 1 && slices.Contains(w[1:], host) {
				addresses = append(addresses, w[0])
			}
		}
	}
	ctx := context.Background()
	proxied := l.proxy("https", host)
	e, _ := l.w.endpoint(service)
	switch {
	case proxied != "":
		u, err := url.Parse(proxied)
		if err != nil {
			return "proxyconnect tcp: " + err.Error()
		}
		for _, p := range l.Proxies {
			if p.Name != u.Hostname() && (p.TLS != "wrong-name" || u.Hostname() != foreignName) {
				continue
			}
			switch {
			case p.Address == "":
				return "proxyconnect tcp: dial tcp: lookup " + p.Name + ": no such host"
			case u.Scheme == "https" && p.TLS == "":
				return "proxyconnect tcp: tls: first record does not look like a TLS handshake"
			case p.TLS != "" && p.TLS != "trusted" && u.Scheme == "https" && u.Hostname() != foreignName:
				return "proxyconnect tcp: tls: failed to verify certificate: x509: certificate signed by unknown authority"
			case p.Connect == 407 && (p.Login == "" || u.User == nil || p.Login != basicLogin(u.User)):
				return "Proxy Authentication Required"
			case p.Connect == 403 || slices.Contains(p.Forbids, service):
				return "Forbidden"
			}
			if c, err := l.h.dial(ctx, "tcp", net.JoinHostPort(p.Address, fmt.Sprint(p.Port)), netip.Addr{}); err != nil {
				return "proxyconnect tcp: " + plain(err)
			} else {
				c.Close()
			}
			return l.talk(e)
		}
		return "proxyconnect tcp: dial tcp: lookup " + u.Hostname() + ": no such host"
	case len(addresses) == 0:
		network := "ip4"
		name := host
		if dual || l.NoIPv4 && l.IPv6 {
			network = "ip6"
		}
		if dual {
			name = strings.Replace(host, ".amazonaws.com", ".api.aws", 1)
		}
		found, err := l.h.lookup(ctx, l.w.Resolvers[0], network, name)
		if err != nil {
			var d *net.DNSError
			if network == "ip6" && errors.As(err, &d) && d.IsNotFound && !dual {
				return "dial tcp " + e.addressOr("52.119.180.20") + ":443: connect: network is unreachable"
			}
			return "dial tcp: " + plain(err)
		}
		for _, f := range found {
			addresses = append(addresses, f.String())
		}
	}
	c, err := l.h.dial(ctx, "tcp", net.JoinHostPort(addresses[0], "443"), netip.Addr{})
	if err != nil {
		return plain(err)
	}
	mute := c.(*conn).f.mute
	c.Close()
	if mute {
		return "net/http: TLS handshake timeout"
	}
	return l.talk(e)
}

func (e Endpoint) addressOr(other string) string {
	if len(e.Address) > 0 {
		return e.Address[0]
	}
	return other
}

// talk says what is wrong with TLS, clock and HTTP of an endpoint that is connected.
func (l *starting) talk(e Endpoint) string {
	switch {
	case e.TLS == "untrusted", l.Agent.Environment["SSL_CERT_FILE"] != "" && l.Agent.Environment["SSL_CERT_DIR"] != "":
		// with one of them alone Go reads the other kind where it lies in this system; none of these worlds has the authorities of AWS in a store of the service's own
		return "tls: failed to verify certificate: x509: certificate signed by unknown authority"
	case e.TLS == "expired":
		return "tls: failed to verify certificate: x509: certificate has expired or is not yet valid"
	case e.TLS == "wrong-name":
		return "tls: failed to verify certificate: x509: certificate is valid for proxy.corp.example, not ssm.{region}.{domain}"
	case e.HTTP == "hang":
		return "net/http: request canceled (Client.Timeout exceeded while awaiting headers)"
	case e.HTTP == "reset":
		return "read tcp 10.0.12.34:50312->52.119.180.20:443: read: connection reset by peer"
	case e.HTTP == "page":
		return "SerializationError: failed to unmarshal response error\n\tstatus code: 403, request id: "
	}
	return ""
}

// asks says what a service answers to a principal's request; empty: it allows it.
func (l *starting) asks(who, service, action string) (net bool, answer string) {
	if why := l.reach(service); why != "" {
		return true, "RequestError: send request failed\ncaused by: Post \"https://" + service + ".{region}.{domain}/\": " + why
	}
	switch p := l.Principals[who]; {
	case skewText(l.w.now(), l.w.service()) != "":
		word := "Signature expired: {signed} is now earlier than {limit} ({server} - 5 min.)"
		if l.Skew < 0 {
			word = "Signature not yet current: {signed} is still later than {limit} ({server} + 5 min.)"
		}
		return true, "InvalidSignatureException: " + word + requestID
	case l.AccountCode != "":
		return true, l.AccountCode + ": " + accountRefused + requestID
	case p.Revoked, l.RegionOff:
		return true, "UnrecognizedClientException: The security token included in the request is invalid." + requestID
	case life(p) < 0:
		return true, "ExpiredTokenException: The security token included in the request is expired" + requestID
	}
	if strings.Contains(l.Agent.Config, `"Region"`) && !strings.Contains(l.Agent.Config, l.Region) {
		return true, "InvalidSignatureException: Credential should be scoped to a valid Region, not 'us-west-2'." + requestID
	}
	node := "arn:" + l.Partition() + ":ec2:" + l.Region + ":" + l.Account + ":instance/" + l.Instance
	if l.Principals[who].Kind == KindHybrid {
		node = "arn:" + l.Partition() + ":ssm:" + l.Region + ":" + l.Account + ":managed-instance/" + l.Node
	}
	if service != "ssm" {
		node = "arn:" + l.Partition() + ":" + service + ":" + l.Region + ":" + l.Account + ":*"
	}
	message, _ := l.w.authorize(who, service, action, node)
	if message != "" {
		return false, "AccessDeniedException: " + message + requestID
	}
	return false, ""
}

const oneRetrieve = "ERROR [CredentialRefresher] Retrieve credentials produced error: "

func (l *starting) sleeps() {
	l.log("INFO [CredentialRefresher] Sleeping for 27m12s before retrying retrieve credentials")
}

func (l *starting) run() {
	s := &l.Scenario
	onPrem := s.Agent.Hybrid && !strings.Contains(s.Agent.Config, `["EC2"]`)
	if onPrem {
		for _, f := range []string{"Vault", "Vault/Manifest", "Vault/Store/RegistrationKey"} {
			if v, damaged := s.Files["/var/lib/amazon/ssm/"+f]; damaged && !v.Dir {
				onPrem = false
			}
		}
	}
	refused := func(lines ...string) {
		l.begins()
		l.log(lines...)
		l.sleeps()
	}
	switch {
	case onPrem:
		s.Agent.Identity = "OnPrem"
		l.hybrid(refused)
		return
	case s.Kind == Hybrid:
		old := s.Log
		defer func() { s.Log = append(old, s.Log...) }()
		noIdentity(s, "failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: : \n\tstatus code: 0, request id: \ncaused by: RequestError: send request failed\ncaused by: Put \"http://169.254.169.254/latest/api/token\": dial tcp 169.254.169.254:80: connect: no route to host")
		return
	}
	if why := l.metadata(); why != "" {
		units := s.Agent.Units
		noIdentity(s, why)
		for k := range units {
			s.Agent.Units = map[string]Unit{k: s.Agent.Units["rpm"]}
		}
		return
	}
	s.Agent.Identity = "EC2"
	const failed = "WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials. Err: retrieved credentials failed to report to ssm. Error: "
	first := ""
	p := s.Principals[s.IMDS.Profile]
	switch {
	case p == nil:
		first = noProfile
	case p.Code != "":
		first = failed + p.Code + ": " + p.Message
	default:
		unreachable, answer := l.asks(s.IMDS.Profile, "ssm", "ssm:UpdateInstanceInformation")
		switch {
		case unreachable:
			refused(skipped + answer)
			return
		case answer == "":
			l.accepted(s.IMDS.Profile, "INFO EC2RoleProvider Successfully connected with instance profile role credentials")
			return
		}
		first = failed + answer
	}
	if !atLeast(s.Agent.Version, "3.2.582") {
		refused("INFO Entering SSM Agent hibernate - EC2RoleRequestError: no EC2 instance role found")
		return
	}
	if why := l.reach("ssm"); why != "" {
		refused(first, oneRetrieve+"no valid credentials could be retrieved for ec2 identity. Default Host Management Err: error calling RequestManagedInstanceRoleToken: RequestError: send request failed\ncaused by: Post \"https://ssm.{region}.{domain}/\": "+why)
		return
	}
	if s.Principals[dhmc] == nil {
		if l.hidden["role"] {
			const no = "error calling RequestManagedInstanceRoleToken: AccessDeniedException: Unable to assume role service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole" + requestID
			refused(first, "ERROR EC2RoleProvider Failed to connect to Systems Manager with SSM role credentials. "+no, oneRetrieve+"no valid credentials could be retrieved for ec2 identity. Default Host Management Err: "+no)
			return
		}
		refused(first, dhmcOff, noneValid)
		return
	}
	if _, answer := l.asks(dhmc, "ssm", "ssm:UpdateInstanceInformation"); answer != "" {
		refused(first, "ERROR EC2RoleProvider Failed to connect to Systems Manager with SSM role credentials. "+answer, oneRetrieve+"no valid credentials could be retrieved for ec2 identity. Default Host Management Err: "+answer)
		return
	}
	l.accepted(dhmc, first, "INFO EC2RoleProvider Successfully connected with Systems Manager role credentials")
}

func (l *starting) hybrid(refused func(...string)) {
	s := &l.Scenario
	who := ""
	for name, p := range s.Principals {
		if p.Kind == KindHybrid {
			who = name
		}
	}
	if who == "" {
		s.Principals[hybrid] = &Principal{Kind: KindHybrid, Name: "SSMServiceRole", Path: "/service-role/", Policies: []Policy{"AmazonSSMManagedInstanceCore"}}
		who = hybrid
	}
	unreachable, answer := l.asks(who, "ssm", "ssm:UpdateInstanceInformation")
	switch {
	case unreachable:
		refused(oneRetrieve + answer)
	case l.hidden["unknown to the service"]:
		refused(oneRetrieve + "InvalidInstanceId: Not existing InstanceId {node}" + requestID)
	case s.Agent.Cloned, l.hidden["drifted"]:
		refused(oneRetrieve + "MachineFingerprintDoesNotMatch: Fingerprint doesn't match" + requestID)
	case l.hidden["role"]:
		refused(oneRetrieve + "AccessDeniedException: Unable to assume role SSMServiceRole" + requestID)
	default:
		l.accepted(who)
		if answer != "" {
			l.Log = append(l.Log, at(2*time.Minute, "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - "+answer)...)
		}
	}
}

// accepted is an agent that got credentials, of a principal.
func (l *starting) accepted(who string, connected ...string) {
	s := &l.Scenario
	const write = "ERROR [CredentialRefresher] Failed to write credentials to disk: open /var/lib/amazon/ssm/runtimeconfig/identity_config.json: "
	readOnly := slices.ContainsFunc(s.Host.Mounts, func(m string) bool {
		f := strings.Fields(m)
		return (f[0] == "/" || f[0] == "/var") && strings.HasPrefix(f[2], "ro")
	})
	damaged := s.Files["/var/lib/amazon/ssm/runtimeconfig/identity_config.json"].Content != ""
	switch {
	case s.Host.DiskUsed >= 100, s.Host.InodesUsed >= 100:
		l.begins()
		l.log(append(connected, write+"no space left on device")...)
		l.sleeps()
		return
	case readOnly:
		l.begins()
		l.log(append(connected, write+"read-only file system")...)
		l.sleeps()
		return
	case damaged:
		l.begins()
		l.log("ERROR Failed to start credential refresher: error decoding the runtime config: unexpected end of JSON input")
		l.sleeps()
		return
	}
	s.Agent.Source, s.Agent.Worker, s.Agent.Age = who, true, Duration(since-2*time.Second)
	s.Agent.EC2 = s.Agent.EC2 || s.Agent.Identity == "EC2"
	lines := accepted(since, connected...)
	const channel = "[MGSInteractor]"
	unreachable, answer := l.asks(who, "ssmmessages", "ssmmessages:CreateControlChannel")
	if _, why, ok := strings.Cut(answer, "/\": "); ok && unreachable {
		answer = why
	}
	if e, _ := l.w.endpoint("ssmmessages"); answer == "" && e.WebSocket == "forbidden" {
		unreachable, answer = true, "failed to connect controlchannel with error: websocket: bad handshake"
	}
	if answer == "" && l.hidden["service"] {
		unreachable, answer = true, "unexpected response from the service 500 Internal Server Error"
	}
	if answer != "" {
		s.Agent.Channel = []string{}
		lines = slices.DeleteFunc(lines, func(x string) bool { return strings.Contains(x, channel) })
		text := "ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Error setting up control channel: CreateControlChannel failed with error: createControlChannel request failed: failed to make http client call: Post \"https://ssmmessages.{region}.{domain}/v1/control-channel/{instance}\": " + answer
		if strings.Contains(answer, "bad handshake") {
			text = "ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Error setting up control channel: " + answer
		}
		if !unreachable {
			text = "ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Failed to get controlchannel token, error: CreateControlChannel failed with error: createControlChannel request failed: unexpected response from the service <AccessDeniedException>\n  <Message>" + strings.TrimSuffix(strings.TrimPrefix(answer, "AccessDeniedException: "), requestID) + "</Message>\n</AccessDeniedException>"
		}
		if _, older := l.asks(who, "ec2messages", "ec2messages:GetMessages"); older == "" {
			lines = append(lines, at(4*time.Minute, "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ec2messages")...) // at each attempt
		} else {
			lines = append(lines, at(9*time.Minute, "ERROR [ssm-agent-worker] [MessageService] [MDSInteractor] error when calling AWS APIs. error details - GetMessages Error: "+older)...)
		}
		lines = append(lines, at(4*time.Minute, text)...)
	}
	l.Log = append(l.Log, lines...)
	sortLog(l.Log)
}

func sortLog(log []string) {
	far := func(line string) time.Duration {
		first, _, _ := strings.Cut(line, " ")
		d, _ := time.ParseDuration(first)
		return d
	}
	slices.SortStableFunc(log, func(x, y string) int { return int(far(x) - far(y)) })
}

// mayOpenData reports whether the agent may open the data channel of a session.
func (a *aftermath) mayOpenData() bool {
	w, err := new(Host).build(a.Scenario)
	if err != nil || a.Principals[a.Agent.Source] == nil {
		return false
	}
	message, _ := w.authorize(a.Agent.Source, "ssmmessages", "ssmmessages:CreateDataChannel", "*")
	return message == ""
}

// work is what a session or command leaves that was tried after the changes.
func (a *aftermath) work() {
	last := func(says string) string {
		for _, l := range slices.Backward(a.Log) {
			if strings.Contains(l, says) {
				_, rest, _ := strings.Cut(l, " ")
				return rest
			}
		}
		return ""
	}
	if a.session && a.Agent.Worker {
		a.Log = earlier(a.Log, time.Minute)
		switch refused := last("Setting up data channel"); {
		case refused != "" && !a.mayOpenData():
			a.Log = append(a.Log, at(30*time.Second, refused)...)
		case a.Host.NoUsers && !a.runAsOff:
			a.Log = append(a.Log, at(30*time.Second, last("RunAs user"))...)
		case a.hidden["key"], a.hidden["session key"]:
			a.Log = append(a.Log, at(30*time.Second, last("data key"))...)
		case a.hidden["log group"], a.hidden["bucket"]:
			a.Log = append(a.Log, at(30*time.Second, last("encryption is not set up"))...)
		default:
			a.Log = append(a.Log, at(30*time.Second, "INFO [ssm-session-worker] [ana-0a1b2c3d] [DataBackend] [pluginName=Standard_Stream] Plugin Standard_Stream started")...)
			if says := last("transcript"); a.Host.NoScript {
				a.Log = append(a.Log, at(20*time.Second, says)...)
			} else if says != "" { // its log is written, and sent where those go
				a.Log = append(a.Log, at(20*time.Second, "INFO [ssm-session-worker] [ana-0a1b2c3d] [DataBackend] [pluginName=Standard_Stream] Successfully uploaded file to: s3")...)
			}
		}
	}
	if a.command && a.Agent.Worker {
		a.Log = earlier(a.Log, time.Minute)
		if a.hidden["document worker"] {
			a.Log = append(a.Log, at(30*time.Second, last("fork/exec"))...)
		} else {
			a.Log = append(a.Log, at(30*time.Second, "INFO [ssm-document-worker] [0d6c5b1] [DataBackend] [pluginName=aws:runShellScript] Running plugin aws:runShellScript aws:runShellScript")...)
		}
	}
}
