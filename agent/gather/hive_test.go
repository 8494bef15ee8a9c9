package gather_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
)

const windowsKey = `SYSTEM\CurrentControlSet\Services\AmazonSSMAgent`

func hive() []byte {
	return gathertest.Hive(map[string]map[string]any{
		"Select":                                {"Default": 2},
		`ControlSet002\Services\AmazonSSMAgent`: {"Start": 2, "ImagePath": `"%ProgramFiles%\Amazon\SSM\amazon-ssm-agent.exe"`, "ObjectName": "LocalSystem", "Environment": []string{"https_proxy=http://proxy:3128", "no_proxy=169.254.169.254"}, "FailureActions": []byte{1, 2, 3, 4, 5}},
		`ControlSet001\Services\AmazonSSMAgent`: {"Start": 4},
	})
}

func imageOf(t *testing.T, system []byte) *gather.Env {
	t.Helper()
	env, err := gather.Host(gathertest.Tree(t, map[string]string{"windows/SYSTEM32/config/SYSTEM": string(system)}))
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func TestWindowsImage(t *testing.T) {
	t.Parallel()
	env := imageOf(t, hive())
	if env.GOOS != "windows" || env.Windows == nil || env.Live {
		t.Fatalf("%s %v", env.GOOS, env.Live)
	}
	s := env.Windows.Service("AmazonSSMAgent")
	want := gather.WindowsService{State: 1, StartType: 2, Path: `"C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe"`, Account: "LocalSystem"}
	if d := cmp.Diff(want, s.Value); d != "" || !s.Known() {
		t.Error(s, d)
	}
	for name, want := range map[string][]string{"start": {"2"}, "Environment": {"https_proxy=http://proxy:3128", "no_proxy=169.254.169.254"}, "FailureActions": {"\x01\x02\x03\x04\x05"}} {
		if got := env.Windows.Strings(windowsKey, name); cmp.Diff(want, got.Value) != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := env.Windows.Strings(windowsKey, "None"); !got.Absent() {
		t.Errorf("%+v", got)
	}
	if got := env.Windows.Service("None"); !got.Absent() {
		t.Errorf("%+v", got)
	}
	for _, key := range []string{`HARDWARE\DESCRIPTION\System\BIOS`, `HKCU\Software`, `SOFTWARE\Microsoft`} {
		if got := env.Windows.Strings(key, "x"); !got.Unknown() && !got.Absent() || key[:2] != "SO" && !got.Unknown() {
			t.Errorf("%s: %+v", key, got)
		}
	}
}

// TestOddValues: what cannot be read is not absent, and no service without a start type.
func TestOddValues(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]any{"too large": make([]byte, 65<<10), "no texts": []string{}, "no number": "on"} {
		env := imageOf(t, gathertest.Hive(map[string]map[string]any{"Select": {"Default": 1}, `ControlSet001\Services\AmazonSSMAgent`: {"Start": start, "ObjectName": "LocalSystem"}}))
		if got := env.Windows.Strings(windowsKey, "Start"); got.Unknown() != (name == "too large") || got.Absent() {
			t.Errorf("%s: %+v", name, got)
		}
		if got := env.Windows.Service("AmazonSSMAgent"); !got.Unknown() {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestDamagedHives(t *testing.T) {
	t.Parallel()
	whole := hive()
	circle := bytes.Clone(whole)
	// The list of keys of the root leads to the root.
	root := binary.LittleEndian.Uint32(circle[36:])
	list := binary.LittleEndian.Uint32(circle[4096+root+4+28:])
	binary.LittleEndian.PutUint32(circle[4096+list+4+4:], root)
	unwritten := bytes.Clone(whole)
	unwritten[4]++
	for name, b := range map[string][]byte{"cut": whole[:5000], "no hive": []byte("MZ"), "empty": nil, "zeros": make([]byte, 8192), "unwritten": unwritten} {
		if got := imageOf(t, b).Windows.Service("AmazonSSMAgent"); got.Known() {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := imageOf(t, circle).Windows.Service("AmazonSSMAgent"); got.Known() && got.Value.StartType != 2 {
		t.Errorf("%+v", got)
	}
}

// FuzzHive reads damaged files of the registry.
func FuzzHive(f *testing.F) {
	f.Add(hive())
	f.Add(gathertest.Hive(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64<<10 {
			return
		}
		env := &gather.Env{FS: memory{"Windows/System32/config/SYSTEM": &fstest.MapFile{Data: b}}}
		gather.SetImage(env)
		began := time.Now()
		gathertest.Sound(t, env.Windows.Service("AmazonSSMAgent"))
		gathertest.Sound(t, env.Windows.Strings(windowsKey, "Environment"))
		_ = env.Kernel()
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("%v", d)
		}
	})
}

// memory is a tree of fuzz targets.
type memory fstest.MapFS

func (m memory) Open(name string) (fs.File, error)          { return fstest.MapFS(m).Open(name) }
func (m memory) ReadDir(name string) ([]fs.DirEntry, error) { return fstest.MapFS(m).ReadDir(name) }
func (m memory) Stat(name string) (fs.FileInfo, error)      { return fstest.MapFS(m).Stat(name) }
func (m memory) Lstat(name string) (fs.FileInfo, error)     { return fstest.MapFS(m).Stat(name) }
func (m memory) Readlink(name string) (string, error)       { return "", fs.ErrInvalid }
