package gather

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRunOwnsItsSecrets: a later run of the same environment knows nothing of the
// keys and proxies of an earlier one, and no way of printing shows them.
func TestRunOwnsItsSecrets(t *testing.T) {
	t.Parallel()
	env := &Env{Memory: &Memory{}}
	run := env.Begin()
	login := func(name string) ProxyVars { return ProxyVars{HTTPS: "http://user:hunter2@" + name + ":3128"} }
	run.SetProxies(login("service"), login("unit"), login("shell"))
	run.SetKeys("profile", Keys{"ASIAHUNTER2", "hunter2", "hunter2"})
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	run.Memory.NoteSimulatorRefused(at)

	k, _ := run.KeysOf("profile")
	service, _, _ := run.Proxies()
	if k.Secret != "hunter2" || service.HTTPS == "" {
		t.Fatal("the run lost what it was given")
	}
	if s := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %v %#v", run, run, run, run, k, k, k, service, service); strings.Contains(strings.ToLower(s), "hunter2") {
		t.Errorf("a secret can be printed: %s", s)
	}

	next := env.Begin()
	service, unit, shell := next.Proxies()
	if _, ok := next.KeysOf("profile"); ok || service != (ProxyVars{}) || unit != (ProxyVars{}) || shell != (ProxyVars{}) {
		t.Error("keys or proxies outlive their run")
	}
	if got := next.Memory.SimulatorRefusedAt(); !got.Equal(at) {
		t.Errorf("the refusal of the simulator is forgotten: %v", got)
	}
	if !(*Memory)(nil).SimulatorRefusedAt().IsZero() {
		t.Error("no memory remembers something")
	}
}
