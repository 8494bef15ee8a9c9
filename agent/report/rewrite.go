package report

import (
	"reflect"
	"time"
)

// rewrite copies a value deeply and passes every string through edit, which
// learns the name of the struct field that holds it (of the list, for members).
func rewrite[T any](v T, edit func(field, s string) string) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	copyEdited(out, reflect.ValueOf(&v).Elem(), "", edit)
	return out.Interface().(T)
}

var timeType = reflect.TypeFor[time.Time]()

func copyEdited(dst, src reflect.Value, field string, edit func(field, s string) string) {
	switch src.Kind() {
	case reflect.String:
		dst.SetString(edit(field, src.String()))
	case reflect.Pointer:
		if !src.IsNil() {
			dst.Set(reflect.New(src.Type().Elem()))
			copyEdited(dst.Elem(), src.Elem(), field, edit)
		}
	case reflect.Slice:
		if !src.IsNil() {
			dst.Set(reflect.MakeSlice(src.Type(), src.Len(), src.Len()))
			for i := range src.Len() {
				copyEdited(dst.Index(i), src.Index(i), field, edit)
			}
		}
	case reflect.Map:
		if src.IsNil() {
			return
		}
		dst.Set(reflect.MakeMapWithSize(src.Type(), src.Len()))
		for it := src.MapRange(); it.Next(); {
			k, e := reflect.New(src.Type().Key()).Elem(), reflect.New(src.Type().Elem()).Elem()
			copyEdited(k, it.Key(), field, edit)
			copyEdited(e, it.Value(), field, edit)
			dst.SetMapIndex(k, e)
		}
	case reflect.Struct:
		dst.Set(src)
		if src.Type() == timeType {
			return
		}
		for i := range src.NumField() {
			name := src.Type().Field(i).Name
			if name == "Value" && field != "" { // facts.Seen: the field around it says more
				name = field
			}
			copyEdited(dst.Field(i), src.Field(i), name, edit)
		}
	default:
		dst.Set(src)
	}
}

// walk shows every string of a value to see.
func walk(v any, see func(field, s string) string) {
	src := reflect.ValueOf(v)
	copyEdited(reflect.New(src.Type()).Elem(), src, "", see)
}
