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

// path tells the state of each station. Consequences do not mark a station as
// failed: it is unknown behind the broken link. The root cause of a node that is
// not managed breaks its station, however mild its check is.
func path(found Findings, a Answer) []Hop {
	var out []Hop
	for _, station := range checks.Stations {
		hop := Hop{Name: station.String(), Status: checks.Skip, Note: text.New("does not apply")}
		for _, c := range checks.All() {
			fd, ok := found[c.ID]
			if !ok || c.Station != station {
				continue
			}
			status := statusOnWay(c, fd, a)
			if rank(status) > rank(hop.Status) {
				hop.Status, hop.Note = status, fd.Summary
			}
		}
		out = append(out, hop)
	}
	return out
}

// statusOnWay is what a finding says of its station. A symptom that other checks
// explain, and a cause of last resort, say nothing unless they are the answer.
func statusOnWay(c *checks.Check, fd checks.Finding, a Answer) checks.Status {
	cause := causes.Get(fd.Cause)
	switch {
	case a.State == NotManaged && a.Root != nil && a.Root.Check == c.ID:
		return checks.Fail
	case fd.Status == checks.Fail && cause == nil, cause != nil && cause.LastResort:
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
