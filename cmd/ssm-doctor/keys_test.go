package main

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/fleet"
	"ssm-doctor/agent/report"
)

// TestDocumentedKeys: versioning.md names all keys of the JSON that has no schema, and no
// others.
func TestDocumentedKeys(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../packaging/docs/versioning.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Keys of JSON")
	documented := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (.+?) \| (.+) \|$`).FindAllStringSubmatch(section, -1) {
		for _, key := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(m[2], -1) { // a flag is no key
			documented[m[1]] = append(documented[m[1]], key[1])
		}
	}
	printed := func(args ...string) any {
		code, out, errs := cli(t, append([]string{"explain", "-o", "json"}, args...)...)
		var v any
		if err := json.Unmarshal([]byte(out), &v); code != 0 || err != nil {
			t.Fatal(args, code, errs, err)
		}
		return v
	}
	list := printed().([]any)
	text := printed("--", "TargetNotConnected\nINFO health ping succeeded").(map[string]any)
	first := func(key string) []string { return slices.Collect(maps.Keys(text[key].([]any)[0].(map[string]any))) }
	found := slices.Collect(maps.Keys(text))
	if !slices.Contains(found, "accepted_in_line") { // only where a log tells it
		found = append(found, "accepted_in_line")
	}
	want := map[string][]string{
		"`explain ID -o json`: list of pages": keysOf[report.Page](), "part of a page": keysOf[report.Part](), "item of a part": keysOf[report.Item](),
		"`explain -o json`, `explain --search WORDS -o json`: list": slices.Collect(maps.Keys(list[0].(map[string]any))),
		"`explain TEXT -o json`":                                    found, "symptom": first("symptoms"), "cause of symptoms": first("causes"),
		"`summary -o json`": keysOf[fleet.Summary](), "input that was not read": keysOf[fleet.Unread](), "cause in a summary": keysOf[fleet.Group](), "value and other cause": keysOf[fleet.Count](),
		"cluster": keysOf[fleet.Cluster](), "step": keysOf[fleet.Step](), "difference": keysOf[fleet.Difference](), "odd hosts": keysOf[fleet.Odd](), "change": keysOf[fleet.Change](), "host of a list": keysOf[fleet.Line](),
		"`compare -o json`": keysOf[fleet.Comparison](), "side of a comparison": keysOf[fleet.Side](), "thing in which sides differ": keysOf[fleet.Contest](),
	}
	for object, keys := range want {
		slices.Sort(keys)
		slices.Sort(documented[object])
		if !slices.Equal(keys, documented[object]) {
			t.Errorf("%s: documented %q, there are %q", object, documented[object], keys)
		}
	}
	for object := range documented {
		if want[object] == nil {
			t.Errorf("%s is documented and nothing shows it", object)
		}
	}
}

// keysOf are the keys of a type in JSON.
func keysOf[T any]() []string {
	var keys []string
	for i, t := 0, reflect.TypeFor[T](); i < t.NumField(); i++ {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "-" && t.Field(i).IsExported() {
			keys = append(keys, name)
		}
	}
	return keys
}
