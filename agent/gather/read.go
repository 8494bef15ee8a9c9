package gather

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"

	"ssm-doctor/checks/facts"
)

// MaxSmall bounds files that are small on every real host.
const MaxSmall = 1 << 20

// ReadFile reads a whole file of at most limit bytes, else ErrTooLarge.
func ReadFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(Clean(name))
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

// ReadText is ReadFile for a small file, trimmed.
func ReadText(fsys fs.FS, name string) (string, error) {
	b, err := ReadFile(fsys, name, MaxSmall)
	return strings.TrimSpace(string(b)), err
}

// Denied is an error when a file may not be read by this user.
func Denied(fsys fs.FS, name string) error {
	f, err := fsys.Open(Clean(name))
	if err == nil {
		return f.Close()
	}
	if errors.Is(err, fs.ErrPermission) {
		return errors.New(Why(err) + ": /" + Clean(name))
	}
	return nil
}

// IsFolder reports whether a file could not be read since a folder stands in its place.
func IsFolder(fsys FileSystem, name string, err error) bool {
	if !errors.Is(err, ErrNotAFile) {
		return false
	}
	fi, err := fsys.Stat(Clean(name))
	return err == nil && fi.IsDir()
}

// Missing reports whether an error means that the thing does not exist.
func Missing(err error) bool { return errors.Is(err, fs.ErrNotExist) || isNotDir(err) }

// FileURL names a file in a fact; the name may come from another file.
func FileURL(name string) string { return "file:/" + OneLine(Clean(name), 500) }

// Unseen turns an error into absent or unknown.
func Unseen[T any](err error, name string) facts.Seen[T] {
	if Missing(err) {
		return facts.Absent[T]("no such file", FileURL(name))
	}
	return Unknown[T](err, FileURL(name))
}

// Unknown says that an error kept a thing from being seen.
func Unknown[T any](err error, from string) facts.Seen[T] {
	return facts.Unknown[T](Why(err), from).Because(Obstacle(err))
}

// Partly is a list of which an error hid a part; without one it is known.
func Partly[T any](list []T, err error, from string) facts.Seen[[]T] {
	if list == nil {
		list = []T{}
	}
	if err == nil {
		return facts.Known(list, from)
	}
	return facts.Partly(list, Why(err), from).Because(Obstacle(err))
}

// Likewise says of one thing that it is absent or unknown for the reason for which
// another is.
func Likewise[T, U any](other facts.Seen[U]) facts.Seen[T] {
	return facts.Seen[T]{Mark: facts.Mark{State: other.State, Why: other.Reason(), Code: other.Code, From: other.From}}
}

// NotAskable says that a thing cannot be asked here.
func NotAskable[T any](why, from string) facts.Seen[T] {
	return facts.Unknown[T](why, from).Because(facts.NotAskable)
}

// Obstacle is the kind of an error: whether root rights would remove it.
func Obstacle(err error) facts.Reason {
	if _, ok := errors.AsType[rootNeeded](err); ok {
		return facts.NeedsRoot
	}
	return ""
}

// Why is an error's text for a fact: one printable line of bounded length.
func Why(err error) string { return OneLine(reason(err).Error(), 300) }

// OneLine makes text printable: line ends and tabs become spaces, other
// control characters, direction marks and broken UTF-8 become escapes; at most
// about limit bytes.
func OneLine(s string, limit int) string {
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

// SaneTime is t in UTC, or the zero time where its year cannot be that of a
// file's content; facts are written as JSON, which knows no others.
func SaneTime(t time.Time) time.Time {
	if y := t.Year(); y <= 1 || y > 9998 {
		return time.Time{}
	}
	return t.UTC()
}

// Exists reports whether a name is there, links followed.
func Exists(fsys fs.StatFS, name string) bool {
	_, err := fsys.Stat(Clean(name))
	return err == nil
}

// ModTime is a file's modification time in UTC; zero when unknown.
func ModTime(fsys fs.StatFS, name string) time.Time {
	fi, err := fsys.Stat(Clean(name))
	if err != nil {
		return time.Time{}
	}
	return SaneTime(fi.ModTime())
}

// Lines calls fn for every line without its end; fn returns false to stop.
func Lines(b []byte, fn func(line []byte) bool) {
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

// NotLive says why a fact of the running system is not known.
const NotLive = "the examined root is not that of the running system"

// JSONError is the text of a JSON error without values of the file.
func JSONError(err error) string {
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%s of the wrong type (%s)", te.Field, strings.Fields(te.Value + " ?")[0])
	}
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("not JSON at byte %d", se.Offset)
	}
	return "not JSON"
}

// ReadTail is the end of a file in whole lines, at most limit bytes.
func ReadTail(fsys FileSystem, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cut := false
	if fi, err := f.Stat(); err == nil && fi.Size() > limit {
		s, ok := f.(io.Seeker)
		if !ok {
			return nil, ErrTooLarge
		}
		if _, err := s.Seek(-limit, io.SeekEnd); err != nil {
			return nil, err
		}
		cut = true
	}
	b, err := io.ReadAll(io.LimitReader(f, limit))
	if cut {
		b = b[bytes.IndexByte(b, '\n')+1:]
	}
	return b, err
}
