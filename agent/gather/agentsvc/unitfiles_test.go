package agentsvc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// TestOverrides: a setting is single where its line is all of it.
func TestOverrides(t *testing.T) {
	t.Parallel()
	const name = "etc/systemd/system/amazon-ssm-agent.service.d/a.conf"
	set := func(key, value string, single bool) facts.Override {
		return facts.Override{Key: key, Value: value, File: "/" + name, Single: single}
	}
	for _, c := range []struct {
		name, text string
		want       []facts.Override
	}{
		{"one line", "[Service]\n# User=x \\\n User = ssm \r\nMemoryMax=1G\n", []facts.Override{set("User", "ssm", true), set("MemoryMax", "1G", true)}},
		{"continued", "[Service]\nExecStartPre=/bin/x \\\n  --secret=y\nUser=ssm\n", []facts.Override{set("ExecStartPre", "/bin/x", false), set("User", "ssm", true)}},
		{"twice", "[Service]\nUser=\nUser=ssm\n", []facts.Override{set("User", "", false), set("User", "ssm", false)}},
		{"once, and once within another", "[Service]\nExecStartPre=/bin/x \\\nUser=ssm\nUser=ssm\n", []facts.Override{set("ExecStartPre", "/bin/x", false), set("User", "ssm", false)}},
	} {
		env := gathertest.InMemory(map[string][]byte{name: []byte(c.text)})
		if d := cmp.Diff(c.want, overrides(env.FS, "amazon-ssm-agent.service")); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}
