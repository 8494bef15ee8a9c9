package opsys

import (
	"slices"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
)

func TestNRPT(t *testing.T) {
	t.Parallel()
	const a, b = `\{A}`, `\{B}`
	local, policy := nrptKeys[1], nrptKeys[0]
	rule := func(key, name, servers, options string) map[string][]string {
		return map[string][]string{key + "|Name": {name}, key + "|GenericDNSServers": {servers}, key + "|ConfigOptions": {options}}
	}
	for _, c := range []struct {
		name string
		sets []map[string][]string
		want []string
	}{
		{name: "none"},
		{name: "for AWS", sets: []map[string][]string{rule(local+a, ".amazonaws.com", "10.9.9.9; 10.9.9.8", "8")}, want: []string{"10.9.9.9", "10.9.9.8"}},
		{name: "for all", sets: []map[string][]string{rule(local+a, ".", "10.9.9.9", "10")}, want: []string{"10.9.9.9"}},
		{name: "the longer suffix", sets: []map[string][]string{rule(local+a, ".", "10.1.1.1", "8"), rule(local+b, ".AmazonAWS.com", "10.2.2.2", "8")}, want: []string{"10.2.2.2"}},
		{name: "elsewhere", sets: []map[string][]string{rule(local+a, ".corp.example", "10.1.1.1", "8"), rule(local+b, "amazonaws.com", "10.1.1.1", "8"), rule(local+`\{C}`, ".notamazonaws.com", "10.1.1.1", "8")}},
		{name: "without that option", sets: []map[string][]string{rule(local+a, ".amazonaws.com", "10.1.1.1", "2")}},
		{name: "no address", sets: []map[string][]string{rule(local+a, ".amazonaws.com", "dns.corp", "8")}},
		{name: "a policy puts local rules out of force", sets: []map[string][]string{rule(local+a, ".amazonaws.com", "10.1.1.1", "8"), rule(policy+a, ".corp.example", "10.2.2.2", "8")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &gathertest.Windows{Registry: map[string][]string{}}
			for _, s := range c.sets {
				for k, v := range s {
					w.Registry[k] = v
				}
			}
			got, _, ok := nrptServers(w.Ask())
			if !slices.Equal(got, c.want) || ok != (c.want != nil) {
				t.Errorf("%v %q, want %q", ok, got, c.want)
			}
		})
	}
}

// FuzzNRPT feeds a rule.
func FuzzNRPT(f *testing.F) {
	f.Add(".amazonaws.com", "10.0.0.1;fe80::1%3")
	f.Fuzz(func(t *testing.T, name, servers string) {
		nrptWidth([]string{name})
		gathertest.Sound(t, parseServers(servers))
	})
}
