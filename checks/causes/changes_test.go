package causes

import (
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
)

// Every command of every cause is one of which it is known what it changes.
func TestEveryStepSaysWhatItChanges(t *testing.T) {
	t.Parallel()
	seen := map[Kind]bool{}
	for _, goos := range []string{"linux", "windows", "darwin"} {
		v := Values{"goos": goos}
		for _, c := range All() {
			for _, s := range slices.Concat(append(c.Ways, c.Fix, c.Image)...) {
				if !s.Applies(v) {
					continue
				}
				f := s.Fill(v)
				list, known := ChangesOf(f.Command.String(), f.Where)
				if !known {
					t.Errorf("%s on %s: not known what this changes: %s", c.ID, goos, f.Command)
				}
				for _, x := range list {
					seen[x.Kind] = true
					if says[x.Kind] == "" || strings.Contains(x.Says().String(), "%!") {
						t.Errorf("%s: %q has no words: %s", c.ID, x.Kind, x.Says())
					}
				}
			}
		}
	}
	for _, k := range Kinds() {
		if !seen[k] {
			t.Logf("no step of the catalogue makes the change %s", k)
		}
	}
}

// TestRuleChanges: a rule that names no destination is for all.
func TestRuleChanges(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]Change{
		"ip rule del priority 100 to 169.254.169.254 prohibit":     {RouteRemoved, "169.254.169.254", ""},
		"ip rule del priority 100 dport 443 ipproto tcp blackhole": {RouteRemoved, Everywhere, ""},
		"ip rule add to 10.0.0.2 lookup main priority 5269":        {RoutingRule, "10.0.0.2", ""},
	} {
		if got, known := ChangesOf(command, OnHost); !known || !slices.Equal(got, []Change{want}) {
			t.Errorf("%s: %v %v", command, got, known)
		}
	}
}

// TestFirewallChanges: what is sent is let out, and what comes back is let in, in the chain
// that is named.
func TestFirewallChanges(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]Change{
		"iptables -I OUTPUT 1 -p tcp --dport 443 -m owner --uid-owner 0 -j ACCEPT":             {FirewallRule, "443", ""},
		"iptables -I OUTPUT 1 -d 169.254.169.254 -m owner --uid-owner 0 -j ACCEPT":             {FirewallRule, "169.254.169.254", ""},
		"iptables -I OUTPUT 1 -d 10.0.0.2 -p udp --dport 53 -j ACCEPT":                         {FirewallRule, "53", ""},
		"iptables -I INPUT 1 -p tcp --sport 443 -m conntrack --ctstate ESTABLISHED -j ACCEPT":  {AnswersLetIn, "443", "filter INPUT"},
		"iptables -t raw -I PREROUTING 1 -p tcp --sport 443 -j ACCEPT":                         {AnswersLetIn, "443", "raw PREROUTING"},
		"iptables -I INPUT 1 -s 169.254.169.254 -m conntrack --ctstate ESTABLISHED -j ACCEPT":  {AnswersLetIn, "169.254.169.254", "filter INPUT"},
		"nft insert rule inet f in ip saddr 10.0.0.2 udp sport 53 ct state established accept": {AnswersLetIn, "53", "inet f in"},
		"nft insert rule inet f out ip daddr 10.0.0.2 udp dport 53 accept":                     {FirewallRule, "53", ""},
		"nft insert rule inet filter output tcp dport 443 meta skuid 0 accept":                 {FirewallRule, "443", ""},
	} {
		if got, known := ChangesOf(command, OnHost); !known || !slices.Equal(got, []Change{want}) {
			t.Errorf("%s: %v %v", command, got, known)
		}
	}
	for _, command := range []string{"iptables -I INPUT 1 -p tcp --sport 443 -j DROP", "iptables -F", "iptables -D INPUT -p tcp --sport 443 -j ACCEPT", "iptables -I OUTPUT 1 -p tcp --dport 4430 -j ACCEPT"} {
		if got, known := ChangesOf(command, OnHost); known {
			t.Errorf("%s: %v", command, got)
		}
	}
}

// Whatever a command holds, it is read without failing, and its changes have words.
func FuzzChangesOf(f *testing.F) {
	for command := range commandsOf(fullValues()) {
		f.Add(command, OnHost)
	}
	f.Add(`resource "aws_vpc_endpoint" "x" {`, Terraform)
	f.Fuzz(func(t *testing.T, command, where string) {
		list, _ := ChangesOf(command, where)
		for _, c := range list {
			if says[c.Kind] == "" || c.Says().String() == "" {
				t.Errorf("%q has no words", c.Kind)
			}
		}
	})
}

