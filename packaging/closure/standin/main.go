//go:build linux

// Command standin takes the place of the agent's program and of systemctl in a closed box
// of the lab. Its agent asks the services of the box for what a real one asks them, and
// leaves what a real one leaves: its log, its credentials, its registration. It talks to
// nothing but the box, and ships nowhere.
package main

import (
	"encoding/json"
	"fmt"
	"net"
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
	case name == "timedatectl":
		return timedatectl(args)
	case name == "iptables" || name == "nft":
		return firewall(name, args)
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
	var s struct {
		Worker        bool
		Connect, From string
	}
	if raw, err := os.ReadFile("/usr/lib/lab/standin.json"); err == nil {
		_ = json.Unmarshal(raw, &s)
	}
	if s.Worker && name == "amazon-ssm-agent" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		_ = exec.Command(filepath.Join(filepath.Dir(self), "ssm-agent-worker")).Start()
	}
	if s.Connect != "" && name == "amazon-ssm-agent" {
		hold(s.From, s.Connect)
	}
	for {
		time.Sleep(time.Hour)
	}
}

// hold keeps a connection open, and writes to it.
func hold(from, to string) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, KeepAlive: -1}
	for {
		c, err := d.Dial("tcp", to)
		for err == nil {
			_, err = c.Write([]byte{0})
			time.Sleep(200 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
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
