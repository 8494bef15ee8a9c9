package gather

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// proxyURL reads the value of a proxy variable as Go's HTTP client does: without a scheme
// it is one of http. What cannot be read is no proxy.
func proxyURL(value string) *url.URL {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme == "" || u.Host == "" {
		if plain, err := url.Parse("http://" + value); err == nil {
			return plain
		}
	}
	if err != nil {
		return nil
	}
	return u
}

// excepted tells whether no_proxy takes a host and port from the proxy, by the rules of
// Go's HTTP client (golang.org/x/net/http/httpproxy, which a test holds this to), but for
// names beyond ASCII: they are compared as they are written. What the library has for
// them is a quarter of a megabyte, and no endpoint of AWS has such a name.
func excepted(noProxy, host, port string) bool {
	host, port, err := net.SplitHostPort(net.JoinHostPort(host, port))
	if err != nil {
		return true
	}
	var ip net.IP
	if a, err := netip.ParseAddr(host); err == nil {
		ip = a.AsSlice()
	}
	if host == "localhost" || ip.IsLoopback() {
		return true
	}
	host = strings.ToLower(strings.TrimSpace(host))
	for entry := range strings.SplitSeq(noProxy, ",") {
		if exceptionOf(strings.ToLower(strings.TrimSpace(entry)), host, port, ip) {
			return true
		}
	}
	return false
}

// exceptionOf tells whether one entry of no_proxy means a host, which has an address if
// it is one: a network, an address or a name, the last two perhaps with a port.
func exceptionOf(entry, host, port string, ip net.IP) bool {
	if entry == "*" {
		return true
	}
	if _, network, err := net.ParseCIDR(entry); err == nil {
		return network.Contains(ip)
	}
	name, only, err := net.SplitHostPort(entry)
	if err != nil {
		name, only = entry, ""
	}
	switch address := net.ParseIP(name); {
	case name == "" || only != "" && only != port:
		return false
	case address != nil:
		return address.Equal(ip)
	case ip != nil:
		return false
	}
	if strings.HasPrefix(name, "*.") {
		name = name[1:]
	}
	if strings.HasPrefix(name, ".") { // what is below it, but not the name itself
		return strings.HasSuffix(host, name)
	}
	return host == name || strings.HasSuffix(host, "."+name)
}
