package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// TestNamesAreReplaced: where a name begins and ends, and which of two counts.
func TestNamesAreReplaced(t *testing.T) {
	t.Parallel()
	var n nameSet
	for _, s := range []string{"web-role", "web-role-2", "straße", "db.corp", "@odd", "x y"} {
		n.add(s)
	}
	to := func(s string) string { return "<" + s + ">" }
	for in, want := range map[string]string{
		"": "", "nothing": "nothing", "web-role": "<web-role>", "Web-Role": "<Web-Role>", "the web-role.": "the <web-role>.", "web-role-2": "<web-role-2>", "web-role-3": "<web-role>-3",
		"web-roles": "web-roles", "my_web-role": "my_web-role", "web-roleweb-role": "web-roleweb-role", "web-role/web-role": "<web-role>/<web-role>", "straße 1": "<straße> 1",
		"İ web-role": "İ <web-role>", "\xff web-role": "\xff <web-role>", "a@odd": "a<@odd>", "x y z": "<x y> z", "db.corp:3128": "<db.corp>:3128", "sub.db.corp": "sub.<db.corp>",
	} {
		if got := n.replace(in, to); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestManyNames: twice the names take about twice the time, not four times. The limit
// is what 5000 names took in a hundredth.
func TestManyNames(t *testing.T) {
	t.Parallel()
	took := func(n int) time.Duration {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "arn:aws:iam::111122223333:role/team-%d-deploy ", i)
		}
		f := &facts.Facts{}
		f.IMDS.Role = facts.Known(facts.Role{Name: "web", Message: b.String()}, "")
		start := time.Now()
		out := RedactFacts(f)
		if strings.Contains(out.IMDS.Role.Value.Message, "team-") {
			t.Error("a name is left")
		}
		return time.Since(start)
	}
	took(100)
	var few, many time.Duration
	for range 5 { // on a busy machine a single try says nothing
		if few, many = took(2500), took(10_000); many <= 20*few || many <= 2*time.Second {
			return
		}
	}
	t.Errorf("%v for 2500 names, %v for 10 000", few, many)
}
