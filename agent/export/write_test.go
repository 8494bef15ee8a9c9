package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/text"
)

func TestOpenMetrics(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := Write(&b, whole(), Options{}, true); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(b.String(), "# EOF\n") || !strings.Contains(b.String(), "# TYPE ssm_doctor_runs counter\n") {
		t.Errorf("not OpenMetrics: %.200s", b.String())
	}
}

func TestWriteTextfile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "ssm-doctor.prom")
	for range 2 { // the second replaces the first
		if err := WriteTextfile(name, OneRun(full()), Options{}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(b)) {
		if l = strings.TrimPrefix(strings.TrimPrefix(l, "# HELP "), "# TYPE "); !strings.HasPrefix(l, "ssm_doctor_") {
			t.Errorf("not ours: %s", l)
		}
	}
	if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("left behind: %v", list)
	}
}

func TestWriteTextfileRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dir.prom"), 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"", ".", "/", "a.txt", ".prom", ".hidden.prom", "dir.prom", "a.prom/", "a.prom "}
	if runtime.GOOS != "windows" {
		if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link.prom")); err != nil {
			t.Fatal(err)
		}
		names = append(names, "link.prom")
	}
	for _, n := range names {
		err := WriteTextfile(dir+"/"+n, OneRun(full()), Options{})
		if n == "a.prom/" { // the path of a file that does not exist
			if err == nil {
				t.Errorf("%q was written", n)
			}
			continue
		}
		if !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", n, err)
		}
	}
	if err := WriteTextfile(filepath.Join(dir, "missing", "a.prom"), OneRun(full()), Options{}); err == nil || errors.Is(err, ErrName) {
		t.Errorf("missing folder: %v", err)
	}
}

func TestInventory(t *testing.T) {
	t.Parallel()
	r := full()
	r.Summary = text.Plain(strings.Repeat("ü", 5000))
	r.Credentials.Role = "SecretRoleName"
	r.RootCause.Fix = []report.Step{{Text: text.New("Grant it to the role %s in %s", "SecretRoleName\x1b[31m", "111122223333")}}
	dir := t.TempDir()
	if err := WriteInventory(filepath.Join(dir, "none"), r); err == nil {
		t.Error("a folder that is not there was written to")
	}
	if err := WriteInventory(dir, r); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, InventoryFile))
	if err != nil {
		t.Fatal(err)
	}
	var item struct {
		SchemaVersion, TypeName string
		Content                 map[string]string
	}
	if err := json.Unmarshal(b, &item); err != nil {
		t.Fatalf("not an object of strings: %v", err)
	}
	if !regexp.MustCompile(`^([0-9]{1,6})(\.[0-9]{1,6})$`).MatchString(item.SchemaVersion) || !strings.HasPrefix(item.TypeName, "Custom:") || len(item.TypeName) > 100 {
		t.Errorf("%q %q", item.SchemaVersion, item.TypeName)
	}
	if len(item.Content) == 0 || len(item.Content) > 50 {
		t.Errorf("%d attributes", len(item.Content))
	}
	for k, v := range item.Content {
		if len(k) < 1 || len(k) > 64 || len(v) > 4096 || !utf8.ValidString(v) || strings.Contains(v, "SecretRoleName") || strings.Contains(v, "111122223333") || strings.Contains(v, "\x1b") {
			t.Errorf("%s: %.100q", k, v)
		}
	}
	if item.Content["Cause"] != "clock-skew" || item.Content["State"] != report.Degraded {
		t.Errorf("%v", item.Content)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("left behind: %v", list)
	}
	for range 2 {
		if err := RemoveInventory(dir); err != nil {
			t.Error(err)
		}
	}
	if err := WriteInventory(dir, r); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.json", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteInventory(dir, r); !errors.Is(err, ErrInventoryFull) {
		t.Errorf("the 21st file: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, InventoryFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ours is one too many and stays: %v", err)
	}
}
