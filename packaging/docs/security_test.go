package docs

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPage: the settings that SECURITY.md tells of the unit are in the unit, and
// the modules that it lists are those that are required, but for tests.
func TestSecurityPage(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	page, unit, mod := read("../../SECURITY.md"), read("../systemd/ssm-doctor.service"), read("../../go.mod")
	_, sandbox, ok := strings.Cut(page, "## The sandbox of the service")
	sandbox, dependencies, both := strings.Cut(sandbox, "## Dependencies")
	if !ok || !both {
		t.Fatal("SECURITY.md has other sections")
	}
	settings := 0
	for line := range strings.SplitSeq(sandbox, "\n") {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !strings.HasPrefix(line, "| `") || strings.HasPrefix(line, "| `ptrace.conf`") {
			continue
		}
		for _, m := range regexp.MustCompile("`([A-Z][A-Za-z]+)(=[^`]*|…)?`").FindAllStringSubmatch(first, -1) {
			settings++
			if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(m[1]+strings.TrimSuffix(m[2], "…"))).MatchString(unit) {
				t.Errorf("the unit has no %s%s", m[1], m[2])
			}
		}
	}
	if settings < 30 {
		t.Errorf("%d settings", settings)
	}
	direct, _, _ := strings.Cut(mod, "// indirect")
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(direct, -1) {
		name := regexp.MustCompile(`/v\d+$`).ReplaceAllString(m[1], "")
		parts := strings.Split(name, "/")
		if !strings.Contains(dependencies, parts[len(parts)-1]) && !strings.Contains(dependencies, name) {
			t.Errorf("%s is not listed", m[1])
		}
	}
}
