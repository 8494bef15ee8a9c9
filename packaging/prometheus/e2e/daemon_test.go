//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/daemon"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/sim"
)

// startProgram builds ssm-doctor and starts serve --demo, as a user does.
func startProgram(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "ssm-doctor")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "ssm-doctor/cmd/ssm-doctor").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	addr := freeAddr(t, "127.0.0.1")
	start(t, t.TempDir(), program, "serve", "--demo", name, "--web.listen-address="+addr)
	return addr
}

// startDaemon runs the daemon here, over a simulated host that can be
// repaired: what serve --demo runs, with shorter intervals and all metrics. It has another
// loopback address, because the address without the port is the instance.
func startDaemon(t *testing.T, name, ip string) (addr string, host *sim.Host) {
	t.Helper()
	host, err := sim.New(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	c := config.Default()
	addr = freeAddr(t, ip)
	c.ListenAddresses, c.StateDir = []string{addr}, ""
	c.MetricsAll = true
	c.Local, c.Network = time.Second, 3*time.Second
	d, err := daemon.New(daemon.Options{
		Load:  func() (*config.Config, error) { return c, nil },
		Env:   func(*config.Config) (*gather.Env, error) { return host.Env(), nil },
		Eager: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("daemon: %v", err)
		}
	})
	return addr, host
}

// lintExposition gives what is served to promtool.
func lintExposition(t *testing.T, addr string) {
	body, err := get(t, "http://"+addr+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(string(body))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
