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
}

// then carries steps out and judges again. next is a cause that may be left.
func then(t *testing.T, s sim.Scenario, before *report.Report, cause, next string, steps []step, probes []string) ending {
	t.Helper()
	var list []causes.Change
	for _, x := range steps {
		list = append(list, x.changes...)
	}
	after, err := sim.After(s, list)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := examine(t, after, probes...)
	id, severity := answer(r)
	o := ending{says: fmt.Sprintf("%s, %s %s: %s", r.State, severity, id, r.Summary)}
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
	o.closed = r.State == report.Managed || next != "" && id == next
	return o
}

// mendedBy are situations that no step from here mends, and who must.
var mendedBy = map[string]string{
	"session-policy":      "whoever assumes the role for this host",
	"foreign-certificate": "who runs what answers in place of AWS",
	"expired-certificate": "who runs what shows the certificate",
	"page-of-filter":      filter, "reset-after-tls": filter, "silent-after-tls": filter, "silent-after-connect": filter, "upgrade": filter,
	"no-cable":       "who runs the virtual network or the cable",
	"no-channel":     "AWS, whose service answers with an error",
	"public-answers": "who runs the resolver that this host asks",
	"proxy-unknown":  proxyAdmin, "proxy-gone": proxyAdmin, "proxy-refuses": proxyAdmin, "proxy-forbids": proxyAdmin, "proxy-forbids-channel": proxyAdmin, "proxy-forbids-sessions": proxyAdmin,
	"proxy-forbids-channel-alone": proxyAdmin, "proxy-in-capitals": proxyAdmin, "proxy-password": proxyAdmin, "proxy-certificate-name": proxyAdmin, "proxy-certificate-expired": proxyAdmin,
	"imds-silent":                          "who runs what lies between the host and its metadata service",
	"alpine":                               "who chooses the operating system",
	"dependency":                           "who knows the unit that failed",
	"sysprep":                              "who makes the image",
	"key-gone":                             "who administers the key",
	"inodes":                               "who knows which files nobody needs",
	"host-root-filesystem-full":            "who knows which files nobody needs",
	"net-proxy-lets-https-through-but-not": proxyAdmin,
	"net-custom-dns-gives-public-addresses-while": "who runs the resolver that this host asks",
}

const secondFault, onlyInLog = "a second fault is named next", "its log alone holds the fault"

const filter, proxyAdmin = "who runs the firewall or inspection device on the way", "who runs the proxy"

// notPlayed are situations whose repair the simulator cannot play.
var notPlayed = map[string]string{
	"proxy-certificate": "it plays no proxy that speaks TLS",
	"no-script":         "its files have no time of change",

	// Of the catalogue; most of these close in the lab, where the agent asks anew.
	"wild-firewall-rejects-metadata":                     "what refuses there is not its rule",
	"wild-scp-denies-the-data-channel-only":              "no session is tried after the steps, and a refusal counts for a day",
	"perm-online-node-agent-update-patch-buckets":        "no download is tried after the steps, and a refusal counts for a day",
	"multi-endpoint-closed-role-lacks-permission-report": secondFault,
	"id-mi-id-no-longer-exists-service":                  secondFault,
	"ecs-task-role-lacks-ssmmessages":                    "the role of the task has no name there",
	"host-agent-run-as-unprivileged-user":                onlyInLog,
	"agt-message-bus-address-use":                        onlyInLog,
	"id-curly-quotes-region":                             onlyInLog,
	"id-baked-activation-older-than-expiry":              onlyInLog,
	"imds-windows-image-moved-another-subnet-keeps":      onlyInLog,
}

