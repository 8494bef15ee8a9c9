package gather

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"ssm-doctor/agent/safefile"
)

// errNotAllowed is returned for a program that is not on the list.
var errNotAllowed = errors.New("program is not on the list")

// ErrNoProgram is returned by Env.Exec when an allowed program is not installed.
var ErrNoProgram = errors.New("program not found")

// maxOutput bounds what is kept of a program's output.
const maxOutput = 1 << 20

// programs are the only ones that are ever run, with the places they are
// looked for; PATH is not consulted.
var programs = map[string][]string{
	"systemctl":     {"/usr/bin/systemctl", "/bin/systemctl"},
	"journalctl":    {"/usr/bin/journalctl", "/bin/journalctl"},
	"rpm":           {"/usr/bin/rpm", "/bin/rpm"},
	"nft":           {"/usr/sbin/nft", "/sbin/nft"},
	"iptables-save": {"/usr/sbin/iptables-save", "/sbin/iptables-save"},
	"launchctl":     {"/bin/launchctl"},
	"scutil":        {"/usr/sbin/scutil"},
	"pkgutil":       {"/usr/sbin/pkgutil"},
	"route":         {"/sbin/route"},
	"ps":            {"/bin/ps"},
	"lsof":          {"/usr/sbin/lsof"},
	"pfctl":         {"/sbin/pfctl"},
	"systemsetup":   {"/usr/sbin/systemsetup"},
}

// forms are how a command line may begin. All only print.
var forms = [][]string{
	{"systemctl", "show"}, {"journalctl", "-q", "--no-pager", "-o", "short-iso"}, {"journalctl", "-q", "--no-pager", "-o", "cat", "-u"}, {"rpm", "-q"}, {"nft", "-a", "list", "ruleset"}, {"iptables-save"},
	{"launchctl", "print"}, {"launchctl", "print-disabled"}, {"scutil", "--proxy"}, {"pkgutil", "--pkg-info"}, {"route", "-n", "get"}, {"ps", "-axo"},
	{"scutil", "--dns"}, {"lsof", "-nP", "-a", "-iTCP:443", "-sTCP:ESTABLISHED", "-Tqs", "-FnT", "-p"}, {"pfctl", "-s", "info"}, {"pfctl", "-a", "*", "-s", "rules"}, {"systemsetup", "-getusingnetworktime"},
}

// prints reports whether a command line has one of the forms.
func prints(name string, args []string) bool {
	line := append([]string{name}, args...)
	return slices.ContainsFunc(forms, func(f []string) bool { return len(line) >= len(f) && slices.Equal(line[:len(f)], f) })
}

// agentPaths are where an agent's executable may be run, only to ask its version.
var agentPaths = []string{
	"/usr/bin/amazon-ssm-agent", "/usr/local/bin/amazon-ssm-agent", "/snap/amazon-ssm-agent/current/amazon-ssm-agent",
	"/opt/aws/ssm/bin/amazon-ssm-agent", `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`,
}

// program returns the absolute path of an allowed program that nobody but root could
// have replaced.
func program(name string, args []string) (string, error) {
	paths, ok := programs[name]
	ok = ok && prints(name, args)
	if !ok && slices.Contains(agentPaths, name) && len(args) == 1 && args[0] == "-version" {
		paths, ok = []string{name}, true
	}
	if !ok {
		return "", fmt.Errorf("run %s: %w", name, errNotAllowed)
	}
	for _, p := range paths {
		file, err := safefile.Program(p)
		if err == nil {
			return file, nil
		}
		if !Missing(err) {
			return "", fmt.Errorf("not run: %w", err)
		}
	}
	return "", fmt.Errorf("run %s: %w", name, ErrNoProgram)
}

// hostExec runs the programs of the list.
func hostExec(limit time.Duration) func(ctx context.Context, name string, args ...string) ([]byte, error) {
	return func(ctx context.Context, name string, args ...string) ([]byte, error) {
		p, err := program(name, args)
		if err != nil {
			return nil, err
		}
		return runProgram(ctx, limit, name, p, args)
	}
}

// runProgram runs a program with a clean environment, no input, a deadline,
// bounded output and, but for journalctl, no capabilities that this process has to hand
// on. Its whole process group ends with it. Output that came before a failure is returned
// with the error.
func runProgram(ctx context.Context, limit time.Duration, name, file string, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Env = cleanEnv()
	cmd.Dir = cleanDir
	out, errOut := &bounded{limit: maxOutput}, &bounded{limit: 4 << 10}
	cmd.Stdout, cmd.Stderr = out, errOut
	cmd.WaitDelay = 100 * time.Millisecond
	ownGroup(cmd)
	start := withoutAmbient
	if name == "journalctl" { // reads what only root and a group may, and nothing else
		start = func(f func() error) error { return f() }
	}
	err := start(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return out.b.Bytes(), fmt.Errorf("run %s: %w", name, ctx.Err())
	case out.over:
		return out.b.Bytes(), fmt.Errorf("run %s: output: %w", name, ErrTooLarge)
	case err != nil:
		if s := OneLine(errOut.b.String(), 200); s != "" {
			return out.b.Bytes(), fmt.Errorf("run %s: %w: %s", name, err, s)
		}
		return out.b.Bytes(), fmt.Errorf("run %s: %w", name, err)
	}
	return out.b.Bytes(), nil
}

// cleanEnv is the environment of programs: English, UTC, no pager, and nothing
// of ours that could lead them elsewhere.
func cleanEnv() []string {
	env := []string{"LC_ALL=C", "LANG=C", "TZ=UTC", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER="}
	if p := os.Getenv("SystemRoot"); p != "" {
		return append(env, "SystemRoot="+p)
	}
	return append(env, "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
}

// bounded keeps the first limit bytes written to it and drops the rest.
type bounded struct {
	b     bytes.Buffer
	limit int
	over  bool
}

func (w *bounded) Write(p []byte) (int, error) {
	if room := w.limit - w.b.Len(); len(p) > room {
		w.over = true
		w.b.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return w.b.Write(p)
}
