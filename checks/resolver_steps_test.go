package checks

import (
	"strings"
	"testing"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// TestUseVPCResolver: by what this host has to write the resolver into.
func TestUseVPCResolver(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault func(*facts.Facts)
		first string // none: the catalogue's
		not   string
	}{
		{"a file", func(f *facts.Facts) { f.Host.Resolver = facts.Known(facts.Resolver{Servers: []string{"10.0.0.2"}}, "") }, "cp /etc/resolv.conf /etc/resolv.conf.bak", "resolved"},
		{"systemd-resolved", func(f *facts.Facts) {
			f.Host.Resolver = facts.Known(facts.Resolver{Servers: []string{"127.0.0.53"}}, "")
		}, "mkdir -p /etc/systemd/resolved.conf.d", "/etc/resolv.conf"},
		{"no file", func(f *facts.Facts) { f.Host.Resolver = facts.Absent[facts.Resolver]("no such file", "") }, "mv -f /etc/resolv.conf", "cp "},
		{"not read", func(f *facts.Facts) { f.Host.Resolver = facts.Unknown[facts.Resolver]("permission denied", "") }, "", ""},
		{"not Linux", func(f *facts.Facts) {
			f.Host.GOOS, f.Host.Resolver = "windows", facts.Absent[facts.Resolver]("no such file", "")
		}, "", ""},
	} {
		f := factstest.Healthy(t, "profile")
		tt.fault(f)
		steps := useVPCResolver(node.Of(f))
		switch {
		case (len(steps) > 0) != (tt.first != ""):
			t.Errorf("%s: %+v", tt.name, steps)
		case tt.first != "" && (!strings.HasPrefix(steps[0].Command, tt.first) || strings.Contains(steps[0].Command, tt.not)):
			t.Errorf("%s: %s", tt.name, steps[0].Command)
		case tt.first != "":
			if _, known := causes.ChangesOf(steps[0].Command, causes.OnHost); !known {
				t.Errorf("%s: not known what this changes: %s", tt.name, steps[0].Command)
			}
		}
	}
}
