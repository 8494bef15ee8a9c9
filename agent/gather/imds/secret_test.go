package imds

import (
	"bufio"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// TestTokenStaysWithTheMetadataService: what carries a metadata token goes to the
// metadata addresses only, whatever the SDK is made to ask.
func TestTokenStaysWithTheMetadataService(t *testing.T) {
	t.Parallel()
	n := &gathertest.Network{}
	env := n.Env()
	proxy, _ := url.Parse("http://10.0.0.9:3128")
	for _, c := range []struct {
		name   string
		client *http.Client
		target string
	}{
		{"another address", metadataClient(env.Begin()), "http://192.0.2.9/latest/meta-data/"},
		{"another port", metadataClient(env.Begin()), "http://169.254.169.254:8080/latest/meta-data/"},
		{"through a proxy", proxyClient(env.Begin(), proxy, "10.0.0.9:3128", nil), "http://169.254.169.254/latest/meta-data/"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Aws-Ec2-Metadata-Token", metadataToken)
		if resp, err := c.client.Do(req); err == nil {
			resp.Body.Close()
			t.Errorf("%s: sent", c.name)
		}
	}
	if len(n.Dialed) > 0 {
		t.Errorf("dialed %v", n.Dialed)
	}
}

// TestMetadataProxyHasToProveItsName: the login of a proxy of https:// goes only to one
// whose certificate is accepted.
func TestMetadataProxyHasToProveItsName(t *testing.T) {
	t.Parallel()
	ca, other := gathertest.NewAuthority(t, "Test Root"), gathertest.NewAuthority(t, "Somebody")
	for _, c := range []struct {
		name   string
		issuer *gathertest.Authority
		cert   string
		want   bool
	}{{"trusted", ca, "proxy.corp", true}, {"unknown authority", other, "proxy.corp", false}, {"another name", ca, "other.corp", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var login atomic.Bool
				n := &gathertest.Network{Names: map[string]map[string][]string{"": {"proxy.corp": {"10.0.0.9"}}}, At: map[string]func(net.Conn){}}
				n.At["10.0.0.9:3128"] = gathertest.Over(c.issuer.Issue(t, time.Now(), -time.Hour, time.Hour, c.cert), func(conn net.Conn) {
					req, err := http.ReadRequest(bufio.NewReader(conn))
					if err == nil && strings.HasPrefix(req.Header.Get("Proxy-Authorization"), "Basic ") {
						login.Store(true)
					}
					_, _ = conn.Write([]byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"))
				})
				env := n.Env()
				env.RootCAs = ca.Pem()
				run := env.Begin()
				run.SetProxies(gather.ProxyVars{HTTP: "https://svc:hunter2-hunter2@proxy.corp:3128"}, gather.ProxyVars{}, gather.ProxyVars{})
				var f facts.Facts
				if err := (ViaProxy{}).Gather(t.Context(), run, &f); err != nil {
					t.Fatal(err)
				}
				if login.Load() != c.want || (f.IMDS.ViaProxy.Value.Status == 403) != c.want {
					t.Errorf("login sent %v, %+v", login.Load(), f.IMDS.ViaProxy)
				}
				gathertest.NoSecret(t, &f, "hunter2")
				time.Sleep(2 * time.Second)
			})
		})
	}
}
