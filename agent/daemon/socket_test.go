//go:build unix

package daemon

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"ssm-doctor/agent/config"
)

// TestSocketServer is the daemon that TestSystemdSocketIsLimited starts: it
// serves on the socket that it was passed until its input ends.
func TestSocketServer(t *testing.T) {
	if os.Getenv("LISTEN_FDS") == "" {
		t.Skip("started by TestSystemdSocketIsLimited only")
	}
	d := testDaemon(t, &host{answer: always(managed)}, func(c *config.Config) { c.SystemdSocket, c.ListenAddresses = true, nil }, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := d.Run(ctx); err != nil {
		t.Error(err)
	}
}

// A socket of systemd has the same bound on connections as one of our own.
func TestSystemdSocketIsLimited(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// systemd tells the process id; the shell has that of what it becomes.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" -test.run='^TestSocketServer$'`, os.Args[0])
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{f}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	}()
	// answers reports whether a connection is served in time.
	answers := func(c net.Conn, in time.Duration) bool {
		t.Helper()
		if err := c.SetReadDeadline(time.Now().Add(in)); err != nil {
			t.Fatal(err)
		}
		line, _ := bufio.NewReader(c).ReadString('\n')
		return line == "HTTP/1.1 200 OK\r\n"
	}
	connect := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ask := func() net.Conn {
		c := connect()
		_, _ = io.WriteString(c, "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
		return c
	}
	first := ask() // stays open
	defer first.Close()
	if !answers(first, 30*time.Second) {
		t.Fatal("the server does not answer on the socket")
	}
	for range maxConnections {
		defer connect().Close()
	}
	late := ask()
	defer late.Close()
	if !answers(late, 30*time.Second) {
		t.Error("idle connections keep a client out")
	}
	if answers(first, 30*time.Second) {
		t.Errorf("more than %d connections are served", maxConnections)
	}
}
