package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ssm-doctor/agent/safefile"
)

// LedgerFile is the name of the ledger in the state directory.
const LedgerFile = "aws-calls.json"

// ledger remembers when AWS was asked and how often, so that a daemon that is
// started again and again does not ask again and again.
type ledger struct {
	path string // empty: memory only
	err  error  // why it is not on disk

	LastRead time.Time `json:"last_read,omitzero"`
	ReadFor  string    `json:"read_for"` // credentials and agent that the read was made for
	Interval float64   `json:"interval_seconds"`
	Calls    []calls   `json:"calls"` // of the last callsWindow, oldest first
}

type calls struct {
	At    time.Time `json:"at"`
	Count int       `json:"count"`
}

// openLedger never fails: a ledger that cannot be read is empty.
func openLedger(dir string, now time.Time) *ledger {
	l := &ledger{}
	if dir == "" {
		return l
	}
	l.path = filepath.Join(dir, LedgerFile)
	b, err := safefile.ReadTail(l.path, historyMaxBytes)
	if err == nil {
		err = json.Unmarshal(b, l)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		*l = ledger{path: l.path, err: fmt.Errorf("read the record of requests to AWS: %w", err)}
	}
	if l.sane(now) {
		l.save() // or the next start would take it for now again
	}
	return l
}

// sane corrects what a wrong clock or a damaged file left behind, and reports
// whether a clock was ahead.
func (l *ledger) sane(now time.Time) (ahead bool) {
	past := func(t time.Time) time.Time {
		if t.After(now) { // as if it had been now
			ahead = true
			return now
		}
		return t
	}
	l.LastRead = past(l.LastRead)
	var kept []calls
	for _, c := range l.Calls {
		if c.At = past(c.At); now.Sub(c.At) < callsWindow && c.Count > 0 {
			kept = append(kept, c)
		}
	}
	if len(kept) > 1000 {
		kept = kept[len(kept)-1000:]
	}
	l.Calls = kept
	return ahead
}

// used counts the calls of the last callsWindow.
func (l *ledger) used(now time.Time) int {
	l.sane(now)
	n := 0
	for _, c := range l.Calls {
		n += c.Count
	}
	return n
}

// note adds a read of rights and saves.
func (l *ledger) note(now time.Time, count int, readFor string) {
	l.LastRead, l.ReadFor = now, readFor
	if count > 0 {
		l.Calls = append(l.Calls, calls{now, count})
	}
	l.sane(now)
	l.save()
}

func (l *ledger) save() {
	if l.path == "" {
		return
	}
	b, err := json.Marshal(l)
	if err == nil {
		err = safefile.Replace(l.path, 0o600, b)
	}
	if err != nil {
		l.err = fmt.Errorf("write the record of requests to AWS: %w", err)
		return
	}
	l.err = nil
}
