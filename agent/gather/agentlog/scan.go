package agentlog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/logline"
	"ssm-doctor/checks/sorting"
)

// matched is a signature that occurred, with its latest entry as it stands.
type matched struct {
	facts.Match
	text []byte
}

// logScan collects what the entries of several files say.
type logScan struct {
	zone     *time.Location
	now      time.Time
	whole    bool // lines are kept as they are
	table    *logTable
	matches  map[string]*matched
	quotes   []quote
	backoffs []facts.Backoff
	shapes   map[string]*shapeCount // of warnings and errors of the last day that no row knows
	unread   error                  // why a file could not be read to its end

	shape     []byte
	uncounted bool // there are more shapes than are told apart

	entries int // of the file, in the agent's form
	foreign int // lines before the first of them

	ahead bool    // an entry lies in the future
	end   *ending // of what was read last
	endAt int64   // where that begins, from where the reading did

	path    string
	errors  bool      // the file repeats entries of the main log
	fresh   bool      // no entry of the file was seen yet
	main    time.Time // first entry of the main log that was read
	first   time.Time // first entry of the group
	start   time.Time // latest start of the agent
	success time.Time // latest proof of acceptance
}

func newLogScan(zone *time.Location, now time.Time) *logScan {
	if zone == nil {
		zone = time.UTC
	}
	return &logScan{zone: zone, now: now, table: signatureTable(), matches: map[string]*matched{}, shapes: map[string]*shapeCount{}}
}

// file reads the end of one file.
func (s *logScan) file(ctx context.Context, fsys gather.FileSystem, name string, limit int64) readFile {
	f := readFile{name: name, facts: facts.LogFile{Path: "/" + name}}
	lf := &f.facts
	s.path, s.fresh = lf.Path, true
	s.errors = isErrors(name)
	if err := s.tail(ctx, fsys, name, limit, &f); err != nil {
		lf.Error = gather.Why(err)
		s.unread = cmp.Or(s.unread, err)
	}
	return f
}

// errForm: a seelog.xml of the agent may give its log any form.
var errForm = errors.New("no entry has the form of the agent's log")

// tail reads at most limit bytes of the end of a file.
func (s *logScan) tail(ctx context.Context, fsys gather.FileSystem, name string, limit int64, file *readFile) error {
	lf := &file.facts
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if fi.IsDir() {
		return gather.ErrNotAFile
	}
	lf.Bytes = fi.Size()
	skip := false
	if off := fi.Size() - limit; off > 0 {
		sk, ok := f.(io.Seeker)
		if !ok {
			return gather.ErrTooLarge
		}
		if _, err := sk.Seek(off, io.SeekStart); err != nil {
			return err
		}
		skip = true
	}
	s.entries, s.foreign = 0, 0
	from := max(fi.Size()-limit, 0)
	defer func() {
		if file.last = s.end; s.end != nil {
			file.info, file.next, file.begin = fi, from+s.endAt, s.begin()
		} else if fi.Size() == 0 {
			file.info = fi
		}
	}()
	if lf.Read, err = s.read(ctx, io.LimitReader(f, limit), skip); err == nil && s.entries == 0 && s.foreign > 0 {
		return errForm
	}
	return err
}

// read takes a stream of lines. With skip the first, incomplete one is dropped.
func (s *logScan) read(ctx context.Context, r io.Reader, skip bool) (int64, error) {
	buf := make([]byte, logChunk)
	var n int // bytes in buf
	var total int64
	var e entry
	drop := false // the rest of an overlong line follows
	s.end, s.endAt = nil, 0
	at := int64(0) // where the line begins
	line := func(b []byte) {
		switch {
		case skip:
			skip = false
		case drop:
			drop = false
		default:
			if s.line(b, &e) {
				s.endAt = at
			}
		}
	}
	for ctx.Err() == nil {
		m, err := r.Read(buf[n:])
		total += int64(m)
		n += m
		rest := buf[:n]
		gather.Lines(rest, func(l []byte) bool {
			end := len(l)
			if end < len(rest) && rest[end] == '\r' {
				end++
			}
			if end >= len(rest) || rest[end] != '\n' {
				return false
			}
			rest = rest[end+1:]
			line(l)
			at += int64(end + 1)
			return true
		})
		if len(rest) == len(buf) { // one line fills the buffer: keep its beginning
			line(rest[:maxEntry])
			at += int64(len(rest))
			drop, rest = true, nil
		}
		n = copy(buf, rest)
		if err != nil {
			if n > 0 {
				line(buf[:n])
			}
			s.atEnd(&e)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return total, err
		}
	}
	s.atEnd(&e)
	return total, ctx.Err()
}

// atEnd takes the last entry of what was read, which may go on later.
func (s *logScan) atEnd(e *entry) {
	if !e.open {
		return
	}
	s.end = &ending{s.path, s.errors, s.fresh, entry{bytes.Clone(e.text), e.h, e.any, true}}
	if at, _, ok := ParseStamp(e.text, s.zone); ok && (s.first.IsZero() || at.Before(s.first)) {
		s.first = at
	}
}

