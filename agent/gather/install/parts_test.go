package install

import (
	"testing"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// TestWithParts: the programs beside the core are looked at where there are any at all.
func TestWithParts(t *testing.T) {
	t.Parallel()
	elf := "\x7fELF\x02\x01\x01" + string(make([]byte, 11)) + "\xb7\x00" + string(make([]byte, 100))
	env := gathertest.New(t, map[string]string{"usr/bin/ssm-agent-worker": elf, "usr/bin/ssm-session-worker": "", "usr/local/bin/other": "x"})
	env.GOOS = "linux"
	list := facts.Known([]facts.Installation{{Kind: "deb", Dir: "/usr/bin"}, {Kind: "binary", Dir: "/usr/local/bin"}, {Kind: "managed", Dir: "/usr/bin"}}, "")
	got := withParts(env, list).Value
	if len(got[1].Parts) != 0 || len(got[2].Parts) != 0 {
		t.Errorf("parts where there are none: %+v, %+v", got[1].Parts, got[2].Parts)
	}
	if len(got[0].Parts) != 4 {
		t.Fatalf("parts: %+v", got[0].Parts)
	}
	worker, commands, sessions := got[0].Parts[0].Program, got[0].Parts[1].Program, got[0].Parts[2].Program
	if worker.Value.Arch != "arm64" || !commands.Absent() || !sessions.Known() || sessions.Value.Format != "empty" {
		t.Errorf("worker %+v, commands %+v, sessions %+v", worker, commands, sessions)
	}
}
