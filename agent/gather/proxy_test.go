package gather

import (
	"bufio"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
)

// connectProxy is a proxy that carries CONNECT to the addresses of a network,
// or answers with a status.
func connectProxy(n *fakeNet, status int, login string) func(net.Conn) {
	return func(c net.Conn) {
		br := bufio.NewReader(c)
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		code := status
		if login != "" && req.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(login)) {
			code = http.StatusProxyAuthRequired
		}
		host, _, _ := net.SplitHostPort(req.URL.Host)
		serve := n.at[strings.Join(n.names["proxy"][host], "")+":443"]
		if code != 200 || req.Method != http.MethodConnect || serve == nil {
			if code == 200 {
				code = http.StatusBadGateway
			}
			rec := httptest.NewRecorder()
			rec.WriteHeader(code)
			_ = rec.Result().Write(c)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
		serve(c)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "Test Root")
	const login = "svc:hunter2-hunter2"
	for _, c := range []struct {
		name           string
		service, shell proxyVars
		serve          func(n *fakeNet) func(net.Conn)
		do             func(n *fakeNet)
		probe          string // outcome of the probe of the service's proxy
		status         int
		endpoint       string // outcome of the ssm endpoint's CONNECT; empty: not through a proxy
		shellProbe     string
		took           time.Duration
	}{
		{name: "none"},
		{name: "works", service: proxyVars{https: "http://proxy.corp:3128"}, probe: "ok", status: 200, endpoint: "ok"},
		{name: "works with a login", service: proxyVars{https: "http://" + login + "@proxy.corp:3128"}, serve: func(n *fakeNet) func(net.Conn) { return connectProxy(n, 200, login) }, probe: "ok", status: 200, endpoint: "ok"},
		{name: "wants a login", service: proxyVars{https: "http://proxy.corp:3128"}, serve: func(n *fakeNet) func(net.Conn) { return connectProxy(n, 200, login) }, probe: "auth", status: 407, endpoint: "refused-auth"},
		{name: "forbids", service: proxyVars{https: "proxy.corp:3128"}, serve: func(n *fakeNet) func(net.Conn) { return connectProxy(n, 403, "") }, probe: "forbidden", status: 403, endpoint: "refused"},
		{name: "is not there", service: proxyVars{https: "http://proxy.corp:3128"}, do: func(n *fakeNet) { delete(n.at, "10.0.0.9:3128") }, probe: "refused", endpoint: "unreachable"},
		{name: "does not answer", service: proxyVars{https: "http://proxy.corp:3128"}, do: func(n *fakeNet) { n.silent["10.0.0.9"] = true }, probe: "timeout", endpoint: "unreachable", took: 2 * time.Second},
		{name: "accepts and says nothing", service: proxyVars{https: "http://proxy.corp:3128"}, serve: func(*fakeNet) func(net.Conn) { return mute }, probe: "other", endpoint: "other", took: 3 * time.Second},
		{name: "has no such name", service: proxyVars{https: "http://gone.corp:3128"}, probe: "dns", endpoint: "unreachable"},
		{name: "speaks TLS", service: proxyVars{https: "http://proxy.corp:3128"}, serve: func(*fakeNet) func(net.Conn) {
			return func(c net.Conn) {
				go mute(c)
				_, _ = c.Write([]byte("\x15\x03\x01\x00\x02\x02\x46"))
				time.Sleep(time.Second)
			}
		}, probe: "tls", endpoint: "scheme"},
		{name: "does not speak TLS", service: proxyVars{https: "https://proxy.corp:3128"}, serve: func(*fakeNet) func(net.Conn) {
			return func(c net.Conn) { go mute(c); _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }
		}, probe: "not-tls", endpoint: "scheme"},
		{name: "is excepted", service: proxyVars{https: "http://proxy.corp:3128", no: ".amazonaws.com"}, shellProbe: "ok"},
		{name: "is for plain HTTP only", service: proxyVars{http: "http://proxy.corp:3128"}},
		{name: "only users have it", shell: proxyVars{https: "http://" + login + "@proxy.corp:3128"}, shellProbe: "ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				n.names["proxy"] = map[string][]string{}
				for _, s := range services {
					n.names["proxy"][regional(s.name)] = n.names[""][regional(s.name)]
				}
				if c.endpoint != "" { // the host itself resolves no AWS name
					n.names[""] = map[string][]string{}
				}
				n.names[""]["proxy.corp"] = []string{"10.0.0.9"}
				n.at["10.0.0.9:3128"] = connectProxy(n, 200, "")
				if c.serve != nil {
					n.at["10.0.0.9:3128"] = c.serve(n)
				}
				if c.do != nil {
					c.do(n)
				}
				start := time.Now()
				f := gatherNetwork(t, n, ca, func(run *Run, _ *facts.Facts) { run.setProxies(c.service, proxyVars{}, c.shell) })
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if p := f.Network.Proxy; p.Value.Outcome != c.probe || p.Value.Status != c.status || p.Absent() != (c.probe == "") {
					t.Errorf("probe %+v", p)
				}
				if p := f.Network.ShellProxy; p.Value.Outcome != c.shellProbe || p.Absent() != (c.shellProbe == "") {
					t.Errorf("probe of another proxy %+v", p)
				}
				e := f.Network.Endpoint("ssm")
				if e.Proxy.Outcome != c.endpoint || e.Proxy.Used != (c.endpoint != "") || e.Usable() != (c.endpoint == "ok" || c.endpoint == "") {
					t.Errorf("endpoint %+v", e)
				}
				if e.Proxy.Used && len(e.TCP) > 0 {
					t.Error("connected beside the proxy")
				}
				noSecret(t, f, "hunter2")
				time.Sleep(time.Minute)
			})
		})
	}
}

