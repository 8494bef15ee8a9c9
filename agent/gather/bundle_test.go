package gather_test

import (
	"os"
	"path/filepath"
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
)

// TestFirstBundle: the first file that can be read decides, as it does for Go; without a
// certificate in it, all certificates of the host have to be read.
func TestFirstBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing, empty, good := filepath.Join(dir, "missing"), filepath.Join(dir, "empty"), filepath.Join(dir, "good")
	if err := os.WriteFile(empty, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(good, gathertest.NewAuthority(t, "Test Root").Pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		files []string
		some  bool
	}{
		{"none", nil, false},
		{"missing", []string{missing}, false},
		{"the second", []string{missing, good}, true},
		{"one without a certificate before it", []string{empty, good}, false},
	} {
		if got := gather.FirstBundle(c.files); (got != nil) != c.some {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
