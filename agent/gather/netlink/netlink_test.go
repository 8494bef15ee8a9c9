package netlink

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
)

// attr is an attribute of a message.
func attr(kind uint16, val ...byte) []byte {
	b := make([]byte, 4, 4+len(val)+3)
	order.PutUint16(b, uint16(4+len(val)))
	order.PutUint16(b[2:], kind)
	b = append(b, val...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func word(n uint32) []byte {
	b := make([]byte, 4)
	order.PutUint32(b, n)
	return b
}

// reply is a message of the kernel: a body, and attributes behind it.
func reply(kind uint16, body []byte, attrs ...[]byte) []byte {
	for _, a := range attrs {
		body = append(body, a...)
	}
	return request(kind, 0, body)
}

func failed(errno int32) []byte { return reply(msgError, word(uint32(-errno))) }

func linkOf(index, flags uint32, attrs ...[]byte) []byte {
	body := make([]byte, 16)
	order.PutUint32(body[4:], index)
	order.PutUint32(body[8:], flags)
	return reply(newLink, body, attrs...)
}

func TestLinks(t *testing.T) {
	t.Parallel()
	b := append(linkOf(1, linkUp|linkLoopback|linkLowerUp, attr(linkName, []byte("lo\x00")...), attr(linkMTU, word(65536)...)),
		linkOf(7, linkUp, attr(linkName, []byte("wg0\x00")...), attr(linkMTU, word(1420)...), attr(linkInfo, attr(linkInfoKind, []byte("wireguard\x00")...)...))...)
	got, done, err := Links(append(b, reply(msgDone, word(0))...))
	want := []Device{{facts.Link{Name: "lo", Up: true, Carrier: true, Loopback: true, MTU: 65536}, 1}, {facts.Link{Name: "wg0", Kind: "wireguard", Up: true, MTU: 1420}, 7}}
	if d := cmp.Diff(want, got); d != "" || !done || err != nil {
		t.Error(done, err, d)
	}
	ppp := linkOf(9, 0)
	order.PutUint16(ppp[header+2:], hardwarePPP)
	if got, done, _ := Links(ppp); done || got[0].Kind != "ppp" {
		t.Errorf("%v %+v", done, got)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	body := []byte{familyInet, 16, 0, 0, facts.MainTable, 0, 0, 1, 0, 0, 0, 0}
	got, _, err := Routes(reply(newRoute, body, attr(attrDst, 169, 254, 0, 0), attr(attrGateway, 10, 0, 0, 1), attr(attrOif, word(3)...), attr(attrTable, word(51820)...), attr(attrPrefSrc, 10, 0, 0, 9), attr(attrPriority, word(205)...),
		attr(attrMetrics, attr(metricMTU, word(1400)...)...)))
	want := []Entry{{facts.Route{Destination: "169.254.0.0/16", Gateway: "10.0.0.1", Kind: "unicast", Table: 51820, Source: "10.0.0.9", Metric: 205, MTU: 1400}, 3}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
	got, _, _ = Routes(reply(newRoute, []byte{familyInet, 0, 0, 0, facts.MainTable, 0, 0, 6, 0, 0, 0, 0}))
	if got[0].Destination != "default" || got[0].Kind != "blackhole" {
		t.Errorf("%+v", got)
	}
	var no Errno
	if _, done, err := Routes(failed(101)); !done || !errors.As(err, &no) || no != 101 {
		t.Errorf("%v %v", done, err)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	head := func(family, to, from, table, action byte, flags uint32) []byte {
		return append([]byte{family, to, from, 0, table, 0, 0, action}, word(flags)...)
	}
	b := reply(newRule, head(familyInet, 0, 0, 252, 1, ruleInvert), attr(rulePriority, word(32764)...), attr(ruleMark, word(0xca6c)...), attr(ruleMask, word(0xffffffff)...), attr(ruleTable, word(51820)...))
	b = append(b, reply(newRule, head(familyInet, 0, 32, 0, 1, 0), attr(ruleSrc, 10, 0, 13, 9), attr(rulePriority, word(10001)...), attr(ruleTable, word(10001)...))...)
	b = append(b, reply(newRule, head(familyInet6, 0, 0, facts.MainTable, 1, 0), attr(rulePriority, word(32766)...), attr(ruleSuppress, word(0)...))...)
	b = append(b, reply(newRule, head(familyInet, 8, 0, 0, 7, 0), attr(ruleDst, 10, 0, 0, 0))...)
	ports := func(from, to uint16) []byte { return order.AppendUint16(order.AppendUint16(nil, from), to) }
	b = append(b, reply(newRule, head(familyInet, 0, 0, 0, 6, 0), attr(ruleProto, 17), attr(ruleDport, ports(53, 53)...))...)
	b = append(b, reply(newRule, head(familyInet, 0, 0, 77, 1, 0), attr(ruleProto, 132), attr(ruleSport, ports(1, 9)...), attr(ruleTable, word(77)...))...)
	got, _, err := Rules(b)
	want := []facts.RoutingRule{
		{Priority: 32764, Family: "inet", Table: 51820, Text: "not from all fwmark 0xca6c lookup 51820"},
		{Priority: 10001, Family: "inet", Table: 10001, Text: "from 10.0.13.9 lookup 10001"},
		{Priority: 32766, Family: "inet6", Table: facts.MainTable, Text: "from all lookup main suppress_prefixlength 0"},
		{Family: "inet", Text: "from all to 10.0.0.0/8 unreachable"},
		{Family: "inet", Text: "from all ipproto udp dport 53 blackhole"},
		{Family: "inet", Table: 77, Text: "from all ipproto 132 sport 1-9 lookup 77"},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"169.254.169.254", "fd00:ec2::254", "::ffff:10.0.0.1"} {
		b := RouteRequest(netip.AddrPortFrom(netip.MustParseAddr(to), 53), true)
		if int(order.Uint32(b)) != len(b) || order.Uint16(b[4:]) != getRoute || order.Uint16(b[6:]) != flagRequest {
			t.Errorf("%s: % x", to, b)
		}
		ip := netip.MustParseAddr(to).Unmap()
		if got, _ := netip.AddrFromSlice(b[header+16:][:ip.BitLen()/8]); got != ip || int(b[header+1]) != ip.BitLen() {
			t.Errorf("%s: %s/%d", to, got, b[header+1])
		}
		asked := map[uint16][]byte{}
		attributes(b[header+12:], func(kind uint16, val []byte) { asked[kind] = val })
		if want := map[uint16][]byte{attrDst: ip.AsSlice(), attrProto: {17}, attrDport: {0, 53}}; !reflect.DeepEqual(asked, want) {
			t.Errorf("%s: %v", to, asked)
		}
	}
}

// FuzzAnswers: whatever comes, the readers end and stay within what came.
func FuzzAnswers(f *testing.F) {
	f.Add(linkOf(1, linkUp, attr(linkName, []byte("lo\x00")...)))
	f.Add(reply(newRoute, []byte{familyInet, 16, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0}, attr(attrDst, 169, 254, 0, 0)))
	f.Add(reply(newRule, make([]byte, 12), attr(ruleSrc, 10, 0, 13, 9), attr(ruleUsers, 1, 2, 3, 4, 5, 6, 7, 8)))
	f.Add(failed(22))
	f.Fuzz(func(t *testing.T, b []byte) {
		links, _, _ := Links(b)
		routes, _, _ := Routes(b)
		rules, _, _ := Rules(b)
		if n := len(links) + len(routes) + len(rules); n > len(b)/header {
			t.Errorf("%d of %d bytes", n, len(b))
		}
		for _, r := range routes {
			if p, err := netip.ParsePrefix(r.Destination); err != nil && r.Destination != "default" || err == nil && !p.IsValid() {
				t.Errorf("%+v", r)
			}
		}
	})
}
