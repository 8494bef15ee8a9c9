package firewall

import (
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func TestDefender(t *testing.T) {
	t.Parallel()
	const rules = fwLocal + `\FirewallRules|`
	const head = "v2.31|Action=Block|Active=TRUE|Dir=Out|"
	rule := func(s string) map[string][]string { return map[string][]string{rules + "{1}": {s}} }
	for _, c := range []struct {
		name        string
		reg         map[string][]string
		imds, https bool
		none        bool
	}{
		{"nothing", nil, false, false, true},
		{"all of HTTPS", rule(head + "Protocol=6|RPort=443|Name=x|"), false, true, false},
		{"the metadata service", rule(head + "RA4=169.254.169.254|"), true, false, false},
		{"the metadata service, with a mask", rule(head + "RA4=169.254.0.0/255.255.0.0|"), true, true, false}, // other link-local addresses too
		{"everything", rule(head), true, true, false},
		{"a range of ports", rule(head + "Protocol=6|RPort=100-500|RPort2_10=8000|"), false, true, false},
		{"another port", rule(head + "Protocol=6|RPort=25|"), false, false, true},
		{"UDP", rule(head + "Protocol=17|RPort=443|"), false, false, true},
		{"inbound", rule("v2.31|Action=Block|Active=TRUE|Dir=In|"), false, false, true},
		{"switched off", rule("v2.31|Action=Block|Active=FALSE|Dir=Out|"), false, false, true},
		{"allows", rule("v2.31|Action=Allow|Active=TRUE|Dir=Out|"), false, false, true},
		{"another program", rule(head + `App=C:\x\chrome.exe|`), false, false, true},
		{"the agent", rule(head + `App=%ProgramFiles%\Amazon\SSM\amazon-ssm-agent.exe|`), true, true, false},
		{"a service", rule(head + "Svc=dnscache|"), false, false, true},
		{"the local subnet", rule(head + "RA4=LocalSubnet|"), false, true, false}, // its address hits none
		{"a group policy", map[string][]string{fwPolicy + `\FirewallRules|{2}`: {head + "Protocol=6|RPort=443|"}}, false, true, false},
		{"off altogether", map[string][]string{rules + "{1}": {head}, fwLocal + `\DomainProfile|EnableFirewall`: {"0"}, fwLocal + `\StandardProfile|EnableFirewall`: {"0"}, fwLocal + `\PublicProfile|EnableFirewall`: {"0"}}, false, false, true},
		{"closed by default", map[string][]string{fwLocal + `\PublicProfile|DefaultOutboundAction`: {"1"}}, true, true, false},
		{"closed by default, HTTPS allowed", map[string][]string{fwPolicy + `\DomainProfile|DefaultOutboundAction`: {"1"}, rules + "{1}": {"v2.31|Action=Allow|Active=TRUE|Dir=Out|Protocol=6|RPort=443|"}}, true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fw := Defender((&gathertest.Windows{Registry: c.reg}).Ask())
			if !fw.Known() || (len(fw.Value.Rules) == 0) != c.none {
				t.Fatalf("%+v", fw)
			}
			for _, r := range fw.Value.Rules {
				if r.IMDS != c.imds || r.HTTPS != c.https || r.Action != "block" {
					t.Errorf("%+v", r)
				}
			}
		})
	}
	only := Defender((&gathertest.Windows{Registry: map[string][]string{fwLocal + `\PublicProfile|DefaultOutboundAction`: {"1"},
		rules + "{1}": {`v2.31|Action=Allow|Active=TRUE|Dir=Out|Protocol=6|App=C:\Program Files\Amazon\SSM\ssm-agent-worker.exe|`}}}).Ask()).Value
	if len(only.ForAgent) != 1 || !only.ForAgent[0].HTTPS || len(only.Rules) != 1 || !only.Rules[0].Policy || !only.Rules[0].HTTPS {
		t.Errorf("%+v", only)
	}
	if fw := Defender((&gathertest.Windows{Denied: fwLocal + `\FirewallRules`}).Ask()); !fw.Unknown() {
		t.Errorf("%+v", fw)
	}
}

func FuzzDefender(f *testing.F) {
	f.Add("v2.31|Action=Block|Active=TRUE|Dir=Out|Protocol=6|RPort=443|RA4=1.2.3.4-5|App=x|Name=@y|")
	f.Fuzz(func(t *testing.T, text string) {
		if r, ok := parseWindowsRule("{1}", text); ok {
			gathertest.Sound(t, r.fact())
		}
		_ = Defender((&gathertest.Windows{Registry: map[string][]string{fwLocal + `\FirewallRules|x`: {text}}, Routes: facts.Seen[[]gather.WindowsRoute]{}}).Ask())
	})
}
