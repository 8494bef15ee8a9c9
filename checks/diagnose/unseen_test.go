package diagnose

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"ssm-doctor/checks"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// observation is one Seen of the facts, by its place in them.
type observation struct {
	name string
	of   func(*facts.Facts) reflect.Value
}

// observations are all that a host's facts hold, those within lists too.
func observations(f *facts.Facts) []observation {
	var out []observation
	var walk func(v reflect.Value, name string, of func(*facts.Facts) reflect.Value)
	walk = func(v reflect.Value, name string, of func(*facts.Facts) reflect.Value) {
		switch {
		case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[facts.Mark]() && v.Type().PkgPath() != "time":
			if v.NumField() == 2 && v.Type().Field(1).Type == reflect.TypeFor[facts.Mark]() {
				out = append(out, observation{strings.TrimPrefix(name, "."), of})
			}
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(v.Field(i), name+"."+v.Type().Field(i).Name, func(f *facts.Facts) reflect.Value { return of(f).Field(i) })
				}
			}
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
			for i := range v.Len() {
				walk(v.Index(i), fmt.Sprintf("%s[%d]", name, i), func(f *facts.Facts) reflect.Value { return of(f).Index(i) })
			}
		}
	}
	walk(reflect.ValueOf(f).Elem(), "", func(f *facts.Facts) reflect.Value { return reflect.ValueOf(f).Elem() })
	return out
}

// losses are the ways to lose an observation: nobody looked, this user may not look,
// and of a list only a part was read.
var losses = map[string]func(reflect.Value){
	"nobody looked": reflect.Value.SetZero,
	"no root": func(v reflect.Value) {
		v.SetZero()
		v.Field(1).Set(reflect.ValueOf(facts.Mark{State: facts.IsUnknown, Why: "permission denied", Code: facts.NeedsRoot}))
	},
	"first half": func(v reflect.Value) {
		keep(v, func(list reflect.Value) reflect.Value { return list.Slice(0, list.Len()/2) })
	},
	"second half": func(v reflect.Value) {
		keep(v, func(list reflect.Value) reflect.Value { return list.Slice(list.Len()/2, list.Len()) })
	},
}

// keep makes an observed list a partly read one; another value stays.
func keep(v reflect.Value, part func(reflect.Value) reflect.Value) {
	if v.Field(0).Kind() == reflect.Slice && v.Field(0).Len() > 0 {
		v.Field(0).Set(part(v.Field(0)))
		v.Field(1).Set(reflect.ValueOf(facts.Mark{State: facts.IsUnknown, Why: "input/output error"}))
	}
}

// TestUnseenObservation takes every single observation away, of every host with a
// fault, accepted or not: no check passes that did not before, and no cause is named.
func TestUnseenObservation(t *testing.T) {
	t.Parallel()
	for _, c := range causeCases {
		f := factstest.Healthy(t, c.kind)
		c.fault(f)
		loseEach(t, c.cause, f)
		g := factstest.Healthy(t, c.kind)
		unaccepted(g)
		c.fault(g)
		loseEach(t, c.cause+", not accepted", g)
	}
}

func loseEach(t *testing.T, host string, f *facts.Facts) {
	with := node.Of(f)
	before := findings(with, checks.ProfileHost)
	whole := Diagnose(with, before)
	for _, o := range observations(f) {
		for how, lose := range losses {
			g := factstest.Clone(f)
			lose(o.of(g))
			unreadVault := g.Registration.Hybrid.Obstacle() == facts.NeedsRoot
			if unreadVault { // nor is root's own file read then
				g.Credentials.RootFile = facts.Unknown[facts.SharedFile]("permission denied", "").Because(facts.NeedsRoot)
			}
			n := node.Of(g)
			found := findings(n, checks.ProfileHost)
			a := Diagnose(n, found)
			for id, fd := range found {
				if unreadVault && (id == "credential-source" || id == "profile-vs-dhmc") {
					continue // that the metadata service names a profile is enough for them, whatever a vault holds
				}
				if fd.Status == checks.Pass && before[id].Status != checks.Pass {
					t.Errorf("%s, %s, %s: %s passes: %s (was %s: %s)", host, o.name, how, id, fd.Summary, before[id].Status, before[id].Summary)
				}
			}
			for _, got := range append(a.Also, roots(a)...) {
				if !lists(whole, got.Cause.ID) && !hides(whole, before, got.Cause.ID) {
					t.Errorf("%s, %s, %s: names %s (%s)", host, o.name, how, got.Cause.ID, got.Summary)
				}
			}
		}
	}
}
