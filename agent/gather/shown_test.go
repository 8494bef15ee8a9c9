package gather_test

import (
	"fmt"
	"strings"
	"testing"

	"ssm-doctor/agent/gather"
)

// TestShownURL: what is shown of a URL is its scheme, host and port, or nothing.
func TestShownURL(t *testing.T) {
	t.Parallel()
	const odd = "[not a usable proxy URL]"
	for in, want := range map[string]string{
		"": "", "http://proxy.corp:3128": "http://proxy.corp:3128", "HTTPS://Proxy.Corp": "https://Proxy.Corp", "proxy.corp:3128": "http://proxy.corp:3128", "http://10.0.0.5:3128/": "http://10.0.0.5:3128",
		"http://[fd00::1]:3128": "http://[fd00::1]:3128", "socks5://p:1080": "socks5://p:1080", " http://p:1 ": "http://p:1", "http://p:1/x?token=y#z": "http://p:1",
		"http://u:pw@p:1": "http://p:1", "u:pw@p:1": "http://p:1", "ftp://p:1": odd, "http://p:0": "http://" + odd, "http://p:99999": "http://" + odd, "http://": "http://" + odd, "http:///x": "http://" + odd,
		"http://p:": "http://" + odd, "http://[fe80::1%25eth0]:1": "http://" + odd, "http://p p:1": "http://" + odd, "http://ünicode:1": "http://" + odd, "javascript:alert(1)": "http://" + odd,
	} {
		if got, _ := gather.ShownURL(in, "proxy URL"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestLoginsAreNotShown: however a login is written, encoded or broken.
func TestLoginsAreNotShown(t *testing.T) {
	t.Parallel()
	const secret = "S3cr3tPw"
	for _, at := range []string{"@", "%40", "%2540", "%252540", "＠", "%EF%BC%A0", "@@", "%40%40"} {
		for _, colon := range []string{":", "%3A", "%253A", "%3a", "::"} {
			for _, scheme := range []string{"http://", "https://", "HTTP://", "", "socks5://", "http:/", "http:", "//", `http:\\`, "ldap://"} {
				for _, form := range []string{"user%[1]sS3cr3tPw%[2]sproxy.corp:3128", "S3cr3tPw%[2]sproxy.corp:3128", "user%[1]sS3cr3tPw/x%[2]sproxy.corp:3128", "user%[1]sx/S3cr3tPw%[2]sproxy.corp:3128", "user%[1]sS3cr3tPw#x%[2]sproxy.corp:3128", "user%[1]sS3cr3tPw?x%[2]sproxy.corp:3128",
					"user%[1]sa b S3cr3tPw%[2]sproxy.corp", "us\"er%[1]sS3cr3tPw%[2]sproxy.corp:3128", "user%[1]sS3cr3tPw%%zz%[2]sproxy.corp:3128", "proxy.corp:3128/?auth=user%[1]sS3cr3tPw%[2]s", "user%[1]s12/S3cr3tPw%[2]sproxy.corp:3128"} {
					v := scheme + fmt.Sprintf(form, colon, at)
					p := gather.ProxyVars{HTTPS: v, HTTP: v, No: v}
					f := p.Fact("x")
					host := gather.ShownHost(v)
					if all := f.HTTPS + f.HTTP + f.No + host; strings.Contains(all, secret) {
						t.Errorf("%q is shown as %q, %q", v, all, host)
					}
				}
			}
		}
	}
}

func TestExceptionsAreShown(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"169.254.169.254, .corp,*.example.com": "169.254.169.254,.corp,*.example.com", "10.0.0.0/8,fd00::/8,[::1]:80": "10.0.0.0/8,fd00::/8,[::1]:80", "a,,b": "a,b",
		"user:pw@host": "[not a usable entry]", "x y": "[not a usable entry]", strings.Repeat("a", 64): "[not a usable entry]", "ok,\x1b[31m": "ok,[not a usable entry]",
	} {
		if got := (gather.ProxyVars{No: in}).Fact("").No; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
