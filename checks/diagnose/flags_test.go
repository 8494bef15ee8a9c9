package diagnose

import (
	"strings"
	"testing"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// TestWithoutFlags: a step that changes a file which nobody may change comes after the one
// that takes its flag away, once for each file.
func TestWithoutFlags(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	f.Host.Flagged = facts.Known([]facts.FileFlag{{Path: "/etc/hosts", Flag: facts.Immutable}, {Path: "/etc/x.conf", Flag: facts.AppendOnly}, {Path: "/etc/x;y", Flag: facts.Immutable}}, "")
	flags := flagsOf(node.Of(f))
	step := func(command string) causes.Filled {
		return causes.Step{Text: "Do it", Command: command, Where: causes.OnHost, Root: true}.Fill(causes.Values{"goos": "linux"})
	}
	for _, c := range []struct {
		commands []string
		want     string
	}{
		{[]string{"mv /etc/x.conf /etc/x.conf.off", "rm /etc/x.conf"}, "chattr -a /etc/x.conf|mv /etc/x.conf /etc/x.conf.off|rm /etc/x.conf"},
		{[]string{`sed -i.bak -E '/[[:space:]]+(ssm)$/d' /etc/hosts`}, "chattr -i /etc/hosts|sed"},
		{[]string{"rm /etc/y.conf", "systemctl restart amazon-ssm-agent", "cat /etc/x.conf"}, "rm /etc/y.conf|systemctl restart amazon-ssm-agent|cat /etc/x.conf"},
		{[]string{"chattr -a /etc/x.conf", "rm /etc/x.conf"}, "chattr -a /etc/x.conf|rm /etc/x.conf"},
	} {
		var fix []causes.Filled
		for _, x := range c.commands {
			fix = append(fix, step(x))
		}
		var got []string
		for _, s := range withoutFlags(fix, flags) {
			got = append(got, s.Command.String())
		}
		if !strings.HasPrefix(strings.Join(got, "|"), c.want) {
			t.Errorf("%v: %v", c.commands, got)
		}
	}
}
