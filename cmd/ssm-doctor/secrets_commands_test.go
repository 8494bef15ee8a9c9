//go:build !race

// The race detector makes this slow, and it is about text.

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/daemon"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/sim"
)

// TestNoSecretOfCommands plants secrets in hosts as TestNoSecretComesOut does, lays their
// files out, and runs the commands over them; and it looks into all that a daemon on such
// a host answers, logs and keeps.
func TestNoSecretOfCommands(t *testing.T) {
	t.Parallel()
	for p, place := range slices.Sorted(maps.Keys(secretPlaces)) {
		forms := secretForms
		if os.Getenv("SSM_DOCTOR_SECRETS") != "all" {
			forms = secretForms[p*7%len(secretForms) : p*7%len(secretForms)+1] // each takes some seconds
		}
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			for i, form := range forms {
				secret := fmt.Sprintf("Zc%02dxK%02dwTr8", p, i)
				s, err := sim.Play("healthy-profile")
				if err != nil {
					t.Fatal(err)
				}
				if s.Files == nil {
					s.Files = map[string]sim.File{}
				}
				written := fmt.Sprintf(form, secret)
				secretPlaces[place](&s, written)
				h, err := sim.Start(s)
				if err != nil {
					t.Fatal(err)
				}
				out := commandOutput(t, h)
				if i == 0 {
					maps.Copy(out, daemonOutput(t, h))
				}
				h.Close()
				out["explain a line"] = said(t, []byte("2026-11-22 09:29:00.0001 ERROR [ssm-agent-worker] AccessDeniedException: "+written+"\n"+written+"\n"), "explain", "-")
				for where, text := range out {
					if at := strings.Index(text, secret); at >= 0 {
						t.Errorf("%q: in %s: …%s…", form, where, text[max(0, at-100):min(len(text), at+60)])
					}
				}
			}
		})
	}
}

// commandOutput is what commands say of the files of a host, and what they write.
func commandOutput(t *testing.T, h *sim.Host) map[string]string {
	t.Helper()
	root, dir := t.TempDir(), t.TempDir()
	tree := h.Env().FS
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || name == "proc":
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(root, name), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(root, name), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(root, "var/log/amazon/ssm/amazon-ssm-agent.log"))
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	out := map[string]string{}
	for _, args := range [][]string{
		{"collect", "--root", root}, {"collect", "--root", root, "--no-redact", "-f", at("whole.json")}, {"collect", "--root", root, "-f", at("facts.json")},
		{"collect", "--root", root, "--bundle", at("case.tar.gz")}, {"collect", "--root", root, "--bundle", at("whole.tar.gz"), "--no-redact"},
		{"collect", "--root", root, "--raw", at("raw")}, {"collect", "--root", root, "--raw", at("wholeraw"), "--no-redact"},
		{"check", "--root", root, "-v", "--no-redact"}, {"check", "--from", at("case.tar.gz"), "-v"}, {"check", "--from", at("wholeraw"), "-o", "json", "--no-redact"},
		{"permissions", "--root", root, "-o", "wide", "--no-redact"}, {"fix", "--from", at("facts.json")},
		{"summary", "-ojson", at("case.tar.gz"), at("facts.json")}, {"summary", "-ojson", at("whole.json")}, {"fix", "--from", at("whole.tar.gz")}, {"explain", "-"},
	} {
		what := strings.ReplaceAll(strings.ReplaceAll(strings.Join(args, " "), root, "ROOT"), dir, "")
		if slices.Contains(args, "--no-redact") {
			what = "whole " + what
		}
		out[what] = said(t, log, args...)
	}
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if strings.HasSuffix(name, ".tar.gz") {
			members := unpacked(t, b)
			if len(members) < 5 {
				t.Errorf("%s has %d members", name, len(members))
			}
			for member, text := range members {
				out[d.Name()+" "+member] = text
			}
		}
		out["written "+strings.TrimPrefix(name, dir)] = string(b)
		return err
	})
	if err != nil || len(out) < 30 {
		t.Errorf("%v: %d outputs: %q", err, len(out), slices.Sorted(maps.Keys(out)))
	}
	return out
}

// unpacked are the members of an archive, and what stands in their heads.
func unpacked(t *testing.T, b []byte) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := tar.NewReader(z); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[head.Name] = fmt.Sprintf("%+v\n%s", head, text)
	}
}

