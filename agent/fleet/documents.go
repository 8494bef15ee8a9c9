// Package fleet is about many hosts: it reads their reports as they come, groups them
// by cause and circumstance, and finds what the sick ones share and the healthy lack.
package fleet

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// Bounds of what is read: hosts, and whoever can write to a bucket, send as much as they like.
const (
	MaxDocument = facts.MaxFileBytes // of one report; real ones are some 30 kB
	maxDepth    = 200                // of braces in one report
	maxNesting  = 4                  // archives in archives
	maxUnpacked = 16 << 30           // bytes of one input, archives unpacked
	maxUTF16    = 64 << 20           // of a file in UTF-16, which is turned as a whole
)

// Document is one JSON object of an input, or why there is none.
type Document struct {
	Name string // of the input it stood in
	Host string // node id that the name or the wrapping of the input tells; may be empty
	Body []byte
	Err  error // Body is what there was of it
}

// What can be wrong with an input.
var (
	errTooLarge  = fmt.Errorf("larger than %d bytes", MaxDocument)
	errCut       = errors.New("cut short")
	errTooDeep   = errors.New("nested too deeply")
	errNoReports = errors.New("no report in it")
)

// reNodeID finds the id of a node in a name: Run Command puts its output into folders
// called after them.
var reNodeID = pattern.New(`\b(?:i-(?:[0-9a-f]{17}|[0-9a-f]{8})|mi-[0-9a-f]{17})\b`)

// Documents yields the JSON objects of an input, however it is packed: JSON lines,
// indented JSON, an array, text with JSON in it, tar, gzip. What is damaged is yielded
// with an error, and reading goes on behind it. It ends early when yield returns false.
func Documents(name string, r io.Reader, yield func(Document) bool) error {
	d := &documents{yield: yield, left: maxUnpacked}
	err := d.read(name, r, 0)
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

var errEnough = errors.New("enough")

type documents struct {
	yield func(Document) bool
	left  int64 // bytes that archives may still give: few packed ones make many
}

// unpacked is what comes out of an archive.
type unpacked struct {
	r io.Reader
	d *documents
}

var errUnpacked = fmt.Errorf("more than %d bytes, unpacked", int64(maxUnpacked))

func (u unpacked) Read(p []byte) (int, error) {
	if u.d.left <= 0 {
		return 0, errUnpacked
	}
	n, err := u.r.Read(p)
	u.d.left -= int64(n)
	return n, err
}

func (d *documents) give(doc Document) error {
	if !d.yield(doc) {
		return errEnough
	}
	return nil
}

func (d *documents) read(name string, r io.Reader, nested int) error {
	if nested > maxNesting {
		return d.give(Document{Name: name, Err: errors.New("archives nested too deeply")})
	}
	b := bufio.NewReaderSize(r, 64<<10)
	head, _ := b.Peek(512)
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(b)
		if err != nil {
			return d.give(Document{Name: name, Err: err})
		}
		return d.read(name, unpacked{z, d}, nested+1)
	case len(head) > 262 && string(head[257:262]) == "ustar":
		return d.readTar(name, tar.NewReader(b), nested)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		all, err := io.ReadAll(io.LimitReader(b, maxUTF16))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		return d.readObjects(name, bufio.NewReader(bytes.NewReader(fromUTF16(all))))
	}
	return d.readObjects(name, b)
}

// holdsNone are files of a bundle beside the facts.
var holdsNone = map[string]bool{".txt": true, ".html": true, ".log": true}

func (d *documents) readTar(name string, t *tar.Reader, nested int) error {
	judged := "" // folder whose report was read: the facts beside it tell the same host again
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return d.give(Document{Name: name, Err: fmt.Errorf("damaged archive: %w", err)})
		case d.left <= 0:
			return d.give(Document{Name: name, Err: errUnpacked})
		case sparse(h): // a kilobyte of it may claim to be an exabyte
			if err := d.give(Document{Name: name + ":" + h.Name, Err: errors.New("a file with holes")}); err != nil {
				return err
			}
			continue
		case h.Typeflag != tar.TypeReg, holdsNone[path.Ext(h.Name)]:
			continue
		}
		switch dir, base := path.Split(h.Name); {
		case base == "report.json":
			judged = dir
		case base == "facts.json" && judged == dir && dir != "":
			continue
		}
		if err := d.read(name+":"+h.Name, unpacked{t, d}, nested+1); err != nil {
			return err
		}
	}
}

