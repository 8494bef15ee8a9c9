package mend

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/text"
)

func hostStep(command string) report.Step {
	return report.Step{Text: text.New("do it"), Command: text.Plain(command), Where: causes.OnHost, Root: true}
}

func remedy(steps ...report.Step) *report.Report {
	return &report.Report{State: report.NotManaged, RootCause: &report.Cause{ID: "x", Confidence: "proven", Fix: steps}}
}

// stopped is a host whose service is stopped and masked.
func stopped(t *testing.T) *facts.Facts {
	t.Helper()
	f := factstest.Healthy(t, "profile")
	f.Agent.Processes.Value = facts.Processes{}
	f.Agent.Units.Value[0].Active, f.Agent.Units.Value[0].Enabled = "inactive", "masked"
	return f
}

func TestOf(t *testing.T) {
	t.Parallel()
	look := hostStep("ssm-doctor check --wait 5m")
	look.Text = text.New("Check again")
	says := func(words, command string) report.Step {
		s := hostStep(command)
		s.Text = text.New(words)
		return s
	}
	restart := hostStep("systemctl restart amazon-ssm-agent")
	enabled := func(state string) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Agent.Units.Value[0].Enabled = state }
	}
	operator := report.Step{Command: text.Plain("aws iam attach-role-policy --role-name R --policy-arn P"), Where: causes.OperatorCLI}
	kinds := func(w Work) string {
		var out []string
		for _, a := range w.Do {
			out = append(out, string(a.Kind))
		}
		return strings.Join(out, " ")
	}
	runs := func(f *facts.Facts) {
		healthy := factstest.Healthy(t, "profile")
		f.Agent.Processes, f.Agent.Units = healthy.Agent.Processes, healthy.Agent.Units
	}
	pin := func(f *facts.Facts) {
		for i := range f.Network.Endpoints.Value {
			f.Network.Endpoints.Value[i].DNS.Pinned = "10.0.0.9"
		}
	}
	for _, row := range []struct {
		name  string
		fault func(*facts.Facts)
		steps []report.Step
		do    string
		left  int
	}{
		{"enable and start", nil, []report.Step{hostStep("systemctl unmask amazon-ssm-agent.service && systemctl enable --now amazon-ssm-agent.service"), look}, "unmask-service enable-service start-service", 0},
		{"enable, disabled", enabled("disabled"), []report.Step{hostStep("systemctl enable --now amazon-ssm-agent.service")}, "enable-service start-service", 0},
		{"enable, static", enabled("static"), []report.Step{hostStep("systemctl add-wants multi-user.target amazon-ssm-agent.service")}, "", 1},
		{"enable, indirect", enabled("indirect"), []report.Step{hostStep("systemctl enable amazon-ssm-agent.service")}, "", 1},
		{"enable, masked until the next boot", enabled("masked-runtime"), []report.Step{hostStep("systemctl unmask amazon-ssm-agent.service")}, "", 1},
		{"restart", runs, []report.Step{look, restart}, "restart-service", 0},
		{"restart of what stands", nil, []report.Step{look, restart}, "start-service", 0},
		{"restart, not known what runs", func(f *facts.Facts) {
			f.Agent.Processes = facts.Unknown[facts.Processes]("", "")
			f.Agent.Units.Value[0].Active = ""
		}, []report.Step{restart}, "", 1},
		{"restart of an agent outside its unit", func(f *facts.Facts) { runs(f); f.Agent.Units.Value[0].Active = "inactive" }, []report.Step{restart}, "", 1},
		{"somebody edits first", runs, []report.Step{says("Correct the address", "systemctl edit amazon-ssm-agent.service"), restart}, "", 1},
		{"somebody else is asked first", runs, []report.Step{says("Ask the administrator of the proxy to allow it", "echo ssm.eu-central-1.amazonaws.com"), restart}, "", 1},
		{"somebody deletes first", runs, []report.Step{says("Remove files nobody needs, then see what is free", "df -i /"), restart}, "", 1},
		{"looks, and more is asked", runs, []report.Step{says("Check which unit that is, and mend it", "systemctl list-dependencies amazon-ssm-agent"), restart}, "", 1},
		{"a look by an operator", runs, []report.Step{{Text: text.New("Check the policies"), Command: text.Plain("aws iam list-attached-role-policies --role-name R"), Where: causes.OperatorCLI}, restart}, "", 1},
		{"a step for a case", runs, []report.Step{says("Where the agent hangs, restart it", "systemctl restart amazon-ssm-agent")}, "", 1},
		{"a step without a command", runs, []report.Step{says("Restart the agent on the node", ""), restart}, "", 1},
		{"after an operator's step nothing is done", nil, []report.Step{operator, hostStep("systemctl restart amazon-ssm-agent")}, "", 1},
		{"up to an operator's step", nil, []report.Step{hostStep("systemctl start amazon-ssm-agent"), operator}, "start-service", 2},
		{"an alternative is not done", nil, []report.Step{hostStep("systemctl start amazon-ssm-agent"), {Command: text.Plain("apt-get install amazon-ssm-agent"), Where: causes.OnHost, Alternative: true}}, "start-service", 0},
		{"a drop-in", nil, []report.Step{hostStep("mv /etc/systemd/system/amazon-ssm-agent.service.d/50-local.conf /root/x"), hostStep("systemctl daemon-reload")}, "", 1},
		{"another file", nil, []report.Step{hostStep("mv /etc/amazon/ssm/amazon-ssm-agent.json /root/x")}, "", 1},
		{"route", nil, []report.Step{hostStep("ip route del 52.119.128.0/17 dev tun0")}, "remove-route", 0},
		{"blackhole", nil, []report.Step{hostStep("ip route del blackhole 52.119.128.0/17")}, "remove-route", 0},
		{"route, nothing but its destination", nil, []report.Step{hostStep("ip route del 52.119.128.0/17")}, "", 1},
		{"route of another table", nil, []report.Step{hostStep("ip route del 52.119.128.0/17 dev tun0 table 7")}, "", 1},
		{"route by a placeholder", nil, []report.Step{hostStep("ip route del 169.254.169.254 via GATEWAY")}, "", 1},
		{"default route", nil, []report.Step{hostStep("ip route del 0.0.0.0/0 dev tun0")}, "", 1},
		{"route by a name", nil, []report.Step{hostStep("ip route del default dev tun0")}, "", 1},
		{"hosts", pin, []report.Step{hostStep(`sed -i.bak -E -e 's/[[:space:]]+(ssm\.eu-central-1\.amazonaws\.com)([[:space:]]|$)/\2/g' -e '/^[0-9A-Fa-f.:]+[[:space:]]*$/d' /etc/hosts`)}, "edit-hosts-file", 0},
		{"hosts, nothing is pinned", nil, []report.Step{hostStep(`sed -i.bak -E -e 's/[[:space:]]+(ssm\.eu-central-1\.amazonaws\.com)([[:space:]]|$)/\2/g' /etc/hosts`)}, "", 1},
		{"packages", nil, []report.Step{hostStep("apt-get install -y amazon-ssm-agent")}, "", 1},
		{"no command that is known", nil, []report.Step{hostStep("curl https://x | sh; reboot --now")}, "", 1},
		{"no systemd", func(f *facts.Facts) { f.Agent.Manager = facts.Known("openrc", "") }, []report.Step{hostStep("systemctl restart amazon-ssm-agent")}, "", 1},
		{"the unit has a foreign name", func(f *facts.Facts) { f.Agent.Units.Value[0].Name = "--force" }, []report.Step{hostStep("systemctl restart amazon-ssm-agent")}, "", 1},
		{"Windows", func(f *facts.Facts) { f.Host.GOOS = "windows" }, []report.Step{hostStep("Restart-Service AmazonSSMAgent")}, "", 1},
		{"container", func(f *facts.Facts) { f.Host.Container = facts.Known(facts.Container{Runtime: "docker"}, "") }, []report.Step{hostStep("systemctl restart amazon-ssm-agent")}, "", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := stopped(t)
			if row.fault != nil {
				row.fault(f)
			}
			w := Of(f, remedy(row.steps...))
			if kinds(w) != row.do || w.Left != row.left || (w.Why == "") != (row.left == 0) {
				t.Errorf("does %q, left %d (%s)", kinds(w), w.Left, w.Why)
			}
			for _, a := range w.Do {
				if a.Says() == "" || a.Costs() == "" || a.Undoing() == "" {
					t.Errorf("%s says nothing of itself", a.Kind)
				}
			}
		})
	}
	doubt := remedy(hostStep("systemctl start amazon-ssm-agent"))
	doubt.State = report.Unknown
	if w := Of(stopped(t), doubt); len(w.Do) > 0 || w.Left != 1 {
		t.Error("something is done without knowing what is wrong")
	}
	for _, c := range []string{"", "possible", "likely"} {
		doubt = remedy(hostStep("systemctl start amazon-ssm-agent"))
		doubt.RootCause.Confidence = c
		if w := Of(stopped(t), doubt); len(w.Do) > 0 || w.Left != 1 {
			t.Errorf("something is done on a cause that is %q", c)
		}
	}
	if w := Of(stopped(t), &report.Report{}); len(w.Do) > 0 || w.Left != 0 {
		t.Error("there is something to do without a cause")
	}
}

