package report

import (
	"strings"
	"testing"
)

func TestVerdictLine(t *testing.T) {
	t.Parallel()
	bad := strings.Repeat("\x1b\u202e\x01", 400)
	r := &Report{State: NotManaged, Version: bad, AgentVersion: "3.3.40.0", Node: Node{ID: "i-0123456789abcdef0", Kind: "ec2", Region: "eu-central-1", Account: "111122223333", Image: "ami-0a1b2c3d4e5f60718"},
		RootCause: &Cause{ID: "network-no-egress", Severity: "critical", Confidence: "proven"}, Credentials: Credentials{Role: "WebServerRole"}}
	for name, change := range map[string]func(){"hostile version": func() {}, "plain": func() { r.Version = "1.0.0" }} {
		change()
		var b strings.Builder
		if err := Write(&b, "verdict", r, Style{}); err != nil {
			t.Fatal(err)
		}
		out := b.String()
		if len(out) > VerdictMax || strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, `ssm-doctor: {"schema":"ssm-doctor/verdict/v1"`) || !strings.Contains(out, `"id":"network-no-egress"`) {
			t.Errorf("%s: %d bytes: %q", name, len(out), out)
		}
		for _, secret := range []string{"111122223333", "WebServerRole", "\x1b", "\u202e"} {
			if strings.Contains(out, secret) {
				t.Errorf("%s: it holds %q", name, secret)
			}
		}
	}
}
