//go:build lab

// Package closure follows the printed steps in the closed lab.
package closure

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/causes"
)

var (
	catalogue = flag.String("scenarios", "", "catalogue of scenarios; empty: that of the lab")
	only      = flag.String("closure", "", "which scenarios: a regular expression")
	sample    = flag.Uint("closure-of", 1, "try one of so many scenarios")
	verbose   = flag.Bool("closure-log", false, "show the agent's log where nothing is named")
	strict    = flag.Bool("closure-strict", false, "fail for each situation that stays open, unless somebody else has to mend it")
	least     = flag.Int("closure-least", 0, "fail when fewer situations close")
)

// mustMend are the causes that nobody mends from the host or from its account, and who does.
var mustMend = map[string]string{
	"websocket-blocked": "who runs the proxy or firewall on the way",
	"os-unsupported":    "who chooses the operating system",
	"proxy-refuses":     "who runs the proxy",
	"proxy-unreachable": "who runs the proxy",
}

// staysOpen are situations that do not close here, and why.
var staysOpen = map[string]string{
	"host-root-filesystem-full":                   "who knows which files nobody needs: the box has no journals that could be dropped",
	"net-resolver-does-not-answer":                "who runs the resolvers, of which none answers",
	"perm-online-node-agent-update-patch-buckets": "the next download, which nothing tries here: its refusal counts for a day",
	"wild-scp-denies-the-data-channel-only":       "the next session, which nothing tries here: its refusal counts for a day",
}

// notHere are steps that the box has nothing for.
var notHere = map[causes.Kind]string{
	causes.AgentInstalled: "the box has no package to install", causes.PackageInstalled: "the box has no package to install", causes.AgentRemoved: "the box has no package manager that removes", causes.VolumeGrown: "the box has no volume",
	causes.LabelsSet: "SELinux is there in name only", causes.SessionTried: "no session can be started", causes.CommandTried: "no command can be sent", causes.MemoryAdded: "the box shares the machine's memory",
	causes.AddressAsked: "the box has no DHCP",
}

// conditional reports whether a step is for a case that may or may not be.
func conditional(s report.Step) bool {
	return strings.HasPrefix(s.Text.String(), "If ") || strings.HasPrefix(s.Text.String(), "Where ") || strings.HasPrefix(s.Text.String(), "Make it last")
}

// one is a situation: a host of the lab, brought up anew for each way through the steps.
type one struct {
	t                 *testing.T
	lab, binary, work string
	id, name, file    string
	post, env, args   []string
	settle            time.Duration
	account           *account
	server            *httptest.Server
	edited            []string // words that the reader filled in
}

// TestClosureInLab brings each scenario of the catalogue up, asks the program, and does
// what it prints: on the host by a shell in the box, elsewhere by the AWS CLI, which talks
// to an account whose changes are brought into the box. Then the program is asked again.
//
//	SSM_DOCTOR_LAB=… SSM_DOCTOR_BINARY=… FAKEAWS=… go test -tags lab -v ./packaging/closure
func TestClosureInLab(t *testing.T) {
	lab, binary, file := labOf(t)
	program := standIn(t)
	var mu sync.Mutex
	var results []result
	t.Cleanup(func() {
		n, of := 0, 0
		slices.SortFunc(results, func(a, b result) int { return strings.Compare(a.id, b.id) })
		for _, r := range results {
			t.Log(r.String())
			if r.skip == "" {
				of++
			}
			if r.closed {
				n++
			}
		}
		t.Logf("%d of %d situations close", n, of)
		if n < *least {
			t.Errorf("fewer than %d close", *least)
		}
	})
	for i, s := range catalogueOf(t, file) {
		h := fnv.New32a()
		h.Write([]byte(s.ID))
		if s.Observable.OS != "linux" || s.Platform == "ecs" || s.Expected.Root == "healthy" || s.Expected.Root == "client-side-problem" || !regexp.MustCompile(*only).MatchString(s.ID) || h.Sum32()%uint32(*sample) != 0 {
			continue
		}
		t.Run(s.ID, func(t *testing.T) {
			t.Parallel()
			r := result{id: s.ID}
			for way := 0; ; way++ { // each alternative from the beginning
				x := &one{t: t, lab: lab, binary: binary, id: s.ID, name: fmt.Sprintf("cl%d-%d-%d", os.Getpid(), i, way), work: t.TempDir(), file: file,
					post: s.Box.Post, env: s.Box.Env, args: s.Box.Args, settle: time.Duration(s.Box.Settle * float64(time.Second))}
				more := x.follow(program, way, &r)
				if r.closed || !more {
					break
				}
			}
			if r.skip != "" {
				t.Log("not tried: " + r.skip)
			} else if !r.closed && r.who == "" && *strict {
				t.Error(r.String())
			}
			mu.Lock()
			results = append(results, r)
			mu.Unlock()
		})
	}
}

