package diagnose

import (
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/text"
)

// Hop is one station on the way from the host to the message channel.
type Hop struct {
	Name   string // host, agent, metadata, credentials, dns, tcp, tls, permissions, channel
	Status checks.Status
	Note   text.Text // summary of the check that decided
}

// leads are the checks whose word a station that works has: what they look at is what
// the station is for.
var leads = map[checks.Station]string{
	checks.AtHost: "disk-space", checks.AtAgent: "agent-service", checks.AtNetwork: "host-network", checks.AtMetadata: "imds-reachable",
	checks.AtCredentials: "credential-source", checks.AtDNS: "dns", checks.AtTCP: "network-egress", checks.AtTLS: "tls-trust",
	checks.AtPermissions: "permission-registration", checks.AtChannel: "channel-connection",
}

// path tells the state of each station: its worst finding, with that finding's own
// words. Consequences do not mark a station as failed: it is unknown behind the broken
// link. The root cause of a node that is not managed breaks its station, however mild
// its check is.
func path(found Findings, a Answer) []Hop {
	var out []Hop
	for _, station := range checks.Stations {
		hop := Hop{Name: station.String(), Status: checks.Skip, Note: text.New("does not apply")}
		seen := false // the note is what the station is judged by
		for _, c := range checks.All() {
			fd, ok := found[c.ID]
			if !ok || !standsAt(c, station) {
				continue
			}
			status := statusOnWay(c, fd, a)
			own := c.ID == leads[station] && status != checks.Skip || status == checks.Unknown && fd.Status == checks.Fail
			if r, best := rank(status), rank(hop.Status); r > best || r == best && own && !seen {
				hop.Status, hop.Note = status, fd.Summary
				seen = own
			}
		}
		out = append(out, hop)
	}
	return out
}

// standsAt reports whether a check says something of a station: a refused channel is
// about rights as well.
func standsAt(c *checks.Check, station checks.Station) bool {
	return c.Station == station || station == checks.AtPermissions && c.Group == "permissions" && c.Station == checks.AtChannel
}

// statusOnWay is what a finding says of its station. A symptom that another fault
// explains is unknown; a cause of last resort says nothing unless it is the answer.
func statusOnWay(c *checks.Check, fd checks.Finding, a Answer) checks.Status {
	cause := causes.Get(fd.Cause)
	switch {
	case a.State == NotManaged && a.Root != nil && a.Root.Check == c.ID:
		return checks.Fail
	case cause != nil && cause.LastResort:
		return checks.Skip
	case fd.Status == checks.Fail && a.Follows[c.ID] != "":
		return checks.Unknown
	}
	return fd.Status
}

func rank(s checks.Status) int {
	switch s {
	case checks.Fail:
		return 4
	case checks.Warn:
		return 3
	case checks.Unknown:
		return 2
	case checks.Pass:
		return 1
	}
	return 0
}
