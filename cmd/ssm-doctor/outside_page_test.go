package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/engine"
)

// What a page with both halves holds: what an operator's file said, and no host alone does.
const bothHalves = "Looked at from outside"

// TestServeOutsidePage: the status page, the page as a file and the report of a daemon that
// is given the operator's half hold it, and those of one without do not.
func TestServeOutsidePage(t *testing.T) {
	t.Parallel()
	h, err := demoHost("no-egress")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	alone, _ := engine.Run(t.Context(), named(h.Env()), engine.Options{})
	path := filepath.Join(t.TempDir(), "outside.json")
	outsideFile(t, path, alone.Node.ID, h.Env().Now().Add(-time.Minute))
	for _, given := range []bool{true, false} {
		args := []string{"serve", "--demo", "no-egress", "--web.listen-address", "127.0.0.1:0", "--log.format", "logfmt"}
		if given {
			args = append(args, "--outside", path)
		}
		ctx, stop := context.WithCancel(t.Context())
		r, w := io.Pipe()
		a := &app{in: strings.NewReader(""), out: io.Discard, err: w, getenv: func(string) string { return "" }}
		ended := make(chan int, 1)
		go func() {
			ended <- a.run(ctx, func() {}, args)
			_ = w.Close()
		}()
		var address, said string
		asked := false
		for lines := bufio.NewScanner(r); lines.Scan(); {
			said += lines.Text() + "\n"
			if m := regexp.MustCompile(`msg=listening address=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
				address = m[1]
			}
			if !strings.Contains(lines.Text(), `msg="first verdict since the start"`) {
				continue
			}
			for _, page := range []string{"/", "/report.html"} {
				if got := get(t, "http://"+address+page); strings.Contains(got, bothHalves) != given || !strings.Contains(got, "no-egress") {
					t.Errorf("given %v: %s of %d bytes", given, page, len(got))
				}
			}
			var got struct {
				Outside *struct {
					Looked []struct{ What string }
				}
				NotLookedAt []any `json:"not_looked_at"`
			}
			if err := json.Unmarshal([]byte(get(t, "http://"+address+"/report.json")), &got); err != nil {
				t.Error(err)
			}
			if (got.Outside != nil && len(got.Outside.Looked) > 0) != given || (len(got.NotLookedAt) < len(alone.NotLookedAt)) != given {
				t.Errorf("given %v: %+v", given, got)
			}
			asked = true
			stop()
		}
		if code := <-ended; code != 0 || !asked {
			t.Errorf("ended with %d\n%s", code, said)
		}
		stop()
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestCheckOutsidePage: the page of a recording and the operator's half holds both.
func TestCheckOutsidePage(t *testing.T) {
	t.Parallel()
	h, err := demoHost("no-egress")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	alone, _ := engine.Run(t.Context(), named(h.Env()), engine.Options{})
	dir := filepath.Join(t.TempDir(), "recording")
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, getenv: func(string) string { return "" }}
	if err := a.collectRaw(cmd, named(h.Env()), dir, "-", true, time.Minute); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "outside.json")
	outsideFile(t, path, alone.Node.ID, h.Env().Now())
	for _, given := range []bool{true, false} {
		args := []string{"check", "--from", dir, "-o", "html"}
		if given {
			args = append(args, "--outside", path)
		}
		code, page, trouble := command(t, args...)
		if code != exitUnknown || strings.Contains(page, bothHalves) != given { // what the environment of the service is, no recording says
			t.Errorf("given %v: %d, %s, %s", given, code, strings.Join(regexp.MustCompile("(?s)<title>.*?</title>|<h1.*?</h1>").FindAllString(page, -1), " "), trouble)
		}
		if given && strings.Contains(page, "111122223333") {
			t.Error("the account is shown in a page for others")
		}
	}
}
