package factstest

import (
	"fmt"
	"reflect"
	"strings"

	"ssm-doctor/checks/facts"
)

// Observation is one Seen of the facts, by its place in them.
type Observation struct {
	Name string
	of   func(*facts.Facts) reflect.Value
}

// Observations are all that a host's facts hold, those within lists too.
func Observations(f *facts.Facts) []Observation {
	var out []Observation
	var walk func(v reflect.Value, name string, of func(*facts.Facts) reflect.Value)
	walk = func(v reflect.Value, name string, of func(*facts.Facts) reflect.Value) {
		switch {
		case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[facts.Mark]() && v.Type().PkgPath() != "time":
			if v.NumField() == 2 && v.Type().Field(1).Type == reflect.TypeFor[facts.Mark]() {
				out = append(out, Observation{strings.TrimPrefix(name, "."), of})
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

// Losses are the ways to lose an observation: nobody looked, this user may not look,
// and of a list only a part was read.
var Losses = []string{"nobody looked", "no root", "first half", "second half"}

// Lose takes the observation away in one of these ways.
func (o Observation) Lose(f *facts.Facts, how string) {
	v := o.of(f)
	switch how {
	case "nobody looked":
		v.SetZero()
	case "no root":
		v.SetZero()
		v.Field(1).Set(reflect.ValueOf(facts.Mark{State: facts.IsUnknown, Why: "permission denied", Code: facts.NeedsRoot}))
	case "first half":
		keep(v, func(list reflect.Value) reflect.Value { return list.Slice(0, list.Len()/2) })
	case "second half":
		keep(v, func(list reflect.Value) reflect.Value { return list.Slice(list.Len()/2, list.Len()) })
	}
}

// keep makes an observed list a partly read one; another value stays.
func keep(v reflect.Value, part func(reflect.Value) reflect.Value) {
	if v.Field(0).Kind() == reflect.Slice && v.Field(0).Len() > 0 {
		v.Field(0).Set(part(v.Field(0)))
		v.Field(1).Set(reflect.ValueOf(facts.Mark{State: facts.IsUnknown, Why: "input/output error"}))
	}
}
