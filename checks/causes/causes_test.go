package causes

import (
	"regexp"
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
		for _, s := range c.Fix {
			if s.Text == "" || s.Command == "" || s.Where == "" {
				t.Errorf("%s: step without text, command or place: %+v", c.ID, s)
			}
			if s.Root && s.Where != OnHost {
				t.Errorf("%s: root is asked for elsewhere: %+v", c.ID, s)
			}
			for _, m := range rePlaceholder.FindAllString(s.Text+s.Command, -1) {
				if _, ok := placeholders[strings.Trim(m, "{}")]; !ok {
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
		for _, s := range c.Fix {
			f := s.Fill(nil)
			if m := left.FindString(f.Text + f.Command); m != "" {
				t.Errorf("%s: %s is left", c.ID, m)
			}
		}
	}
}

func TestFillKeepsHostileValuesOutOfCommands(t *testing.T) {
	t.Parallel()
	s := Step{Text: "Look at {path}", Command: "ls -l {path}"}
	for _, hostile := range []string{"/tmp/$(reboot)", "a;b", "a b", "`id`", "a\nb", "a'b", `a"b`, "a|b", "a&b", "a>b", "~root/\\"} {
		if got := s.Fill(Values{"path": hostile}); got.Command != "ls -l PATH" {
			t.Errorf("%q got into a command: %q", hostile, got.Command)
		}
	}
	if got := s.Fill(Values{"path": "/etc/amazon/ssm"}); got.Command != "ls -l /etc/amazon/ssm" || got.Text != "Look at /etc/amazon/ssm" {
		t.Errorf("got %+v", got)
	}
}

func FuzzFill(f *testing.F) {
	f.Add("/etc/amazon", "us-east-1")
	f.Add("$(reboot)", "{path}")
	s := Step{Text: "{path} {region} {nosuch}", Command: "ls {path} --region {region}"}
	f.Fuzz(func(t *testing.T, path, region string) {
		got := s.Fill(Values{"path": path, "region": region})
		if strings.ContainsAny(got.Command, "$`;|&<>\n\"'\\") {
			t.Errorf("%q", got.Command)
		}
	})
}