func TestWithoutNames(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ file, want string }{
		{"127.0.0.1 localhost\n10.0.0.9 ssm.x.com\n", "127.0.0.1 localhost\n"},
		{"10.0.0.9\tssm.x.com  db.corp # old\r\n", "10.0.0.9 db.corp # old\r\n"},
		{"10.0.0.9 SSM.X.com db.corp\n", "10.0.0.9 db.corp\n"},
		{"# 10.0.0.9 ssm.x.com\n10.0.0.9 a.ssm.x.com ssm.x.com.corp\n", "# 10.0.0.9 ssm.x.com\n10.0.0.9 a.ssm.x.com ssm.x.com.corp\n"},
		{"10.0.0.9 ssm.x.com", ""},
		{"::1 ip6-localhost\n\n  \n", "::1 ip6-localhost\n\n  \n"},
		{"10.0.0.9 db#ssm.x.com\n", "10.0.0.9 db#ssm.x.com\n"},
		{"ssm.x.com db\nssm.x.com\n", "ssm.x.com db\nssm.x.com\n"}, // no address, so no entry
		{"10.0.0.9\u00a0ssm.x.com db\n", "10.0.0.9\u00a0ssm.x.com db\n"},
	} {
		if got := string(withoutNames([]byte(row.file), []string{"ssm.x.com"})); got != row.want {
			t.Errorf("%q became %q, want %q", row.file, got, row.want)
		}
	}
}

