package imds

import (
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/endpoint"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// metadataDocs are those of a healthy instance.
func metadataDocs() map[string]string {
	const keys = `"Type":"AWS-HMAC","AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"profile-secret-0123456789","Token":"profile-token-0123456789","LastUpdated":"1999-12-31T23:00:00Z","Expiration":"2000-01-01T06:00:00Z"`
	mac := "meta-data/network/interfaces/macs/0e:49:61:0f:c3:11/"
	return map[string]string{
		"dynamic/instance-identity/document": `{"accountId":"111122223333","architecture":"x86_64","availabilityZone":"eu-west-1a","imageId":"ami-0abc","instanceId":"i-0123456789abcdef0","instanceType":"t3.micro","region":"eu-west-1"}`,
		"meta-data/":                         "ami-id\ninstance-id\niam/\n", "meta-data/instance-id": "i-0123456789abcdef0", "meta-data/services/partition": "aws", "meta-data/services/domain": "amazonaws.com",
		"meta-data/network/interfaces/macs/": "0e:49:61:0f:c3:11/\n", mac + "vpc-id": "vpc-1", mac + "subnet-id": "subnet-1", mac + "vpc-ipv4-cidr-block": "10.0.0.0/16", mac + "security-group-ids": "sg-1\nsg-2",
		"meta-data/iam/info": `{"Code":"Success","InstanceProfileArn":"arn:aws:iam::111122223333:instance-profile/p"}`, "meta-data/iam/security-credentials/": "WebRole",
		"meta-data/iam/security-credentials/WebRole":                           `{"Code":"Success",` + keys + `}`,
		"meta-data/identity-credentials/ec2/security-credentials/ec2-instance": `{"Code":"Success",` + strings.ReplaceAll(keys, "profile-", "identity-") + `}`,
	}
}

const metadataToken = "AQAEAHRva2VuLXRva2VuLXRva2Vu"

// metadata answers as the service does; v1 says whether requests without token are.
func metadata(docs map[string]string, v1 bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "EC2ws")
		path := strings.TrimPrefix(r.URL.Path, "/latest/")
		switch {
		case r.Method == http.MethodPut && path == "api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			_, _ = w.Write([]byte(metadataToken))
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != metadataToken && !v1:
			w.WriteHeader(http.StatusUnauthorized)
		case docs[path] == "":
			http.NotFound(w, r)
		default:
			_, _ = w.Write([]byte(docs[path]))
		}
	}
}

const imds4, imds6 = "169.254.169.254:80", "[fd00:ec2::254]:80"

