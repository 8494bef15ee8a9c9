package causes

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestEveryCauseIsComplete(t *testing.T) {
	t.Parallel()
	if len(All()) < 70 {
		t.Fatalf("%d causes", len(All()))
	}
	for _, c := range All() {
		switch {
		case c.Title == "" || len(c.Title) > 60 || strings.HasSuffix(c.Title, "."):
			t.Errorf("%s: title %q", c.ID, c.Title)
		case len(c.Meaning) < 40 || !strings.HasSuffix(c.Meaning, "."):
			t.Errorf("%s: meaning %q", c.ID, c.Meaning)
		case len(c.Fix) == 0:
			t.Errorf("%s: no remedy", c.ID)
		case len(c.Docs) == 0:
			t.Errorf("%s: no documentation", c.ID)
		case c.Severity.Rank() == 2 && c.Severity != Info:
			t.Errorf("%s: severity %q", c.ID, c.Severity)
		case GroupRank(c.Group) == len(Groups):
			t.Errorf("%s: group %q", c.ID, c.Group)
		}
		for _, s := range slices.Concat(append(c.Ways, c.Fix, c.Image)...) {
			if s.Text == "" || s.Command == "" || s.Where == "" {
				t.Errorf("%s: step without text, command or place: %+v", c.ID, s)
			}
			if s.Root && s.Where != OnHost {
				t.Errorf("%s: root is asked for elsewhere: %+v", c.ID, s)
			}
			for _, m := range rePlaceholder.FindAllString(s.Text+s.Command, -1) {
				_, known := placeholders[strings.Trim(m, "{}")]
				if _, path := pathOf("linux", strings.Trim(m, "{}")); !known && !path {
					t.Errorf("%s: unknown placeholder %s", c.ID, m)
				}
			}
		}
		for _, d := range c.Docs {
			if !strings.HasPrefix(d, "https://docs.aws.amazon.com/") {
				t.Errorf("%s: documentation %q", c.ID, d)
			}
		}
	}
}

func TestFillLeavesNoPlaceholder(t *testing.T) {
	t.Parallel()
	left := regexp.MustCompile(`\{[a-z]+\}`)
	for _, c := range All() {
		for _, s := range slices.Concat(append(c.Ways, c.Fix, c.Image)...) {
			f := s.Fill(nil)
			if m := left.FindString(f.Text.String() + f.Command.String()); m != "" {
				t.Errorf("%s: %s is left", c.ID, m)
			}
		}
	}
}

func TestFillKeepsHostileValuesOutOfCommands(t *testing.T) {
	t.Parallel()
	s := Step{Text: "Look at {path}", Command: "ls -l {path}"}
	for _, hostile := range []string{"/tmp/$(reboot)", "a;b", "a b", "`id`", "a\nb", "a'b", `a"b`, "a|b", "a&b", "a>b", "~root/\\"} {
		if got := s.Fill(Values{"path": hostile}); got.Command.String() != "ls -l PATH" {
			t.Errorf("%q got into a command: %q", hostile, got.Command)
		}
	}
	if got := s.Fill(Values{"path": "/etc/amazon/ssm"}); got.Command.String() != "ls -l /etc/amazon/ssm" || got.Text.String() != "Look at /etc/amazon/ssm" {
		t.Errorf("got %+v", got)
	}
}

// foreign are, per system, marks of commands that it does not have.
var foreign = map[string]*regexp.Regexp{
	"linux": regexp.MustCompile(`\b(launchctl|scutil|networksetup|pfctl|sntp|w32tm|netsh|(Get|Set|New|Remove|Select|Find|Rename|Resolve|Import|Restart|Start|Stop|Disable)-[A-Z]\w+)\b|\.exe|C:\\|/opt/aws`),
	"darwin": regexp.MustCompile(`\b(systemctl|journalctl|timedatectl|chronyc|iptables|nft|apt-get|yum|dnf|zypper|snap|restorecon|ausearch|sysctl|nmcli|resolvectl|docker|dmesg|` +
		`w32tm|netsh|(Get|Set|New|Remove|Select|Find|Rename|Resolve|Import|Restart|Start|Stop|Disable)-[A-Z]\w+)\b|ip route|\bss -|/etc/systemd|/var/lib/amazon|/usr/bin/amazon|remount|update-ca|\.exe|C:\\`),
	"windows": regexp.MustCompile(`\b(systemctl|journalctl|timedatectl|chronyc|iptables|nft|apt-get|yum|dnf|zypper|snap|restorecon|ausearch|sysctl|nmcli|resolvectl|docker|dmesg|` +
		`grep|sed|tail|head|chown|chmod|chroot|mount|dig|rm|mv|cp|ls|mkdir|printf|openssl|python3|launchctl|scutil)\b|ip route|\bss -|\b(du|df) -|\bcurl -|(^| )/(etc|var|usr|opt|snap)/|&&|/dev/null`),
}

// TestStepsFitTheirSystem: no remedy holds a command of another system, begins
// with an alternative, or has one whose step is for another system.
func TestStepsFitTheirSystem(t *testing.T) {
	t.Parallel()
	for goos, not := range foreign {
		v := Values{"goos": goos}
		for _, c := range All() {
			lists := map[string][]Step{"fix": c.Fix, "image": c.Image}
			for i, way := range c.Ways {
				lists["way "+strconv.Itoa(i)] = way
			}
			for what, list := range lists {
				var kept []Step
				for i, s := range list {
					if !s.Applies(v) {
						continue
					}
					if s.Alternative && (len(kept) == 0 || i > 0 && !list[i-1].Alternative && !list[i-1].Applies(v) && list[i-1].GOOS == s.GOOS) {
						t.Errorf("%s, %s of %s: alternative to nothing: %s", goos, what, c.ID, s.Text)
					}
					kept = append(kept, s)
					if f := s.Fill(v); s.Where == OnHost && not.MatchString(strings.ReplaceAll(f.Command.String(), "ssm-doctor", "")) {
						t.Errorf("%s, %s of %s: %q in %s", goos, what, c.ID, not.FindString(f.Command.String()), f.Command)
					}
				}
				if len(list) > 0 && len(kept) == 0 {
					t.Errorf("%s: no %s of %s is left", goos, what, c.ID)
				}
			}
		}
	}
}