// FuzzWithoutNames: only lines with the name are changed, and it is gone from them.
func FuzzWithoutNames(f *testing.F) {
	f.Add("127.0.0.1 localhost\n10.0.0.9 ssm.x.com db # c\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		out := string(withoutNames([]byte(s), []string{"ssm.x.com"}))
		rest := slices.Collect(strings.Lines(out))
		for line := range strings.Lines(s) {
			entry, _, _ := strings.Cut(line, "#")
			if !slices.ContainsFunc(strings.Fields(entry), func(w string) bool { return strings.ToLower(w) == "ssm.x.com" }) && !slices.Contains(rest, line) && len(rest) > 0 && !strings.Contains(out, line) {
				t.Errorf("%q is gone", line)
			}
		}
		for line := range strings.Lines(out) {
			entry, _, _ := strings.Cut(line, "#")
			f := strings.FieldsFunc(entry, func(r rune) bool { return r < 0x80 && unicode.IsSpace(r) })
			if len(f) > 1 && slices.ContainsFunc(f[1:], func(w string) bool { return strings.ToLower(w) == "ssm.x.com" }) {
				t.Errorf("the name is still there: %q", line)
			}
		}
		if len(out) > len(s) {
			t.Error("it grew")
		}
	})
}

func FuzzRouteWords(f *testing.F) {
	f.Add("52.119.128.0/17 via 10.9.0.1 dev tun0 proto static metric 50 linkdown ")
	f.Add("blackhole 169.254.169.254 ")
	f.Add("10.0.0.0/8 dev $(reboot)")
	to, _ := destination("52.119.128.0/17")
	a := Action{To: to, Via: "10.9.0.1"}
	f.Fuzz(func(t *testing.T, s string) {
		for _, w := range routeWords([]byte(s), a) {
			if strings.HasPrefix(w, "-") || strings.ContainsAny(w, " ;|&$`'\"\\\n<>()*?") {
				t.Errorf("%q would be an argument", w)
			}
		}
	})
}

