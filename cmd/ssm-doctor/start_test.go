package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BenchmarkStart is a process that has nothing to do, and one that looks at an empty root:
// what every run costs before it looks at anything.
func BenchmarkStart(b *testing.B) {
	program := filepath.Join(b.TempDir(), "ssm-doctor")
	build := exec.Command("go", "build", "-trimpath", "-tags", "nethttpomithttp2", "-ldflags", "-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	root := b.TempDir()
	for name, args := range map[string][]string{"version": {"version"}, "empty-root": {"check", "--root", root, "-o", "json"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				cmd := exec.Command(program, args...)
				if err := cmd.Run(); cmd.ProcessState == nil {
					b.Fatal(err) // an empty root is no managed node
				}
			}
		})
	}
}
