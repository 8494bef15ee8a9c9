package factstest

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every file is one that Healthy hands out, and none has a key that facts lack.
func TestFilesAreKinds(t *testing.T) {
	t.Parallel()
	list, err := files.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, e := range list {
		got = append(got, e.Name())
	}
	for _, kind := range Kinds() {
		want = append(want, "healthy-"+kind+".json")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A test may do what it likes with its facts: the next gets them whole.
func TestHealthyIsFresh(t *testing.T) {
	t.Parallel()
	for _, kind := range Kinds() {
		before, err := json.Marshal(Healthy(t, kind))
		if err != nil {
			t.Fatal(err)
		}
		spoil(reflect.ValueOf(Healthy(t, kind)).Elem())
		after, err := json.Marshal(Healthy(t, kind))
		if err != nil {
			t.Fatal(err)
		}
		if string(before) != string(after) {
			t.Errorf("%s: what one test changed, another sees", kind)
		}
	}
}

// spoil clears everything that can be reached, from the leaves up.
func spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				spoil(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem())
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			v.SetMapIndex(k, reflect.Value{})
		}
	}
	v.SetZero()
}
