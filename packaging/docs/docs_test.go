// Package docs holds the generated documentation: one page per cause and per
// check. `go test ./packaging/docs -update` writes it anew.
package docs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ssm-doctor/agent/report"
)

var update = flag.Bool("update", false, "write the pages anew")

func TestPagesAreCurrent(t *testing.T) {
	want := map[string]string{"README.md": index()}
	for _, p := range report.AllPages() {
		want[p.Kind+"s/"+p.ID+".md"] = p.Markdown()
	}
	if *update {
		for _, dir := range []string{"causes", "checks"} {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.FromSlash(name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, text := range want {
		got, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil || string(got) != text {
			t.Errorf("%s is stale (%v); run: go test ./packaging/docs -update", name, err)
		}
	}
	for _, dir := range []string{"causes", "checks"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if _, ok := want[dir+"/"+f.Name()]; !ok {
				t.Errorf("%s/%s documents nothing that exists", dir, f.Name())
			}
		}
	}
}

// TestPagesSayEnough guards what explain promises for each page.
func TestPagesSayEnough(t *testing.T) {
	t.Parallel()
	for _, p := range report.AllPages() {
		heads := map[string]bool{}
		for _, part := range p.Parts {
			heads[part.Head] = true
			if part.Text == "" && len(part.Items) == 0 {
				t.Errorf("%s %s: %q is empty", p.Kind, p.ID, part.Head)
			}
		}
		need := []string{"What repairs it"}
		if p.Kind == "cause" {
			need = append(need, "What is the matter", "AWS documentation")
			if !heads["Checks that name it"] && !heads["What the host cannot show"] {
				t.Errorf("cause %s: no check names it and nothing says why", p.ID)
			}
		} else {
			need = append(need, "What is tested, and what it cannot see")
		}
		for _, h := range need {
			if !heads[h] {
				t.Errorf("%s %s lacks %q", p.Kind, p.ID, h)
			}
		}
	}
}

func index() string {
	var b strings.Builder
	b.WriteString("# Documentation\n\nOne page per cause and per check; `ssm-doctor explain ID` prints the same text.\n")
	kind := ""
	for _, p := range report.AllPages() {
		if p.Kind != kind {
			kind = p.Kind
			fmt.Fprintf(&b, "\n## %ss\n\n", strings.ToUpper(kind[:1])+kind[1:])
		}
		fmt.Fprintf(&b, "- [%s](%ss/%s.md): %s\n", p.ID, p.Kind, p.ID, p.Title)
	}
	return b.String()
}
