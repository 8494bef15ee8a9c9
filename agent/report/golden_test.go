package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"

	"ssm-doctor/checks/text"
	"ssm-doctor/packaging/gen/golden"
)

func render(t *testing.T, format string, r *Report, s Style) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, r, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Every format of every report, redacted as by default, 80 columns.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, r := range samples() {
		if name == "hostile" {
			continue // tested by its properties
		}
		r = Redact(r)
		for format, ext := range map[string]string{"text": "txt", "short": "short.txt", "wide": "wide.txt", "json": "json", "junit": "junit.xml", "nagios": "nagios.txt", "markdown": "md", "html": "html"} {
			golden.File(t, "testdata/golden/"+name+"."+ext, []byte(render(t, format, r, Style{Width: 80})))
		}
		golden.File(t, "testdata/golden/"+name+".screen.txt", []byte(render(t, "text", samples()[name], Style{Width: 80, Brief: true})))
	}
}

func TestGoldenStyles(t *testing.T) {
	t.Parallel()
	all := samples()
	for _, name := range []string{"not-managed", "degraded", "managed"} {
		golden.File(t, "testdata/golden/"+name+".60.txt", []byte(render(t, "text", all[name], Style{Width: 60, Brief: true})))
		golden.File(t, "testdata/golden/"+name+".200.txt", []byte(render(t, "text", all[name], Style{Width: 200, Brief: true})))
		golden.File(t, "testdata/golden/"+name+".ascii.txt", []byte(render(t, "text", all[name], Style{Width: 80, ASCII: true, Brief: true})))
		golden.File(t, "testdata/golden/"+name+".colour.txt", []byte(render(t, "text", all[name], Style{Width: 80, Color: true, Brief: true})))
		golden.File(t, "testdata/golden/"+name+".quiet.txt", []byte(render(t, "text", all[name], Style{Quiet: true})))
	}
}

// A terminal gets the verdict in line 1, the cause with its id and whole commands, on
// one screen for one cause.
func TestFirstScreen(t *testing.T) {
	t.Parallel()
	all := samples()
	long := samples()["not-managed"]
	long.Also = nil
	long.RootCause.Summary = text.Plain(strings.Repeat("a reason that goes on and on ", 30))
	long.RootCause.Fix[0].Text = text.Plain(strings.Repeat("a step with many words ", 20))
	long.RootCause.Evidence[0].Seen = strings.Repeat("seen ", 200)
	long.Node.OS = strings.Repeat("Operating System ", 10)
	all["long"] = long
	many := samples()["not-managed"]
	many.Also = nil
	for range 30 {
		many.RootCause.Fix = append(many.RootCause.Fix, many.RootCause.Fix[0])
	}
	all["many steps"] = many
	for name, r := range all {
		for _, width := range []int{60, 80, 200} {
			out := render(t, "text", r, Style{Width: width, Brief: true})
			lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
			if !strings.Contains(lines[0], "MANAGED") && !strings.Contains(lines[0], "CANNOT TELL") && !strings.Contains(lines[0], "IMAGE") {
				t.Errorf("%s, %d: line 1 is %q", name, width, lines[0])
			}
			if len(lines) > screenLines && width == 80 && len((&screen{r: r}).serious()) == 0 && r.Profile == "" {
				t.Errorf("%s: %d lines\n%s", name, len(lines), out)
			}
			tooWide(t, name, out, min(width, maxWidth))
			if name == "hostile" || r.RootCause == nil || len(r.RootCause.Fix) == 0 || r.State == Unknown || r.State == Managed {
				continue
			}
			first := r.RootCause.Fix[0]
			command := (&screen{r: r, s: Style{Width: min(width, maxWidth)}}).command(first)
			for _, want := range append(command, r.RootCause.ID) {
				if !strings.Contains(out, want) {
					t.Errorf("%s, %d: %q is missing:\n%s", name, width, want, out)
				}
			}
		}
	}
}

// Nothing that a host or a network sends reaches the terminal as a control
// character; ASCII output is ASCII; prose keeps to the width.
func TestTextProperties(t *testing.T) {
	t.Parallel()
	for name, r := range samples() {
		for _, format := range []string{"text", "wide", "short", "nagios", "markdown", "json", "jsonl", "junit"} {
			for _, width := range []int{60, 80, 200} {
				for _, ascii := range []bool{false, true} {
					got := render(t, format, r, Style{Width: width, ASCII: ascii})
					for _, c := range got {
						if c != '\n' && !unicode.IsPrint(c) || ascii && c > 0x7e {
							t.Errorf("%s, %s, ascii %v: %U in the output", name, format, ascii, c)
							break
						}
					}
					if !strings.HasSuffix(got, "\n") || strings.HasSuffix(got, "\n\n") {
						t.Errorf("%s, %s: does not end in one line break", name, format)
					}
				}
			}
		}
	}
}

