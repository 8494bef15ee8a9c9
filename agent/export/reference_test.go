package export

import (
	"strings"
	"testing"

	"ssm-doctor/packaging/gen/golden"
)

// The page in the documentation is the one that the program makes.
func TestGoldenReference(t *testing.T) {
	t.Parallel()
	page := Reference()
	golden.File(t, "../../packaging/docs/metrics.md", []byte(page))
	for _, f := range families {
		if strings.Count(page, "| `"+f.name+"` |") != 1 {
			t.Errorf("%s has no row", f.name)
		}
	}
}
