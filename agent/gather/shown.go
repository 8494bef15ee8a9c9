package gather

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// ShownURL is what may be shown of a URL that a host's settings hold: scheme, host and
// port, where they are nothing else. Whatever does not read as such a URL may be a
// secret that was written wrongly and is not shown; what says what it should have been.
// login: a user or password is in it, or what could be one.
func ShownURL(v, what string) (shown string, login bool) {
	v = strings.TrimSpace(v)
	if v == "" {
		return "", false
	}
	scheme, rest, ok := strings.Cut(v, "://")
	if !ok {
		scheme, rest = "http", v // as Go's HTTP library reads a proxy
	}
	odd := "[not a usable " + what + "]"
	if !plainScheme(scheme) {
		return odd, maybeLogin(v)
	}
	scheme = strings.ToLower(scheme)
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil || !shownHost(u.Hostname()) || !shownPort(u) {
		return scheme + "://" + odd, maybeLogin(v)
	}
	// A slash in a password ends what a parser takes for the host.
	after := u.Path + u.RawQuery + u.Fragment
	if maybeLogin(after) {
		return scheme + "://" + odd, true
	}
	return scheme + "://" + u.Host, u.User != nil
}

// ShownHost is what may be shown of the value of an endpoint, which may be a URL or a
// host with or without port.
func ShownHost(v string) string {
	shown, _ := ShownURL(v, "address")
	if strings.Contains(v, "://") {
		return shown
	}
	return strings.TrimPrefix(shown, "http://")
}

// shownExceptions are the entries of no_proxy that are hosts, networks or patterns.
func shownExceptions(v string) string {
	var out []string
	for e := range strings.SplitSeq(v, ",") {
		if e = strings.TrimSpace(e); e == "" {
			continue
		}
		if len(e) > 253 || strings.IndexFunc(e, func(c rune) bool { return !hostRune(c) && !strings.ContainsRune(":*/[]", c) }) >= 0 || secretLength(e) {
			e = "[not a usable entry]"
		}
		out = append(out, e)
	}
	return OneLine(strings.Join(out, ","), 1000)
}

// secretLength reports whether a word is as long as a key: no label of a host is.
func secretLength(e string) bool {
	for part := range strings.FieldsFuncSeq(e, func(c rune) bool { return strings.ContainsRune(".:/", c) }) {
		if len(part) > 63 {
			return true
		}
	}
	return false
}

// plainScheme reports whether text is the scheme of a URL that is used here.
func plainScheme(s string) bool {
	switch strings.ToLower(s) {
	case "http", "https", "socks5", "socks5h":
		return true
	}
	return false
}

// shownHost reports whether text is a host name or address and nothing else.
func shownHost(h string) bool {
	if a, err := netip.ParseAddr(h); err == nil {
		return a.Zone() == ""
	}
	return h != "" && len(h) <= 253 && !secretLength(h) && strings.IndexFunc(h, func(c rune) bool { return !hostRune(c) }) < 0
}

func hostRune(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_'
}

// shownPort reports whether a URL has a port, or none.
func shownPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.Atoi(u.Port())
	return err == nil && n > 0 && n < 1<<16
}

// maybeLogin reports whether text holds the sign that ends a login, however often it
// was encoded.
func maybeLogin(s string) bool {
	for range 4 {
		if strings.ContainsRune(s, '@') || strings.ContainsRune(s, '\uff20') { // its full-width form
			return true
		}
		s = strings.ReplaceAll(s, "%25", "%")
		if strings.Contains(s, "%40") || strings.Contains(strings.ToUpper(s), "%EF%BC%A0") {
			return true
		}
	}
	return false
}
