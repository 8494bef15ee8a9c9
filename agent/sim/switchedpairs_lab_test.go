//go:build lab

package sim_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ssm-doctor/agent/report"
)

type object = map[string]any

// scenario is one of the catalogue, with what only the lab needs of it.
type scenario struct {
	observed
	Group string `json:"cause_group"`
	Box   struct {
		Post, Patch []string
		Env, Args   []string
	} `json:"box"`
	// hosts are the kinds of evidence that are part of the host, by name.
	hosts []string
	// halves: what the lab plants for it is partly in the world.
	halves bool
	world  object // as converted; nil before
}

// ofHost are the observables that a host takes with it, whatever world it is in.
var ofHost = []string{"env", "host_addresses", "host_firewall", "sockets", "in_container", "audit", "host", "mounts", "routes", "packages", "extra", "history", "previous_agent_version", "boot_time"}

// ofNode are files that every node of its kind has.
var ofNode = []string{"registration", "Manifest", "RegistrationKey", "EC2Manifest", "EC2RegistrationKey", "InstanceFingerprint", "identity_config.json"}

func scenarios(t *testing.T) []scenario {
	t.Helper()
	raw, err := os.ReadFile(*switchedIn)
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Scenarios []json.RawMessage }
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	var out []scenario
	for _, raw := range c.Scenarios {
		var s scenario
		var o struct{ Observable map[string]json.RawMessage }
		if json.Unmarshal(raw, &s) != nil || json.Unmarshal(raw, &o) != nil {
			t.Fatalf("cannot be read: %.80s", raw)
		}
		for _, k := range ofHost {
			if o.Observable[k] != nil {
				s.hosts = append(s.hosts, k)
			}
		}
		if len(s.Box.Post)+len(s.Box.Patch) > 0 {
			s.hosts = append(s.hosts, "box")
		}
		if slices.ContainsFunc(s.Box.Patch, func(l string) bool { return strings.Contains(l, "$ID.json") }) {
			s.halves = true
		}
		for name, f := range s.Observable.Files {
			if f.Exists && !slices.ContainsFunc(ofNode, func(n string) bool { return strings.HasSuffix(name, "/"+n) }) {
				s.hosts = append(s.hosts, name)
			}
		}
		out = append(out, s)
	}
	return out
}

// The parts of a world.
const (
	metadata = "metadata" // the service at 169.254.169.254
	source   = "source"   // where credentials come from
	rights   = "rights"   // what they may do
	network  = "network"  // the way to the endpoints
	clock    = "clock"
	register = "registration" // what the service knows of a node, of which the host holds the other half
)

// faulty are the parts of a scenario's world that are not those of a healthy one.
func (s scenario) faulty() []string {
	var out []string
	o := &s.Observable
	put := o.IMDS["PUT /latest/api/token"]
	if s.Platform == "ec2" && put.Status != 200 {
		out = append(out, metadata)
	}
	_, hasDHMC := o.Files[stateDir+"/runtimeconfig/identity_config.json"]
	info := o.IMDS["GET iam/info"].Status
	broken := false
	for k, a := range o.IMDS {
		if strings.HasPrefix(k, "GET iam/security-credentials/") && a.object()["Code"] != "" && a.object()["Code"] != "Success" {
			broken = true
		}
	}
	token, _ := o.call(getToken)
	if s.Platform == "ec2" && put.Status == 200 && (info == 404 && !hasDHMC && token.Outcome != "ok" || broken) || s.Platform == "hybrid" && token.Outcome == "denied" {
		out = append(out, source)
	}
	again, _ := o.call("ssm:RegisterManagedInstance")
	if token.Code == "InvalidInstanceId" || token.Code == "MachineFingerprintDoesNotMatch" || again.Outcome != "" && again.Outcome != "ok" || strings.Contains(strings.Join(o.Log, ""), "Activation") || s.Expected.Root == "registration-cloned-image" {
		out = append(out, register)
	}
	for action := range o.API {
		if x, ok := o.call(action); ok && (x.Outcome == "denied" || x.Outcome == "error" && x.Code != "InvalidSignatureException") && !strings.HasPrefix(action, getToken) && action != "ssm:RegisterManagedInstance" && !strings.Contains(x.Message, ":user/") && x.Code != "InvalidInstanceId" {
			out = append(out, rights)
			break
		}
	}
	if len(o.Sockets) > 0 {
		out = append(out, network)
	}
	for host, n := range o.Network {
		if reEndpoint.MatchString(host) && (n.DNSError != "" || n.TCP443 != "" && n.TCP443 != "ok" || n.TLS != "" && n.TLS != "ok" || strings.Contains(n.WebSocket, "403")) {
			out = append(out, network)
			break
		}
	}
	if o.ClockSkew > maxSkewed || o.ClockSkew < -maxSkewed {
		out = append(out, clock)
	}
	return out
}

