package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var update = flag.Bool("update", false, "rewrite packaging/man")

// manDir holds the manual pages that packages install.
const manDir = "../../packaging/man"

// manPages renders one page per command that a person can run.
func manPages(t *testing.T) map[string][]byte {
	t.Helper()
	root := newRootCmd(&app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, getenv: func(string) string { return "" }})
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	pages := map[string][]byte{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c != root && !c.IsAvailableCommand() {
			return
		}
		c.DisableAutoGenTag = true
		for _, sub := range c.Commands() {
			walk(sub)
		}
		var b bytes.Buffer
		// The date is that of the program's file format, not of the build: pages
		// must be the same bytes everywhere.
		date := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		header := &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Source: "ssm-doctor", Manual: "SSM doctor", Date: &date}
		if err := doc.GenMan(c, header, &b); err != nil {
			t.Fatal(err)
		}
		pages[name+".1"] = b.Bytes()
	}
	walk(root)
	return pages
}

// TestManPages keeps packaging/man what the commands say of themselves; -update
// writes it.
func TestManPages(t *testing.T) {
	want := manPages(t)
	if *update {
		old, _ := filepath.Glob(filepath.Join(manDir, "*.1"))
		for _, f := range old {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(manDir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, b := range want {
			if err := os.WriteFile(filepath.Join(manDir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(manDir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	var have, names []string
	for _, f := range files {
		have = append(have, filepath.Base(f))
	}
	for n := range want {
		names = append(names, n)
	}
	sort.Strings(names)
	if d := cmp.Diff(names, have); d != "" {
		t.Fatalf("pages (-want +committed), refresh with: go run ./packaging/gen man\n%s", d)
	}
	for _, n := range names {
		got, err := os.ReadFile(filepath.Join(manDir, n))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want[n]), string(got)); d != "" {
			t.Errorf("%s is stale, refresh with: go run ./packaging/gen man\n%s", n, d)
		}
	}
}

// TestManWarnings formats each page as man does and wants no complaint.
func TestManWarnings(t *testing.T) {
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("man is not installed")
	}
	for name, page := range manPages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(file, page, 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", file)
			cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8")
			var errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = io.Discard, &errs
			if err := cmd.Run(); err != nil || errs.Len() > 0 {
				t.Errorf("man --warnings: %v\n%s", err, errs.String())
			}
		})
	}
}
