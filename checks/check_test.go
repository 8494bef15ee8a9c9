package checks_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
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
		for _, goos := range c.Systems {
			if goos != "linux" && goos != "windows" && goos != "darwin" {
				t.Errorf("%s: unknown system %q", c.ID, goos)
			}
		}
		if c.Behind == c.Station && c.Behind != checks.OffTheWay {
			t.Errorf("%s: Behind repeats Station", c.ID)
		}
	}
}

// TestNeedsAreFew: a prerequisite is named once. One that another prerequisite
// implies, or that comes later on the way, is a mistake.
func TestNeedsAreFew(t *testing.T) {
	t.Parallel()
	edges := 0
	for _, c := range checks.All() {
		edges += len(c.Needs)
		for i, need := range c.Needs {
			if need == nil {
				t.Fatalf("%s: a prerequisite is not registered yet", c.ID)
			}
			if need.ComesAfter(c) {
				t.Errorf("%s needs %s, which stands behind it on the way", c.ID, need.ID)
			}
			for j, other := range c.Needs {
				if i != j && (other == need || other.NeedsCheck(need)) {
					t.Errorf("%s needs %s, which %s implies", c.ID, need.ID, other.ID)
				}
			}
		}
	}
	t.Logf("%d checks, %d prerequisites by name", len(checks.All()), edges)
}

// TestNobodyExplainsItself: of two checks never each explains the other, by name or by
// the stations they stand on.
func TestNobodyExplainsItself(t *testing.T) {
	t.Parallel()
	explains := func(a, b *checks.Check) bool { return b.NeedsCheck(a) || b.ComesAfter(a) }
	for _, a := range checks.All() {
		for _, b := range checks.All() {
			if explains(a, b) && explains(b, a) {
				t.Errorf("%s and %s explain each other", a.ID, b.ID)
			}
		}
	}
}

// sections are the parts of the facts, by field.
var sections = []string{"Host", "Agent", "Registration", "IMDS", "Credentials", "Network", "Permissions", "Log", "ECS"}

// without is the facts without a section: nobody looked.
func without(t *testing.T, f *facts.Facts, section string) *facts.Facts {
	t.Helper()
	out := factstest.Clone(f)
	v := reflect.ValueOf(out).Elem().FieldByName(section)
	if !v.IsValid() {
		t.Fatalf("facts have no section %s", section)
	}
	v.SetZero()
	return out
}

// TestNothingKnown: without any fact no check passes, names a cause or says that
// it does not apply.
func TestNothingKnown(t *testing.T) {
	t.Parallel()
	for _, f := range []*facts.Facts{{}, {Root: "/"}, {Root: "/", CollectedAt: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)}} {
		n := node.Of(f)
		if n.Identity.Kind != node.KindUnknown {
			t.Errorf("kind %s", n.Identity.Kind)
		}
		for _, c := range checks.All() {
			if fd := c.Judge(n); fd.Status != checks.Unknown || fd.Cause != "" || len(fd.More) > 0 {
				t.Errorf("%s says %s %s: %s", c.ID, fd.Status, fd.Cause, fd.Summary)
			}
		}
	}
}

// TestSectionsUnread takes each section of healthy hosts away: no check passes,
// and no cause appears, that did not before; what a check says does not apply
// either did so before, or is a pass that is known to be out of reach.
func TestSectionsUnread(t *testing.T) {
	t.Parallel()
	for _, kind := range factstest.Kinds() {
		whole := factstest.Healthy(t, kind)
		before := judgeAll(whole)
		for _, section := range sections {
			after := judgeAll(without(t, whole, section))
			for id, fd := range after {
				was := before[id]
				if fd.Status == checks.Pass && was.Status != checks.Pass {
					t.Errorf("%s without %s: %s passes: %s (was %s: %s)", kind, section, id, fd.Summary, was.Status, was.Summary)
				}
				if fd.Status == checks.Skip && was.Status != checks.Skip {
					t.Errorf("%s without %s: %s does not apply: %s (was %s: %s)", kind, section, id, fd.Summary, was.Status, was.Summary)
				}
				if fd.Cause != "" && fd.Cause != was.Cause {
					t.Errorf("%s without %s: %s names %s: %s (was %s: %s)", kind, section, id, fd.Cause, fd.Summary, was.Status, was.Summary)
				}
			}
		}
	}
}

