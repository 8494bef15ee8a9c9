package logline_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/logline"
)

// TestHealthyFactsStay: nothing is taken out of what was gathered on healthy hosts.
func TestHealthyFactsStay(t *testing.T) {
	t.Parallel()
	for _, kind := range factstest.Kinds() {
		f, want := factstest.Healthy(t, kind), factstest.Healthy(t, kind)
		logline.ShownFacts(f)
		if d := cmp.Diff(want, f); d != "" {
			t.Errorf("%s: %s", kind, d)
		}
	}
}

// sentences are the fields whose text is nobody's name.
var sentences = map[string]bool{"Text": true, "Message": true, "Shape": true, "Error": true, "Body": true, "ParseError": true, "LoadError": true, "What": true}

// TestEveryLeaf: of what stands anywhere in facts nothing remains that is said to be a
// secret, or that stands as one does; sentences keep nothing that is not known; all is
// bounded.
func TestEveryLeaf(t *testing.T) {
	t.Parallel()
	leaves := factstest.Leaves()
	if len(leaves) < 300 {
		t.Fatalf("%d leaves", len(leaves))
	}
	const secret = "Zq07dxK42wTr8"
	for i, l := range leaves {
		if testing.Short() && i%8 != 0 {
			continue
		}
		if strings.HasPrefix(l.Name, "Host.Firewall.") && l.Field == "Text" || l.Name == "Host.Rules[].Text" || l.Name == "Agent.Update.Holds[].Text" {
			l.Field = "rule"
		}
		for _, form := range []string{"password=%s", "PGPASSWORD: %s", "--password %s", "-p %s", "curl -u admin:%s https://repo.corp/x", "X-Api-Key: %s", "Authorization: Bearer %s", "http://user:%s@proxy.corp:3128",
			"http://user%%3A%s%%40proxy.corp:3128", "//user:%s@proxy.corp", "https://proxy.corp/?token=%s", "https://proxy.corp/%s/x", `{"password":"%s"}`, "'%s'", "password is %s", "a,%s;b&c", "\"%s", "token:%s", "user:%s", "APP=%s", "(ghp_%s)", "%s"} {
			if strings.Trim(form, "(ghp_)") == "%s" && !sentences[l.Field] {
				continue // could be a name
			}
			f := &facts.Facts{}
			l.Put(f, fmt.Sprintf(form, secret))
			if b, _ := json.Marshal(f); !strings.Contains(string(b), secret) {
				t.Fatalf("%s: was not put there", l.Name)
			}
			logline.ShownFacts(f)
			if b, _ := json.Marshal(f); strings.Contains(string(b), secret) {
				t.Errorf("%s: %q remains", l.Name, form)
			}
		}
		for _, long := range []string{strings.Repeat("a", 1<<20), strings.Repeat("abc ", 1<<18), strings.Repeat("a/", 1<<18), strings.Repeat("\x1b", 1<<16)} {
			f := &facts.Facts{}
			l.Put(f, long)
			logline.ShownFacts(f)
			if b, _ := json.Marshal(f); len(b) > 48<<10 {
				t.Errorf("%s: %d bytes of %.8q remain", l.Name, len(b), long)
			}
		}
	}
}

// FuzzShownName: what is shown of a name is shown of it again, and holds nothing new.
func FuzzShownName(f *testing.F) {
	for _, s := range []string{"web-1", "arn:aws:iam::123456789012:role/x", "file:/etc/passwd", "Red Hat Enterprise Linux 9.4 (Plow)", "a=b c:d @ 'e'", "-A OUTPUT -d 169.254.169.254/32 -j DROP", "0a:1b:2c:3d:4e:5f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = s[:min(len(s), 120)]
		got := logline.ShownName(s)
		if again := logline.ShownName(got); again != got {
			t.Errorf("%q\nbecomes %q\nbecomes %q", s, got, again)
		}
		for part := range strings.FieldsSeq(strings.ReplaceAll(got, logline.Gap, " ")) {
			if !strings.Contains(s, part) {
				t.Errorf("%q is not in %q", part, s)
			}
		}
	})
}
