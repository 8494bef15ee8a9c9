package report

import (
	"bytes"
	"strings"
	"testing"
)

// TestMarkdownLinksNothingForeign: no address in a foreign text becomes a link in a ticket,
// neither one with a scheme nor one that renderers know by www.
func TestMarkdownLinksNothingForeign(t *testing.T) {
	t.Parallel()
	const evil = "https://evil.example/a www.evil.example ftp://evil.example <https://evil.example> [a](https://evil.example)"
	for name, r := range samples() {
		r.Normalize()
		for nth := 1; ; nth++ {
			with, where, ok := withLeaf(r, nth, evil)
			if !ok {
				break
			}
			var b bytes.Buffer
			if err := Write(&b, "markdown", with, Style{}); err != nil {
				t.Fatal(err)
			}
			if out := outsideCode(b.String()); strings.Contains(out, "://evil") || strings.Contains(out, "www.evil") {
				t.Errorf("%s, %s: a link: %s", name, where, out[strings.Index(out, "evil")-20:])
			}
		}
	}
}

// outsideCode is Markdown without its fences and code spans.
func outsideCode(s string) string {
	var b strings.Builder
	in := false
	for l := range strings.Lines(s) {
		if strings.HasPrefix(strings.TrimSpace(l), "```") {
			in = !in
			continue
		}
		if in {
			continue
		}
		for i, part := range strings.Split(strings.ReplaceAll(l, "\\`", ""), "`") {
			if i%2 == 0 {
				b.WriteString(part)
			}
		}
	}
	return b.String()
}
