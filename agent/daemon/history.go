package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/safefile"
)

// Bounds of the history.
const (
	HistoryLimit    = 500     // transitions kept
	historyMaxBytes = 1 << 20 // read of a file; far more than the limit needs
)

// HistoryFile is the name of the history in the state directory.
const HistoryFile = "history.jsonl"

// History is the list of changes of the node's state, oldest first. It lives
// in memory and, when a file can be written, in that file: one line per change,
// each with its checksum, so that a line torn by a crash is ignored and the
// rest stays. When the file cannot be read or written, only the earlier
// changes are lost; Err says why.
type History struct {
	mu    sync.Mutex
	path  string // empty: in memory only
	list  []report.Transition
	lines int  // in the file, those that were dropped included
	torn  bool // the file ends in the middle of a line
	err   error
}

// OpenHistory reads the history of a state directory; empty: memory only. It
// never fails: see Err.
func OpenHistory(dir string) *History {
	h := &History{}
	if dir == "" {
		return h
	}
	h.path = filepath.Join(dir, HistoryFile)
	b, err := safefile.ReadTail(h.path, historyMaxBytes)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		h.err = fmt.Errorf("read history: %w", err)
	default:
		h.list = parseHistory(b)
		h.lines = bytes.Count(b, []byte("\n"))
		h.torn = len(b) > 0 && b[len(b)-1] != '\n'
	}
	return h
}

// parseHistory reads the lines whose checksum holds, the last HistoryLimit.
func parseHistory(b []byte) []report.Transition {
	var out []report.Transition
	for line := range bytes.Lines(b) {
		line, whole := bytes.CutSuffix(line, []byte("\n"))
		sum, text, ok := bytes.Cut(line, []byte(" "))
		if !whole || !ok || string(sum) != checksum(text) {
			continue
		}
		var t report.Transition
		if json.Unmarshal(text, &t) == nil && t.State != "" && !t.At.IsZero() {
			out = append(out, t)
		}
	}
	if len(out) > HistoryLimit {
		out = out[len(out)-HistoryLimit:]
	}
	return out
}

func checksum(b []byte) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE(b)) }

func historyLine(t report.Transition) []byte {
	b, err := json.Marshal(t)
	if err != nil { // a year beyond 9999, from a clock gone wild
		t.At = time.Unix(0, 0).UTC()
		b, _ = json.Marshal(t)
	}
	return fmt.Appendf(nil, "%s %s\n", checksum(b), b)
}

// Add notes the state of a run, when it is another than the last one noted. It
// reports whether that was a change.
func (h *History) Add(at time.Time, state, cause string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.list); n > 0 && h.list[n-1].State == state && h.list[n-1].Cause == cause {
		if h.err != nil && h.path != "" {
			h.rewrite() // perhaps the disk has space again
		}
		return false
	}
	t := report.Transition{At: at.UTC(), State: state, Cause: cause}
	h.list = append(h.list, t)
	if len(h.list) > HistoryLimit {
		h.list = append([]report.Transition(nil), h.list[len(h.list)-HistoryLimit:]...)
	}
	switch {
	case h.path == "":
	case h.err != nil || h.torn || h.lines >= 2*HistoryLimit:
		h.rewrite()
	default:
		h.append(t)
	}
	return true
}

func (h *History) append(t report.Transition) {
	if err := safefile.Append(h.path, 0o640, historyLine(t)); err != nil {
		h.err, h.torn = fmt.Errorf("write history: %w", err), true
		return
	}
	h.lines++
}

// rewrite replaces the file by what is in memory.
func (h *History) rewrite() {
	var b []byte
	for _, t := range h.list {
		b = append(b, historyLine(t)...)
	}
	err := safefile.Replace(h.path, 0o640, b)
	if err != nil {
		h.err = fmt.Errorf("write history: %w", err)
		return
	}
	h.err, h.torn, h.lines = nil, false, len(h.list)
}

// List returns a copy, oldest first.
func (h *History) List() []report.Transition {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]report.Transition{}, h.list...)
}

// Err is why the history is not on disk; nil when it is, or was not asked to be.
func (h *History) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}
