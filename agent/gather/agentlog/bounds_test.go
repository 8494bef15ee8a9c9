package agentlog

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// TestLogIsBounded: of a log of 40 MB the end is read, in little memory.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	const dir = "var/log/amazon/ssm"
	root := gathertest.Tree(t, map[string]string{dir + "/": ""})
	name := filepath.Join(root, dir, "amazon-ssm-agent.log")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	noise := []byte(strings.Repeat("2026-11-22 09:00:00.0001 DEBUG [ssm-agent-worker] nothing to see here, move along\n", 1000))
	for n := 0; n < 40<<20; n += len(noise) {
		if _, err := out.Write(noise); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := out.WriteString("2026-11-22 09:10:00 INFO [CredentialRefresher] Next credential rotation will be in 29.9 minutes\n"); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	env := gathertest.Plain(t, root)
	runtime.ReadMemStats(&before)
	f := gathertest.Gather(t, env, Source{})
	runtime.ReadMemStats(&after)
	if m, ok := f.Log.Matches.Get(); !ok || len(m) != 1 || m[0].ID != facts.SigRotation {
		t.Errorf("%+v", f.Log.Matches)
	}
	lf := f.Log.Files[0]
	if lf.Read > logTail || lf.Bytes < 40<<20 {
		t.Errorf("read %d of %d bytes", lf.Read, lf.Bytes)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("allocated %d MB", grown>>20)
	}
}
