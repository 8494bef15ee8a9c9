package agentsvc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

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
	}{
		{name: "none", files: map[string]string{}},
		{name: "running process", files: proc, service: facts.Proxy{HTTPS: "http://live:1", No: "169.254.169.254", HasAuth: true, From: "process environment"}},
		{name: "drop-in", files: map[string]string{dropIn: "[Service]\nEnvironment=\"HTTPS_PROXY=http://u:" + secret + "@dropin:3128\" \"no_proxy=a,b\"\nEnvironment=http_proxy=http://plain:1\n"}, service: facts.Proxy{HTTPS: "http://dropin:3128", HTTP: "http://plain:1", No: "a,b", HasAuth: true, From: "/" + dropIn}},
		{name: "environment file", files: map[string]string{dropIn: "[Service]\nEnvironmentFile=-/etc/sysconfig/ssm\n", "etc/sysconfig/ssm": "https_proxy='http://file:3128'\n"}, service: facts.Proxy{HTTPS: "http://file:3128", From: "/etc/sysconfig/ssm"}},
		{name: "default of the manager", files: map[string]string{"etc/systemd/system.conf": "[Manager]\nDefaultEnvironment=\"https_proxy=http://manager:3128\"\n"}, service: facts.Proxy{HTTPS: "http://manager:3128", From: "/etc/systemd/system.conf"}},
		{name: "a section that is not the service's", files: map[string]string{dropIn: "[Unit]\nEnvironment=https_proxy=http://no:1\n"}},
		{name: "only users: /etc/environment", files: map[string]string{"etc/environment": "https_proxy=\"http://u:" + secret + "@shell:3128\"\n"}, shell: facts.Proxy{HTTPS: "http://shell:3128", HasAuth: true, From: "/etc/environment"}},
		{name: "only users: profile script", files: map[string]string{"etc/profile.d/proxy.sh": "export HTTPS_PROXY=http://shell:1; export NO_PROXY=x\nexport http_proxy=$OTHER\n"}, shell: facts.Proxy{HTTPS: "http://shell:1", From: "/etc/profile.d/proxy.sh"}},
		{name: "only users: our environment", files: map[string]string{}, getenv: map[string]string{"https_proxy": "http://mine:1"}, shell: facts.Proxy{HTTPS: "http://mine:1", From: "environment"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := map[string][]byte{}
			for k, v := range c.files {
				files[k] = []byte(v)
			}
			env, f := gathertest.InMemory(files), &facts.Facts{}
			env.Getenv = func(k string) string { return c.getenv[k] }
			GatherProxies(t.Context(), env.Begin(), &f.Agent)
			for _, x := range []struct {
				got  facts.Seen[facts.Proxy]
				want facts.Proxy
			}{{f.Agent.ServiceProxy, c.service}, {f.Agent.ShellProxy, c.shell}} {
				x.got.Value.TakesMetadata = false // see TestTakesMetadata
				if d := cmp.Diff(x.want, x.got.Value); d != "" || x.got.Absent() != (x.want == facts.Proxy{}) {
					t.Errorf("%s\n%s", x.got.State, d)
				}
			}
			gathertest.NoSecret(t, f, secret, "AKIDAKIDAKIDAKID")
		})
	}
}

// TestProxyFiles: the files that set a proxy of the service, and what else they do.
func TestProxyFiles(t *testing.T) {
	t.Parallel()
	const unit, dropIn = "lib/systemd/system/amazon-ssm-agent.service", "etc/systemd/system/amazon-ssm-agent.service.d/p.conf"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []facts.ProxyFile
	}{
		{"none", map[string]string{unit: "[Service]\nExecStart=/usr/bin/amazon-ssm-agent\n", dropIn: "[Service]\nEnvironment=A=1 no_proxy=x\n"}, nil},
		{"alone", map[string]string{dropIn: "# ours\n[Service]\nEnvironment=\"https_proxy=http://p:1\" \"no_proxy=x\"\n"}, []facts.ProxyFile{{Path: "/" + dropIn, Kind: facts.ProxyDropIn, Alone: true, Lines: true}}},
		{"lines", map[string]string{dropIn: "[Service]\nEnvironment=HTTP_PROXY=http://p:1\nLimitNOFILE=9\n"}, []facts.ProxyFile{{Path: "/" + dropIn, Kind: facts.ProxyDropIn, Lines: true}}},
		{"a line with more", map[string]string{dropIn: "[Service]\nEnvironment=http_proxy=http://p:1 A=1\n"}, []facts.ProxyFile{{Path: "/" + dropIn, Kind: facts.ProxyDropIn}}},
		{"a continued line", map[string]string{dropIn: "[Service]\nEnvironment=http_proxy=http://p:1 \\\n  no_proxy=x\n"}, []facts.ProxyFile{{Path: "/" + dropIn, Kind: facts.ProxyDropIn}}},
		{"a file of variables", map[string]string{dropIn: "[Service]\nEnvironmentFile=-/etc/default/p\n", "etc/default/p": "export https_proxy=http://p:1\nA=1\n"}, []facts.ProxyFile{{Path: "/etc/default/p", Kind: facts.ProxyEnvironment, Lines: true}}},
		{"unit and manager", map[string]string{"etc/systemd/system.conf": "[Manager]\nDefaultEnvironment=https_proxy=http://p:1\n", unit: "[Service]\nEnvironment=https_proxy=http://p:1\nExecStart=/usr/bin/amazon-ssm-agent\n"},
			[]facts.ProxyFile{{Path: "/etc/systemd/system.conf", Kind: facts.ProxyManager, Alone: true, Lines: true}, {Path: "/" + unit, Kind: facts.ProxyUnit, Lines: true}}},
	} {
		files := map[string][]byte{}
		for k, v := range c.files {
			files[k] = []byte(v)
		}
		env, f := gathertest.InMemory(files), &facts.Facts{}
		GatherProxies(t.Context(), env.Begin(), &f.Agent)
		if d := cmp.Diff(c.want, f.Agent.ProxyFiles.Some()); d != "" || f.Agent.ProxyFiles.Absent() != (c.want == nil) {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// TestTakesMetadata: by the exceptions of a proxy, as Go's clients read them.
func TestTakesMetadata(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environment string
		takes       bool
	}{
		{"http_proxy=http://p:1", true},
		{"https_proxy=http://p:1", false},
		{"http_proxy=http://p:1 NO_PROXY=10.0.0.0/8,169.254.169.254", false},
		{"http_proxy=http://p:1 no_proxy=169.254.0.0/16", false},
		{"http_proxy=http://p:1 no_proxy=169.254.*", true}, // no form that Go knows
		{"http_proxy=http://p:1 no_proxy=*", false},
		{"http_proxy=http://p:1 no_proxy=amazonaws.com", true},
	} {
		env, f := gathertest.InMemory(map[string][]byte{"etc/systemd/system/amazon-ssm-agent.service.d/p.conf": []byte("[Service]\nEnvironment=" + c.environment + "\n")}), &facts.Facts{}
		GatherProxies(t.Context(), env.Begin(), &f.Agent)
		if p := f.Agent.ServiceProxy; !p.Known() || p.Value.TakesMetadata != c.takes {
			t.Errorf("%s: %+v", c.environment, p)
		}
	}
}