// entry is a line with a time and the lines that continue it.
type entry struct {
	text []byte
	h    hits
	any  bool
	open bool
}

// stampLen is the length of "2006-01-02 15:04:05".
const stampLen = 19

// stamped reports whether a line begins with the agent's form of a time.
func stamped(b []byte) bool {
	return len(b) > stampLen && b[4] == '-' && b[7] == '-' && b[10] == ' ' && b[13] == ':' && b[16] == ':' && b[0] >= '0' && b[0] <= '9'
}

// line takes a line and reports whether an entry begins with it.
func (s *logScan) line(b []byte, e *entry) bool {
	if stamped(b) {
		s.flush(e)
		e.text = append(e.text[:0], b[:min(len(b), maxEntry)]...)
		e.h, e.open = hits{}, true
		e.any = s.table.scan(b, &e.h)
		s.entries++
		return true
	}
	if !e.open {
		if len(b) > 0 {
			s.foreign++
		}
		return false
	}
	if s.table.scan(b, &e.h) {
		e.any = true
	}
	if room := maxEntry - len(e.text); room > 1 {
		e.text = append(e.text, '\n')
		e.text = append(e.text, b[:min(len(b), room-1)]...)
	}
	return false
}

// ParseStamp reads the time and level of an entry; ok is false for another form.
func ParseStamp(b []byte, zone *time.Location) (at time.Time, rest []byte, ok bool) {
	if !stamped(b) {
		return at, nil, false
	}
	end := stampLen
	for end < len(b) && b[end] != ' ' {
		end++
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05", string(b[:end]), zone) // a fraction is accepted
	if err != nil || end > stampLen+10 {
		return time.Time{}, nil, false
	}
	if at = gather.SaneTime(at); at.IsZero() {
		return at, nil, false
	}
	return at, bytes.TrimSpace(b[end:]), true
}

// flush judges a complete entry.
func (s *logScan) flush(e *entry) {
	if !e.open {
		return
	}
	e.open = false
	level := levelOf(e.text)
	if !e.any && level == "" && !s.fresh && !s.errors {
		return
	}
	at, rest, ok := ParseStamp(e.text, s.zone)
	if !ok {
		return
	}
	s.fresh = false
	if s.first.IsZero() || at.Before(s.first) {
		s.first = at
	}
	if !e.any && level == "" || s.errors && !s.main.IsZero() && !at.Before(s.main) {
		return
	}
	s.entry(&e.h, level, at, rest)
}

// entry takes what an entry says. h are the fragments in it, level its level if it is
// a warning or worse. text is the caller's: what is kept of it is copied.
func (s *logScan) entry(h *hits, level string, at time.Time, text []byte) {
	id, explained := "", false
	switch i := s.table.row(h); {
	case i < 0:
	case i < len(facts.Signatures):
		sig := facts.Signatures[i]
		id = sig.ID
		switch failed := sig.Kind == facts.KindFailure || sig.Kind == facts.KindNode; {
		case sig.Kind == facts.KindNoise:
			return // neither what it quotes
		case sig.Kind == facts.KindFollows:
			explained = true
		case failed && ofCommand(s.path, text):
		default:
			explained = true
			s.match(id, sig.Kind, at, text)
		}
	default:
		explained = level != ""
	}
	if h.has(s.table.backoff) {
		s.healthBackoff(at, text)
	}
	if slices.ContainsFunc(s.table.refusal, h.has) && s.refusal(at, id, text) {
		explained = true
	}
	if level != "" && !explained {
		s.unexplained(level, at, text)
	}
}

// ofCommand reports whether an entry is of a worker for one command or session,
// whose errors are those of what it runs, not of the node.
func ofCommand(file string, text []byte) bool {
	base := path.Base(file)
	return bytes.Contains(text, []byte("[ssm-document-worker]")) || bytes.Contains(text, []byte("[ssm-session-worker]")) ||
		strings.HasPrefix(base, "ssm-document-worker.log") || strings.HasPrefix(base, "ssm-session-worker.log")
}

func (s *logScan) match(id, kind string, at time.Time, text []byte) {
	m := s.matches[id]
	if m == nil {
		m = &matched{Match: facts.Match{ID: id, First: at}}
		s.matches[id] = m
	}
	m.Count++
	if at.Before(m.First) {
		m.First = at
	}
	switch {
	case !s.known(at).Before(s.known(m.Last)):
		m.Before, m.Last, m.File = m.Last, at, s.path
		m.text = append(m.text[:0], text...) // made printable once it is the latest of all
	case s.known(at).After(s.known(m.Before)):
		m.Before = at
	}
	if kind == facts.KindSuccess && at.After(s.success) {
		s.success = at
	}
	switch id {
	case facts.SigStart:
		if s.known(at).After(s.known(s.start)) {
			s.start = at
		}
	case facts.SigSleeping:
		if d, ok := sleepOf(string(text)); ok {
			s.backoffs = append(keepLast(s.backoffs), facts.Backoff{Since: at, Seconds: d.Seconds(), Until: at.Add(d)})
		}
	case facts.SigHibernate:
		// The first pause of a hibernating worker is five minutes.
		d := 5 * time.Minute
		s.backoffs = append(keepLast(s.backoffs), facts.Backoff{Since: at, Seconds: d.Seconds(), Until: at.Add(d)})
	}
}

// known is a time as far as it can be right: one in the future was written by a
// clock that was ahead, and counts only where there is no other.
func (s *logScan) known(at time.Time) time.Time {
	if at.After(s.now.Add(maxAhead)) {
		s.ahead = true
		return time.Time{}
	}
	return at
}

func (s *logScan) healthBackoff(at time.Time, text []byte) {
	if d, ok := everyOf(string(text)); ok {
		s.backoffs = append(keepLast(s.backoffs), facts.Backoff{Since: at, Seconds: d.Seconds()}) // Until: see sleep
	}
}

// keepLast bounds the list; only the latest can matter.
func keepLast(b []facts.Backoff) []facts.Backoff {
	if len(b) >= 64 {
		b = append(b[:0], b[32:]...)
	}
	return b
}

// refusal takes the AWS error that an entry quotes and reports whether it says which
// action was refused, which the checks of permissions judge.
func (s *logScan) refusal(at time.Time, id string, text []byte) (named bool) {
	q, ok := quotedIn(text)
	if !ok {
		return false
	}
	named = len(q.action) > 0
	for i := range s.quotes {
		if x := &s.quotes[i]; x.code == string(q.code) && x.action == string(q.action) && x.match == id {
			if !s.known(at).Before(s.known(x.at)) {
				x.at, x.file, x.text = at, s.path, append(x.text[:0], text...)
			}
			return named
		}
	}
	if len(s.quotes) < maxRefusals {
		s.quotes = append(s.quotes, quote{string(q.code), string(q.action), bytes.Clone(text), at, id, s.path})
	}
	return named
}

// endGroup closes a group of files that continue each other.
func (s *logScan) endGroup() {
	if s.main.IsZero() && !s.errors {
		s.main = s.first
	}
	s.first = time.Time{}
}

// fill turns what was collected into facts. Times after now are kept: a clock
// that jumped is for the checks to judge.
func (s *logScan) fill(l *facts.Log, from string) {
	matches := make([]facts.Match, 0, len(s.matches))
	for _, m := range s.matches {
		m.Text = s.shown(gather.OneLine(scrub(string(m.text)), maxMatch))
		matches = append(matches, m.Match)
	}
	sorting.By(matches, func(a, b facts.Match) int { return cmp.Or(a.Last.Compare(b.Last), cmp.Compare(a.ID, b.ID)) })
	refusals := make([]facts.Refusal, 0, len(s.quotes))
	for _, q := range s.quotes {
		r := q.parse()
		if s.whole {
			r.Text = logline.Whole(r.Text)
		} else {
			r.Refusal = logline.ShownRefusal(r.Refusal)
		}
		refusals = append(refusals, r)
	}
	sorting.By(refusals, func(a, b facts.Refusal) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Action, b.Action))
	})
	l.Matches, l.Refusals = gather.Partly(matches, s.unread, from), gather.Partly(refusals, s.unread, from)
	shapes, more := s.shapesShown()
	l.Unexplained, l.UnexplainedMore = gather.Partly(shapes, s.unread, from), more
	switch b, ok := s.sleep(); {
	case ok:
		l.Backoff = facts.Known(b, from)
	case s.unread != nil:
		l.Backoff = gather.Unknown[facts.Backoff](s.unread, from)
	default:
		l.Backoff = facts.Absent[facts.Backoff]("no announced sleep is still running", from)
	}
}

// shown is what is kept of a line.
func (s *logScan) shown(line string) string {
	if s.whole {
		return logline.Whole(line)
	}
	return logline.Shown(line)
}

// sleep is the announced sleep that still lasts; what ends it is its time, a later
// start or a later success. Hibernation has no end: it announces each longer interval
// of its tries, up to one of an hour, and then nothing more.
// Source: amazon-ssm-agent, agent/hibernation/hibernation.go, from 2.3 on.
func (s *logScan) sleep() (last facts.Backoff, lasts bool) {
	for _, b := range s.backoffs {
		if !b.Since.Before(last.Since) && !s.known(b.Since).IsZero() {
			last = b
		}
	}
	if last.Since.IsZero() || s.start.After(last.Since) || s.success.After(last.Since) {
		return last, false
	}
	if last.Until.IsZero() { // a worker in hibernation tries at this interval until the next announcement
		d := time.Duration(last.Seconds * float64(time.Second))
		last.Since = last.Since.Add(s.now.Sub(last.Since).Truncate(d))
		last.Until = last.Since.Add(d)
	}
	return last, last.Until.After(s.now)
}
