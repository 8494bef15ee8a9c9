package node

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func units(list ...facts.Unit) fault {
	return func(f *facts.Facts) { f.Agent.Units = facts.Known(list, "systemd") }
}

func unitsUnread(f *facts.Facts) {
	f.Agent.Units = facts.Unknown[[]facts.Unit]("systemctl timed out", "")
}

func processesUnread(f *facts.Facts) {
	f.Agent.Processes = facts.Unknown[facts.Processes]("permission denied", "")
}

func runs(version string) fault {
	return func(f *facts.Facts) { f.Agent.Running = facts.Known(version, "log") }
}

func versionUnread(f *facts.Facts) {
	f.Agent.Running, f.Agent.Installed = facts.Seen[string]{}, facts.Seen[string]{}
}

func TestAgentRuns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                    string
		fault                   fault
		core, worker, installed Answer
	}{
		{"healthy", nil, Yes, Yes, Yes},
		{"stopped", processes(0, 0), No, No, Yes},
		{"no worker", processes(1, 0), Yes, No, Yes},
		{"processes unread, unit active", processesUnread, Yes, Unknown, Yes},
		{"processes unread, unit failed", all(processesUnread, units(facts.Unit{Name: "amazon-ssm-agent.service", Load: "loaded", Active: "failed"})), No, Unknown, Yes},
		{"processes and state of the unit unread", all(processesUnread, units(facts.Unit{Name: "amazon-ssm-agent.service", Load: "loaded"})), Unknown, Unknown, Yes},
		{"processes and units unread", all(processesUnread, unitsUnread), Unknown, Unknown, Yes},
		{"nothing read", func(f *facts.Facts) { f.Agent = facts.Agent{} }, Unknown, Unknown, Unknown},
		{"not installed", all(processes(0, 0), func(f *facts.Facts) { f.Agent.Installations = facts.Known([]facts.Installation{}, "") }), No, No, No},
		{"no package database", all(processes(0, 0), func(f *facts.Facts) { f.Agent.Installations = facts.Absent[[]facts.Installation]("none", "") }), No, No, No},
		{"packages partly read", all(processes(0, 0), func(f *facts.Facts) {
			f.Agent.Installations = facts.Partly([]facts.Installation{{Kind: "snap"}}, "rpm: timed out", "")
		}), No, No, Yes},
		{"packages unread", all(processes(0, 0), func(f *facts.Facts) { f.Agent.Installations = facts.Seen[[]facts.Installation]{} }), No, No, Unknown},
		{"it runs, so it is there", func(f *facts.Facts) { f.Agent.Installations = facts.Known([]facts.Installation{}, "") }, Yes, Yes, Yes},
	} {
		a := nodeOf(t, "profile", nonNil(c.fault)).Agent
		if a.Core != c.core || a.Worker != c.worker || a.Installed != c.installed {
			t.Errorf("%s: core %s, worker %s, installed %s; want %s, %s, %s", c.name, a.Core, a.Worker, a.Installed, c.core, c.worker, c.installed)
		}
	}
}

