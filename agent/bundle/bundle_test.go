package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/gather/agentlog"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
)

func TestBundle(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	in := Input{Report: &report.Report{State: "managed", Node: report.Node{ID: "i-0a1b2c3d4e5f60718"}, Sources: []report.Source{{Name: "log"}}}, Facts: f, Redact: true, Now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
		Logs: []agentlog.Tail{{Name: "amazon-ssm-agent.log", Lines: []string{"2026-11-22T09:00:00Z ERROR [x] arn:aws:iam::111122223333:role/WebServerRole \x1b[2J"}, Left: 7}, {Name: "errors.log", Why: "permission denied"}}}
	var b bytes.Buffer
	if err := Write(&b, in); err != nil {
		t.Fatal(err)
	}
	if !Is(b.Bytes()) {
		t.Error("a bundle is not told from facts")
	}
	z, err := gzip.NewReader(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	var order []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r)
		got[h.Name], order = string(body), append(order, h.Name)
	}
	want := []string{"ssm-doctor/CONTENTS.txt", "ssm-doctor/report.txt", "ssm-doctor/report.html", "ssm-doctor/report.json", "ssm-doctor/facts.json", "ssm-doctor/agent.txt", "ssm-doctor/logs/amazon-ssm-agent.log"}
	if !slices.Equal(order, want) {
		t.Errorf("it holds %q", order)
	}
	for _, says := range []string{"7 lines left out", "log errors.log: permission denied", "vault", "log: see sources"} {
		if !strings.Contains(got["ssm-doctor/CONTENTS.txt"], says) {
			t.Errorf("the list does not say %q:\n%s", says, got["ssm-doctor/CONTENTS.txt"])
		}
	}
	for name, body := range got {
		for _, bad := range []string{"111122223333", "WebServerRole", "\x1b"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
	}
	raw, err := Facts(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := facts.Parse(raw); err != nil || !again.Redacted {
		t.Errorf("facts of the bundle: %v, %+v", err, again)
	}
}

func FuzzFacts(f *testing.F) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	_ = w.WriteHeader(&tar.Header{Name: FactsFile, Size: 2, Typeflag: tar.TypeReg})
	_, _ = w.Write([]byte("{}"))
	_ = w.Close()
	_ = z.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, err := Facts(b); err == nil && len(out) > facts.MaxFileBytes+1 {
			t.Errorf("%d bytes", len(out))
		}
	})
}
