// Package docs holds the documentation. The pages of causes, checks and alerts, of
// symptoms and of log lines are generated: `go run ./packaging/gen all` writes them.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/packaging/gen/golden"
)

func TestGoldenPages(t *testing.T) {
	t.Parallel()
	pages := map[string]map[string][]byte{}
	for _, p := range allPages() {
		dir := p.Kind + "s"
		if pages[dir] == nil {
			pages[dir] = map[string][]byte{}
		}
		pages[dir][p.ID+".md"] = []byte(p.Markdown())
	}
	for dir, files := range pages {
		files["README.md"] = []byte(index(dir))
		golden.Dir(t, dir, "*", files)
	}
}

// TestPagesSayEnough guards what explain promises for each page.
func TestPagesSayEnough(t *testing.T) {
	t.Parallel()
	for _, p := range allPages() {
		heads := map[string]bool{}
		for _, part := range p.Parts {
			heads[part.Head] = true
			if part.Text == "" && len(part.Items) == 0 {
				t.Errorf("%s %s: %q is empty", p.Kind, p.ID, part.Head)
			}
		}
		need := []string{"What repairs it"}
		switch p.Kind {
		case "alert":
			need = append(need, "What it means")
		case "cause":
			need = append(need, "What is wrong", "AWS documentation")
			if !heads["Checks that name it"] && !heads["What the host cannot show"] {
				t.Errorf("cause %s: no check names it and nothing says why", p.ID)
			}
		default:
			need = append(need, "What is tested, and what it cannot see")
		}
		for _, h := range need {
			if !heads[h] {
				t.Errorf("%s %s lacks %q", p.Kind, p.ID, h)
			}
		}
	}
}

// allPages are those of every cause and every check.
func allPages() []report.Page {
	var out []report.Page
	kinds := map[string][]string{}
	for _, c := range causes.All() {
		kinds["cause"] = append(kinds["cause"], c.ID)
	}
	for _, c := range checks.All() {
		kinds["check"] = append(kinds["check"], c.ID)
	}
	kinds["alert"] = report.AlertIDs()
	for _, kind := range []string{"cause", "check", "alert"} {
		for _, id := range kinds[kind] {
			for _, p := range report.Pages(id) {
				if p.Kind == kind {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

func TestGoldenSymptoms(t *testing.T) {
	t.Parallel()
	golden.File(t, "symptoms.md", []byte(report.SymptomsMarkdown()))
}

// index lists the pages of a folder.
func index(dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n`ssm-doctor explain ID` prints the same text, and the daemon has it under `/explain/ID`. [All documents](../README.md).\n\n", strings.ToUpper(dir[:1])+dir[1:])
	for _, p := range allPages() {
		if p.Kind+"s" == dir {
			fmt.Fprintf(&b, "- [%s](%s.md): %s\n", p.ID, p.ID, p.Title)
		}
	}
	return b.String()
}

// TestContributing: the recipes name files and tests that exist.
func TestContributing(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	err = filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		b, err := os.ReadFile(name)
		tests.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("`((?:agent|checks|cmd|packaging)/[a-z0-9_./-]+)`").FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat("../../" + m[1]); err != nil {
			t.Error(err)
		}
	}
	for _, m := range regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(tests.String(), "func "+m[1]+"(") {
			t.Errorf("there is no %s", m[1])
		}
	}
}
