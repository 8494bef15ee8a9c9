package report

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"ssm-doctor/checks/text"
)

func encode(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func inside(t *testing.T, prefix, addr string) bool {
	t.Helper()
	p, err := netip.ParsePrefix(prefix)
	if err != nil {
		t.Fatal(err)
	}
	a, err := netip.ParseAddr(addr)
	if err != nil {
		t.Fatal(err)
	}
	return p.Contains(a)
}

// everywhere puts one text in the place of every string and sentence.
func everywhere(s string) editor {
	return editor{func(place, string) string { return s }, func(place, text.Text) text.Text { return text.Plain(s) }}
}

// filled is a report with one member in every list and a word in every string.
func filled(t *testing.T) *Report {
	t.Helper()
	r := &Report{}
	fill(reflect.ValueOf(r).Elem())
	return r
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("word")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		switch v.Type() {
		case timeType:
			return
		case textType:
			v.Set(reflect.ValueOf(text.Plain("word")))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	}
}
