package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

var names = Names{MetricGroups: []string{"node", "checks"}, Features: []string{"core", "inventory"}, Probes: []string{"ec2"}}

func none(string) string { return "" }

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ssm-doctor.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoad(t *testing.T) {
	t.Parallel()
	file := write(t, `
web:
  listen_addresses: [":1", "[::1]:2"]
  enable_lifecycle: true
schedule:
  network: 10m
metrics:
  disable: checks
  features:
log:
  # all commented out
state_dir: ""
`)
	c, err := Load(file, true, none, nil, names)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.ListenAddresses, want.Lifecycle, want.Network = []string{":1", "[::1]:2"}, true, 10*time.Minute
	want.MetricsDisable, want.StateDir = []string{"checks"}, ""
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
}

// Flags beat the environment, which beats the file, which beats the defaults.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := write(t, "schedule: {local: 11s, network: 11m, permissions: 11h}\nweb: {listen_addresses: [':11']}")
	env := map[string]string{"SSM_DOCTOR_SCHEDULE_NETWORK": "12m", "SSM_DOCTOR_SCHEDULE_PERMISSIONS": "12h", "SSM_DOCTOR_WEB_LISTEN_ADDRESS": ":12,:13", "STATE_DIRECTORY": "/run/x:/run/y"}
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	given := AddFlags(fs, names)
	if err := fs.Parse([]string{"--schedule.permissions=13h", "--metrics.lean", "--feature", "core", "--feature=inventory"}); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, true, func(k string) string { return env[k] }, given(), names)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Local, want.Network, want.Permissions = 11*time.Second, 12*time.Minute, 13*time.Hour
	want.ListenAddresses, want.StateDir, want.MetricsLean, want.Features = []string{":12", ":13"}, "/run/x", true, []string{"core", "inventory"}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "web:\n  listen_address: ':1'\n", `line 2: unknown key "web.listen_address" (did you mean web.listen_addresses?)`},
		{"unknown key like a part of one", "web:\n  adress: ':1'\n", `line 2: unknown key "web.adress"`},
		{"unknown key like none", "intervall: 5s\n", `line 1: unknown key "intervall"; "ssm-doctor config show" prints every key`},
		{"misspelt Region", "target:\n  region: eu-centrl-1\n", `line 2: target.region: "eu-centrl-1" does not look like a Region (did you mean eu-central-1?)`},
		{"unknown section", "schedul:\n  local: 1s\n", `line 1: unknown key "schedul" (did you mean schedule?)`},
		{"dotted key", "web.report: full\n", ""},
		{"twice", "state_dir: /a\nstate_dir: /b\n", "line 2"},
		{"twice the section", "web: {report: full}\nweb: {report: off}\n", "line 2"},
		{"twice in two ways", "schedule.local: 5s\nschedule: {local: 10s}\n", `line 2: "schedule.local" is set twice`},
		{"no TCP", "web:\n  listen_addresses: ['vsock://:1']\n", `line 2: web.listen_addresses: "vsock://:1" is not HOST:PORT`},
		{"textfile nobody reads", "textfile: /tmp/x.txt\n", `line 1: textfile: "/tmp/x.txt" does not end in .prom`},
		{"URL for an endpoint", "target:\n  endpoint_url: http://x\n", `line 2: target.endpoint_url: "http://x" is not host:port`},
		{"list for one", "state_dir: [/a]\n", "line 1: state_dir: wants one value, not a list"},
		{"keys for a value", "state_dir: {a: b}\n", "line 1: state_dir: wants a value, not keys"},
		{"no duration", "schedule:\n  local: soon\n", `line 2: schedule.local: "soon" is not a length of time`},
		{"too short", "schedule:\n  local: 1s\n", "line 2: schedule.local: 1s is outside 5s to 1h"},
		{"bad word", "log: {level: inf}\n", "did you mean info?"},
		{"bad boolean", "web: {enable_lifecycle: yes}\n", "neither true nor false"},
		{"bad address", "web: {listen_addresses: [localhost]}\n", "is not HOST:PORT"},
		{"bad port", "web: {listen_addresses: ['h:70000']}\n", "no such port"},
		{"nothing to listen on", "web: {listen_addresses: []}\n", "nothing to listen on"},
		{"unknown group", "metrics: {disable: [check]}\n", "did you mean checks?"},
		{"both", "metrics: {lean: true, all: true}\n", "exclude each other"},
		{"local above network", "schedule: {local: 10m, network: 5m}\n", "longer than"},
		{"relative directory", "state_dir: state\n", "not an absolute path"},
		{"alias", "a: &a /x\nstate_dir: *a\n", "line 1"},
		{"alias of a value", "state_dir: &a /x\ntextfile: *a\n", "aliases are not accepted"},
		{"two documents", "state_dir: /a\n---\nstate_dir: /b\n", "more than one document"},
		{"no mapping", "- a\n", "line 1"},
		{"no YAML", "a: [\n", "is not YAML: line 1: "},
		{"list of lists", "web: {listen_addresses: [[':1']]}\n", "a list of words"},
	} {
		_, err := Check(write(t, c.text), names)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Check(write(t, strings.Repeat("#", maxFile+1)), names); err == nil {
		t.Error("a file beyond the limit was read")
	}
	if _, err := Check(filepath.Join(t.TempDir(), "none.yml"), names); err == nil {
		t.Error("a missing file that was named is no error")
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yml"), false, none, nil, names); err != nil {
		t.Errorf("a missing file that was not named: %v", err)
	}
	if _, err := Check(t.TempDir(), names); err == nil {
		t.Error("a directory was read")
	}
}

// The example holds every key at its default, so it means nothing until edited,
// and is valid with its comments taken away.
func TestExample(t *testing.T) {
	t.Parallel()
	text := Example(names)
	c, err := Load(write(t, text), true, none, nil, names)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Default(), c); d != "" {
		t.Error(d)
	}
	var bare strings.Builder
	n := 0
	for l := range strings.Lines(text) {
		trimmed := strings.TrimLeft(l, " ")
		if strings.HasPrefix(trimmed, "#") && !strings.HasPrefix(trimmed, "# ") {
			l = strings.Replace(l, "#", "", 1)
			n++
		}
		bare.WriteString(l)
	}
	if want := len(settings(Default(), names)); n != want {
		t.Errorf("%d keys in the example, %d settings", n, want)
	}
	c, err = Load(write(t, bare.String()), true, none, nil, names)
	if err != nil {
		t.Fatalf("%v\n%s", err, bare.String())
	}
	want := Default()
	for _, p := range []*[]string{&c.AllowedHosts, &c.MetricsDisable, &c.MetricsFeatures, &c.Features, &c.Probes} {
		if len(*p) == 0 {
			*p = nil
		}
	}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("web:\n  listen_addresses: [':1']\nschedule: {local: 30s}\n")
	f.Add("a: &a [*a]\n")
	f.Add("? {a: b}\n: c\n")
	f.Add("state_dir: !!binary aGVsbG8=\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := Default()
		if apply(settings(c, names), []byte(text)) == nil && c.validate() == nil {
			if c.Local < 5*time.Second || c.Network < c.Local || len(c.ListenAddresses) > maxList {
				t.Errorf("out of bounds: %+v", c)
			}
		}
	})
}
