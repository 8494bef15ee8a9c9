package sim_test

import "testing"

// unproven are faults, as the second of two, after whose first one more is named than the
// two, or the first one still is: only another try of the agent would tell.
var unproven = map[string]string{
	"config":                 "the agent does not get as far again as the log says of the first fault",
	"upgrade":                "that the agent fell back to ec2messages is taken for a lack of rights too",
	"proxy-forbids-sessions": "the same",
	"activation":             "nothing says in which order the agent would look for an identity",
}

// TestRemediesOfPairs: of two faults the remedy of the one that is named takes that away,
// and leaves a managed node or exactly the other one.
func TestRemediesOfPairs(t *testing.T) {
	t.Parallel()
	list := faults()
	parts := map[string][]string{}
	for _, f := range list {
		s := bases[f.base]()
		before := flat(s)
		f.put(&s)
		parts[f.name] = changed(before, flat(s))
	}
	pairs := 0
	for i, x := range list {
		for _, y := range list[i+1:] {
			a, b := x, y
			if rank(b) < rank(a) {
				a, b = b, a
			}
			if a.base != b.base || a.cause == b.cause || len(a.probes)+len(b.probes) > 0 || !together(parts[a.name], parts[b.name]) {
				continue
			}
			if pairs++; !*allPairs && pairs%(9*every) != 0 {
				continue
			}
			t.Run(a.name+"+"+b.name, func(t *testing.T) {
				t.Parallel()
				s := bases[a.base]()
				b.put(&s)
				a.put(&s)
				s.Now = now
				r, _ := examine(t, s)
				if r.RootCause == nil {
					return
				}
				first, other := a, b
				if r.RootCause.ID == b.cause {
					first, other = b, a
				}
				if unproven[other.name] != "" || r.RootCause.ID != first.cause || mendedBy[first.name] != "" || notPlayed[first.name] != "" {
					return // who mends it is another, or both are one: TestPairs
				}
				if o := then(t, s, r, first.cause, other.cause, ways(t, r.RootCause.Fix)[0], nil); !o.closed {
					t.Errorf("%s: %s", first.cause, o.says)
				}
			})
		}
	}
	if pairs < 800 {
		t.Errorf("only %d pairs", pairs)
	}
}
