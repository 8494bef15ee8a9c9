//go:build lab && linux

// Package distance measures the program in the closed lab where its services are far away,
// lose packets or do not answer.
package distance

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/report"
)

var (
	runs  = flag.Int("distance-runs", 3, "how often the program is asked in each situation")
	lossy = flag.Int("distance-lossy", 10, "how often where packets are lost")
	only  = flag.String("distance-only", "", "which situations: a regular expression")
	keep  = flag.String("distance-keep", "", "write the reports to this folder")
)

// host is a box of the lab whose services stand at the far end of a way.
type host struct {
	t               *testing.T
	lab, work, name string
	way             *way
	services        map[string]string // addresses
}

func (h *host) run(name string, args ...string) string {
	h.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = h.lab, append(os.Environ(), "LAB_NAME="+h.name, "LAB_STATE="+h.state(), "LAB_DISCARD=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (h *host) state() string { return filepath.Join(h.work, "state") }
func (h *host) away() string  { return h.name + "-far" }

// newHost brings up the box of a scenario of the lab's catalogue, and moves its services away.
func newHost(t *testing.T, id string) *host {
	t.Helper()
	h := &host{t: t, lab: os.Getenv("SSM_DOCTOR_LAB"), work: t.TempDir(), name: fmt.Sprintf("far%d-%d", os.Getpid(), rand.IntN(1000)), services: map[string]string{}}
	binary := os.Getenv("SSM_DOCTOR_BINARY")
	if h.lab == "" || binary == "" {
		t.Fatal("SSM_DOCTOR_LAB and SSM_DOCTOR_BINARY say where the lab and the program are")
	}
	h.run("build/accept", "-convert", id, "-out", h.work)
	scenario := filepath.Join(h.work, id+".json")
	h.spread(scenario)
	if id == byProxy {
		h.accepted(id)
	}
	h.run("install", "-D", binary, filepath.Join(h.work, id+".box/usr/local/bin/ssm-doctor"))
	h.run("./lab.sh", "up", scenario)
	t.Cleanup(func() { h.run("./lab.sh", "down") })

	h.run("ip", "netns", "add", h.away())
	t.Cleanup(func() { h.run("ip", "netns", "del", h.away()) })
	plan, err := os.ReadFile(filepath.Join(h.state(), "plan.env"))
	if err != nil {
		t.Fatal(err)
	}
	mac, err := net.ParseMAC(planned(plan, "MAC"))
	if err != nil {
		t.Fatal(err)
	}
	h.way = &way{mac: mac, faults: map[string]fault{}, rand: rand.New(rand.NewPCG(1, 2))}
	h.way.box = os.NewFile(uintptr(inNamespace(t, h.name+"-void", wire("v0"))), "wire")
	h.way.far = os.NewFile(uintptr(inNamespace(t, h.away(), tun("far0"))), "tun")
	h.way.open(t)

	local := []string{"10.0.0.2", "169.254.169.123", "198.18.1.0/24", "10.0.77.0/24"}
	for _, a := range strings.Fields(planned(plan, "LOCAL")) {
		if !strings.Contains(a, ":") && !slices.Contains(local, a) {
			local = append(local, a)
		}
	}
	if planned(plan, "IMDS") == "address" {
		local = append(local, "169.254.169.254")
	}
	there := []string{"ip link set far0 up", "ip link set lo up", "ip route add default dev far0", "ip route add local fd00:ec2::254 dev lo",
		"for f in all default far0; do echo 0 >/proc/sys/net/ipv4/conf/$f/rp_filter; done"}
	here := []string{ // what the box does for a network card, that card would do: packets of several segments, and checksums
		"ip link set eth0 gso_max_segs 1",
		"ip neigh replace 10.0.0.2 lladdr " + gateway.String() + " nud permanent dev eth0",
		"for p in /proc/[0-9]*; do [ \"$(readlink $p/exe)\" = " + h.state() + "/bin/fakeaws ] && kill ${p#/proc/}; done 2>/dev/null"}
	for _, a := range local {
		there, here = append(there, "ip route add local "+a+" dev lo"), append(here, "ip route del local "+a+" dev lo")
	}
	h.run("ip", "netns", "exec", h.away(), "sh", "-ec", strings.Join(there, "\n"))
	h.run("./lab.sh", "exec", "--", "sh", "-c", strings.Join(here, "\n")+"\nrm -f "+h.state()+"/ready; true")
	holder, err := os.ReadFile(filepath.Join(h.state(), "holder.pid"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(h.work, "fakeaws.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	serve := exec.Command("nsenter", "-t", strings.TrimSpace(string(holder)), "-m", "-p", "-u", "-i", "--net=/run/netns/"+h.away(), "--",
		h.state()+"/bin/fakeaws", "serve", "-scenario", h.state()+"/scenario.json", "-state", h.state())
	serve.Stdout, serve.Stderr = log, log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = serve.Process.Kill(); _ = serve.Wait() })
	for range 200 {
		if _, err := os.Stat(filepath.Join(h.state(), "ready")); err == nil {
			return h
		}
		time.Sleep(50 * time.Millisecond)
	}
	said, _ := os.ReadFile(log.Name())
	t.Fatalf("the services did not come up: %s", said)
	return nil
}

func planned(plan []byte, key string) string {
	m := regexp.MustCompile(`(?m)^PLAN_` + key + `='(.*)'$`).FindSubmatch(plan)
	if m == nil {
		return ""
	}
	return string(m[1])
}

// spread gives every service an address of its own, so that one of them can fail.
func (h *host) spread(scenario string) {
	h.t.Helper()
	raw, err := os.ReadFile(scenario)
	if err != nil {
		h.t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(raw, &s); err != nil {
		h.t.Fatal(err)
	}
	if options, ok := s["options"].(map[string]any); ok {
		delete(options, "websocket") // what the host behind the proxy suffers from
	}
	endpoints, _ := s["endpoints"].(map[string]any)
	for i, name := range slices.Sorted(maps.Keys(endpoints)) {
		h.services[name] = fmt.Sprintf("52.94.7.%d", i+1)
		endpoints[name].(map[string]any)["address"] = h.services[name]
	}
	if raw, err = json.Marshal(s); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(scenario, raw, 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// accepted gives a host the log of one that is.
func (h *host) accepted(id string) {
	h.t.Helper()
	const healthy, log = "ok-healthy-ec2-node-with-profile", "var/log/amazon/ssm/amazon-ssm-agent.log"
	h.run("build/accept", "-convert", healthy, "-out", h.work)
	h.run("cp", filepath.Join(h.work, healthy+".box", log), filepath.Join(h.work, id+".box", log))
}

// ask runs the program in the box. took is the time of the whole process.
func (h *host) ask() (r report.Report, took time.Duration) {
	h.t.Helper()
	out := filepath.Join(h.state(), "report.json")
	said := h.run("./lab.sh", "exec", "--", "sh", "-c", `s=$(date +%s%N)
env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ssm-doctor check -o json --no-redact >`+out+` 2>/dev/null
e=$(date +%s%N); echo $(( (e - s) / 1000 ))`)
	var us int64
	if _, err := fmt.Sscan(said, &us); err != nil {
		h.t.Fatalf("%v: %s", err, said)
	}
	took = time.Duration(us) * time.Microsecond
	raw, err := os.ReadFile(out)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		h.t.Fatalf("%v\n%s", err, raw)
	}
	if *keep != "" {
		_ = os.WriteFile(filepath.Join(*keep, strings.NewReplacer("/", "_", " ", "_").Replace(h.t.Name())+fmt.Sprintf("-%d.json", time.Now().UnixNano())), raw, 0o644)
	}
	return r, took
}

// asked is what the program said in one situation, in all runs.
type asked struct {
	took    []time.Duration
	reports []report.Report
}

func (h *host) times(runs int, roundTrip time.Duration, loss float64, faults map[string]fault) asked {
	h.t.Helper()
	h.way.be(roundTrip, loss, faults)
	var a asked
	for range runs {
		r, took := h.ask()
		a.took, a.reports = append(a.took, took), append(a.reports, r)
	}
	slices.Sort(a.took)
	return a
}

func (a asked) best() time.Duration   { return a.took[0] }
func (a asked) median() time.Duration { return a.took[len(a.took)/2] }

func cause(r report.Report) string {
	if r.RootCause == nil {
		return "none"
	}
	return r.RootCause.ID
}

func (a asked) String() string {
	var causes []string
	for _, r := range a.reports {
		if c := r.State + " " + cause(r); !slices.Contains(causes, c) {
			causes = append(causes, c)
		}
	}
	return fmt.Sprintf("median %4d ms, best %4d, worst %4d: %s", a.median().Milliseconds(), a.best().Milliseconds(), a.took[len(a.took)-1].Milliseconds(), strings.Join(causes, ", "))
}

const byProxy = "net-proxy-lets-https-through-but-not"

// kinds are hosts of the lab's catalogue. All are healthy but the one whose TLS is intercepted;
// that of the proxy is made so.
var kinds = []struct{ name, scenario string }{
	{"profile", "ok-healthy-ec2-node-with-profile"}, {"dhmc", "ok-healthy-dhmc-node-no-instance-profile"}, {"hybrid", "wild-ok-hourly-close"},
	{"proxy", byProxy}, {"intercepted", "tls-tls-inspection-ca-not-host-trust"},
}

// row is a situation, and what has to be said of it.
type row struct {
	name      string
	roundTrip time.Duration
	loss      float64
	faults    map[string]fault
	runs      int
	most      time.Duration // 0: it does not matter how long it takes
	// state and cause are those of every run, and a cause of others may be named. Where
	// unsure, an answer that names no cause and is not green will do as well.
	state, cause string
	unsure       bool
}

// wrong says what is wrong with an answer; empty: nothing.
func (r row) wrong(got report.Report) string {
	switch {
	case got.State == r.state && cause(got) == r.cause:
	case r.unsure && got.State != report.Managed && (cause(got) == r.cause || got.RootCause == nil):
	default:
		return fmt.Sprintf("%s %s, want %s %s: %s", got.State, cause(got), r.state, r.cause, got.Summary)
	}
	if r.cause != "none" {
		return ""
	}
	for _, e := range got.Endpoints {
		if len(r.faults) == 0 && (e.Reachable == nil || !*e.Reachable) {
			return fmt.Sprintf("%s is said to be out of reach: %s %s", e.Host, e.Phase, e.Error)
		}
	}
	return ""
}

const (
	metadata = "169.254.169.254"
	proxy    = "10.9.0.5"
	rtt      = 100 * time.Millisecond
	load     = 300 * time.Millisecond // what a machine that does something else may add to the best of several runs
	whole    = 1200 * time.Millisecond
)

var (
	faultWords = map[fault]string{dropped: "dropped", silent: "silent", mute: "mute"}
	resolvers  = map[string]fault{"10.0.0.2": dropped, "169.254.169.253": dropped}
)

// near are the situations of a network that is near.
func (h *host) near(kind string) (rows []row) {
	add := func(r row) {
		if r.state == "" {
			r.state, r.cause = report.Managed, "none"
		}
		r.most, r.runs = whole, *runs
		rows = append(rows, r)
	}
	if kind == "intercepted" {
		return nil
	}
	add(row{name: "near"})
	if kind == "proxy" {
		for f, says := range faultWords {
			r := row{name: "proxy " + says, faults: map[string]fault{proxy: f}, state: report.Degraded, cause: "proxy-unreachable"}
			if f == dropped {
				r.state = report.NotManaged
			}
			add(r)
		}
		add(row{name: "everything dropped", faults: map[string]fault{"*": dropped}, state: report.NotManaged, cause: "proxy-unreachable"})
		return rows
	}
	add(row{name: "time service dropped", faults: map[string]fault{"169.254.169.123": dropped}})
	add(row{name: "everything dropped", faults: map[string]fault{"*": dropped}, state: report.NotManaged, cause: "dns-resolution-failed"})
	add(row{name: "resolvers dropped", faults: resolvers, state: report.NotManaged, cause: "dns-resolution-failed"})
	for f, says := range faultWords {
		if kind != "hybrid" {
			add(row{name: "metadata " + says, faults: map[string]fault{metadata: f}, state: report.Degraded, cause: "imds-unreachable"})
		}
		for s, address := range h.services {
			r := row{name: s + " " + says, faults: map[string]fault{address: f}}
			switch {
			case s == "ssm" && f == dropped:
				r.state, r.cause = report.NotManaged, "network-no-egress"
			case s == "ssm", s == "ssmmessages":
				r.state, r.cause = report.Degraded, "network-no-egress"
			}
			add(r)
		}
	}
	return rows
}

// far are the situations of a network that is far away, or loses packets.
func (h *host) far(kind string) (rows []row) {
	bad := func(r row) {
		r.roundTrip, r.loss, r.runs = 3*rtt, 0.2, *lossy
		r.name = "lossy, " + r.name
		r.unsure = r.cause != "none"
		rows = append(rows, r)
	}
	switch kind {
	case "intercepted":
		bad(row{name: "TLS intercepted", state: report.NotManaged, cause: "tls-untrusted-ca"})
		return rows
	case "proxy":
		bad(row{name: "nothing else", state: report.Managed, cause: "none"})
		bad(row{name: "proxy silent", faults: map[string]fault{proxy: silent}, state: report.Degraded, cause: "proxy-unreachable"})
		bad(row{name: "proxy dropped", faults: map[string]fault{proxy: dropped}, state: report.NotManaged, cause: "proxy-unreachable"})
		return rows
	}
	rows = append(rows, row{name: "100 ms round trip", roundTrip: rtt, runs: *runs, most: 8 * rtt, state: report.Managed, cause: "none"})
	bad(row{name: "nothing else", state: report.Managed, cause: "none"})
	bad(row{name: "everything dropped", faults: map[string]fault{"*": dropped}, state: report.NotManaged, cause: "dns-resolution-failed"})
	bad(row{name: "resolvers dropped", faults: resolvers, state: report.NotManaged, cause: "dns-resolution-failed"})
	for _, s := range []string{"ssm", "ssmmessages"} {
		bad(row{name: s + " dropped", faults: map[string]fault{h.services[s]: dropped}, state: report.NotManaged, cause: "network-no-egress"})
		bad(row{name: s + " silent", faults: map[string]fault{h.services[s]: silent}, state: report.Degraded, cause: "network-no-egress"})
	}
	if kind != "hybrid" {
		bad(row{name: "metadata dropped", faults: map[string]fault{metadata: dropped}, state: report.Degraded, cause: "imds-unreachable"})
	}
	return rows
}

// TestDistanceInLab asks the program on hosts whose network delays, loses and drops
// packets: what it says, and how long it takes.
//
//	SSM_DOCTOR_LAB=… SSM_DOCTOR_BINARY=… FAKEAWS=… go test -tags lab -v ./packaging/distance
func TestDistanceInLab(t *testing.T) {
	asks := regexp.MustCompile(*only)
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			h := newHost(t, k.scenario)
			rows := append(h.near(k.name), h.far(k.name)...)
			slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.name, b.name) })
			for _, r := range rows {
				if !asks.MatchString(r.name) {
					continue
				}
				a := h.times(r.runs, r.roundTrip, r.loss, r.faults)
				t.Logf("%-33s %v", r.name, a)
				for _, got := range a.reports {
					if w := r.wrong(got); w != "" {
						t.Errorf("%s: %s", r.name, w)
					}
				}
				if r.most > 0 && a.best() > r.most+load { // one pause of this machine makes a network slow in the program's eyes
					a = h.times(1, r.roundTrip, r.loss, r.faults)
					t.Logf("%-33s %v, once more", r.name, a)
				}
				if r.most > 0 && a.best() > r.most+load {
					t.Errorf("%s: it takes %v, at most %v", r.name, a.best(), r.most)
				}
			}
		})
	}
}