func TestIMDS(t *testing.T) {
	t.Parallel()
	docs := metadataDocs()
	without := func(gone string, more map[string]string) map[string]string {
		d := maps.Clone(docs)
		delete(d, gone)
		maps.Copy(d, more)
		return d
	}
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); _, _ = w.Write([]byte(body)) }
	}
	const roles = "meta-data/iam/security-credentials/"
	for _, c := range []struct {
		name string
		net  *gathertest.Network
		six  bool
		// vendor of the machine, by its firmware
		vendor string
		want   func(i *facts.IMDS) []string // texts that are wrong
		took   time.Duration
	}{
		{name: "version 2 only", net: &gathertest.Network{At: gathertest.Serve(imds4, metadata(docs, false))}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("v2", i.Token.Value.Token), gathertest.Is(i.V1Allowed, false), gathertest.Is(i.InstanceID, "i-0123456789abcdef0"), gathertest.Is(i.Region, "eu-west-1"), gathertest.Is(i.Account, "111122223333"),
				gathertest.Is(i.Partition, "aws"), gathertest.Holds("profile", i.Profile.Value.Name == "p"), gathertest.Holds("token", i.Token.Value.Token),
				gathertest.Holds("role", i.Role.Value.Name == "WebRole" && i.Role.Value.Code == "Success" && i.Role.Value.Expires.Hour() == 6),
				gathertest.Holds("identity role", i.IdentityRole.Value.Code == "Success"), gathertest.Holds("vpc", i.VPC.Value.ID == "vpc-1" && i.VPC.Value.CIDR == "10.0.0.0/16" && len(i.VPC.Value.SecurityGroups) == 2))
		}},
		{name: "version 1 allowed", net: &gathertest.Network{At: gathertest.Serve(imds4, metadata(docs, true))}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("v2", i.Token.Value.Token), gathertest.Is(i.V1Allowed, true))
		}},
		{name: "disabled", net: &gathertest.Network{At: gathertest.Serve(imds4, status(403, ""))}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("no v2", !i.Token.Value.Token), gathertest.Holds("status", i.Token.Value.Status == 403 && i.Token.Value.TCP), gathertest.Holds("v1 unknown", i.V1Allowed.Unknown()), gathertest.Holds("nothing known", i.InstanceID.Unknown() && i.Role.Unknown()))
		}},
		{name: "no version 2", net: &gathertest.Network{At: gathertest.Serve(imds4, status(404, "no"))}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("no v2", !i.Token.Value.Token), gathertest.Holds("status", i.Token.Value.Status == 404))
		}},
		{name: "token is lost", net: &gathertest.Network{At: gathertest.Serve(imds4, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				time.Sleep(1500 * time.Millisecond)
			}
			metadata(docs, false)(w, r)
		})}, took: time.Second, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("token", i.Token.Value.Outcome == "timeout" && i.Token.Value.TCP), gathertest.Holds("bare", i.Bare.Value.Status == 401), gathertest.Is(i.V1Allowed, false), gathertest.Holds("no answer", i.Token.Value.Status == 0), gathertest.Holds("role", i.Role.Unknown()))
		}},
		{name: "no way there", net: &gathertest.Network{Silent: map[string]bool{"169.254.169.254": true, "fd00:ec2::254": true}}, six: true, took: time.Second, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("token", i.Token.Value.Outcome == "connect-timeout" && !i.Token.Value.TCP), gathertest.Holds("v2", i.Token.Value.Status == 0), gathertest.Holds("v1", i.V1Allowed.Unknown()), gathertest.Holds("six", i.IPv6.Value.Outcome == "connect-timeout"))
		}},
		{name: "no EC2 instance", net: &gathertest.Network{Silent: map[string]bool{"169.254.169.254": true, "fd00:ec2::254": true}}, six: true, vendor: "VMware, Inc.", took: elsewhereWait, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("token", i.Token.Value.Outcome == "connect-timeout" && strings.Contains(i.Token.Value.Error, "by its firmware")), gathertest.Holds("six", i.IPv6.Unknown()))
		}},
		{name: "another cloud answers", net: &gathertest.Network{At: gathertest.Serve(imds4, status(404, "no"))}, vendor: "Google", want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("status", i.Token.Value.Status == 404))
		}},
		{name: "refused", net: &gathertest.Network{}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("token", i.Token.Value.Outcome == "refused"))
		}},
		{name: "no route", net: &gathertest.Network{Fails: map[string]error{imds4: syscall.EHOSTUNREACH}}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("token", i.Token.Value.Outcome == "unreachable"))
		}},
		{name: "local firewall", net: &gathertest.Network{Fails: map[string]error{imds4: syscall.EPERM}}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("token", i.Token.Value.Outcome == "not-permitted"))
		}},
		{name: "impostor", net: &gathertest.Network{At: gathertest.Serve(imds4, status(200, "<html>\x1b[31mhello</html>"))}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("no v2", !i.Token.Value.Token), gathertest.Is(i.V1Allowed, false), gathertest.Holds("body", i.Token.Value.Body == "[…]" && !i.Token.Value.Token), gathertest.Holds("bare", i.Bare.Value.Body != ""))
		}},
		{name: "redirect is not followed", net: &gathertest.Network{At: gathertest.Serve(imds4, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.9/x", http.StatusFound)
		})},
			want: func(i *facts.IMDS) []string {
				return gathertest.Wrong(gathertest.Holds("no v2", !i.Token.Value.Token), gathertest.Holds("status", i.Token.Value.Status == 302))
			}},
		{name: "only IPv6", six: true, net: &gathertest.Network{At: gathertest.Serve(imds6, metadata(docs, false))}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("six", i.IPv6.Value.Token), gathertest.Is(i.Region, "eu-west-1"))
		}},
		{name: "no profile", net: &gathertest.Network{At: gathertest.Serve(imds4, metadata(without(roles, map[string]string{"meta-data/iam/info": ""}), false))}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("profile", i.Profile.Absent()), gathertest.Holds("role", i.Role.Absent()), gathertest.Holds("identity role", i.IdentityRole.Known()))
		}},
		{name: "list of roles is empty", net: &gathertest.Network{At: gathertest.Serve(imds4, metadata(without("", map[string]string{roles: "\n"}), false))}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("role", i.Role.Absent()))
		}},
		{name: "role cannot be assumed", net: &gathertest.Network{At: gathertest.Serve(imds4, metadata(without("", map[string]string{roles + "WebRole": `{"Code":"AssumeRoleUnauthorizedAccess","Message":"trust"}`}), false))}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Holds("role", i.Role.Value.Code == "AssumeRoleUnauthorizedAccess"))
		}},
		{name: "hostile documents", net: &gathertest.Network{At: gathertest.Serve(imds4, metadata(without("", map[string]string{"dynamic/instance-identity/document": "{", roles: "../../x", "meta-data/network/interfaces/macs/": "../", "meta-data/iam/info": strings.Repeat("x", 200_000)}), false))}, want: func(i *facts.IMDS) []string {
			return gathertest.Wrong(gathertest.Is(i.InstanceID, "i-0123456789abcdef0"), gathertest.Holds("region", i.Region.Unknown()), gathertest.Holds("role", i.Role.Unknown() || i.Role.Absent()), gathertest.Holds("vpc", i.VPC.Unknown()), gathertest.Holds("profile", i.Profile.Unknown()))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				env := c.net.Env()
				if c.six {
					env.IMDS6 = "http://[fd00:ec2::254]"
				}
				f, run, start := &facts.Facts{}, env.Begin(), time.Now()
				if c.vendor != "" {
					f.Host.DMI.Vendor = facts.Known(c.vendor, "")
				}
				if err := (Source{}).Gather(t.Context(), run, f); (err != nil) != (f.IMDS.Token.Value.Outcome == "not-permitted") {
					t.Fatal(err)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				for _, w := range c.want(&f.IMDS) {
					t.Error(w)
				}
				gathertest.Sound(t, f.IMDS)
				gathertest.NoSecret(t, f, "profile-secret", "profile-token", "identity-secret", "identity-token", metadataToken, "ASIAIOSFODNN7EXAMPLE")
				if c.net.DialedTo("192.0.2.9:80") {
					t.Error("followed a redirect")
				}
				if k, ok := run.KeysOf(facts.SourceProfile); ok != (f.IMDS.Role.Value.Code == "Success") || ok && k.Secret != "profile-secret-0123456789" {
					t.Error("the profile's keys were not handed over, or others were")
				}
				time.Sleep(2 * time.Second) // idle connections close
			})
		})
	}
}

