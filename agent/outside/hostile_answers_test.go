package outside

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostileNames are what an answer may name so that the next call does something else.
var hostileNames = []string{"file:///etc/passwd", "fileb:///etc/passwd", "http://evil.example/", "x,Values@=file:///etc/passwd", "--debug", "-x", "*", "/etc/*", "$(touch pwned)", "`touch pwned`", "; touch pwned", "a b", "a\nb", "\"x", "..", strings.Repeat("a", 20_000)}

// TestHostileAnswers: whatever answers name, no later call has an option, a file or an
// address that is not our own in it.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	asked := 0
	for _, bad := range hostileNames {
		for _, target := range []Target{{Region: "eu-central-1", IDs: []string{one}}, {Region: "eu-central-1", All: true}, {Region: "eu-central-1", Tag: "env=prod"}} {
			w := sound()
			Collect(t.Context(), func(ctx context.Context, args ...string) ([]byte, []byte, error) {
				asked++
				for i, a := range args {
					if strings.Contains(a, bad) && !strings.HasPrefix(bad, "..") || i > 1 && strings.HasPrefix(a, "-") && !ownOptions[a] || len(a) > 10_000 {
						t.Errorf("%q: %q", bad, args)
					}
				}
				var journal []string
				out, stderr, err := w.runner(&journal)(ctx, args...)
				return everyText(out, bad), stderr, err
			}, target, time.Now(), "test")
		}
	}
	if asked < 100 {
		t.Errorf("%d calls", asked)
	}
}

var ownOptions = map[string]bool{"--output": true, "--region": true, "--filters": true, "--filter": true, "--max-items": true, "--setting-id": true, "--instance-profile-name": true, "--role-name": true,
	"--policy-arn": true, "--policy-name": true, "--version-id": true, "--target-id": true, "--child-id": true, "--policy-id": true, "--starting-token": true}

// everyText puts a text in the place of every id and name of an answer, and asks for more.
func everyText(b []byte, text string) []byte {
	var v any
	if json.Unmarshal(b, &v) != nil {
		return b
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case string:
			return text
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			for k := range v {
				v[k] = walk(v[k])
			}
			v["NextToken"] = text
		}
		return v
	}
	out, _ := json.Marshal(walk(v))
	return out
}

// TestHostileScript: the same of the script, in which a shell is between.
func TestHostileScript(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	for n, bad := range hostileNames {
		dir := t.TempDir()
		journal, answer := filepath.Join(dir, "journal"), filepath.Join(dir, "answer")
		if err := os.WriteFile(answer, []byte(bad+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		fake := "#!/bin/sh\nfor a; do printf '<%s>' \"$a\"; done >>" + sh(journal) + "\necho >>" + sh(journal) + "\ncase \"$*\" in *'--output text') cat " + sh(answer) + " ;; *) echo '{}' ;; esac\n"
		if err := os.WriteFile(filepath.Join(dir, "aws"), []byte(fake), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, target := range []Target{{Region: "eu-central-1", IDs: []string{one}}, {Region: "eu-central-1", Tag: "it's $(touch pwned)=`touch pwned` \"x\" *"}} {
			script := strings.ReplaceAll(Script(target), "while [ -n \"$at\" ]", "while false")
			c := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
			c.Dir, c.Env = dir, []string{"PATH=" + dir + ":/usr/bin:/bin", "TMPDIR=" + dir}
			out, err := c.Output()
			if err != nil {
				t.Fatalf("%q: %v", bad, err)
			}
			if _, err := Parse(out); err != nil {
				t.Errorf("%q: %v: %s", bad, err, out)
			}
		}
		b, err := os.ReadFile(journal)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
			t.Errorf("%q was run", bad)
		}
		if n < 8 && strings.Contains(string(b), "<"+bad) || strings.Contains(string(b), "file://") || strings.Contains(string(b), "<answer>") {
			t.Errorf("%q: %s", bad, b)
		}
	}
}
