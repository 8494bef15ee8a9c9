package report

import (
	"reflect"
	"time"

	"ssm-doctor/checks/text"
)

// place is where a string stands: the field, and the type that has it. Members of
// a list stand where the list does.
type place struct{ in, field string }

// editor passes the strings of a value through leaf, and its sentences through
// sentence: there only values are to be changed, never words of ours.
type editor struct {
	leaf     func(at place, s string) string
	sentence func(at place, t text.Text) text.Text
}

// rewrite copies a value deeply and passes every string and sentence through e.
func rewrite[T any](v T, e editor) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	e.copy(out, reflect.ValueOf(&v).Elem(), place{})
	return out.Interface().(T)
}

var (
	timeType = reflect.TypeFor[time.Time]()
	textType = reflect.TypeFor[text.Text]()
)

func (e editor) copy(dst, src reflect.Value, at place) {
	switch src.Kind() {
	case reflect.String:
		dst.SetString(e.leaf(at, src.String()))
	case reflect.Pointer:
		if !src.IsNil() {
			dst.Set(reflect.New(src.Type().Elem()))
			e.copy(dst.Elem(), src.Elem(), at)
		}
	case reflect.Slice:
		if !src.IsNil() {
			dst.Set(reflect.MakeSlice(src.Type(), src.Len(), src.Len()))
			for i := range src.Len() {
				e.copy(dst.Index(i), src.Index(i), at)
			}
		}
	case reflect.Map:
		if src.IsNil() {
			return
		}
		dst.Set(reflect.MakeMapWithSize(src.Type(), src.Len()))
		for it := src.MapRange(); it.Next(); {
			k, v := reflect.New(src.Type().Key()).Elem(), reflect.New(src.Type().Elem()).Elem()
			e.copy(k, it.Key(), at)
			e.copy(v, it.Value(), at)
			dst.SetMapIndex(k, v)
		}
	case reflect.Struct:
		dst.Set(src)
		switch src.Type() {
		case timeType:
			return
		case textType:
			dst.Set(reflect.ValueOf(e.sentence(at, src.Interface().(text.Text))))
			return
		}
		for i := range src.NumField() {
			here := place{src.Type().Name(), src.Type().Field(i).Name}
			if here.field == "Value" && at.field != "" { // facts.Seen: the field around it says more
				here = at
			}
			e.copy(dst.Field(i), src.Field(i), here)
		}
	default:
		dst.Set(src)
	}
}

// walk shows every string and sentence of a value.
func walk(v any, e editor) {
	src := reflect.ValueOf(v)
	e.copy(reflect.New(src.Type()).Elem(), src, place{})
}
