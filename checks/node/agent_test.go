package node

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestAgent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                    string
		change                  change
		installed, core, worker Answer
		unit                    Answer
	}{
		{"healthy", nil, Yes, Yes, Yes, Yes},
		{"nothing read", func(f *facts.Facts) { f.Agent = facts.Agent{} }, Unknown, Unknown, Unknown, Unknown},
		{"not installed", func(f *facts.Facts) {
			f.Agent.Installations, f.Agent.Units = facts.Known([]facts.Installation{}, ""), facts.Known([]facts.Unit{}, "")
			f.Agent.Processes = facts.Known(facts.Processes{}, "")
		}, No, No, No, No},
		{"found before a place could not be read", func(f *facts.Facts) {
			f.Agent.Installations = facts.Partly(f.Agent.Installations.Value, "permission denied", "")
		}, Yes, Yes, Yes, Yes},
		{"runs from an unusual place", func(f *facts.Facts) { f.Agent.Installations = facts.Known([]facts.Installation{}, "") }, Yes, Yes, Yes, Yes},
		{"the unit tells where processes do not", func(f *facts.Facts) { f.Agent.Processes = facts.Unknown[facts.Processes]("hidden", "") }, Yes, Yes, Unknown, Yes},
		{"stopped unit", func(f *facts.Facts) {
			f.Agent.Processes = facts.Unknown[facts.Processes]("hidden", "")
			f.Agent.Units.Value[0].Active = "inactive"
		}, Yes, No, Unknown, Yes},
		{"no worker", func(f *facts.Facts) { f.Agent.Processes.Value.Worker = nil }, Yes, Yes, No, Yes},
		{"unit not found", func(f *facts.Facts) { f.Agent.Units.Value = []facts.Unit{{Name: "x", Load: "not-found"}} }, Yes, Yes, Yes, No},
	} {
		a := hostWith(t, "profile", c.change).Agent
		if a.Installed != c.installed || a.Core != c.core || a.Worker != c.worker || a.HasUnit != c.unit {
			t.Errorf("%s: installed %s, core %s, worker %s, unit %s", c.name, a.Installed, a.Core, a.Worker, a.HasUnit)
		}
	}
	n := hostWith(t, "profile", func(f *facts.Facts) {
		f.Agent.Units.Value = []facts.Unit{{Name: "a", Load: "loaded", Active: "inactive"}, {Name: "b", Load: "loaded", Active: "active"}}
	})
	if n.Agent.UnitName() != "b" {
		t.Errorf("the active unit is the one meant, not %q", n.Agent.UnitName())
	}
}

func TestOlderThan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version, least string
		want           Answer
	}{
		{"3.1.1732.0", "3.2.582.0", Yes}, {"3.2.582.0", "3.2.582.0", No}, {"3.3.0.0", "3.2.582.0", No}, {"3.2", "3.2.1.0", Yes},
		{"", "3.2.582.0", Unknown}, {"new", "3.2.582.0", Unknown}, {"3.2.x.1", "3.2.582.0", Unknown}, {"1.2.3.4.5", "3.2.582.0", Unknown}, {"-1.2", "1.0", Unknown},
	} {
		if got := OlderThan(c.version, c.least); got != c.want {
			t.Errorf("%q older than %s: %s, want %s", c.version, c.least, got, c.want)
		}
	}
}

func TestAgentSettings(t *testing.T) {
	t.Parallel()
	config := func(c facts.Config) change {
		return func(f *facts.Facts) { f.Agent.Config = facts.Known(c, "file:config") }
	}
	if a := hostWith(t, "profile", config(facts.Config{HealthMinutes: 15, DualStack: true})).Agent; a.HealthMinutes != 15 || a.HealthGap() != 40*time.Minute || a.DualStack != No {
		t.Errorf("%d min, gap %s, dual stack %s: 3.3.3050 does not know it", a.HealthMinutes, a.HealthGap(), a.DualStack)
	}
	if a := hostWith(t, "profile", config(facts.Config{DualStack: true}), func(f *facts.Facts) { f.Agent.Running.Value = "3.3.3270.0" }).Agent; a.DualStack != Yes || a.HealthMinutes != 5 {
		t.Errorf("dual stack %s, %d min", a.DualStack, a.HealthMinutes)
	}
	if a := hostWith(t, "profile", func(f *facts.Facts) { f.Agent.Config = facts.Unknown[facts.Config]("denied", "") }).Agent; a.DualStack != Unknown {
		t.Errorf("dual stack %s without a configuration", a.DualStack)
	}
	for goos, want := range map[string]string{"linux": "systemctl show x", "windows": "sc query x", "darwin": "launchctl print system/x"} {
		if got := hostWith(t, "profile", func(f *facts.Facts) { f.Host.GOOS = goos }).ShowUnit("x"); got != want {
			t.Errorf("%s: %q", goos, got)
		}
	}
}