const maxSkewed = 300

// accepted reports whether the node of a scenario is accepted in its own world: its
// heartbeat is, and the last that its log says of its credentials is not that it has none.
// The lab gives its log an accepted heartbeat by the same rule.
func (s scenario) accepted() bool {
	o := &s.Observable
	heartbeat, _ := o.call(uii)
	if x, has := o.call(uii + " with agent credentials"); has {
		heartbeat = x
	}
	working := heartbeat.Outcome == "ok" && o.Service.Active == "active"
	for _, l := range o.Log {
		switch {
		case hasAny(l, "Successfully connected with", "channel status is set to", "Next credential rotation", "HealthCheck reporting agent health"):
			working = o.Service.Active == "active"
		case hasAny(l, "Retrieve credentials produced error", "failed to find identity", "failed to assume any identity", "Registration failed", "hibernat", "Health ping failed", "rror occurred when starting", "Failed to fetch region", "permission for vault"):
			working = false
		}
	}
	return working && heartbeat.Outcome == "ok" && !slices.Contains(s.causes(), "agent-backoff-wait")
}

// healthy reports whether nothing is wrong with a scenario.
func (s scenario) healthy() bool {
	return s.Expected.Root == "healthy" || s.Expected.Root == "client-side-problem"
}

// causes may be named for a scenario's fault.
func (s scenario) causes() []string {
	if s.healthy() {
		return nil
	}
	out := slices.Concat([]string{s.Expected.Root}, s.Expected.AlsoOK, s.Expected.Secondary)
	if x, _ := s.Observable.call(openChan); x.Outcome == "denied" {
		out = append(out, "iam-missing-channel-action") // true as well, and seen first
	}
	return out
}

// pair is the host of one scenario in the world of another.
type pair struct{ from, to scenario }

// A world is brought to another host only if nothing of its fault is on the host, and a
// host to another world only if its fault is wholly on one side: see pairs.
func (s scenario) isWorld() bool {
	return len(s.hosts) == 0 && !slices.Contains(s.faulty(), register) && s.Observable.OS == "linux" && s.Platform != "ecs" && s.Observable.Service.Active == "active" && (s.healthy() || len(s.faulty()) > 0)
}

func (s scenario) isHost() bool {
	return s.Observable.OS == "linux" && s.Platform != "ecs" && !s.halves && !slices.Contains(s.faulty(), register) && !slices.Contains(s.hosts, "host_addresses") && !slices.Contains(s.hosts, "history") && (s.Observable.Version == "" || !olderThan(s.Observable.Version, "3.0")) && (len(s.faulty()) == 0 || len(s.hosts) == 0)
}

// onHost reports whether the fault of a scenario stays when the world changes.
func (s scenario) onHost() bool {
	return !s.healthy() && len(s.faulty()) == 0 && slices.ContainsFunc(s.causes(), func(c string) bool { return !slices.Contains(waiting, c) })
}

// pairs are those that make sense. Left out are
//   - Windows and tasks of Amazon ECS, which the lab does not make;
//   - worlds of scenarios whose fault needs something on the host (ofHost, files), and
//     those without a fault: another healthy world is the same;
//   - hosts of scenarios whose fault is half in the world, such as a registration that the
//     service no longer knows, those that live only in their own world, such as one without
//     IPv4, agents whose release writes what no rule knows, and those that need a metadata
//     service without tokens: what of the fault is left elsewhere no rule can say;
//   - worlds of the other kind of node, unless only their network or their clock is
//     faulty, which is then taken alone, and the rest of the own one is sound;
//   - worlds with other rights behind an agent that signs with the role of Default Host
//     Management, which they are not about;
//   - a pair of one scenario with itself.
func pairs(t *testing.T) []pair {
	t.Helper()
	var out []pair
	list := scenarios(t)
	for _, from := range list {
		for _, to := range list {
			if from.ID == to.ID || !from.isHost() || !to.isWorld() || to.healthy() && !slices.Contains(references, to.ID) {
				continue
			}
			if from.Platform != to.Platform && (to.healthy() || slices.ContainsFunc(append(to.faulty(), from.faulty()...), func(p string) bool { return p != network && p != clock })) {
				continue
			}
			if from.usesDHMC() && slices.Contains(to.faulty(), rights) {
				continue
			}
			if from.Observable.Version == "" && len(to.faulty()) == 0 {
				continue // without an agent nothing changes
			}
			out = append(out, pair{from, to})
		}
	}
	return out
}

