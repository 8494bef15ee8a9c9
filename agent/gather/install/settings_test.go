package install

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

const seelogInfo = `<!--defaults--><seelog type="adaptive" mininterval="2000000" minlevel="Info"><exceptions><exception filepattern="test*" minlevel="error"/></exceptions>
<outputs formatid="fmtinfo"><console formatid="fmtinfo"/><rollingfile type="size" filename="/var/log/amazon/ssm/amazon-ssm-agent.log" maxsize="30000000" maxrolls="5"/>
<filter levels="error,critical"><rollingfile type="size" filename="/var/log/amazon/ssm/errors.log"/></filter></outputs></seelog>`

func TestSeelog(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		want     facts.LogConfig
	}{
		{"usual", seelogInfo, facts.LogConfig{MinLevel: "info"}},
		{"elsewhere", `<seelog minlevel="error"><outputs><rollingfile filename="/srv/log/agent.log"/></outputs></seelog>`, facts.LogConfig{MinLevel: "error", Elsewhere: true}},
		{"console only", `<seelog minlevel="off"><outputs><console/></outputs></seelog>`, facts.LogConfig{MinLevel: "off"}},
		{"broken", `<seelog minlevel="info"><outputs>`, facts.LogConfig{MinLevel: "info", ParseError: "XML syntax error on line 1: unexpected EOF"}},
		{"another document", `<html></html>`, facts.LogConfig{ParseError: "no seelog element"}},
		{"empty", ``, facts.LogConfig{ParseError: "no seelog element"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(c.want, parseSeelog([]byte(c.in), "var/log/amazon/ssm")); d != "" {
				t.Error(d)
			}
		})
	}
	if c := parseSeelog([]byte(`<seelog><rollingfile filename="C:\ProgramData\Amazon\SSM\Logs\amazon-ssm-agent.log"/></seelog>`), "ProgramData/Amazon/SSM/Logs"); c.Elsewhere {
		t.Errorf("%+v", c)
	}
}

func FuzzSeelog(f *testing.F) {
	gathertest.AddSeeds(f, seelogInfo, `<seelog minlevel="&#27;[31m"/>`, `<seelog`, `<!DOCTYPE x [<!ENTITY a "b">]><seelog minlevel="&a;"/>`)
	f.Fuzz(func(t *testing.T, b []byte) { gathertest.Sound(t, parseSeelog(b, "var/log/amazon/ssm")) })
}

func TestUpdateLock(t *testing.T) {
	t.Parallel()
	const name = "var/lib/amazon/ssm/update.lock"
	for _, c := range []struct {
		name    string
		files   map[string]string
		state   facts.State
		pid     int
		running facts.State
		runs    bool
	}{
		{"none", map[string]string{"proc/1/": ""}, facts.IsAbsent, 0, "", false},
		{"its process runs", map[string]string{name: "42\n", "proc/42/": ""}, facts.IsKnown, 42, facts.IsKnown, true},
		{"its process is gone", map[string]string{name: "42"}, facts.IsKnown, 42, facts.IsKnown, false},
		{"it names none", map[string]string{name: "../self"}, facts.IsKnown, 0, facts.IsUnknown, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := updateLock(gathertest.Plain(t, gathertest.Tree(t, c.files)), name)
			if l.State != c.state || l.Value.PID != c.pid || l.Value.Running.State != c.running || l.Value.Running.Value != c.runs || (l.State == facts.IsKnown) == l.Value.At.IsZero() {
				t.Errorf("%+v", l)
			}
		})
	}
}
