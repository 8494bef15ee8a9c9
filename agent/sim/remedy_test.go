package sim_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/causes"
	"ssm-doctor/packaging/gen/golden"
)

// A remedy is proven by what would be: the changes of its steps are made to the world from
// which the host is played, and the host is judged again.

// step is a step with what it changes.
type step struct {
	report.Step
	changes []causes.Change
}

// conditional reports whether a step is for a case that may or may not be.
func (s step) conditional() bool {
	return strings.HasPrefix(s.Text.String(), "If ") || strings.HasPrefix(s.Text.String(), "Where ")
}

// lasting reports whether all that a step changes is for later.
func (s step) lasting() bool {
	return !slices.ContainsFunc(s.changes, func(c causes.Change) bool { return !c.Lasts() && c.Kind != causes.UnitLoaded })
}

// ways are the ways through a remedy, one for each alternative.
func ways(t *testing.T, fix []report.Step) [][]step {
	t.Helper()
	out := [][]step{nil}
	var base [][]step
	for i, f := range fix {
		list, known := causes.ChangesOf(f.Command.String(), f.Where)
		if !known {
			t.Errorf("not known what this changes: %s", f.Command)
		}
		s := step{f, list}
		if !f.Alternative {
			base = out
			out = nil
			for _, w := range base {
				out = append(out, append(slices.Clone(w), s))
			}
			continue
		}
		if i > 0 && len(base) > 0 { // instead of the step before it, on the first way to there
			out = append(out, append(slices.Clone(base[0]), s))
		}
	}
	return out
}

// repairable is a simulated host with one fault, whose steps are carried out.
type repairable struct {
	name, cause string // no cause: the one that is named first
	host        sim.Scenario
	probes      []string
}

// repairables are the faults of the simulator, those that others hide, and the scenarios
// of the catalogue that it plays and that are answered.
func repairables(t *testing.T) []repairable {
	t.Helper()
	var out []repairable
	for _, f := range append(faults(), loneFaults...) {
		s := bases[f.base]()
		s.Now = now
		f.put(&s)
		out = append(out, repairable{f.name, f.cause, s, f.probes})
	}
	for _, c := range catalogue(t) {
		s, cannot := hostOf(&c, now)
		if inexpressible[c.ID] != "" || halfPlayed[c.ID] != "" || wanting[c.ID] != "" || len(cannot) > 0 || c.Expected.names("healthy") {
			continue
		}
		out = append(out, repairable{c.ID, "", s, nil})
	}
	return out
}

// halfPlayed are scenarios of which one way through the steps cannot be played.
var halfPlayed = map[string]string{
	"cred-profile-allows-only-updateinstanceinformation-dhmc-enabled": "the policy that one way detaches has no name there",
}

// ending is what a host is after steps.
type ending struct {
	closed bool
	says   string
	report *report.Report
	world  sim.Scenario
}

// then carries steps out and judges again. next is a cause that may be left; entries of the
// log that hold aged are as old as they count.
func then(t *testing.T, s sim.Scenario, before *report.Report, cause, next, aged string, steps []step, probes []string) ending {
	t.Helper()
	var list []causes.Change
	for _, x := range steps {
		list = append(list, x.changes...)
	}
	after, err := sim.After(s, list)
	if err != nil {
		t.Fatal(err)
	}
	if aged != "" && slices.ContainsFunc(list, func(c causes.Change) bool { return c.Kind == causes.PolicyPut }) {
		after.Log = sim.Aged(after.Log, aged)
	}
	r, _ := examine(t, after, probes...)
	id, severity := answer(r)
	o := ending{report: r, world: after, says: fmt.Sprintf("%s, %s %s: %s", r.State, severity, id, r.Summary)}
	for _, c := range named(r) {
		if c.ID == cause {
			return o
		}
		was := slices.ContainsFunc(named(before), func(b report.Cause) bool { return b.ID == c.ID })
		if follows := c.ID == "channel-down" && next != ""; !was && !follows && c.ID != next && c.Severity != "info" {
			o.says = "breaks something else: " + c.ID + " " + c.Summary.String()
			return o
		}
	}
	o.closed = r.State == report.Managed || acceptedOnWindows(after, r) || next != "" && id == next
	return o
}

// acceptedOnWindows reports whether a Windows host was accepted and nothing is wrong with it:
// a simulated one does not show its processes, without which no node is called managed.
func acceptedOnWindows(s sim.Scenario, r *report.Report) bool {
	return s.GOOS == "windows" && r.RootCause == nil && slices.ContainsFunc(r.Checks, func(c report.Check) bool {
		return c.ID == "permission-registration" && strings.HasPrefix(c.Summary.String(), "accepted ")
	})
}

