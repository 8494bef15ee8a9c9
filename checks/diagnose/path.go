package diagnose

import (
	"ssm-doctor/checks"
	"ssm-doctor/checks/facts"
)

// Hop is one station on the way from the host to the message channel.
type Hop struct {
	Name   string // host, agent, metadata, credentials, dns, tcp, tls, permissions, channel
	Status checks.Status
	Note   string // summary of the check that decided
}

// hops lists the stations and the checks that decide each.
var hops = []struct {
	name   string
	groups []string
	checks []string
}{
	{"host", []string{"host"}, nil},
	{"agent", []string{"agent", "identity"}, nil},
	{"metadata", []string{"imds"}, nil},
	{"credentials", []string{"credentials"}, nil},
	{"dns", nil, []string{"dns", "dns-pin", "dns-private"}},
	{"tcp", nil, []string{"network-egress", "proxy", "proxy-applied"}},
	{"tls", nil, []string{"tls-trust", "clock"}},
	{"permissions", nil, []string{"permission-registration", "permission-features", "kms"}},
	{"channel", nil, []string{"websocket", "channel-connection", "permission-channel"}},
}

// path tells the state of each station. Consequences do not mark a station as
// failed: it is unknown behind the broken link. The root cause of a node that is
// not managed breaks its station, however mild its check is.
func path(f *facts.Facts, found Findings, a Answer) []Hop {
	var out []Hop
	for _, h := range hops {
		hop := Hop{Name: h.name, Status: checks.Skip, Note: "does not apply"}
		for _, c := range checks.All() {
			fd, ok := found[c.ID]
			root := a.State == NotManaged && a.Root != nil && a.Root.Check == c.ID
			if !ok || !member(c, h.groups, h.checks) || !root && (c.ID == "agent-worker" || c.ID == "agent-backoff") {
				continue
			}
			s := fd.Status
			if root {
				s = checks.Fail
			} else if s == checks.Fail && a.Follows[c.ID] != "" {
				s = checks.Unknown
			}
			if rank(s) > rank(hop.Status) {
				hop.Status, hop.Note = s, fd.Summary
			}
		}
		out = append(out, hop)
	}
	return out
}

func member(c *checks.Check, groups, ids []string) bool {
	for _, g := range groups {
		if c.Group == g {
			return true
		}
	}
	for _, id := range ids {
		if c.ID == id {
			return true
		}
	}
	return false
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
