package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"ssm-doctor/agent/sim"
)

// command runs a command line and returns its exit code and outputs.
func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &o, err: &e, getenv: func(string) string { return "" }}
	code = a.run(t.Context(), func() {}, args)
	return code, o.String(), e.String()
}

func TestDemoCommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args         []string
		code         int
		out, trouble string
	}{
		{[]string{"demo"}, exitNotManaged, "no-credential-source", ""},
		{[]string{"demo", "--list"}, exitManaged, "tls-interceptor", ""},
		{[]string{"demo", "healthy-dhmc"}, exitManaged, "MANAGED", ""},
		{[]string{"demo", "session-manager-broken"}, exitManaged, "iam-missing-channel-action", ""},
		{[]string{"demo", "session-manager-broken", "--fail-on", "warning"}, exitDegraded, "iam-missing-channel-action", ""},
		{[]string{"demo", "clock-skew", "--fail-on=never", "-o", "short"}, exitManaged, "clock-skew", ""},
		{[]string{"demo", "clock-skew", "--lift"}, exitManaged, "MANAGED", ""},
		{[]string{"demo", "clock-skwe"}, exitUsage, "", "did you mean clock-skew?"},
		{[]string{"demo", "healthy-profile", "healthy-dhmc"}, exitUsage, "", "one name"},
		{[]string{"demo", "-o", "no-such"}, exitUsage, "", "--output must be one of"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			code, out, trouble := command(t, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(out, tt.out) || tt.out == "" && out != "" {
				t.Errorf("standard output does not hold %q:\n%s", tt.out, out)
			}
			if !strings.Contains(trouble, tt.trouble) || tt.trouble == "" && trouble != "" {
				t.Errorf("standard error does not hold %q:\n%s", tt.trouble, trouble)
			}
		})
	}
}

// Every demo in JSON is one report of the contract's schema that hides the account.
func TestDemoJSON(t *testing.T) {
	t.Parallel()
	for _, name := range sim.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, out, trouble := command(t, "demo", name, "-o", "json")
			if trouble != "" {
				t.Errorf("standard error: %s", trouble)
			}
			var r struct {
				Schema   string `json:"schema"`
				Redacted bool   `json:"redacted"`
				Checks   []any  `json:"checks"`
			}
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatal(err)
			}
			if r.Schema != "ssm-doctor/report/v1" || !r.Redacted || len(r.Checks) < 40 {
				t.Errorf("schema %q, redacted %v, %d checks", r.Schema, r.Redacted, len(r.Checks))
			}
			if strings.Contains(out, "111122223333") {
				t.Error("the account number is shown")
			}
		})
	}
}