// held are situations in which somebody else has to change something, on one way through
// the steps or on each: who, what, and what that is in the world. Without mend it is another
// host that they give. The rest of the steps then closes the case.
var held = map[string]holder{
	"session-policy": {"whoever assumes the role for this host", "allow in its session policy what the step names", func(s *sim.Scenario) {
		for _, p := range s.Principals {
			p.Session = ""
		}
	}},
	"foreign-certificate":  {"who runs the DNS or redirection that leads the name there", "let the name lead to AWS", rightTLS},
	"expired-certificate":  {"who runs the device that shows the certificate", "renew it, or exempt the endpoints from inspection", rightTLS},
	"page-of-filter":       filter,
	"reset-after-tls":      filter,
	"silent-after-tls":     filter,
	"silent-after-connect": filter,
	"upgrade":              filter,
	"account-refused":      {"the administrator of the account", "settle what AWS asks of it", func(s *sim.Scenario) { s.AccountCode = "" }},
	"no-cable":             {"who runs the virtual network or the cable", "connect the device", func(s *sim.Scenario) { s.Net.NoCarrier = false }},
	"no-channel": {"AWS", "answer again", func(s *sim.Scenario) {
		s.Log = slices.DeleteFunc(s.Log, func(l string) bool { return strings.Contains(l, "500 Internal Server Error") })
	}},
	"public-answers":                     resolverAdmin,
	"proxy-unknown":                      {"who runs the proxy", "bring it back, or tell which one is in use now", proxyBack},
	"proxy-gone":                         {"who runs the proxy", "bring it back, or tell which one is in use now", proxyBack},
	"proxy-refuses":                      proxyAdmin,
	"proxy-forbids":                      proxyAdmin,
	"proxy-forbids-what-vpc-has":         proxyAdmin,
	"proxy-forbids-channel":              proxyAdmin,
	"proxy-forbids-channel-that-vpc-has": proxyAdmin,
	"proxy-forbids-ssm-that-vpc-has":     proxyAdmin,
	"proxy-forbids-sessions":             proxyAdmin,
	"proxy-forbids-channel-alone":        proxyAdmin,
	"proxy-in-capitals":                  proxyAdmin,
	"proxy-password":                     proxyAdmin,
	"proxy-certificate-name":             {"who runs the proxy", "put the name in use into its certificate", proxyTLS},
	"proxy-certificate-expired":          {"who runs the proxy", "renew its certificate", proxyTLS},
	"alpine":                             {who: "who chooses the operating system", does: "run the workload on one that AWS supports"},
	"sysprep":                            {who: "who makes the image", does: "finish sysprep on the template, and start the instance from a new image"},
	"dependency": {"who runs the unit that the agent's needs", "mend that unit", func(s *sim.Scenario) {
		s.Host.Syslog = nil
	}},
	"net-proxy-lets-https-through-but-not":        filter,
	"net-custom-dns-gives-public-addresses-while": resolverAdmin,
}

// holder is somebody else who holds what has to change.
type holder struct {
	who, does string
	mend      func(*sim.Scenario)
}

var (
	filter = holder{"who runs the firewall or inspection device on the way", "let TLS and websockets pass to the names that the step gives", func(s *sim.Scenario) {
		eachEndpoint(s, func(e *sim.Endpoint) { e.TLS, e.HTTP, e.WebSocket, e.TCP = "", "", "", "" })
	}}
	proxyAdmin = holder{"who runs the proxy", "allow CONNECT to the names that the step gives", func(s *sim.Scenario) {
		for i := range s.Proxies {
			s.Proxies[i].Connect, s.Proxies[i].Forbids = 0, nil
		}
	}}
	resolverAdmin = holder{"who runs the resolver that this host asks", "forward the names to the resolver of the VPC", func(s *sim.Scenario) {
		eachEndpoint(s, func(e *sim.Endpoint) {
			if v := e.Views["169.254.169.253"]; len(v) > 0 {
				e.Address, e.TCP, e.Private = v, "", true
			}
		})
	}}
)

func eachEndpoint(s *sim.Scenario, change func(*sim.Endpoint)) {
	for name, e := range s.Endpoints {
		change(&e)
		s.Endpoints[name] = e
	}
}

func rightTLS(s *sim.Scenario) { eachEndpoint(s, func(e *sim.Endpoint) { e.TLS = "" }) }

func proxyTLS(s *sim.Scenario) {
	for i := range s.Proxies {
		s.Proxies[i].TLS = "trusted"
	}
}

