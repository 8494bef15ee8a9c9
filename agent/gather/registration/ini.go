package registration

import (
	"errors"
	"fmt"
	"strings"

	"ssm-doctor/agent/gather"
)

// section is one profile of an ini file.
type section struct {
	name   string
	values map[string]string
}

var errINI = errors.New("not an ini file")

// parseINI reads a shared credentials file: sections, key = value, comments with
// # or ;. It keeps at most 200 sections of 50 keys. Errors carry no content.
func parseINI(b []byte) ([]section, error) {
	var out []section
	var cur *section
	var bad error
	n := 0
	gather.Lines(b, func(l []byte) bool {
		n++
		raw := string(l)
		s := strings.TrimSpace(raw)
		switch {
		case s == "" || s[0] == '#' || s[0] == ';':
		case s[0] == '[':
			name, _, ok := strings.Cut(s[1:], "]")
			if !ok {
				bad = fmt.Errorf("%w: section without ] in line %d", errINI, n)
				return false
			}
			if len(out) >= 200 {
				return false
			}
			name = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), "profile "))
			out = append(out, section{name, map[string]string{}})
			cur = &out[len(out)-1]
		case raw[0] == ' ' || raw[0] == '\t': // continues or nests a value
		default:
			k, v, ok := strings.Cut(s, "=")
			if !ok {
				bad = fmt.Errorf("%w: line %d is not an assignment", errINI, n)
				return false
			}
			if cur == nil {
				bad = fmt.Errorf("%w: line %d comes before any section", errINI, n)
				return false
			}
			if len(cur.values) < 50 {
				cur.values[strings.ToLower(strings.TrimSpace(k))] = strings.TrimSpace(v)
			}
		}
		return true
	})
	return out, bad
}
