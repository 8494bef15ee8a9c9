package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// insideWords are words of Go and of this program's insides, which help nobody who reads a
// log or an answer.
var insideWords = regexp.MustCompile(`(?i)\b(?:panic\w*|goroutine|nil|render\w*|marshal\w*|unmarshal\w*|struct|mutex|snapshot|budget|ledger|loop|source|wave|taken over)\b`)

// TestLogMessages reads every message that the daemon can log and every answer of its
// server: constant, in words of a reader, and a warning says what follows.
func TestLogMessages(t *testing.T) {
	t.Parallel()
	levels := []string{"Debug", "Info", "Warn", "Error"}
	read := 0
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "packaging" || d.Name() == "checks" || d.Name() == "sim"):
			return filepath.SkipDir
		case d.IsDir(), !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			level, at := "", 0
			switch fun := call.Fun.(type) {
			case *ast.SelectorExpr:
				switch {
				case slices.Contains(levels, fun.Sel.Name) && isLog(fun.X):
					level = fun.Sel.Name
				case fun.Sel.Name == "once": // a warning, said once
					level, at = "Warn", 1
				}
			case *ast.Ident:
				if fun.Name == "plain" && len(call.Args) == 3 { // an answer to a request
					level, at = "answer", 2
				}
			}
			if level == "" || len(call.Args) <= at {
				return true
			}
			lit, ok := call.Args[at].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				if id, is := call.Args[at].(*ast.Ident); level == "answer" || is && id.Name == "message" { // made elsewhere, from literals that TestPlainWords reads
					return true
				}
				t.Errorf("%s: the message is not constant", set.Position(call.Pos()))
				return true
			}
			s, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Error(err)
				return true
			}
			read++
			where := set.Position(lit.Pos())
			if m := insideWords.FindString(s); m != "" {
				t.Errorf("%s: %q in %q", where, m, s)
			}
			if (level == "Warn" || level == "Error") && !strings.ContainsAny(s, ";,:") {
				t.Errorf("%s: says what happened and not what follows: %q", where, s)
			}
			if why := clumsiness(s); why != "" {
				t.Errorf("%s: %s in %q", where, why, s)
			}
			return true
		})
		return nil
	})
	if err != nil || read < 25 {
		t.Errorf("%d messages read, %v", read, err)
	}
}

// isLog reports whether a call is one of a logger.
func isLog(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "log"
	case *ast.SelectorExpr:
		return x.Sel.Name == "Log" || x.Sel.Name == "log"
	}
	return false
}