// labOf is where the lab, the program and the catalogue are.
func labOf(t *testing.T) (lab, binary, file string) {
	t.Helper()
	lab, binary = os.Getenv("SSM_DOCTOR_LAB"), os.Getenv("SSM_DOCTOR_BINARY")
	if lab == "" || binary == "" {
		t.Fatal("SSM_DOCTOR_LAB and SSM_DOCTOR_BINARY say where the lab and the program are")
	}
	if file = *catalogue; file == "" {
		file = filepath.Join(lab, "../scenarios/scenarios.json")
	}
	return lab, binary, file
}

// situation is a scenario of the catalogue, as far as it is asked for here.
type situation struct {
	ID         string
	Platform   string
	Observable struct{ OS string }
	Expected   struct {
		Root string `json:"root_cause_id"`
	}
	Box struct {
		Post, Env, Args []string
		Settle          float64 `json:"settle_s"`
	}
}

func catalogueOf(t *testing.T, file string) []situation {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Scenarios []situation }
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	return list.Scenarios
}

// standIn builds the program that stands in for the agent and systemctl.
func standIn(t *testing.T) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "standin")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", name, "./standin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// result is what became of a situation.
type result struct {
	id, cause, next, skip, who string
	closed                     bool
	way                        int
	edited                     []string
	trouble                    []string
}

func (r result) String() string {
	s := fmt.Sprintf("%-52s %-32s ", r.id, r.cause)
	switch {
	case r.skip != "":
		return s + "not tried: " + r.skip
	case r.closed && r.way > 0:
		s += fmt.Sprintf("closed by alternative %d", r.way)
	case r.closed:
		s += "closed"
	default:
		s += "NOT closed, then: " + r.next
	}
	if r.who != "" {
		s += "; mended by " + r.who
	}
	if len(r.edited) > 0 {
		s += "; filled in: " + strings.Join(r.edited, " ")
	}
	for _, x := range r.trouble {
		s += "\n        " + x
	}
	return s
}

// wayThrough are the steps of a way: that without alternatives, or with one of them in the
// place of the steps that it stands for. more: there are others.
func wayThrough(fix []report.Step, way int) (steps []report.Step, more bool) {
	n := 0
	for _, s := range fix {
		if !s.Alternative || s.Where == causes.Terraform {
			if !s.Alternative {
				steps = append(steps, s)
			}
			continue
		}
		if n++; n == way && len(steps) > 0 {
			steps[len(steps)-1] = s
		}
	}
	return steps, way < n
}

func (x *one) follow(program []byte, way int, r *result) (more bool) {
	if why := x.up(program); why != "" {
		r.skip = why
		return false
	}
	before := x.ask()
	if before.RootCause == nil {
		r.skip = "the program names nothing to mend: " + before.State + ", " + before.Summary.String()
		if *verbose {
			out, _ := x.run("", "./lab.sh", "exec", "--", "tail", "-n", "30", "/var/log/amazon/ssm/amazon-ssm-agent.log")
			x.t.Log(out)
		}
		return false
	}
	r.trouble, r.way, r.skip = nil, way, ""
	if *verbose {
		for _, e := range before.RootCause.Evidence {
			x.t.Logf("%s: %s (%s)", e.What, e.Seen, e.From)
		}
		for _, s := range before.RootCause.Fix {
			x.t.Logf("[%s] %s\n%s", s.Where, s.Text, s.Command)
		}
	}
	tried := map[string]bool{}
	for round, now := 0, before; ; round++ {
		c := now.RootCause
		if c == nil || c.Severity == "info" && now.State == report.Managed {
			r.closed = now.State == report.Managed
			r.next = string(now.State)
			break
		}
		r.next = now.State + " " + c.ID + ": " + c.Summary.String()
		if tried[c.ID] || round == 3 {
			break
		}
		tried[c.ID] = true
		if round == 0 {
			r.cause, r.who = c.ID, cmp.Or(mustMend[c.ID], staysOpen[x.id])
		} else {
			r.cause += " > " + c.ID
		}
		steps, others := wayThrough(c.Fix, way)
		if way == 0 || round == 0 {
			more = more || others
		}
		for _, s := range steps {
			list, _ := causes.ChangesOf(s.Command.String(), s.Where)
			for _, ch := range list {
				if why := notHere[ch.Kind]; why != "" && !conditional(s) {
					r.skip = why
					return more
				}
			}
			if why := x.do(s); why != "" && len(list) > 0 && !conditional(s) {
				r.trouble = append(r.trouble, why)
			}
		}
		now = x.ask()
	}
	r.edited = x.edited
	return more
}

