package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReportViews runs the views of Athena in DuckDB, which speaks the same SQL for them,
// over three days of hosts: ten sick from the first day, ten from the second, ten sick of
// another cause on the third, ten mended, ten that are well.
func TestReportViews(t *testing.T) {
	t.Parallel()
	if os.Getenv("DUCKDB_MODULES") == "" {
		t.Skip("NOT TRIED: set DUCKDB_MODULES to a folder in which npm installed @duckdb/node-api")
	}
	const a, b = "network-no-egress", "disk-full"
	kinds := [][3]string{{a, a, a}, {"", b, b}, {b, b, a}, {a, a, ""}, {"", "", ""}}
	var lines strings.Builder
	for host := range 50 {
		for day, cause := range kinds[host/10] {
			state, root := "managed", "null"
			if cause != "" {
				state, root = "not-managed", fmt.Sprintf(`{"id":%q,"severity":"critical"}`, cause)
			}
			fmt.Fprintf(&lines, `{"day":"2026/11/2%d","generated_at":"2026-11-2%dT09:00:00Z","state":%q,"node":{"id":"i-%017x","account":"111122223333"},"root_cause":%s}`+"\n", day+1, day+1, state, host, root)
		}
	}
	name := filepath.Join(t.TempDir(), "reports.jsonl")
	if err := os.WriteFile(name, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "node", "testdata/views.mjs", "inventory/reports.sql", name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := `2026/11/21 111122223333 disk-full 10
2026/11/21 111122223333 network-no-egress 20
2026/11/22 111122223333 disk-full 20
2026/11/22 111122223333 network-no-egress 20
2026/11/23 111122223333 disk-full 10
2026/11/23 111122223333 network-no-egress 20
30 2026/11/21 2026/11/23
`
	if !strings.HasPrefix(string(out), want) || !strings.Contains(string(out), "i-00000000000000010 disk-full 2026/11/22 2026/11/23") {
		t.Errorf("got\n%s", out)
	}
}
