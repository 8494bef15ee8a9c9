package sim_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
)

// mutation is a change of a scenario that leaves what is wrong with the host as it
// is. Each function is nil where it does not apply, and returns false where it finds
// nothing to change.
type mutation struct {
	name string
	// loose: the program may say after it that it cannot tell.
	loose bool
	// text changes the scenario as it is written, and put one that was read. Both are
	// for the lab as well.
	text func(r *rand.Rand, raw string) string
	put  func(r *rand.Rand, m spec) bool
	// host changes a simulated host.
	host func(r *rand.Rand, s *sim.Scenario) bool
}

// spec is a scenario as JSON has it, with members that nobody here knows.
type spec map[string]any

func (m spec) observable() map[string]any { return m["observable"].(map[string]any) }

func (m spec) has(observables ...string) bool {
	return slices.ContainsFunc(observables, func(k string) bool { return m.observable()[k] != nil })
}

func (m spec) text(path ...string) string {
	var v any = map[string]any(m)
	for _, p := range path {
		o, _ := v.(map[string]any)
		v = o[p]
	}
	s, _ := v.(string)
	return s
}

func (m spec) log() []string {
	list, _ := m.observable()["agent_log"].([]any)
	out := make([]string, 0, len(list))
	for _, l := range list {
		out = append(out, l.(string))
	}
	return out
}

func (m spec) setLog(lines []string) {
	list := make([]any, 0, len(lines))
	for _, l := range lines {
		list = append(list, l)
	}
	m.observable()["agent_log"] = list
}

// shell adds lines to what the lab plants.
func (m spec) shell(when string, lines ...string) {
	box, _ := m["box"].(map[string]any)
	if box == nil {
		box = map[string]any{}
		m["box"] = box
	}
	list, _ := box[when].([]any)
	for _, l := range lines {
		list = append(list, l)
	}
	box[when] = list
}

const stampLen = len(time.DateTime)

// stamped is a line of the agent's log by its time and the rest, which begins with
// the fraction of the second where the release writes one.
func stamped(line string) (time.Time, string, bool) {
	if len(line) < stampLen {
		return time.Time{}, "", false
	}
	at, err := time.Parse(time.DateTime, line[:stampLen])
	return at, line[stampLen:], err == nil
}

// says is what a line says, without the fraction of the second.
func saying(rest string) string {
	_, s, _ := strings.Cut(rest, " ")
	return s
}

// retime moves each line of a log.
func retime(lines []string, to func(i int, at time.Time) time.Time) []string {
	out := make([]string, 0, len(lines))
	for i, l := range lines {
		at, rest, ok := stamped(l)
		if !ok {
			return lines
		}
		out = append(out, to(i, at).Format(time.DateTime)+rest)
	}
	return out
}

