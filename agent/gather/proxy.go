package gather

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"ssm-doctor/checks/facts"
)

// ForHost is the proxy for an https request to a host, by Go's rules, which are the agent's.
func (p ProxyVars) ForHost(host string) *url.URL {
	if excepted(p.No, host, "443") {
		return nil
	}
	return proxyURL(p.HTTPS)
}

// ExcludedBy lists the entries of no_proxy that take a host from the proxy.
func (p ProxyVars) ExcludedBy(host string) []string {
	var out []string
	for e := range strings.SplitSeq(p.No, ",") {
		p.No = strings.TrimSpace(e)
		if p.No != "" && p.ForHost(host) == nil {
			out = append(out, OneLine(p.No, 300))
		}
	}
	return out
}

func (p ProxyVars) Variable() string { return cmp.Or(p.name, "https_proxy") }

// ForPlain is the proxy for a plain http URL, by the same rules.
func (p ProxyVars) ForPlain(target string) *url.URL {
	t, err := url.Parse(target)
	if err != nil || t.Scheme != "http" || excepted(p.No, t.Hostname(), cmp.Or(t.Port(), "80")) {
		return nil
	}
	return proxyURL(p.HTTP)
}

// ProxyVars are proxy variables as they stand, with user and password.
type ProxyVars struct {
	HTTPS, HTTP, No string
	name            string // of the variable that https is from
}

// Format keeps passwords of proxies out of logs and messages, in every form of fmt.
func (p ProxyVars) Format(s fmt.State, _ rune) { fmt.Fprint(s, "proxy settings") }

// ProxyFrom takes the proxy variables out of an environment. As in the agent's
// HTTP library the upper-case name wins where both are set.
func ProxyFrom(vars map[string]string) ProxyVars {
	first := func(names ...string) string {
		for _, n := range names {
			if v := vars[n]; v != "" {
				return v
			}
		}
		return ""
	}
	name := "https_proxy"
	if vars["HTTPS_PROXY"] != "" {
		name = "HTTPS_PROXY"
	}
	return ProxyVars{
		name:  name,
		HTTPS: first("HTTPS_PROXY", "https_proxy"),
		HTTP:  first("HTTP_PROXY", "http_proxy"),
		No:    first("NO_PROXY", "no_proxy"),
	}
}

// Fact is the proxy without user and password.
func (p ProxyVars) Fact(from string) facts.Proxy {
	https, a := RedactProxy(p.HTTPS)
	http, b := RedactProxy(p.HTTP)
	return facts.Proxy{HTTPS: https, HTTP: http, No: shownExceptions(p.No), HasAuth: a || b, From: from}
}

// RedactProxy is what may be shown of a proxy's value, and whether it has a login.
func RedactProxy(v string) (shown string, login bool) {
	shown, login = ShownURL(v, "proxy URL")
	if _, rest, ok := strings.Cut(v, "://"); !ok || rest == "" {
		shown = strings.TrimPrefix(shown, "http://") // as it was written
	}
	return shown, login
}
