package recorded

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentlog"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/agent/gather/install"
	"ssm-doctor/agent/gather/opsys"
	"ssm-doctor/agent/gather/registration"
	"ssm-doctor/agent/gather/work"
	"ssm-doctor/checks/facts"
)

var sources = []gather.Source{opsys.Source{}, install.Source{}, registration.Source{}, registration.Credentials{}, agentlog.Source{}, install.Uses{}, work.Source{}}

func plain(s string) string { return s }

// read writes a recording and reads it.
func read(t *testing.T, r *Recording) *Recording {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestWindows: what Windows answered is what its recording answers.
func TestWindows(t *testing.T) {
	t.Parallel()
	const service = `SYSTEM\CurrentControlSet\Services\AmazonSSMAgent`
	w := &gathertest.Windows{
		Service: facts.Known(gather.WindowsService{State: 4, StartType: 2, PID: 810, Path: `"C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe" -p hunter2`, Account: "LocalSystem"}, "scm"),
		Registry: map[string][]string{service + "|Version": {"3.3.3050.0"}, service + "|Environment": {"https_proxy=http://user:hunter2@proxy.corp:3128", "APP=hunter2"},
			`SYSTEM\CurrentControlSet\Control\Session Manager\Environment|APP`: {"hunter2"}},
		Ps: []facts.Process{{PID: 810, Exe: `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`}},
	}
	host := gathertest.WindowsEnv(t, w, map[string]string{"Windows/System32/drivers/etc/hosts": "10.0.0.1 ssm.eu-west-1.amazonaws.com # hunter2\n"}, map[string]string{"SystemDrive": "C:"})
	env, recorder := Record(host)
	want := gathertest.Gather(t, env, sources...)
	r := recorder.Recording(plain, false)
	b, err := json.Marshal(r)
	if err != nil || strings.Contains(string(b), "hunter2") {
		t.Errorf("%v: a secret in %s", err, b)
	}
	got := gathertest.Gather(t, read(t, r).Env(), sources...)
	if d := cmp.Diff(want.Agent.Units.Value[0].Exec, got.Agent.Units.Value[0].Exec); d != "" {
		t.Error(d)
	}
	for _, x := range []struct{ want, got any }{{want.Agent.Processes, got.Agent.Processes}, {want.Agent.Installed, got.Agent.Installed}, {want.Host.Defaults, got.Host.Defaults}} {
		if d := cmp.Diff(x.want, x.got); d != "" {
			t.Error(d)
		}
	}
	if p := got.Agent.ServiceProxy.Value; p.HTTPS != "http://proxy.corp:3128" {
		t.Errorf("%+v", p)
	}
}

// TestNotAsked: what a recording does not hold is unknown, not absent.
func TestNotAsked(t *testing.T) {
	t.Parallel()
	env := (&Recording{Schema: Schema, At: gathertest.Now, GOOS: "linux", Live: true, Files: []File{{Path: "etc/here", Kept: "its content is not recorded", Stat: &Info{}}}}).Env()
	for _, name := range []string{"etc/missing", "etc/here"} {
		if _, err := env.FS.Open(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := env.FS.ReadDir("etc"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := env.Exec(t.Context(), "nft"); err == nil || errors.Is(err, gather.ErrNoProgram) {
		t.Error(err)
	}
	if _, err := env.StatFS("/"); err == nil {
		t.Error("a volume that was not asked for")
	}
	f := &facts.Facts{}
	for _, s := range sources {
		_ = s.Gather(t.Context(), env.Begin(), f) // it may find nothing at all
	}
	if f.Agent.Installations.Known() || f.Agent.Processes.Known() || f.Host.Firewall.Absent() {
		t.Errorf("%+v", f.Agent)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, err := range []error{fs.ErrNotExist, fs.ErrPermission, gather.ErrNoProgram, gather.ErrTooLarge, gather.ErrLinkLoop, gather.ErrNotAFile} {
		if got := errorFor(wordFor(err)); !errors.Is(got, err) {
			t.Errorf("%v becomes %v", err, got)
		}
	}
	if got := errorFor(wordFor(errors.New("x"))); got == nil || got.Error() != "x" {
		t.Error(got)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "[]", "{}", `{"schema":"ssm-doctor/recording/v2","at":"2026-01-01T00:00:00Z","goos":"linux"}`, `{"schema":"ssm-doctor/recording/v1","goos":"linux"}`, `{"schema":"ssm-doctor/recording/v1","at":"2026-01-01T00:00:00Z","goos":"plan9"}`} {
		if _, err := Read([]byte(s)); err == nil {
			t.Errorf("%q is read", s)
		}
	}
}

// TestOutputs: of what programs print the lines are kept that are understood.
func TestOutputs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, in, want string }{
		{"ps -axo x", "   77     1     0 Sun Nov 22 09:10:22 2026 /opt/aws/ssm/bin/amazon-ssm-agent\n   80     1   501 Sun Nov 22 09:10:24 2026 /Applications/Secret App.app/x\n", "   77     1     0 Sun Nov 22 09:10:22 2026 /opt/aws/ssm/bin/amazon-ssm-agent\n"},
		{"launchctl print system/x", "system/com.amazon.aws.ssm = {\n\tstate = running\n\tenvironment = {\n\t\tTOKEN => x\n\t}\n\truns = 3\n}\n", "system/com.amazon.aws.ssm = {\n\tstate = running\n\truns = 3\n}\n"},
		{"pfctl -a * -s rules", "block drop out all label \"hunter2\"\nnat on en0\n", "block drop out all\n"},
		{"scutil --proxy", "<dictionary> {\n  HTTPSEnable : 1\n  HTTPSPort : 3128\n  HTTPSProxy : proxy.corp\n  HTTPSUser : bob\n}\n", "<dictionary> {\n  HTTPEnable : 0\n  HTTPSEnable : 1\n  HTTPSPort : 3128\n  HTTPSProxy : proxy.corp\n}\n"},
		{"systemctl show", "Id=x.service\nEnvironment=TOKEN=x\nExecStart={ path=/usr/bin/amazon-ssm-agent ; argv[]=/usr/bin/amazon-ssm-agent -p x ; }\n", "Id=x.service\nExecStart={ path=/usr/bin/amazon-ssm-agent\n"},
	} {
		got, ok := output(strings.Fields(c.line), c.in)
		a, b := strings.Split(got, "\n"), strings.Split(c.want, "\n")
		slices.Sort(a)
		slices.Sort(b)
		if d := cmp.Diff(a, b); !ok || d != "" {
			t.Errorf("%s: %v %s", c.line, ok, d)
		}
	}
	if _, ok := output([]string{"journalctl"}, "x"); ok {
		t.Error("a log of the system is kept")
	}
}

// FuzzRecording plays what somebody else wrote.
func FuzzRecording(f *testing.F) {
	gathertest.AddSeeds(f, `{"schema":"ssm-doctor/recording/v1","at":"2026-01-01T00:00:00Z","goos":"darwin","live":true,"root":"/","privileged":{"value":true,"state":"known"},"files":[{"path":"opt/aws/ssm/data","stat":{"mode":2147484096},"names":[{"name":"../../x","type":2147483648}]},{"path":"etc/hosts","stat":{"mode":420},"text":"1.2.3.4 x"},{"path":"etc/localtime","link":"/x"}],"programs":[{"args":["scutil","--dns"],"output":"resolver #1\n"},{"args":[]}],"kernel":{}}`,
		`{"schema":"ssm-doctor/recording/v1","at":"2026-01-01T00:00:00Z","goos":"windows","live":true,"windows":{"routes":{"state":"known","value":[{}]},"service|AmazonSSMAgent":{"state":"known","value":{"Path":"x"}}}}`)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Read(b)
		if err != nil {
			return
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out := &facts.Facts{}
		for _, s := range sources {
			_ = s.Gather(ctx, r.Env().Begin(), out)
		}
		gathertest.Sound(t, out.Agent)
	})
}

// FuzzContent feeds every rule with every content.
func FuzzContent(f *testing.F) {
	gathertest.AddSeeds(f, gathertest.LaunchdPlist, gathertest.LaunchctlPrint, gathertest.ScutilProxy, gathertest.PsTable, `{"privateKey":"QUJD","region":"x"}`, "[default]\naws_secret_access_key=x\n", "Package: amazon-ssm-agent\nVersion: 1\n\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, how := range []func([]byte) []byte{iniFile, jsonFile, plist, hosts, assignments, environ, mountinfo, stanza} {
			if out := how(slices.Clone(b)); len(out) > 4*len(b)+4<<10 {
				t.Errorf("%d bytes become %d", len(b), len(out))
			}
		}
		for name := range outputs {
			output([]string{name, "x"}, string(b))
		}
		output([]string{"scutil", "--proxy"}, string(b))
	})
}
