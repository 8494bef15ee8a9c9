package agentlog

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

const (
	// keptFor is how long what was read is added to before all is read again, so that
	// what is counted for a day is counted for that.
	keptFor = time.Hour
	// beginBytes are compared before a file is read on: it may have been cut and grown since.
	beginBytes = 64

	memoryKey = "log"
)

// kept is what is known of the log from one look to the next.
type kept struct {
	at    time.Time
	zone  string   // and offset: zones of files have no name
	scan  *logScan // of all entries but the last one of each file
	files []readFile
}

// readFile is a file as far as it was read.
type readFile struct {
	name  string // with its directory
	info  fs.FileInfo
	next  int64  // where its last entry begins, which may go on
	begin []byte // of that entry
	last  *ending
	facts facts.LogFile
}

// ending is the last entry of a file, which is judged as it is and kept as it was.
type ending struct {
	path          string
	errors, fresh bool
	e             entry
}

// clone is a scan to go on with; the one it is of stays as it is.
func (s *logScan) clone() *logScan {
	c := *s
	c.quotes, c.backoffs, c.shape = slices.Clone(s.quotes), slices.Clone(s.backoffs), nil
	for i := range c.quotes {
		c.quotes[i].text = bytes.Clone(c.quotes[i].text)
	}
	c.matches = make(map[string]*matched, len(s.matches))
	for id, m := range s.matches {
		c.matches[id] = &matched{m.Match, bytes.Clone(m.text)}
	}
	c.shapes = make(map[string]*shapeCount, len(s.shapes))
	for shape, n := range s.shapes {
		x := *n
		c.shapes[shape] = &x
	}
	return &c
}

// with is the scan with the last entries of the files.
func (s *logScan) with(files []readFile) *logScan {
	c := s.clone()
	for _, f := range files {
		if f.last != nil {
			e := f.last.e
			e.open = true
			c.path, c.errors, c.fresh = f.last.path, f.last.errors, f.last.fresh
			c.flush(&e)
		}
	}
	return c
}

// keep remembers a look at all files that ended well.
func keep(m *gather.Memory, s *logScan, files []readFile) {
	for _, f := range files {
		if f.info == nil {
			m.Keep(memoryKey, nil)
			return
		}
	}
	if s.unread != nil || s.ahead {
		m.Keep(memoryKey, nil)
		return
	}
	m.Keep(memoryKey, &kept{s.now, zoneKey(s.now, s.zone), s, files})
}

func zoneKey(now time.Time, zone *time.Location) string {
	_, offset := now.In(zone).Zone()
	return zone.String() + " " + strconv.Itoa(offset)
}

// resume reads what was added to files since the last look. It returns nil when they are
// not the same files, or other than added to; then all is read.
func resume(ctx context.Context, env *gather.Env, dir string, groups [][]string, zone *time.Location) (*logScan, []readFile) {
	k, ok := env.Memory.Kept(memoryKey).(*kept)
	now := env.Now()
	if !ok || k.zone != zoneKey(now, zone) || now.Before(k.at) || now.Sub(k.at) > keptFor || k.scan.whole != env.WholeLines {
		return nil, nil
	}
	newest := map[string]bool{}
	present := map[string]bool{}
	for _, g := range groups {
		newest[path.Join(dir, g[0])] = true
		for _, name := range g {
			present[path.Join(dir, name)] = true
		}
	}
	for name := range newest {
		if !slices.ContainsFunc(k.files, func(f readFile) bool { return f.name == name }) {
			return nil, nil
		}
	}
	s := k.scan.clone()
	s.now = now
	maps.DeleteFunc(s.shapes, func(_ string, c *shapeCount) bool { return c.Last.Before(now.Add(-unknownWindow)) })
	files := slices.Clone(k.files)
	for i := range files {
		f := &files[i]
		if !present[f.name] || !s.readOn(ctx, env.FS, f, newest[f.name]) {
			return nil, nil
		}
	}
	// Later looks count as of the first one, so that all is read again in time.
	env.Memory.Keep(memoryKey, &kept{k.at, k.zone, s, files})
	return s, files
}

// readOn reads what was added to a file.
func (s *logScan) readOn(ctx context.Context, fsys gather.FileSystem, f *readFile, mayGrow bool) bool {
	file, err := fsys.Open(f.name)
	if err != nil {
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil, !os.SameFile(info, f.info), info.Size() < f.info.Size():
		return false
	case info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()):
		return true
	case !mayGrow, info.Size()-f.next > logTail:
		return false
	}
	seeker, ok := file.(io.Seeker)
	if !ok {
		return false
	}
	if _, err := seeker.Seek(f.next, io.SeekStart); err != nil {
		return false
	}
	begin := make([]byte, len(f.begin))
	if _, err := io.ReadFull(file, begin); err != nil || !bytes.Equal(begin, f.begin) {
		return false
	}
	s.path, s.errors, s.fresh = "/"+f.name, isErrors(f.name), f.last == nil || f.last.fresh
	n, err := s.read(ctx, io.MultiReader(bytes.NewReader(begin), io.LimitReader(file, logTail)), false)
	if err != nil || s.end == nil || s.ahead {
		return false
	}
	f.facts.Read += f.next + n - f.info.Size()
	f.facts.Bytes = info.Size()
	f.info, f.last, f.begin, f.next = info, s.end, s.begin(), f.next+s.endAt
	return true
}

// isErrors reports whether a file repeats entries of the main log.
func isErrors(name string) bool { return strings.HasPrefix(path.Base(name), "errors.") }

// begin is how the entry at the end of what was read begins.
func (s *logScan) begin() []byte {
	b, _, _ := bytes.Cut(s.end.e.text, []byte("\n"))
	return bytes.Clone(b[:min(len(b), beginBytes)])
}
