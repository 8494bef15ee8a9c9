package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorder is a test that fails without failing this one.
type recorder struct {
	testing.TB
	name, said string
}

func (r *recorder) Helper()      {}
func (r *recorder) Name() string { return r.name }
func (r *recorder) Errorf(format string, args ...any) {
	r.said += fmt.Sprintf(format, args...)
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r)
}

func TestStaleFilesNameTheirCommand(t *testing.T) {
	t.Parallel()
	const command = "go test ./packaging/gen/golden -run '^TestGoldenPages$' -update"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.md"), []byte("old\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(wd, dir)
	if err != nil {
		t.Skipf("the temporary folder is on another volume: %v", err)
	}
	for _, c := range []struct {
		name string
		want map[string][]byte
		says []string
	}{
		{"current", map[string][]byte{"a.md": []byte("old\n")}, nil},
		{"stale", map[string][]byte{"a.md": []byte("new\n")}, []string{"a.md is stale", command, All, "new"}},
		{"missing", map[string][]byte{"a.md": []byte("old\n"), "b.md": []byte("new\n")}, []string{"b.md is missing", command}},
		{"left over", nil, []string{"nothing makes", "a.md", command}},
	} {
		r := &recorder{TB: t, name: "TestGoldenPages/part"}
		Dir(r, filepath.ToSlash(rel), "*.md", c.want)
		if (r.said == "") != (c.says == nil) {
			t.Errorf("%s: says %q", c.name, r.said)
		}
		for _, s := range c.says {
			if !strings.Contains(r.said, s) {
				t.Errorf("%s: %q is not in %q", c.name, s, r.said)
			}
		}
	}
}

// A golden test of another name would not be run by All.
func TestOtherNamesAreRefused(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t, name: "TestPages"}
	defer func() {
		if recover() == nil || !strings.Contains(r.said, Prefix) {
			t.Errorf("says %q", r.said)
		}
	}()
	File(r, "golden.go", nil)
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	got := Differences("whole", map[string]map[string]string{
		"whole": {"a": "1", "b": "2", "c": "3"},
		"one":   {"a": "1", "b": "5"},
		"two":   {"a": "1", "b": "5", "c": "3", "d": "4"},
	})
	want := `# whole; indented: who differs from it, - is none
# one
# two
a 1
b 2
    5 one two
c 3
    - one
d -
    4 two
`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
}
