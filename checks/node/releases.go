package node

import (
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/text"
)

// Releases from which the agent does something that an answer depends on.
// Source: amazon-ssm-agent, RELEASENOTES.md, at the release named.
const (
	leastHybridCap   = "3.3.808.0"  // waits of a hybrid agent end after 30 minutes
	leastRetryKey    = "3.3.3050.0" // Ssm.CredentialRetryMaxSleepSeconds
	leastOwnership   = "3.3.4177.0" // Agent.EnforceWorkspaceRootOwnership
	leastFlush       = "3.3.4268.0" // ssm-cli can flush the credentials
	leastOtherClouds = "3.3.4793.0" // registration of Azure VMs
	deadlockFixed    = "3.3.5226.0" // the control channel no longer locks up
)

// configKeysSince are the documented keys of amazon-ssm-agent.json that came with a
// release of 3.2 or later. An older agent ignores them.
// Source: amazon-ssm-agent, RELEASENOTES.md; for GlobalEnhancedTelemetryEnabled the
// release that documents it.
var configKeysSince = map[string]string{
	"Ssm.SessionLogsDestination":               "3.2.2086.0",
	"Ssm.HibernationMaxBackoffIntervalMinutes": "3.3.2299.0",
	"Ssm.SessionHandshakeTimeoutSeconds":       "3.3.2746.0",
	"Agent.GlobalEnhancedTelemetryEnabled":     "3.3.2958.0",
	"Ssm.CredentialRetryMaxSleepSeconds":       leastRetryKey,
	"Agent.UseDualStackEndpoint":               "3.3.3270.0",
	"Agent.EnforceWorkspaceRootOwnership":      leastOwnership,
}

// NewerKey is a key of the configuration that the agent is too old to know.
type NewerKey struct{ Key, Since string }

// NewerKeys are the keys of the configuration that came after this agent.
func (n *Node) NewerKeys() []NewerKey {
	c, _ := n.Facts.Agent.Config.Get()
	var out []NewerKey
	for _, k := range c.Keys {
		if since := configKeysSince[k]; since != "" && n.Agent.OlderThan(since) == Yes {
			out = append(out, NewerKey{k, since})
		}
	}
	return out
}

// RetryCap is the longest pause between two attempts to get credentials: after a
// refusal, and after another failure. Both are upper bounds.
// Source: amazon-ssm-agent, core/app/credentialrefresher/credentialrefresher_deps.go,
// RELEASENOTES.md at 3.3.808 and 3.3.3050, README.md on CredentialRetryMaxSleepSeconds.
func (n *Node) RetryCap() (refused, failed time.Duration) {
	refused, failed = 30*time.Minute, time.Hour
	if n.Identity.Hybrid == Yes {
		failed = 30 * time.Minute
		if n.Agent.OlderThan(leastHybridCap) == Yes {
			refused, failed = 22*time.Hour, 22*time.Hour
		}
	}
	c, ok := n.Facts.Agent.Config.Get()
	if ok && c.CredentialRetrySeconds > 0 && n.Agent.OlderThan(leastRetryKey) == No {
		limit := time.Duration(c.CredentialRetrySeconds) * time.Second
		refused, failed = min(refused, limit), min(failed, limit)
	}
	return refused, failed
}

// HibernationCap is the longest pause between two pings of an agent that hibernates.
// Source: amazon-ssm-agent, agent/hibernation; RELEASENOTES.md at 3.3.2299.
func (n *Node) HibernationCap() time.Duration {
	c, ok := n.Facts.Agent.Config.Get()
	if ok && c.HibernationMinutes > 0 && n.Agent.OlderThan("3.3.2299.0") == No {
		return time.Duration(c.HibernationMinutes) * time.Minute
	}
	return time.Hour
}

// CanFlush reports whether the agent's own command line can drop its credentials, so
// that it asks for new ones without a restart.
func (n *Node) CanFlush() Answer { return not(n.Agent.OlderThan(leastFlush)) }

// EnforcesOwnership reports whether the agent makes root the owner of its workspace at
// its start, and ends where it may not.
func (n *Node) EnforcesOwnership() Answer {
	c, ok := n.Facts.Agent.Config.Get()
	switch {
	case n.Agent.OlderThan(leastOwnership) != No:
		return not(n.Agent.OlderThan(leastOwnership))
	case ok && c.ParseError == "":
		return answer(!c.OwnershipOff)
	case n.Facts.Agent.Config.Absent():
		return Yes
	}
	return Unknown
}

// ForOtherClouds reports whether the agent can be registered as a machine of another
// cloud by a Cloud Connector, and from which release on.
func (n *Node) ForOtherClouds() (can Answer, since string) {
	return not(n.Agent.OlderThan(leastOtherClouds)), leastOtherClouds
}

// MayDeadlock reports whether this release's control channel can lock up when its
// buffer is full, and the release that mended it.
func (n *Node) MayDeadlock() (may Answer, fixed string) {
	return n.Agent.OlderThan(deadlockFixed), deadlockFixed
}