// TestUnreadLogPassesNothing: a log that this user may not read holds no "no refusal
// on record".
func TestUnreadLogPassesNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range factstest.Kinds() {
		f := factstest.Healthy(t, kind)
		f.Log = facts.Log{
			Matches:  facts.Unknown[[]facts.Match]("permission denied", "file:/var/log/amazon/ssm").Because(facts.NeedsRoot),
			Refusals: facts.Unknown[[]facts.Refusal]("permission denied", "file:/var/log/amazon/ssm").Because(facts.NeedsRoot),
			Backoff:  facts.Unknown[facts.Backoff]("permission denied", "file:/var/log/amazon/ssm").Because(facts.NeedsRoot),
		}
		for id, fd := range judgeAll(f) {
			if fd.Status == checks.Pass && strings.Contains(fd.Summary.String(), "on record") {
				t.Errorf("%s: %s passes: %s", kind, id, fd.Summary)
			}
		}
	}
}

func judgeAll(f *facts.Facts) map[string]checks.Finding {
	n := node.Of(f)
	out := map[string]checks.Finding{}
	for _, c := range checks.All() {
		if c.IsFor(checks.ProfileHost) {
			out[c.ID] = c.Judge(n)
		}
	}
	return out
}

// TestEveryCauseHasACheck: a cause of the catalogue is named by a check, or its
// page says why none can.
func TestEveryCauseHasACheck(t *testing.T) {
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

// listFields are the lists of the facts, of which only Some, or a question about
// their state, may be asked in a check.
var listFields = []string{"Matches", "Refusals", "Installations", "Versions", "Units", "Uses", "Paths", "Damage", "Identities", "Actions", "Endpoints", "Others", "FileSystems", "Interfaces", "PersistentRoutes", "Denials", "NodeFolders", "Starts", "Channel"}

// TestACheckIsOneFile: a check's file uses nothing that another check's file
// declares but for the check itself, holds one check, has a test beside it, and
// asks no list for its value without asking whether it was read.
func TestACheckIsOneFile(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	fset := token.NewFileSet()
	parsed := map[string]*ast.File{}
	owner := map[string]string{} // package-level name -> the check's file that declares it
	checkVar := map[string]bool{}
	isCheck := map[string]bool{}
	for _, name := range files {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		parsed[name] = f
		if n := registered(f); len(n) > 0 {
			isCheck[name] = true
			if len(n) > 1 {
				t.Errorf("%s holds %d checks", name, len(n))
			}
			checkVar[n[0]] = true
			if !slices.Contains(files, strings.TrimSuffix(name, ".go")+"_test.go") {
				t.Errorf("%s has no test beside it", name)
			}
		}
	}
	for name, f := range parsed {
		if isCheck[name] {
			for _, n := range declared(f) {
				owner[n] = name
			}
		}
	}
	for name, f := range parsed {
		if !isCheck[name] {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.SelectorExpr); ok && n.Sel.Name == "Value" && slices.Contains(listFields, x.Sel.Name) {
					t.Errorf("%s: %s.Value, a list without the question whether it was read", fset.Position(n.Pos()), x.Sel.Name)
				}
				return true
			case *ast.Ident:
				if from := owner[n.Name]; from != "" && from != name && !checkVar[n.Name] && !local(f, n) {
					t.Errorf("%s: %s is declared in %s", fset.Position(n.Pos()), n.Name, from)
				}
			}
			return true
		})
	}
}

// registered are the variables of a file that hold a registered check.
func registered(f *ast.File) []string {
	var out []string
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range g.Specs {
			v, ok := s.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				continue
			}
			if call, ok := v.Values[0].(*ast.CallExpr); ok {
				if fn, ok := call.Fun.(*ast.Ident); ok && fn.Name == "register" {
					out = append(out, v.Names[0].Name)
				}
			}
		}
	}
	return out
}