// daemonOutput is what a daemon on a host answers to every request, logs, and keeps.
func daemonOutput(t *testing.T, h *sim.Host) map[string]string {
	t.Helper()
	state, files := t.TempDir(), t.TempDir()
	log := &heard{listening: make(chan string, 1)}
	o := daemon.Options{Eager: true, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Load: func() (*config.Config, error) {
			c := config.Default()
			c.ListenAddresses, c.StateDir, c.Textfile, c.Inventory, c.InventoryDir, c.Lifecycle = []string{"127.0.0.1:0"}, state, filepath.Join(files, "doctor.prom"), true, files, true
			c.MetricsAll, c.Probes = true, []string{"parameters"}
			return c, nil
		},
		Env: func(c *config.Config) (*gather.Env, error) {
			env := h.Env()
			env.Probes = c.Probes
			return env, nil
		}}
	d, err := daemon.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	var address string
	select {
	case address = <-log.listening:
	case err := <-ended:
		if at := (*net.OpError)(nil); errors.As(err, &at) && at.Op == "listen" {
			t.Skip(err) // no loopback
		}
		t.Fatal(err)
	}
	out := map[string]string{}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, path string) int {
		r, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "application/openmetrics-text")
		resp, err := client.Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Error(err)
		}
		out[method+" "+path] = fmt.Sprint(resp.Header) + string(b)
		return resp.StatusCode
	}
	for ask(http.MethodGet, "/-/ready") != http.StatusOK {
		select {
		case <-time.After(50 * time.Millisecond): // it is at its first run
		case <-t.Context().Done():
			t.Fatal("no run has ended")
		}
	}
	for _, path := range []string{"/", "/?static=1", "/report.html", "/report.json", "/metrics", "/-/healthy", "/explain/", "/explain/no-credential-source"} {
		if code := ask(http.MethodGet, path); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	ask(http.MethodGet, "/explain/none")
	ask(http.MethodPost, "/-/reload")
	ask(http.MethodPost, "/-/run")
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	out["log"] = log.b.String()
	for _, dir := range []string{state, files} {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(name)
			out["kept "+d.Name()] = string(b)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(out["GET /metrics"], "ssm_") || out["kept doctor.prom"] == "" || out["kept history.jsonl"] == "" || out["log"] == "" {
		t.Errorf("outputs are missing: %q", slices.Sorted(maps.Keys(out)))
	}
	return out
}

// heard is a log that tells the address that is listened on.
type heard struct {
	mu        sync.Mutex
	b         bytes.Buffer
	listening chan string
}

var reListening = regexp.MustCompile(`msg=listening address=(\S+)`)

func (s *heard) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := reListening.FindSubmatch(p); m != nil {
		select {
		case s.listening <- string(m[1]):
		default:
		}
	}
	return s.b.Write(p)
}

// TestNoSecretOfConfiguration: an administrator's configuration may hold one by mistake.
// What is said of it, by the command and by the daemon that does not start, shows none.
func TestNoSecretOfConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for k, text := range []string{"endpoint_url: %s\n", "%s: true\n", "web:\n  listen_addresses: [%s]\n", "textfile: %s\n", "region: %s\n", "log:\n  level: %s\n", "schedule:\n  local: %s\n", "features: [%s]\n", "state_dir: %s\n", "web:\n  config_file: %s\n", "agent_latest: %s\n", "web: %s\n", "%s\n"} {
		try := func(secret, value string) {
			name := filepath.Join(dir, "ssm-doctor.yml")
			if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, "%s", value)), 0o600); err != nil {
				t.Fatal(err)
			}
			all := said(t, nil, "config", "check", name)
			s := serve{a: &app{getenv: func(string) string { return "" }}, file: name}
			c, err := s.load()
			if err == nil {
				err = daemon.ValidWeb(c.WebConfigFile)
			}
			if all += fmt.Sprint(err); strings.Contains(all, secret) {
				t.Errorf("%q: %s", strings.ReplaceAll(text, "%s", value), all)
			}
		}
		for i, form := range foreignForms {
			secret := fmt.Sprintf("Zf%02dxK%02dwTr8", k, i)
			try(secret, quoted(fmt.Sprintf(form, secret)))
			if !strings.HasPrefix(form, "'") { // of YAML that is a word by itself
				try(secret, fmt.Sprintf(form, secret))
			}
		}
		for _, secret := range []string{"hunter2", "71235310", "Zf00xK00wTr8"} {
			for _, value := range []string{"*" + secret, "[*" + secret + "]", "&" + secret + " x", "!" + secret + " x", "admin:" + secret, quoted("admin:" + secret), quoted("https://admin:" + secret)} {
				try(secret, value)
			}
		}
	}
}

// TestNoSecretOfWebConfiguration: the file of users and keys is read by another parser.
func TestNoSecretOfWebConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name, conf := filepath.Join(dir, "web.yml"), filepath.Join(dir, "ssm-doctor.yml")
	if err := os.WriteFile(conf, []byte("web:\n  config_file: "+quoted(name)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"basic_auth_users: %s\n", "basic_auth_users: [%s]\n", "%s\n", "*%s\n", "basic_auth_users:\n  admin: *%s\n", "%s: x\n", "tls_server_config: %s\n", "tls_server_config:\n  client_auth_type: %s\n  cert_file: a\n  key_file: b\n", "tls_server_config:\n  min_version: %s\n"} {
		for _, form := range []string{"%s", "password=%s", "\"%s\"", "'it is %s'"} {
			const secret = "hunter2two"
			if err := os.WriteFile(name, []byte(fmt.Sprintf(text, fmt.Sprintf(form, secret))), 0o600); err != nil {
				t.Fatal(err)
			}
			said := said(t, nil, "config", "check", conf)
			if strings.Contains(said, "good") {
				t.Errorf("%q, %q is good", text, form)
			}
			if strings.Contains(said, secret[:5]) {
				t.Errorf("%q, %q: %s", text, form, said)
			}
		}
	}
}
