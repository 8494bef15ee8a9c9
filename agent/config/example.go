package config

import (
	"fmt"
	"strings"
)

// Example is a configuration file with every key at its default, each
// explained and commented out.
func Example(n Names) string {
	var b strings.Builder
	b.WriteString("# ssm-doctor.yml: configuration of \"ssm-doctor serve\". Every key may be left out.\n# The environment beats this file, and flags beat both.\n")
	section := ""
	for _, s := range settings(Default(), n) {
		key, indent := s.key, ""
		if before, after, ok := strings.Cut(s.key, "."); ok {
			if before != section {
				section = before
				fmt.Fprintf(&b, "\n%s:\n", section)
			}
			key, indent = after, "  "
		} else {
			section = ""
			b.WriteString("\n")
		}
		for line := range strings.SplitSeq(wrap(strings.ReplaceAll(s.help, "`", ""), 76-len(indent)), "\n") {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		fmt.Fprintf(&b, "%s# --%s, %s\n%s#%s: %s\n", indent, s.flag, Env(s.flag), indent, key, yamlText(s.value))
	}
	return b.String()
}

func yamlText(v value) string {
	switch v := v.(type) {
	case listValue:
		var parts []string
		for _, m := range *v.p {
			parts = append(parts, fmt.Sprintf("%q", m))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case textValue:
		return fmt.Sprintf("%q", *v.p)
	}
	return v.String()
}

// wrap breaks a text between words at the given width.
func wrap(s string, width int) string {
	var b strings.Builder
	n := 0
	for i, w := range strings.Fields(s) {
		switch {
		case i == 0:
		case n+1+len(w) > width:
			b.WriteByte('\n')
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(w)
		n += len(w)
	}
	return b.String()
}
