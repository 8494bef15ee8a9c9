package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/gather"
	recording "ssm-doctor/agent/gather/recorded"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
)

// notOnMac are the scenarios of the catalogue that mean nothing on macOS, with the reason.
// Those of hybrid machines and of tasks mean nothing there either: AWS has the agent for
// macOS on EC2 only.
var notOnMac = map[string]string{
	"tls-httpsproxy-written-with-https-plain-http":     "the agent takes its proxies from the settings of the system, which have no scheme",
	"imds-container-hop-limit-1":                       "macOS has no containers",
	"imds-windows-image-moved-another-subnet-keeps":    "Windows",
	"agt-snap-deb-one-host":                            "macOS has one way to install it",
	"agt-selinux-label-stops-binary":                   "macOS has no SELinux",
	"host-inotify-limit-disk-half-empty":               "macOS has no inotify",
	"wild-link-local-route-of-a-container-link":        "the simulator carries packets by its own routes, not by those that route(8) shows",
	"wild-null-route-by-loopback":                      "the simulator carries packets by its own routes, not by those that route(8) shows",
	"wild-address-lost":                                "the simulator carries packets by its own routes, not by those that route(8) shows",
	"wild-ended-by-hangup-signal":                      "launchd starts again what ended, whatever ended it",
	"wild-ok-two-snap-revisions":                       "macOS has no snaps",
	"wild-killed-for-lack-of-memory":                   "the log of macOS is not read, and a killed service runs again",
	"wild-os-without-an-agent":                         "Alpine Linux",
	"wild-large-packets-are-lost":                      "macOS does not tell of a connection what is sent again, which is what decides",
	"wild-sessions-run-as-a-user-that-is-missing":      "macOS keeps its users in a directory that is not read; the log alone leaves the answer open",
	"wild-old-agent-hibernates-for-hours":              "not answered on Linux either, see wanting",
	"agt-bad-release-breaks-channel-previous-revision": "a snap",
}

// macRoute is a row of the routes of a Mac beside the default.
type macRoute struct{ prefix, gateway, iface, flags string }

// macBoxed is what of the catalogue a shell plants on Linux, as a Mac would have it.
var macBoxed = map[string]struct {
	plant  func(*sim.Scenario)
	routes []macRoute
}{
	"wild-tunnel-takes-the-vpc-endpoints": {func(s *sim.Scenario) { s.Interfaces = map[string]string{"utun4": "100.105.12.7/16"} },
		[]macRoute{{"10.0.0.0/16", "", "utun4", "UP,DONE,STATIC,CLONING"}}},
	"wild-unit-without-its-program": {plant: func(s *sim.Scenario) {
		for k, u := range s.Agent.Units {
			u.Exit = 78 // EX_CONFIG, by which launchd says so
			s.Agent.Units[k] = u
		}
	}},
}

// macWords are words of the catalogue that are others on macOS.
var macWords = map[string]string{"/var/lib/amazon/ssm": "/opt/aws/ssm/data", "/root/.aws/credentials": "/var/root/.aws/credentials", "systemd|unit|service": "scutil|service", "iptables|nft|rule": "pf|rule", "iptables|nft": "pf",
	"wt0": "utun4", "ip route": "route", "/usr/bin/amazon-ssm-agent": "/opt/aws/ssm/bin/amazon-ssm-agent"}

