package gather

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestProgramIsOnTheList(t *testing.T) {
	t.Parallel()
	for _, c := range [][]string{
		{"sh", "-c", "id"}, {"/bin/sh"}, {"../usr/bin/systemctl"}, {"/usr/bin/amazon-ssm-agent", "-register"},
		{"/usr/bin/amazon-ssm-agent", "-version", "-y"}, {"/tmp/amazon-ssm-agent", "-version"}, {""},
		{"systemctl", "restart", "amazon-ssm-agent"}, {"systemctl"}, {"nft", "flush", "ruleset"}, {"rpm", "-e", "amazon-ssm-agent"}, {"launchctl", "kickstart", "x"}, {"scutil", "--set", "HostName"}, {"route", "-n", "delete", "default"},
		{"pfctl", "-d"}, {"pfctl", "-f", "/etc/pf.conf"}, {"pfctl", "-a", "*", "-F", "all"}, {"systemsetup", "-setusingnetworktime", "off"}, {"lsof", "-p", "1"},
	} {
		if p, err := program(c[0], c[1:]); !errors.Is(err, errNotAllowed) {
			t.Errorf("program(%q) = %q, %v; want it refused", c, p, err)
		}
	}
}

func TestMacProgramsAreOnTheList(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"launchctl print system/com.amazon.aws.ssm", "launchctl print-disabled system", "scutil --proxy", "pkgutil --pkg-info com.amazon.aws.ssm",
		"ps -axo pid=,ppid=,uid=,lstart=,comm=", "route -n get 169.254.169.254", "route -n get -inet6 default",
		"scutil --dns", "lsof -nP -a -iTCP:443 -sTCP:ESTABLISHED -Tqs -FnT -p 77,78", "pfctl -s info", "pfctl -a * -s rules", "systemsetup -getusingnetworktime",
	} {
		c := strings.Fields(line)
		if _, err := program(c[0], c[1:]); errors.Is(err, errNotAllowed) {
			t.Errorf("%q is refused", line)
		}
	}
}

func TestRunProgram(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(limit time.Duration, what string) (string, error) {
		out, err := runProgram(t.Context(), limit, "x", self, []string{"-as-program", what})
		return string(out), err
	}
	t.Run("clean environment", func(t *testing.T) {
		t.Parallel()
		out, err := run(time.Minute, "env")
		if err != nil || !strings.Contains(out, "LC_ALL=C") || strings.Contains(out, "HOME=") || strings.Contains(out, "GO") {
			t.Errorf("got %q, %v", out, err)
		}
	})
	t.Run("output is bounded", func(t *testing.T) {
		t.Parallel()
		out, err := run(time.Minute, "flood")
		if !errors.Is(err, ErrTooLarge) || len(out) > maxOutput {
			t.Errorf("got %d bytes, %v", len(out), err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		t.Parallel()
		if _, err := run(50*time.Millisecond, "hang"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("failure", func(t *testing.T) {
		t.Parallel()
		out, err := run(time.Minute, "fail")
		if err == nil || !strings.Contains(err.Error(), `bad \x1b[31mnews`) || out != "partial\n" {
			t.Errorf("got %q, %v", out, err)
		}
	})
}
