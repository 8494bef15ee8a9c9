package facts

import (
	"net/netip"
	"strings"
)

// Holds reports whether an address lies in a prefix, in a range, or is the one given.
func Holds(to string, a netip.Addr) bool {
	if p, err := netip.ParsePrefix(to); err == nil {
		return p.Contains(a)
	}
	lo, hi, ok := strings.Cut(to, "-")
	if !ok {
		hi = lo
	}
	x, err := netip.ParseAddr(lo)
	y, err2 := netip.ParseAddr(hi)
	return err == nil && err2 == nil && x.Compare(a) <= 0 && a.Compare(y) <= 0
}
