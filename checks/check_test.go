package checks_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

func TestChecksAreWellFormed(t *testing.T) {
	t.Parallel()
	id := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	for _, c := range checks.All() {
		if !id.MatchString(c.ID) {
			t.Errorf("%s: not kebab-case", c.ID)
		}
		if causes.GroupRank(c.Group) == len(causes.Groups) {
			t.Errorf("%s: unknown group %q", c.ID, c.Group)
		}
		if c.Title == "" || len(c.Doc) < 40 || c.Eval == nil {
			t.Errorf("%s: title, doc or judgement is missing", c.ID)
		}
		for _, n := range c.Needs {
			if checks.Get(n) == nil {
				t.Errorf("%s: needs unknown check %q", c.ID, n)
			}
		}
	}
}

func TestNeedsHaveNoCycle(t *testing.T) {
	t.Parallel()
	const open, closed = 1, 2
	state := map[string]int{}
	var visit func(id string, trail []string)
	visit = func(id string, trail []string) {
		switch state[id] {
		case closed:
			return
		case open:
			t.Fatalf("cycle: %s", strings.Join(append(trail, id), " -> "))
		}
		state[id] = open
		if c := checks.Get(id); c != nil {
			for _, n := range c.Needs {
				visit(n, append(trail, id))
			}
		}
		state[id] = closed
	}
	for _, c := range checks.All() {
		visit(c.ID, nil)
	}
}

// Nothing known must never be a pass and never a cause.
func TestNothingKnownBlamesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range checks.All() {
		fd := c.Eval(&facts.Facts{Root: "/"})
		if fd.Cause != "" {
			t.Errorf("%s blames %s without any fact", c.ID, fd.Cause)
		}
	}
}

func TestFindingsNameOnlyDeclaredCauses(t *testing.T) {
	t.Parallel()
	named := map[string]bool{}
	for _, c := range checks.All() {
		for _, id := range c.Causes {
			named[id] = true
		}
	}
	for _, c := range causes.All() {
		if !named[c.ID] && c.Unseen == "" {
			t.Errorf("no check names %s and its page does not say why", c.ID)
		}
	}
}

// checks is pure: it must not depend on packages that touch the host.
func TestImportsGoOnlyDown(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "ssm-doctor/...").Output()
	if err != nil {
		t.Skipf("no go command to ask: %v", err)
	}
	rank := map[string]int{"checks/facts": 0, "checks/causes": 0, "checks/iam": 0, "checks/factstest": 1, "checks": 1, "checks/diagnose": 2}
	testSupport := map[string]bool{"checks/factstest": true, "packaging/gen/golden": true, "agent/gather/gathertest": true}
	within := map[string][]string{ // what a package of agent may import of agent
		"agent/daemon": {"agent/export", "agent/engine", "agent/report", "agent/config", "agent/gather"}, "agent/engine": {"agent/gather", "agent/report"},
		"agent/sim": {"agent/gather"}, "agent/export": {"agent/report"},
		"agent/gather": {}, // the rooms below import it, never the reverse
		"agent/gather/agentsvc": {"agent/gather/hostfile"}, "agent/gather/firewall": {"agent/gather/hostfile"}, "agent/gather/ecs": {"agent/gather/hostfile"},
		"agent/gather/opsys": {"agent/gather/hostfile", "agent/gather/firewall"}, "agent/gather/imds": {"agent/gather/endpoint"}, "agent/gather/awsapi": {"agent/gather/endpoint"},
		"agent/gather/install": {"agent/gather/agentsvc", "agent/gather/agentlog"}, "agent/gather/registration": {"agent/gather/agentsvc", "agent/gather/install"},
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		pkg, imports, _ := strings.Cut(line, ": ")
		pkg = strings.TrimPrefix(pkg, "ssm-doctor/")
		for _, imp := range strings.Fields(imports) {
			own, isOwn := strings.CutPrefix(imp, "ssm-doctor/")
			if testSupport[own] { // these are imports of what is built, not of its tests
				t.Errorf("%s imports %s", pkg, own)
			}
			if pkg == "checks/factstest" && isOwn && own != "checks/facts" {
				t.Errorf("%s imports %s", pkg, own)
			}
			if imp == "testing" && !testSupport[pkg] {
				t.Errorf("%s imports %s", pkg, imp)
			}
			if strings.HasPrefix(pkg, "checks") {
				switch imp {
				case "os", "net", "net/http", "os/exec", "syscall", "io/fs":
					t.Errorf("%s imports %s", pkg, imp)
				}
				if !isOwn {
					continue
				}
				to, known := rank[own]
				from, fromKnown := rank[pkg]
				if !known || fromKnown && to > from || fromKnown && to == from && own != "checks/iam" {
					t.Errorf("%s imports %s", pkg, own)
				}
			}
			if strings.HasPrefix(pkg, "agent/") && isOwn {
				if strings.HasPrefix(own, "cmd/") {
					t.Errorf("%s imports %s", pkg, own)
				}
				if strings.HasPrefix(own, "agent/") && !strings.HasPrefix(pkg, own+"/") && !allowed(within[pkg], own) {
					t.Errorf("%s imports %s", pkg, own)
				}
			}
		}
	}
}

func allowed(list []string, p string) bool {
	for _, l := range list {
		if l == p || l != "" && strings.HasPrefix(p, l+"/") {
			return true
		}
	}
	return false
}
