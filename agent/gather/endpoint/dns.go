package endpoint

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// vpcResolver is the VPC's resolver at its link-local address.
const vpcResolver = "169.254.169.253"

// resolved is the answer for one name.
type resolved struct {
	dns   facts.DNS
	addrs []netip.Addr
}

// Resolve looks a name up as the host does, hosts file first, and once in a run.
func Resolve(ctx context.Context, run *gather.Run, f *facts.Facts, host string) (facts.DNS, []netip.Addr) {
	r := run.Once(ctx, "name "+host, func(ctx context.Context) any {
		d, addrs := resolve(ctx, run, f, host)
		return &resolved{d, addrs}
	}).(*resolved)
	d := r.dns
	d.A, d.AAAA = slices.Clone(d.A), slices.Clone(d.AAAA)
	return d, slices.Clone(r.addrs)
}

func resolve(ctx context.Context, run *gather.Run, f *facts.Facts, host string) (facts.DNS, []netip.Addr) {
	env := run.Env
	var d facts.DNS
	start := time.Now()
	defer func() { d.Seconds = time.Since(start).Seconds() }()
	if r, ok := f.Host.Resolver.Get(); ok && len(r.Servers) > 0 {
		d.Server = r.Servers[0]
	}
	if pins := pinned(env, host); len(pins) > 0 {
		d.Pinned, d.Outcome = pins[0].String(), facts.OK
		for _, a := range pins {
			if a.Is4() {
				d.A = append(d.A, a.String())
			} else {
				d.AAAA = append(d.AAAA, a.String())
			}
		}
		return d, pins
	}
	var four, six []netip.Addr
	var err4, err6 error
	var wg gather.Workers
	wg.Go(func() { four, err4 = run.Ask(ctx, "", "ip4", host) })
	wg.Go(func() { six, err6 = run.Ask(ctx, "", "ip6", host) })
	longer := searched(f.Host.Resolver.Value, host)
	found := make([][]netip.Addr, len(longer))
	for i, name := range longer {
		wg.Go(func() { found[i], _ = run.Ask(ctx, "", "ip4", name) })
	}
	wg.Wait()
	for i, name := range longer {
		if len(found[i]) > 0 {
			d.Searched = strings.TrimSuffix(name, ".")
			break
		}
	}
	_ = err6 // most names have no IPv6 address
	for _, a := range four {
		d.A = append(d.A, a.Unmap().String())
	}
	for _, a := range six {
		d.AAAA = append(d.AAAA, a.String())
	}
	d.Outcome = facts.OK
	if len(four)+len(six) == 0 {
		d.Outcome, d.Error = dnsOutcome(err4)
		var e *net.DNSError
		if errors.As(err4, &e) && e.Server != "" {
			d.Server = e.Server
		}
	}
	return d, append(four, six...)
}

// maxSearch is how many domains of a search list count.
const maxSearch = 6

// searched are the names that resolvers ask for before a name itself: those with
// a domain of the search list, where the name has fewer dots than ndots.
func searched(r facts.Resolver, host string) []string {
	ndots := 1
	for _, o := range r.Options {
		if v, ok := strings.CutPrefix(o, "ndots:"); ok {
			ndots, _ = strconv.Atoi(v)
		}
	}
	if strings.HasSuffix(host, ".") || strings.Count(host, ".") >= min(ndots, 15) {
		return nil
	}
	var out []string
	for _, s := range r.Search[:min(len(r.Search), maxSearch)] {
		if s = strings.Trim(s, "."); s != "" {
			out = append(out, host+"."+s+".")
		}
	}
	return out
}

// dnsOutcome sorts the ways in which a query fails.
func dnsOutcome(err error) (outcome facts.Outcome, text string) {
	var e *net.DNSError
	switch {
	case err == nil:
		return facts.NoData, "no addresses"
	case errors.As(err, &e) && e.IsNotFound:
		return facts.NXDomain, "no such host"
	case errors.As(err, &e) && e.IsTimeout, errors.Is(err, context.DeadlineExceeded):
		return facts.Timeout, "i/o timeout"
	case strings.Contains(err.Error(), "server misbehaving"):
		return facts.ServFail, "server misbehaving"
	case strings.Contains(err.Error(), "connection refused"):
		return facts.Refused, "connection refused"
	}
	// A resolver of Go keeps of what the kernel said only the words.
	for _, k := range kernelWords {
		if strings.Contains(err.Error(), k.words) {
			return k.outcome, k.words
		}
	}
	return facts.Other, gather.Why(err)
}

