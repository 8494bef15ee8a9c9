package sim

import (
	"cmp"
	"crypto/rand"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	mainUnit = "amazon-ssm-agent.service"
	snapUnit = "snap.amazon-ssm-agent.amazon-ssm-agent.service"
)

// packagings are the installations of the agent.
func (w *world) packagings() []string {
	switch {
	case w.Agent.Version == "":
		return nil
	case len(w.Agent.Packaging) > 0:
		return w.Agent.Packaging
	case w.rpmHost():
		return []string{"rpm"}
	}
	return []string{"deb"}
}

func (w *world) packaged(kind string) bool { return slices.Contains(w.packagings(), kind) }

// installDir is where the executables of a packaging lie.
func (w *world) installDir(kind string) string {
	switch kind {
	case "snap":
		return "snap/amazon-ssm-agent/current"
	case "managed":
		return "managed-agents/execute-command"
	}
	return w.dirs().bin
}

func unitName(kind string) string {
	if kind == "snap" {
		return snapUnit
	}
	return mainUnit
}

// unit is the service of a packaging with the ordinary filled in.
func (w *world) unit(kind string) Unit {
	u := w.Agent.Units[kind]
	def := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	def(&u.Active, "active")
	def(&u.Enabled, "enabled")
	def(&u.Sub, map[string]string{"active": "running", "inactive": "dead", "failed": "failed", "activating": "auto-restart"}[u.Active])
	def(&u.Exec, "/"+w.installDir(kind)+"/amazon-ssm-agent")
	def(&u.Restart, "always")
	if u.Since == 0 {
		u.Since = Duration(time.Hour)
	}
	return u
}

// systemctl is the output of systemctl show for both units.
func (w *world) systemctl() string {
	var b strings.Builder
	for i, name := range []string{mainUnit, snapUnit} {
		if i > 0 {
			b.WriteString("\n")
		}
		kind := ""
		for _, k := range w.packagings() {
			if k != "managed" && unitName(k) == name {
				kind = k
			}
		}
		u := w.unit(kind)
		if kind == "" || u.Active == "not-found" {
			fmt.Fprintf(&b, "Id=%s\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\nResult=success\nExecMainStatus=0\nNRestarts=0\nMainPID=0\n", name)
			continue
		}
		result, pid, code := "success", 0, 0
		if u.Active == "failed" || u.Exit != 0 {
			result, code = "exit-code", 1
		}
		if u.Result != "" {
			result = u.Result
		}
		if n := slices.Index([]string{"", "exited", "killed", "dumped"}, u.Ended); n > 0 {
			code = n
		}
		if u.Active == "active" && w.Agent.Core {
			pid = w.pid(kind)
		}
		since := w.now().Add(-time.Duration(u.Since)).UTC().Format("Mon 2006-01-02 15:04:05 MST")
		active, inactive := since, ""
		if u.Active != "active" {
			active, inactive = "", since
		}
		load := "loaded"
		if u.Enabled == "masked" {
			load = "masked"
		}
		fmt.Fprintf(&b, "Id=%s\nLoadState=%s\nActiveState=%s\nSubState=%s\nUnitFileState=%s\nResult=%s\nExecMainStatus=%d\nNRestarts=%d\nMainPID=%d\nUser=%s\n"+
			"ExecStart={ path=%s ; argv[]=%[11]s ; ignore_errors=no ; pid=0 ; code=(null) ; status=0/0 }\nFragmentPath=%[12]s\nRestartPreventExitStatus=194\n"+
			"ActiveEnterTimestamp=%[13]s\nInactiveEnterTimestamp=%[14]s\nExecMainStartTimestamp=%[15]s\nExecMainExitTimestamp=%[14]s\n"+
			"ExecMainCode=%[16]d\nRestart=%[17]s\nWantedBy=%[18]s\nMemoryMax=infinity\nOOMPolicy=stop\n",
			name, load, u.Active, u.Sub, u.Enabled, result, u.Exit, u.Restarts, pid, u.User, u.Exec, "/"+unitDir(kind)+name, active, inactive, since, code, u.Restart, u.Wanted)
	}
	return b.String()
}

func unitDir(kind string) string {
	if kind == "snap" {
		return "etc/systemd/system/"
	}
	return "usr/lib/systemd/system/"
}

