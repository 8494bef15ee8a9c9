package gather

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"ssm-doctor/checks/facts"
)

// maxClockError is the kernel's estimate, in microseconds, above which its clock
// counts as not synchronized; timedatectl uses the same bound.
const maxClockError = 16_000_000

// hostOrder is that of integers in netlink messages.
var hostOrder = binary.NativeEndian

func hostKernel() Kernel {
	var k Kernel
	var t unix.Timex // Modes 0 only reads
	if _, err := unix.Adjtimex(&t); err != nil {
		k.Synced = facts.Unknown[bool]("adjtimex: "+err.Error(), "adjtimex")
	} else {
		k.Synced = facts.Known(t.Maxerror < maxClockError, "adjtimex")
	}
	k.ImageState = facts.Absent[string]("not Windows", "")
	k.Interfaces = hostInterfaces()
	k.IMDSRoute = routeTo(netip.MustParseAddr(IMDSAddr))
	return k
}

func hostStatFS(path string) (facts.Usage, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return facts.Usage{}, err
	}
	size := uint64(st.Bsize)
	return facts.Usage{
		TotalBytes: st.Blocks * size, FreeBytes: st.Bavail * size,
		TotalInodes: st.Files, FreeInodes: st.Ffree,
	}, nil
}

// routeTo asks the kernel by rtnetlink for its route to an IPv4 address.
func routeTo(dst netip.Addr) facts.Seen[facts.Route] {
	from := "rtnetlink:" + dst.String()
	// The kind and prefix of the matching entry; older kernels only tell the way.
	r, err := askRoute(dst, unix.RTM_F_FIB_MATCH)
	if errors.Is(err, unix.EOPNOTSUPP) {
		r, err = askRoute(dst, 0)
	}
	switch {
	case errors.Is(err, unix.ENETUNREACH):
		return facts.Absent[facts.Route]("no route", from)
	case errors.Is(err, unix.EHOSTUNREACH):
		return facts.Known(facts.Route{Destination: dst.String() + "/32", Kind: "unreachable"}, from)
	case errors.Is(err, unix.EACCES):
		return facts.Known(facts.Route{Destination: dst.String() + "/32", Kind: "prohibit"}, from)
	case errors.Is(err, unix.EINVAL):
		return facts.Known(facts.Route{Destination: dst.String() + "/32", Kind: "blackhole"}, from)
	case err != nil:
		return facts.Unknown[facts.Route](err.Error(), from)
	}
	return facts.Known(r, from)
}

func askRoute(dst netip.Addr, flags uint32) (facts.Route, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return facts.Route{}, err
	}
	defer unix.Close(fd)
	// The kernel answers at once; the limit is only a guard.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}); err != nil {
		return facts.Route{}, err
	}
	ip := dst.As4()
	msg := make([]byte, unix.NLMSG_HDRLEN+unix.SizeofRtMsg+unix.SizeofRtAttr+4)
	hostOrder.PutUint32(msg[0:], uint32(len(msg)))
	hostOrder.PutUint16(msg[4:], unix.RTM_GETROUTE)
	hostOrder.PutUint16(msg[6:], unix.NLM_F_REQUEST)
	hostOrder.PutUint32(msg[8:], 1)
	rt := msg[unix.NLMSG_HDRLEN:]
	rt[0], rt[1] = unix.AF_INET, 32
	hostOrder.PutUint32(rt[8:], flags)
	attr := rt[unix.SizeofRtMsg:]
	hostOrder.PutUint16(attr[0:], unix.SizeofRtAttr+4)
	hostOrder.PutUint16(attr[2:], unix.RTA_DST)
	copy(attr[4:], ip[:])
	if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return facts.Route{}, err
	}
	buf := make([]byte, 8<<10)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return facts.Route{}, err
	}
	msgs, err := syscall.ParseNetlinkMessage(buf[:n])
	if err != nil {
		return facts.Route{}, err
	}
	for _, m := range msgs {
		switch m.Header.Type {
		case unix.NLMSG_ERROR:
			if len(m.Data) >= 4 {
				return facts.Route{}, unix.Errno(-int32(hostOrder.Uint32(m.Data)))
			}
		case unix.RTM_NEWROUTE:
			return decodeRoute(&m)
		}
	}
	return facts.Route{}, errors.New("no route in the kernel's answer")
}

var routeKinds = map[uint8]string{
	unix.RTN_UNICAST: "unicast", unix.RTN_LOCAL: "local", unix.RTN_BLACKHOLE: "blackhole",
	unix.RTN_UNREACHABLE: "unreachable", unix.RTN_PROHIBIT: "prohibit",
}

func decodeRoute(m *syscall.NetlinkMessage) (facts.Route, error) {
	if len(m.Data) < unix.SizeofRtMsg {
		return facts.Route{}, errors.New("short route message")
	}
	r := facts.Route{Destination: "default", Kind: routeKinds[m.Data[7]]}
	if r.Kind == "" {
		r.Kind = fmt.Sprintf("type %d", m.Data[7])
	}
	attrs, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return facts.Route{}, err
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.RTA_DST:
			if ip, ok := netip.AddrFromSlice(a.Value); ok && m.Data[1] > 0 {
				r.Destination = netip.PrefixFrom(ip, int(m.Data[1])).String()
			}
		case unix.RTA_GATEWAY:
			if ip, ok := netip.AddrFromSlice(a.Value); ok {
				r.Gateway = ip.String()
			}
		case unix.RTA_OIF:
			if len(a.Value) >= 4 {
				if i, err := net.InterfaceByIndex(int(hostOrder.Uint32(a.Value))); err == nil {
					r.Interface = i.Name
				}
			}
		}
	}
	return r, nil
}