// kernelWords are how this host's kernel says that it does not send a query.
var kernelWords = []struct {
	words   string
	outcome facts.Outcome
}{
	{"network is unreachable", facts.NoRoute}, {"no route to host", facts.NoRoute}, {"unreachable network", facts.NoRoute}, {"unreachable host", facts.NoRoute},
	{"invalid argument", facts.Invalid}, {"permission denied", facts.NotPermitted}, {"operation not permitted", facts.NotPermitted},
	{"cannot assign requested address", facts.NoLocalAddress},
	{"forbidden by its access permissions", facts.NotPermitted}, {"actively refused", facts.Refused}, // Windows
}

// maxPins bounds the addresses of one name in the hosts file.
const maxPins = 20

// pinned are the addresses that the hosts file gives for a name; none where
// name resolution does not look into that file.
func pinned(env *gather.Env, host string) []netip.Addr {
	name := gather.Clean(gather.Folders(env).Hosts)
	if env.GOOS == "linux" {
		if b, err := gather.ReadFile(env.FS, "etc/nsswitch.conf", gather.MaxSmall); err == nil && !hostsFileUsed(b) {
			return nil
		}
	}
	b, err := gather.ReadFile(env.FS, name, gather.MaxSmall)
	if err != nil {
		return nil
	}
	return parseHosts(b, host)
}

// hostsFileUsed reports whether nsswitch.conf lets names be looked up in the
// hosts file; without a line for hosts they are.
func hostsFileUsed(b []byte) bool {
	sources := gather.NameSources(b)
	return len(sources) == 0 || slices.Contains(sources, "files")
}

func parseHosts(b []byte, host string) []netip.Addr {
	var out []netip.Addr
	gather.Lines(b, func(l []byte) bool {
		line, _, _ := strings.Cut(string(l), "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			return true
		}
		a, err := netip.ParseAddr(fields[0])
		if err != nil {
			return true
		}
		for _, n := range fields[1:] {
			if strings.EqualFold(strings.TrimSuffix(n, "."), host) {
				out = append(out, a.WithZone("")) // a zone may hold any text
				break
			}
		}
		return len(out) < maxPins
	})
	return out
}

// views asks the resolvers that the host does not use: the VPC's own, and the
// further ones of resolv.conf.
func views(ctx context.Context, run *gather.Run, f *facts.Facts, host string) []facts.View {
	servers := []string{vpcResolver}
	if r, ok := f.Host.Resolver.Get(); ok {
		for _, s := range r.Servers {
			if s == vpcResolver {
				servers = nil // the host's own answer is the VPC's
			}
		}
		for _, s := range r.Servers[min(1, len(r.Servers)):] {
			if !strings.HasPrefix(s, "127.") {
				servers = append(servers, s)
			}
		}
	}
	out := make([]facts.View, len(servers))
	var wg gather.Workers
	for i, s := range servers {
		wg.Go(func() {
			addrs, err := run.Ask(ctx, s, "ip4", host)
			v := facts.View{Server: s, Outcome: facts.OK, Scope: scope(addrs)}
			for _, a := range addrs {
				v.A = append(v.A, a.Unmap().String())
			}
			if len(addrs) == 0 {
				v.Outcome, _ = dnsOutcome(err)
			}
			out[i] = v
		})
	}
	wg.Wait()
	return slices.DeleteFunc(out, func(v facts.View) bool { return v.Server == "" })
}

// scope tells private from public addresses.
func scope(addrs []netip.Addr) string {
	private, public := 0, 0
	for _, a := range addrs {
		if a = a.Unmap(); a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
			private++
		} else {
			public++
		}
	}
	switch {
	case private+public == 0:
		return ""
	case public == 0:
		return "private"
	case private == 0:
		return "public"
	}
	return "mixed"
}
