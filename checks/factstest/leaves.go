package factstest

import (
	"reflect"
	"time"

	"ssm-doctor/checks/facts"
)

// Leaf is a place in facts where text stands.
type Leaf struct {
	Name string // "Network.Endpoints[].HTTP.Server"
	// Field is that of the text, or of the list or observation which it is in.
	Field string
	path  []int
}

// What a path says besides numbers of fields.
const (
	ofList = -1 - iota
	ofMap
	ofPointer
)

// Leaves are all places in facts where text can stand.
func Leaves() []Leaf {
	var out []Leaf
	var walk func(t reflect.Type, l Leaf)
	into := func(l Leaf, name string, step int) Leaf {
		l.Name += name
		l.path = append(l.path[:len(l.path):len(l.path)], step)
		return l
	}
	walk = func(t reflect.Type, l Leaf) {
		switch t.Kind() {
		case reflect.String:
			out = append(out, l)
		case reflect.Pointer:
			walk(t.Elem(), into(l, "", ofPointer))
		case reflect.Slice:
			walk(t.Elem(), into(l, "[]", ofList))
		case reflect.Map:
			walk(t.Key(), into(l, "{}", ofMap))
		case reflect.Struct:
			if t == reflect.TypeFor[time.Time]() {
				return
			}
			for i := range t.NumField() {
				switch f := t.Field(i); {
				case !f.IsExported():
				case f.Name == "Value", f.Anonymous: // of an observation
					walk(f.Type, into(l, "", i))
				default:
					next := into(l, "."+f.Name, i)
					next.Field = f.Name
					walk(f.Type, next)
				}
			}
		}
	}
	walk(reflect.TypeFor[facts.Facts](), Leaf{})
	for i := range out {
		out[i].Name = out[i].Name[1:]
	}
	return out
}

// Put puts text there. What is not in the facts yet is made, and known.
func (l Leaf) Put(f *facts.Facts, text string) {
	v := reflect.ValueOf(f).Elem()
	for _, step := range l.path {
		switch step {
		case ofPointer:
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		case ofList:
			if v.Len() == 0 {
				v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			}
			v = v.Index(v.Len() - 1)
		case ofMap:
			if v.IsNil() {
				v.Set(reflect.MakeMap(v.Type()))
			}
			v.SetMapIndex(reflect.ValueOf(text).Convert(v.Type().Key()), reflect.Zero(v.Type().Elem()))
			return
		default:
			if m := v.FieldByName("Mark"); v.Type().Field(step).Name == "Value" && m.IsValid() {
				if s := m.FieldByName("State"); s.String() == "" {
					s.SetString(string(facts.IsKnown))
				}
			}
			v = v.Field(step)
		}
	}
	v.SetString(text)
}
