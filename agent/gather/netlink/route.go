package netlink

import (
	"fmt"
	"net/netip"
	"strings"

	"ssm-doctor/checks/facts"
)

// Attributes of routes.
const (
	attrDst      = 1
	attrOif      = 4
	attrGateway  = 5
	attrPriority = 6
	attrPrefSrc  = 7
	attrMetrics  = 8
	attrTable    = 15
	attrVia      = 18
	attrProto    = 27
	attrDport    = 29

	metricMTU = 2
)

// routeKinds by number.
var routeKinds = map[byte]string{1: "unicast", 2: "local", 6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}

// protocols by name, as rules have them.
var protocols = map[string]byte{"icmp": 1, "tcp": 6, "udp": 17}

// Entry is a route and the number of its device.
type Entry struct {
	facts.Route
	Index int // 0: none
}

// Routes reads routes from an answer. done: the kernel has nothing more to say.
func Routes(b []byte) (list []Entry, done bool, err error) {
	msgs, done, err := split(b)
	for _, m := range msgs {
		if e, ok := entry(m); ok {
			list = append(list, e)
		}
	}
	return list, done, err
}

func entry(m message) (Entry, bool) {
	if m.kind != newRoute || len(m.body) < 12 {
		return Entry{}, false
	}
	bits := int(m.body[1])
	e := Entry{Route: facts.Route{Destination: "default", Kind: routeKinds[m.body[7]], Table: int(m.body[4])}}
	if e.Kind == "" {
		e.Kind = fmt.Sprintf("type %d", m.body[7])
	}
	attributes(m.body[12:], func(kind uint16, val []byte) {
		switch kind {
		case attrDst:
			if ip, ok := netip.AddrFromSlice(val); ok && bits > 0 && bits <= ip.BitLen() {
				e.Destination = netip.PrefixFrom(ip, bits).String()
			}
		case attrGateway:
			if ip, ok := netip.AddrFromSlice(val); ok {
				e.Gateway = ip.String()
			}
		case attrVia: // the gateway of another family: IPv4 by an IPv6 router
			if len(val) > 2 {
				if ip, ok := netip.AddrFromSlice(val[2:]); ok {
					e.Gateway = ip.String()
				}
			}
		case attrPrefSrc:
			if ip, ok := netip.AddrFromSlice(val); ok {
				e.Source = ip.String()
			}
		case attrOif:
			e.Index = number(val)
		case attrTable:
			e.Table = number(val)
		case attrPriority:
			e.Metric = number(val)
		case attrMetrics:
			attributes(val, func(kind uint16, val []byte) {
				if kind == metricMTU {
					e.MTU = number(val)
				}
			})
		}
	})
	return e, true
}

// Attributes and actions of rules.
const (
	ruleDst      = 1
	ruleSrc      = 2
	ruleIn       = 3
	rulePriority = 6
	ruleMark     = 10
	ruleSuppress = 14
	ruleTable    = 15
	ruleMask     = 16
	ruleOut      = 17
	ruleUsers    = 20
	ruleProto    = 22
	ruleSport    = 23
	ruleDport    = 24

	ruleInvert = 0x2
)

var ruleActions = map[byte]string{2: "goto", 3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}

// tableNames are those that every system has.
var tableNames = map[int]string{253: "default", facts.MainTable: "main", 255: "local"}

// Rules reads rules from an answer to RulesRequest. done: the kernel has nothing
// more to say.
func Rules(b []byte) (list []facts.RoutingRule, done bool, err error) {
	msgs, done, err := split(b)
	for _, m := range msgs {
		if m.kind != newRule || len(m.body) < 12 {
			continue
		}
		list = append(list, rule(m.body))
	}
	return list, done, err
}

func rule(b []byte) facts.RoutingRule {
	r := facts.RoutingRule{Family: "inet", Table: int(b[4])}
	if b[0] == familyInet6 {
		r.Family = "inet6"
	}
	var mark, mask, suppress = 0, 0, -1
	from, more := "from all", []string{}
	say := func(format string, a ...any) { more = append(more, fmt.Sprintf(format, a...)) }
	attributes(b[12:], func(kind uint16, val []byte) {
		switch kind {
		case ruleSrc:
			if ip, ok := netip.AddrFromSlice(val); ok {
				from = "from " + prefix(ip, int(b[2]))
			}
		case ruleDst:
			if ip, ok := netip.AddrFromSlice(val); ok {
				say("to %s", prefix(ip, int(b[1])))
			}
		case ruleIn:
			say("iif %s", text(val))
		case ruleOut:
			say("oif %s", text(val))
		case rulePriority:
			r.Priority = number(val)
		case ruleMark:
			mark = number(val)
		case ruleMask:
			mask = number(val)
		case ruleTable:
			r.Table = number(val)
		case ruleSuppress:
			if len(val) >= 4 {
				suppress = int(int32(order.Uint32(val)))
			}
		case ruleUsers:
			if len(val) >= 8 {
				say("uidrange %d-%d", order.Uint32(val), order.Uint32(val[4:]))
			}
		case ruleProto:
			if len(val) > 0 {
				name := fmt.Sprint(val[0])
				for p, n := range protocols {
					if n == val[0] {
						name = p
					}
				}
				say("ipproto %s", name)
			}
		case ruleSport, ruleDport:
			if len(val) >= 4 {
				ports := fmt.Sprint(order.Uint16(val))
				if to := order.Uint16(val[2:]); to != order.Uint16(val) {
					ports += fmt.Sprintf("-%d", to)
				}
				say("%s %s", map[uint16]string{ruleSport: "sport", ruleDport: "dport"}[kind], ports)
			}
		}
	})
	words := []string{from}
	if order.Uint32(b[8:])&ruleInvert != 0 {
		words = []string{"not", from}
	}
	words = append(words, more...)
	switch {
	case mask != 0 && uint32(mask) != 0xffffffff:
		words = append(words, fmt.Sprintf("fwmark 0x%x/0x%x", uint32(mark), uint32(mask)))
	case mark != 0:
		words = append(words, fmt.Sprintf("fwmark 0x%x", uint32(mark)))
	}
	if name, ok := ruleActions[b[7]]; ok {
		words, r.Table = append(words, name), 0
	} else {
		name, ok := tableNames[r.Table]
		if !ok {
			name = fmt.Sprint(r.Table)
		}
		words = append(words, "lookup "+name)
	}
	if suppress >= 0 {
		words = append(words, fmt.Sprintf("suppress_prefixlength %d", suppress))
	}
	r.Text = strings.Join(words, " ")
	return r
}

func prefix(ip netip.Addr, bits int) string {
	if bits == ip.BitLen() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, bits).String()
}
