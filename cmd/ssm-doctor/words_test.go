package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// clumsy are constructions that make a reader stumble, and what to write instead.
var clumsy = []struct {
	re   *regexp.Regexp
	good string
}{
	{regexp.MustCompile(`(?i)\b(?:an|the|its|their|our) own (?:S3 |role|bucket)|\ban own\b`), "your own, its own"},
	{regexp.MustCompile(`(?i)\banew\b|\bafresh\b`), "again"},
	{regexp.MustCompile(`(?i)\bwish(?:es)?\b`), "asks for"},
	{regexp.MustCompile(`(?i)\bthe way (?:ends|breaks)\b`), "the path breaks"},
	{regexp.MustCompile(`(?i)cannot be connected|connected on port`), "cannot be reached"},
	{regexp.MustCompile(`(?i)\blost on the way\b`), "does not reach"},
	{regexp.MustCompile(`(?i)\bover and over\b|\bfor good\b`), "keeps"},
	{regexp.MustCompile(`(?i)\bmeanwhile\b`), "now"},
	{regexp.MustCompile(`(?i)\b(?:was|were) (?:not )?(?:an? )?[\w ]{0,40}\bfor \d+ (?:minutes|hours?)\b`), "has been, have been"},
	{regexp.MustCompile(`(?i)\b(?:is|are) of that time\b`), "are from then"},
	{regexp.MustCompile(`(?i)\btold to be\b`), "known to be"},
	{regexp.MustCompile(`(?i)\bslow, behind\b|\bfast, ahead of\b`), "behind, ahead of"},
	{regexp.MustCompile(`(?i)\bhave ended\b`), "have expired"},
	{regexp.MustCompile(`(?i)\bgave up getting\b`), "stopped asking for"},
	{regexp.MustCompile(`(?i)\bdisturbance`), "service event"},
	{regexp.MustCompile(`(?i)\bstands? back\b`), "waits"},
	{regexp.MustCompile(`(?i)\bhas it not\b|\bhave it not\b|\bknows it not\b`), "does not have it"},
	{regexp.MustCompile(`(?i)\bwhat is the matter\b|\bthe matter\b`), "what is wrong"},
	{regexp.MustCompile(`(?i)\b(?:hang|hangs) on a\b`), "is attached to"},
	{regexp.MustCompile(`(?i)\bas whom\b`), "which identity, as which user"},
	{regexp.MustCompile(`(?i)\btells of\b`), "says"},
	{regexp.MustCompile(`(?i)\bthat is none\b|\bthat are none\b`), "that is not one"},
	{regexp.MustCompile(`(?i)\bis nothing but\b`), "is only"},
	{regexp.MustCompile(`(?i)\bwithout its being\b|\bin place of which\b`), "shorter"},
	{regexp.MustCompile(`(?i)\bnothing but\b`), "only"},
	{regexp.MustCompile(`(?i)\bin lack of\b|\bby reason of\b|\bwhereof\b|\bthereof\b`), "shorter"},
	{regexp.MustCompile(`(?i)\btells more about\b`), "says more about"},
	{regexp.MustCompile(`(?i)\b(\w{3,}) (?:HTTP \d+ HTTP \d+|timeout i/o timeout)`), "once"},
	{regexp.MustCompile(`\b1 (?:connections|checks|names|endpoints|things|kinds|steps|lines)\b`), "one of them has no plural"},
}

// isNo is "X is no Y", which is "X is not a Y"; "there is no Y" and "is no longer" are fine.
var isNo = regexp.MustCompile(`(?i)(\w+) (?:is|are|was|were|be) no (\w+)`)

func clumsiness(s string) string {
	for _, c := range clumsy {
		if m := c.re.FindString(s); m != "" {
			return strconv.Quote(m) + ", write: " + c.good
		}
	}
	for _, m := range isNo.FindAllStringSubmatch(s, -1) {
		before, after := strings.ToLower(m[1]), strings.ToLower(m[2])
		if before != "there" && after != "longer" && after != "more" && after != "later" {
			return strconv.Quote(m[0]) + ", write: is not a"
		}
	}
	return ""
}

// TestPlainWords reads every sentence of the program and of its documentation.
func TestPlainWords(t *testing.T) {
	t.Parallel()
	read := 0
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "gen" || d.Name() == "tools"):
			return filepath.SkipDir
		case strings.HasSuffix(name, ".yml") && strings.Contains(name, "packaging/"), strings.HasSuffix(name, ".json") && strings.Contains(name, "checks/iam/data"), strings.HasSuffix(name, ".md") && !strings.HasSuffix(name, "CHANGELOG.md"), strings.HasSuffix(name, ".1"):
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for i, l := range strings.Split(string(b), "\n") {
				if why := clumsiness(strings.ReplaceAll(l, "\\", "")); why != "" {
					t.Errorf("%s:%d: %s in %s", name, i+1, why, l)
				}
				read++
			}
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && !strings.Contains(name, "agent/sim/"):
			read += literals(t, name)
		}
		return nil
	})
	if err != nil || read < 3000 {
		t.Errorf("%d sentences read, %v", read, err)
	}
}

// literals reads the strings of a source file.
func literals(t *testing.T, name string) int {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(f, func(x ast.Node) bool {
		lit, ok := x.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		s, err := strconv.Unquote(lit.Value)
		if err != nil || !strings.Contains(s, " ") {
			return true
		}
		n++
		if why := clumsiness(s); why != "" {
			t.Errorf("%s: %s in %q", set.Position(lit.Pos()), why, s)
		}
		return true
	})
	return n
}
