//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// programs are what the test binary is under another name.
var programs = map[string]func(){"ssm-doctor": main, "played-aws": playAWS}

func TestMain(m *testing.M) {
	testscript.Main(m, programs)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("LANG", "C.UTF-8")
			e.Setenv("TERM", "xterm")
			return nil
		},
		Condition: func(cond string) (bool, error) {
			return cond == "root" && os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ascii":  ascii,
			"exits":  exits,
			"narrow": narrow,
			"fifo":   fifo,
			"fill":   fill,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// exits CODE ARGS... runs ssm-doctor and wants the exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	err := ts.Exec("ssm-doctor", args[1:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("ssm-doctor %s: exit code %s, want %s\n%s%s", strings.Join(args[1:], " "), got, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// ascii stdout|stderr|FILE wants no byte above 0x7e, and no control but newline.
func ascii(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	clean := !strings.ContainsFunc(text, func(r rune) bool { return r > 0x7e || r < 0x20 && r != '\n' })
	if clean == neg {
		ts.Fatalf("%s: ascii is %v", args[0], clean)
	}
}

// narrow FILE wants no line of more than 80 cells.
func narrow(ts *testscript.TestScript, neg bool, args []string) {
	for l := range strings.Lines(ts.ReadFile(args[0])) {
		if n := len([]rune(strings.TrimRight(l, "\n"))); n > 80 {
			ts.Fatalf("%d cells: %s", n, l)
		}
	}
}

// fifo NAME makes a named pipe that nobody writes to.
func fifo(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o755))
	ts.Check(mkfifo(ts.MkAbs(args[0])))
}

// fill FILE TEXT writes 30 MiB of one repeated line.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	line := []byte(args[1] + "\n")
	var b bytes.Buffer
	for b.Len() < 30<<20 {
		b.Write(line)
	}
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o755))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o644))
}

func mkfifo(name string) error { return syscall.Mkfifo(name, 0o644) }