func TestRouteWords(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ to, named, out, want string }{
		{"52.119.128.0/17", "via 10.9.0.1 dev tun0", "52.119.128.0/17 via 10.9.0.1 dev tun0 proto static metric 50 linkdown \n", "52.119.128.0/17 via 10.9.0.1 dev tun0 proto static metric 50"},
		{"169.254.169.254", "blackhole", "blackhole 169.254.169.254 \n", "blackhole 169.254.169.254"},
		{"169.254.169.254/32", "dev lo", "169.254.169.254 dev lo scope link \n", "169.254.169.254 dev lo scope link"},
		{"10.0.0.0/8", "dev a", "10.0.0.0/8 dev a\n10.0.0.0/8 dev b metric 2\n", ""},
		{"10.0.0.0/8", "dev a", "10.0.0.0/9 dev a\n", ""},
		{"10.0.0.0/8", "dev a", "10.0.0.0/8 dev a proto static\n", "10.0.0.0/8 dev a proto static"},
		{"10.0.0.0/8", "dev a", "10.0.0.0/8 dev b\n", ""},
		{"10.0.0.0/8", "dev a", "10.0.0.0/8 via 10.1.1.1 dev a\n", ""},
		{"10.0.0.0/8", "via 10.1.1.1", "10.0.0.0/8 via 10.1.1.1 dev a\n", "10.0.0.0/8 via 10.1.1.1 dev a"},
		{"10.0.0.0/8", "via 10.1.1.2", "10.0.0.0/8 via 10.1.1.1 dev a\n", ""},
		{"10.0.0.0/8", "dev a", "blackhole 10.0.0.0/8\n", ""},
		{"10.0.0.0/8", "prohibit", "blackhole 10.0.0.0/8\n", ""},
		{"10.0.0.0/8", "dev a", "", ""},
		{"10.0.0.0/8", "dev a", "10.0.0.0/8 dev -x\n", ""},
		{"10.0.0.0/8", "dev a", "10.0.0.0/8 nexthop via 10.1.1.1 weight 1\n", ""},
		{"10.0.0.0/8", "dev a", "10.0.0.0/8 nhid 12 via 10.1.1.1 dev a\n", ""},
		{"fd00::/8", "dev a", "fd00::/8 dev a proto ra metric 1024 expires 1797sec pref medium\n", ""},
	} {
		to, bad := destination(row.to)
		if bad {
			t.Fatal(row.to)
		}
		a := Action{To: to}
		if !a.judged(row.named) {
			t.Fatal(row.named)
		}
		if got := strings.Join(routeWords([]byte(row.out), a), " "); got != row.want {
			t.Errorf("%q: %q, want %q", row.out, got, row.want)
		}
	}
}
