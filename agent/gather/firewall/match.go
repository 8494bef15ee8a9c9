package firewall

import (
	"net/netip"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
)

// prefixes reads addresses, prefixes and ranges; a range counts as the
// prefixes of its ends and of the metadata address when it lies between.
func prefixes(vals []string) []netip.Prefix {
	var out []netip.Prefix
	for _, v := range vals {
		if p, err := netip.ParsePrefix(v); err == nil {
			out = append(out, p.Masked())
			continue
		}
		if a, err := netip.ParseAddr(v); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		lo, hi, ok := strings.Cut(v, "-")
		a, err := netip.ParseAddr(lo)
		b, err2 := netip.ParseAddr(hi)
		if !ok || err != nil || err2 != nil {
			continue
		}
		out = append(out, netip.PrefixFrom(a, a.BitLen()), netip.PrefixFrom(b, b.BitLen()))
		if a.Compare(gather.IMDSIP) <= 0 && gather.IMDSIP.Compare(b) <= 0 {
			out = append(out, netip.PrefixFrom(gather.IMDSIP, 32))
		}
	}
	return out
}

var portNames = map[string]int{"http": 80, "https": 443, "domain": 53, "ssh": 22}

// ports reads numbers, ranges and the common names.
func ports(vals []string) [][2]int {
	var out [][2]int
	num := func(s string) (int, bool) {
		if n, ok := portNames[s]; ok {
			return n, true
		}
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= 0 && n <= 65535
	}
	for _, v := range vals {
		lo, hi, ok := strings.Cut(strings.ReplaceAll(v, ":", "-"), "-")
		if !ok {
			hi = lo
		}
		a, ok1 := num(lo)
		b, ok2 := num(hi)
		if ok1 && ok2 {
			out = append(out, [2]int{a, b})
		}
	}
	return out
}