// references are the healthy worlds.
var references = []string{"ok-healthy-ec2-node-with-profile", "ok-healthy-dhmc-node-no-instance-profile", "wild-ok-hourly-close"}

// sampled are the pairs of a short run: each world once behind a healthy host, and one of
// so many others.
func sampled(p pair, of uint32) bool {
	h := fnv.New32a()
	h.Write([]byte(p.from.ID + "--" + p.to.ID))
	return p.from.ID == references[0] || h.Sum32()%of == 0
}

// worldOf is the world of a pair: all of to's, with the names and keys of from's host, and
// the credentials that from's agent holds, which end when they end.
func worldOf(t *testing.T, from, to object, p pair) object {
	t.Helper()
	host := from["host"].(object)
	other := to["host"].(object)
	raw, err := json.Marshal(to)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, k := range []string{"instance_id", "account", "region"} {
		text = strings.ReplaceAll(text, other[k].(string), host[k].(string))
	}
	text = strings.ReplaceAll(text, "arn:"+other["partition"].(string)+":", "arn:"+host["partition"].(string)+":")
	var w object
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	w["host"] = host
	if p.from.Platform != p.to.Platform { // its network and its clock only
		for _, k := range []string{"principals", "imds", "dhmc", "scps", "hybrid", "faults"} {
			delete(w, k)
			if from[k] != nil {
				w[k] = from[k]
			}
		}
	}
	had, _ := from["principals"].(object)
	have, _ := w["principals"].(object)
	if have == nil {
		have = object{}
	}
	for name, x := range had {
		old := x.(object)
		now, ok := have[name].(object)
		if !ok {
			have[name] = old
			continue
		}
		now = maps.Clone(now)
		for _, k := range []string{"access_key_id", "secret_access_key", "session_token", "role", "role_path", "session_name"} {
			if old[k] != nil {
				now[k] = old[k]
			}
		}
		have[name] = now
	}
	w["principals"] = have
	if h, ok := from["hybrid"].(object); ok {
		n, _ := w["hybrid"].(object)
		if n == nil {
			n = object{}
		}
		n["instance_id"] = h["instance_id"]
		if n["principal"] == nil && h["principal"] != nil {
			n["principal"] = h["principal"]
		}
		w["hybrid"] = n
	}
	if old, _ := from["imds"].(object); old["overrides"] != nil {
		if now, _ := w["imds"].(object); now["overrides"] != nil {
			now["overrides"] = old["overrides"]
		}
	}
	if d, ok := from["dns"].(object); ok { // the resolver that the host asks
		now, _ := w["dns"].(object)
		if now == nil {
			now = object{"servers": []any{"10.0.0.2"}}
			w["dns"] = now
		}
		for _, s := range d["servers"].([]any) {
			if !slices.Contains(now["servers"].([]any), s) {
				now["servers"] = append(now["servers"].([]any), s)
			}
		}
	}
	return w
}

// line is an entry of the agent's log, by the time after the change.
type line struct {
	after time.Duration
	text  string
}

const (
	// beatBefore is how long before the change the last heartbeat was, less the half
	// minute that the lab's log has it before its end.
	beatBefore = 95 * time.Second
	firstBeat  = 175 * time.Second
	// workerLines: what a scenario's own worker wrote in its world is written again.
	workerLines = 180 * time.Second
	renewal     = 1200 * time.Second // half of an hour after credentials that are ten minutes old
	lifeEnds    = 3000 * time.Second
	// back: the world is the old one again, since backAfter.
	back      = -time.Second
	backAfter = 300 * time.Second
	faultFor  = 400 * time.Second
)