func proxyBack(s *sim.Scenario) {
	for i := range s.Proxies {
		s.Proxies[i].Address, s.Proxies[i].TCP = "10.0.4.8", ""
	}
	s.Proxies = append(s.Proxies, sim.Proxy{Name: "proxy2.corp.example", Address: "10.0.4.9", Port: 3128})
}

// nextNamed are situations of two faults: behind the first the other is named, and its own
// steps close the case.
var nextNamed = map[string]string{
	"multi-endpoint-closed-role-lacks-permission-report": "iam-missing-registration-action",
	"id-mi-id-no-longer-exists-service":                  "hybrid-registration-on-ec2",
	"host-root-filesystem-full":                          "session-failing",
}

// ageing are entries that say nothing of a later success, and count for a day: it passes.
var ageing = map[string]string{"perm-online-node-agent-update-patch-buckets": "failed to download"}

// closing is what ways through the steps of a cause come to.
type closing struct {
	ways    [][]step // as they are walked: without what is for other cases
	closed  []bool   // by itself
	waits   []bool   // once somebody else did what they hold
	says    []string
	needed  map[string]bool
	because string // what is wrong with how the situation is described; empty: nothing
}

// any reports whether a way closes by itself.
func (c closing) any() bool { return slices.Contains(c.closed, true) }

// all reports whether each way closes, by itself or once somebody did their part.
func (c closing) all() bool {
	for i := range c.ways {
		if !c.closed[i] && !c.waits[i] {
			return false
		}
	}
	return true
}

// walk carries out all ways through the steps of a cause.
func walk(t *testing.T, f repairable, before *report.Report, cause *report.Cause) closing {
	t.Helper()
	c := closing{needed: map[string]bool{}}
	h, other := held[f.name]
	for _, way := range ways(t, cause.Fix) {
		end := func(s sim.Scenario, steps []step) ending {
			return thenNext(t, s, before, f, steps)
		}
		short := func(s sim.Scenario) ([]step, ending) { // without what is for other cases, where that does
			way := way
			for k := len(way) - 1; k >= 0; k-- {
				if less := slices.Delete(slices.Clone(way), k, k+1); way[k].conditional() && end(s, less).closed {
					way = less
				}
			}
			return way, end(s, way)
		}
		world := f.host
		walked, o := short(world)
		waits := false
		if !o.closed && other {
			waits = h.mend == nil
			if !waits {
				world = mended(t, f.host, h)
				walked, o = short(world)
				waits = o.closed
			}
		}
		c.ways, c.closed, c.waits, c.says = append(c.ways, walked), append(c.closed, o.closed && !waits), append(c.waits, waits), append(c.says, o.says)
		if !o.closed || waits { // what somebody else does may be all that it takes
			continue
		}
		for i, x := range walked {
			if !x.lasting() && !end(world, slices.Delete(slices.Clone(walked), i, i+1)).closed {
				c.needed[x.Command.String()] = true
			}
		}
	}
	switch {
	case other && !slices.Contains(c.waits, true):
		c.because = "it closes without " + h.who
	case nextNamed[f.name] != "" && !c.any():
		c.because = "it does not close"
	}
	return c
}

// mended is a world in which somebody did what they hold.
func mended(t *testing.T, s sim.Scenario, h holder) sim.Scenario {
	t.Helper()
	c, err := sim.CloneOf(s)
	if err != nil {
		t.Fatal(err)
	}
	h.mend(&c)
	return c
}

// thenNext carries steps out; where a situation has a second fault, it is named next, and its
// own steps are carried out as well.
func thenNext(t *testing.T, s sim.Scenario, before *report.Report, f repairable, steps []step) ending {
	t.Helper()
	next := nextNamed[f.name]
	o := then(t, s, before, f.cause, next, ageing[f.name], steps, f.probes)
	if !o.closed || next == "" || o.report.State == report.Managed {
		return o
	}
	for _, c := range named(o.report) {
		if c.ID == next {
			return then(t, o.world, o.report, next, "", "", ways(t, c.Fix)[0], f.probes)
		}
	}
	o.closed = false
	return o
}

