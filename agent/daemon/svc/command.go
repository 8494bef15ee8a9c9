package svc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ssm-doctor/agent/safefile"
)

// Bounds of what is taken from service managers and journals.
const (
	maxOutput      = 64 << 10
	maxLine        = 300
	commandTimeout = 90 * time.Second // a stop may take the unit's TimeoutStopSec
)

// find looks for a program of the system; PATH is not asked. An absolute path is one.
func find(name string) (string, error) {
	if filepath.IsAbs(name) {
		return safefile.Program(name)
	}
	for _, dir := range []string{"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"} {
		file, err := safefile.Program(dir + name)
		if !errors.Is(err, os.ErrNotExist) {
			return file, err
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

// runCommand runs a program of the host with a plain environment.
func runCommand(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	file, err := find(name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER="}
	if bus := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"); bus != "" {
		cmd.Env = append(cmd.Env, "DBUS_SYSTEM_BUS_ADDRESS="+bus)
	}
	var out, errOut bounded
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if err != nil {
		msg := strings.TrimSpace(errOut.String())
		if msg == "" {
			return out.String(), fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
		}
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, clean(msg))
	}
	return out.String(), nil
}

// bounded keeps the first maxOutput bytes and swallows the rest.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxOutput - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// clean makes one printable line of bounded length out of foreign text.
func clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case b.Len() >= maxLine:
			return b.String() + "…"
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\ufffd' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			b.WriteString(fmt.Sprintf(`\x%02x`, r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