// pid is the process of the core agent of a packaging; the worker's is one more.
func (w *world) pid(kind string) int { return 810 + 40*slices.Index(w.packagings(), kind) }

// layAgent installs the agent and starts its processes.
func (w *world) layAgent(t *tree) {
	d := w.dirs()
	if w.GOOS == "linux" {
		t.dir("usr/bin", 0o755)
		for _, name := range w.installers() {
			t.file("usr/bin/"+name, "", 0o755)
		}
		switch {
		case w.rpmHost():
			t.file("var/lib/rpm/rpmdb.sqlite", "", 0o644)
		case slices.Contains(w.installers(), "dpkg"):
			t.file("var/lib/dpkg/status", "Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2\n\n", 0o644)
		}
	}
	for _, kind := range w.packagings() {
		w.install(t, kind)
	}
	if w.Agent.Config != "" {
		t.file(d.config, w.Agent.Config, 0o600)
	}
	for i, o := range w.Agent.Others {
		pid, exe := 2200+i, o.Exe
		if exe == "" {
			exe = "/usr/bin/amazon-ssm-agent"
		}
		w.process(t, pid, 1, o.UID, exe, t.now.Add(-time.Hour), nil)
		status := fmt.Sprintf("Name:\tamazon-ssm-agen\nUid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\nNSpid:\t%[2]d%[3]s\n", o.UID, pid, strings.Repeat("\t7", o.Depth))
		t.file(fmt.Sprintf("proc/%d/status", pid), status, 0o444)
		t.file(fmt.Sprintf("proc/%d/cgroup", pid), "0::"+o.Group+"\n", 0o444)
		t.file("proc/self/status", "Name:\tssm-doctor\nNSpid:\t4000\n", 0o444)
	}
	if w.GOOS != "linux" || !w.Agent.Core {
		return
	}
	for _, kind := range w.packagings() {
		u := w.unit(kind)
		if u.Active != "active" && !w.Agent.NoManager && kind != "managed" {
			continue
		}
		began := t.now.Add(-time.Duration(u.Since))
		uid := 0
		if u.User != "" && u.User != "root" {
			uid = 990
		}
		core := w.pid(kind)
		w.process(t, core, 1, uid, u.Exec, began, w.Agent.Environment)
		if t.mountinfo != "" {
			t.file(fmt.Sprintf("proc/%d/mountinfo", core), sealedMounts(t.mountinfo, cmp.Or(u.Started, u.DropIn)), 0o444)
		}
		w.hold(t, core)
		if !w.Agent.Worker || u.Exec != "/"+w.installDir(kind)+"/amazon-ssm-agent" {
			continue
		}
		w.process(t, core+1, core, uid, strings.TrimSuffix(u.Exec, "amazon-ssm-agent")+"ssm-agent-worker", began.Add(time.Second), w.Agent.Environment)
		w.hold(t, core+1)
		w.channel(t, core+1, uid)
	}
}

// channel gives the worker its connections.
func (w *world) channel(t *tree, pid, uid int) {
	peers := w.Agent.Channel
	if peers == nil {
		if e, _ := w.endpoint("ssmmessages"); len(e.Address) > 0 && e.TCP == "" && e.DNS == "" && e.TLS == "" && e.WebSocket == "" {
			peers = []string{e.Address[0] + ":443"}
		}
	}
	local, err := netip.ParseAddr(w.Address)
	if err != nil {
		return
	}
	table := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for i, p := range peers {
		remote, err := netip.ParseAddrPort(p)
		if err != nil || !remote.Addr().Is4() {
			continue
		}
		queue, resent := 0, 0
		if w.Agent.Stuck {
			queue, resent = 1843, 14
		}
		inode := 41000 + pid + i
		table += fmt.Sprintf("%4d: %s %s 01 %08X:00000000 00:00000000 %08X %5d        0 %d 1 0000000000000000 20 4 30 10 -1\n",
			i, procAddr(netip.AddrPortFrom(local, uint16(48000+i))), procAddr(remote), queue, resent, uid, inode)
		t.symlink(fmt.Sprintf("proc/%d/fd/%d", pid, 7+i), fmt.Sprintf("socket:[%d]", inode))
	}
	t.file("proc/net/tcp", table, 0o444)
	t.file("proc/net/tcp6", "  sl  local_address\n", 0o444)
}

