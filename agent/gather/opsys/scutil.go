package opsys

import (
	"context"
	"net/netip"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// macResolver are the resolvers that macOS asks for the names of AWS, which
// resolv.conf need not tell. Where scutil does not answer, file is what there is.
func macResolver(ctx context.Context, env *gather.Env, file facts.Seen[facts.Resolver]) facts.Seen[facts.Resolver] {
	out, err := env.Exec(ctx, "scutil", "--dns")
	if err != nil {
		return file
	}
	r, ok := parseScutilDNS(out)
	if !ok {
		return file
	}
	return facts.Known(r, "scutil --dns")
}

// reListed is a numbered line of scutil: "nameserver[0] : 10.0.0.2".
var reListed = pattern.New(`^(nameserver|search domain)\[\d+\] +: (\S+)$`)

// parseScutilDNS reads the output of scutil --dns. Of its resolvers that of the
// narrowest domain that names of AWS lie in is asked; one without a domain is for
// all names. What follows "for scoped queries" is asked only by who names a device.
func parseScutilDNS(b []byte) (facts.Resolver, bool) {
	type client struct {
		domain string
		facts.Resolver
	}
	var list []client
	gather.Lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		if strings.Contains(s, "for scoped queries") || len(list) >= 200 {
			return false
		}
		if strings.HasPrefix(s, "resolver #") {
			list = append(list, client{Resolver: facts.Resolver{Servers: []string{}, Search: []string{}, Options: []string{}}})
			return true
		}
		if len(list) == 0 {
			return true
		}
		c := &list[len(list)-1]
		if k, v, ok := strings.Cut(s, ":"); ok && strings.TrimSpace(k) == "domain" {
			c.domain = strings.ToLower(strings.Trim(strings.TrimSpace(v), "."))
		}
		m := reListed.FindStringSubmatch(s)
		switch {
		case m == nil:
		case m[1] == "nameserver" && len(c.Servers) < 10:
			c.Servers = append(c.Servers, gather.OneLine(m[2], 100))
		case m[1] == "search domain" && len(c.Search) < 10:
			c.Search = append(c.Search, gather.OneLine(m[2], 255))
		}
		return true
	})
	best, width := facts.Resolver{}, -1
	for _, c := range list {
		if len(c.Servers) > 0 && coversAWS(c.domain) && len(c.domain) > width {
			if best, width = c.Resolver, len(c.domain); len(best.Search) == 0 {
				best.Search = list[0].Search
			}
		}
	}
	for i, s := range best.Servers { // "fe80::1%12" has a device
		if a, err := netip.ParseAddr(s); err == nil {
			best.Servers[i] = a.WithZone("").String()
		}
	}
	return best, width >= 0
}

// coversAWS reports whether names of AWS lie in a domain; "" is that of all names.
func coversAWS(domain string) bool {
	for _, name := range []string{"amazonaws.com", "amazonaws.com.cn", "api.aws"} {
		if domain == "" || domain == name || strings.HasSuffix(name, "."+domain) {
			return true
		}
	}
	return false
}

// macClock reports whether the time service of macOS is off. That it is on does not
// say that it keeps the clock.
func macClock(ctx context.Context, env *gather.Env) facts.Seen[bool] {
	const from = "systemsetup -getusingnetworktime"
	out, err := env.Exec(ctx, "systemsetup", "-getusingnetworktime")
	_, value, ok := strings.Cut(strings.TrimSpace(string(out)), "Network Time: ")
	switch {
	case ok && value == "Off":
		return facts.Known(false, from)
	case ok:
		return gather.NotAskable[bool]("macOS does not say whether its clock is synchronized", from)
	case err != nil:
		return gather.Unknown[bool](err, from)
	}
	return facts.Unknown[bool]("listing the time service needs root", from).Because(facts.NeedsRoot)
}