// sparse reports whether a file of an archive has holes, which take no room in it.
func sparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

func (d *documents) readObjects(name string, b *bufio.Reader) error {
	o, host, any := objects{r: b}, reNodeID.FindString(name), false
	for {
		body, err := o.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if body == nil && !errors.Is(err, errTooLarge) && !errors.Is(err, errTooDeep) && err != nil {
			return d.give(Document{Name: name, Host: host, Err: err})
		}
		any = true
		if err := d.give(Document{Name: name, Host: host, Body: body, Err: err}); err != nil {
			return err
		}
	}
	if !any && path.Base(name) != "stderr" {
		return d.give(Document{Name: name, Host: host, Err: errNoReports})
	}
	return nil
}

// objects cuts a stream into JSON objects. Text between them is passed over. A brace at
// the begin of a line begins an object, and so ends one that was cut short before it.
type objects struct {
	r       *bufio.Reader
	pending bool // the brace that begins the next object was read
}

func (o *objects) next() ([]byte, error) {
	for !o.pending {
		chunk, err := o.chunk()
		if err != nil {
			return nil, err
		}
		at := bytes.IndexByte(chunk, '{')
		o.pending = at >= 0
		if at < 0 {
			at = len(chunk) - 1
		}
		_, _ = o.r.Discard(at + 1)
	}
	o.pending = false
	s := objectScan{depth: 1}
	doc := append(make([]byte, 0, 32<<10), '{')
	var failed error
	for {
		chunk, err := o.chunk()
		if errors.Is(err, io.EOF) {
			return doc, errCut
		}
		if err != nil {
			return nil, err
		}
		n, end := s.scan(chunk)
		take := chunk[:n]
		if end == cutHere { // the byte that shows it is no part of the object
			take = chunk[:n-1]
		}
		if room := MaxDocument - len(doc); len(take) > room {
			take, failed = take[:room], errTooLarge
		}
		doc = append(doc, take...)
		if s.deepest > maxDepth && failed == nil {
			failed = errTooDeep
		}
		o.pending = end == cutHere && chunk[n-1] == '{'
		_, _ = o.r.Discard(n)
		switch end {
		case cutHere:
			return doc, errCut
		case endsHere:
			return doc, failed
		}
	}
}

// chunk is what the reader holds, at least one byte.
func (o *objects) chunk() ([]byte, error) {
	if _, err := o.r.Peek(1); err != nil {
		return nil, err
	}
	return o.r.Peek(o.r.Buffered())
}

// objectScan is where in an object a stream stands.
type objectScan struct {
	depth, deepest             int
	quoted, escaped, lineStart bool
}

const (
	goesOn = iota
	endsHere
	cutHere
)

// scan reads on and tells how many bytes it read and whether the object ended with the last.
func (s *objectScan) scan(b []byte) (n, end int) {
	for i, c := range b {
		if s.lineStart && c == '{' || s.quoted && c == '\n' {
			return i + 1, cutHere
		}
		s.lineStart = false
		switch {
		case s.quoted:
			switch {
			case s.escaped:
				s.escaped = false
			case c == '\\':
				s.escaped = true
			case c == '"':
				s.quoted = false
			}
		case c == '"':
			s.quoted = true
		case c == '\n':
			s.lineStart = true
		case c == '{' || c == '[':
			s.depth++
			s.deepest = max(s.deepest, s.depth)
		case c == '}' || c == ']':
			if s.depth--; s.depth == 0 {
				return i + 1, endsHere
			}
		}
	}
	return len(b), goesOn
}

func fromUTF16(b []byte) []byte {
	big := b[0] == 0xfe
	units := make([]uint16, 0, len(b)/2)
	for i := 2; i+1 < len(b); i += 2 {
		u := uint16(b[i]) | uint16(b[i+1])<<8
		if big {
			u = u<<8 | u>>8
		}
		units = append(units, u)
	}
	var out []byte
	for _, r := range utf16.Decode(units) {
		out = utf8.AppendRune(out, r)
	}
	return out
}