// moments after the change at which the program is asked. An agent that was not accepted
// writes nothing soon after it: it sleeps, or does not run.
func (p pair) moments() []time.Duration {
	switch {
	case !p.from.accepted():
		return []time.Duration{20 * time.Second}
	case p.to.healthy():
		return []time.Duration{20 * time.Second, 400 * time.Second}
	}
	out := []time.Duration{20 * time.Second, 400 * time.Second}
	if f := p.to.faulty(); slices.Contains(f, metadata) || slices.Contains(f, source) {
		out = append(out, 1500*time.Second, 3900*time.Second)
	}
	if p.from.healthy() {
		out = append(out, back)
	}
	return out
}

// refuses reports whether calls to a service fail in a scenario's world, for an agent
// that has credentials.
func (s scenario) refuses(service string) bool { return s.answer(service) != "" }

// answer is what an agent that has credentials gets from a service in a scenario's world;
// empty: it is accepted.
func (s scenario) answer(service string) string {
	o := &s.Observable
	for host, n := range o.Network {
		m := reEndpoint.FindStringSubmatch(host)
		if m == nil || m[1] != service {
			continue
		}
		dial := func(err string) string {
			method := "/"
			if service == "ssmmessages" {
				method = "/v1/control-channel/i-0123456789abcdef0"
			}
			return `RequestError: send request failed` + "\n" + `caused by: Post "https://` + host + method + `": ` + err
		}
		switch {
		case n.DNSError != "":
			return dial("dial tcp: lookup " + host + " on 10.0.0.2:53: " + n.DNSError)
		case n.TCP443 == "timeout":
			return dial("dial tcp " + firstOf(n.DNS) + ":443: i/o timeout")
		case n.TCP443 != "" && n.TCP443 != "ok":
			return dial("dial tcp " + firstOf(n.DNS) + ":443: " + n.TCP443)
		case n.TLS != "" && n.TLS != "ok":
			return dial("tls: failed to verify certificate: " + n.TLS)
		}
	}
	if slices.Contains(s.faulty(), clock) {
		now := time.Now().UTC()
		const f = "20060102T150405Z"
		aws := now.Add(-time.Duration(o.ClockSkew) * time.Second)
		return fmt.Sprintf("InvalidSignatureException: Signature expired: %s is now earlier than %s (%s - 5 min.)\n\tstatus code: 400, request id: 98b67af0-790d-cde7-6984-1ee8b329c116", now.Format(f), aws.Add(-5*time.Minute).Format(f), aws.Format(f))
	}
	action := map[string]string{"ssm": uii, "ssmmessages": openChan, "ec2messages": getMsgs}[service]
	if x, ok := o.call(action); ok && (x.Outcome == "denied" || x.Outcome == "error") {
		return x.Code + ": " + x.Message + "\n\tstatus code: 400, request id: 98b67af0-790d-cde7-6984-1ee8b329c116"
	}
	return ""
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return "52.94.1.1"
	}
	return list[0]
}

// worker is how the entries of the part that talks to the service begin.
func (p pair) worker(level, module string) string {
	if olderThan(p.from.Observable.Version, "3.0") {
		return level + " [" + module + "] "
	}
	switch module {
	case "HealthCheck":
		return level + " [ssm-agent-worker] [HealthCheck] "
	}
	return level + " [ssm-agent-worker] [MessageService] [" + module + "] "
}

