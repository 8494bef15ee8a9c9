package gather

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"

	"ssm-doctor/checks/facts"
)

// maxSmall bounds files that are small on every real host.
const maxSmall = 1 << 20

// readFile reads a whole file of at most limit bytes, else ErrTooLarge.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(clean(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := int64(0)
	if fi, err := f.Stat(); err == nil {
		if fi.IsDir() {
			return nil, pathError("read", name, ErrNotAFile)
		}
		if size = fi.Size(); size > limit {
			return nil, pathError("read", name, ErrTooLarge)
		}
	}
	// Files of /proc have no size, so read until the end.
	var b bytes.Buffer
	b.Grow(int(size) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(f, limit+1))
	if err != nil {
		return b.Bytes(), pathError("read", name, err)
	}
	if n > limit {
		return nil, pathError("read", name, ErrTooLarge)
	}
	return b.Bytes(), nil
}

// readText is readFile for a small file, trimmed.
func readText(fsys fs.FS, name string) (string, error) {
	b, err := readFile(fsys, name, maxSmall)
	return strings.TrimSpace(string(b)), err
}

// denied is an error when a file may not be read by this user.
func denied(fsys fs.FS, name string) error {
	f, err := fsys.Open(clean(name))
	if err == nil {
		return f.Close()
	}
	if errors.Is(err, fs.ErrPermission) {
		return errors.New(why(err) + ": /" + clean(name))
	}
	return nil
}

// missing reports whether an error means that the thing does not exist.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) || isNotDir(err) }

// fileURL names a file in a fact; the name may come from another file.
func fileURL(name string) string { return "file:/" + oneLine(clean(name), 500) }

// unseen turns an error into absent or unknown.
func unseen[T any](err error, name string) facts.Seen[T] {
	if missing(err) {
		return facts.Absent[T]("no such file", fileURL(name))
	}
	return facts.Unknown[T](why(err), fileURL(name))
}

// why is an error's text for a fact: one printable line of bounded length.
func why(err error) string { return oneLine(reason(err).Error(), 300) }

// oneLine makes text printable: line ends and tabs become spaces, other
// control characters, direction marks and broken UTF-8 become escapes; at most
// about limit bytes.
func oneLine(s string, limit int) string {
	var b strings.Builder
	space := false
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		w := s[i : i+n]
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == ' ':
			w = " "
			if space {
				w = ""
			}
			space = true
		case r == utf8.RuneError && n == 1:
			w, space = fmt.Sprintf(`\x%02x`, s[i]), false
		case r < 0x20 || r == 0x7f:
			w, space = fmt.Sprintf(`\x%02x`, r), false
		case r >= 0x80 && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff:
			w, space = fmt.Sprintf(`\u%04x`, r), false
		default:
			space = false
		}
		if b.Len()+len(w) > limit {
			b.WriteString("…")
			break
		}
		b.WriteString(w)
		i += n
	}
	return strings.TrimSpace(b.String())
}

// saneTime is t in UTC, or the zero time where its year cannot be that of a
// file's content; facts are written as JSON, which knows no others.
func saneTime(t time.Time) time.Time {
	if y := t.Year(); y <= 1 || y > 9998 {
		return time.Time{}
	}
	return t.UTC()
}

// exists reports whether a name is there, links followed.
func exists(fsys fs.StatFS, name string) bool {
	_, err := fsys.Stat(clean(name))
	return err == nil
}

// modTime is a file's modification time in UTC; zero when unknown.
func modTime(fsys fs.StatFS, name string) time.Time {
	fi, err := fsys.Stat(clean(name))
	if err != nil {
		return time.Time{}
	}
	return saneTime(fi.ModTime())
}

// lines calls fn for every line without its end; fn returns false to stop.
func lines(b []byte, fn func(line []byte) bool) {
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if !fn(bytes.TrimSuffix(line, []byte("\r"))) {
			return
		}
	}
}

// notLive says why a fact of the running system is not known.
const notLive = "the examined root is not that of the running system"