// onMac is a host of Linux as a Mac would be in its place.
func onMac(s sim.Scenario) sim.Scenario {
	move := strings.NewReplacer("/var/lib/amazon/ssm/runtimeconfig", "/opt/aws/ssm/runtimeconfig", "/var/lib/amazon/ssm", "/opt/aws/ssm/data", "/etc/amazon/ssm/", "/opt/aws/ssm/", "/root/", "/var/root/", "/usr/bin/", "/opt/aws/ssm/bin/", "OS: linux", "OS: darwin")
	s.GOOS = "darwin"
	files := map[string]sim.File{}
	for name, f := range s.Files {
		f.Content, f.Link = move.Replace(f.Content), move.Replace(f.Link)
		files[move.Replace(name)] = f
	}
	for i, l := range s.Log {
		s.Log[i] = move.Replace(l)
	}
	resolv := ""
	for _, r := range s.Resolvers {
		resolv += "nameserver " + r + "\n"
	}
	add := func(name, content string) {
		if _, ok := files[name]; !ok {
			files[name] = sim.File{Content: content}
		}
	}
	add("/etc/hosts", "127.0.0.1\tlocalhost\n::1             localhost\n")
	add("/etc/resolv.conf", resolv)
	add("/System/Library/CoreServices/SystemVersion.plist", `<plist version="1.0"><dict><key>ProductName</key><string>macOS</string><key>ProductVersion</key><string>14.6.1</string></dict></plist>`)
	files["/usr/local/aws/ec2-macos-init"] = sim.File{Dir: true}
	if s.Agent.Version != "" {
		add("/Library/LaunchDaemons/com.amazon.aws.ssm.plist", `<plist version="1.0"><dict><key>Label</key><string>com.amazon.aws.ssm</string><key>Program</key><string>/opt/aws/ssm/bin/amazon-ssm-agent</string><key>KeepAlive</key><true/><key>RunAtLoad</key><true/></dict></plist>`)
	}
	s.Files = files
	unit := sim.Unit{}
	for _, k := range slices.Sorted(maps.Keys(s.Agent.Units)) {
		if u := s.Agent.Units[k]; unit.Active == "" {
			unit = u
		}
	}
	s.Agent.Units, s.Agent.Packaging, s.Agent.NoManager = map[string]sim.Unit{"binary": unit}, []string{"binary"}, true
	return s
}

// macHost is what the programs and the kernel of a Mac answer.
type macHost struct {
	s      sim.Scenario
	routes []macRoute
}

const macBin = "/opt/aws/ssm/bin/"

