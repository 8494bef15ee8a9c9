package fleet

import (
	"strings"

	"ssm-doctor/checks/causes"
)

// scope is what one change reaches: the hosts that agree in these dimensions.
type scope []Dimension

// scopes says for each group of causes which one change may mend many hosts, widest
// first. Where no such set of hosts is sick as a whole, each host is mended by itself.
var scopes = map[string][]scope{
	"host":            {{Image}},
	"agent":           {{Image}, {Agent}},
	"identity":        {{Image}},
	"imds":            {{Image}, {Subnet}},
	"tls-proxy-clock": {{VPC}, {Subnet}, {Image}},
	"network":         {{VPC}, {Subnet}, {SecurityGroups, VPC}, {Image}},
	"credentials":     {{Account, Region}, {Role, Account}, {Image}},
	"permissions":     {{Account}, {Role, Account}, {VPC}, {Subnet}},
}

// owners say who can make the change.
var owners = map[string]string{
	"host": "whoever runs the host or builds its image", "agent": "whoever runs the host or builds its image", "identity": "whoever runs the host or builds its image",
	"imds": "whoever launches the instances", "tls-proxy-clock": "network", "network": "network",
	"credentials": "IAM of the account", "permissions": "IAM of the account", "ecs": "whoever owns the task",
}

// ownerOf is who can mend a cause.
func ownerOf(c *causes.Cause) string {
	switch {
	case c == nil:
		return ""
	case c.ID == "iam-explicit-deny":
		return "IAM of the account, or the organization"
	case strings.HasPrefix(c.ID, "vpce-"):
		return "network"
	}
	return owners[c.Group]
}

func scopesOf(c *causes.Cause) []scope {
	if c == nil {
		return nil
	}
	if strings.HasPrefix(c.ID, "vpce-") {
		return []scope{{VPC}, {Subnet}}
	}
	return scopes[c.Group]
}

// value names a set of hosts; ok is false where a dimension is not known.
func (s scope) value(h *Host) (v string, ok bool) {
	var parts []string
	for _, d := range s {
		if h.Of[d] == "" {
			return "", false
		}
		parts = append(parts, h.Of[d])
	}
	return strings.Join(parts, "\x00"), true
}
