package gathertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ssm-doctor/agent/gather"
)

// maxText is more than any single text of the facts may have.
const maxText = 2000

// Sound fails when a value made from foreign bytes holds text that is overlong
// or could move a terminal's cursor, or when it is no JSON that reads back.
func Sound(t testing.TB, v any) {
	t.Helper()
	unsound(reflect.ValueOf(v), "", func(at, s string) { t.Errorf("%s: %d bytes of text that must not be printed: %.80q", at, len(s), s) })
	b, err := json.Marshal(v)
	if err != nil {
		t.Errorf("not JSON: %v", err)
		return
	}
	back := reflect.New(reflect.TypeOf(v))
	if err := json.Unmarshal(b, back.Interface()); err != nil {
		t.Errorf("does not read back: %v", err)
		return
	}
	if again, err := json.Marshal(back.Elem().Interface()); err != nil || !bytes.Equal(b, again) {
		t.Errorf("reads back differently: %v\n%s\n%s", err, b, again)
	}
}

func unsound(v reflect.Value, at string, bad func(at, s string)) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); len(s) > maxText || !utf8.ValidString(s) || s != gather.OneLine(s, maxText) && strings.TrimSpace(s) != "" && hasControl(s) {
			bad(at, s)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			unsound(v.Field(i), at+"."+v.Type().Field(i).Name, bad)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			unsound(v.Index(i), fmt.Sprintf("%s[%d]", at, i), bad)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			unsound(k, at+" key", bad)
			unsound(v.MapIndex(k), at+"[]", bad)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			unsound(v.Elem(), at, bad)
		}
	}
}

func hasControl(s string) bool {
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff {
			return true
		}
	}
	return false
}
