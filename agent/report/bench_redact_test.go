package report

import (
	"testing"

	"ssm-doctor/checks/text"
)

// BenchmarkRedactTexts redacts what FuzzRedact begins with.
func BenchmarkRedactTexts(b *testing.B) {
	for b.Loop() {
		for _, tt := range dressed {
			one := text.New("seen: %s", tt.text)
			steps := []Step{{Text: one.Add(" of the role %s", "Prod-Web-Node"), Command: one}}
			d := &redactor{address: numbered()}
			d.learn(steps)
			d.name("role", "Prod-Web-Node")
			rewrite(rewrite(steps, d.editor()), again)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(dressed)), "µs/text")
}