// TestRemediesClose: after the steps of the cause that is named the host is managed, on
// each way through them, and no step that changes something could be left out.
func TestRemediesClose(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	closed, all := map[string]int{}, map[string]int{}
	t.Cleanup(func() {
		n, of := 0, 0
		for id := range all {
			n, of = n+closed[id], of+all[id]
		}
		t.Logf("%d of %d close", n, of)
	})
	for _, f := range repairables(t) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := f.host
			before, _ := examine(t, s, f.probes...)
			if f.cause == "" && before.RootCause != nil {
				f.cause = before.RootCause.ID
			}
			var cause *report.Cause
			for _, c := range named(before) {
				if c.ID == f.cause {
					cause = &c
				}
			}
			switch {
			case f.cause != "" && cause == nil:
				t.Fatalf("%s is not named", f.cause)
			case before.RootCause == nil: // a note, behind which nothing needs mending
				return
			}
			mu.Lock()
			all[f.cause]++
			mu.Unlock()
			list := ways(t, cause.Fix)
			if mendedBy[f.name] != "" || notPlayed[f.name] != "" {
				for _, way := range list {
					if then(t, s, before, f.cause, "", way, f.probes).closed {
						t.Errorf("it closes: %s%s", mendedBy[f.name], notPlayed[f.name])
					}
				}
				return
			}
			for i := range list { // without what is for other cases, where that does
				for k := len(list[i]) - 1; k >= 0; k-- {
					if less := slices.Delete(slices.Clone(list[i]), k, k+1); list[i][k].conditional() && then(t, s, before, f.cause, "", less, f.probes).closed {
						list[i] = less
					}
				}
			}
			needed := map[string]bool{}
			ok := true
			for _, way := range list {
				o := then(t, s, before, f.cause, "", way, f.probes)
				if !o.closed {
					ok = false
					t.Errorf("does not close: %s\n%s", o.says, shown(way))
					continue
				}
				for i, x := range way {
					if x.lasting() {
						continue
					}
					less := slices.Delete(slices.Clone(way), i, i+1)
					if !then(t, s, before, f.cause, "", less, f.probes).closed {
						needed[x.Command.String()] = true
					}
				}
			}
			if !ok {
				return
			}
			mu.Lock()
			closed[f.cause]++
			mu.Unlock()
			for _, way := range list {
				for _, x := range way {
					if !x.lasting() && !needed[x.Command.String()] {
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
		closed, all int
		changes     []string
		who         []string
	}
	var mu sync.Mutex
	found := map[string]*entry{}
	var unplayed []string
	one := func(f repairable) {
		s := f.host
		before, _ := examine(t, s, f.probes...)
		if f.cause == "" && before.RootCause != nil {
			f.cause = before.RootCause.ID
		}
		i := slices.IndexFunc(named(before), func(c report.Cause) bool { return c.ID == f.cause })
		if i < 0 || before.RootCause == nil {
			return
		}
		if why := notPlayed[f.name]; why != "" {
			mu.Lock()
			defer mu.Unlock()
			unplayed = append(unplayed, fmt.Sprintf("| [%s](causes/%[1]s.md) | %s | %s |\n", f.cause, f.name, why))
			return
		}
		list := ways(t, named(before)[i].Fix)
		closes := mendedBy[f.name] == "" && then(t, s, before, f.cause, "", list[0], f.probes).closed
		mu.Lock()
		defer mu.Unlock()
		e := found[f.cause]
		if e == nil {
			e = &entry{}
			found[f.cause] = e
		}
		e.all++
		if !closes {
			e.who = append(e.who, mendedBy[f.name])
			return
		}
		e.closed++
		for n, way := range list {
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
	for _, f := range repairables(t) {
		turns <- struct{}{}
		wg.Go(func() { one(f); <-turns })
	}
	wg.Wait()
	var b strings.Builder
	b.WriteString("# Remedies, proven by what would be\n\n" +
		"Each situation is a simulated host with one fault. The steps that the program prints are carried out in the world from which the host is simulated, " +
		"and the host is judged again. A remedy closes a situation when the cause is gone, the node is managed, nothing else broke, and no step that changes something could be left out. " +
		"Names are those of the simulated hosts.\n\n" +
		"| cause | closes | what its steps change | who must, where no step from here does |\n|---|---|---|---|\n")
	closed, all := 0, 0
	for _, c := range causes.All() {
		e := found[c.ID]
		if e == nil {
			continue
		}
		closed, all = closed+e.closed, all+e.all
		slices.Sort(e.changes)
		slices.Sort(e.who)
		fmt.Fprintf(&b, "| [%s](causes/%[1]s.md) | %d of %d | %s | %s |\n", c.ID, e.closed, e.all, strings.Join(slices.Compact(e.changes), "; "), strings.Join(slices.Compact(e.who), "; "))
	}
	fmt.Fprintf(&b, "\n%d of %d situations close; of the others somebody else holds what has to change.\n", closed, all)
	slices.Sort(unplayed)
	fmt.Fprintf(&b, "\n## Repairs that the simulator cannot play\n\nNeither closed nor open above: %d situations. Most of them are followed in the lab, where an agent asks again.\n\n| cause | situation | why |\n|---|---|---|\n%s", len(unplayed), strings.Join(unplayed, ""))
	golden.File(t, "../../packaging/docs/remedies.md", []byte(b.String()))
}
