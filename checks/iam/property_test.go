package iam

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The universe of generated policies is small, so that rules meet each other often.
var (
	someActions   = []string{"*", "ssm:*", "ssm:Get*", "ssm:GetParameter", "SSM:getparameters", "s3:*", "s3:GetObject", "ssm:?etParameter"}
	someResources = []string{"*", "arn:aws:ssm:*:*:parameter/*", "arn:aws:ssm:*:*:parameter/a", "arn:aws:s3:::b/*", "arn:aws:ssm:r:${aws:PrincipalAccount}:parameter/a"}
	someKeys      = []string{"aws:SourceVpc", "aws:PrincipalTag/t"}
	someValues    = []string{"x", "y"}
	someOperators = []string{"StringEquals", "StringNotEquals", "StringEqualsIfExists", "Null"}
	askActions    = []string{"ssm:GetParameter", "ssm:GetParameters", "s3:GetObject", "ssm:PutInventory"}
	askResources  = []string{"*", "arn:aws:ssm:r:1:parameter/a", "arn:aws:ssm:r:2:parameter/b", "arn:aws:s3:::b/k"}
)

const me = "arn:aws:sts::1:assumed-role/R/i-0"

type generator struct{ *rand.Rand }

func one[T any](g generator, from []T) T { return from[g.IntN(len(from))] }

func (g generator) some(from []string) []string {
	out := []string{one(g, from)}
	for g.IntN(3) == 0 {
		out = append(out, one(g, from))
	}
	return out
}

func (g generator) statement() Statement {
	s := Statement{Allow: g.IntN(6) > 0}
	if g.IntN(6) == 0 {
		s.NotActions = g.some(someActions[1:])
	} else {
		s.Actions = g.some(someActions)
	}
	if g.IntN(6) == 0 {
		s.NotResources = g.some(someResources[1:])
	} else {
		s.Resources = g.some(someResources)
	}
	for g.IntN(2) == 0 {
		c := Condition{Operator: one(g, someOperators), Key: one(g, someKeys), Values: g.some(someValues)}
		if c.Operator == "Null" {
			c.Values = []string{one(g, []string{"true", "false"})}
		}
		s.Conditions = append(s.Conditions, c)
	}
	return s
}

func (g generator) policies() []*Policy {
	var out []*Policy
	for range 1 + g.IntN(2) {
		p := &Policy{Version: "2012-10-17"}
		for range 1 + g.IntN(4) {
			p.Statements = append(p.Statements, g.statement())
		}
		out = append(out, p)
	}
	return out
}

func (g generator) layers() Layers {
	l := Layers{Identity: g.policies()}
	if g.IntN(2) == 0 {
		l.Boundary = g.policies()
	}
	if g.IntN(4) == 0 {
		l.Session = g.policies()
	}
	if g.IntN(2) == 0 {
		l.SCP = [][]*Policy{g.policies(), g.policies()}
	}
	if g.IntN(4) == 0 {
		l.RCP = [][]*Policy{g.policies()}
	}
	if g.IntN(4) == 0 {
		l.Endpoint = g.policies()
	}
	return l
}

// request leaves some keys unknown.
func (g generator) request() Request {
	r := Request{Action: one(g, askActions), Resource: one(g, askResources), Principal: me, Context: map[string][]string{}}
	for _, k := range someKeys {
		switch g.IntN(3) {
		case 0:
			r.Context[k] = []string{one(g, append([]string{"z"}, someValues...))}
		case 1:
			r.Context[k] = []string{}
		}
	}
	return r
}

// worlds are all requests that an incomplete one may stand for.
func worlds(r Request) []Request {
	out := []Request{r}
	for _, k := range someKeys {
		if _, ok := r.Context[k]; ok {
			continue
		}
		var next []Request
		for _, w := range out {
			for _, v := range [][]string{{}, {"x"}, {"y"}, {"z"}} {
				c := map[string][]string{k: v}
				for k2, v2 := range w.Context {
					c[k2] = v2
				}
				w2 := w
				w2.Context = c
				next = append(next, w2)
			}
		}
		out = next
	}
	return out
}

// reference is the decision written down a second time, two-valued and plain:
// patterns become regular expressions, and the flow is AWS's chart.
func reference(l Layers, r Request) Verdict {
	all := []([]*Policy){l.Identity}
	must := []([]*Policy){l.Identity}
	for _, x := range [][]*Policy{l.Boundary, l.Session, l.Endpoint} {
		if x != nil {
			all, must = append(all, x), append(must, x)
		}
	}
	organisation := slices.Clone(l.SCP)
	if strings.HasPrefix(r.Action, "s3:") { // resource control policies do not reach ssm
		organisation = append(organisation, l.RCP...)
	}
	for _, level := range organisation {
		all, must = append(all, level), append(must, level)
	}
	for _, layer := range all {
		for _, p := range layer {
			for _, s := range p.Statements {
				if !s.Allow && applies(s, r) {
					return ExplicitDeny
				}
			}
		}
	}
	for _, layer := range must {
		ok := false
		for _, p := range layer {
			for _, s := range p.Statements {
				ok = ok || s.Allow && applies(s, r)
			}
		}
		if !ok {
			return ImplicitDeny
		}
	}
	return Allow
}