// writes is what an agent that was accepted writes once its world is another, as recorded
// agents did. Its calls are signed with the credentials that it holds, until they end.
func (p pair) writes() []line {
	if !p.from.accepted() {
		return nil
	}
	var out []line
	put := func(after time.Duration, text string) { out = append(out, line{after, p.named(text)}) }
	lost := slices.Contains(p.to.faulty(), metadata) || slices.Contains(p.to.faulty(), source)
	// Its connection drops, and it opens another.
	put(0, p.worker("WARN", "MGSInteractor")+"Reach the retry limit 5 for receive messages. Error: websocket: close 1006 (abnormal closure): unexpected EOF")
	status := p.worker("INFO", "MGSInteractor") + "SSM Connection channel status is set to "
	denied := strings.Contains(p.to.answer("ssmmessages"), "AccessDenied") || strings.Contains(p.to.answer("ssmmessages"), "nauthorized")
	forbidden := slices.ContainsFunc(slices.Collect(maps.Values(p.to.Observable.Network)), func(n netState) bool { return strings.Contains(n.WebSocket, "403") })
	switch {
	case p.to.answer("ssmmessages") == "" && !forbidden:
		put(2*time.Second, p.worker("INFO", "MGSInteractor")+"Successfully opened websocket connection to: 52.94.1.1:443")
		put(2*time.Second, status+"ssmmessages")
	default:
		way := "ssmmessages"
		if denied {
			way = "ec2messages"
		}
		for _, s := range []int{2, 12, 30, 70, 130, 290, 600, 900, 1200, 1500, 1800, 2100, 2400, 2700, 3000, 3300, 3600} {
			put(time.Duration(s)*time.Second, status+way)
		}
	}
	if bad := p.to.answer("ec2messages"); bad != "" && denied {
		for s := 5; s < 2*3600; s += 5 {
			if s%965 < 65 { // then it pauses
				put(time.Duration(s)*time.Second, p.worker("ERROR", "MDSInteractor")+"error when calling AWS APIs. error details - GetMessages Error: "+bad)
			} else if s%965 == 65 {
				put(time.Duration(s)*time.Second, p.worker("ERROR", "MDSInteractor")+"MDSInteractor stopped temporarily due to internal failure. We will retry automatically after 15 minutes")
			}
		}
	} else if bad != "" {
		for s := 5; s < 15; s += 2 {
			put(time.Duration(s)*time.Second, p.worker("ERROR", "MDSInteractor")+"error when calling AWS APIs. error details - GetMessages Error: "+bad)
		}
		put(16*time.Second, p.worker("INFO", "MDSInteractor")+"Moving to stop poll job after a minute")
		put(16*time.Second, p.worker("INFO", "MDSInteractor")+"MDS Polling job stopped.")
	} else if denied {
		put(16*time.Second, p.worker("INFO", "MDSInteractor")+"MDS Polling job started.")
	}
	bad := p.to.answer("ssm")
	hangs := time.Second
	if strings.Contains(bad, "i/o timeout") {
		hangs = 129 * time.Second
	}
	if bad != "" {
		put(10*time.Second+hangs, p.worker("ERROR", "Association")+"error when calling AWS APIs. error details - "+bad)
	}
	for at := firstBeat; at < 2*time.Hour; at += 5 * time.Minute {
		put(at, p.worker("INFO", "HealthCheck")+"HealthCheck reporting agent health.")
		switch {
		case lost && at > lifeEnds:
			put(at+time.Second, p.worker("ERROR", "HealthCheck")+"error when calling AWS APIs. error details - ExpiredTokenException: The security token included in the request is expired\n\tstatus code: 400, request id: 98b67af0-790d-cde7-6984-1ee8b329c116")
		case bad != "":
			put(at+hangs, p.worker("ERROR", "HealthCheck")+"error when calling AWS APIs. error details - "+bad)
		}
	}
	// What the scenario's own worker wrote, and, half-way to the end of the credentials,
	// its refresher.
	for _, l := range p.to.Observable.Log {
		_, rest, ok := stamped(l)
		s := saying(rest)
		switch {
		case !ok || strings.HasPrefix(s, "INFO ") && !strings.Contains(s, "Sleeping for"):
		case hasAny(s, "[MGSInteractor]", "[MDSInteractor]", "[Association]", "-session-worker]", "-document-worker]"):
			put(workerLines, strings.Replace(s, " [MessageService]", " [ssm-agent-worker] [MessageService]", boolInt(!strings.Contains(s, "[ssm-agent-worker]"))))
		case lost && hasAny(s, "[CredentialRefresher]", "EC2RoleProvider"):
			put(renewal, s)
		}
	}
	if lost && slices.Contains(p.to.faulty(), metadata) {
		put(renewal, "ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity. Default Host Management Err: error calling RequestManagedInstanceRoleToken: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled")
	}
	slices.SortStableFunc(out, func(a, b line) int { return int(a.after - b.after) })
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// writesBack is the same once the old world is there again: the fault had lasted for
// faultFor.
func (p pair) writesBack() []line {
	var out []line
	for _, l := range p.writes() {
		if l.after < faultFor {
			out = append(out, line{l.after - faultFor, l.text})
		}
	}
	status := p.worker("INFO", "MGSInteractor")
	return append(out, line{3 * time.Second, status + "Successfully opened websocket connection to: 52.94.1.1:443"}, line{3 * time.Second, status + "Set up control channel successfully"},
		line{3 * time.Second, status + "SSM Connection channel status is set to ssmmessages"},
		line{firstBeat + 5*time.Minute - faultFor, p.worker("INFO", "HealthCheck") + "HealthCheck reporting agent health."})
}

// named gives a text of to's the names of from's host.
func (p pair) named(text string) string {
	if p.from.world == nil || p.to.world == nil {
		return text
	}
	a, b := p.from.world, p.to.world
	for _, k := range []string{"instance_id", "account", "region"} {
		text = strings.ReplaceAll(text, b["host"].(object)[k].(string), a["host"].(object)[k].(string))
	}
	for _, name := range []string{"profile", "hybrid"} {
		x, _ := a["principals"].(object)[name].(object)
		y, _ := b["principals"].(object)[name].(object)
		if x != nil && y != nil && y["role"] != x["role"] {
			text = strings.ReplaceAll(text, ":assumed-role/"+y["role"].(string)+"/", ":assumed-role/"+x["role"].(string)+"/")
		}
	}
	return text
}

// answerOf is what the program said of a pair at a moment.
type answerOf struct {
	pair
	moment time.Duration
	report *report.Report
}

func (a answerOf) String() string {
	r := a.report
	cause, _ := answer(r)
	text := fmt.Sprintf("%s %s until %v: %s", r.State, cause, !r.Until.IsZero(), r.Summary)
	for _, x := range r.Also {
		text += fmt.Sprintf(" | also %s %s", x.Severity, x.ID)
	}
	return text
}

// switchTally counts answers by what they are worth.
type switchTally struct {
	mu                                         sync.Mutex
	right, unknown, green, blame, gone, states int
	pairs                                      int
	longest, all                               time.Duration
}

func (c *switchTally) String() string {
	return fmt.Sprintf("%d tried, %d answers: %d right, %d cannot tell, %d falsely green, %d blame another, %d blame what is gone, %d another state; %v a pair, at most %v",
		c.pairs, c.right+c.unknown+c.green+c.blame+c.gone+c.states, c.right, c.unknown, c.green, c.blame, c.gone, c.states, (c.all / time.Duration(max(1, c.pairs))).Round(10*time.Millisecond), c.longest.Round(10*time.Millisecond))
}

func (c *switchTally) took(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pairs++
	c.all += d
	c.longest = max(c.longest, d)
}

// judge is what is wrong with an answer by rule; empty: nothing.
func (c *switchTally) judge(a answerOf) string {
	why, unknown := a.verdict()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case strings.HasPrefix(why, "FALSE GREEN"):
		c.green++
	case strings.HasPrefix(why, "blames what is gone"):
		c.gone++
	case strings.HasPrefix(why, "blames another"), strings.HasPrefix(why, "does not name"):
		c.blame++
	case why != "":
		c.states++
	case unknown:
		c.unknown++
	default:
		c.right++
	}
	return why
}