// mutations are all of them.
var mutations = []mutation{
	{name: "names", text: func(r *rand.Rand, raw string) string { return otherNames(r).wear(raw) }},
	{name: "shifted", text: func(r *rand.Rand, raw string) string {
		return shift(raw, time.Duration(r.IntN(2*400*24*60)-400*24*60)*time.Minute)
	}, host: func(r *rand.Rand, s *sim.Scenario) bool {
		s.Now = s.Now.Add(time.Duration(r.IntN(2*400*24*60)-400*24*60) * time.Minute)
		return true
	}},
	{name: "zone", host: func(r *rand.Rand, s *sim.Scenario) bool {
		// Quarters of hours, as the world has them.
		s.Agent.Zone = sim.Duration(time.Duration([]int{-44, -32, -28, -20, -14, -12, 4, 8, 14, 18, 22, 23, 32, 38, 40, 51, 56}[r.IntN(17)]) * 15 * time.Minute)
		return len(s.Log) > 0
	}},
	{name: "spacing", put: func(r *rand.Rand, m spec) bool {
		lines := m.log()
		if len(lines) < 2 || m.has("boot_time") || m.text("observable", "service_state", "since") != "" || sleeps(lines) {
			return false
		}
		last, _, ok := stamped(lines[len(lines)-1])
		if !ok {
			return false
		}
		factor := []float64{0.2, 0.5, 0.8, 1.3, 1.6}[r.IntN(5)]
		m.setLog(retime(lines, func(_ int, at time.Time) time.Time {
			return last.Add(-time.Duration(float64(last.Sub(at)) * factor))
		}))
		return true
	}},
	{name: "age", put: func(r *rand.Rand, m spec) bool {
		lines := m.log()
		if len(lines) == 0 || m.has("boot_time", "now") || sleeps(lines) {
			return false
		}
		last, _, ok := stamped(lines[len(lines)-1])
		if ok {
			m.observable()["now"] = last.Add(time.Duration(15+r.IntN(225)) * time.Second).Format(time.RFC3339)
		}
		return ok
	}},
	{name: "order", put: func(r *rand.Rand, m spec) bool {
		lines, moved := m.log(), false
		for i := 0; i < len(lines); {
			j := i + 1
			for j < len(lines) && len(lines[i]) >= stampLen && strings.HasPrefix(lines[j], lines[i][:stampLen]) {
				j++
			}
			r.Shuffle(j-i, func(a, b int) { lines[i+a], lines[i+b] = lines[i+b], lines[i+a] })
			moved = moved || j > i+1
			i = j
		}
		m.setLog(lines)
		for _, n := range m.observable()["network"].(map[string]any) {
			if list, ok := n.(map[string]any)["dns"].([]any); ok && len(list) > 1 {
				slices.Reverse(list)
				moved = true
			}
		}
		return moved
	}, host: func(r *rand.Rand, s *sim.Scenario) bool {
		slices.Reverse(s.Agent.Packaging)
		return true
	}},
	{name: "chatter", put: func(r *rand.Rand, m spec) bool { return noise(r, m, idle(m.text("observable", "agent_version"))) }},
	{name: "output", put: func(r *rand.Rand, m spec) bool { return noise(r, m, replies(m)) }},
	{name: "strange", put: func(r *rand.Rand, m spec) bool { return noise(r, m, strange) }},
	{name: "neighbours", put: func(r *rand.Rand, m spec) bool {
		file := []string{"messages", "syslog", "kern.log"}[r.IntN(3)]
		at := `$(date '+%b %e %H:%M:%S')`
		m.shell("patch", `mkdir -p "$D/$ID.box/var/log"`)
		for _, i := range r.Perm(len(neighbours))[:6] {
			m.shell("patch", fmt.Sprintf(`echo "%s host %s" >>"$D/$ID.box/var/log/%s"`, at, strings.ReplaceAll(neighbours[i], `"`, `\"`), file))
		}
		return true
	}, host: func(r *rand.Rand, s *sim.Scenario) bool {
		var b strings.Builder
		for _, i := range r.Perm(len(neighbours))[:6] {
			fmt.Fprintf(&b, "%s host %s\n", s.Now.Add(-time.Minute).Format("Jan _2 15:04:05"), neighbours[i])
		}
		name := "/var/log/" + []string{"messages", "syslog", "kern.log"}[r.IntN(3)]
		s.Files[name] = sim.File{Content: s.Files[name].Content + b.String(), Mode: 0o640}
		return true
	}},
	{name: "interfaces", put: func(r *rand.Rand, m spec) bool {
		m.shell("post", "ip link add br-0a1b2c type bridge; ip addr add 172.18.0.1/16 dev br-0a1b2c; ip link set br-0a1b2c up",
			"ip link add veth77aa type veth peer name ceth77; ip link set ceth77 up; ip link set veth77aa master br-0a1b2c up", "true")
		return true
	}, host: func(r *rand.Rand, s *sim.Scenario) bool {
		if s.GOOS == "windows" {
			return false
		}
		if s.Interfaces == nil {
			s.Interfaces = map[string]string{}
		}
		s.Interfaces["br-0a1b2c"], s.Interfaces["eth1"] = "172.18.0.1/16", "10.0.200.7/24"
		return true
	}},
	{name: "earlier life", put: func(r *rand.Rand, m spec) bool {
		// The node was accepted a day before, for a while.
		lines := m.log()
		if len(lines) == 0 || m.has("boot_time", "history") || m.text("platform") != "ec2" || strings.Contains(strings.Join(lines, ""), "hibernate") {
			return false
		}
		first, _, ok := stamped(lines[0])
		if !ok {
			return false
		}
		version := m.text("observable", "agent_version")
		began := first.Add(-time.Duration(24+r.IntN(72)) * time.Hour)
		var past []string
		for i, l := range healthyLines(version) {
			past = append(past, began.Add(time.Duration(i/4)*time.Second).Format(time.DateTime)+fraction(version)+" "+l)
		}
		for i := range 12 {
			past = append(past, began.Add(time.Duration(i+1)*5*time.Minute).Format(time.DateTime)+fraction(version)+" "+heartbeat(version))
		}
		m.setLog(append(past, lines...))
		return true
	}},
	{name: "release", loose: true, put: reworded},
}

