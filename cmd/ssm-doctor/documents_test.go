package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ssm-doctor/packaging/gen/golden"
)

// documents are the Markdown files of the repository, by their path from its top.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".md" {
			return err
		}
		b, err := os.ReadFile(name)
		out[filepath.ToSlash(name)[len("../../"):]] = strings.ReplaceAll(string(b), "\r\n", "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	// quoteRE is a block that shows what a command prints: all of it, or so many lines.
	quoteRE = regexp.MustCompile("(?m)(<!-- ssm-doctor ([^;]*?)(?:; ([0-9]+) lines)? -->\n```\n)(?:[^`]*\n)?(```)$")
	clockRE = regexp.MustCompile(`\d\d:\d\d|\d\d-\d\d`)
)

// TestGoldenDocuments holds blocks that show what a command prints to what it prints, up
// to the first line that tells a time.
func TestGoldenDocuments(t *testing.T) {
	t.Parallel()
	n := 0
	for _, name := range []string{"README.md", "packaging/docs/comparison.md"} {
		whole := quoteRE.ReplaceAllStringFunc(documents(t)[name], func(block string) string {
			n++
			m := quoteRE.FindStringSubmatch(block)
			_, out, _ := command(t, strings.Fields(m[2])...)
			most, err := strconv.Atoi(m[3])
			if err != nil {
				most = 1000
			}
			var shown []string
			for l := range strings.Lines(out) {
				if len(shown) == most || clockRE.MatchString(l) {
					shown = append(shown, "…\n")
					break
				}
				shown = append(shown, l)
			}
			plain, _, _ := strings.Cut(m[2], " --") // what makes it the same everywhere is not shown
			return m[1] + "$ ssm-doctor " + plain + "\n" + strings.Join(shown, "") + m[4]
		})
		golden.File(t, "../../"+name, []byte(whole))
	}
	if n != 2 {
		t.Errorf("%d blocks", n)
	}
}

// commandRE finds a command of this program in a line of shell or a span of code.
var commandRE = regexp.MustCompile(`(?:^|[;&|(] *|\$ )(?:sudo )?(?:[\w./-]*/)?(?:go run \./cmd/)?ssm-doctor((?: [^;&|<>#()]*)?)`)

// TestDocumentedCommands: what the documents tell to type is understood.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	span := regexp.MustCompile("`([^`\n]+)`")
	n := 0
	for name, text := range documents(t) {
		fenced := false
		for l := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
			l = strings.TrimSpace(l)
			if strings.HasPrefix(l, "```") {
				fenced = !fenced
				continue
			}
			code := []string{l}
			if !fenced {
				code = nil
				for _, m := range span.FindAllStringSubmatch(l, -1) {
					code = append(code, m[1])
				}
			}
			for _, c := range code {
				for _, m := range commandRE.FindAllStringSubmatch(c, -1) {
					args, _, _ := strings.Cut(m[1], "…")
					n++
					if err := parses(strings.Fields(strings.TrimSuffix(args, " 2"))); err != nil {
						t.Errorf("%s: %s: %v", name, c, err)
					}
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("%d commands", n)
	}
}

// parses reports what the command line would complain about before it does something.
func parses(args []string) error {
	root := newRootCmd(&app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, getenv: func(string) string { return "" }})
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil
		}
		return err
	}
	if cmd.Args == nil {
		return cobra.ArbitraryArgs(cmd, cmd.Flags().Args())
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// TestLinksOfDocuments: they lead to files that are there, and to headings in them; and
// packaging/docs/README.md leads to every document beside it.
func TestLinksOfDocuments(t *testing.T) {
	t.Parallel()
	docs := documents(t)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading := regexp.MustCompile("(?m)^#+ (.+)$")
	led := map[string]bool{}
	for name, text := range docs {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			at := name
			if file != "" {
				at = filepath.ToSlash(filepath.Join(filepath.Dir(name), file))
			}
			if _, err := os.Stat("../../" + at); err != nil {
				t.Errorf("%s leads to %s: %v", name, m[1], err)
				continue
			}
			if name == "packaging/docs/README.md" {
				led[at] = true
			}
			found := anchor == ""
			for _, h := range heading.FindAllStringSubmatch(docs[at], -1) {
				plain := regexp.MustCompile("[^a-z0-9 _-]").ReplaceAllString(strings.ToLower(h[1]), "")
				found = found || strings.ReplaceAll(plain, " ", "-") == anchor
			}
			if !found {
				t.Errorf("%s leads to %s, which has no such heading", name, m[1])
			}
		}
	}
	for name := range docs {
		if filepath.ToSlash(filepath.Dir(name)) == "packaging/docs" && filepath.Base(name) != "README.md" && !led[name] {
			t.Errorf("packaging/docs/README.md does not lead to %s", name)
		}
	}
}
