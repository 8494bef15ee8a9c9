// Command gen writes what is generated: what is committed, and what packages hold
// besides the program.
//
//	gen all                  every committed file that is generated: golden files of
//	                         tests, pages of documentation, manual pages, units
//	gen check                says which of them are stale; writes nothing
//	gen completions BIN DIR  shell completions of a built program
//	gen sbom BIN             CycloneDX 1.5 of a built program of release $VERSION, on stdout
//	gen sums DIR             SHA256SUMS over the files of a directory, on stdout
package main

//go:generate go run . all

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("want all, check, completions, sbom or sums")
	}
	switch cmd, rest := args[0], args[1:]; {
	case cmd == "all" && len(rest) == 0:
		return regenerate(ctx, out)
	case cmd == "check" && len(rest) == 0:
		return current(ctx, out)
	case cmd == "completions" && len(rest) == 2:
		return completions(ctx, rest[0], rest[1])
	case cmd == "sbom" && len(rest) == 1:
		version := os.Getenv("VERSION")
		if version == "" {
			return errors.New("sbom: VERSION is not set")
		}
		return sbom(rest[0], version, out)
	case cmd == "sums" && len(rest) == 1:
		return sums(rest[0], out)
	}
	return fmt.Errorf("no such use: %q", args)
}

func writeAll(dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// completions asks the program for the scripts of the three shells.
func completions(ctx context.Context, program, dir string) error {
	files := map[string]string{}
	for shell, name := range map[string]string{"bash": "ssm-doctor.bash", "zsh": "_ssm-doctor", "fish": "ssm-doctor.fish"} {
		b, err := exec.CommandContext(ctx, program, "completion", shell).Output()
		if err != nil {
			return fmt.Errorf("%s completion %s: %w", program, shell, err)
		}
		files[name] = string(b)
	}
	return writeAll(dir, files)
}