var waiting = strings.Split(waits, "|")

// shows reports whether a fault of to's can be seen at a moment: what only a refused call
// of the agent shows is seen once it was made.
func (a answerOf) shows() bool {
	f := a.to.faulty()
	if a.from.onHost() && (a.from.Group == "imds" || slices.Contains([]string{"region-mismatch", "agent-config-invalid", "hybrid-not-registered"}, a.from.Expected.Root)) {
		return false // without its Region and its configuration no name of an endpoint is known
	}
	if slices.Contains(f, source) && !slices.Contains(f, metadata) && a.to.Observable.IMDS["GET iam/info"].Status == 404 && !a.from.accepted() {
		return false // unless Default Host Management is on, of which this run learns nothing
	}
	if len(f) == 1 && f[0] == source && (a.from.usesDHMC() || a.from.Platform == "hybrid") && a.moment < renewal {
		return false // it asks for others then
	}
	if slices.ContainsFunc(f, func(p string) bool { return p != rights }) {
		return true
	}
	early := a.to.answer("ssmmessages") != "" || a.to.answer("ec2messages") != ""
	return a.from.accepted() && (a.moment > firstBeat || early)
}

// verdict judges an answer, and reports whether it is that nothing can be told.
func (a answerOf) verdict() (why string, unknown bool) {
	r := a.report
	cause, _ := answer(r)
	now := a.to.causes()
	gone := a.from.causes()
	stays := a.from.onHost()
	if a.moment == back {
		now, gone, stays = nil, a.to.causes(), a.from.onHost()
	}
	if stays {
		now, gone = slices.Concat(a.from.causes(), now), nil
	}
	if a.moment != back && !a.from.accepted() && slices.Contains(a.from.faulty(), source) && (a.from.Platform == "hybrid" || a.to.usesDHMC()) {
		gone = nil // only the agent's next attempt shows that it is mended
		now = slices.Concat(now, a.from.causes())
	}
	if a.moment != back && (!a.from.accepted() || slices.Contains(a.from.faulty(), rights)) && len(a.to.faulty()) > 0 && !slices.Contains(a.to.faulty(), rights) && r.RootCause != nil && !slices.Contains(gone, r.RootCause.ID) {
		gone = nil // what is broken before it hides whether it is gone
	}
	if slices.Contains(a.from.faulty(), rights) && a.to.Platform == "ec2" && a.to.Observable.IMDS["GET iam/info"].Status != 200 && a.moment < lifeEnds {
		now, gone = slices.Concat(now, gone), nil // the credentials that the agent holds are those of the old role
	}
	if a.from.unasked() && (a.moment < firstBeat || !a.from.refuses("ssm")) { // an accepted heartbeat shows it, where that was refused
		now, gone = slices.Concat(now, gone), nil
	}
	var besides []string
	if slices.Contains(a.to.faulty(), network) {
		besides = append(besides, "optional-endpoint-unreachable") // others fail with the main endpoints
	}
	if x, _ := a.to.Observable.call(getMsgs); x.Outcome == "denied" {
		besides = append(besides, "iam-missing-feature-action", "profile-shadows-dhmc")
		if !a.from.accepted() { // nothing but the heartbeat may be allowed, and that is not tried
			besides = append(besides, "iam-missing-registration-action")
		}
	}
	now = append(now, besides...)
	gone = slices.DeleteFunc(slices.Clone(gone), func(c string) bool { return slices.Contains(now, c) || slices.Contains(waiting, c) })
	unknown = r.State == report.Unknown
	ended := a.moment > lifeEnds && (slices.Contains(a.to.faulty(), metadata) || slices.Contains(a.to.faulty(), source))
	if a.moment == back && a.to.unasked() {
		now, gone = gone, nil
	}
	nowFaulty := a.moment != back && !a.to.healthy()
	feature := nowFaulty && a.to.Expected.Severity == "warning" && a.to.answer("ssmmessages") == ""

	// What is green.
	if r.State == report.Managed && r.RootCause == nil {
		switch {
		case !a.from.accepted():
			return "FALSE GREEN: never accepted", unknown
		case stays && a.from.Expected.Severity != "info":
			return "FALSE GREEN: the fault of the host", unknown
		case nowFaulty && a.shows() && !feature:
			return "FALSE GREEN", unknown
		}
	}
	for _, x := range named(r) {
		if x.Severity != "info" && slices.Contains(gone, x.ID) {
			return "blames what is gone: " + x.ID, unknown
		}
	}
	states := []string{report.NotManaged, report.Unknown}
	switch {
	case !a.from.accepted():
	case !nowFaulty && !stays:
		states = []string{report.Managed, report.Degraded}
	case !nowFaulty:
		states = append(a.from.Expected.states(), report.Degraded)
	case ended:
		states = []string{report.NotManaged}
	case feature:
		states = []string{report.Managed, report.Degraded}
	case slices.Contains(a.to.faulty(), metadata), slices.Contains(a.to.faulty(), source):
		states = []string{report.Degraded}
	case !a.to.refuses("ssm"): // its heartbeats are accepted
		states = []string{report.Degraded, report.Unknown}
	default:
		states = []string{report.Degraded, report.NotManaged, report.Unknown}
	}
	if nowFaulty && !a.shows() {
		states = append(states, report.Managed)
	}
	allowed := slices.Clone(now)
	if !a.from.accepted() || !nowFaulty || ended || unknown || !a.shows() {
		allowed = append(allowed, waiting...)
	}
	if !nowFaulty || unknown || feature && a.moment < workerLines || !a.shows() {
		allowed = append(allowed, "healthy")
	}
	if a.from.usesDHMC() && a.to.Observable.IMDS["GET iam/info"].Status == 200 {
		allowed = append(allowed, "dhmc-shadows-profile")
	}
	if a.to.usesDHMC() && !a.from.usesDHMC() { // that it is on shows when the agent asks for it
		allowed = append(allowed, "no-credential-source")
	}
	switch {
	case !slices.Contains(allowed, cause):
		return "blames another: want " + strings.Join(allowed, "|"), unknown
	case !slices.Contains(states, r.State):
		return "want " + strings.Join(states, "|"), unknown
	case nowFaulty && a.shows() && !unknown && !(feature && a.moment < workerLines) && !slices.ContainsFunc(named(r), func(x report.Cause) bool {
		return slices.Contains(a.to.causes(), x.ID) || slices.Contains(besides, x.ID)
	}):
		return "does not name what is now", unknown
	case slices.Equal(states, []string{report.Degraded}) && r.Until.IsZero() && !(a.from.usesDHMC() && a.moment < renewal):
		return "does not say until when", unknown
	case stays && cause != "healthy" && !slices.Contains(a.from.causes(), cause) && !slices.ContainsFunc(r.Also, func(x report.Cause) bool { return slices.Contains(a.from.causes(), x.ID) }):
		return "does not name the fault of the host", unknown
	}
	return "", unknown
}

