package report

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/packaging/gen/golden"
)

type schema map[string]any

func loadSchema(t *testing.T) schema {
	t.Helper()
	var s schema
	b, err := SchemaJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestGoldenSchema: what is printed is schema.json.
func TestGoldenSchema(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if have, err := SchemaJSON(); err == nil && bytes.Equal(have, want) {
		return
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if _, err := z.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	golden.File(t, "schema.json.gz", b.Bytes())
}

// Every field of the Go types is in the schema with its type, and nothing else is.
func TestSchemaHoldsEveryField(t *testing.T) {
	t.Parallel()
	root := loadSchema(t)
	defs := root["$defs"].(map[string]any)
	used := map[string]bool{}
	var compare func(path string, s map[string]any, typ reflect.Type)
	compare = func(path string, s map[string]any, typ reflect.Type) {
		if ref, ok := s["$ref"].(string); ok {
			name := strings.TrimPrefix(ref, "#/$defs/")
			if used[name] {
				return
			}
			used[name] = true
			s = defs[name].(map[string]any)
		}
		switch {
		case typ == reflect.TypeFor[time.Time]():
			if s["type"] != "string" || s["format"] != "date-time" {
				t.Errorf("%s is %v, want a time", path, s)
			}
		case typ == textType:
			if s["type"] != "string" {
				t.Errorf("%s is %v, want a string", path, s["type"])
			}
		case typ.Kind() == reflect.Pointer:
			if either, ok := s["anyOf"].([]any); ok {
				compare(path, either[0].(map[string]any), typ.Elem())
			} else if list, ok := s["type"].([]any); !ok || !slices.Contains(list, "null") {
				t.Errorf("%s is never null in the schema", path)
			}
		case typ.Kind() == reflect.Slice:
			if s["type"] != "array" {
				t.Errorf("%s is %v, want an array", path, s["type"])
				return
			}
			compare(path+"[]", s["items"].(map[string]any), typ.Elem())
		case typ.Kind() == reflect.Struct:
			props := s["properties"].(map[string]any)
			var required []string
			for _, r := range s["required"].([]any) {
				required = append(required, r.(string))
			}
			for i := range typ.NumField() {
				name, opt, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
				if name == "-" {
					continue
				}
				p, ok := props[name].(map[string]any)
				if !ok {
					t.Errorf("%s.%s is not in the schema", path, name)
					continue
				}
				if p["description"] == nil && p["$ref"] == nil {
					t.Errorf("%s.%s has no description", path, name)
				}
				if slices.Contains(required, name) != (opt == "") {
					t.Errorf("%s.%s: required in the schema and omitted in Go, or the reverse", path, name)
				}
				compare(path+"."+name, p, typ.Field(i).Type)
				delete(props, name)
			}
			for name := range props {
				t.Errorf("%s.%s is in the schema only", path, name)
			}
		default:
			want := map[reflect.Kind]string{reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Float64: "number"}[typ.Kind()]
			if s["type"] != want {
				t.Errorf("%s is %v, want %s", path, s["type"], want)
			}
		}
	}
	compare("report", root, reflect.TypeFor[Report]())
	for name := range defs {
		if !used[name] {
			t.Errorf("definition %s is not used", name)
		}
	}
}

// The closed lists of the schema are those of the program.
func TestSchemaListsAreTheConstants(t *testing.T) {
	t.Parallel()
	root := loadSchema(t)
	for at, want := range map[string][]string{
		"state": States, "$defs/plan/now": States, "$defs/way/state": States, "$defs/node/kind": Kinds, "$defs/cause/severity": Severities, "$defs/check/status": Statuses, "$defs/hop/status": Statuses, "$defs/transition/state": States,
		"$defs/cause/confidence": closedList(checks.Proven, checks.Likely, checks.Possible), "$defs/step/where": {causes.OnHost, causes.OperatorCLI, causes.Console, causes.Terraform},
		"$defs/source/ending": closedList(facts.Panicked, facts.CutOff), "$defs/feature/ready": {iam.ReadyYes, iam.ReadyNo, iam.ReadyUnknown}, "$defs/call_failure/reason": FailureReasons,
	} {
		s := map[string]any(root)
		for step := range strings.SplitSeq(at, "/") {
			if p, ok := s["properties"].(map[string]any); ok && step != "$defs" {
				s = p
			}
			s = s[step].(map[string]any)
		}
		var got []string
		for _, w := range s["enum"].([]any) {
			got = append(got, w.(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is one of %v in the schema, and of %v in the program", at, got, want)
		}
	}
	for at, want := range map[string][]string{"credentials/source": Sources, "hop/name": Stations} {
		def, field, _ := strings.Cut(at, "/")
		said := root["$defs"].(map[string]any)[def].(map[string]any)["properties"].(map[string]any)[field].(map[string]any)["description"].(string)
		if !strings.HasPrefix(said, strings.Join(want, ", ")) {
			t.Errorf("%s is described as %q, and is one of %v", at, said, want)
		}
	}
}

func TestReportsSatisfySchema(t *testing.T) {
	t.Parallel()
	root := loadSchema(t)
	list := samples()
	list["empty"] = &Report{State: Unknown, Node: Node{Kind: "none"}}
	for name, r := range list {
		for _, format := range []string{"json", "jsonl"} {
			for _, in := range []*Report{r, Redact(r)} {
				var b bytes.Buffer
				if err := Write(&b, format, in, Style{}); err != nil {
					t.Fatal(err)
				}
				if n := bytes.Count(b.Bytes(), []byte("\n")); format == "jsonl" && n != 1 {
					t.Errorf("%s: jsonl has %d lines", name, n)
				}
				var v any
				if err := json.Unmarshal(b.Bytes(), &v); err != nil {
					t.Fatal(err)
				}
				for _, e := range violations(root, root, "", v) {
					t.Errorf("%s, %s: %s", name, format, e)
				}
			}
		}
	}
}

// The validator finds faults, else the test above proves nothing.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	root := loadSchema(t)
	for name, edit := range map[string]func(map[string]any){
		"state":     func(m map[string]any) { m["state"] = "fine" },
		"schema":    func(m map[string]any) { m["schema"] = "v2" },
		"null list": func(m map[string]any) { m["checks"] = nil },
		"missing":   func(m map[string]any) { delete(m, "node") },
		"time":      func(m map[string]any) { m["generated_at"] = "yesterday" },
		"number":    func(m map[string]any) { m["duration_seconds"] = "1 s" },
		"member":    func(m map[string]any) { m["checks"].([]any)[0].(map[string]any)["status"] = "green" },
		"cause":     func(m map[string]any) { m["root_cause"].(map[string]any)["fix"] = nil },
		"negative":  func(m map[string]any) { m["need_root"] = -1.0 },
	} {
		var m map[string]any
		if err := json.Unmarshal([]byte(encode(t, samples()["not-managed"])), &m); err != nil {
			t.Fatal(err)
		}
		edit(m)
		if len(violations(root, root, "", m)) == 0 {
			t.Errorf("%s: accepted", name)
		}
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(encode(t, samples()["managed"])), &m); err != nil {
		t.Fatal(err)
	}
	m["later_addition"] = 1.0
	if e := violations(root, root, "", m); len(e) > 0 {
		t.Errorf("an additional key is refused: %v", e)
	}
}

// violations validates the part of JSON Schema that the report's schema uses;
// any other keyword is a violation of its own.
func violations(root, s map[string]any, path string, v any) (out []string) {
	bad := func(format string, a ...any) { out = append(out, path+": "+fmt.Sprintf(format, a...)) }
	if ref, ok := s["$ref"].(string); ok {
		out = append(out, violations(root, root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), path, v)...)
	}
	for key, want := range s {
		switch key {
		case "$ref", "$schema", "$id", "$defs", "title", "description":
		case "type":
			types, ok := want.([]any)
			if !ok {
				types = []any{want}
			}
			if !slices.ContainsFunc(types, func(name any) bool { return isType(name.(string), v) }) {
				bad("%v is not of type %v", v, want)
			}
		case "const":
			if v != want {
				bad("%v is not %v", v, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				bad("%v is none of %v", v, want)
			}
		case "format":
			if text, ok := v.(string); ok {
				if _, err := time.Parse(time.RFC3339, text); err != nil {
					bad("%v", err)
				}
			}
		case "minimum":
			if n, ok := v.(float64); ok && n < want.(float64) {
				bad("%v is below %v", n, want)
			}
		case "anyOf":
			if !slices.ContainsFunc(want.([]any), func(o any) bool { return len(violations(root, o.(map[string]any), path, v)) == 0 }) {
				bad("matches no alternative")
			}
		case "required":
			m, _ := v.(map[string]any)
			for _, name := range want.([]any) {
				if _, ok := m[name.(string)]; !ok {
					bad("no %v", name)
				}
			}
		case "properties":
			m, _ := v.(map[string]any)
			for name, p := range want.(map[string]any) {
				if member, ok := m[name]; ok {
					out = append(out, violations(root, p.(map[string]any), path+"/"+name, member)...)
				}
			}
		case "items":
			list, _ := v.([]any)
			for i, member := range list {
				out = append(out, violations(root, want.(map[string]any), fmt.Sprintf("%s/%d", path, i), member)...)
			}
		default:
			bad("unknown keyword %s", key)
		}
	}
	return out
}

func isType(name string, v any) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && v == float64(int64(v))
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}
