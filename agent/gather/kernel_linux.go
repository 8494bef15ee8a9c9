package gather

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"ssm-doctor/agent/gather/netlink"
	"ssm-doctor/checks/facts"
)

// maxClockError is the kernel's estimate, in microseconds, above which its clock
// counts as not synchronized; timedatectl uses the same bound.
const maxClockError = 16_000_000

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
	k.Links = kernelLinks()
	k.Rules = kernelRules()
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

const fromNetlink = "rtnetlink"

// maxDump bounds what is read of a dump: some thousand devices or routes.
const maxDump = 4 << 20

// answerBuffers are for one answer each: a run asks some twenty questions.
var answerBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// ask sends a request to the kernel and hands the parts of its answer to read,
// until that says that there is no more. The kernel answers at once; the limit of
// time is only a guard.
func ask(request []byte, read func([]byte) (done bool, err error)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return unasked(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}); err != nil {
		return unasked(err)
	}
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return unasked(err)
	}
	lent := answerBuffers.Get().(*[32 << 10]byte)
	defer answerBuffers.Put(lent)
	buf := lent[:]
	for total := 0; ; {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return unasked(err)
		}
		if k, ok := from.(*unix.SockaddrNetlink); !ok || k.Pid != 0 {
			continue // not the kernel
		}
		done, err := read(buf[:n])
		var no netlink.Errno
		if errors.As(err, &no) {
			if no == 0 {
				return nil
			}
			return unix.Errno(no)
		}
		if total += n; err != nil || done {
			return err
		}
		if total > maxDump {
			return ErrTooLarge
		}
	}
}

// unasked is a question that was not put to the kernel. It does not wrap: only an
// answer of the kernel speaks of a route.
func unasked(err error) error { return fmt.Errorf("rtnetlink: %v", err) }

func kernelLinks() facts.Seen[[]facts.Link] {
	out := []facts.Link{}
	more := false
	err := ask(netlink.LinksRequest(), func(b []byte) (bool, error) {
		list, done, err := netlink.Links(b)
		for _, d := range list {
			d.Name, d.Kind = OneLine(d.Name, 50), OneLine(d.Kind, 50)
			if more = len(out) >= maxInterfaces; !more {
				out = append(out, d.Link)
			}
		}
		return done || more, err
	})
	switch {
	case len(out) == 0 && err != nil:
		return facts.Unknown[[]facts.Link](err.Error(), fromNetlink)
	case more:
		return facts.Partly(out, "more than 100 devices", fromNetlink)
	case err != nil:
		return facts.Partly(out, err.Error(), fromNetlink)
	}
	return facts.Known(out, fromNetlink)
}

// maxRules bounds the routing rules that are kept.
const maxRules = 200

func kernelRules() facts.Seen[[]facts.RoutingRule] {
	out := []facts.RoutingRule{}
	for _, six := range []bool{false, true} {
		err := ask(netlink.RulesRequest(six), func(b []byte) (bool, error) {
			list, done, err := netlink.Rules(b)
			for _, r := range list {
				if r.Text = OneLine(r.Text, 200); len(out) < maxRules {
					out = append(out, r)
				}
			}
			return done || len(out) >= maxRules, err
		})
		switch {
		case six && errors.Is(err, unix.EAFNOSUPPORT), six && errors.Is(err, unix.EOPNOTSUPP): // no IPv6 in this kernel
		case err != nil && len(out) == 0:
			return facts.Unknown[[]facts.RoutingRule](err.Error(), fromNetlink)
		case err != nil:
			return facts.Partly(out, err.Error(), fromNetlink)
		}
	}
	if len(out) >= maxRules {
		return facts.Partly(out, "more than 200 rules", fromNetlink)
	}
	return facts.Known(out, fromNetlink)
}

// hostRoute asks the kernel for its route to a port of an address.
func hostRoute(at netip.AddrPort) facts.Seen[facts.Route] {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	to := at.Addr()
	from := "rtnetlink:" + to.String()
	// The kind and prefix of the matching entry; older kernels only tell the way.
	r, err := askRoute(at, true)
	if errors.Is(err, unix.EOPNOTSUPP) {
		r, err = askRoute(at, false)
	}
	// What the kinds of a route without a way answer. Source: Linux,
	// net/ipv4/fib_semantics.c, fib_props.
	kind := ""
	switch {
	case errors.Is(err, unix.ENETUNREACH):
		kind = "throw"
	case errors.Is(err, unix.EHOSTUNREACH):
		kind = "unreachable"
	case errors.Is(err, unix.EACCES):
		kind = "prohibit"
	case errors.Is(err, unix.EINVAL):
		kind = "blackhole"
	case err != nil:
		return facts.Unknown[facts.Route](err.Error(), from)
	default:
		r.Port = int(at.Port())
		return facts.Known(r, from)
	}
	r, ok := findKind(to, kind)
	switch {
	case !ok && kind == "throw":
		return facts.Absent[facts.Route]("no route", from)
	case !ok:
		r = facts.Route{Destination: netip.PrefixFrom(to, to.BitLen()).String(), Kind: kind}
	}
	r.Port = int(at.Port())
	return facts.Known(r, from)
}

// findKind finds the entry of a kind that covers an address, which the kernel does
// not name when it says no. The narrowest is it, as far as one table goes.
func findKind(to netip.Addr, kind string) (facts.Route, bool) {
	best, bits := facts.Route{}, -1
	_ = ask(netlink.RoutesRequest(to.Is6()), func(b []byte) (bool, error) {
		list, done, err := netlink.Routes(b)
		for _, e := range list {
			if e.Kind != kind || kind == "throw" && e.Table != facts.MainTable { // elsewhere it only leads to the next table
				continue
			}
			p, err := netip.ParsePrefix(e.Destination)
			if err != nil {
				p = netip.PrefixFrom(to, 0) // default
			}
			if p.Contains(to) && p.Bits() > bits {
				best, bits = e.Route, p.Bits()
			}
		}
		return done, err
	})
	return best, bits >= 0
}

func askRoute(to netip.AddrPort, entry bool) (facts.Route, error) {
	var found []netlink.Entry
	err := ask(netlink.RouteRequest(to, entry), func(b []byte) (bool, error) {
		list, _, err := netlink.Routes(b)
		found = append(found, list...)
		return true, err
	})
	if err != nil {
		return facts.Route{}, err
	}
	if len(found) == 0 {
		return facts.Route{}, errors.New("no route in the kernel's answer")
	}
	r := found[0].Route
	if found[0].Index != 0 {
		r.Interface = deviceName(found[0].Index)
	}
	return r, nil
}

func deviceName(index int) string {
	name := ""
	_ = ask(netlink.LinkRequest(index), func(b []byte) (bool, error) {
		list, _, err := netlink.Links(b)
		for _, d := range list {
			if d.Index == index {
				name = OneLine(d.Name, 50)
			}
		}
		return true, err
	})
	return name
}