// TestTokenIsAskedOnce: the SDK is given the token that was asked for first.
func TestTokenIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		answer := metadata(metadataDocs(), false)
		n := &gathertest.Network{At: gathertest.Serve(imds4, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				asked.Add(1)
			}
			answer(w, r)
		})}
		f := &facts.Facts{}
		if err := (Source{}).Gather(t.Context(), n.Env().Begin(), f); err != nil || !f.IMDS.Role.Known() {
			t.Fatal(err, f.IMDS.Role)
		}
		if got := asked.Load(); got != 1 {
			t.Errorf("asked %d times", got)
		}
		time.Sleep(2 * time.Second) // idle connections close
	})
}

func TestIMDSIsNotAskedElsewhere(t *testing.T) {
	t.Parallel()
	n := &gathertest.Network{}
	env := n.Env()
	env.Live = false
	var f facts.Facts
	for _, s := range []gather.Source{Source{}, ViaProxy{}, endpoint.Source{}} {
		if err := s.Gather(t.Context(), env.Begin(), &f); err != nil {
			t.Fatal(err)
		}
	}
	if len(n.Dialed)+len(n.Asked) > 0 || !f.IMDS.Token.Unknown() || !f.IMDS.ViaProxy.Unknown() || !f.Network.Skew.Unknown() {
		t.Errorf("dialed %v, asked %v, %+v", n.Dialed, n.Asked, f.IMDS.Token)
	}
}

func TestIMDSThroughProxy(t *testing.T) {
	t.Parallel()
	proxied := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Host != "169.254.169.254" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	for _, c := range []struct {
		name  string
		proxy gather.ProxyVars
		serve http.HandlerFunc
		off   bool
		want  func(e facts.Seen[facts.Exchange]) bool
	}{
		{name: "none", want: func(e facts.Seen[facts.Exchange]) bool { return e.Absent() }},
		{name: "only for https", proxy: gather.ProxyVars{HTTPS: "http://proxy.corp:3128"}, want: func(e facts.Seen[facts.Exchange]) bool { return e.Absent() }},
		{name: "excepted", proxy: gather.ProxyVars{HTTP: "http://proxy.corp:3128", No: "169.254.169.254"}, want: func(e facts.Seen[facts.Exchange]) bool { return e.Absent() }},
		{name: "refused by it", proxy: gather.ProxyVars{HTTP: "http://u:hunter2hunter2@proxy.corp:3128"}, serve: proxied(403, "denied by policy"), want: func(e facts.Seen[facts.Exchange]) bool {
			return e.Value.Status == 403 && e.Value.Body == "denied by policy"
		}},
		{name: "carried by it", proxy: gather.ProxyVars{HTTP: "proxy.corp:3128"}, serve: proxied(200, metadataToken), want: func(e facts.Seen[facts.Exchange]) bool { return e.Value.Token }},
		{name: "offline", off: true, proxy: gather.ProxyVars{HTTP: "proxy.corp:3128"}, want: func(e facts.Seen[facts.Exchange]) bool { return e.Unknown() && e.Why == "offline" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := &gathertest.Network{At: gathertest.Serve("10.0.0.9:3128", c.serve), Names: map[string]map[string][]string{"": {"proxy.corp": {"10.0.0.9"}}}}
				env := n.Env()
				env.Offline = c.off
				run := env.Begin()
				run.SetProxies(c.proxy, gather.ProxyVars{}, gather.ProxyVars{})
				var f facts.Facts
				if err := (ViaProxy{}).Gather(t.Context(), run, &f); err != nil {
					t.Fatal(err)
				}
				if !c.want(f.IMDS.ViaProxy) {
					t.Errorf("%+v", f.IMDS.ViaProxy)
				}
				gathertest.NoSecret(t, &f, "hunter2", metadataToken)
				time.Sleep(2 * time.Second)
			})
		})
	}
}
