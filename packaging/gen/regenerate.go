package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// goldenPackage is imported by the tests that hold generated files; their names
// begin with goldenTests. Both are constants of that package, which only tests
// may import.
const (
	goldenPackage = "ssm-doctor/packaging/gen/golden"
	goldenTests   = "^TestGolden"
)

// maxPasses bounds how often files are written again that are made of others.
const maxPasses = 3

// regenerate writes all generated files and lists those that changed.
func regenerate(ctx context.Context, out io.Writer) error {
	n := 0
	for range maxPasses {
		text, err := goldens(ctx, "-v", "-args", "-update")
		if err != nil {
			for line := range bytes.Lines(text) {
				if !bytes.HasPrefix(line, []byte("=== ")) && !bytes.Contains(line, []byte("--- PASS")) {
					fmt.Fprintf(out, "%s", line)
				}
			}
			return fmt.Errorf("regenerate: %w", err)
		}
		before := n
		for line := range bytes.Lines(text) {
			if _, what, ok := bytes.Cut(bytes.TrimSpace(line), []byte(": golden: ")); ok {
				n++
				fmt.Fprintf(out, "%s\n", what)
			}
		}
		if n == before {
			fmt.Fprintf(out, "generated files changed: %d\n", n)
			return nil
		}
	}
	return fmt.Errorf("files still change after %d passes: a golden test does not make the same twice", maxPasses)
}

// current fails where a generated file is not what the code makes.
func current(ctx context.Context, out io.Writer) error {
	text, err := goldens(ctx)
	if err == nil {
		fmt.Fprintln(out, "all generated files are current")
		return nil
	}
	fmt.Fprintf(out, "%s", text)
	return errors.New("generated files are stale; write them: go run ./packaging/gen all")
}

// goldens runs the golden tests of all packages that have some.
func goldens(ctx context.Context, args ...string) ([]byte, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("find the top of the repository: %w", err)
	}
	dir := strings.TrimSpace(string(root))
	packages, err := goldenPackages(ctx, dir)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"test", "-run", goldenTests}, packages, args)...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

// goldenPackages lists the packages whose tests hold generated files.
func goldenPackages(ctx context.Context, dir string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-f", `{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}`, "./...")
	cmd.Dir = dir
	list, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	var out []string
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if slices.Contains(words[1:], goldenPackage) {
			out = append(out, words[0])
		}
	}
	return out, nil
}