var compiledPatterns sync.Map

func compiled(p string) *regexp.Regexp {
	re, ok := compiledPatterns.Load(p)
	if !ok {
		re, _ = compiledPatterns.LoadOrStore(p, regexp.MustCompile(p))
	}
	return re.(*regexp.Regexp)
}

func applies(s Statement, r Request) bool {
	match := func(patterns []string, text, flags string) bool {
		for _, p := range patterns {
			p = strings.ReplaceAll(p, "${aws:PrincipalAccount}", "1")
			q := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(p))
			if compiled(flags + `\A` + q + `\z`).MatchString(text) {
				return true
			}
		}
		return false
	}
	if s.Actions != nil && !match(s.Actions, r.Action, "(?i)") || s.NotActions != nil && match(s.NotActions, r.Action, "(?i)") {
		return false
	}
	if s.Resources != nil && !match(s.Resources, r.Resource, "") || s.NotResources != nil && match(s.NotResources, r.Resource, "") {
		return false
	}
	for _, c := range s.Conditions {
		v := r.Context[c.Key]
		there := len(v) > 0
		equal := there && slices.Contains(c.Values, v[0])
		var ok bool
		switch c.Operator {
		case "StringEquals":
			ok = equal
		case "StringNotEquals":
			ok = !equal
		case "StringEqualsIfExists":
			ok = !there || equal
		case "Null":
			ok = (c.Values[0] == "true") != there
		}
		if !ok {
			return false
		}
	}
	return true
}

// TestAgainstReference: with everything known both agree; with keys unknown, a
// firm verdict must hold in every world that is possible.
func TestAgainstReference(t *testing.T) {
	t.Parallel()
	g := generator{rand.New(rand.NewPCG(1, 2))}
	count := map[Verdict]int{}
	for range 1200 {
		l, r := g.layers(), g.request()
		got := Evaluate(l, r).Verdict
		count[got]++
		ws := worlds(r)
		for _, w := range ws {
			want := reference(l, w)
			if exact := Evaluate(l, w).Verdict; exact != want {
				t.Fatalf("%s, want %s\n%s", exact, want, show(l, w))
			}
			// A missing grant and a deny that hangs on an unknown value both end in denial.
			if got != Unknown && (got == Allow) != (want == Allow) {
				t.Fatalf("%s while %s is possible\n%s", got, want, show(l, r))
			}
			if got == ExplicitDeny && want != ExplicitDeny {
				t.Fatalf("%s while %s is possible\n%s", got, want, show(l, r))
			}
		}
		if got == Unknown && len(ws) == 1 {
			t.Fatalf("unknown, though all is known\n%s", show(l, r))
		}
	}
	for _, v := range []Verdict{Allow, ImplicitDeny, ExplicitDeny, Unknown} {
		if count[v] < 12 {
			t.Errorf("only %d of 1200 cases are %s", count[v], v)
		}
	}
}

// TestMoreDenyLessAllow: adding a Deny never allows, removing an Allow never allows.
func TestMoreDenyLessAllow(t *testing.T) {
	t.Parallel()
	g := generator{rand.New(rand.NewPCG(3, 4))}
	rank := map[Verdict]int{ExplicitDeny: 0, ImplicitDeny: 0, Unknown: 1, Allow: 2}
	for range 2500 {
		l, r := g.layers(), g.request()
		before := Evaluate(l, r).Verdict
		layers := [][]*Policy{l.Identity, l.Boundary, l.Session, l.Endpoint}
		layers = append(append(layers, l.SCP...), l.RCP...)
		layer := one(g, layers)
		if len(layer) == 0 {
			continue
		}
		p := one(g, layer)
		old := p.Statements
		s := g.statement()
		s.Allow = false
		p.Statements = append(slices.Clone(old), s)
		if after := Evaluate(l, r).Verdict; rank[after] > rank[before] {
			t.Fatalf("a further Deny turns %s into %s\n%s", before, after, show(l, r))
		}
		p.Statements = slices.DeleteFunc(slices.Clone(old), func(s Statement) bool { return s.Allow && g.IntN(2) == 0 })
		if after := Evaluate(l, r).Verdict; rank[after] > rank[before] {
			t.Fatalf("one Allow less turns %s into %s\n%s", before, after, show(l, r))
		}
	}
}

func show(l Layers, r Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v\n", r)
	for name, layer := range map[string][]*Policy{"identity": l.Identity, "boundary": l.Boundary, "session": l.Session, "endpoint": l.Endpoint} {
		for _, p := range layer {
			fmt.Fprintf(&b, "%s %+v\n", name, *p)
		}
	}
	for i, level := range append(slices.Clone(l.SCP), l.RCP...) {
		for _, p := range level {
			fmt.Fprintf(&b, "organisation level %d %+v\n", i, *p)
		}
	}
	return b.String()
}
