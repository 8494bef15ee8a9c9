package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/report"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestHistorySurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := OpenHistory(dir)
	for i, s := range []string{"unknown", "managed", "managed", "not-managed", "managed"} {
		cause := ""
		if s == "not-managed" {
			cause = "credentials-stale"
		}
		if changed := h.Add(noon.Add(time.Duration(i)*time.Minute), s, cause); changed != (i != 2) {
			t.Errorf("%d: changed %v", i, changed)
		}
	}
	again := OpenHistory(dir)
	if d := cmp.Diff(h.List(), again.List()); d != "" {
		t.Error(d)
	}
	if len(again.List()) != 4 || again.Err() != nil {
		t.Errorf("%d transitions, %v", len(again.List()), again.Err())
	}
	if again.Add(noon, "managed", "") {
		t.Error("a restart alone is no change")
	}
}

// TestTornWrite cuts the file at every byte: whole lines before the cut stay,
// and the history can be written on.
func TestTornWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := OpenHistory(dir)
	h.Add(noon, "managed", "")
	h.Add(noon.Add(time.Minute), "not-managed", "dns-resolution-failed")
	h.Add(noon.Add(2*time.Minute), "managed", "")
	name := filepath.Join(dir, HistoryFile)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		if err := os.WriteFile(name, whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		got := OpenHistory(dir)
		if want := strings.Count(string(whole[:cut]), "\n"); len(got.List()) != want {
			t.Fatalf("cut at %d: %d lines, want %d", cut, len(got.List()), want)
		}
		got.Add(noon.Add(time.Hour), "degraded", "disk-full")
		again := OpenHistory(dir)
		if d := cmp.Diff(got.List(), again.List()); d != "" || got.Err() != nil {
			t.Fatalf("cut at %d: %v\n%s", cut, got.Err(), d)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := OpenHistory(dir)
	for i := range 3 * HistoryLimit {
		h.Add(noon.Add(time.Duration(i)*time.Second), fmt.Sprint("managed", i%2), "")
	}
	if n := len(h.List()); n != HistoryLimit {
		t.Errorf("%d in memory", n)
	}
	b, err := os.ReadFile(filepath.Join(dir, HistoryFile))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), "\n"); n > 2*HistoryLimit+1 {
		t.Errorf("%d lines on disk", n)
	}
	if d := cmp.Diff(h.List(), OpenHistory(dir).List()); d != "" {
		t.Error(d)
	}
}

// TestHistoryWithoutDisk: a directory that cannot be written costs the file,
// not the history; when it can be written again, all of it is there.
func TestHistoryWithoutDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "later")
	h := OpenHistory(dir)
	h.Add(noon, "managed", "")
	h.Add(noon.Add(time.Minute), "unknown", "")
	if h.Err() == nil || len(h.List()) != 2 {
		t.Fatalf("%v, %d", h.Err(), len(h.List()))
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h.Add(noon.Add(2*time.Minute), "unknown", "") // no change: only another try
	if h.Err() != nil {
		t.Error(h.Err())
	}
	if d := cmp.Diff(h.List(), OpenHistory(dir).List()); d != "" {
		t.Error(d)
	}
}

func TestHistoryCannotBeWritten(t *testing.T) {
	t.Parallel()
	h := &History{path: filepath.Join(t.TempDir(), "missing", HistoryFile)}
	h.append(report.Transition{At: noon, State: "managed"})
	if h.Err() == nil || !strings.Contains(h.Err().Error(), "write history") || !h.torn {
		t.Errorf("got %v", h.Err())
	}
}

func TestHistoryFileIsNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, HistoryFile), 0o755); err != nil {
		t.Fatal(err)
	}
	h := OpenHistory(dir)
	if h.Err() == nil {
		t.Error("a directory was taken for a history")
	}
	if h.Add(noon, "managed", ""); len(h.List()) != 1 {
		t.Error("not kept in memory")
	}
}

func FuzzHistory(f *testing.F) {
	f.Add([]byte("00000000 {}\n"))
	f.Add(append(historyLine(report.Transition{At: noon, State: "managed"}), "0000"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		list := parseHistory(b)
		if len(list) > HistoryLimit {
			t.Errorf("%d", len(list))
		}
		var again []byte
		for _, x := range list {
			again = append(again, historyLine(x)...)
		}
		if d := cmp.Diff(list, parseHistory(again)); d != "" {
			t.Error(d)
		}
	})
}