// unasked reports whether only a call shows a fault that this program does not make:
// then what the last attempt met is all that is known of it.
func (s scenario) unasked() bool {
	for _, action := range []string{uii, "s3:GetObject", "ssmmessages:CreateDataChannel"} {
		if x, _ := s.Observable.call(action); x.Outcome == "denied" {
			return true
		}
	}
	return false
}

// usesDHMC reports whether the node of a scenario gets its credentials by Default Host
// Management.
func (s scenario) usesDHMC() bool {
	return s.healthy() && s.Platform == "ec2" && s.Observable.IMDS["GET iam/info"].Status == 404
}

// TestSwitchedPairsInLab tells the pairs: whose agent is accepted, what stays on the host,
// and which worlds there are.
func TestSwitchedPairsInLab(t *testing.T) {
	hosts, worlds := map[string]string{}, map[string]string{}
	list := pairs(t)
	judgeAgain(t, list)
	for _, p := range list {
		hosts[p.from.ID] = fmt.Sprintf("accepted %v, stays %v", p.from.accepted(), p.from.onHost())
		worlds[p.to.ID] = fmt.Sprint(p.to.faulty())
	}
	if *switchedIn == openScenarios && (len(list) < 800 || len(hosts) < 40 || len(worlds) < 20) {
		t.Errorf("%d pairs of %d hosts and %d worlds", len(list), len(hosts), len(worlds))
	}
	for _, m := range []map[string]string{hosts, worlds} {
		for _, id := range slices.Sorted(maps.Keys(m)) {
			t.Logf("%-66s %s", id, m[id])
		}
	}
	for _, s := range scenarios(t) {
		if hosts[s.ID] == "" && worlds[s.ID] == "" {
			t.Logf("left out: %-66s on the host %q, in the world %q", s.ID, s.hosts, s.faulty())
		}
	}
}

