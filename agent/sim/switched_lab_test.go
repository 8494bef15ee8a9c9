//go:build lab

package sim_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
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
	switchedPairs = flag.String("switched", "", "which pairs of scenarios TestSwitchedInLab tries: a regular expression for A--B")
	switchedOf    = flag.Uint("switched-of", 0, "TestSwitchedInLab tries one of so many pairs; 0: all, and with -short a sample of two minutes")
	switchedIn    = flag.String("switched-in", openScenarios, "the catalogue that TestSwitchedInLab takes")
	switchedJudge = flag.String("switched-judge", "", "TestSwitchedPairsInLab judges the answers in this file again")
	switchedFile  = flag.String("switched-file", "", "write the answers of TestSwitchedInLab to this file")
)

// movingBox is a box of one scenario of the catalogue, behind which the services and the metadata
// of others are put. Its log and its credentials are written for each moment.
type movingBox struct {
	box
	scenario
	log  string    // its log, as converted
	made time.Time // when it was converted
}

// newMovingBox brings the box of a scenario up until the test ends.
func newMovingBox(t *testing.T, s scenario, n int) *movingBox {
	t.Helper()
	b := &movingBox{box: box{os.Getenv("SSM_DOCTOR_LAB"), os.Getenv("SSM_DOCTOR_BINARY"), t.TempDir(), fmt.Sprintf("sw%d-%d", os.Getpid(), n)}, scenario: s}
	if b.lab == "" || b.binary == "" {
		t.Fatal("SSM_DOCTOR_LAB and SSM_DOCTOR_BINARY say where the lab and the program are")
	}
	out := b.convert(t, s.ID)
	b.made = time.Now()
	b.world = b.converted(t, s.ID)
	if log, err := os.ReadFile(filepath.Join(b.work, s.ID+".box", agentLog)); err == nil { // an agent that never ran has none
		b.log = string(log)
	}
	program, err := os.ReadFile(b.binary)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(b.work, s.ID+".box/usr/local/bin/ssm-doctor"), string(program), 0o755)
	opts := ""
	for l := range strings.Lines(out) {
		if o, ok := strings.CutPrefix(l, "LAB_ROOT_OPTS="); ok {
			opts = strings.TrimSpace(o)
		}
	}
	b.run(t, "env", "LAB_ROOT_OPTS="+opts, "./lab.sh", "up", filepath.Join(b.work, s.ID+".json"))
	t.Cleanup(func() { b.run(t, "./lab.sh", "down") })
	return b
}

// convert makes the lab's scenario and the box of one of the catalogue.
func (b *movingBox) convert(t *testing.T, id string) string {
	t.Helper()
	file, err := filepath.Abs(*switchedIn)
	if err != nil {
		t.Fatal(err)
	}
	return b.run(t, "build/accept", "-scenarios", file, "-convert", id, "-out", b.work)
}

// converted is the lab's scenario of one of the catalogue.
func (b *movingBox) converted(t *testing.T, id string) object {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(b.work, id+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var w object
	if err := json.Unmarshal(raw, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// shell runs lines in the box; what they exit with does not matter.
func (b *movingBox) shell(t *testing.T, lines string) {
	t.Helper()
	b.run(t, "./lab.sh", "exec", "--", "bash", "-c", lines+"\ntrue")
}

// switchTo puts another world behind the box.
func (b *movingBox) switchTo(t *testing.T, w object) {
	t.Helper()
	raw, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(b.work, "next.json")
	put(t, next, string(raw), 0o644)
	had := b.local(t, "plan.env")
	if _, err := os.Stat(filepath.Join(b.work, "state/next/plan.env")); err == nil {
		had = append(had, b.local(t, "next/plan.env")...)
	}
	b.run(t, "./lab.sh", "switch", next)
	// The lab leaves the addresses of the world before; nobody would answer there.
	var drop []string
	for _, a := range had {
		if !slices.Contains(b.local(t, "next/plan.env"), a) {
			drop = append(drop, "ip route del local "+a+" dev lo 2>/dev/null")
		}
	}
	// What is planted in the box is part of the host, routes among it.
	if lines := append(drop, b.Box.Post...); len(lines) > 0 {
		b.shell(t, strings.Join(lines, "\n"))
	}
}

// local are the addresses that a plan of the lab makes its own.
func (b *movingBox) local(t *testing.T, plan string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(b.work, "state", plan))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^PLAN_LOCAL='(.*)'$`).FindSubmatch(raw)
	if m == nil {
		t.Fatalf("%s names no addresses", plan)
	}
	return strings.Fields(string(m[1]))
}

// tell makes the host one whose world changed so long ago: its log up to then, what
// the agent wrote after it, and the times of its credentials.
func (b *movingBox) tell(t *testing.T, since time.Duration, after []line) {
	t.Helper()
	root := "/proc/" + strings.TrimSpace(string(must(t, os.ReadFile, filepath.Join(b.work, "state/holder.pid")))) + "/root"
	changed := time.Now().Add(-since)
	if b.log != "" {
		move := changed.Add(-beatBefore).Sub(b.made)
		lines := strings.Split(strings.TrimSuffix(b.log, "\n"), "\n")
		for i, l := range lines {
			if at, rest, ok := stamped(l); ok { // others go on with the line before
				lines[i] = at.Add(move).Format(time.DateTime) + rest
			}
		}
		for _, l := range after {
			if l.after <= since {
				lines = append(lines, changed.Add(l.after).UTC().Format(time.DateTime)+fraction(b.Observable.Version)+" "+l.text)
			}
		}
		// A host that cannot write does not write this either.
		_ = os.WriteFile(root+agentLog, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
	}
	const runtime = "/var/lib/amazon/ssm/runtimeconfig/identity_config.json"
	stored, err := os.ReadFile(filepath.Join(b.work, b.ID+".box"+runtime))
	if err != nil {
		return
	}
	move := changed.Sub(b.made)
	moved := regexp.MustCompile(`"(CredentialsRetrievedAt|CredentialsExpiresAt)":"([^"]+)"`).ReplaceAllFunc(stored, func(m []byte) []byte {
		x := bytes.Split(m, []byte(`"`))
		at, err := time.Parse(time.RFC3339Nano, string(x[3]))
		if err != nil || at.Year() <= 1 {
			return m
		}
		return []byte(`"` + string(x[1]) + `":"` + at.Add(move).UTC().Format(time.RFC3339Nano) + `"`)
	})
	_ = os.WriteFile(root+runtime, moved, 0o600)
}

