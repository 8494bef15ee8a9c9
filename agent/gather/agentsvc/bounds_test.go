package agentsvc

import (
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"ssm-doctor/agent/gather"
)

// counting counts how often a file is opened.
type counting struct {
	fstest.MapFS
	opened map[string]int
}

func (c counting) Open(name string) (fs.File, error) {
	c.opened[name]++
	return c.MapFS.Open(name)
}

func (c counting) Lstat(name string) (fs.FileInfo, error)  { return c.MapFS.Lstat(name) }
func (c counting) Readlink(name string) (string, error)    { return c.MapFS.ReadLink(name) }
func (c counting) ReadDir(n string) ([]fs.DirEntry, error) { return c.MapFS.ReadDir(n) }

var _ gather.FileSystem = counting{}

// TestUnitsOfManyFiles: what many drop-ins name is read once, and a line that goes on
// and on takes little.
func TestUnitsOfManyFiles(t *testing.T) {
	const dir = "etc/systemd/system/amazon-ssm-agent.service"
	fsys := counting{fstest.MapFS{
		dir:       {Data: []byte("[Service]\n" + strings.Repeat("Environment=A=b\\\n", 60_000))},
		"etc/env": {Data: []byte(strings.Repeat("HTTPS_PROXY=http://u:p@h\n", 30_000))},
	}, map[string]int{}}
	for i := range 3000 {
		fsys.MapFS[fmt.Sprintf("%s.d/%04d.conf", dir, i)] = &fstest.MapFile{Data: []byte("[Service]\nEnvironmentFile=/etc/env\nEnvironmentFile=/etc/missing\n")}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	e := unitEnvironment(fsys)
	runtime.ReadMemStats(&after)
	if n := fsys.opened["etc/env"]; n != 1 {
		t.Errorf("the file of the environment was read %d times", n)
	}
	if e.Vars["HTTPS_PROXY"] != "http://u:p@h" || e.Vars["A"] != "b" {
		t.Errorf("read %v", e.Vars)
	}
	if grew := after.TotalAlloc - before.TotalAlloc; grew > 32<<20 {
		t.Errorf("allocated %d MiB", grew>>20)
	}
}

// TestUnsetEnvironment: what a unit takes away is not set, whatever sets it.
func TestUnsetEnvironment(t *testing.T) {
	t.Parallel()
	const unit = "etc/systemd/system/amazon-ssm-agent.service"
	for drop, want := range map[string]string{
		"UnsetEnvironment=A B": "", "UnsetEnvironment=A=1": "b", "UnsetEnvironment=A=2 C": "1b", "UnsetEnvironment=A\nUnsetEnvironment=": "1b", "UnsetEnvironment=A\nEnvironment=\"A=\"": "b", "Environment=\"A=\"": "b",
	} {
		e := unitEnvironment(counting{fstest.MapFS{
			unit:                  {Data: []byte("[Service]\nEnvironment=A=1\nEnvironmentFile=/etc/env\n")},
			"etc/env":             {Data: []byte("B=b\n")},
			unit + ".d/zz-a.conf": {Data: []byte("[Service]\n" + drop + "\n")},
		}, map[string]int{}})
		if got := e.Vars["A"] + e.Vars["B"]; got != want {
			t.Errorf("%q: %q, want %q", drop, got, want)
		}
	}
}

func TestContinuedLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"[Service]\nA=1 \\\n 2\\\n\t3\nB=4": "A=1  2 3|B=4", "[Service]\nA=1\\\n# no comment\nB=2": "A=1 # no comment|B=2", "[Service]\nA=1\\": "", "[Unit]\nA=1\\\n[Service]\nB=2\n[Service]\nC=3": "C=3",
		"[Service]\n\\\nA=1": "A=1", "# x \\\n[Service]\nA=1": "A=1",
	} {
		var got []string
		for _, kv := range unitValues([]byte(text), "Service") {
			got = append(got, kv[0]+"="+kv[1])
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