// run runs a command in the lab's folder.
func (x *one) run(in string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = x.lab, strings.NewReader(in)
	cmd.Env = append(os.Environ(), "LAB_NAME="+x.name, "LAB_STATE="+filepath.Join(x.work, "state"), "LAB_DISCARD=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (x *one) must(in string, name string, args ...string) string {
	x.t.Helper()
	out, err := x.run(in, name, args...)
	if err != nil {
		x.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// up brings the box up, with the stand-in for the agent and systemctl. why: it cannot be.
func (x *one) up(program []byte) (why string) {
	out, err := x.run("", "build/accept", "-scenarios", x.file, "-convert", x.id, "-out", x.work)
	if err != nil {
		if _, reason, ok := strings.Cut(out, "not convertible: "); ok {
			return strings.TrimSpace(reason)
		}
		x.t.Fatalf("%v\n%s", err, out)
	}
	opts := ""
	for l := range strings.Lines(out) {
		if o, ok := strings.CutPrefix(l, "LAB_ROOT_OPTS="); ok {
			opts = strings.TrimSpace(o)
		}
		if e, ok := strings.CutPrefix(l, "run the program with "); ok {
			x.env = append(x.env, strings.TrimSpace(e))
		}
	}
	base := filepath.Join(x.work, x.id)
	put := func(name string, b []byte, mode os.FileMode) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			x.t.Fatal(err)
		}
		if err := os.WriteFile(name, b, mode); err != nil {
			x.t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			x.t.Fatal(err)
		}
	}
	_ = filepath.Walk(base+".box", func(name string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() || info.Name() != "amazon-ssm-agent" {
			return nil
		}
		raw, err := os.ReadFile(name)
		if i := bytes.LastIndex(raw, []byte("\nLABVERSION=")); err == nil && i > 0 {
			put(name, slices.Concat(program, raw[i:]), info.Mode().Perm())
		}
		return nil
	})
	put(base+".box/usr/lib/closure/standin", program, 0o755)
	binary, err := os.ReadFile(x.binary)
	if err != nil {
		x.t.Fatal(err)
	}
	put(base+".box/usr/local/bin/ssm-doctor", binary, 0o755)
	setup, err := os.ReadFile(base + ".setup")
	if err != nil {
		x.t.Fatal(err)
	}
	put(base+".setup", append([]byte("[ ! -e /usr/bin/systemctl ] || { mv /usr/bin/systemctl /usr/lib/closure/systemctl; ln /usr/lib/closure/standin /usr/bin/systemctl; }\n"+
		"[ ! -e /usr/bin/timedatectl ] || ln -f /usr/lib/closure/standin /usr/bin/timedatectl\n"+
		"for f in iptables nft; do [ ! -e /usr/lib/lab/rules -o ! -e /usr/sbin/$f ] || ln -f /usr/lib/closure/standin /usr/sbin/$f; done\n"), setup...), 0o644)
	if raw, err := os.ReadFile(base + ".box/usr/lib/lab/standin.json"); err == nil && bytes.Contains(raw, []byte(`"connect"`)) {
		x.settle += 5 * time.Second // until the connection is dead
	}
	x.must("", "env", "LAB_ROOT_OPTS="+opts, "./lab.sh", "up", base+".json")
	x.t.Cleanup(func() { x.must("", "./lab.sh", "down") })
	if len(x.post) > 0 {
		x.must(strings.Join(x.post, "\n")+"\n", "./lab.sh", "exec", "--", "bash", "-s")
	}
	time.Sleep(x.settle)
	raw, err := os.ReadFile(base + ".json")
	if err != nil {
		x.t.Fatal(err)
	}
	world := object{}
	if err := json.Unmarshal(raw, &world); err != nil {
		x.t.Fatal(err)
	}
	x.account = newAccount(x.t, filepath.Join(x.lab, "scenarios/policies"), world)
	x.server = httptest.NewServer(x.account)
	x.t.Cleanup(x.server.Close)
	real, err := exec.LookPath("aws")
	if err != nil {
		x.t.Fatal(err)
	}
	put(filepath.Join(x.work, "bin/aws"), fmt.Appendf(nil, "#!/bin/sh\nexec %s --endpoint-url %s \"$@\"\n", real, x.server.URL), 0o755)
	if err := os.MkdirAll(filepath.Join(x.work, "desk"), 0o755); err != nil {
		x.t.Fatal(err)
	}
	return ""
}

const boxPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (x *one) inBox(args ...string) []string {
	base := append([]string{"exec", "--", "env", "-i", "HOME=/root", "USER=root", "LANG=C.UTF-8", boxPath}, x.env...)
	return append(append(base, "timeout", "-k", "2", "60"), args...)
}

func (x *one) ask() *report.Report {
	x.t.Helper()
	cmd := exec.Command("./lab.sh", x.inBox(append([]string{"ssm-doctor", "check", "-o", "json", "--no-redact"}, x.args...)...)...)
	cmd.Dir, cmd.Env = x.lab, append(os.Environ(), "LAB_NAME="+x.name, "LAB_STATE="+filepath.Join(x.work, "state"))
	out, err := cmd.Output()
	var r report.Report
	if e := json.Unmarshal(out, &r); e != nil {
		x.t.Fatalf("%v, %v\n%s", err, e, out)
	}
	return &r
}

// do carries a step out. why: its command failed.
func (x *one) do(s report.Step) (why string) {
	command := x.filled(s.Command.String())
	switch {
	case command == "" || strings.HasPrefix(command, "ssm-doctor check"):
		return ""
	case s.Where == causes.OnHost:
		out, err := x.run(command+"\n", "./lab.sh", append(x.inBox(), "bash", "-c", "cd /root; exec bash -s")...)
		x.noticed()
		if err != nil {
			return fmt.Sprintf("%v: %s\n%s", err, command, last(out))
		}
	case s.Where == causes.OperatorCLI:
		cmd := exec.Command("timeout", "60", "bash", "-c", command)
		cmd.Dir = filepath.Join(x.work, "desk")
		cmd.Env = []string{"PATH=" + filepath.Join(x.work, "bin") + ":" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
			"AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=operator", "AWS_SECRET_ACCESS_KEY=operator", "AWS_DEFAULT_REGION=" + x.account.region(), "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1"}
		out, err := cmd.CombinedOutput()
		if x.account.changed {
			x.account.changed = false
			x.switchWorld()
		}
		if err != nil {
			return fmt.Sprintf("%v: %s\n%s", err, command, last(string(out)))
		}
	default:
		return ""
	}
	return ""
}

func last(s string) string {
	if len(s) > 600 {
		s = s[len(s)-600:]
	}
	return strings.TrimSpace(s)
}

var reHole = regexp.MustCompile(`\b(?:[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|REGION|IMAGE)\b`)

// filled is a command without words that the reader has to replace: a careful one finds
// what the texts of the steps say.
func (x *one) filled(command string) string {
	return reHole.ReplaceAllStringFunc(command, func(hole string) string {
		value := ""
		h := sub(x.account.world, "hybrid")
		switch hole {
		case "PROFILE_NAME":
			value = nodeProfile
		case "SERVICE_ROLE_NAME", "OTHER_ROLE_NAME":
			value = serviceRole
		case "ACTIVATION_ID":
			return str(h, "activation_id") // the step before printed it
		case "ACTIVATION_CODE":
			return str(h, "activation_code")
		case "REGION":
			value = x.account.region()
		case "POLICY_ID":
			ids, _ := x.account.scps()
			value = ids[len(ids)-1]
			for i, id := range ids {
				if list, _ := x.account.world["scps"].([]any); i < len(list) && slices.ContainsFunc(statements(document(list[i])), func(s object) bool { return str(s, "Effect") == "Deny" }) {
					value = id
				}
			}
		case "POLICY_ARN", "POLICY_NAME":
			for _, p := range sub(x.account.world, "principals") {
				if q := p.(object); str(q, "kind") == "instance-profile" {
					for _, y := range q["policies"].([]any) {
						value = x.account.arnOf(y)
					}
				}
			}
		case "ROUTE_TABLE_ID":
			value = routeTable
		case "NAT_GATEWAY_ID":
			value = natGateway
		}
		if value == "" {
			return hole
		}
		if !slices.Contains(x.edited, hole) {
			x.edited = append(x.edited, hole)
		}
		return value
	})
}

var reLocal = regexp.MustCompile(`(?m)^PLAN_LOCAL='(.*)'$`)

func (x *one) local(plan string) []string {
	raw, err := os.ReadFile(filepath.Join(x.work, "state", plan))
	if err != nil {
		return nil
	}
	if m := reLocal.FindSubmatch(raw); m != nil {
		return strings.Fields(string(m[1]))
	}
	return nil
}

// switchWorld brings the account's changes into the box.
func (x *one) switchWorld() {
	x.t.Helper()
	raw, err := json.Marshal(x.account.world)
	if err != nil {
		x.t.Fatal(err)
	}
	next := filepath.Join(x.work, "next.json")
	if err := os.WriteFile(next, raw, 0o644); err != nil {
		x.t.Fatal(err)
	}
	had := append(x.local("plan.env"), x.local("next/plan.env")...)
	x.must("", "./lab.sh", "switch", next)
	var drop []string // the lab leaves the addresses of the world before
	for _, a := range had {
		if !slices.Contains(x.local("next/plan.env"), a) {
			drop = append(drop, "ip route del local "+a+" dev lo 2>/dev/null")
		}
	}
	if len(drop) > 0 {
		x.must(strings.Join(drop, "\n")+"\ntrue\n", "./lab.sh", "exec", "--", "bash", "-s")
	}
}

// noticed brings into the world what a command on the host changes there: the lab keeps the
// clock beside the box, makes what a firewall does by routes, and has nobody behind the
// gateway, so that packets which leave by it now are led to who answers.
func (x *one) noticed() {
	box := func(lines string) string {
		out, _ := x.run(lines+"\ntrue\n", "./lab.sh", "exec", "--", "bash", "-s")
		return strings.TrimSpace(out)
	}
	if box("rm /run/closure-clock 2>/dev/null && echo set") == "set" {
		sub(x.account.world, "options")["clock_skew_seconds"] = 0
		x.switchWorld()
	}
	rules := box("cat /usr/lib/lab/rules 2>/dev/null")
	accept := strings.Index(strings.ToLower(rules), "accept")
	for _, drop := range []string{"DROP", "REJECT", "drop", "reject"} { // a rule that lets out, above one that does not
		if i := strings.Index(rules, " "+drop); i < 0 || accept < 0 || accept > i {
			continue
		}
		up := strings.ToLower(rules)
		if strings.Contains(up, "443") {
			_ = os.WriteFile(filepath.Join(x.work, "state/cgroup"), nil, 0o644)
			for _, e := range x.account.endpoints() {
				if t := str(e, "tcp"); t == "blackhole" && str(e, "route") != "vpce" {
					delete(e, "tcp")
				}
			}
			delete(x.account.host(), "deny_port")
			box("ip route show | sed -n 's/^prohibit \\([^ ]*\\).*/\\1/p' | while read d; do ip route del prohibit $d; done")
			x.switchWorld()
		}
		if imds := sub(x.account.world, "imds"); strings.Contains(up, "169.254.169.254") && slices.Contains([]string{"absent", "refuse", "unreachable", "invalid"}, str(imds, "mode")) {
			imds["mode"] = "required"
			x.switchWorld()
		}
		break
	}
	served := x.local("plan.env")
	if x.local("next/plan.env") != nil {
		served = x.local("next/plan.env")
	}
	if m := str(sub(x.account.world, "imds"), "mode"); !slices.Contains([]string{"absent", "unreachable", "invalid"}, m) {
		served = append(served, "169.254.169.254")
	}
	for _, a := range served {
		if !strings.Contains(a, ":") && !strings.Contains(a, "/") {
			box("ip route get " + a + " | grep -q '^" + a + " via .* dev eth0' && ip route add local " + a + " dev lo")
		}
	}
}
