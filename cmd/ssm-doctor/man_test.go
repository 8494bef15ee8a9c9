package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"ssm-doctor/packaging/gen/golden"
)

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
		pages[name+".1"] = append(b.Bytes(), manSections(c.CommandPath())...)
	}
	walk(root)
	return pages
}

// manSections are the sections that scripts and administrators look for.
func manSections(path string) []byte {
	var b bytes.Buffer
	escape := strings.NewReplacer(`\`, `\\`, "-", `\-`)
	for _, s := range sectionsOf(path, "linux") {
		fmt.Fprintf(&b, "\n.SH %s\n", strings.ToUpper(s.head))
		for _, r := range s.rows {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fP\n%s\n", escape.Replace(r[0]), escape.Replace(r[1]))
		}
	}
	return b.Bytes()
}

// TestGoldenManPages keeps packaging/man what the commands say of themselves.
func TestGoldenManPages(t *testing.T) {
	golden.Dir(t, "../../packaging/man", "*.1", manPages(t))
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
