package report

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/causes"
)

// mostLines is how long the command of one step may be at 80 columns.
const mostLines = 16

// TestCommandsAreShort: no step asks a reader to paste more than a screen shows, and each
// word that is left to him says where to find its value.
func TestCommandsAreShort(t *testing.T) {
	t.Parallel()
	looksUp := regexp.MustCompile("`[a-z-]+ [^`]+`")
	chosen := []string{"NEW_SIZE_GIB", "ACTIVATION_ID", "ACTIVATION_CODE", "RULE_NAME", "POLICY_NAME", "IMAGE", "KEY", "YOUR-CA", "PROXY", "PORT", "PROXY_URL"} // or printed by the step before
	for _, goos := range []string{"linux", "windows", "darwin"} {
		v := causes.Values{"goos": goos}
		for _, name := range []string{"instance", "node", "region", "account", "role", "profile", "servicerole", "vpc", "subnet", "sg", "cidr", "cluster", "service", "endpoint", "address", "action", "resource", "policy", "policyid", "proxy", "noproxy",
			"resolver", "gateway", "interface", "path", "mount", "version", "package", "issuer", "user", "bucket", "loggroup", "key", "pinned"} {
			v[name] = "value-of-" + name
		}
		s := &screen{r: &Report{Node: Node{GOOS: goos}}, s: Style{Width: 80}}
		for _, c := range causes.All() {
			for _, step := range slices.Concat(append(c.Ways, c.Fix, c.Image)...) {
				if !step.Applies(v) {
					continue
				}
				f := step.Fill(v)
				out := Step{Text: f.Text, Command: f.Command, Where: f.Where}
				if n := len(s.command(out)); n > mostLines {
					t.Errorf("%s on %s: %d lines: %s", c.ID, goos, n, f.Command)
				}
				for _, w := range blanksIn([]Step{out}) {
					if !slices.Contains(chosen, w) && !looksUp.MatchString(blanks[w]) && strings.Contains(step.Command, w) {
						t.Errorf("%s on %s: nothing prints %s (%s): %s", c.ID, goos, w, blanks[w], f.Command)
					}
				}
			}
		}
	}
}
