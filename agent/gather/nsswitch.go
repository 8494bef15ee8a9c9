package gather

import (
	"strings"

	"ssm-doctor/checks/pattern"
)

// maxSources bounds the sources of names; glibc knows a dozen.
const maxSources = 20

var reCriteria = pattern.New(`\[[^\]]*\]`)

// NameSources are the sources in which nsswitch.conf has names of hosts looked up, without
// what it says between them; none: it has no line for hosts.
// Source: nsswitch.conf(5).
func NameSources(b []byte) []string {
	var out []string
	Lines(b, func(l []byte) bool {
		s, _, _ := strings.Cut(string(l), "#")
		v, ok := strings.CutPrefix(strings.TrimSpace(s), "hosts:")
		if !ok {
			return true
		}
		for _, f := range strings.Fields(reCriteria.ReplaceAllString(v, " ")) {
			if len(out) < maxSources {
				out = append(out, OneLine(strings.ToLower(f), 50))
			}
		}
		return false
	})
	return out
}
