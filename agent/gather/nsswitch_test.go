package gather

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNameSources(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"passwd: files\nhosts: files dns\n", []string{"files", "dns"}},
		{"hosts:\tfiles mdns4_minimal [NOTFOUND=return] dns # as Debian has it\n", []string{"files", "mdns4_minimal", "dns"}},
		{"  hosts: files[SUCCESS=return NOTFOUND=continue]DNS", []string{"files", "dns"}},
		{"#hosts: files dns\nhosts: files", []string{"files"}},
		{"hosts: files\nhosts: dns\n", []string{"files"}},
		{"hosts: # none", nil},
		{"passwd: files dns\n", nil},
		{"", nil},
	} {
		if diff := cmp.Diff(tt.want, NameSources([]byte(tt.in))); diff != "" {
			t.Errorf("%q: %s", tt.in, diff)
		}
	}
}

func FuzzNameSources(f *testing.F) {
	f.Add([]byte("hosts: files [NOTFOUND=return] dns"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list := NameSources(b)
		if len(list) > maxSources {
			t.Errorf("%d sources", len(list))
		}
		for _, s := range list {
			if s == "" || strings.ContainsAny(s, " \t\n#") {
				t.Errorf("source %q of %q", s, b)
			}
		}
	})
}
