package gather

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"ssm-doctor/checks/facts"
)

var IMDSIP = netip.MustParseAddr(IMDSAddr)

// Kernel is what only the running kernel can tell.
type Kernel struct {
	Hostname string // where no file holds it
	// Synced: the clock is disciplined by a time service.
	Synced facts.Seen[bool]
	Boot   time.Time // zero: unknown
	// ImageState is the setup state of Windows.
	ImageState facts.Seen[string]
	Interfaces facts.Seen[[]facts.Interface]
	Links      facts.Seen[[]facts.Link]
	Rules      facts.Seen[[]facts.RoutingRule]
	// WindowsRoutes are the persistent routes of Windows as the names of their
	// registry values: destination, mask, gateway and metric, with commas.
	WindowsRoutes facts.Seen[[]string]
}

// ErrUnsupported is returned for a question this operating system has no answer to.
var ErrUnsupported = errors.New("not available on this operating system")

// IMDSAddr is the metadata service's address.
const IMDSAddr = "169.254.169.254"

const maxInterfaces = 100

// hostInterfaces lists the interfaces that are up.
func hostInterfaces() facts.Seen[[]facts.Interface] {
	all, err := net.Interfaces()
	if err != nil {
		return Unknown[[]facts.Interface](err, "")
	}
	out := []facts.Interface{}
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 || len(out) >= maxInterfaces {
			continue
		}
		x := facts.Interface{Name: OneLine(i.Name, 50), Addresses: []string{}}
		if as, err := i.Addrs(); err == nil {
			for _, a := range as[:min(len(as), 50)] {
				x.Addresses = append(x.Addresses, a.String())
			}
		}
		out = append(out, x)
	}
	return facts.Known(out, "")
}