// TestRemediesHoldTogether: what is stopped is started again and not restarted,
// code for Terraform is an alternative, and the CLI's steps are the CLI's.
func TestRemediesHoldTogether(t *testing.T) {
	t.Parallel()
	cli := regexp.MustCompile(`^(aws |[a-z]+=\$\((echo \$[a-z]+ \| grep [^|]*\|\| )?aws |at=\{account\}; while .* aws |for s in .* do aws |session-manager-plugin |jq |sed )`)
	for _, c := range All() {
		for _, s := range slices.Concat(append(c.Ways, c.Fix)...) {
			for line := range strings.Lines(s.Command) {
				if s.Where == OperatorCLI && !cli.MatchString(line) {
					t.Errorf("%s: not of the AWS CLI: %s", c.ID, line)
				}
			}
		}
		stopped := false
		for i, s := range c.Fix {
			switch {
			case s.Command == "{stop}":
				stopped = true
			case s.Command == "{start}":
				stopped = false
			case s.Command == "{restart}" && stopped:
				t.Errorf("%s: restarts what it stopped", c.ID)
			case s.Where == Terraform && i > 0 && !s.Alternative:
				t.Errorf("%s: Terraform is no alternative: %s", c.ID, s.Text)
			}
			if strings.Contains(s.Command, "list-policies-for-target") && !strings.Contains(s.Command, "list-parents") {
				t.Errorf("%s: only the account is asked for policies", c.ID)
			}
		}
		if stopped {
			t.Errorf("%s: leaves the agent stopped", c.ID)
		}
	}
}

func TestFillQuotesPathsOfWindows(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, command, key, value, want string }{
		{"default agent", "{agent} -version", "", "", `& "C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe" -version`},
		{"agent elsewhere", "{agent} -version", "agent", `D:\ssm\amazon-ssm-agent.exe`, `& "D:\ssm\amazon-ssm-agent.exe" -version`},
		{"default config", "type {config}", "", "", `type "C:\Program Files\Amazon\SSM\amazon-ssm-agent.json"`},
		{"as facts name it", "type {config}", "config", "/Program Files/Amazon/SSM/amazon-ssm-agent.json", `type "C:\Program Files\Amazon\SSM\amazon-ssm-agent.json"`},
		{"data", "dir {data}", "", "", `dir "C:\ProgramData\Amazon\SSM\InstanceData"`},
		{"log", "dir {log}", "", "", `dir "C:\ProgramData\Amazon\SSM\Logs"`},
		{"unknown path", "dir {path}", "", "", "dir PATH"},
		{"hostile", "dir {path}", "path", `C:\a"; Restart-Computer; "`, "dir PATH"},
		{"variable", "dir {config}", "config", `C:\$(Restart-Computer)`, `dir "C:\Program Files\Amazon\SSM\amazon-ssm-agent.json"`},
		{"no path", "ping {region}", "region", `eu west\1`, "ping REGION"},
	} {
		v := Values{"goos": "windows"}
		if tc.key != "" {
			v[tc.key] = tc.value
		}
		if got := (Step{Command: tc.command}).Fill(v).Command.String(); got != tc.want {
			t.Errorf("%s: %s", tc.name, got)
		}
	}
}

func TestFillNamesSystemsForReaders(t *testing.T) {
	t.Parallel()
	s := Step{Text: "Look", Command: "ls", GOOS: "linux darwin"}
	if got := s.Fill(nil).Text.String(); got != "Look, on Linux and macOS" {
		t.Errorf("got %q", got)
	}
	w := Step{Text: "Look", Command: "{agent}", GOOS: "windows"}
	if got := w.Fill(nil); got.Text.String() != "Look, on Windows" || got.Command.String() != `& "C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe"` {
		t.Errorf("got %+v", got)
	}
	if got := s.Fill(Values{"goos": "linux"}).Text.String(); got != "Look" {
		t.Errorf("got %q", got)
	}
}

func FuzzFill(f *testing.F) {
	f.Add("/etc/amazon", "us-east-1")
	f.Add("$(reboot)", "{path}")
	s := Step{Text: "{path} {region} {nosuch}", Command: "ls {path} --region {region}"}
	f.Fuzz(func(t *testing.T, path, region string) {
		got := s.Fill(Values{"path": path, "region": region})
		if strings.ContainsAny(got.Command.String(), "$`;|&<>\n\"'\\") {
			t.Errorf("%q", got.Command)
		}
	})
}

// TestAlternativesSaySo: a step that is another way begins with Or, and no other does.
func TestAlternativesSaySo(t *testing.T) {
	t.Parallel()
	for _, c := range All() {
		for _, s := range append(append([]Step{}, c.Fix...), c.Image...) {
			if s.Alternative != strings.HasPrefix(s.Text, "Or ") {
				t.Errorf("%s: alternative is %v: %s", c.ID, s.Alternative, s.Text)
			}
		}
	}
}
