package gather

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
)

// testNow is a few minutes after the last line of the fixtures' logs.
var testNow = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// testEnv is a Linux host whose root is dir, taken as the running system, with
// no programs and no network.
func testEnv(t testing.TB, dir string) *Env {
	t.Helper()
	env, err := Host(dir)
	if err != nil {
		t.Fatal(err)
	}
	env.Live, env.Root, env.GOOS, env.GOARCH, env.UID = true, "/", "linux", "amd64", 0
	env.Now = func() time.Time { return testNow }
	env.Getenv = func(string) string { return "" }
	env.Exec, env.Dial, env.Lookup, env.StatFS, env.Attr, env.Kernel, env.Owner = nil, nil, nil, nil, nil, nil, nil
	return env
}

// gatherFrom runs sources over a directory.
func gatherFrom(t testing.TB, dir string, sources ...Source) *facts.Facts {
	t.Helper()
	return gatherEnv(t, testEnv(t, dir), sources...)
}

func gatherEnv(t testing.TB, env *Env, sources ...Source) *facts.Facts {
	t.Helper()
	f, run := &facts.Facts{}, env.Begin()
	for _, s := range sources {
		if err := s.Gather(context.Background(), run, f); err != nil {
			t.Errorf("%s: %v", s.Name(), err)
		}
	}
	return f
}

func fixtures(t testing.TB) []string {
	t.Helper()
	es, err := os.ReadDir("testdata/agent")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range es {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	if len(out) < 10 {
		t.Fatalf("only %d fixtures", len(out))
	}
	return out
}

// TestFixtures compares what the sources say about trees that a real agent left.
func TestFixtures(t *testing.T) {
	t.Parallel()
	for _, name := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("testdata", "agent", name)
			f := gatherFrom(t, dir, FileSources()...)
			// Modes and times of a checkout are not those of the host.
			f.Registration.Paths = nil
			f.Credentials.Runtime.Value.ModifiedAt = time.Time{}
			f.Credentials.DHMCFile.Value.ModifiedAt = time.Time{}
			f.Credentials.RootFile.Value.ModifiedAt = time.Time{}
			got, err := json.MarshalIndent(map[string]any{
				"registration": f.Registration, "credentials": f.Credentials, "log": f.Log,
				"running": f.Agent.Running, "versions": f.Agent.Versions, "starts": f.Agent.Starts,
			}, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			golden := dir + ".json"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("facts changed (-want +got):\n%s", d)
			}
		})
	}
}

// TestNoSecretInFacts looks for the secrets of every fixture in all its facts.
func TestNoSecretInFacts(t *testing.T) {
	t.Parallel()
	for _, name := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join("testdata", "agent", name)
			f := gatherFrom(t, dir, FileSources()...)
			b, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range secretsOf(t, dir) {
				if bytes.Contains(b, []byte(s)) {
					t.Errorf("the facts contain a secret that begins with %q", s[:4])
				}
			}
		})
	}
}

// secretsOf collects pieces of keys, tokens and machine ids of a fixture.
func secretsOf(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	for _, name := range []string{"RegistrationKey", "EC2RegistrationKey", "InstanceFingerprint"} {
		b, err := os.ReadFile(filepath.Join(dir, "var/lib/amazon/ssm/Vault/Store", name))
		if err != nil {
			continue
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		if k, ok := m["privateKey"].(string); ok && len(k) > 200 {
			out = append(out, k[64:128])
		}
		if h, ok := m["hardwareHash"].(map[string]any); ok {
			out = append(out, strings.TrimSpace(h["machine-id"].(string)), m["fingerprint"].(string))
		}
	}
	for _, name := range []string{"var/lib/amazon/ssm/credentials", "root/.aws/credentials"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		sections, err := parseINI(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sections {
			for k, v := range s.values {
				if strings.HasPrefix(k, "aws_") {
					out = append(out, v)
				}
			}
		}
	}
	return out
}

func TestKeysAreHandedOver(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{"healthy-dhmc": facts.SourceDHMC, "hybrid-healthy": facts.SourceHybrid} {
		env := testEnv(t, filepath.Join("testdata", "agent", name))
		run := env.Begin()
		if err := (credentialsSource{}).Gather(t.Context(), run, &facts.Facts{}); err != nil {
			t.Error(err)
		}
		k, ok := run.keysOf(source)
		if !ok || !strings.HasPrefix(k.id, "ASIA") || k.secret == "" || k.token == "" {
			t.Errorf("%s: no usable keys for %s", name, source)
		}
	}
}

func hasDamage(f *facts.Facts, kind string) bool {
	for _, d := range f.Registration.Damage {
		if d.Kind == kind {
			return true
		}
	}
	return false
}

// TestSourcesEndEarly: a source whose time is up returns what it has.
func TestSourcesEndEarly(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	env := testEnv(t, "testdata/agent/healthy-profile")
	for _, s := range FileSources() {
		if err := s.Gather(ctx, env.Begin(), &facts.Facts{}); err != nil {
			t.Errorf("%s: %v", s.Name(), err)
		}
	}
}
