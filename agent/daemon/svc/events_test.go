package svc

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// kept is an event log that refuses what the real one does.
type kept struct{ lines []string }

func (k *kept) add(level, text string) error {
	if strings.ContainsRune(text, 0) || len(text) > 31839 || !utf8.ValidString(text) {
		return errors.New("the parameter is incorrect")
	}
	k.lines = append(k.lines, level+" "+text)
	return nil
}

func (k *kept) Info(_ uint32, text string) error    { return k.add("info", text) }
func (k *kept) Warning(_ uint32, text string) error { return k.add("warning", text) }
func (k *kept) Error(_ uint32, text string) error   { return k.add("error", text) }

func TestEventLogger(t *testing.T) {
	var log kept
	l := eventLogger(&log, func(w io.Writer) *slog.Logger {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
	})
	l.Debug("not said")
	l.Info("starting", "version", "1")
	l.With("part", "web").Warn("slow")
	l.WithGroup("g").Error("gone", "why", "two\nlines and a \x00")
	want := []string{
		"info level=INFO msg=starting version=1",
		"warning level=WARN msg=slow part=web",
		`error level=ERROR msg=gone g.why="two\nlines and a \x00"`,
	}
	if d := cmp.Diff(want, log.lines); d != "" {
		t.Error(d)
	}
	log.lines = nil
	l.Info(strings.Repeat("ä", 40000))
	if len(log.lines) != 1 || !strings.HasSuffix(log.lines[0], "ä…") {
		t.Errorf("a long record is not kept: %d events", len(log.lines))
	}
}

func TestEventBound(t *testing.T) {
	for in, want := range map[string]string{
		" a\n":   "a",
		"a\x00b": "a b",
		"":       "",
	} {
		if got := bound(in); got != want {
			t.Errorf("bound(%q) = %q, want %q", in, got, want)
		}
	}
}
