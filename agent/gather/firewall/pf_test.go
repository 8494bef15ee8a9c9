package firewall

import (
	"context"
	"errors"
	"strings"
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// pfOwn is what macOS itself loads. Source: /etc/pf.conf and /etc/pf.anchors/com.apple.
const pfOwn = "scrub-anchor \"com.apple/*\" all fragment reassemble\nanchor \"com.apple/*\" all {\n  anchor \"200.AirDrop/*\" all\n  anchor \"250.ApplicationFirewall/*\" all\n}\n"

func TestParsePF(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, rules string
		imds, https []string // the first words of the rules that stop it
	}{
		{name: "as installed", rules: pfOwn},
		{name: "metadata", rules: pfOwn + "block drop out inet from any to 169.254.169.254\n", imds: []string{"block drop out inet"}},
		{name: "metadata by its network, refused", rules: "block return out quick inet proto tcp from any to 169.254.0.0/16 port = 80\n", imds: []string{"block return"}},
		{name: "https by name", rules: "block drop out quick proto tcp from any to any port = https flags S/SA\n", https: []string{"block drop"}},
		{name: "a later pass wins", rules: "block drop out all\npass out all flags S/SA keep state\n"},
		{name: "a later block wins", rules: "pass out all flags S/SA keep state\nblock drop out all\n", imds: []string{"block drop out all"}, https: []string{"block drop out all"}},
		{name: "quick wins over later ones", rules: "pass out quick proto tcp from any to any port = 443 flags S/SA keep state\nblock drop all\n", imds: []string{"block drop all"}},
		{name: "a pass for root alone is one for the agent", rules: "block drop out all\npass out proto tcp all user = 0 flags S/SA keep state\n"},
		{name: "for another user", rules: "block drop out proto tcp all user = 501\n"},
		{name: "what comes in", rules: "block drop in all\nblock return in quick proto tcp from any to any port = 443\n"},
		{name: "IPv6 and UDP", rules: "block drop out inet6 all\nblock drop out proto udp all\n"},
		{name: "loopback", rules: "block drop out on lo0 all\n"},
		{name: "another port", rules: "block drop out proto tcp from any to any port = 25\nblock drop out proto tcp from any to any port 8000:9000\n"},
		{name: "a list of ports", rules: "block drop out proto { tcp udp } from any to any port { = 80 = 443 }\n", imds: []string{"block drop"}, https: []string{"block drop"}},
		{name: "all but one network", rules: "block drop out quick from any to ! 10.0.0.0/8\n", imds: []string{"block drop"}, https: []string{"block drop"}},
		{name: "a pass that may not match does not count", rules: "block drop out all\npass out from 10.0.0.5 to any flags S/SA keep state\n", imds: []string{"block drop"}, https: []string{"block drop"}},
		{name: "in an anchor", rules: "anchor \"com.example\" all {\n  block drop out proto tcp from any to any port = 443\n}\n", https: []string{"block drop"}},
		{name: "a label that looks like words", rules: "block drop in all label \"out to any\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var imds, https []string
			for _, r := range parsePF([]byte(c.rules)) {
				if r.IMDS {
					imds = append(imds, r.Text)
				}
				if r.HTTPS {
					https = append(https, r.Text)
				}
			}
			for _, x := range []struct{ got, want []string }{{imds, c.imds}, {https, c.https}} {
				if len(x.got) != len(x.want) {
					t.Fatalf("got %q, want %q", x.got, x.want)
				}
				for i := range x.want {
					if !strings.HasPrefix(x.got[i], x.want[i]) {
						t.Errorf("got %q, want %q", x.got[i], x.want[i])
					}
				}
			}
		})
	}
}

func TestPacketFilter(t *testing.T) {
	t.Parallel()
	const info, rules = "pfctl -s info", "pfctl -a * -s rules"
	denied := errors.New("run pfctl: exit status 1: pfctl: /dev/pf: Permission denied")
	for _, c := range []struct {
		name    string
		out     map[string]string
		err     error
		root    bool
		known   bool
		absent  bool
		rules   int
		because facts.Reason
	}{
		{name: "off", root: true, out: map[string]string{info: "Status: Disabled for 0 days 00:06:09           Debug: Urgent\n"}, known: true},
		{name: "on", root: true, out: map[string]string{info: "No ALTQ support in kernel\nStatus: Enabled for 0 days 00:06:09           Debug: Urgent\n", rules: pfOwn + "block drop out all\n"}, known: true, rules: 1},
		{name: "says nothing", root: true, out: map[string]string{info: "\n"}},
		{name: "not root", err: denied, because: facts.NeedsRoot},
		{name: "refused to root", root: true, err: denied},
		{name: "not there", root: true, err: gather.ErrNoProgram, absent: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env := &gather.Env{GOOS: "darwin", Live: true, Privileged: facts.Known(c.root, ""), Exec: func(_ context.Context, name string, args ...string) ([]byte, error) {
				return []byte(c.out[strings.Join(append([]string{name}, args...), " ")]), c.err
			}}
			got := List(t.Context(), env)
			if got.Known() != c.known || got.Absent() != c.absent || len(got.Value.Rules) != c.rules || got.Obstacle() != c.because {
				t.Errorf("%+v", got)
			}
		})
	}
	if got := List(t.Context(), &gather.Env{GOOS: "darwin"}); !got.Unknown() {
		t.Errorf("an image: %+v", got)
	}
}

// FuzzPF feeds lists of rules.
func FuzzPF(f *testing.F) {
	gathertest.AddSeeds(f, pfOwn, "block drop out quick on en0 inet proto tcp from ! 1.2.3.4 to { <t> 169.254.169.254 } port { 80 443 } user = root\n", "}\n}\nanchor \"x\" on en0 {\nblock out\n", "block out port !")
	f.Fuzz(func(t *testing.T, b []byte) {
		list := parsePF(b)
		gathertest.Sound(t, list)
		if len(list) > maxRules {
			t.Errorf("%d rules", len(list))
		}
	})
}
