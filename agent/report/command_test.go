package report

import (
	"regexp"
	"strings"
	"testing"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/text"
)

// asPasted undoes the line breaks of a command, as a shell does.
func asPasted(lines []string) string {
	s := strings.Join(lines, "\n")
	for _, r := range []struct{ re, to string }{
		{`'\\\n'`, ""}, {"(?m) [\\\\`]\n +", " "}, {`\\\n`, ""}, {`(&&|\|\||\|)\n +`, "$1 "}, {`,\n +`, ","}, {`\n +`, "; "},
	} {
		s = regexp.MustCompile(r.re).ReplaceAllString(s, r.to)
	}
	return strings.TrimSpace(s)
}

// spaced leaves out what a line break may add or take: blanks behind commas of documents
// and around semicolons.
func spaced(s string) string {
	s = regexp.MustCompile(`, +`).ReplaceAllString(s, ",")
	s = regexp.MustCompile(` *; *`).ReplaceAllString(s, ";")
	return strings.Join(strings.Fields(s), " ")
}

func TestCommandsAreBroken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, command, where, goos, want string }{
		{"short", "systemctl restart amazon-ssm-agent", "this-host", "linux", "      systemctl restart amazon-ssm-agent"},
		{"options", "aws ec2 associate-iam-instance-profile --region eu-central-1 --instance-id i-0a1b2c3d4e5f60718 --iam-instance-profile Name=PROFILE_NAME", "operator-cli", "linux",
			"      aws ec2 associate-iam-instance-profile --region eu-central-1 \\\n          --instance-id i-0a1b2c3d4e5f60718 \\\n          --iam-instance-profile Name=PROFILE_NAME"},
		{"chain", "timedatectl; chronyc tracking || timedatectl timesync-status", "this-host", "linux", "      timedatectl\n      chronyc tracking || timedatectl timesync-status"},
		{"loop", "for s in a b; do echo $s; done", "this-host", "linux", "      for s in a b; do echo $s; done"},
		{"block", "x && { echo a; cat b; } > c", "this-host", "linux", "      x && { echo a; cat b; } > c"},
		{"find", `find / -name x -exec rm {} \;`, "this-host", "linux", `      find / -name x -exec rm {} \;`},
		{"quoted semicolon", "echo 'a; b'", "this-host", "linux", "      echo 'a; b'"},
		{"operators", "systemctl unmask amazon-ssm-agent.service && systemctl enable --now amazon-ssm-agent.service", "this-host", "linux",
			"      systemctl unmask amazon-ssm-agent.service &&\n          systemctl enable --now amazon-ssm-agent.service"},
		{"long word", "yum install -y https://s3.eu-central-1.amazonaws.com/amazon-ssm-eu-central-1/latest/linux_amd64/amazon-ssm-agent.rpm", "this-host", "linux",
			"      yum install -y \\\n          https://s3.eu-central-1.amazonaws.com/amazon-ssm-eu-central-1/\\\nlatest/linux_amd64/amazon-ssm-agent.rpm"},
		{"document", `aws iam put-role-policy --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["a:b"],"Resource":"*"}]}'`, "operator-cli", "linux",
			"      aws iam put-role-policy --policy-document \\\n          '{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\n           \"Action\":[\"a:b\"],\"Resource\":\"*\"}]}'"},
		{"here-document", "cat > /etc/a-file-with-a-long-name <<EOF\na line that is very long and must stay as it is, however long it may become\nEOF", "this-host", "linux",
			"      cat > /etc/a-file-with-a-long-name <<EOF\n      a line that is very long and must stay as it is, however long it may become\n      EOF"},
		{"PowerShell", "Set-ItemProperty -Path HKLM:\\SYSTEM\\CurrentControlSet\\Services\\AmazonSSMAgent -Name Environment -Value x", "this-host", "windows",
			"      Set-ItemProperty `\n          -Path HKLM:\\SYSTEM\\CurrentControlSet\\Services\\AmazonSSMAgent `\n          -Name Environment -Value x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &screen{r: &Report{Node: Node{GOOS: tt.goos}}, s: Style{Width: 80}}
			if got := strings.Join(s.command(Step{Command: text.Plain(tt.command), Where: tt.where}), "\n"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestLongWordsFit: wherever a line ends in a program of sed, no line is too wide, and the
// command stays what it is.
func TestLongWordsFit(t *testing.T) {
	t.Parallel()
	for width := 60; width <= 100; width++ {
		for _, command := range []string{
			`sed -E -e 's/(\{"Identity": \{"ConsumptionOrder": \[\]\}),([[:space:]]*\})/\1\2/' -e 's/\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\//' file`,
			`grep \[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[\[ file`,
		} {
			s := &screen{r: &Report{Node: Node{GOOS: "linux"}}, s: Style{Width: width}}
			lines := s.command(Step{Command: text.Plain(command), Where: "this-host"})
			if got := spaced(asPasted(lines)); got != command {
				t.Errorf("%d: pasted, it is\n%s\nand not\n%s", width, got, command)
			}
			for _, l := range lines {
				if cells(l) > width {
					t.Errorf("%d cells of %d: %s", cells(l), width, l)
				}
			}
		}
	}
}

// TestCauseScreens: every remedy of the catalogue fits one screen beside a long reason
// and much evidence; its commands mean the same as before they were broken; words to
// replace are explained, and nothing else is.
func TestCauseScreens(t *testing.T) {
	t.Parallel()
	for _, c := range causes.All() {
		for _, goos := range []string{"linux", "windows", "darwin"} {
			for _, way := range append([][]causes.Step{c.Fix, c.Image}, c.Ways...) {
				v := causes.Values{"goos": goos, "region": "eu-central-1", "instance": "i-0a1b2c3d4e5f60718", "node": "i-0a1b2c3d4e5f60718", "account": "111122223333"}
				r := &Report{State: NotManaged, GeneratedAt: sampleTime, Node: Node{ID: "i-0a1b2c3d4e5f60718", Region: "eu-central-1", OS: "Red Hat Enterprise Linux 9.4 (Plow)", GOOS: goos},
					RootCause: &Cause{ID: c.ID, Group: c.Group, Title: c.Title, Severity: string(c.Severity), Confidence: "likely", Summary: text.Plain(c.Meaning),
						Evidence: []Evidence{{What: "agent log", Seen: strings.Repeat("word ", 60), At: at(-90)}, {What: "second", Seen: "x"}}}}
				for _, s := range way {
					if s.Applies(v) {
						r.RootCause.Fix = append(r.RootCause.Fix, Step(s.Fill(v)))
					}
				}
				r.Normalize()
				out := render(t, "text", r, Style{Width: 80, Brief: true})
				if n := strings.Count(out, "\n"); n > screenLines {
					t.Errorf("%s on %s: %d lines\n%s", c.ID, goos, n, out)
				}
				for l := range strings.SplitSeq(out, "\n") {
					if cells(l) > 80 && goos != "windows" {
						t.Errorf("%s on %s: %d cells: %s", c.ID, goos, cells(l), l)
					}
				}
				pasted(t, c.ID+" on "+goos, r)
			}
		}
	}
}

func pasted(t *testing.T, name string, r *Report) {
	t.Helper()
	s := &screen{r: r, s: Style{Width: 80}}
	for _, step := range r.RootCause.Fix {
		command := strings.TrimSpace(step.Command.String())
		if step.Where == causes.Terraform || strings.Contains(command, "\n") {
			continue
		}
		lines := s.command(step)
		if got, want := spaced(asPasted(lines)), spaced(command); got != want {
			t.Errorf("%s: pasted, it is\n%s\nand not\n%s\nof\n%s", name, got, want, strings.Join(lines, "\n"))
		}
	}
	for _, m := range regexp.MustCompile(`\b[A-Z]+(?:[_-][A-Z]+)*_(?:NAME|ID|ARN|CIDR|GIB|LIST|CODE)\b`).FindAllString(commandsOf(r.RootCause.Fix), -1) {
		if blanks[m] == "" {
			t.Errorf("%s: nothing says what goes in place of %s", name, m)
		}
	}
}

func commandsOf(fix []Step) string {
	var b strings.Builder
	for _, s := range fix {
		b.WriteString(s.Command.String() + "\n")
	}
	return b.String()
}
