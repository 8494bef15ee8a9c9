package daemon

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/config"
)

// TestRawRequests: requests that no HTTP library writes get past neither the look at
// the name nor, where there are users, the passwords.
func TestRawRequests(t *testing.T) {
	t.Parallel()
	const end, own, other = "\r\nConnection: close\r\n\r\n", "Host: 127.0.0.1", "Host: attacker.example"
	requests := map[string]struct {
		raw string
		// status of each answer, and whether the report is in one of them
		status []string
		report bool
	}{
		"own name":                 {"GET /report.json HTTP/1.1\r\n" + own + end, []string{"200"}, true},
		"another name":             {"GET /report.json HTTP/1.1\r\n" + other + end, []string{"421"}, false},
		"another name, HTTP/1.0":   {"GET /report.json HTTP/1.0\r\n" + other + end, []string{"421"}, false},
		"no name":                  {"GET /report.json HTTP/1.1" + end, []string{"400"}, false},
		"no name, HTTP/1.0":        {"GET /report.json HTTP/1.0" + end, []string{"421"}, false},
		"an empty name":            {"GET /report.json HTTP/1.1\r\nHost: " + end, []string{"421"}, false},
		"two names":                {"GET /report.json HTTP/1.1\r\n" + own + "\r\n" + other + end, []string{"400"}, false},
		"a name on two lines":      {"GET /report.json HTTP/1.1\r\n" + other + "\r\n 127.0.0.1" + end, []string{"400"}, false},
		"a user in the name":       {"GET /report.json HTTP/1.1\r\nHost: attacker.example@127.0.0.1" + end, []string{"400"}, false},
		"a number":                 {"GET /report.json HTTP/1.1\r\nHost: 2130706433" + end, []string{"421"}, false},
		"begins with ours":         {"GET /report.json HTTP/1.1\r\nHost: localhost.attacker.example" + end, []string{"421"}, false},
		"begins with our address":  {"GET /report.json HTTP/1.1\r\nHost: 127.0.0.1.attacker.example" + end, []string{"421"}, false},
		"another name in the path": {"GET http://attacker.example/report.json HTTP/1.1\r\n" + own + end, []string{"421"}, false},
		"our name forwarded":       {"GET /report.json HTTP/1.1\r\n" + other + "\r\nX-Forwarded-Host: 127.0.0.1\r\nForwarded: host=127.0.0.1" + end, []string{"421"}, false},
		"through an open path":     {"GET /-/healthy/../../report.json HTTP/1.1\r\n" + other + end, []string{"421"}, false},
		"through metrics":          {"GET /metrics/../report.json HTTP/1.1\r\n" + other + end, []string{"421"}, false},
		"out of the tree":          {"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + own + end, []string{"404"}, false},
		"a line in the path":       {"GET /%0d%0aX-Injected:1 HTTP/1.1\r\n" + own + end, []string{"404"}, false},
		"a tunnel":                 {"CONNECT attacker.example:443 HTTP/1.1\r\nHost: attacker.example:443" + end, []string{"421"}, false},
		"preface of HTTP/2":        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []string{"421"}, false},
		"two lengths":              {"POST / HTTP/1.1\r\n" + own + "\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", []string{"400"}, false},
		"a length below zero":      {"POST / HTTP/1.1\r\n" + own + "\r\nContent-Length: -1\r\n\r\n", []string{"400"}, false},
		"unknown coding":           {"POST / HTTP/1.1\r\n" + own + "\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", []string{"501"}, false},
		"a request in a body":      {"POST / HTTP/1.1\r\n" + own + "\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /report.json HTTP/1.1\r\n" + other + end, []string{"405", "421"}, false},
		"a zero byte":              {"GET / HTTP/1.1\r\n" + own + "\r\nX: a\x00b" + end, []string{"400"}, false},
		"a space in a header":      {"GET / HTTP/1.1\r\n" + own + "\r\nX Y: a" + end, []string{"400"}, false},
		"a large header":           {"GET / HTTP/1.1\r\n" + own + "\r\nX: " + strings.Repeat("a", 40_000) + end, []string{"431"}, false},
		"many headers":             {"GET / HTTP/1.1\r\n" + own + strings.Repeat("\r\nX: a", 10_000) + end, []string{"431"}, false},
		"a large path":             {"GET /" + strings.Repeat("a", 100_000) + " HTTP/1.1\r\n" + own + end, []string{"431"}, false},
		"another method":           {"TRACE / HTTP/1.1\r\n" + own + end, []string{"405"}, false},
		"profiles":                 {"GET /debug/pprof/ HTTP/1.1\r\n" + own + end, []string{"404"}, false},
		"lifecycle that is not on": {"POST /-/run HTTP/1.1\r\n" + own + "\r\nContent-Length: 0" + end, []string{"404"}, false},
	}
	users := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(users, []byte("basic_auth_users: {a: "+hashOf(t, "right")+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, guarded := range []bool{false, true} {
		address, stop := serveTest(t, func(c *config.Config) {
			if guarded {
				c.WebConfigFile = users
			}
		})
		for !guarded && strings.Contains(rawAnswer(t, address, requests["own name"].raw), " 503 ") {
			runtime.Gosched() // its first run is still on
		}
		for name, tc := range requests {
			got := rawAnswer(t, address, tc.raw)
			var status []string
			for _, part := range strings.Split(got, "HTTP/1.")[1:] {
				_, rest, _ := strings.Cut(part, " ")
				status = append(status, rest[:min(3, len(rest))])
			}
			report := strings.Contains(got, "ssm-doctor/report/v1")
			switch {
			case guarded && report:
				t.Errorf("%s: the report without a password", name)
			case guarded:
				for _, s := range status {
					if s[0] != '4' && s[0] != '5' {
						t.Errorf("%s: %s without a password", name, s)
					}
				}
			case report != tc.report || strings.Join(status, " ") != strings.Join(tc.status, " "):
				t.Errorf("%s: %v, report %t, want %v, %t", name, status, report, tc.status, tc.report)
			}
			if strings.Contains(got, "\nX-Injected") {
				t.Errorf("%s: a header was put into the answer", name)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// rawAnswer is what comes back until the far end closes.
func rawAnswer(t *testing.T, address, raw string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(c, raw) // the far end may have closed before the end
	var b bytes.Buffer
	_, _ = io.Copy(&b, io.LimitReader(c, 1<<20))
	return b.String()
}
