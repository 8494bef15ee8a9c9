//go:build !linux

package gather

import (
	"net"

	"ssm-doctor/checks/facts"
)

// plainLinks are the devices as far as every system tells of them.
func plainLinks() facts.Seen[[]facts.Link] {
	all, err := net.Interfaces()
	if err != nil {
		return Unknown[[]facts.Link](err, "")
	}
	out := []facts.Link{}
	for _, i := range all[:min(len(all), maxInterfaces)] {
		out = append(out, facts.Link{Name: OneLine(i.Name, 50), Up: i.Flags&net.FlagUp != 0, Carrier: i.Flags&net.FlagRunning != 0,
			Loopback: i.Flags&net.FlagLoopback != 0, MTU: i.MTU})
	}
	return facts.Known(out, "")
}
