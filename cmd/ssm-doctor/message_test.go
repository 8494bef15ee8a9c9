package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/report"
)

func TestMessage(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"plain":              errors.New("plain"),
		`a\x1b[31m\nb`:       errors.New("a\x1b[31m\nb"),
		`read x\nFAKE: no`:   fmt.Errorf("read %s: %w", "x\nFAKE", errors.New("no")),
		"one\ntwo\\nthree":   errors.Join(errors.New("one"), errors.New("two\nthree")),
		"1\n2":               usagef("%w", errors.Join(errors.New("1"), errors.New("2"))),
		"last lines:\n  | x": errors.New("last lines:\n  | x"),
	} {
		if got := message(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestHostileArguments: what was typed, or a script was given, comes back without
// escapes and on one line.
func TestHostileArguments(t *testing.T) {
	t.Parallel()
	const evil = "x\x1b]0;OWNED\x07\nINJECT\u202e\u009b31m"
	for _, args := range [][]string{
		{"check", "--from", evil}, {"check", "--root", evil}, {"demo", "-f", "/missing/" + evil}, {"demo", evil}, {evil}, {"--" + evil}, {"check", "--output", evil}, {"explain", evil}, {"check", "--region", evil}, {"check", "--only", evil}, {"permissions", "--policy", evil}, {"summary", evil}, {"compare", evil, evil}, {"outside", "--instance", evil, "--region", "eu-central-1"}, {"check", "--outside", evil}, {"summary", "-o", evil}, {"summary", "--since", evil},
		{"check", "--textfile", evil}, {"check", "--endpoint-url", evil}, {"config", "check", evil}, {"check", "--feature", evil}, {"service", "install", "--executable", evil}, {"serve", "--config.file", evil}, {"history", "--state-dir", "/missing/" + evil},
		{"permissions", "--minimal", "--feature", evil}, {"completion", evil}, {"help", evil}, {"demo", "--" + evil + "=1"}, {"check", "--timeout", evil},
	} {
		var out, errOut bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &errOut, getenv: func(string) string { return "" }}
		a.run(context.WithoutCancel(t.Context()), func() {}, args)
		all := out.String() + errOut.String()
		if strings.ContainsAny(all, "\x1b\x07\u202e\u009b") {
			t.Errorf("%q: escapes come back: %q", args, all)
		}
		for l := range strings.SplitSeq(all, "\n") {
			if strings.HasPrefix(strings.TrimSpace(l), "INJECT") {
				t.Errorf("%q: a line that is not ours: %q", args, all)
			}
		}
	}
}

func TestHistoryIsEscaped(t *testing.T) {
	t.Parallel()
	list := []report.Transition{{At: time.Unix(0, 0), State: "managed\u202e\u009b31m\x1b", Cause: "\x7f\u2028"}}
	for _, format := range []string{"text", "json"} {
		var b bytes.Buffer
		if err := writeHistory(&b, format, "", list); err != nil || strings.ContainsAny(b.String(), "\u202e\u009b\x1b\x7f\u2028") {
			t.Errorf("%s: %v, %q", format, err, b.String())
		}
	}
}
