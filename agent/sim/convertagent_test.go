package sim_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/sim"
)

var (
	reLine    = regexp.MustCompile(`(?s)^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? (.*)$`)
	reExpired = regexp.MustCompile(`\d{8}T\d{6}Z is (now earlier|still later) than \d{8}T\d{6}Z \(\d{8}T\d{6}Z`)
)

func (v *converter) registered() bool {
	return v.o.Files[stateDir+"/Vault/Store/RegistrationKey"].Exists || slices.Contains(v.o.Files[stateDir+"/Vault/Manifest"].Keys, "RegistrationKey")
}

func (v *converter) identityConfig() map[string]string {
	m := map[string]string{}
	_ = json.Unmarshal(v.o.Files[stateDir+"/runtimeconfig/identity_config.json"].Content, &m) // absent: empty
	return m
}

func (v *converter) accepted() bool {
	out, ok := v.o.call(uii)
	return ok && out.Outcome == "ok"
}

func hasAny(s string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(s, p) })
}

// log moves the lines to the host's clock and keeps their spacing. What they say
// last decides whether the agent has credentials.
func (v *converter) log() {
	o, s := v.o, v.s
	const layout = "2006-01-02 15:04:05"
	running := o.Service.Active == "active" || o.Service.Manager == "none" && len(o.Service.Processes) > 0
	v.working = v.accepted() && running
	end := time.Time{}
	if t, err := time.Parse(time.RFC3339, o.Now); err == nil {
		end = t
	} else if n := len(o.Log); n > 0 {
		if m := reLine.FindStringSubmatch(o.Log[n-1]); m != nil {
			last, _ := time.Parse(layout, m[1])
			end = last.Add(90 * time.Second)
		}
	}
	for _, l := range o.Log {
		m := reLine.FindStringSubmatch(l)
		if m == nil {
			v.cannot("log line without a time: %q", l)
			continue
		}
		t, _ := time.Parse(layout, m[1])
		text := reExpired.ReplaceAllString(m[2], "{signed} is $1 than {limit} ({server}")
		s.Log = append(s.Log, "-"+end.Sub(t).String()+" "+text)
		switch {
		case end.Sub(t) > 12*time.Hour, strings.Contains(text, "Sending reply"): // says nothing of now, and nothing of the agent
		case hasAny(text, "Successfully connected with", "channel status is set to", "HealthCheck reporting agent health"):
			v.working = true
		case hasAny(text, "Retrieve credentials produced error", "failed to find identity", "failed to assume any identity", "Registration failed", "hibernat", "Health ping failed",
			"rror occurred when starting", "Failed to fetch region", "permission for vault"):
			v.working = false
		}
	}
	v.working = v.working && running
	if v.working && v.accepted() {
		s.Log = append(s.Log, "-30s INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.")
	}
	if boot, err := time.Parse(time.RFC3339, o.Boot); err == nil {
		s.Uptime = sim.Duration(end.Sub(boot))
	}
}

func (v *converter) agent() {
	o, s := v.o, v.s
	a := &s.Agent
	st := o.Service
	if st.Active == "not-found" || s.Kind == sim.ECS && len(st.Processes) == 0 {
		return
	}
	a.Version, a.Previous = o.Version, o.Previous
	a.Stuck = strings.Contains(strings.Join(o.Sockets, "\n"), "unacked retransmits")
	a.NoManager = st.Manager == "none"
	snap := strings.HasPrefix(st.Unit, "snap.")
	main := "deb"
	switch {
	case s.Kind == sim.ECS:
		main = "managed"
	case snap:
		main = "snap"
	case s.GOOS == "windows":
		main = "binary"
	}
	a.Packaging = []string{main}
	u := sim.Unit{Active: st.Active, Sub: st.Sub, Enabled: st.Enabled, Restarts: st.Restarts, User: st.User, Since: sim.Duration(time.Hour)}
	switch x := st.Exit.(type) {
	case float64:
		u.Exit = int(x)
	case string:
		u.Exit, _ = strconv.Atoi(strings.Split(x, "/")[0])
	}
	if st.Active == "failed" && u.Exit == 0 {
		u.Exit = 1
	}
	if d, ok := strings.CutPrefix(st.Since, "boot+"); ok {
		after, err := time.ParseDuration(d)
		if err != nil {
			v.cannot("unit since %q", st.Since)
		}
		u.Since = s.Uptime - sim.Duration(after)
	}
	a.Units = map[string]sim.Unit{main: u}
	for _, x := range st.Others {
		kind := "deb"
		if strings.HasPrefix(x.Unit, "snap.") {
			kind = "snap"
		}
		a.Packaging = append(a.Packaging, kind)
		a.Units[kind] = sim.Unit{Active: x.Active}
	}
	if strings.Contains(o.Packages["dpkg"], "half-configured") {
		a.Package = "install ok half-configured"
	}
	a.Core = st.Active == "active" || a.NoManager && len(st.Processes) > 0 || len(st.Others) > 0
	// Until 3.2 the worker did not wait for credentials.
	a.Worker = a.Core && (v.working || strings.HasPrefix(o.Version, "3.1.") || len(st.Others) > 0)

	took := v.working
	for _, l := range o.Log {
		if strings.Contains(l, "Agent will take identity from") {
			took = true
		}
	}
	id := v.identityConfig()
	a.Hybrid = v.registered() || s.Kind == sim.Hybrid && o.Files[stateDir+"/Vault"].Exists
	switch {
	case s.Kind == sim.ECS:
	case a.Hybrid && took:
		a.Identity = "OnPrem"
	case took || len(id) > 0:
		a.Identity = "EC2"
	}
	if v.working {
		switch {
		case s.Kind == sim.ECS:
		case a.Identity == "OnPrem":
			a.Source = "hybrid"
		case s.Principals["dhmc"] != nil:
			a.Source = "dhmc"
		case s.IMDS.Profile != "":
			a.Source = "profile"
		}
	}
	_, registering := o.call("ssm:RegisterManagedInstance")
	a.EC2 = s.Kind == sim.EC2 && !a.Hybrid && !registering && (v.working || strings.Contains(strings.Join(o.Log, "\n"), "RequestManagedInstanceRoleToken"))
	for _, l := range o.Log {
		if m := regexp.MustCompile(`hardware ID \(.+?\) has changed`).FindString(l); m != "" {
			a.Cloned = true
		}
		if m := regexp.MustCompile(`The '([a-z-]+)' value \(.+?\) has changed from the registered machine configuration value \((.+?)\)`).FindStringSubmatch(l); m != nil {
			if a.Fingerprint == nil {
				a.Fingerprint = map[string]string{}
			}
			a.Fingerprint[m[1]] = m[2]
		}
	}
}

