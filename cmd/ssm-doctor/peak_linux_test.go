//go:build !race

// The race detector takes several times the memory.

package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func init() { programs["ssm-doctor-peak"] = peakCommand }

// peakCommand is the program, which at its end writes what memory it took at most.
func peakCommand() {
	defer func() {
		b, _ := os.ReadFile("/proc/self/status")
		_, rest, _ := strings.Cut(string(b), "VmHWM:")
		kB, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		_ = os.WriteFile(os.Getenv("PEAK"), []byte(kB), 0o600)
		os.Exit(0)
	}()
	program()
}

// TestPeakMemory: the memory of the program as a process of its own, on hosts whose files
// or peers want to fill it.
func TestPeakMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 200 MB")
	}
	const log, state, units = "var/log/amazon/ssm/", "var/lib/amazon/ssm/", "etc/systemd/system/amazon-ssm-agent.service.d/"
	refusal := "2026-11-22 09:10:22.0001 ERROR [ssm-agent-worker] [MessageService] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/R%d/i-0abc is not authorized to perform: ssm:Get%d on resource: x\n"
	lots := func(line string, n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, line, i, i)
		}
		return b.String()
	}
	trees := map[string]map[string]string{
		"logs of refusals":    {log + "amazon-ssm-agent.log": lots(refusal, 20<<20), log + "errors.log": lots(refusal, 20<<20), log + "ssm-document-worker.log": lots(refusal, 20<<20)},
		"log of one line":     {log + "amazon-ssm-agent.log": "2026-11-22 09:10:22.0001 ERROR " + strings.Repeat("a=b:c,", 5<<20)},
		"log of unknown ones": {log + "amazon-ssm-agent.log": lots("2026-11-22 09:10:22.0001 ERROR the flux %d of %d is <\"'=:/> too high\n", 20<<20)},
		"deep JSON":           {state + "Vault/Manifest": strings.Repeat(`{"a":`, 200_000), "etc/amazon/ssm/amazon-ssm-agent.json": strings.Repeat("[", 1_000_000), state + "registration": strings.Repeat(`{"a":[`, 150_000)},
		"many keys":           {"etc/amazon/ssm/amazon-ssm-agent.json": "{" + lots(`"k%d":{"k%d":1},`, 1<<20-100) + `"x":1}`},
		"unit files":          {units + "a.conf": "[Service]\n" + strings.Repeat("Environment=A=b \\\n", 50_000), units + "b.conf": "[Service]\n" + lots("Environment=K%d=v%d\n", 1<<20-100)},
		"hosts":               {"etc/hosts": lots("10.0.0.1 host-%d ssm%d.eu-central-1.amazonaws.com\n", 1<<20-100), "etc/resolv.conf": lots("nameserver 10.0.%d.%d\n", 1<<20-100), "etc/passwd": lots("u%d:x:%d:0::/:/bin/sh\n", 1<<20-100)},
	}
	big := map[string]map[string]string{"huge files": {}}
	for _, name := range []string{log + "amazon-ssm-agent.log", log + "errors.log", state + "Vault/Manifest", state + "registration", "etc/hosts", "etc/passwd", "etc/os-release", "etc/machine-id", "etc/amazon/ssm/amazon-ssm-agent.json", "root/.aws/credentials", "var/lib/dpkg/status"} {
		big["huge files"][name] = ""
	}
	for name, files := range big {
		trees[name] = files
	}
	for name, files := range trees {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, content := range files {
				p := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
				if name == "huge files" {
					if err := os.Truncate(p, 100<<30); err != nil {
						t.Skip(err)
					}
				}
			}
			for _, args := range [][]string{{"check", "-v"}, {"collect"}} {
				peak(t, append(args, "--root", root, "--offline")...)
			}
		})
	}
	t.Run("facts", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "facts.json")
		matches := make([]facts.Match, 1900)
		for i := range matches {
			matches[i] = facts.Match{ID: facts.SigHealthFailed, Text: lots("arn:aws:iam::111122223333:role/team-%d-x%d ", 4000)}
		}
		var f facts.Facts
		f.Schema, f.Log.Matches = facts.Schema, facts.Known(matches, "file:/var/log/amazon/ssm")
		b, err := json.Marshal(&f)
		if err != nil || len(b) > facts.MaxFileBytes {
			t.Fatal(len(b), err)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		peak(t, "check", "-o", "json", "--from", file)
	})
	for name, send := range map[string]func(io.Writer){
		"endless headers": func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\n")
			forever(w, "X-Pad: "+strings.Repeat("x", 8000)+"\r\n")
		},
		"endless body": func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\n")
			forever(w, strings.Repeat("x", 8000))
		},
		"endless line": func(w io.Writer) { forever(w, strings.Repeat("x", 8000)) },
		"endless chunks": func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			forever(w, "8;"+strings.Repeat("x", 4000)+"\r\n12345678\r\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			// A certificate that nobody trusts is enough to be asked.
			of := httptest.NewTLSServer(nil)
			certs := of.TLS.Certificates
			of.Close()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Skip(err)
			}
			defer l.Close()
			var asked atomic.Int32
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						s := tls.Server(c, &tls.Config{Certificates: certs})
						if s.Handshake() == nil {
							asked.Add(1)
							send(s)
						}
					}()
				}
			}()
			peak(t, "check", "--region", "eu-central-1", "--endpoint-url", l.Addr().String(), "--timeout", "5s")
			if asked.Load() == 0 {
				t.Error("nobody asked the peer")
			}
		})
	}
}

// peak runs the program and measures it.
func peak(t *testing.T, args ...string) {
	t.Helper()
	if out := peakOf(t, args...); len(out) == 0 {
		t.Fatalf("%q: no output", args)
	}
}

// peakOf is what the program prints, which may be nothing where it refuses a file.
func peakOf(t *testing.T, args ...string) []byte {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "peak")
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args = append([]string{"ssm-doctor-peak"}, args...)
	cmd.Env = []string{"PEAK=" + file, "PATH=/usr/bin:/bin"}
	start := time.Now()
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	kB, _ := strconv.Atoi(string(b))
	if err != nil || kB == 0 {
		t.Fatalf("%q: nothing was measured: %v", args, err)
	}
	t.Logf("%s: %d kB, %v", args[0], kB, time.Since(start).Round(time.Millisecond))
	if kB > maxPeak {
		t.Errorf("%q: %d kB, at most %d", args, kB, maxPeak)
	}
	return out
}