// TestRemediesClose: after the steps of the cause that is named the host is managed, on
// each way through them, and no step that changes something could be left out. Where a way
// waits for somebody else, it closes once they did what they hold.
func TestRemediesClose(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	closed, waiting := 0, 0
	t.Cleanup(func() { t.Logf("%d close; %d wait for somebody else", closed, waiting) })
	for _, f := range some(repairables(t)) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			before, _ := examine(t, f.host, f.probes...)
			if f.cause == "" && before.RootCause != nil {
				f.cause = before.RootCause.ID
			}
			i := slices.IndexFunc(named(before), func(c report.Cause) bool { return c.ID == f.cause })
			switch {
			case f.cause != "" && i < 0:
				t.Fatalf("%s is not named", f.cause)
			case before.RootCause == nil: // a note, behind which nothing needs mending
				return
			}
			c := walk(t, f, before, &named(before)[i])
			if c.because != "" {
				t.Error(c.because)
			}
			mu.Lock()
			if c.any() {
				closed++
			} else {
				waiting++
			}
			mu.Unlock()
			for i, way := range c.ways {
				if !c.closed[i] && !c.waits[i] {
					t.Errorf("does not close: %s\n%s", c.says[i], shown(way))
				}
				for _, x := range way {
					if c.closed[i] && !x.lasting() && !c.needed[x.Command.String()] {
						t.Errorf("not needed: %s", x.Command)
					}
				}
			}
		})
	}
}

func shown(way []step) string {
	var b strings.Builder
	for _, x := range way {
		for _, c := range x.changes {
			fmt.Fprintf(&b, "    %s %s %s\n", c.Kind, c.On, c.To)
		}
		if len(x.changes) == 0 {
			fmt.Fprintf(&b, "    (looks) %s\n", strings.ReplaceAll(x.Command.String(), "\n", " "))
		}
	}
	return b.String()
}

// TestGoldenRemedies writes the page of what the remedies change, and of the situations
// that they close.
func TestGoldenRemedies(t *testing.T) {
	type entry struct {
		closed, others int
		changes, who   []string
	}
	var mu sync.Mutex
	found := map[string]*entry{}
	one := func(f repairable) {
		before, _ := examine(t, f.host, f.probes...)
		if f.cause == "" && before.RootCause != nil {
			f.cause = before.RootCause.ID
		}
		i := slices.IndexFunc(named(before), func(c report.Cause) bool { return c.ID == f.cause })
		if i < 0 || before.RootCause == nil {
			return
		}
		c := walk(t, f, before, &named(before)[i])
		if !c.all() {
			t.Errorf("%s does not close: %q", f.name, c.says)
		}
		mu.Lock()
		defer mu.Unlock()
		e := found[f.cause]
		if e == nil {
			e = &entry{}
			found[f.cause] = e
		}
		if slices.Contains(c.waits, true) {
			h, how := held[f.name], ""
			if c.any() {
				how = "or "
			}
			e.who = append(e.who, how+h.who+": "+h.does)
		}
		if !c.any() {
			e.others++
			return
		}
		e.closed++
		for n, way := range ways(t, named(before)[i].Fix) {
			for _, x := range way {
				for _, c := range x.changes {
					if says := c.Says().String(); n == 0 || x.Alternative {
						e.changes = append(e.changes, says)
					}
				}
			}
		}
	}
	// By itself and a few at a time: a host that waits for its turn looks like one whose
	// resolver does not answer.
	var wg sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, f := range repairables(t) {
		if testing.Short() && i%8 != 0 {
			continue
		}
		turns <- struct{}{}
		wg.Go(func() { one(f); <-turns })
	}
	wg.Wait()
	if testing.Short() {
		return // the page is of all
	}
	var b strings.Builder
	b.WriteString("# Remedies, proven by what would be\n\n" +
		"Each situation is a simulated host with one fault. The steps that the program prints are carried out in the world from which the host is simulated, " +
		"and the host is judged again. A remedy closes a situation when the cause is gone, the node is managed, nothing else broke, and no step that changes something could be left out; " +
		"of two faults, the other one is named next, and its own steps close the rest. " +
		"Where somebody else holds what has to change, the steps say so, and close the situation once that is done; that is played too, unless it is another host.\n\n" +
		"| cause | closes | others | what its steps change | who must, or can as well, and what |\n|---|---|---|---|---|\n")
	closed, others := 0, 0
	for _, c := range causes.All() {
		e := found[c.ID]
		if e == nil {
			continue
		}
		closed, others = closed+e.closed, others+e.others
		slices.Sort(e.changes)
		slices.Sort(e.who)
		fmt.Fprintf(&b, "| [%s](causes/%[1]s.md) | %d | %d | %s | %s |\n", c.ID, e.closed, e.others, strings.Join(slices.Compact(e.changes), "; "), strings.Join(slices.Compact(e.who), "; "))
	}
	fmt.Fprintf(&b, "\nOf %d situations that a step of ours mends, %[1]d close. %d others are held by somebody else, who is named in the last column.\n", closed, others)
	golden.File(t, "../../packaging/docs/remedies.md", []byte(b.String()))
}
