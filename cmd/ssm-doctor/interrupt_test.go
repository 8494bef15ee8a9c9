package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// cancelling calls its function at the first write.
type cancelling struct {
	text   bytes.Buffer
	cancel func()
}

func (c *cancelling) Write(b []byte) (int, error) {
	c.cancel()
	return c.text.Write(b)
}

func noEnv(string) string { return "" }

func TestInterruptBetweenRuns(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	out := &cancelling{cancel: cancel}
	a := &app{out: out, err: &bytes.Buffer{}, getenv: noEnv}
	if code := a.run(ctx, func() {}, []string{"check", "--root", t.TempDir(), "--every", "1h", "-o", "short"}); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if out.text.Len() == 0 {
		t.Error("nothing was printed")
	}
}

func TestInterruptedRunPrintsWhatIsKnown(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, trouble bytes.Buffer
	a := &app{out: &out, err: &trouble, getenv: noEnv}
	if code := a.run(ctx, func() {}, []string{"check", "--root", t.TempDir()}); code != exitInterrupted {
		t.Errorf("exit code %d, stderr %s", code, trouble.String())
	}
	if !strings.Contains(out.String(), "interrupted, incomplete") {
		t.Errorf("printed:\n%s", out.String())
	}
}
