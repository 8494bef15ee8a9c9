package opsys

import (
	"net/netip"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// parseResolv reads resolv.conf.
func parseResolv(b []byte) facts.Resolver {
	r := facts.Resolver{Servers: []string{}, Search: []string{}, Options: []string{}}
	gather.Lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 2 || f[0][0] == '#' || f[0][0] == ';' {
			return true
		}
		switch f[0] {
		case "nameserver":
			if len(r.Servers) < 10 {
				r.Servers = append(r.Servers, gather.OneLine(f[1], 100))
			}
		case "search", "domain":
			r.Search = r.Search[:0]
			for _, d := range f[1:min(len(f), 11)] {
				r.Search = append(r.Search, gather.OneLine(d, 255))
			}
		case "options":
			for _, o := range f[1:min(len(f), 11)] {
				r.Options = append(r.Options, gather.OneLine(o, 50))
			}
		}
		return len(r.Options) < 50
	})
	return r
}

func resolver(fsys gather.FileSystem) facts.Seen[facts.Resolver] {
	const name = "etc/resolv.conf"
	b, err := gather.ReadFile(fsys, name, gather.MaxSmall)
	switch {
	case gather.IsFolder(fsys, name, err):
		return facts.Absent[facts.Resolver]("a folder stands in its place", gather.FileURL(name))
	case err != nil:
		return gather.Unseen[facts.Resolver](err, name)
	}
	return facts.Known(parseResolv(b), gather.FileURL(name))
}

// nameSources reads where nsswitch.conf has names of hosts looked up.
func nameSources(env *gather.Env) facts.Seen[[]string] {
	const name = "etc/nsswitch.conf"
	if env.GOOS != "linux" {
		return gather.NotAskable[[]string](gather.ErrUnsupported.Error(), "")
	}
	b, err := gather.ReadFile(env.FS, name, gather.MaxSmall)
	if err != nil {
		return gather.Unseen[[]string](err, name)
	}
	list := gather.NameSources(b)
	if len(list) == 0 {
		return facts.Absent[[]string]("no line for hosts", gather.FileURL(name))
	}
	return facts.Known(list, gather.FileURL(name))
}

// onLink reports whether a gateway lies in a network of one of the interfaces.
func onLink(gateway string, ifs []facts.Interface) bool {
	if gateway == "" {
		return true
	}
	g, err := netip.ParseAddr(gateway)
	if err != nil {
		return false
	}
	for _, i := range ifs {
		for _, a := range i.Addresses {
			if p, err := netip.ParsePrefix(a); err == nil && p.Contains(g) {
				return true
			}
		}
	}
	return false
}