func tooWide(t *testing.T, name, out string, width int) {
	t.Helper()
	for line := range strings.SplitSeq(out, "\n") {
		if cells(line) <= width {
			continue
		}
		// Ids, addresses and terms stay whole.
		body := strings.TrimSpace(line)
		if last := words(body); len(last) <= 3 {
			continue
		}
		t.Errorf("%s: %d cells, want %d: %s", name, cells(line), width, clip(line, 200))
	}
}

func TestASCIIKeepsColour(t *testing.T) {
	t.Parallel()
	got := render(t, "text", samples()["not-managed"], Style{Width: 80, ASCII: true, Color: true})
	if !strings.HasPrefix(got, styleBad+"XX NOT MANAGED"+styleOff) {
		t.Errorf("begins %q", got[:40])
	}
	for _, c := range got {
		if c > 0x7e || c < ' ' && c != '\n' && c != '\x1b' {
			t.Errorf("%U in the output", c)
		}
	}
}

func TestJUnitForm(t *testing.T) {
	t.Parallel()
	for name, r := range samples() {
		got := render(t, "junit", r, Style{})
		d := xml.NewDecoder(strings.NewReader(got))
		count := map[string]int{}
		for {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if e, ok := tok.(xml.StartElement); ok {
				count[e.Name.Local]++
			}
		}
		n := tally(r)
		want := map[string]int{"testcase": len(r.Checks), "failure": n["fail"], "error": n["unknown"], "skipped": n["skip"], "system-out": n["warn"]}
		for tag, w := range want {
			if count[tag] != w {
				t.Errorf("%s: %d <%s>, want %d", name, count[tag], tag, w)
			}
		}
	}
}

func TestPluginLine(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"managed": "SSM OK - ", "degraded": "SSM WARNING - websocket-blocked: ", "not-managed": "SSM CRITICAL - no-credential-source: ", "unknown": "SSM UNKNOWN - ", "image": "SSM IMAGE CRITICAL - "} {
		got := render(t, "nagios", samples()[name], Style{})
		if !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 1 || strings.Count(got, "|") != 1 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWriteRefusesUnknownFormat(t *testing.T) {
	t.Parallel()
	if err := Write(io.Discard, "yaml", samples()["managed"], Style{}); err == nil {
		t.Error("yaml was written")
	}
	if err := Write(failing{}, "text", samples()["managed"], Style{}); err == nil {
		t.Error("an error of the writer is lost")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("disk full") }

func FuzzPrintable(f *testing.F) {
	for _, s := range hostileTexts() {
		f.Add(s[:min(len(s), 60)], 40)
	}
	f.Add("日本語 e\u0301 \U0001f600 text", 12)
	f.Fuzz(func(t *testing.T, s string, width int) {
		s = s[:min(len(s), 200)]
		out := Printable(s)
		for _, r := range out {
			if !unicode.IsPrint(r) {
				t.Errorf("%q has %U", out, r)
			}
		}
		if again := Printable(out); again != out {
			t.Errorf("%q, again %q", out, again)
		}
		ascii := inASCII(out)
		for i := range len(ascii) {
			if ascii[i] < 0x20 || ascii[i] > 0x7e {
				t.Errorf("%q is not ASCII", ascii)
			}
		}
		var whole []string
		for _, l := range wrap(out, width%200) {
			whole = append(whole, strings.Fields(l)...)
		}
		if got, want := strings.Join(whole, ""), strings.Join(strings.Fields(out), ""); got != want {
			t.Errorf("wrapping made %q of %q", got, want)
		}
	})
}

func BenchmarkText(b *testing.B) {
	r := samples()["not-managed"]
	b.ReportAllocs()
	for b.Loop() {
		if err := Write(io.Discard, "text", Redact(r), Style{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRedact has as many checks as a real run.
func BenchmarkRedact(b *testing.B) {
	r := samples()["not-managed"]
	for len(r.Checks) < 60 {
		r.Checks = append(r.Checks, r.Checks...)
	}
	for len(r.Permissions) < 40 {
		r.Permissions = append(r.Permissions, r.Permissions...)
	}
	b.ReportAllocs()
	for b.Loop() {
		Redact(r)
	}
}
