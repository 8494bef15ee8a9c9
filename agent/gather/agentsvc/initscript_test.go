package agentsvc

import (
	"testing"

	"ssm-doctor/agent/gather/gathertest"
)

func TestScriptUnit(t *testing.T) {
	t.Parallel()
	script := "etc/init.d/amazon-ssm-agent"
	for _, c := range []struct {
		name                     string
		files                    []string
		manager, active, enabled string
	}{
		{"none", nil, "", "", ""},
		{"OpenRC, runs", []string{script, "run/openrc/softlevel", "run/openrc/started/amazon-ssm-agent", "etc/runlevels/default/amazon-ssm-agent"}, "openrc", "active", "enabled"},
		{"OpenRC, stopped", []string{script, "run/openrc/softlevel", "etc/runlevels/default/amazon-ssm-agent"}, "openrc", "inactive", "enabled"},
		{"OpenRC, failed and not enabled", []string{script, "run/openrc/softlevel", "run/openrc/failed/amazon-ssm-agent"}, "openrc", "failed", "disabled"},
		{"System V", []string{script, "etc/rc3.d/S80amazon-ssm-agent"}, "sysv", "", "enabled"},
		{"System V, not enabled", []string{script, "etc/rc3.d/K20amazon-ssm-agent"}, "sysv", "", "disabled"},
	} {
		files := map[string][]byte{"bin/sh": nil}
		for _, f := range c.files {
			files[f] = nil
		}
		manager, u, ok := scriptUnit(gathertest.InMemory(files).FS)
		if ok != (c.manager != "") || manager != c.manager || u.Active != c.active || u.Enabled != c.enabled {
			t.Errorf("%s: %q %+v", c.name, manager, u)
		}
	}
}