func (m macHost) exec(_ context.Context, name string, args ...string) ([]byte, error) {
	line := strings.Join(append([]string{name}, args...), " ")
	fail := func(text string, code int) ([]byte, error) {
		return nil, fmt.Errorf("run %s: exit status %d: %s", name, code, text)
	}
	a, u := m.s.Agent, m.s.Agent.Units["binary"]
	switch {
	case line == "launchctl print-disabled system":
		state := "enabled"
		if u.Enabled == "disabled" {
			state = "disabled"
		}
		return []byte("disabled services = {\n\t\t\"com.apple.ftpd\" => disabled\n\t\t\"com.amazon.aws.ssm\" => " + state + "\n}\n"), nil
	case name == "launchctl":
		if a.Version == "" || u.Active == "inactive" {
			return fail("Could not find service \"com.amazon.aws.ssm\" in domain for system", 113)
		}
		return []byte(wordsOfLaunchd(u, a.Core)), nil
	case name == "ps":
		table := "    1     0     0 Sun Mar  1 08:00:01 2026 /sbin/launchd\n  300     1   501 Sun Mar  1 08:00:01 2026 /Applications/My App.app/x y\n"
		at := m.s.Now.Add(-time.Duration(u.Since)).UTC().Format(time.ANSIC)
		if a.Core {
			table += "   77     1     0 " + at + " " + macBin + "amazon-ssm-agent\n"
		}
		if a.Core && a.Worker {
			table += "   78    77     0 " + at + " " + macBin + "ssm-agent-worker\n"
		}
		return []byte(table), nil
	case name == "lsof":
		peers := a.Channel
		if e := m.s.Endpoints["ssmmessages"]; peers == nil && a.Worker && len(e.Address) > 0 && e.TCP+e.DNS+e.TLS+e.WebSocket == "" {
			peers = []string{e.Address[0] + ":443"}
		}
		out := ""
		for i, p := range peers {
			queue := 0
			if a.Stuck {
				queue = 310
			}
			out += fmt.Sprintf("f%d\nn%s:%d->%s\nTST=ESTABLISHED\nTQR=0\nTQS=%d\n", 7+i, m.s.Address, 49152+i, p, queue)
		}
		if out == "" {
			return nil, errors.New("run lsof: exit status 1")
		}
		return []byte("p78\n" + out), nil
	case line == "pfctl -s info":
		if m.s.Host.Firewall == "" {
			return []byte("Status: Disabled for 0 days 00:06:09           Debug: Urgent\n"), nil
		}
		return []byte("Status: Enabled for 0 days 00:06:09           Debug: Urgent\n"), nil
	case name == "pfctl":
		rule := "" // as iptables has it: refuse what goes to the metadata service
		if strings.Contains(m.s.Host.Rules, "169.254.169.254") {
			rule = "block return out quick inet from any to 169.254.169.254\n"
		}
		return []byte("scrub-anchor \"com.apple/*\" all fragment reassemble\nanchor \"com.apple/*\" all {\n  anchor \"200.AirDrop/*\" all\n}\n" + rule), nil
	case line == "scutil --proxy":
		return []byte(m.proxies()), nil
	case line == "scutil --dns":
		out := "DNS configuration\n\nresolver #1\n  search domain[0] : ec2.internal\n"
		for i, r := range m.s.Resolvers {
			out += fmt.Sprintf("  nameserver[%d] : %s\n", i, r)
		}
		return []byte(out + "  if_index : 6 (en0)\n  flags    : Request A records\n  reach    : 0x00020002 (Reachable,Directly Reachable Address)\n\nresolver #2\n  domain   : local\n  options  : mdns\n  timeout  : 5\n"), nil
	case name == "systemsetup":
		if m.s.Unsynced {
			return []byte("Network Time: Off\n"), nil
		}
		return []byte("Network Time: On\n"), nil
	case name == "pkgutil":
		if a.Version == "" {
			return fail("No receipt for 'com.amazon.aws.ssm' found at '/'.", 1)
		}
		return []byte("package-id: com.amazon.aws.ssm\nversion: " + a.Version + "\nvolume: /\nlocation: \ninstall-time: 1771000000\n"), nil
	case name == "route":
		return m.route(args[2:])
	}
	return nil, gather.ErrNoProgram
}

// wordsOfLaunchd is what launchd says of the agent.
func wordsOfLaunchd(u sim.Unit, runs bool) string {
	out := "system/com.amazon.aws.ssm = {\n\tactive count = 1\n\tpath = /Library/LaunchDaemons/com.amazon.aws.ssm.plist\n\ttype = LaunchDaemon\n"
	state, pid := "spawn scheduled", ""
	if runs {
		state, pid = "running", "\tpid = 77\n"
	}
	out += "\tstate = " + state + "\n\n\tprogram = " + macBin + "amazon-ssm-agent\n\targuments = {\n\t\t" + macBin + "amazon-ssm-agent\n\t}\n\n\tdefault environment = {\n\t\tPATH => /usr/bin:/bin:/usr/sbin:/sbin\n\t}\n\n\tdomain = system\n\tminimum runtime = 10\n\texit timeout = 5\n"
	out += fmt.Sprintf("\truns = %d\n%s", u.Restarts+1, pid)
	exit := "(never exited)"
	if u.Exit != 0 {
		exit = fmt.Sprint(u.Exit)
	}
	if u.Ended == "killed" || u.Ended == "dumped" {
		exit = "(never exited)\n\tlast terminating signal = " + map[int]string{1: "Hangup", 9: "Killed", 11: "Segmentation fault", 15: "Terminated"}[u.Exit] + fmt.Sprintf(": %d", u.Exit)
	}
	return out + "\tlast exit code = " + exit + "\n\n\tproperties = keepalive | runatload | inferred program\n}\n"
}

