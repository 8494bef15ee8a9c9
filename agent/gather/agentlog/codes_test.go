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
	for start, end := range codes([]byte(text)) {
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

// actionRE is what actionIn looks for, as an expression.
var actionRE = regexp.MustCompile(`not authorized to perform: ([a-z0-9-]{1,40}:[A-Za-z0-9*]{1,80})`)

func sameAction(t *testing.T, text string) {
	t.Helper()
	action, at := actionIn([]byte(text))
	want, from := "", 0
	if m := actionRE.FindStringSubmatchIndex(text); m != nil {
		want, from = text[m[2]:m[3]], m[0]
	}
	if string(action) != want || at != from {
		t.Errorf("%q: %q at %d, want %q at %d", text, action, at, want, from)
	}
}

func TestActionIn(t *testing.T) {
	t.Parallel()
	const before = "is not authorized to perform: "
	for _, text := range []string{"", before, before + "ssm:GetDocument on resource", before + "ssm", before + "ssm:", before + ":x", before + "SSM:Get", before + "ssm:*", before + "ssm: x",
		before + strings.Repeat("a", 40) + ":B", before + strings.Repeat("a", 41) + ":B", before + "a:" + strings.Repeat("B", 90), before + "Ssm:X, " + before + "ssm:Y", before + before + "a-1:B2"} {
		sameAction(t, text)
	}
}

func FuzzActionIn(f *testing.F) {
	f.Add("x is not authorized to perform: ec2messages:GetMessages on resource: *")
	f.Fuzz(sameAction)
}

// sameScrub: what the guards let pass is what the expressions would leave as it is.
func sameScrub(t *testing.T, text string) {
	t.Helper()
	want := text
	for _, x := range scrubs {
		want = x.re.ReplaceAllString(want, x.with)
	}
	if got := scrub(text); got != want {
		t.Errorf("%q: %q, want %q", text, got, want)
	}
}

func TestGuardsOfScrub(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "http://u:p@x", "HTTPS_PROXY=u@x", "httpſ_proxy: u@x", "AKIAIOSFODNN7EXAMPLE", "xAKIAIOSFODNN7EXAMPLE", "The Hardware ID (a) differs (b)", strings.Repeat("aF", 16), strings.Repeat("0", 33),
		"BASIC dXNlcjpwYXNzd29yZA==", "baſic dXNlcjpwYXNzd29yZA==", "bearer abcDEF123456", "ſignature=abc", "toKenvalue: x", "passwd>x", "paſſword=x", "secret access key = x", strings.Repeat("a/", 50), strings.Repeat("a+", 60) + "=="} {
		sameScrub(t, text)
	}
}

func FuzzGuardsOfScrub(f *testing.F) {
	f.Add("SecretAccessKey=x https://a:b@c Bearer abcDEF123456")
	f.Fuzz(sameScrub)
}
