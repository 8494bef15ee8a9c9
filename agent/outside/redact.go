package outside

import (
	"bytes"
	"encoding/json"
	"fmt"

	"ssm-doctor/agent/report"
)

// Redact replaces names, account numbers and addresses in a file, the same by the same.
func Redact(f *File) (*File, error) {
	out := *f
	out.Redacted = true
	out.Answers = make([]Answer, len(f.Answers))
	edit := report.Pseudonymous()
	for i, a := range f.Answers {
		out.Answers[i] = Answer{Call: make([]string, len(a.Call)), Error: a.Error}
		for n, word := range a.Call {
			out.Answers[i].Call[n] = word
			if n > 1 {
				out.Answers[i].Call[n] = edit(word)
			}
		}
		if a.Output == nil {
			continue
		}
		var v any
		d := json.NewDecoder(bytes.NewReader(a.Output))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("redact: %w", err)
		}
		b, err := json.Marshal(redacted(v, edit))
		if err != nil {
			return nil, fmt.Errorf("redact: %w", err)
		}
		out.Answers[i].Output = b
	}
	return &out, nil
}

func redacted(v any, edit func(string) string) any {
	switch v := v.(type) {
	case string:
		return edit(v)
	case []any:
		for i := range v {
			v[i] = redacted(v[i], edit)
		}
	case map[string]any:
		for k := range v {
			v[k] = redacted(v[k], edit)
		}
	}
	return v
}