func TestAgentSince(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)
	unit := units(facts.Unit{Name: "amazon-ssm-agent.service", Load: "loaded", Active: "active", StartedAt: start})
	for name, c := range map[string]struct {
		fault fault
		want  time.Time
	}{
		"process":                 {nil, time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)},
		"unit, processes unread":  {all(processesUnread, unit), start},
		"stopped":                 {all(processes(0, 0), unit), time.Time{}},
		"processes, units unread": {all(processesUnread, unitsUnread), time.Time{}},
	} {
		if got := nodeOf(t, "profile", nonNil(c.fault)).Agent.Since; !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestUnit(t *testing.T) {
	t.Parallel()
	deb := facts.Unit{Name: "amazon-ssm-agent.service", Load: "loaded", Active: "inactive"}
	snap := facts.Unit{Name: "snap.amazon-ssm-agent.amazon-ssm-agent.service", Load: "loaded", Active: "active"}
	gone := facts.Unit{Name: "amazon-ssm-agent.service", Load: "not-found", Active: "inactive"}
	for _, c := range []struct {
		name  string
		fault fault
		unit  string
		has   Answer
	}{
		{"the one that is active", units(deb, snap), snap.Name, Yes},
		{"the first that is loaded", units(gone, facts.Unit{Name: snap.Name, Load: "masked"}, deb), snap.Name, Yes},
		{"none is loaded", units(gone), "", No},
		{"no unit", units(), "", No},
		{"no service manager", func(f *facts.Facts) { f.Agent.Units = facts.Absent[[]facts.Unit]("no service manager", "") }, "", No},
		{"unread", unitsUnread, "", Unknown},
		{"partly read, one is there", func(f *facts.Facts) { f.Agent.Units = facts.Partly([]facts.Unit{snap}, "timed out", "") }, snap.Name, Yes},
		{"partly read, none is there", func(f *facts.Facts) { f.Agent.Units = facts.Partly([]facts.Unit{gone}, "timed out", "") }, "", Unknown},
	} {
		a := nodeOf(t, "profile", c.fault).Agent
		if a.UnitName() != c.unit || a.HasUnit != c.has || (a.Unit == nil) != (c.unit == "") {
			t.Errorf("%s: %q %s, want %q %s", c.name, a.UnitName(), a.HasUnit, c.unit, c.has)
		}
	}
}

func TestOlderThan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s, least string
		want     Answer
	}{
		{"3.3.987.0", "3.3.3050.0", Yes},
		{"3.3.3050.0", "3.3.987.0", No},
		{"3.3.3050.0", "3.3.3050.0", No},
		{"3.3", "3.3.0.1", Yes},
		{"10.0.0.0", "9.9.9.9", No},
		{" 3.2.1.0\n", "3.3.0.0", Yes},
		{"", "3.3.0.0", Unknown},
		{"3", "3.3.0.0", Unknown},
		{"3.3.0.0.1", "3.3.0.0", Unknown},
		{"3.3.x.0", "3.3.0.0", Unknown},
		{"3.-3.0.0", "3.3.0.0", Unknown},
		{"latest", "3.3.0.0", Unknown},
		{"3.3.0.0", "newest", Unknown},
	} {
		if got := OlderThan(c.s, c.least); got != c.want {
			t.Errorf("%q older than %q: %s, want %s", c.s, c.least, got, c.want)
		}
	}
	a := nodeOf(t, "profile", func(f *facts.Facts) { f.Agent.Running = facts.Known("2.3.1319.0", "log") }).Agent
	if a.Version != "2.3.1319.0" || a.OlderThan("3.0.0.0") != Yes || a.Separate != No {
		t.Errorf("the version that runs: %+v", a)
	}
	a = nodeOf(t, "profile", func(f *facts.Facts) { f.Agent.Running = facts.Unknown[string]("no start in the log", "") }).Agent
	if a.Version != "3.3.3050.0" || a.Separate != Yes {
		t.Errorf("the version that is installed: %+v", a)
	}
	if a = nodeOf(t, "profile", versionUnread).Agent; a.Version != "" || a.OlderThan("3.0.0.0") != Unknown || a.Separate != Unknown {
		t.Errorf("no version: %+v", a)
	}
}

func TestDualStack(t *testing.T) {
	t.Parallel()
	on := func(f *facts.Facts) { f.Agent.Config = facts.Known(facts.Config{DualStack: true}, "") }
	for name, c := range map[string]struct {
		fault fault
		want  Answer
	}{
		"no configuration":     {nil, No},
		"off":                  {order(), No},
		"on":                   {all(on, runs("3.3.3270.0")), Yes},
		"an agent before it":   {all(on, runs("3.3.3050.0")), No},
		"version not known":    {all(on, versionUnread), Unknown},
		"configuration unread": {configUnread, Unknown},
	} {
		if got := nodeOf(t, "profile", nonNil(c.fault)).Agent.DualStack; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestHealthGap(t *testing.T) {
	t.Parallel()
	if got := nodeOf(t, "profile").Agent.HealthGap(); got != 20*time.Minute {
		t.Errorf("by default %s", got)
	}
	if got := nodeOf(t, "profile", func(f *facts.Facts) { f.Agent.Config = facts.Known(facts.Config{HealthMinutes: 60}, "") }).Agent.HealthGap(); got != 130*time.Minute {
		t.Errorf("with an hour between two: %s", got)
	}
}

func TestPackaging(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list []facts.Installation
		want string
	}{
		{nil, ""},
		{[]facts.Installation{{Kind: "deb"}, {Kind: "snap"}}, "deb"},
		{[]facts.Installation{{Kind: "deb", Broken: "half-configured"}, {Kind: "snap"}}, "snap"},
		{[]facts.Installation{{Kind: "deb", Broken: "half-configured"}}, "deb"},
	} {
		got := nodeOf(t, "profile", func(f *facts.Facts) { f.Agent.Installations = facts.Known(c.list, "") }).Agent.Packaging
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.list, got, c.want)
		}
	}
}

func TestServiceManagerInEvidence(t *testing.T) {
	t.Parallel()
	manager := func(goos, name string) fault {
		return func(f *facts.Facts) { f.Host.GOOS, f.Agent.Manager = goos, facts.Known(name, "") }
	}
	for _, c := range []struct {
		fault      fault
		from, show string
	}{
		{manager("linux", "systemd"), "systemd:u", "systemctl show u"},
		{manager("linux", "upstart"), "upstart:u", "status u"},
		{manager("darwin", "launchd"), "launchd:u", "launchctl print system/u"},
		{manager("windows", "scm"), "scm:u", "sc query u"},
		{func(f *facts.Facts) { f.Agent.Manager = facts.Seen[string]{} }, "service:u", "systemctl show u"},
	} {
		n := nodeOf(t, "profile", c.fault)
		if n.ServiceManager("u") != c.from || n.ShowUnit("u") != c.show {
			t.Errorf("%s and %s, want %s and %s", n.ServiceManager("u"), n.ShowUnit("u"), c.from, c.show)
		}
	}
}
