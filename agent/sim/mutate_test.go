package sim_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// disguise is another host in the same situation.
type disguise struct {
	name                            string
	instance, node, account, region string
	role, proxy, issuer             string
	version                         string
	days                            int // how much later it happens
	noise                           bool
}

var disguises = []disguise{
	{name: "china", instance: "i-0fedcba9876543210", node: "mi-0a9b8c7d6e5f40312", account: "998877665544", region: "cn-north-1", role: "gamma-worker", proxy: "squid7.intra.example", issuer: "CN=Zscaler Root CA,O=Zscaler Inc.", days: 211},
	{name: "government", instance: "i-00aa11bb22cc33dd4", node: "mi-00112233445566778", account: "210987654321", region: "us-gov-west-1", role: "Node_Role-7", proxy: "px", issuer: "CN=Zscaler Root CA,O=Zscaler Inc.", days: -300, noise: true},
	{name: "old-style", instance: "i-1a2b3c4d", node: "mi-0ffffffffffffffff", account: "000011112222", region: "ap-southeast-3", role: "R", proxy: "proxy.example.net", issuer: "CN=fw-ca", version: "3.3.1142.0", noise: true},
	{name: "newest", instance: "i-0123456789abcdef1", node: "mi-0123456789abcdef1", account: "123456789013", region: "eu-west-1", role: "AppRole2", proxy: "proxy.corp2", issuer: "CN=Corp Inspection CA 2,O=Example", version: "3.3.3598.0", days: 1, noise: true},
}

var (
	reStamp = regexp.MustCompile(`"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	reRFC   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	reRoles = regexp.MustCompile(`\b(AppRole|DbRole|SSMServiceRole)\b`)
	reVers  = regexp.MustCompile(`"3\.3\.987\.0`)
)

// wear rewrites the text of a scenario, its expected answer included.
func (d disguise) wear(t testing.TB, c observed) observed {
	t.Helper()
	raw := string(rawScenarios()[c.ID])
	partition, domain := "aws", "amazonaws.com"
	switch {
	case strings.HasPrefix(d.region, "cn-"):
		partition, domain = "aws-cn", "amazonaws.com.cn"
	case strings.HasPrefix(d.region, "us-gov-"):
		partition = "aws-us-gov"
	}
	raw = regexp.MustCompile(`(?i)(\.|%9c|9c)?\b(us-east-1|eu-west-1|us-gov-west-1)\.amazonaws\.com`).ReplaceAllString(raw, "${1}"+d.region+"."+domain)
	raw = strings.NewReplacer("i-0123456789abcdef0", d.instance, "m"+"i-0123456789abcdef0", d.node, "123456789012", d.account, "us-east-1", d.region, "eu-west-1", d.region, "us-gov-west-1", d.region,
		"arn:aws:", "arn:"+partition+":", "proxy.corp", d.proxy, "CN=Corp Inspection CA,O=Example", d.issuer, "Corp Inspection CA", strings.TrimPrefix(strings.Split(d.issuer, ",")[0], "CN=")).
		Replace(raw)
	raw = reRoles.ReplaceAllString(raw, d.role)
	if d.version != "" {
		raw = reVers.ReplaceAllString(raw, `"`+d.version)
	}
	move := func(layout string) func(string) string {
		return func(s string) string {
			at, err := time.Parse(layout, s)
			if err != nil {
				t.Fatal(err)
			}
			return at.AddDate(0, 0, d.days).Format(layout)
		}
	}
	raw = reStamp.ReplaceAllStringFunc(raw, move(`"2006-01-02 15:04:05`))
	raw = reRFC.ReplaceAllStringFunc(raw, move(time.RFC3339))
	var out observed
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		t.Fatal(err)
	}
	if d.noise {
		out.Observable.Log = noisy(out.Observable.Log)
	}
	return out
}

var rawScenarios = sync.OnceValue(func() map[string]json.RawMessage {
	b, err := os.ReadFile("testdata/scenarios.json")
	if err != nil {
		panic(err)
	}
	var c struct {
		Scenarios []json.RawMessage `json:"scenarios"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		panic(err)
	}
	out := map[string]json.RawMessage{}
	for _, raw := range c.Scenarios {
		var x struct{ ID string }
		if err := json.Unmarshal(raw, &x); err != nil {
			panic(err)
		}
		out[x.ID] = raw
	}
	return out
})

// chatter are entries that mean nothing for the node.
var chatter = []string{
	"INFO [ssm-agent-worker] [LongRunningPluginsManager] There are no long running plugins currently getting executed - skipping their healthcheck",
	"WARN Error occurred fetching the seelog config file path: open /etc/amazon/ssm/seelog.xml: no such file or directory",
	"INFO [ssm-agent-worker] [MessageService] [MessageHandler] [Idempotency] Successfully created Idempotent directory",
	"DEBUG [ssm-agent-worker] [DataBackend] closing session bookkeeping of a finished document",
	"INFO [ssm-agent-worker] [OfflineService] Starting document processing engine...",
	"INFO [ssm-agent-worker] Init the cloudwatchlogs publisher",
}

// noisy puts chatter before, between and after the lines; an entry keeps the time of its neighbour.
func noisy(log []string) []string {
	if len(log) == 0 {
		return log
	}
	r := rand.New(rand.NewPCG(7, uint64(len(log))))
	var out []string
	for _, l := range log {
		stamp := l[:min(len(l), len("2006-01-02 15:04:05"))]
		for range 1 + r.IntN(3) {
			out = append(out, stamp+".0042 "+chatter[r.IntN(len(chatter))])
		}
		out = append(out, l)
	}
	last := log[len(log)-1]
	return append(out, last[:len("2006-01-02 15:04:05")]+".9999 "+chatter[0])
}

// The answer to a situation does not depend on names, places, times or chatter.
func TestDisguises(t *testing.T) {
	t.Parallel()
	for i, d := range disguises {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for j, c := range catalogue(t) {
				if every > 1 && (i+j)%4 != 0 {
					continue
				}
				t.Run(c.ID, func(t *testing.T) {
					t.Parallel()
					m := d.wear(t, c)
					s, cannot := convert(&m)
					if len(cannot) > 0 {
						t.Fatalf("cannot be expressed: %q", cannot)
					}
					s.Now = s.Now.AddDate(0, 0, d.days)
					r, _ := examine(t, s)
					judge(t, r, m.Expected)
				})
			}
		})
	}
}

// Entries of one moment may come in any order where none explains another.
func TestOrderOfIndependentEntries(t *testing.T) {
	t.Parallel()
	for _, c := range catalogue(t) {
		s, _ := convert(&c)
		if len(s.Log) < 2 || !independent(s.Log) {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(11, 13))
			r.Shuffle(len(s.Log), func(i, j int) { s.Log[i], s.Log[j] = s.Log[j], s.Log[i] })
			rep, _ := examine(t, s)
			id, severity := answer(rep)
			if id != c.Expected.Root && !says(fmt.Sprint(c.Expected.AlsoOK), id) && c.Expected.Root != "client-side-problem" || severity != c.Expected.Severity && c.Expected.Severity != "info" {
				t.Errorf("got %s %s, want %s %s with %q", severity, id, c.Expected.Severity, c.Expected.Root, s.Log)
			}
		})
	}
}

// independent reports whether all entries are of one moment.
func independent(log []string) bool {
	for _, l := range log {
		if ago(l) != ago(log[0]) {
			return false
		}
	}
	return true
}
