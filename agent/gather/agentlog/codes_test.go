package agentlog

import (
	"regexp"
	"strings"
	"testing"
)

// codeRE is what codes looks for, as an expression.
var codeRE = regexp.MustCompile(`\b([A-Z][A-Za-z]{2,60}(?:\.[A-Z][A-Za-z]+)?): `)

func sameCodes(t *testing.T, text string) {
	t.Helper()
	var got, want []string
	for start, end := range codes(text) {
		got = append(got, text[start:end])
	}
	for _, m := range codeRE.FindAllStringSubmatchIndex(text, maxCodes) {
		want = append(want, text[m[2]:m[3]])
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q: %q, want %q", text, got, want)
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", ": ", "x: ", "Err: ", "AccessDeniedException: no", "a.AccessDenied: ", "Client.UnauthorizedOperation: x", "A.Bcd: ", "Abc.D: ", "Abc.De: ", "Abc.Def.Ghi: ", "1Abc: ", "_Abc: ", "abc: Abc:  Abc: ",
		strings.Repeat("A", 61) + ": ", strings.Repeat("A", 62) + ": ", "Abc." + strings.Repeat("A", 62) + ": ", strings.Repeat("Abc: ", 12), "Abc:Def: ", "\xffAbc: ", "éAbc: ", "Ab.Cde: ", "Abc.def: ", "xAbc.Def: "} {
		sameCodes(t, text)
	}
}

func FuzzCodes(f *testing.F) {
	f.Add("error details - GetMessages Error: Client.AccessDenied: User: x")
	f.Fuzz(sameCodes)
}
