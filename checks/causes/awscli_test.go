//go:build awscli

package causes

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAWSCommands has the AWS CLI read every command that is for it, by its own models and
// without a network: an operation or option that it does not have fails.
func TestAWSCommands(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Fatal("no AWS CLI here: " + err.Error())
	}
	dir := t.TempDir()
	for _, name := range []string{"KEY.pub", "policy.json", "changed.json", "boundary.json", "endpoint.json", "preferences.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tried := 0
	seen := map[string]bool{}
	for command := range commandsOf(fullValues()) {
		for _, args := range awsCalls(command) {
			key := strings.Join(args, " ")
			if seen[key] {
				continue
			}
			seen[key] = true
			if tried++; args[1] == "start-session" || args[1] == "wait" {
				continue // commands of their own, which know no skeleton
			}
			cmd := exec.CommandContext(t.Context(), "aws", append(args, "--generate-cli-skeleton")...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=none", "AWS_SECRET_ACCESS_KEY=none", "AWS_ENDPOINT_URL=http://127.0.0.1:9", "AWS_DEFAULT_REGION=eu-central-1", "AWS_PAGER=")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s\naws %s", err, out, key)
			}
		}
	}
	t.Logf("%d commands", tried)
}

// awsCalls are the arguments of the calls of the AWS CLI in a script, those within $(…)
// included. What only a shell knows is replaced.
func awsCalls(script string) [][]string {
	var out [][]string
	for _, w := range simple(script) {
		for _, x := range w.list {
			if i := strings.Index(x, "$("); i >= 0 {
				out = append(out, awsCalls(strings.TrimSuffix(x[i+2:], ")"))...)
			}
		}
		list := w.list
		for len(list) > 0 && keywords[list[0]] {
			list = list[1:]
		}
		if len(list) < 3 || list[0] != "aws" {
			continue
		}
		var args []string
		for _, x := range list[1:] {
			switch {
			case x == "$LATEST":
			case x == "NEW_SIZE_GIB":
				x = "20"
			case strings.HasPrefix(x, "$("), strings.HasPrefix(x, "$"):
				x = "value"
			case strings.Contains(x, "$"):
				x = strings.ReplaceAll(x, "$s", "ssm")
			}
			args = append(args, x)
		}
		out = append(out, args)
	}
	return out
}