// sleeps reports whether a log announces how long the agent sleeps, which its times
// must fit.
func sleeps(lines []string) bool {
	return slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "Sleeping for") || strings.Contains(l, "hibernate") })
}

// fraction is what a release writes after the seconds.
func fraction(version string) string {
	if olderThan(version, "3.3.808") {
		return ""
	}
	return ".1234"
}

func olderThan(version, than string) bool {
	var a, b [4]int
	_, _ = fmt.Sscanf(version, "%d.%d.%d.%d", &a[0], &a[1], &a[2], &a[3])
	_, _ = fmt.Sscanf(than, "%d.%d.%d.%d", &b[0], &b[1], &b[2], &b[3])
	return slices.Compare(a[:], b[:]) < 0
}

// names are those of another host.
type names struct{ instance, node, account, region, role, proxy, issuer string }

func otherNames(r *rand.Rand) names {
	hex := func(n int) string {
		const digits = "0123456789abcdef"
		b := make([]byte, n)
		for i := range b {
			b[i] = digits[r.IntN(16)]
		}
		return string(b)
	}
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	return names{
		instance: "i-" + pick("0"+hex(16), "0"+hex(16), hex(8)), node: "mi-0" + hex(16), account: fmt.Sprintf("%012d", r.Int64N(1e12)),
		region: pick("us-east-1", "eu-central-1", "ap-southeast-3", "ca-west-1", "cn-north-1", "cn-northwest-1", "us-gov-west-1", "us-gov-east-1"),
		role:   pick("gamma-worker", "Node_Role-7", "R", "AppRole2", "ops.team+x@y"), proxy: pick("squid7.intra.example", "px", "proxy.example.net"),
		issuer: pick("CN=Zscaler Root CA,O=Zscaler Inc.", "CN=fw-ca", "CN=Corp Inspection CA 2,O=Example"),
	}
}

var (
	reRegional = regexp.MustCompile(`(?i)(\.|%9c|9c)?\b(us-east-1|us-west-2|eu-west-1|us-gov-west-1)\.amazonaws\.com`)
	reRoles    = regexp.MustCompile(`\b(AppRole|DbRole|SSMServiceRole)\b`)
)

// wear gives a scenario, its expected answer included, these names.
func (d names) wear(raw string) string {
	partition, domain := "aws", "amazonaws.com"
	switch {
	case strings.HasPrefix(d.region, "cn-"):
		partition, domain = "aws-cn", "amazonaws.com.cn"
	case strings.HasPrefix(d.region, "us-gov-"):
		partition = "aws-us-gov"
	}
	raw = reRegional.ReplaceAllString(raw, "${1}"+d.region+"."+domain)
	raw = strings.NewReplacer("i-0123456789abcdef0", d.instance, "m"+"i-0123456789abcdef0", d.node, "123456789012", d.account, "us-east-1", d.region, "us-west-2", d.region, "eu-west-1", d.region, "us-gov-west-1", d.region,
		"arn:aws:", "arn:"+partition+":", "proxy.corp", d.proxy, "CN=Corp Inspection CA,O=Example", d.issuer, "Corp Inspection CA", strings.TrimPrefix(strings.Split(d.issuer, ",")[0], "CN=")).Replace(raw)
	return reRoles.ReplaceAllString(raw, d.role)
}