func (w *world) install(t *tree, kind string) {
	d := w.dirs()
	dir := w.installDir(kind)
	version := w.Agent.Version
	switch kind {
	case "deb":
		state := w.Agent.Package
		if state == "" {
			state = "install ok installed"
		}
		t.file("var/lib/dpkg/status", fmt.Sprintf("Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2\n\nPackage: amazon-ssm-agent\nStatus: %s\nArchitecture: amd64\nVersion: %s-1\n\n", state, version), 0o644)
	case "snap":
		dir = "snap/amazon-ssm-agent/9881"
		t.symlink("snap/amazon-ssm-agent/current", "9881")
		t.file(dir+"/meta/snap.yaml", "name: amazon-ssm-agent\nversion: "+version+"\nconfinement: classic\n", 0o644)
		t.file("usr/bin/snap", "", 0o755)
	case "managed":
		t.dir(dir, 0o755)
	}
	names := []string{"amazon-ssm-agent", "ssm-document-worker", "ssm-session-worker", "ssm-cli"}
	if !strings.HasPrefix(version, "2.") {
		names = append(names, "ssm-agent-worker", "ssm-session-logger")
	}
	for _, n := range names {
		t.file(dir+"/"+n+d.suffix, "\x7fELF", 0o755)
	}
	u := w.unit(kind)
	if w.GOOS != "linux" || w.Agent.NoManager || kind == "managed" || u.Active == "not-found" {
		return
	}
	name := unitName(kind)
	user := ""
	if u.User != "" {
		user = "User=" + u.User + "\n"
	}
	t.file(unitDir(kind)+name, "[Unit]\nDescription=amazon-ssm-agent\n\n[Service]\nType=simple\nExecStart="+u.Exec+"\n"+user+"KillMode=process\nRestart="+u.Restart+"\nRestartPreventExitStatus=194\nRestartSec=90\n\n[Install]\nWantedBy=multi-user.target\n", 0o644)
	if u.Enabled == "enabled" {
		t.symlink("etc/systemd/system/multi-user.target.wants/"+name, "/"+unitDir(kind)+name)
	}
	if u.DropIn != "" {
		t.file("etc/systemd/system/"+name+".d/50-local.conf", u.DropIn, 0o644)
	}
	if len(w.Agent.Environment) > 0 {
		text := "[Service]\n"
		for _, k := range slices.Sorted(maps.Keys(w.Agent.Environment)) {
			text += fmt.Sprintf("Environment=%q\n", k+"="+w.Agent.Environment[k])
		}
		t.file("etc/systemd/system/"+name+".d/override.conf", text, 0o644)
	}
}

// rsaKey is one RSA key as base64 of PKCS#1, the form in which the agent keeps
// its own, and its public part. It is no one's and guards nothing, so that 1024
// bits are enough.
var rsaKey = sync.OnceValues(func() (private, public string) {
	one := big.NewInt(1)
	for {
		p, err := rand.Prime(rand.Reader, 512)
		if err != nil {
			panic(err) // the system's randomness never fails
		}
		q, err := rand.Prime(rand.Reader, 512)
		if err != nil {
			panic(err)
		}
		e := big.NewInt(65537)
		p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
		d := new(big.Int).ModInverse(e, new(big.Int).Mul(p1, q1))
		n := new(big.Int).Mul(p, q)
		if d == nil || p.Cmp(q) == 0 || n.BitLen() < 1024 {
			continue
		}
		der, err := asn1.Marshal(struct {
			V                          int
			N                          *big.Int
			E                          int
			D, P, Q, DP, DQ, QInverted *big.Int
		}{0, n, 65537, d, p, q, new(big.Int).Mod(d, p1), new(big.Int).Mod(d, q1), new(big.Int).ModInverse(q, p)})
		if err != nil {
			panic(err)
		}
		pub, err := asn1.Marshal(struct {
			N *big.Int
			E int
		}{n, 65537})
		if err != nil {
			panic(err)
		}
		return base64.StdEncoding.EncodeToString(der), base64.StdEncoding.EncodeToString(pub)
	}
})