// declared are the package-level names of a file.
func declared(f *ast.File) []string {
	var out []string
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				out = append(out, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					for _, n := range s.Names {
						out = append(out, n.Name)
					}
				case *ast.TypeSpec:
					out = append(out, s.Name.Name)
				}
			}
		}
	}
	return out
}

// local reports whether a name is a field, a key or a variable of the file itself
// and not the package's: selectors, keys of literals, and what is declared inside
// a function.
func local(f *ast.File, id *ast.Ident) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			found = found || n.Sel == id
		case *ast.KeyValueExpr:
			found = found || n.Key == id
		case *ast.Field:
			for _, x := range n.Names {
				found = found || x.Name == id.Name
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, l := range n.Lhs {
					if x, ok := l.(*ast.Ident); ok {
						found = found || x.Name == id.Name
					}
				}
			}
		case *ast.RangeStmt:
			for _, l := range []ast.Expr{n.Key, n.Value} {
				if x, ok := l.(*ast.Ident); ok {
					found = found || x.Name == id.Name
				}
			}
		}
		return !found
	})
	return found
}

// checks is pure: it must not depend on packages that touch the host.
func TestImportsGoOnlyDown(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}: {{join .Imports " "}}`, "ssm-doctor/...").Output()
	if err != nil {
		t.Skipf("no go command to ask: %v", err)
	}
	rank := map[string]int{
		"checks/pattern": -1, "checks/sorting": -1, "checks/iam": 0, "checks/text": 0, "checks/facts": 1, "checks/factstest": 2, "checks/logline": 2, "checks/causes": 2, "checks/node": 2,
		"checks": 3, "checks/outlook": 3, "checks/diagnose": 4,
	}
	within := map[string][]string{ // what a package of agent may import of agent
		"agent/daemon": {"agent/export", "agent/engine", "agent/report", "agent/config", "agent/gather", "agent/safefile"}, "agent/daemon/svc": {"agent/safefile"}, "agent/engine": {"agent/gather", "agent/report"},
		"agent/sim": {"agent/gather"}, "agent/config": {"agent/safefile"}, "agent/export": {"agent/report", "agent/safefile"},
		"agent/gather/agentsvc": {"agent/gather/hostfile"}, "agent/gather/firewall": {"agent/gather/hostfile"}, "agent/gather/ecs": {"agent/gather/hostfile"},
		"agent/gather":       {"agent/safefile", "agent/gather/netlink"}, // which know nothing of it; the rooms below import it, never the reverse
		"agent/gather/opsys": {"agent/gather/hostfile", "agent/gather/firewall", "agent/gather/routing", "agent/gather/netconfig"}, "agent/gather/netconfig": {"agent/gather/hostfile"}, "agent/gather/routing": {"agent/gather/firewall"}, "agent/gather/endpoint": {"agent/gather/routing"}, "agent/gather/imds": {"agent/gather/endpoint"}, "agent/gather/awsapi": {"agent/gather/endpoint"},
		"agent/bundle":          {"agent/report", "agent/gather/agentlog"},
		"agent/fleet":           {"agent/report"},
		"agent/mend":            {"agent/report", "agent/safefile"}, // nobody in agent imports it: the daemon changes nothing
		"agent/outside":         {"agent/engine", "agent/report"},
		"agent/gather/recorded": {"agent/gather/agentsvc", "agent/gather/hostfile", "agent/gather/opsys"},
		"agent/gather/install":  {"agent/gather/agentsvc", "agent/gather/agentlog"}, "agent/gather/registration": {"agent/gather/agentsvc", "agent/gather/install"},
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		pkg, imports, _ := strings.Cut(line, ": ")
		pkg = strings.TrimPrefix(pkg, "ssm-doctor/")
		for _, imp := range strings.Fields(imports) {
			own, isOwn := strings.CutPrefix(imp, "ssm-doctor/")
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
				if !known || fromKnown && to >= from {
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
