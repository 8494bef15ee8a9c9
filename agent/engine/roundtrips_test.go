package engine

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// region is one whose endpoints work, for an instance with a role.
func region(t *testing.T, ca *gathertest.Authority) *gathertest.Network {
	n := &gathertest.Network{At: map[string]func(net.Conn){}, Silent: map[string]bool{}, SilentDNS: map[string]bool{}, Names: map[string]map[string][]string{"": {}}}
	cert := ca.Issue(t, time.Now(), -time.Hour, 24*time.Hour, "*."+gathertest.TestRegion+".amazonaws.com")
	for i, s := range []string{"ssm", "ssmmessages", "ec2messages", "sts", "s3", "kms", "logs", "monitoring"} {
		ip := "52.0.0." + string(rune('1'+i))
		n.Names[""][gathertest.Regional(s)] = []string{ip}
		n.At[ip+":443"] = gathertest.Over(cert, gathertest.Speak(service))
	}
	n.At["169.254.169.254:80"] = gathertest.Speak(instance)
	return n
}

// service answers signed requests with success, others as AWS does.
func service(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") == "" {
		gathertest.AwsService(w, r)
		return
	}
	w.Header().Set("X-Amzn-Requestid", "11111111-2222-3333-4444-555555555555")
	if strings.HasPrefix(r.Host, "sts.") {
		_, _ = w.Write([]byte("<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::111122223333:assumed-role/WebRole/i-0123456789abcdef0</Arn><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"))
		return
	}
	_, _ = w.Write([]byte("{}"))
}

// instance is the metadata service of an instance with a role.
func instance(w http.ResponseWriter, r *http.Request) {
	const mac = "meta-data/network/interfaces/macs/"
	w.Header().Set("Server", "EC2ws")
	path := strings.TrimPrefix(r.URL.Path, "/latest/")
	doc := map[string]string{
		"dynamic/instance-identity/document": `{"accountId":"111122223333","instanceId":"i-0123456789abcdef0","region":"` + gathertest.TestRegion + `"}`,
		"meta-data/services/partition":       "aws", mac: "0e:49:61:0f:c3:11/", mac + "0e:49:61:0f:c3:11/vpc-id": "vpc-1",
		"meta-data/iam/info": `{"Code":"Success","InstanceProfileArn":"arn:aws:iam::111122223333:instance-profile/p"}`, "meta-data/iam/security-credentials/": "WebRole",
		"meta-data/iam/security-credentials/WebRole": `{"Code":"Success","AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"secret","Token":"token","Expiration":"2100-01-01T06:00:00Z"}`,
	}[path]
	switch {
	case r.Method == http.MethodPut:
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
		_, _ = w.Write([]byte("AQAEAHRva2VuLXRva2VuLXRva2Vu"))
	case r.Header.Get("X-Aws-Ec2-Metadata-Token") == "":
		w.WriteHeader(http.StatusUnauthorized)
	case doc == "":
		http.NotFound(w, r)
	default:
		_, _ = w.Write([]byte(doc))
	}
}

// TestRoundTrips: how many round trips a run takes where each takes 100 ms, and how long
// one takes where something does not answer.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	const rtt = 100 * time.Millisecond
	config := map[string][]byte{"etc/amazon/ssm/amazon-ssm-agent.json": []byte(`{"Agent":{"Region":"` + gathertest.TestRegion + `"}}`)}
	other := map[string][]byte{"etc/amazon/ssm/amazon-ssm-agent.json": []byte(`{"Agent":{"Region":"eu-north-1"}}`)}
	silent := func(names ...string) func(n *gathertest.Network) {
		return func(n *gathertest.Network) {
			for _, s := range names {
				if s == "imds" {
					n.Silent["169.254.169.254"], n.Silent["fd00:ec2::254"] = true, true
				} else {
					n.Silent[n.Ip(s)] = true
				}
			}
		}
	}
	for _, c := range []struct {
		name  string
		files map[string][]byte
		rtt   time.Duration
		do    func(n *gathertest.Network)
		most  time.Duration
		reads int           // of rights
		slow  time.Duration // that the service manager takes to answer
	}{
		{"healthy", config, rtt, nil, 8 * rtt, 3, 0},
		{"the service manager is slow", config, rtt, nil, 10 * rtt, 3, 10 * rtt},
		{"nothing names the Region before metadata", nil, rtt, nil, 12 * rtt, 3, 0},
		{"metadata names another Region", other, rtt, nil, 12 * rtt, 3, 0},
		{"near", config, 0, nil, 0, 3, 0},
		{"metadata is dropped", config, 0, silent("imds"), time.Second, 0, 0},
		{"ssm is dropped", config, 0, silent("ssm"), time.Second, 0, 0},
		{"sts is dropped", config, 0, silent("sts"), time.Second, 3, 0},
		{"one that a feature needs is dropped", config, 0, silent("kms"), time.Second, 3, 0},
		{"all are dropped", config, 0, silent("imds", "ssm", "ssmmessages", "ec2messages", "sts", "s3", "kms", "logs", "monitoring"), time.Second, 0, 0},
		{"the resolver is", config, 0, func(n *gathertest.Network) { n.SilentDNS[""], n.SilentDNS["169.254.169.253"] = true, true }, time.Second, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := region(t, ca)
				if c.do != nil {
					c.do(n)
				}
				far := gathertest.Distant{Network: n, RoundTrip: c.rtt}
				env := gathertest.InMemory(c.files)
				env.Now, env.Dial, env.Lookup, env.RootCAs = time.Now, far.Dial, far.Lookup, ca.Pem()
				env.SourceAddr = func(string) string { return gathertest.FakeSource }
				env.IMDS, env.IMDS6, env.UserAgent, env.Memory = "http://169.254.169.254", "http://[fd00:ec2::254]", "ssm-doctor/test", &gather.Memory{}
				if c.slow > 0 {
					env.Exec = func(_ context.Context, name string, _ ...string) ([]byte, error) {
						if name == "systemctl" {
							time.Sleep(c.slow)
						}
						return nil, gather.ErrNoProgram
					}
				}
				start := time.Now()
				f := Collect(t.Context(), env, Options{})
				if took := time.Since(start); took > c.most {
					t.Errorf("took %v, at most %v", took, c.most)
					for _, s := range f.Sources {
						t.Logf("%s %.2f %s", s.Name, s.DurationSeconds, s.Error)
					}
				}
				reads := 0
				for _, p := range f.Permissions.Actions.Some() {
					if p.Verdict == facts.AllowedProven {
						reads++
					}
				}
				if reads != c.reads {
					t.Errorf("%d rights were read, want %d: %+v", reads, c.reads, f.Permissions)
				}
				time.Sleep(time.Minute) // connections end
			})
		})
	}
}
