package facts_test

import (
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "ssm-doctor/"

// fills are the packages that fill facts. What only they look at is no fact that
// anybody needs: it costs a look at the host, a review of privacy, and a promise
// that the format keeps it.
var fills = []string{"agent/gather", "agent/sim"}

const (
	bySource  = "a later source of facts goes by it"
	account   = "an account of what was read of a log, for who reads a collected file"
	whoIsIt   = "tells the agent's process from others of its name, which a check should"
	inVerdict = "evidence of a verdict, which the report of permissions should show"
)

// unread are the fields that nothing reads and that stay, with the reason.
var unread = map[string]string{
	"Attempt.Source":       bySource,
	"Config.KmsEndpoint":   bySource,
	"Config.S3Endpoint":    bySource,
	"Config.ShareProfile":  bySource,
	"Releases.Since":       "the page of log lines shows it",
	"LogFile.Bytes":        account,
	"LogFile.Path":         account,
	"LogFile.Error":        account,
	"Log.Files":            account,
	"LogFile.Read":         account,
	"Process.Owner":        whoIsIt,
	"Unit.MainPID":         whoIsIt,
	"Permission.PolicyARN": inVerdict,
	"Permission.Principal": inVerdict,
	"Config.ContainerMode": "decides which identity the agent takes; the model of the node should ask it",
	"Proxy.HasAuth":        "tells a login that the proxy refuses from one that is missing; the check of the proxy should say which",
}

// TestEveryFactIsRead: each field of the facts is read by somebody who judges,
// reports or measures.
func TestEveryFactIsRead(t *testing.T) {
	t.Parallel()
	s := load(t)
	var idle []string
	for name := range s.fields {
		if !s.read[name] {
			idle = append(idle, name)
		}
	}
	slices.Sort(idle)
	for _, name := range idle {
		if unread[name] == "" {
			t.Errorf("%s is read by nobody: delete it with the code that fills it, or let a check read it", name)
		}
	}
	for name := range unread {
		if !slices.Contains(idle, name) {
			t.Errorf("%s is read, or gone: take it off the list", name)
		}
	}
}

// source is what the program's packages declare and read of the facts.
type source struct {
	fields map[string]bool // Struct.Field of the facts
	read   map[string]bool
}

// load type-checks the packages that read facts.
func load(t *testing.T) source {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", `{{.ImportPath}}|{{.Export}}|{{.Dir}}|{{join .GoFiles " "}}|{{join .Imports " "}}`, module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("the program cannot be listed: %v", err)
	}
	fset := token.NewFileSet()
	exports := map[string]string{}
	var lines [][]string
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(strings.TrimSpace(line), "|"); len(f) == 5 {
			exports[f[0]] = f[1]
			lines = append(lines, f)
		}
	}
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, errors.New("no export data")
		}
		return os.Open(exports[path])
	})
	s := source{map[string]bool{}, map[string]bool{}}
	for _, f := range lines {
		own, ok := strings.CutPrefix(f[0], module)
		reads := own == "checks/facts" || slices.Contains(strings.Fields(f[4]), module+"checks/facts")
		if !ok || !reads || slices.ContainsFunc(fills, func(p string) bool { return own == p || strings.HasPrefix(own, p+"/") }) {
			continue
		}
		s.add(t, fset, imports, f[0], f[2], strings.Fields(f[3]))
	}
	if len(s.fields) < 100 || len(s.read) < 100 {
		t.Fatalf("only %d fields, %d of them read: the sources were not understood", len(s.fields), len(s.read))
	}
	return s
}

// add type-checks one package.
func (s *source) add(t *testing.T, fset *token.FileSet, imports types.Importer, path, dir string, names []string) {
	t.Helper()
	var files []*ast.File
	for _, n := range names {
		f, err := parser.ParseFile(fset, filepath.Join(dir, n), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
	conf := types.Config{Importer: imports}
	pkg, err := conf.Check(path, fset, files, info)
	if err != nil {
		t.Skipf("%s does not build: %v", path, err)
	}
	if path == module+"checks/facts" {
		s.declare(pkg)
	}
	for _, f := range files {
		written := map[ast.Expr]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			if a, ok := n.(*ast.AssignStmt); ok && a.Tok == token.ASSIGN {
				for _, l := range a.Lhs {
					written[l] = true
				}
			}
			if sel, ok := n.(*ast.SelectorExpr); ok && !written[sel] {
				s.note(info.Selections[sel])
			}
			return true
		})
	}
}

// declare notes the fields of the exported structs of the facts.
func (s *source) declare(pkg *types.Package) {
	for _, name := range pkg.Scope().Names() {
		st, ok := pkg.Scope().Lookup(name).Type().Underlying().(*types.Struct)
		if !ok || !token.IsExported(name) || name == "Seen" {
			continue
		}
		for i := range st.NumFields() {
			if f := st.Field(i); !f.Embedded() {
				s.fields[name+"."+f.Name()] = true
			}
		}
	}
}

// note marks the field that a selection reads.
func (s *source) note(sel *types.Selection) {
	if sel == nil || sel.Kind() != types.FieldVal {
		return
	}
	t := sel.Recv()
	for _, i := range sel.Index() {
		if p, ok := t.Underlying().(*types.Pointer); ok {
			t = p.Elem()
		}
		st, ok := t.Underlying().(*types.Struct)
		if !ok {
			return
		}
		f := st.Field(i)
		if n, ok := types.Unalias(t).(*types.Named); ok && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == module+"checks/facts" {
			s.read[n.Obj().Name()+"."+f.Name()] = true
		}
		t = f.Type()
	}
}
