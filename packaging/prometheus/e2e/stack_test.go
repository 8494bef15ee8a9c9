//go:build e2e

// Package e2e_test runs the rules, the scrape configuration and the
// Alertmanager example in the real programs, against a daemon whose simulated
// host is broken and then repaired. Only their times are shortened.
//
//	go test -tags e2e ./packaging/prometheus/e2e
package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const patience = 60 * time.Second

// stack is a running Prometheus and Alertmanager with a receiver of notifications.
type stack struct {
	prometheus, alertmanager string // host:port
	notes                    chan note
	seen                     []note // taken from notes
}

// note is a webhook call of Alertmanager.
type note struct {
	Receiver string  `json:"receiver"`
	Alerts   []alert `json:"alerts"`
}

type alert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// startStack brings both up; the targets are scraped every second.
func startStack(t *testing.T, targets ...string) *stack {
	t.Helper()
	dir := t.TempDir()
	s := &stack{prometheus: freeAddr(t, "127.0.0.1"), alertmanager: freeAddr(t, "127.0.0.1"), notes: make(chan note, 1000)}
	hook := s.receive(t)

	rules := shipped(t, "ssm-doctor.rules.yml")
	rules = replace(t, rules, `for: \S+`, "for: 2s")
	rules = replace(t, rules, `\[(15m|1h)\]`, "[5s]")
	rules = replace(t, rules, `offset (15m|1h)`, "offset 3s")
	write(t, dir, "ssm-doctor.rules.yml", rules)
	conf := shipped(t, "prometheus-file.yml")
	conf = replace(t, conf, `(scrape_interval|evaluation_interval|refresh_interval): \S+`, "$1: 1s")
	conf = replace(t, conf, `localhost:9093`, s.alertmanager)
	write(t, dir, "prometheus.yml", conf)
	write(t, dir, "targets-e2e.yml", fmt.Sprintf("- targets: [\"%s\"]\n  labels: {region: eu-central-1}\n", strings.Join(targets, `", "`)))
	am := shipped(t, "alertmanager-example.yml")
	am = replace(t, am, `(group_wait|group_interval): \S+`, "$1: 1s")
	am = replace(t, am, `http://localhost:9099`, hook)
	write(t, dir, "alertmanager.yml", am)

	start(t, dir, "prometheus-alertmanager", "--config.file=alertmanager.yml", "--storage.path="+dir+"/am",
		"--web.listen-address="+s.alertmanager, "--cluster.listen-address=")
	start(t, dir, "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path="+dir+"/tsdb",
		"--web.listen-address="+s.prometheus, "--rules.alert.resend-delay=1s")
	for _, addr := range []string{s.prometheus, s.alertmanager} {
		eventually(t, addr+" is ready", func() error {
			_, err := get(t, "http://"+addr+"/-/ready")
			return err
		})
	}
	return s
}

// receive accepts notifications until the test ends.
func (s *stack) receive(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var n note
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&n); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.notes <- n
	})}
	go srv.Serve(l) //nolint:errcheck // ends with Close
	t.Cleanup(func() { srv.Close() })
	return "http://" + l.Addr().String()
}

// wait looks through notifications, those that came before included, until one
// holds the alert of the instance in the status wanted.
func (s *stack) wait(t *testing.T, name, status, instance string) (note, alert) {
	t.Helper()
	limit := time.After(patience)
	for i := 0; ; i++ {
		if i == len(s.seen) {
			select {
			case n := <-s.notes:
				s.seen = append(s.seen, n)
			case <-limit:
				t.Fatalf("no notification within %v that %s of %s is %s", patience, name, instance, status)
			}
			for _, a := range s.seen[i].Alerts {
				t.Logf("%s: %s %v", s.seen[i].Receiver, a.Status, a.Labels)
			}
		}
		for _, a := range s.seen[i].Alerts {
			if a.Labels["alertname"] == name && a.Status == status && a.Labels["instance"] == instance {
				return s.seen[i], a
			}
		}
	}
}

// query evaluates an expression now and returns the samples as they come.
func (s *stack) query(t *testing.T, expr string) ([]json.RawMessage, error) {
	t.Helper()
	body, err := get(t, "http://"+s.prometheus+"/api/v1/query?query="+url.QueryEscape(expr))
	if err != nil {
		return nil, err
	}
	var out struct {
		Data struct {
			Result []json.RawMessage `json:"result"`
		} `json:"data"`
	}
	err = json.Unmarshal(body, &out)
	return out.Data.Result, err
}

func get(t *testing.T, address string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", address, resp.Status, b)
	}
	return b, err
}

func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, patience, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// start runs a program until the test ends, and shows what it said if the test failed.
func start(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v (Debian packages prometheus, prometheus-alertmanager)", err)
	}
	var out bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)                                      //nolint:errcheck // it may have ended
		stop := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() }) //nolint:errcheck // as above
		err := cmd.Wait()
		stop.Stop()
		if t.Failed() {
			t.Logf("%s ended (%v) and had said:\n%s", name, err, tail(out.String(), 4000))
		}
	})
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func freeAddr(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func shipped(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// replace fails when there is nothing to replace: the shipped file has changed.
func replace(t *testing.T, s, pattern, by string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	if !re.MatchString(s) {
		t.Fatalf("nothing matches %s", pattern)
	}
	return re.ReplaceAllString(s, by)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.TrimLeft(text, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}