func (v *converter) host() {
	o, s := v.o, v.s
	if o.InContainer {
		s.Host.Container = "docker"
	}
	if len(o.DMI) > 0 {
		s.Host.DMI = map[string]string{}
		for k, x := range o.DMI {
			s.Host.DMI[k] = x
		}
	}
	if s.GOOS == "linux" {
		s.Host.Distro = "ubuntu"
	}
	if raw, ok := o.Host["/"]; ok {
		var w struct {
			Used   int `json:"used_pct"`
			Inodes int `json:"inodes_pct"`
		}
		if json.Unmarshal(raw, &w) != nil {
			v.cannot("disk %s", raw)
		}
		s.Host.DiskUsed, s.Host.InodesUsed = w.Used, w.Inodes
	}
	if raw, ok := o.Host["inotify"]; ok {
		var w struct {
			Max  int `json:"max_user_watches"`
			Used int `json:"used"`
		}
		if json.Unmarshal(raw, &w) != nil {
			v.cannot("inotify %s", raw)
		}
		s.Host.MaxWatches, s.Host.Watches = w.Max, w.Used
	}
	if len(o.Audit) > 0 {
		s.Host.SELinux = true
		for _, l := range o.Audit {
			s.Host.Audit = append(s.Host.Audit, "type=AVC msg=audit({now}.123:456): "+l)
		}
	}
	if o.Task != nil || s.Kind == sim.ECS {
		s.Task = &sim.Task{Exec: true}
		if o.Task != nil {
			s.Task.Exec, s.Task.ReadOnly = o.Task.Exec, o.Task.ReadOnly
		}
	}
	if tool, rules, ok := strings.Cut(o.Firewall, " -S: "); ok {
		s.Host.Firewall, s.Host.Rules = "iptables", "*filter\n:OUTPUT ACCEPT [0:0]\n"+rules+"\nCOMMIT\n"
		if tool != "iptables" {
			v.cannot("firewall %s", tool)
		}
	}
	for name, f := range o.Files {
		switch {
		case !f.Exists || strings.HasPrefix(name, stateDir+"/") && f.Mode == "0600", strings.HasSuffix(name, "/Manifest"), strings.HasSuffix(name, "identity_config.json"), strings.HasSuffix(name, "/EC2Manifest"):
		case name == "/root/.aws/credentials", name == "/etc/resolv.conf": // from principal and resolver
		case f.ParseError != "":
			s.Agent.Config = "{\n    \"Profile\": {\n        \"ShareCreds\": true\n    },\n    \"Ssm\": {\n        \"HealthFrequencyMinutes\": 5,\n    }\n}\n"
		case name == stateDir+"/registration": // from the registration
		case f.InstanceID != "": // that of another instance, as the agent keeps it
			s.Files[name] = sim.File{Mode: 0o600, Content: `{"instanceID":"` + f.InstanceID + `","region":"` + s.Region + `","instanceType":"","availabilityZone":"","privateKey":"","publicKey":"","privateKeyType":"Rsa"}`}
			s.Files[stateDir+"/Vault/EC2Manifest"] = sim.File{Mode: 0o600, Content: `{"EC2RegistrationKey":"` + name + `"}`}
		case f.Dir:
			s.Files[name+"/document"] = sim.File{Dir: true, Mode: 0o600}
		case strings.HasPrefix(f.Mode, "d"):
			s.Files[name] = sim.File{Dir: true, Mode: 0o600}
		default:
			v.cannot("file %s", name)
		}
	}
}