// proxies are those of the service as system-wide ones, which the agent lays over its own.
func (m macHost) proxies() string {
	env := m.s.Agent.Environment
	out := "<dictionary> {\n"
	if no := env["no_proxy"]; no != "" {
		out += "  ExceptionsList : <array> {\n"
		for i, e := range strings.Split(no, ",") {
			out += fmt.Sprintf("    %d : %s\n", i, e)
		}
		out += "  }\n"
	}
	out += "  FTPPassive : 1\n"
	for kind, name := range map[string]string{"HTTP": "http_proxy", "HTTPS": "https_proxy"} {
		host, port, ok := strings.Cut(env[name][strings.LastIndexAny(env[name], "/@")+1:], ":")
		if !ok {
			out += "  " + kind + "Enable : 0\n"
			continue
		}
		out += fmt.Sprintf("  %[1]sEnable : 1\n  %[1]sPort : %[2]s\n  %[1]sProxy : %[3]s\n", kind, port, host)
	}
	return out + "}\n"
}

// route is what route -n get says.
func (m macHost) route(args []string) ([]byte, error) {
	none := errors.New("run route: exit status 1: route: writing to routing socket: not in table")
	to := args[len(args)-1]
	six := args[0] == "-inet6"
	for _, r := range m.routes {
		p, a := netip.MustParsePrefix(r.prefix), netip.MustParseAddr(to)
		if !p.Contains(a) {
			continue
		}
		out := "   route to: " + to + "\ndestination: " + p.Addr().String() + "\n"
		if !p.IsSingleIP() {
			out += "       mask: 255.255.0.0\n"
		}
		if r.gateway != "" {
			out += "    gateway: " + r.gateway + "\n"
		}
		return []byte(out + "  interface: " + r.iface + "\n      flags: <" + r.flags + ">\n"), nil
	}
	gateway := netip.MustParseAddr(m.s.Address).As4()
	gateway[3] = 1
	via := netip.AddrFrom4(gateway).String()
	switch {
	case m.s.Net.NoAddress, six && !m.s.IPv6, !six && m.s.NoIPv4 && !strings.HasPrefix(to, "169.254."):
		return nil, none
	case six:
		via = "fe80::1%en0"
	case to == "169.254.169.254" && m.s.IMDSGateway != "":
		return []byte("   route to: " + to + "\ndestination: " + to + "\n    gateway: " + m.s.IMDSGateway + "\n  interface: en0\n      flags: <UP,GATEWAY,HOST,DONE,STATIC>\n"), nil
	}
	return []byte("   route to: " + to + "\ndestination: default\n       mask: default\n    gateway: " + via + "\n  interface: en0\n      flags: <UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>\n recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire\n       0         0         0         0         0         0      9001         0 \n"), nil
}

// kernel is that of a Mac: its devices are en0 and lo0, and it tells no more of them.
func (m macHost) kernel(k gather.Kernel) gather.Kernel {
	k.Hostname = m.s.Hostname
	k.Synced = facts.Unknown[bool]("not available on this operating system", "").Because(facts.NotAskable)
	k.Rules = facts.Unknown[[]facts.RoutingRule]("not available on this operating system", "").Because(facts.NotAskable)
	names := strings.NewReplacer("eth0", "en0")
	for i, x := range k.Interfaces.Value {
		if k.Interfaces.Value[i].Name = names.Replace(x.Name); x.Name == "lo" {
			k.Interfaces.Value[i].Name = "lo0"
		}
	}
	for i, x := range k.Links.Value {
		if k.Links.Value[i].Name = names.Replace(x.Name); x.Name == "lo" {
			k.Links.Value[i].Name = "lo0"
		}
	}
	return k
}

