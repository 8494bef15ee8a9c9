// Command gen writes what is generated: what is committed, and what packages hold
// besides the program.
//
//	gen all                  every committed file that is generated: golden files of
//	                         tests, pages of documentation, manual pages, units
//	gen check                says which of them are stale; writes nothing
//	gen completions BIN DIR  shell completions of a built program
//	gen sbom BIN             CycloneDX 1.5 of a built program of release $VERSION, on stdout
//	gen notices BIN...       licenses and notices of the modules linked into programs
//	gen changelog deb|rpm    changelog of a package from CHANGELOG.md
//	gen provenance SUMS COMMIT ARCHES STEPS   how the files of a list of sums were made
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
	"strconv"
	"time"
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
		version, when, err := built()
		if err != nil {
			return err
		}
		return sbom(ctx, rest[0], version, when, out)
	case cmd == "notices" && len(rest) > 0:
		return notices(ctx, rest, out)
	case cmd == "changelog" && len(rest) == 1:
		version, when, err := built()
		if err != nil {
			return err
		}
		return changelog(rest[0], version, when, out)
	case cmd == "provenance" && len(rest) == 4:
		version, when, err := built()
		if err != nil {
			return err
		}
		return provenanceOf(rest[0], rest[1], version, rest[2], rest[3], when, out)
	case cmd == "sums" && len(rest) == 1:
		return sums(rest[0], out)
	}
	return fmt.Errorf("no such use: %q", args)
}

// built is the version that is built, and the time of its commit.
func built() (version string, when time.Time, err error) {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if version = os.Getenv("VERSION"); version == "" || err != nil {
		return "", when, errors.New("VERSION or SOURCE_DATE_EPOCH is not set")
	}
	return version, time.Unix(seconds, 0), nil
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
