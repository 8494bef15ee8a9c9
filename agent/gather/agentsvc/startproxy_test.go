package agentsvc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func TestLastStart(t *testing.T) {
	t.Parallel()
	const head = "2026-03-04 10:11:18.1234 INFO "
	start := func(https string) string {
		return head + "Proxy environment variables:\r\n" + head + "http_proxy: \r\n" + head + "https_proxy: " + https + "\r\n" + head + "no_proxy: x\r\n"
	}
	for _, c := range []struct {
		name, log string
		want      map[string]string
	}{
		{"none", head + "x\n", nil},
		{"the last counts", start("http://p:1") + start(""), map[string]string{"http_proxy": "", "https_proxy": "", "no_proxy": "x"}},
		{"cut off", head + "Proxy environment variables:\n" + head + "no_proxy: y", map[string]string{"no_proxy": "y"}},
		{"later lines", start("http://p:1") + head + "https_proxy: z\n", map[string]string{"http_proxy": "", "https_proxy": "http://p:1", "no_proxy": "x"}},
	} {
		if d := cmp.Diff(c.want, lastStart([]byte(c.log))); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}

	// A proxy that the service got after the agent started is pending.
	const log = "ProgramData/Amazon/SSM/Logs/amazon-ssm-agent.log"
	for _, c := range []struct {
		name, log string
		runs      bool
		pending   bool
	}{
		{"started without", start(""), true, true}, {"started with", start("http://svc:1"), true, false}, {"not running", start(""), false, false}, {"the log does not tell", head + "x\n", true, false},
	} {
		w := &gathertest.Windows{Registry: map[string][]string{ServiceKey + "|Environment": {"https_proxy=http://svc:1"}}}
		if c.runs {
			w.Ps = []facts.Process{{PID: 1, Exe: `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`}}
		}
		f := &facts.Facts{}
		GatherProxies(t.Context(), gathertest.WindowsEnv(t, w, map[string]string{log: c.log}, nil).Begin(), &f.Agent)
		if f.Agent.PendingProxy.Known() != c.pending || f.Agent.ServiceProxy.Value.Set() == c.pending {
			t.Errorf("%s: %+v %+v", c.name, f.Agent.PendingProxy, f.Agent.ServiceProxy)
		}
	}
}

func FuzzLastStart(f *testing.F) {
	f.Add("x INFO Proxy environment variables:\nx INFO https_proxy: y\n")
	f.Fuzz(func(t *testing.T, log string) {
		if len(lastStart([]byte(log))) > 3 {
			t.Error("more than three variables")
		}
	})
}
