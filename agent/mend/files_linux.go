package mend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"ssm-doctor/agent/safefile"
)

// maxHosts bounds a hosts file that is edited.
const maxHosts = 1 << 20

// maxOutput bounds what is read of a program, and shown of it where it fails.
const maxOutput, maxShown = 64 << 10, 300

// runLimit is how long a program may take: systemctl waits for the agent's stop.
const runLimit = 2 * time.Minute

// This is the host that this program runs on.
func This() *Host { return &Host{State: StateDir, Now: time.Now, Run: run} }

// places of the programs that are run.
var places = map[string][]string{
	"systemctl": {"/usr/bin/systemctl", "/bin/systemctl"},
	"ip":        {"/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"},
}

// run runs a program that nobody but root could have replaced, with an environment of
// nothing and without a shell.
func run(ctx context.Context, program string, args ...string) ([]byte, error) {
	file, err := "", fmt.Errorf("%s: %w", program, os.ErrNotExist)
	for _, p := range places[program] {
		if file, err = safefile.Program(p); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	var out, said bytes.Buffer
	c := exec.CommandContext(ctx, file, args...)
	c.Env, c.Dir, c.WaitDelay = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, "/", time.Second
	c.Stdout, c.Stderr = &limited{&out}, &limited{&said}
	if err := c.Run(); err != nil {
		if text := bytes.TrimSpace(said.Bytes()); len(text) > 0 {
			return nil, fmt.Errorf("%s: %w: %s", program, err, text[:min(len(text), maxShown)])
		}
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return out.Bytes(), nil
}

type limited struct{ to *bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	l.to.Write(b[:min(len(b), max(0, maxOutput-l.to.Len()))])
	return len(b), nil
}

// prepare makes the state folder, which belongs to us alone.
func (h *Host) prepare() error {
	if err := os.Mkdir(h.State, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make the folder of the log: %w", err)
	}
	fi, err := os.Lstat(h.State)
	if err != nil {
		return fmt.Errorf("look at the folder of the log: %w", err)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !fi.IsDir() || !ok || int(st.Uid) != os.Geteuid() || fi.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s: %w: it must be a folder of this user that nobody else may enter", h.State, safefile.ErrRefused)
	}
	return nil
}

func add(name, line string) error { return safefile.Append(name, 0o600, []byte(line)) }

func keep(name string, b []byte) error {
	if err := safefile.Replace(name, 0o600, b); err != nil {
		return fmt.Errorf("keep the file as it was: %w", err)
	}
	return nil
}

func read(name string) ([]byte, error) {
	f, err := safefile.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxHosts+1))
	if err == nil && len(b) > maxHosts {
		err = fmt.Errorf("%s: %w: larger than %d bytes", name, safefile.ErrRefused, maxHosts)
	}
	return b, err
}

func rewrite(name string, old, next []byte) error {
	ok, err := safefile.Rewrite(name, old, next)
	if err == nil && !ok {
		return fmt.Errorf("%s: %w", name, ErrChanged)
	}
	return err
}
