// Command standin takes the place of the agent's program and of systemctl in a closed box
// of the lab. Its agent asks the services of the box for what a real one asks them, and
// leaves what a real one leaves: its log, its credentials, its registration. It talks to
// nothing but the box, and ships nowhere.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(filepath.Base(os.Args[0]), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(name string, args []string) error {
	switch {
	case name == "systemctl":
		return systemctl(args)
	case len(args) == 1 && args[0] == "play": // what the agent does at a start, at once
		return newAgent().play()
	case len(args) > 0 && strings.TrimLeft(args[0], "-") == "register":
		return newAgent().register(args[1:])
	case len(args) == 1 && strings.TrimLeft(args[0], "-") == "version":
		v := version()
		if older(v, "3.0.502.0") {
			return fmt.Errorf("flag provided but not defined: -version\nUsage of %s:", os.Args[0])
		}
		fmt.Println("SSM Agent version: " + v)
		return nil
	case len(args) > 0:
		return fmt.Errorf("stand-in: not simulated: %q", args)
	}
	// A process of the agent, which is there.
	if worker, _ := os.ReadFile("/usr/lib/lab/standin.json"); strings.Contains(string(worker), `"worker":true`) {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		_ = exec.Command(filepath.Join(filepath.Dir(self), "ssm-agent-worker")).Start()
	}
	for {
		time.Sleep(time.Hour)
	}
}

// version is what follows the program in its file.
func version() string {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return ""
	}
	return trailer(self)
}

func trailer(program []byte) string {
	s := string(program)
	i := strings.LastIndex(s, "\n"+"LABVERSION=")
	if i < 0 || len(s)-i > 64 {
		return ""
	}
	return strings.TrimSpace(s[i+len("\nLABVERSION="):])
}

func older(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		var m, n int
		_, _ = fmt.Sscan(x[i], &m)
		_, _ = fmt.Sscan(y[i], &n)
		if m != n {
			return m < n
		}
	}
	return len(x) < len(y)
}

// stub is the lab's own systemctl, which shows what the files of units say.
func stub(args []string) error {
	return syscall.Exec("/usr/lib/closure/systemctl", append([]string{"systemctl"}, args...), os.Environ())
}
