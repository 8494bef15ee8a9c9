package gather

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"
)

// maxText is more than any single text of the facts may have.
const maxText = 2000

// sound fails when a value made from foreign bytes holds text that is overlong
// or could move a terminal's cursor, or when it is no JSON that reads back.
func sound(t testing.TB, v any) {
	t.Helper()
	unsound(reflect.ValueOf(v), "", func(at, s string) { t.Errorf("%s: %d bytes of text that must not be printed: %.80q", at, len(s), s) })
	b, err := json.Marshal(v)
	if err != nil {
		t.Errorf("not JSON: %v", err)
		return
	}
	back := reflect.New(reflect.TypeOf(v))
	if err := json.Unmarshal(b, back.Interface()); err != nil {
		t.Errorf("does not read back: %v", err)
		return
	}
	if again, err := json.Marshal(back.Elem().Interface()); err != nil || !bytes.Equal(b, again) {
		t.Errorf("reads back differently: %v\n%s\n%s", err, b, again)
	}
}

func unsound(v reflect.Value, at string, bad func(at, s string)) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); len(s) > maxText || !utf8.ValidString(s) || s != oneLine(s, maxText) && strings.TrimSpace(s) != "" && hasControl(s) {
			bad(at, s)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			unsound(v.Field(i), at+"."+v.Type().Field(i).Name, bad)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			unsound(v.Index(i), fmt.Sprintf("%s[%d]", at, i), bad)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			unsound(k, at+" key", bad)
			unsound(v.MapIndex(k), at+"[]", bad)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			unsound(v.Elem(), at, bad)
		}
	}
}

func hasControl(s string) bool {
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff {
			return true
		}
	}
	return false
}

// memFS is a file tree in memory for fuzz targets, without links.
type memFS struct{ fstest.MapFS }

func (m memFS) Open(name string) (fs.File, error)          { return m.MapFS.Open(clean(name)) }
func (m memFS) Stat(name string) (fs.FileInfo, error)      { return m.MapFS.Stat(clean(name)) }
func (m memFS) Lstat(name string) (fs.FileInfo, error)     { return m.MapFS.Stat(clean(name)) }
func (m memFS) ReadDir(name string) ([]fs.DirEntry, error) { return m.MapFS.ReadDir(clean(name)) }
func (m memFS) Readlink(name string) (string, error) {
	return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
}

// memEnv is a Linux host in memory, taken as the running system.
func memEnv(files map[string][]byte) *Env {
	m := memFS{fstest.MapFS{}}
	for name, b := range files {
		m.MapFS[name] = &fstest.MapFile{Data: b, Mode: 0o600}
	}
	return &Env{
		FS: m, Root: "/", Live: true, GOOS: "linux", GOARCH: "amd64", Limits: DefaultLimits(),
		Now: func() time.Time { return testNow }, Getenv: func(string) string { return "" },
	}
}

// seedFiles adds files of the fixtures, by the end of their path, as seeds.
func seedFiles(f *testing.F, ends ...string) {
	f.Helper()
	n := 0
	err := filepath.WalkDir("testdata/agent", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, end := range ends {
			if ok, _ := path.Match(end, path.Base(filepath.ToSlash(p))); !ok {
				continue
			}
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			f.Add(b[:min(len(b), 64<<10)])
			n++
		}
		return nil
	})
	if err != nil || n == 0 {
		f.Fatalf("no seed like %v: %v", ends, err)
	}
}

func add(f *testing.F, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
}

var background = context.Background()
