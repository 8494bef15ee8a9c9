package gather

import (
	"net/url"
	"testing"

	"golang.org/x/net/http/httpproxy"
)

// ofLibrary asks the package whose rules these are.
func ofLibrary(t *testing.T, p ProxyVars, target string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	cfg := httpproxy.Config{HTTPProxy: p.HTTP, HTTPSProxy: p.HTTPS, NoProxy: p.No}
	proxy, err := cfg.ProxyFunc()(u)
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.String()
}

func shownProxy(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.String()
}

func FuzzProxyRules(f *testing.F) {
	for _, no := range []string{
		"", "*", ",", " , *", ".", "..", "*.", ":443", "a:", "localhost", "169.254.169.254", "169.254.169.254:80", "169.254.169.254:443",
		"169.254.0.0/16", "10.0.0.1/33", "::1", "fd00:ec2::/32", "[fd00:ec2::254]:80", "[fd00:ec2::254]", "::ffff:169.254.169.254", "AMAZONAWS.com",
		".amazonaws.com", "*.amazonaws.com", "*amazonaws.com", "*.amazonaws.com:443", "amazonaws.com:80", "ssm.eu-west-1.amazonaws.com",
		" .eu-west-1.amazonaws.com , x", "awssm.eu-west-1.amazonaws.com", "*.*.com", "a.b:443:80", "[x]:443",
	} {
		f.Add("proxy.example:3128", no, "ssm.eu-west-1.amazonaws.com")
		f.Add("http://proxy.example:3128", no, "169.254.169.254")
		f.Add("socks5://10.0.0.1", no, "127.0.0.1")
		f.Add("https://u:p@proxy", no, "fd00:ec2::254")
	}
	for _, value := range []string{"", ":", "://", "http://", "http:///x", "%", "http://%", "a b", "10.0.0.1:8080", "[::1]:80", "a:b:c", "\x7f", "proxy/%zz"} {
		f.Add(value, "", "ssm.eu-west-1.amazonaws.com")
	}
	f.Fuzz(func(t *testing.T, value, no, host string) {
		for _, s := range []string{no, host} {
			for _, r := range s {
				if r > 127 {
					t.Skip("names beyond ASCII are compared as they are written")
				}
			}
		}
		plain := "http://" + (&url.URL{Host: host}).Host
		if u, err := url.Parse(plain); err != nil || u.Host != host {
			t.Skip("no host")
		}
		p := ProxyVars{HTTPS: value, HTTP: value, No: no}
		if got, want := shownProxy(p.ForPlain(plain)), ofLibrary(t, p, plain); got != want {
			t.Errorf("%q with no_proxy %q for %s: %q, the library %q", value, no, plain, got, want)
		}
		u := url.URL{Scheme: "https", Host: host + ":443"}
		if v, err := url.Parse(u.String()); err != nil || v.Hostname() != host {
			t.Skip("no host with a port")
		}
		if got, want := shownProxy(p.ForHost(host)), ofLibrary(t, p, u.String()); got != want {
			t.Errorf("%q with no_proxy %q for %s: %q, the library %q", value, no, &u, got, want)
		}
	})
}
