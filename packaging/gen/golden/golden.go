// Package golden holds committed files to what tests make of the code. A test
// that uses it is named TestGolden and more, so that `go run ./packaging/gen all`
// finds it and writes its files. Nothing but tests imports it.
package golden

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing them")

// Prefix is how the names of golden tests begin.
const Prefix = "TestGolden"

// All regenerates everything that is generated.
const All = "go run ./packaging/gen all"

// File compares a file, named from the folder of the test, with what it should
// hold; with -update it writes the file where it differs. Line ends of a
// checkout on Windows do not count.
func File(t testing.TB, name string, want []byte) {
	t.Helper()
	named(t)
	have, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err == nil && bytes.Equal(bytes.ReplaceAll(have, []byte("\r\n"), []byte("\n")), want) {
		return
	}
	switch {
	case *update:
	case err != nil:
		t.Errorf("%s is missing; %s", fromRoot(name), hint(t))
		return
	default:
		t.Errorf("%s is stale; %s\n(-committed +made)\n%s", fromRoot(name), hint(t), cmp.Diff(string(have), string(want)))
		return
	}
	if err := os.MkdirAll(filepath.Dir(filepath.FromSlash(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.FromSlash(name), want, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("golden: wrote %s", fromRoot(name))
}

// Dir compares all files of a folder that match pattern, by name. What is there
// and should not be is an error; with -update it is removed.
func Dir(t testing.TB, dir, pattern string, want map[string][]byte) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		File(t, dir+"/"+name, want[name])
	}
	have, err := filepath.Glob(filepath.Join(filepath.FromSlash(dir), pattern))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range have {
		if _, ok := want[filepath.Base(file)]; ok {
			continue
		}
		if !*update {
			t.Errorf("nothing makes %s; %s", fromRoot(file), hint(t))
			continue
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		t.Logf("golden: removed %s", fromRoot(file))
	}
}

// Differences shows many alike things, each a map from name to value, as one
// text: a line per name with the value that base has, and below it who has
// another value. So a new name is a few lines in one place. "-" stands for none.
func Differences(base string, things map[string]map[string]string) []byte {
	value := func(thing, name string) string {
		if v, ok := things[thing][name]; ok {
			return v
		}
		return "-"
	}
	names := map[string]bool{}
	for _, thing := range things {
		for name := range thing {
			names[name] = true
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s; indented: who differs from it, - is none\n", base)
	for _, thing := range slices.Sorted(maps.Keys(things)) {
		if thing != base {
			fmt.Fprintf(&b, "# %s\n", thing)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(&b, "%s %s\n", name, value(base, name))
		who := map[string][]string{}
		for _, thing := range slices.Sorted(maps.Keys(things)) {
			if v := value(thing, name); v != value(base, name) {
				who[v] = append(who[v], thing)
			}
		}
		for _, v := range slices.Sorted(maps.Keys(who)) {
			fmt.Fprintf(&b, "    %s %s\n", v, strings.Join(who[v], " "))
		}
	}
	return b.Bytes()
}

func named(t testing.TB) {
	t.Helper()
	if !strings.HasPrefix(t.Name(), Prefix) {
		t.Fatalf("rename %s to %s…: %q would not find it", t.Name(), Prefix, All)
	}
}

// hint is the command that writes the files of the test again.
func hint(t testing.TB) string {
	test, _, _ := strings.Cut(t.Name(), "/")
	return fmt.Sprintf("regenerate: go test ./%s -run '^%s$' -update (everything: %s)", fromRoot("."), test, All)
}

// fromRoot names a file from the top of the repository, or as it is given where
// that cannot be found.
func fromRoot(name string) string {
	dir, err := os.Getwd()
	if err != nil {
		return name
	}
	file := filepath.Join(dir, filepath.FromSlash(name))
	for root := dir; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			rel, err := filepath.Rel(root, file)
			if err != nil {
				return name
			}
			return filepath.ToSlash(rel)
		}
		if root == filepath.Dir(root) {
			return name
		}
	}
}
