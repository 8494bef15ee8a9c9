package report

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/text"
)

// mostLines is how long the command of one step may be at 80 columns.
const mostLines = 17

// chosen are words that nothing looks up: what is the reader's to choose or to know, and what
// the step before prints.
var chosen = []string{"ACTIVATION_ID", "ACTIVATION_CODE", "RULE_NAME", "POLICY_NAME", "POLICY_ID", "KEY", "YOUR-CA", "PROXY", "PORT", "PROXY_URL", "ENDPOINT", "SERVICE"}

// TestEachWordIsSaid: whatever of a host is not known, each word that stands for it is one that
// the report explains, with a command that prints it, and that asks for nothing that is known.
func TestEachWordIsSaid(t *testing.T) {
	t.Parallel()
	word := regexp.MustCompile(`(?:^|[^A-Za-z0-9_$%{.-])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b`)
	ours := regexp.MustCompile(`^(AWS|USER_AVC|SERVICE_CONTROL|RESOURCE_CONTROL|LD|SSL|IMAGE_STATE|NO_PROXY$|HTTPS?_PROXY|LC|HKEY)`)
	for _, goos := range []string{"linux", "windows", "darwin"} {
		for _, c := range causes.All() {
			for _, step := range slices.Concat(append(c.Ways, c.Fix, c.Image)...) {
				v := causes.Values{"goos": goos}
				if !step.Applies(v) {
					continue
				}
				f := step.Fill(v)
				out := Step{Text: f.Text, Command: f.Command, Where: f.Where}
				for _, m := range word.FindAllStringSubmatch(f.Command.String(), -1) {
					if !ours.MatchString(m[1]) && blanks[m[1]] == "" {
						t.Errorf("%s on %s: nothing says what %s is: %s", c.ID, goos, m[1], f.Command)
					}
				}
				for _, w := range blanksIn([]Step{out}) {
					if !slices.Contains(chosen, w) && !strings.Contains(blanks[w], "`") {
						t.Errorf("%s on %s: nothing prints %s (%s)", c.ID, goos, w, blanks[w])
					}
				}
			}
		}
	}
	r := &Report{Node: Node{ID: "i-0a1b2c3d4e5f60718", Region: "eu-central-1", Account: "111122223333"}}
	note := blankNote(r, []Step{{Command: text.Plain("aws ec2 modify-volume --volume-id VOLUME_ID --size NEW_SIZE_GIB")}, {Command: text.Plain("aws iam get-role --role-name ROLE_NAME")}})
	if strings.Contains(note, "INSTANCE_ID") || strings.Contains(note, "REGION") || !strings.Contains(note, "Values=i-0a1b2c3d4e5f60718") || strings.Count(note, "VOLUME_ID: ") != 1 {
		t.Error(note)
	}
	note = blankNote(&Report{}, []Step{{Command: text.Plain("aws iam get-role --role-name ROLE_NAME")}})
	if !strings.Contains(note, "INSTANCE_ID: one of the instances") { // which the command for the role takes
		t.Error(note)
	}
}

// TestCommandsAreShort: no step asks a reader to paste more than a screen shows, and each
// word that is left to him says where to find its value.
func TestCommandsAreShort(t *testing.T) {
	t.Parallel()
	looksUp := regexp.MustCompile("`[a-z-]+ [^`]+`")
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
