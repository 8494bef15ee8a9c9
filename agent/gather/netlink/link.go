package netlink

import "ssm-doctor/checks/facts"

// Device is a link with the number by which routes name it.
type Device struct {
	facts.Link
	Index int
}

// Attributes and flags of links.
const (
	linkName     = 3
	linkMTU      = 4
	linkInfo     = 18
	linkInfoKind = 1

	linkUp       = 0x1
	linkLoopback = 0x8
	linkLowerUp  = 0x10000

	// Hardware types that are tunnels though no kind says so, in old kernels.
	hardwarePPP     = 512
	hardwareTunnel  = 768
	hardwareTunnel6 = 769
	hardwareSIT     = 776
	hardwareGRE     = 778
	hardwareNone    = 0xfffe
)

// Links reads devices from an answer to LinksRequest. done: the kernel has nothing
// more to say.
func Links(b []byte) (list []Device, done bool, err error) {
	msgs, done, err := split(b)
	for _, m := range msgs {
		if m.kind != newLink || len(m.body) < 16 {
			continue
		}
		flags := order.Uint32(m.body[8:])
		d := Device{Index: int(int32(order.Uint32(m.body[4:]))), Link: facts.Link{
			Up: flags&linkUp != 0, Carrier: flags&linkLowerUp != 0, Loopback: flags&linkLoopback != 0,
		}}
		attributes(m.body[16:], func(kind uint16, val []byte) {
			switch kind {
			case linkName:
				d.Name = text(val)
			case linkMTU:
				d.MTU = max(number(val), 0)
			case linkInfo:
				attributes(val, func(kind uint16, val []byte) {
					if kind == linkInfoKind {
						d.Kind = text(val)
					}
				})
			}
		})
		if d.Kind == "" {
			d.Kind = kindOfHardware(order.Uint16(m.body[2:]))
		}
		list = append(list, d)
	}
	return list, done, err
}

func kindOfHardware(h uint16) string {
	switch h {
	case hardwarePPP:
		return "ppp"
	case hardwareTunnel, hardwareTunnel6:
		return "ipip"
	case hardwareSIT:
		return "sit"
	case hardwareGRE:
		return "gre"
	case hardwareNone:
		return "tun"
	}
	return ""
}