var (
	reStamp = regexp.MustCompile(`"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	reRFC   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
)

// shift moves all times of a scenario.
func shift(raw string, by time.Duration) string {
	move := func(layout string) func(string) string {
		return func(s string) string {
			at, err := time.Parse(layout, s)
			if err != nil {
				return s
			}
			return at.Add(by).Format(layout)
		}
	}
	return reRFC.ReplaceAllStringFunc(reStamp.ReplaceAllStringFunc(raw, move(`"`+time.DateTime)), move(time.RFC3339))
}

// noise puts entries before, between and after those of a log; one keeps the time of
// its neighbour.
func noise(r *rand.Rand, m spec, entries []string) bool {
	lines := m.log()
	if len(lines) == 0 || len(entries) == 0 {
		return false
	}
	version := m.text("observable", "agent_version")
	some := func(stamp string) (out []string) {
		for range 1 + r.IntN(3) {
			out = append(out, stamp+fraction(version)+" "+entries[r.IntN(len(entries))])
		}
		return out
	}
	var out []string
	for _, l := range lines {
		stamp := l[:min(len(l), stampLen)]
		out = append(append(out, some(stamp)...), l)
	}
	m.setLog(append(out, some(lines[len(lines)-1][:stampLen])...))
	return true
}

// recordedLines are what healthy agents of four releases wrote, without times.
var recordedLines = sync.OnceValue(func() map[string][]string {
	out := map[string][]string{}
	for version, tree := range map[string]string{"2.3.1644.0": versions + "/2.3.1644.0/healthy-profile/root", "3.1.1927.0": versions + "/3.1.1927.0/healthy-profile/root",
		"3.2.582.0": versions + "/3.2.582.0/healthy-profile/root", "3.3.0.0": recorded + "/healthy-profile"} {
		b, err := os.ReadFile(filepath.Join(tree, "var/log/amazon/ssm/amazon-ssm-agent.log"))
		if err != nil {
			panic(err)
		}
		for l := range strings.SplitSeq(string(b), "\n") {
			if _, rest, ok := stamped(l); ok {
				out[version] = append(out[version], saying(rest))
			}
		}
	}
	return out
})

// recordedFor is the recorded release that is nearest to one, not above it.
func recordedFor(version string) string {
	for _, v := range []string{"3.3.0.0", "3.2.582.0", "3.1.1927.0"} {
		if !olderThan(version, v) {
			return v
		}
	}
	return "2.3.1644.0"
}

// idle are entries of a release that say nothing of the node.
func idle(version string) []string {
	var out []string
	for _, l := range recordedLines()[recordedFor(version)] {
		if strings.HasPrefix(l, "INFO ") && !strings.Contains(l, "i-0abc1234def567890") && !known(l) && !strings.Contains(l, "proxy:") {
			out = append(out, l)
		}
	}
	return append(out, "WARN Error occurred fetching the seelog config file path: open /etc/amazon/ssm/seelog.xml: no such file or directory")
}

// known reports whether a signature is in an entry.
func known(entry string) bool {
	entry = strings.ToLower(entry)
	return slices.ContainsFunc(facts.Signatures, func(s facts.Signature) bool {
		return !slices.ContainsFunc(s.Fragments, func(f string) bool { return !strings.Contains(entry, strings.ToLower(f)) })
	})
}

func heartbeat(version string) string {
	if olderThan(version, "3.0") {
		return "INFO [HealthCheck] HealthCheck reporting agent health."
	}
	return "INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health."
}

// healthyLines are the telling ones of a recorded start.
func healthyLines(version string) []string {
	var out []string
	for _, l := range recordedLines()[recordedFor(version)] {
		if known(l) && strings.HasPrefix(l, "INFO ") && !strings.Contains(l, "i-0abc1234def567890") {
			out = append(out, strings.NewReplacer("v"+recordedFor(version), "v"+version).Replace(l))
		}
	}
	return out
}

// outputs are what commands of users wrote, which says nothing of the node.
var outputs = []string{
	`curl: (7) Failed to connect to 10.9.8.7 port 5432: Connection refused`,
	`An error occurred (AccessDenied) when calling the PutObject operation: Access Denied`,
	`An error occurred (AccessDeniedException) when calling the ListSecrets operation: User: arn:aws:sts::123456789012:assumed-role/deploy/ci is not authorized to perform: secretsmanager:ListSecrets because no identity-based policy allows the secretsmanager:ListSecrets action`,
	`An error occurred (ExpiredTokenException) when calling the ListBuckets operation: The security token included in the request is expired`,
	`rsync: write failed on \"/mnt/backup/x\": No space left on device (28)`,
	`cp: cannot create regular file '/mnt/ro/x': Read-only file system`,
	`Error response from daemon: OCI runtime create failed: exec: \"/entry.sh\": permission denied`,
	`Get \"https://registry.example/v2/\": x509: certificate signed by unknown authority`,
	`ERROR: failed to download package list: dial tcp: lookup mirror.example on 10.0.0.2:53: no such host`,
	`tail: inotify cannot be used, reverting to polling: Too many open files`,
	`Signature expired: 20240101T000000Z is now earlier than 20240101T010000Z`,
	`2024-01-01 10:00:00 ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity`,
	`2024-01-01 10:00:01 INFO EC2RoleProvider Successfully connected with instance profile role credentials\\n2024-01-01 10:00:02 INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully`,
	`2024-01-01 10:00:03 ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - RequestError: send request failed`,
}

// strange are errors of the agent that mean nothing known.
var strange = []string{
	"ERROR [ssm-agent-worker] [Widget] could not frobnicate the widget: quux returned 17",
	"WARN [amazon-ssm-agent] telemetry sample dropped: buffer of 64 is full",
	"ERROR [ssm-agent-worker] [MessageService] [MessageHandler] unknown message kind 42 ignored",
	"ERROR [ssm-agent-worker] [MessageService] [Association] schedule rate(1 parsec) cannot be parsed, skipped",
	"WARN [CredentialRefresher] clock of the last rotation is odd, ignored",
}

// replies are entries that carry the output of a user's command to the service.
// Source: amazon-ssm-agent, agent/messageservice/interactor/mdsinteractor.
func replies(m spec) []string {
	if m.text("observable", "agent_version") == "" {
		return nil
	}
	all := slices.Clone(outputs)
	for _, s := range facts.Signatures {
		all = append(all, strings.ReplaceAll(strings.Join(s.Fragments, ` so that `), `"`, `\"`))
	}
	var out []string
	for _, o := range all {
		out = append(out, `INFO [ssm-agent-worker] [MessageService] [MDSInteractor] Sending reply {"additionalInfo":{"agent":{"lang":"en-US","name":"amazon-ssm-agent","os":"","osver":"1","ver":""},"dateTime":"2024-01-01T10:00:04.000Z","runId":""},`+
			`"documentStatus":"Success","documentTraceOutput":"","runtimeStatus":{"aws:runShellScript":{"status":"Success","code":0,"name":"aws:runShellScript","output":"`+o+`","standardOutput":"`+o+`","standardError":""}}}`)
	}
	return out
}

// neighbours are lines of the system's log about others.
var neighbours = []string{
	`kernel: Out of memory: Killed process 4711 (java) total-vm:8398768kB, anon-rss:6214552kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:900kB oom_score_adj:0`,
	`systemd[1]: nginx.service: Main process exited, code=killed, status=9/KILL`,
	`systemd[1]: docker.service: Failed with result 'exit-code'.`,
	`systemd[1]: app.service: Start request repeated too quickly.`,
	`systemd[1]: app.service: Failed at step EXEC spawning /opt/app/run: No such file or directory`,
	`kernel: eth1: link down`,
	`dhclient[700]: DHCPACK from 10.0.0.1 (xid=0x1b2c3d4e)`,
	`NetworkManager[612]: <warn> device (eth1): Activation failed`,
	`kernel: nfs: server 10.0.0.9 not responding, timed out`,
	`sshd[2222]: error: kex_exchange_identification: Connection closed by remote host`,
	`kernel: audit: type=1400 audit(1700000000.1:42): avc: denied { read } for pid=99 comm="httpd" name="x" scontext=system_u:system_r:httpd_t:s0 tclass=file`,
	`amazon-cloudwatch-agent[900]: E! cloudwatch: AccessDenied: User is not authorized to perform: cloudwatch:PutMetricData`,
	`dockerd[901]: level=error msg="Handler for POST /containers/create returned error: no space left on device"`,
	`systemd-resolved[500]: Using degraded feature set UDP instead of UDP+EDNS0 for DNS server 10.0.0.2.`,
}

// reworded lets another release write the log: 3.2 and 3.3 differ in letters and in
// the fraction of seconds only; what 3.1 and 2.3 never wrote is left out, on nodes
// that are accepted.
func reworded(r *rand.Rand, m spec) bool {
	version, lines := m.text("observable", "agent_version"), m.log()
	root := m.text("expected", "root_cause_id")
	if version == "" || len(lines) == 0 || slices.Contains([]string{"agent-version-too-old", "agent-version-regression", "ipv6-no-endpoint", "shared-credentials-shadow"}, root) || m.has("previous_agent_version", "history") || olderThan(version, "3.2.0.0") {
		return false
	}
	api, _ := m.observable()["api"].(map[string]any)
	ping, _ := api["ssm:UpdateInstanceInformation"].(map[string]any)
	profile := m.text("observable", "imds", "GET iam/security-credentials/", "body") != "" && ping["outcome"] == "ok" && !strings.Contains(strings.Join(lines, ""), "ERROR [CredentialRefresher]")
	to := []string{"3.2.582.0", "3.2.1377.0", "3.2.2303.0", "3.3.0.0", "3.3.551.0", "3.3.1142.0", "3.3.2299.0", "3.3.3598.0", "3.3.4515.0", "3.1.1927.0"}
	if !profile {
		to = to[1 : len(to)-1]
	}
	next := to[r.IntN(len(to))]
	if root != "healthy" && olderThan(next, "3.2.1377") {
		next = "3.2.2303.0"
	}
	var out []string
	for _, l := range lines {
		at, rest, ok := stamped(l)
		if !ok {
			return false
		}
		s := strings.ReplaceAll(saying(rest), "v"+version, "v"+next)
		if olderThan(next, "3.3.0.0") {
			s = strings.NewReplacer("No registration info found", "no registration info found", "Registrar detected", "registrar detected").Replace(s)
			if strings.Contains(s, "Credentials ready") {
				continue
			}
		}
		if olderThan(next, "3.2.0.0") && hasAny(s, "Checking if agent identity type", "EC2RoleProvider Successfully", "Next credential rotation", "[EC2Identity]") {
			continue
		}
		out = append(out, at.Format(time.DateTime)+fraction(next)+" "+s)
	}
	m.setLog(out)
	m.observable()["agent_version"] = next
	return true
}

// rawScenarios are the scenarios as the catalogue has them, by id.
var rawScenarios = sync.OnceValue(func() map[string]json.RawMessage {
	b, err := os.ReadFile("testdata/scenarios.json")
	if err != nil {
		panic(err)
	}
	var c struct {
		Scenarios []json.RawMessage `json:"scenarios"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		panic(err)
	}
	out := map[string]json.RawMessage{}
	for _, raw := range c.Scenarios {
		var x struct{ ID string }
		if err := json.Unmarshal(raw, &x); err != nil {
			panic(err)
		}
		out[x.ID] = raw
	}
	return out
})

// written applies what changes the scenario as it is written; nil where it changes
// nothing.
func (m mutation) written(t testing.TB, r *rand.Rand, id string) spec {
	t.Helper()
	raw := string(rawScenarios()[id])
	if m.text != nil {
		raw = m.text(r, raw)
	}
	var s spec
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		t.Fatalf("%s of %s: %v", m.name, id, err)
	}
	if m.put != nil && !m.put(r, s) {
		return nil
	}
	return s
}
