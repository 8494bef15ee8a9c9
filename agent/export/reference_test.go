package export

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The page in the documentation is the one that the program makes.
func TestReference(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "packaging", "docs", "metrics.md")
	if *update {
		if err := os.WriteFile(file, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(b), Reference()); d != "" {
		t.Errorf("packaging/docs/metrics.md is stale; go test ./agent/export -update: %s", d)
	}
	for _, f := range families {
		if strings.Count(string(b), "| `"+f.name+"` |") != 1 {
			t.Errorf("%s has no row", f.name)
		}
	}
}