// TestProxySources: where the proxy of the service and of users comes from.
func TestProxySources(t *testing.T) {
	t.Parallel()
	const dropIn, secret = "etc/systemd/system/amazon-ssm-agent.service.d/http-proxy.conf", "hunter2-hunter2"
	proc := map[string]string{"proc/77/comm": "amazon-ssm-agen\n", "proc/77/environ": "PATH=/bin\x00https_proxy=http://u:" + secret + "@live:1\x00no_proxy=169.254.169.254\x00AWS_SECRET_ACCESS_KEY=" + secret + "\x00AWS_ACCESS_KEY_ID=AKIDAKIDAKIDAKID\x00SSL_CERT_FILE=/x\x00"}
	for _, c := range []struct {
		name    string
		files   map[string]string
		getenv  map[string]string
		service facts.Proxy
		shell   facts.Proxy
		env     []string
		keys    bool
	}{
		{name: "none", files: map[string]string{}, env: []string{}},
		{name: "running process", files: proc, service: facts.Proxy{HTTPS: "http://live:1", No: "169.254.169.254", HasAuth: true, From: "process environment"}, env: []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "SSL_CERT_FILE"}, keys: true},
		{name: "drop-in", files: map[string]string{dropIn: "[Service]\nEnvironment=\"HTTPS_PROXY=http://u:" + secret + "@dropin:3128\" \"no_proxy=a,b\"\nEnvironment=http_proxy=http://plain:1\n"}, service: facts.Proxy{HTTPS: "http://dropin:3128", HTTP: "http://plain:1", No: "a,b", HasAuth: true, From: "/" + dropIn}, env: []string{}},
		{name: "environment file", files: map[string]string{dropIn: "[Service]\nEnvironmentFile=-/etc/sysconfig/ssm\n", "etc/sysconfig/ssm": "https_proxy='http://file:3128'\n"}, service: facts.Proxy{HTTPS: "http://file:3128", From: "/etc/sysconfig/ssm"}, env: []string{}},
		{name: "default of the manager", files: map[string]string{"etc/systemd/system.conf": "[Manager]\nDefaultEnvironment=\"https_proxy=http://manager:3128\"\n"}, service: facts.Proxy{HTTPS: "http://manager:3128", From: "/etc/systemd/system.conf"}, env: []string{}},
		{name: "a section that is not the service's", files: map[string]string{dropIn: "[Unit]\nEnvironment=https_proxy=http://no:1\n"}, env: []string{}},
		{name: "only users: /etc/environment", files: map[string]string{"etc/environment": "https_proxy=\"http://u:" + secret + "@shell:3128\"\n"}, shell: facts.Proxy{HTTPS: "http://shell:3128", HasAuth: true, From: "/etc/environment"}, env: []string{}},
		{name: "only users: profile script", files: map[string]string{"etc/profile.d/proxy.sh": "export HTTPS_PROXY=http://shell:1; export NO_PROXY=x\nexport http_proxy=$OTHER\n"}, shell: facts.Proxy{HTTPS: "http://shell:1", From: "/etc/profile.d/proxy.sh"}, env: []string{}},
		{name: "only users: our environment", files: map[string]string{}, getenv: map[string]string{"https_proxy": "http://mine:1"}, shell: facts.Proxy{HTTPS: "http://mine:1", From: "environment"}, env: []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := map[string][]byte{}
			for k, v := range c.files {
				files[k] = []byte(v)
			}
			env, f := memEnv(files), &facts.Facts{}
			env.Getenv = func(k string) string { return c.getenv[k] }
			gatherProxies(t.Context(), env.Begin(), &f.Agent)
			if err := (credentialsSource{}).Gather(t.Context(), env.Begin(), f); err != nil {
				t.Fatal(err)
			}
			for _, x := range []struct {
				got  facts.Seen[facts.Proxy]
				want facts.Proxy
			}{{f.Agent.ServiceProxy, c.service}, {f.Agent.ShellProxy, c.shell}} {
				if d := cmp.Diff(x.want, x.got.Value); d != "" || x.got.Absent() != (x.want == facts.Proxy{}) {
					t.Errorf("%s\n%s", x.got.State, d)
				}
			}
			if d := cmp.Diff(c.env, f.Agent.ServiceEnv.Value); d != "" {
				t.Error(d)
			}
			if f.Credentials.EnvKeys.Value != c.keys {
				t.Errorf("keys %+v", f.Credentials.EnvKeys)
			}
			noSecret(t, f, secret, "AKIDAKIDAKIDAKID")
		})
	}
}
