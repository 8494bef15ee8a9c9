// Package netlink reads and writes messages of the Linux kernel's routing socket.
// It opens nothing itself, so that it is tested on every system.
// Source of the layouts: Linux, include/uapi/linux/rtnetlink.h, if_link.h, fib_rules.h.
package netlink

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"ssm-doctor/checks/facts"
)

// order is that of integers in messages: the machine's own.
var order = binary.NativeEndian

// Kinds of message, flags and families.
const (
	msgError    = 2
	msgDone     = 3
	newLink     = 16
	getLink     = 18
	newRoute    = 24
	getRoute    = 26
	newRule     = 32
	getRule     = 34
	flagRequest = 0x1
	flagDump    = 0x300
	familyInet  = 2
	familyInet6 = 10

	// fibMatch asks for the entry that matches, not for the way alone; lookupTable
	// for the table that it is in.
	fibMatch    = 0x2000
	lookupTable = 0x1000

	header = 16 // of a message
)

var errShort = errors.New("short message")

// message is one message of an answer.
type message struct {
	kind uint16
	body []byte
}

// split takes an answer apart. done tells that the kernel has nothing more to say,
// which an error of the kernel means too.
func split(b []byte) (out []message, done bool, err error) {
	for len(b) >= header {
		size := int(order.Uint32(b))
		if size < header || size > len(b) {
			return out, false, errShort
		}
		m := message{order.Uint16(b[4:]), b[header:size]}
		switch m.kind {
		case msgDone:
			return out, true, nil
		case msgError:
			if len(m.body) < 4 {
				return out, true, errShort
			}
			return out, true, Errno(-int32(order.Uint32(m.body)))
		}
		out = append(out, m)
		b = b[min((size+3)&^3, len(b)):]
	}
	return out, false, nil
}

// Errno is an error number in a message of the kernel.
type Errno int32

func (e Errno) Error() string { return "error of the kernel" }

// attributes calls f for every attribute of a message.
func attributes(b []byte, f func(kind uint16, val []byte)) {
	for len(b) >= 4 {
		size := int(order.Uint16(b))
		if size < 4 || size > len(b) {
			return
		}
		f(order.Uint16(b[2:])&0x3fff, b[4:size]) // the two upper bits are flags
		b = b[min((size+3)&^3, len(b)):]
	}
}

// request makes a message with a body and attributes behind it.
func request(kind, flags uint16, body []byte) []byte {
	b := make([]byte, header, header+len(body))
	order.PutUint32(b, uint32(header+len(body)))
	order.PutUint16(b[4:], kind)
	order.PutUint16(b[6:], flags|flagRequest)
	order.PutUint32(b[8:], 1)
	return append(b, body...)
}

// LinksRequest asks for all devices.
func LinksRequest() []byte { return request(getLink, flagDump, make([]byte, 16)) }

// LinkRequest asks for one device by its number.
func LinkRequest(index int) []byte {
	body := make([]byte, 16)
	order.PutUint32(body[4:], uint32(index))
	return request(getLink, 0, body)
}

// RulesRequest asks for the rules of IPv4 or IPv6.
func RulesRequest(six bool) []byte {
	body := make([]byte, 12)
	body[0] = family(six)
	return request(getRule, flagDump, body)
}

// RoutesRequest asks for all routes of IPv4 or IPv6.
func RoutesRequest(six bool) []byte {
	body := make([]byte, 12)
	body[0] = family(six)
	return request(getRoute, flagDump, body)
}

// RouteRequest asks for the route to a port of an address, by the protocol that the port
// is known for. entry asks for the entry that matches, which kernels before 4.13 do not
// tell. Kernels before 4.18, whose rules know no ports, pass over port and protocol.
func RouteRequest(to netip.AddrPort, entry bool) []byte {
	ip := to.Addr().Unmap().AsSlice()
	body := make([]byte, 12+4+len(ip), 12+4+len(ip)+16)
	body[0], body[1] = family(len(ip) == 16), byte(len(ip)*8)
	flags := uint32(lookupTable)
	if entry {
		flags |= fibMatch
	}
	order.PutUint32(body[8:], flags)
	order.PutUint16(body[12:], uint16(4+len(ip)))
	order.PutUint16(body[14:], attrDst)
	copy(body[16:], ip)
	body = order.AppendUint16(order.AppendUint16(body, 4+1), attrProto)
	body = append(body, protocols[facts.ProtocolOf(to.Port())], 0, 0, 0)
	body = order.AppendUint16(order.AppendUint16(body, 4+2), attrDport)
	body = append(binary.BigEndian.AppendUint16(body, to.Port()), 0, 0)
	return request(getRoute, 0, body)
}

func family(six bool) byte {
	if six {
		return familyInet6
	}
	return familyInet
}

// text is a zero-terminated string of an attribute.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			b = b[:i]
			break
		}
	}
	return string(b[:min(len(b), 32)])
}

func number(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	return int(order.Uint32(b))
}