// Release is what is publicly known to be wrong with a range of releases.
type Release struct {
	From, To string // both included
	GOOS     string // Go's name of the system; empty: all
	Kind     string // of the installation; empty: all
	What     string // a clause, such as "hangs while it starts"
	Source   string
}

// keyEnds are when the keys of the agent's packages ended, and the first release of
// which it is known that only a later key signs it.
// Source: the keys; the notes of the releases.
var keyEnds = []struct {
	end   time.Time
	first string
}{
	{time.Date(2025, 2, 17, 0, 0, 0, 0, time.UTC), "3.3.1957.0"},
	{time.Date(2026, 7, 15, 0, 0, 0, 0, time.UTC), "3.3.5068.0"},
}

// NewerThanKeys reports whether this host has a release of the agent that none of the
// keys that ended by a time can have signed: updates reach it in another way.
func (n *Node) NewerThanKeys(end time.Time) Answer {
	for _, k := range keyEnds {
		if !end.After(k.end) {
			return not(olderThan(text.Or(n.Facts.Agent.Installed.Value, n.Agent.Version), k.first))
		}
	}
	return No
}

// aYearOld is a release of a year before ReleasesAsOf.
const aYearOld = "3.3.1345.0"

// IsAYearOld reports whether this host's agent was a year old on ReleasesAsOf.
func (n *Node) IsAYearOld() Answer { return n.Agent.OlderThan(aYearOld) }

// ReleasesAsOf is the day of the table of known-bad releases. Of releases that came
// later it says nothing.
const ReleasesAsOf = "2026-11-27"

// knownBad are releases with a public word that something is wrong with them. That one
// runs is never a cause by itself: most hosts with it work.
var knownBad = []Release{
	{"2.2.916.0", "2.2.916.0", "windows", "", "hangs while its service starts", "amazon-ssm-agent#111"},
	{"3.0.732.0", "3.0.732.0", "", "", "was reported as broken", "amazon-ssm-agent#355"},
	{"3.1.804.0", "3.1.1004.0", "windows", "", "leaves processes behind", "amazon-ssm-agent#436"},
	{"3.2.183.0", "3.2.419.0", "", "", "was withdrawn", "amazon-ssm-agent#501"},
	{"3.2.815.0", "3.2.815.0", "", "", "is marked as deprecated", "its release page"},
	{"3.3.1311.0", "3.3.1311.0", "", "", "had parts taken back in 3.3.1345.0", "RELEASENOTES.md"},
	{"3.3.1958.0", "3.3.2476.0", "linux", "snap", "stopped working on hybrid nodes with the snap, while 3.3.1957.0 worked", "amazon-ssm-agent#640"},
	{"3.3.5068.0", "3.3.5225.0", "", "", "moved to another AWS library, which 3.3.5226.0 took back", "its release notes"},
}

// KnownBad is what is publicly known to be wrong with a version on this host; false:
// nothing, or the version cannot be read.
func (n *Node) KnownBad(v string) (Release, bool) {
	i := slices.IndexFunc(knownBad, func(r Release) bool {
		return olderThan(v, r.From) == No && olderThan(r.To, v) == No &&
			(r.GOOS == "" || r.GOOS == n.Facts.Host.GOOS) && (r.Kind == "" || r.Kind == n.Agent.Packaging)
	})
	if i < 0 {
		return Release{}, false
	}
	return knownBad[i], true
}

// SystemLimit is a system on which a part of Systems Manager does not work, as of
// ReleasesAsOf.
type SystemLimit struct {
	ID      string // of os-release
	Version string // its VERSION_ID up to the first point; empty: all
	// Before is the first release of the agent that works; empty: none does.
	Before string
	What   string // a clause about the system
	Source string
}

// systemLimits are systems that a part of Systems Manager does not take. Those for which
// AWS has no agent at all are in noPackage.
var systemLimits = []SystemLimit{
	{"debian", "13", "", "Patch Manager does not take Debian 13", "amazon-ssm-agent#648, August 2026"},
	{"flatcar", "", "3.3.5226.0", "agents before 3.3.5226.0 do not know Flatcar and call it an unknown platform", "flatcar#1738"},
	{"azurelinux", "", "3.3.5226.0", "agents before 3.3.5226.0 do not know Azure Linux", "release notes of 3.3.5226.0"},
}

// Unsupported are the rows about this host's system that hold for its agent.
func (n *Node) Unsupported() []SystemLimit {
	d, ok := n.Facts.Host.Distro.Get()
	if !ok {
		return nil
	}
	major, _, _ := strings.Cut(d.Version, ".")
	var out []SystemLimit
	for _, p := range systemLimits {
		if p.ID == d.ID && (p.Version == "" || p.Version == major) && (p.Before == "" || n.Agent.OlderThan(p.Before) == Yes) {
			out = append(out, p)
		}
	}
	return out
}

// Dependents are the traces of one of several kinds around the agent.
func (n *Node) Dependents(kinds ...string) []facts.Trace {
	var out []facts.Trace
	for _, t := range n.Facts.Agent.Around.Some() {
		if slices.Contains(kinds, t.Kind) {
			out = append(out, t)
		}
	}
	return out
}