// heard is what of an answer the verdict reads.
type heard struct {
	From, To string
	Moment   time.Duration
	Report   report.Report
}

func (a answerOf) told() string {
	r := a.report
	x := heard{a.from.ID, a.to.ID, a.moment, report.Report{State: r.State, Summary: r.Summary, Until: r.Until}}
	if r.RootCause != nil {
		x.Report.RootCause = &report.Cause{ID: r.RootCause.ID, Severity: r.RootCause.Severity}
	}
	for _, c := range r.Also {
		x.Report.Also = append(x.Report.Also, report.Cause{ID: c.ID, Severity: c.Severity})
	}
	b, _ := json.Marshal(x)
	return string(b)
}

// judgeAgain judges the answers of an earlier run that are in -switched-judge.
func judgeAgain(t *testing.T, list []pair) {
	t.Helper()
	if *switchedJudge == "" {
		return
	}
	raw, err := os.ReadFile(*switchedJudge)
	if err != nil {
		t.Fatal(err)
	}
	var c switchTally
	for l := range strings.Lines(string(raw)) {
		var x heard
		if err := json.Unmarshal([]byte(l), &x); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(p pair) bool { return p.from.ID == x.From && p.to.ID == x.To })
		if i < 0 {
			continue
		}
		a := answerOf{list[i], x.Moment, &x.Report}
		if why := c.judge(a); why != "" {
			t.Logf("%s--%s/%s: %s: %s", x.From, x.To, x.Moment, why, a)
		}
	}
	t.Log(&c)
}