func must[T any](t *testing.T, f func(string) (T, error), name string) T {
	t.Helper()
	v, err := f(name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ask runs the program in the box.
func (b *movingBox) ask(t *testing.T) *report.Report {
	t.Helper()
	cmd := exec.Command("./lab.sh", "exec", "--", "env", "-i", "HOME=/root", "USER=root", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"timeout", "-k", "2", "60", "ssm-doctor", "check", "-o", "json", "--no-redact")
	cmd.Dir, cmd.Env = b.lab, append(os.Environ(), "LAB_NAME="+b.name, "LAB_STATE="+filepath.Join(b.work, "state"))
	out, err := cmd.Output()
	var r report.Report
	if e := json.Unmarshal(out, &r); e != nil {
		t.Fatalf("%v, %v\n%s", err, e, out)
	}
	return &r
}

// TestSwitchedInLab puts the services and the metadata of every scenario behind the host
// of every other one, where that makes sense (see pairs), with what the agent writes
// after it, in the closed lab. The answer is judged by rule. All pairs take long:
//
//	SSM_DOCTOR_LAB=… SSM_DOCTOR_BINARY=… FAKEAWS=… go test -tags lab -timeout 3h -run TestSwitchedInLab ./agent/sim
func TestSwitchedInLab(t *testing.T) {
	var c switchTally
	list := pairs(t)
	by := map[string][]pair{}
	of := uint32(max(1, *switchedOf))
	if *switchedOf == 0 && testing.Short() {
		of = 80
	}
	for _, p := range list {
		if !regexp.MustCompile(*switchedPairs).MatchString(p.from.ID+"--"+p.to.ID) || !sampled(p, of) {
			continue
		}
		by[p.from.ID] = append(by[p.from.ID], p)
	}
	var file *os.File
	if *switchedFile != "" {
		var err error
		if file, err = os.Create(*switchedFile); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
	}
	t.Cleanup(func() { t.Logf("of %d pairs: %s", len(list), c.String()) })
	for n, id := range slices.Sorted(maps.Keys(by)) {
		t.Run(id, func(t *testing.T) {
			t.Parallel() // one after another per host, hosts beside each other
			b := newMovingBox(t, by[id][0].from, n)
			for _, p := range by[id] {
				t.Run(p.to.ID, func(t *testing.T) {
					began := time.Now()
					for _, a := range b.play(t, p) {
						why := c.judge(a)
						if why != "" {
							t.Errorf("%s: %s: %s", a.moment, why, a.String())
						}
						if file != nil {
							fmt.Fprintln(file, a.told())
						}
					}
					c.took(time.Since(began))
				})
			}
		})
	}
}

// play switches the box of a pair and asks at each moment.
func (b *movingBox) play(t *testing.T, p pair) []answerOf {
	t.Helper()
	if _, err := os.Stat(filepath.Join(b.work, p.to.ID+".json")); err != nil {
		b.convert(t, p.to.ID)
	}
	p.from.world, p.to.world = b.world, b.converted(t, p.to.ID)
	b.switchTo(t, worldOf(t, b.world, p.to.world, p))
	var out []answerOf
	for _, m := range p.moments() {
		lines := p.writes()
		since := m
		if m == back {
			lines, since = p.writesBack(), backAfter
			b.switchTo(t, b.world)
		}
		b.tell(t, since, lines)
		out = append(out, answerOf{pair: p, moment: m, report: b.ask(t)})
	}
	return out
}

const openScenarios = "testdata/scenarios.json"

const agentLog = "/var/log/amazon/ssm/amazon-ssm-agent.log"