// layState writes registration, credentials and audit files.
func (w *world) layState(t *tree) {
	a, d := w.Agent, w.dirs()
	vault := d.data + "/Vault"
	absolute := func(name string) string {
		if w.GOOS == "windows" {
			return `C:\` + strings.ReplaceAll(name, "/", `\`)
		}
		return "/" + name
	}
	register := func(manifest, key, id string, extra ...string) {
		t.dir(d.data, 0o700)
		t.dir(vault, 0o700)
		t.dir(vault+"/Store", 0o700)
		index := map[string]string{}
		for _, k := range append([]string{key}, extra...) {
			index[k] = absolute(vault + "/Store/" + k)
		}
		t.file(vault+"/"+manifest, compact(index), 0o600)
		private, public := rsaKey()
		t.file(vault+"/Store/"+key, compact(map[string]string{"instanceID": id, "region": w.Region, "instanceType": "", "availabilityZone": "", "privateKey": private, "publicKey": public,
			"privateKeyType": "Rsa", "privateKeyCreatedDate": t.now.Add(-30*24*time.Hour).UTC().Format("2006-01-02 15:04:05.999999999") + " +0000 UTC"}), 0o600)
	}
	if a.Hybrid {
		register("Manifest", "RegistrationKey", w.Node, "InstanceFingerprint")
		t.file(d.data+"/registration", compact(map[string]string{"ManagedInstanceID": w.Node, "Region": w.Region}), 0o600)
		hashes := map[string]string{"hostname-info": w.Hostname, "ipaddress-info": w.Address, "macaddr-info": "0a:1b:2c:3d:4e:5f", "machine-id": w.MachineID + "\n",
			"bios-hash": "a1", "disk-info": "a2", "memory-hash": "a3", "processor-hash": "a4", "system-hash": "a5"}
		if a.Cloned {
			hashes["machine-id"] = "0d5ea5e0c0ffee00badc0de0deadbeef\n"
		}
		maps.Copy(hashes, a.Fingerprint)
		b, err := json.Marshal(map[string]any{"fingerprint": "368c560c-9969-421f-8818-6ac85f659e66", "hardwareHash": hashes, "similarityThreshold": 40})
		if err != nil {
			panic(err) // strings marshal
		}
		t.file(vault+"/Store/InstanceFingerprint", string(b), 0o600)
	}
	if a.EC2 {
		register("EC2Manifest", "EC2RegistrationKey", w.Instance)
	}
	w.layCredentials(t)
	if a.Worker {
		id := w.Instance
		if a.Identity == "OnPrem" {
			id = w.Node
		}
		t.dir(d.data, 0o700)
		t.dir(d.data+"/"+id+"/document", 0o700)
		t.dir(d.data+"/ipc", 0o750)
	}
	w.layAudits(t)
}

func compact(v map[string]string) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings marshal
	}
	return string(b)
}

// Ini is a shared credentials file with the keys of a principal.
func ini(k keys, profile string) string {
	s := fmt.Sprintf("[%s]\naws_access_key_id     = %s\naws_secret_access_key = %s\n", profile, k.id, k.secret)
	if k.token != "" {
		s += "aws_session_token     = " + k.token + "\n"
	}
	return s
}

func (w *world) layCredentials(t *tree) {
	a, d := w.Agent, w.dirs()
	age := time.Duration(a.Age)
	if age == 0 {
		age = 10 * time.Minute
	}
	retrieved := t.now.Add(-age)
	p := w.Principals[a.Source]
	m := map[string]string{"SchemaVersion": "1.1", "InstanceId": w.Instance, "IdentityType": a.Identity, "ShareFile": "", "ShareProfile": "",
		"CredentialsExpiresAt": "0001-01-01T00:00:00Z", "CredentialsRetrievedAt": "0001-01-01T00:00:00Z", "CredentialSource": ""}
	if a.Identity == "OnPrem" {
		m["InstanceId"] = w.Node
	}
	if p != nil {
		m["CredentialsRetrievedAt"] = retrieved.UTC().Format(time.RFC3339Nano)
		m["CredentialsExpiresAt"] = retrieved.Add(time.Hour).UTC().Format(time.RFC3339)
		m["CredentialSource"] = "EC2"
		switch p.Kind {
		case KindDHMC:
			m["CredentialSource"], m["ShareFile"] = "SSM", "/"+d.data+"/credentials"
			t.dir(d.data, 0o700)
			t.file(d.data+"/credentials", ini(w.keys[a.Source], "default"), 0o600).at = retrieved
		case KindHybrid:
			m["CredentialSource"], m["ShareFile"] = "SSM", "/"+d.shared
			t.dir("root/.aws", 0o700)
			t.file(d.shared, ini(w.keys[a.Source], "default"), 0o600).at = retrieved
		}
	}
	// Keys of a user that lie in root's own file.
	for name, u := range w.Principals {
		if u.Kind == KindUser {
			t.dir("root/.aws", 0o700)
			t.file(d.shared, ini(w.keys[name], "default"), 0o600).at = t.now.Add(-200 * 24 * time.Hour)
		}
	}
	if a.Identity != "" && atLeast(a.Version, "3.1.501") {
		if !atLeast(a.Version, "3.2.1377") {
			delete(m, "SchemaVersion")
		}
		if !atLeast(a.Version, "3.2.1297") {
			delete(m, "CredentialSource")
		}
		t.dir(d.runtime, 0o700)
		t.file(d.runtime+"/identity_config.json", compact(m), 0o600).at = retrieved
	}
}

// layAudits records the agent's starts, one file a day.
func (w *world) layAudits(t *tree) {
	a, d := w.Agent, w.dirs()
	if a.Version == "" || !a.Core && len(a.Starts) == 0 || !atLeast(a.Version, "3.0") {
		return
	}
	files := map[string]string{}
	add := func(exe, version string, at time.Time) {
		at = at.UTC()
		day := at.Format(time.DateOnly)
		if files[day] == "" {
			files[day] = "SchemaVersion=1\n"
		}
		files[day] += fmt.Sprintf("agent_telemetry %s.start %s %s\n", exe, version, at.Format(time.TimeOnly))
	}
	if a.Previous != "" {
		add("amazon-ssm-agent", a.Previous, t.now.Add(-26*time.Hour))
	}
	starts := a.Starts
	if len(starts) == 0 {
		for _, kind := range w.packagings()[:1] {
			starts = []Duration{w.unit(kind).Since}
		}
	}
	for _, s := range starts {
		add("amazon-ssm-agent", a.Version, t.now.Add(-time.Duration(s)))
	}
	if a.Worker {
		add("ssm-agent-worker", a.Version, t.now.Add(-time.Duration(starts[len(starts)-1])+time.Second))
	}
	t.dir(d.log, 0o700)
	t.dir(d.log+"/audits", 0o700)
	for day, text := range files {
		t.file(d.log+"/audits/amazon-ssm-agent-audit-"+day, text, 0o600)
	}
}

// atLeast compares versions of up to four numbers.
func atLeast(version, least string) bool {
	x, y := strings.Split(version, "."), strings.Split(least, ".")
	for i := range min(len(x), len(y)) {
		a, b := 0, 0
		_, _ = fmt.Sscan(x[i], &a)
		_, _ = fmt.Sscan(y[i], &b)
		if a != b {
			return a > b
		}
	}
	return len(x) >= len(y)
}

// logText renders the agent's log and says when it was written to last.
func (w *world) logText() (text string, written time.Time, err error) {
	frac := ".1234"
	if w.Agent.Version != "" && !atLeast(w.Agent.Version, "3.3.808") {
		frac = ""
	}
	var b strings.Builder
	for _, l := range w.Log {
		first, rest, _ := strings.Cut(l, " ")
		ago, err := time.ParseDuration(first)
		if err != nil {
			return "", written, fmt.Errorf("log line %q does not begin with a distance in time", l)
		}
		at := w.now().Add(ago).UTC()
		server := at.Add(time.Duration(w.Skew * float64(time.Second)))
		limit := server.Add(-maxSkew)
		if w.Skew < 0 {
			limit = server.Add(maxSkew)
		}
		rest = strings.NewReplacer("{signed}", at.Format(amzTime), "{server}", server.Format(amzTime), "{limit}", limit.Format(amzTime),
			"{instance}", w.Instance, "{node}", w.Node, "{region}", w.Region, "{account}", w.Account, "{partition}", w.Partition(), "{domain}", w.Domain(), "{version}", w.Agent.Version).Replace(rest)
		written = at
		b.WriteString(at.Add(time.Duration(w.Agent.Zone)).Format("2006-01-02 15:04:05") + frac + " " + rest + "\n")
	}
	return b.String(), written, nil
}