// A program alone is no reason to fail either.
// TestSaysWhole: no step says half a sentence of what it changes, or leaves out a name.
func TestSaysWhole(t *testing.T) {
	t.Parallel()
	for _, goos := range []string{"linux", "windows", "darwin"} {
		v := Values{"goos": goos}
		for _, c := range All() {
			for _, s := range slices.Concat(append(c.Ways, c.Fix, c.Image)...) {
				if !s.Applies(v) {
					continue
				}
				f := s.Fill(v)
				list, _ := ChangesOf(f.Command.String(), f.Where)
				for _, x := range list {
					if said := x.Says().String(); strings.Contains(said, notNamed) || strings.Contains(said, "  ") || strings.HasPrefix(x.On, "-") {
						t.Errorf("%s on %s: %+v says %q: %s", c.ID, goos, x, said, f.Command)
					}
				}
			}
		}
	}
	for command, want := range map[string]string{
		"Set-Service -Name 'Amazon EC2Launch' -StartupType Automatic": "the service Amazon EC2Launch is changed",
		"Set-Service -StartupType Automatic -Name Winmgmt":            "the service Winmgmt is changed",
		"Start-Service -name Winmgmt":                                 "the service Winmgmt is changed",
		"Restart-Service W32Time":                                     "the service W32Time is changed",
		"Remove-Item -Recurse -Force C:\\x":                           "C:\\x is removed",
		"icacls.exe C:\\x /grant '*S-1-5-18:(OI)(CI)F' /T":            "rights to C:\\x are granted",
		"Start-Service -Name AmazonSSMAgent":                          "the agent is started",
	} {
		list, _ := ChangesOf(command, OnHost)
		if len(list) != 1 || list[0].Says().String() != want {
			t.Errorf("%s: %v", command, list)
		}
	}
	if said := (Change{ResolverSet, "", ""}).Says().String(); said != "this host asks another resolver" {
		t.Error(said)
	}
	for k := range says { // whatever a command leaves out
		for _, c := range []Change{{k, "", ""}, {k, "a", ""}, {k, "", "b"}} {
			if said := c.Says().String(); strings.Contains(said, "  ") || strings.TrimSpace(said) != said || strings.HasSuffix(said, " to") || strings.HasSuffix(said, " becomes") {
				t.Errorf("%+v says %q", c, said)
			}
		}
	}
}

func TestChangesOfBarePrograms(t *testing.T) {
	t.Parallel()
	for program := range kindOf {
		for _, rest := range []string{"", " -x", " a", " a b", " route del", " delete", " -i", " link set", " install"} {
			ChangesOf(program+rest, OnHost)
		}
	}
	if list, known := ChangesOf("kill -CONT 7 8", OnHost); !known || !slices.Equal(list, []Change{{ProcessResumed, facts.HeldBySignal, ""}}) {
		t.Errorf("let it run on: %v", list)
	}
	if list, known := ChangesOf("kill -9 7", OnHost); known {
		t.Errorf("ended, not let run on: %v", list)
	}
	if list, known := ChangesOf("frobnicate --all", OnHost); known || list != nil {
		t.Errorf("an unknown program: %v", list)
	}
}

// TestChangesOfProfiles: what makes an instance profile, or the role of one, is known.
func TestChangesOfProfiles(t *testing.T) {
	t.Parallel()
	v := Values{"role": "Web", "profile": "WebProfile"}
	list, known := ChangesOf(MakeRoleAgain.Fill(v).Command.String(), OperatorCLI)
	want := []Change{{RoleCreated, "Web", "ec2.amazonaws.com"}, {PolicyAttached, "Web", "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}, {RoleInProfile, "WebProfile", "Web"}}
	if !known || !slices.Equal(list, want) {
		t.Errorf("%v", list)
	}
	list, known = ChangesOf("aws iam create-instance-profile --instance-profile-name P", OperatorCLI)
	if !known || !slices.Equal(list, []Change{{ProfileCreated, "P", ""}}) {
		t.Errorf("%v", list)
	}
}

// TestAppliesToPlace: what only an instance has is not printed for a host elsewhere, but
// for the endpoints of a VPC that it may reach.
func TestAppliesToPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		command   string
		elsewhere bool
	}{
		{"aws ec2 stop-instances --instance-ids {instance}", false},
		{"aws ec2 describe-network-acls --filters Name=association.subnet-id,Values={subnet}", false},
		{"aws ec2 describe-security-groups --group-ids {sg}", false},
		{"aws ec2 create-vpc-endpoint --vpc-id {vpc} --subnet-ids {subnet}", true},
		{"aws ssm describe-instance-information --filters Key=InstanceIds,Values={node}", true},
	} {
		s := Step{Command: c.command, Where: OperatorCLI}
		if !s.Applies(Values{}) || s.Applies(Values{"ec2": "no"}) != c.elsewhere {
			t.Errorf("%s: on an instance %v, elsewhere %v", c.command, s.Applies(Values{}), s.Applies(Values{"ec2": "no"}))
		}
	}
}