// macEnv brings a Mac up.
func macEnv(t *testing.T, s sim.Scenario, routes ...macRoute) (*gather.Env, *sim.Host) {
	t.Helper()
	h, err := sim.Start(onMac(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	m := macHost{h.Scenario(), routes}
	env := h.Env()
	kernel := env.Kernel
	env.Exec, env.Volume, env.Kernel, env.GOARCH = m.exec, dataVolume, func() gather.Kernel { return m.kernel(kernel()) }, "arm64"
	env.Pseudonyms = []byte("key")
	return env, h
}

// recordMac records a Mac and plays the recording, as a file of it would be.
func recordMac(t *testing.T, s sim.Scenario, whole bool, routes ...macRoute) (*report.Report, *facts.Facts) {
	t.Helper()
	env, h := macEnv(t, s, routes...)
	env, recorder := recording.Record(env)
	f := engine.Collect(t.Context(), env, engine.Options{})
	redact := report.StripText
	if whole {
		f = report.StripFacts(f)
	} else {
		f, redact = report.RedactRecording(f)
	}
	b, err := json.Marshal(recorder.Recording(redact, !whole))
	if err != nil {
		t.Fatal(err)
	}
	for i, secret := range h.Secrets() {
		if strings.Contains(string(b), secret) {
			t.Errorf("secret %d of the host is in its recording", i)
		}
	}
	r, err := recording.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Run(t.Context(), r.Env(), engine.Options{Recorded: f})
}

// TestMacRecordings turns scenarios into recordings of Macs, and judges these.
func TestMacRecordings(t *testing.T) {
	t.Parallel()
	judged, right := 0, 0
	for _, c := range catalogue(t) {
		if c.Platform != sim.EC2 || notOnMac[c.ID] != "" {
			continue
		}
		s, cannot := hostOf(&c, now)
		if len(cannot) > 0 {
			t.Errorf("%s cannot be expressed: %q", c.ID, cannot)
			continue
		}
		boxed := macBoxed[c.ID]
		if boxed.plant != nil {
			boxed.plant(&s)
		}
		judged++
		r, _ := recordMac(t, s, true, boxed.routes...)
		want := c.Expected
		for _, list := range []*[]string{&want.Mention, &want.Remedy} {
			*list = slices.Clone(*list)
			for i, w := range *list {
				for from, to := range macWords {
					(*list)[i] = strings.ReplaceAll(w, from, to)
					w = (*list)[i]
				}
			}
		}
		if r, _ := recordMac(t, s, false, boxed.routes...); !want.names(first(answer(r))) {
			t.Errorf("%s, redacted: %s", c.ID, r.Summary)
		}
		if want.names(first(answer(r))) {
			right++
		} else if r.State == report.Managed && !want.names("healthy") {
			t.Errorf("%s is green", c.ID)
		}
		if wrong := mistakes(t, r, want); len(wrong) > 0 {
			t.Errorf("%s: %q", c.ID, wrong)
		}
	}
	t.Logf("%d judged, %d with the right root cause", judged, right)
	if judged < 35 {
		t.Errorf("%d scenarios are judged, at least 35 are to be", judged)
	}
}

func first(id, _ string) string { return id }

// TestHealthyMac: nothing is wrong with a Mac that is well, and next to nothing unknown,
// as it stands, and as a recording.
func TestHealthyMac(t *testing.T) {
	t.Parallel()
	s := sim.HealthyProfile()
	s.Now = now
	for _, whole := range []bool{true, false} {
		r, _ := recordMac(t, s, whole)
		unknown := []string{}
		for _, c := range r.Checks {
			switch c.Status {
			case "unknown":
				unknown = append(unknown, c.ID+": "+c.Summary.String())
			case "fail", "warn":
				t.Errorf("%s: %s", c.ID, c.Summary)
			}
		}
		if r.State != report.Managed || r.RootCause != nil || len(r.Also) > 0 || len(unknown) > 3 {
			t.Errorf("%s %v %+v, unknown %q", r.State, r.RootCause, r.Also, unknown)
		}
	}
}

// TestPlayedLikeTheHost: a recording is judged like the host that it was made on, with
// its names and without.
func TestPlayedLikeTheHost(t *testing.T) {
	t.Parallel()
	for i, f := range faults() {
		if f.base != "profile" && f.base != "dhmc" || every > 1 && i%3 != 0 {
			continue
		}
		s := bases[f.base]()
		s.Now = now
		f.put(&s)
		env, _ := macEnv(t, s)
		host, _ := engine.Run(t.Context(), env, engine.Options{})
		for _, whole := range []bool{true, false} {
			played, _ := recordMac(t, s, whole)
			if a, b := first(answer(host)), first(answer(played)); a != b || host.State != played.State {
				t.Errorf("%s, whole %v: the host is %s %s, its recording %s %s: %s", f.name, whole, host.State, a, played.State, b, played.Summary)
			}
		}
	}
}

// TestMacRecordingHoldsNoSecret plants secrets in what only a Mac shows.
func TestMacRecordingHoldsNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "Zq07xK11wTr8"
	for _, form := range []string{"%s", "password=%s", "http://user:%s@proxy.corp:3128", "user:%s@proxy.corp:3128", "https://proxy.corp/%s/x", "-p %s", "Bearer %s", "<b>%s</b>"} {
		written := fmt.Sprintf(form, secret)
		s := sim.HealthyProfile()
		s.Now = now
		s.Log = append(s.Log, "-2m ERROR [ssm-agent-worker] [MessageService] the flux is too high: "+written)
		s.Agent.Config = `{"Agent":{"Region":` + quoteJSON(written) + `,"Name":` + quoteJSON(written) + `},"Mgs":{"Endpoint":` + quoteJSON(written) + `},"Extra":` + quoteJSON(written) + `}`
		xml := strings.NewReplacer("<", "&lt;", "&", "&amp;").Replace(written)
		s.Files = map[string]sim.File{
			"/Library/LaunchDaemons/com.amazon.aws.ssm.plist": {Content: `<plist version="1.0"><dict><key>Label</key><string>com.amazon.aws.ssm</string><key>Program</key><string>/opt/aws/ssm/bin/amazon-ssm-agent</string><key>ProgramArguments</key><array><string>` + xml + `</string></array><key>EnvironmentVariables</key><dict><key>APP</key><string>` + xml + `</string><key>https_proxy</key><string>` + xml + `</string><key>AWS_EC2_METADATA_SERVICE_ENDPOINT</key><string>` + xml + `</string></dict></dict></plist>`},
			"/etc/hosts":                 {Content: "127.0.0.1 localhost # " + written + "\n10.0.0.9 " + written + "\n"},
			"/etc/profile":               {Content: "export TOKEN=" + written + "\nexport HTTPS_PROXY=" + written + "\n"},
			"/var/root/.aws/credentials": {Content: "[" + written + "]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = " + written + "\n"},
		}
		env, _ := macEnv(t, s)
		exec := env.Exec
		env.Exec = func(ctx context.Context, name string, args ...string) ([]byte, error) {
			out, err := exec(ctx, name, args...)
			switch name {
			case "scutil":
				out = []byte(strings.Replace(string(out), "<dictionary> {\n", "<dictionary> {\n  ExceptionsList : <array> {\n    0 : "+written+"\n  }\n  HTTPSUser : "+written+"\n  HTTPSEnable : 1\n  HTTPSProxy : "+written+"\n", 1))
			case "launchctl":
				out = []byte(strings.Replace(string(out), "default environment = {\n", "default environment = {\n\t\tAPP => "+written+"\n", 1))
			case "pfctl":
				out = []byte("Status: Enabled " + written + "\nblock drop out all label \"" + written + "\"\n")
			default:
				out = append(out, written+"\n"...)
			}
			return out, err
		}
		env, recorder := recording.Record(env)
		f := engine.Collect(t.Context(), env, engine.Options{})
		_, redact := report.RedactRecording(f)
		for _, r := range []*recording.Recording{recorder.Recording(report.StripText, false), recorder.Recording(redact, true)} {
			b, err := json.MarshalIndent(r, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			if at := strings.Index(string(b), secret); at >= 0 {
				t.Errorf("%s: …%s…", form, b[max(0, at-200):at+40])
			}
		}
	}
}

func quoteJSON(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
