package gather

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"ssm-doctor/checks/logline"
	"ssm-doctor/checks/pattern"
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
		host, port, _ := strings.Cut(strings.TrimPrefix(e, "*"), ":")
		_, prefix := netip.ParsePrefix(e)
		_, address := netip.ParseAddr(strings.Trim(e, "[]"))
		_, withPort := netip.ParseAddrPort(e)
		numbers := strings.Trim(e, "0123456789./") == "" && len(e) < 20 // a network without its zeros
		if prefix != nil && address != nil && withPort != nil && !numbers && (!shownHost(strings.TrimPrefix(host, ".")) || strings.Trim(port, "0123456789") != "") && e != "*" {
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

// shownHost reports whether text is a host name or address and nothing else, and not
// what a key looks like.
func shownHost(h string) bool { return usableHost(h) && !keyInHost(h) }

// keyInHost reports whether a label of a host changes between upper case, lower case and
// digits as keys do. Nobody names a host so.
func keyInHost(h string) bool {
	for label := range strings.FieldsFuncSeq(h, func(c rune) bool { return c == '.' || c == '-' || c == '_' }) {
		var kinds [3]bool
		changes, last := 0, -1
		for _, c := range label {
			k := 2
			switch {
			case c >= 'a' && c <= 'z':
				k = 0
			case c >= 'A' && c <= 'Z':
				k = 1
			}
			if kinds[k] = true; last >= 0 && k != last {
				changes++
			}
			last = k
		}
		if len(label) >= 10 && kinds[0] && kinds[1] && kinds[2] && changes*2 >= len(label) {
			return true
		}
	}
	return false
}

func usableHost(h string) bool {
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

// notShown stands for a value that is not what it should be, and may be a secret.
const notShown = "[not shown]"

// UsableHost is what may be shown of the host of a URL, and whether it can be one.
func UsableHost(u *url.URL) (shown string, ok bool) {
	h := u.Hostname()
	switch {
	case !usableHost(h):
		return "[not a usable host]", false
	case keyInHost(h):
		return notShown, true
	}
	return h, true
}

// ShownText is what may be shown of text that a peer sent: what is recognised in it.
func ShownText(s string, limit int) string { return logline.Shown(OneLine(s, limit)) }

var (
	// A product as headers name it: words, each with a release or without.
	shownServer = pattern.New(`^(?:EC2ws|[A-Za-z]{2,}(?:[_-][A-Za-z]+)*(?:/[0-9]+(?:\.[0-9]+){0,3})?(?: \([A-Za-z]+\))?(?: |$)){1,4}$`)
	shownType   = pattern.New(`^[a-z]+/[a-z0-9.+-]{1,40}(?:; ?charset=[A-Za-z0-9-]{1,20})?$`)
	shownCode   = pattern.New(`^[A-Za-z][A-Za-z._-]{0,79}$`)
	// A Region, or what was meant to be one.
	shownRegion = pattern.New(`^[A-Za-z][A-Za-z _-]{1,30}[0-9]{0,2}[a-z]?$`)
)

func shownIf(re *pattern.Pattern, s string) string {
	if s = OneLine(s, 100); s == "" || re.MatchString(s) {
		return s
	}
	return notShown
}

// ShownServer is what may be shown of a header that names the product that answers.
func ShownServer(s string) string { return shownIf(shownServer, s) }

// ShownType is what may be shown of the type of a body.
func ShownType(s string) string { return shownIf(shownType, s) }

// ShownCode is what may be shown of a word for how something ended.
func ShownCode(s string) string { return shownIf(shownCode, s) }

// ShownRegion is what may be shown of a setting that should be a Region.
func ShownRegion(s string) string { return shownIf(shownRegion, s) }
