package node

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// agentIs is a host with an agent of a version and a configuration.
func agentIs(version string, c facts.Config) fault {
	return func(f *facts.Facts) {
		f.Agent.Installed, f.Agent.Running, f.Agent.Config = facts.Known(version, ""), facts.Known(version, ""), facts.Known(c, "")
	}
}

func TestRetryCap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind      string
		fault           fault
		refused, failed time.Duration
	}{
		{"an instance", "profile", agentIs("3.3.1142.0", facts.Config{}), 30 * time.Minute, time.Hour},
		{"hybrid", "hybrid", agentIs("3.3.1142.0", facts.Config{}), 30 * time.Minute, 30 * time.Minute},
		{"hybrid, before the cap", "hybrid", agentIs("3.3.551.0", facts.Config{}), 22 * time.Hour, 22 * time.Hour},
		{"as a node of EKS has it", "hybrid", agentIs("3.3.3270.0", facts.Config{CredentialRetrySeconds: 60}), time.Minute, time.Minute},
		{"a key that the agent does not know", "hybrid", agentIs("3.3.2958.0", facts.Config{CredentialRetrySeconds: 60}), 30 * time.Minute, 30 * time.Minute},
		{"no configuration", "hybrid", func(f *facts.Facts) { f.Agent.Config = facts.Absent[facts.Config]("no such file", "") }, 30 * time.Minute, 30 * time.Minute},
	} {
		if refused, failed := nodeOf(t, c.kind, c.fault).RetryCap(); refused != c.refused || failed != c.failed {
			t.Errorf("%s: %v, %v", c.name, refused, failed)
		}
	}
	if got := nodeOf(t, "hybrid", agentIs("3.3.3270.0", facts.Config{HibernationMinutes: 15})).HibernationCap(); got != 15*time.Minute {
		t.Errorf("hibernation %v", got)
	}
	if got := nodeOf(t, "hybrid", agentIs("3.3.1142.0", facts.Config{HibernationMinutes: 15})).HibernationCap(); got != time.Hour {
		t.Errorf("hibernation of an older agent %v", got)
	}
}

func TestNewerKeys(t *testing.T) {
	t.Parallel()
	keys := facts.Config{Keys: []string{"Agent.EnforceWorkspaceRootOwnership", "Ssm.Endpoint", "Ssm.SessionHandshakeTimeoutSeconds"}}
	for version, want := range map[string]int{"3.3.5226.0": 0, "3.3.2958.0": 1, "3.1.0.0": 2, "x": 0} {
		if got := nodeOf(t, "profile", agentIs(version, keys)).NewerKeys(); len(got) != want {
			t.Errorf("%s: %v", version, got)
		}
	}
}

func TestKnownBad(t *testing.T) {
	t.Parallel()
	snap := func(f *facts.Facts) { f.Agent.Installations.Value[0].Kind = "snap" }
	for _, c := range []struct {
		name, version string
		fault         fault
		want          bool
	}{
		{"withdrawn", "3.2.345.0", nil, true}, {"at the end", "3.2.419.0", nil, true}, {"just after", "3.2.420.0", nil, false}, {"newer than the table", "3.9.1.0", nil, false},
		{"on Windows only", "2.2.916.0", nil, false}, {"with the snap only", "3.3.2476.0", nil, false}, {"with the snap", "3.3.2476.0", snap, true}, {"no version", "", nil, false},
	} {
		if _, got := nodeOf(t, "profile", nonNil(c.fault)).KnownBad(c.version); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	on := func(id, version, agent string) fault {
		return all(agentIs(agent, facts.Config{}), func(f *facts.Facts) { f.Host.Distro = facts.Known(facts.Distro{ID: id, Version: version}, "") })
	}
	for _, c := range []struct {
		name  string
		fault fault
		want  int
	}{
		{"Debian 13", on("debian", "13", "3.3.5226.0"), 1}, {"Debian 12", on("debian", "12", "3.3.5226.0"), 0}, {"Amazon Linux", on("amzn", "2023", "3.3.5226.0"), 0},
		{"Flatcar, an older agent", on("flatcar", "4230.2.1", "3.3.4177.0"), 1}, {"Flatcar", on("flatcar", "4230.2.1", "3.3.5226.0"), 0},
		{"unread", func(f *facts.Facts) { f.Host.Distro = facts.Seen[facts.Distro]{} }, 0},
	} {
		if got := nodeOf(t, "profile", c.fault).Unsupported(); len(got) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestEnforcesOwnership(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault fault
		want  Answer
	}{
		{"older", agentIs("3.3.4108.0", facts.Config{}), No}, {"by default", agentIs("3.3.4177.0", facts.Config{}), Yes}, {"switched off", agentIs("3.3.5226.0", facts.Config{OwnershipOff: true}), No},
		{"configuration unread", func(f *facts.Facts) {
			f.Agent.Running, f.Agent.Config = facts.Known("3.3.5226.0", ""), facts.Seen[facts.Config]{}
		}, Unknown},
	} {
		if got := nodeOf(t, "profile", c.fault).EnforcesOwnership(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
