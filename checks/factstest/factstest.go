// Package factstest hands the facts of healthy hosts to tests, which break them
// in one place. A test of agent/sim writes the facts (go run ./packaging/gen all).
package factstest

import (
	"embed"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"ssm-doctor/checks/facts"
)

//go:embed testdata/healthy-*.json
var files embed.FS

// kinds are the hosts, read when they are first asked for.
var kinds = map[string]func() (*facts.Facts, error){
	"profile": load("profile"), // EC2 instance with an instance profile
	"dhmc":    load("dhmc"),    // EC2 instance managed by Default Host Management
	"hybrid":  load("hybrid"),  // machine elsewhere, registered by an activation
	"windows": load("windows"), // hybrid, and Windows
	"mac":     load("mac"),     // EC2 instance with an instance profile, and macOS
	"task":    load("task"),    // ECS task with ECS Exec
}

func load(kind string) func() (*facts.Facts, error) {
	return sync.OnceValues(func() (*facts.Facts, error) {
		b, err := files.ReadFile("testdata/healthy-" + kind + ".json")
		if err != nil {
			return nil, err
		}
		var f facts.Facts
		return &f, json.Unmarshal(b, &f)
	})
}

// Kinds are the names that Healthy knows, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// Healthy are the facts of a managed host without fault, all of them as root:
// profile, dhmc, hybrid, windows, mac or task. The caller may change them.
func Healthy(t testing.TB, kind string) *facts.Facts {
	t.Helper()
	if kinds[kind] == nil {
		t.Fatalf("no healthy host %q; there are %s", kind, strings.Join(Kinds(), ", "))
	}
	f, err := kinds[kind]()
	if err != nil {
		t.Fatal(err)
	}
	return Clone(f)
}

// Clone copies facts with all that they point to.
func Clone(f *facts.Facts) *facts.Facts {
	out := reflect.New(reflect.TypeFor[facts.Facts]())
	deep(out.Elem(), reflect.ValueOf(f).Elem())
	return out.Interface().(*facts.Facts)
}

func deep(to, from reflect.Value) {
	switch from.Kind() {
	case reflect.Struct:
		to.Set(from) // the unexported fields of times too
		for i := range from.NumField() {
			if to.Field(i).CanSet() {
				deep(to.Field(i), from.Field(i))
			}
		}
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(from.Type().Elem()))
			deep(to.Elem(), from.Elem())
		}
	case reflect.Slice:
		if !from.IsNil() {
			to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
			for i := range from.Len() {
				deep(to.Index(i), from.Index(i))
			}
		}
	case reflect.Map:
		if !from.IsNil() {
			to.Set(reflect.MakeMapWithSize(from.Type(), from.Len()))
			for _, k := range from.MapKeys() {
				v := reflect.New(from.Type().Elem()).Elem()
				deep(v, from.MapIndex(k))
				to.SetMapIndex(k, v)
			}
		}
	default:
		to.Set(from)
	}
}
