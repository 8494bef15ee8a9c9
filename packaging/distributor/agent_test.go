package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ssm-doctor/packaging/distributor/plugin"
)

// node is a host with an agent that installs packages, and stand-ins for its systemd and
// for the program. packaging/guest runs the same with the real ones.
type node struct {
	t     *testing.T
	root  string // stands in for /
	agent *plugin.Node
	args  map[string]string
	now   time.Time

	ran []string // "1.0.0/install.sh=0"
	out string   // what the console shows
}

func newNode(t *testing.T) *node {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh on this system")
	}
	n := &node{t: t, root: t.TempDir(), now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	n.agent = &plugin.Node{
		Data: filepath.Join(n.root, "var/lib/amazon/ssm"), Name: "ssm-doctor", Documents: map[string]plugin.Document{},
		Env: []string{"DOCTOR_TEST_ROOT=" + n.root}, Now: func() time.Time { return n.now },
	}
	for _, dir := range []string{"stub", "opt", "usr/local/bin", "usr/bin", "etc/systemd/system", "run", "var/lib/amazon/ssm/packages"} {
		if err := os.MkdirAll(filepath.Join(n.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	n.stub("systemctl", systemctlStub)
	for _, absent := range []string{"dpkg-query", "rpm", "apk", "pacman"} {
		n.stub(absent, "exit 1") // the host of the test may have them
	}
	return n
}

// systemctlStub keeps the state of one unit in run/active. A start runs the
// program's serve, which ends with 0 when it would stay up.
const systemctlStub = `
R=$DOCTOR_TEST_ROOT
case $1 in
restart)
    rm -f "$R/run/active"
    program=$R$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$R/etc/systemd/system/ssm-doctor.service")
    if "$program" serve; then
        "$program" version >"$R/run/active"
    fi ;;
stop) rm -f "$R/run/active" ;;
disable) echo "$*" >"$R/run/disabled" ;;
is-active) [ -f "$R/run/active" ] ;;
*) exit 1 ;;
esac`

// program stands in for ssm-doctor: the same commands and codes, with the stub of
// systemctl below. health is what serve ends with, extra runs before service install.
func program(version string, health int, extra string) string {
	return fmt.Sprintf(`#!/bin/sh
R=$DOCTOR_TEST_ROOT
unit=$R/etc/systemd/system/ssm-doctor.service
# As the real one does, it takes such a variable for a flag.
! env | grep '^SSM_DOCTOR_' || exit 64
[ "$1" = version ] || echo "%[1]s $*" >>"$R/calls"
case "$1 ${2-}" in
"version ") echo "ssm-doctor %[1]s (go, linux/amd64)" ;;
"serve ") exit %[2]d ;;
"service install")
    %[3]s
    was=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit" 2>/dev/null)
    if [ -n "$was" ] && [ "$R$was" != "$0" ] && [ -x "$R$was" ]; then
        there=$("$R$was" version | cut -d ' ' -f 2)
        [ "$(printf '%%s\n' "$there" %[1]s | sort -V | tail -n 1)" = %[1]s ] || { echo "the service starts the newer $was" >&2; exit 70; }
    fi
    rm -f "$unit.ptrace"
    case $* in *--ptrace*) : >"$unit.ptrace" ;; esac
    echo "ExecStart=${0#"$R"} serve" >"$unit"
    mkdir -p "$R/var/lib/ssm-doctor"
    case $* in *--no-start*) exit 0 ;; esac
    systemctl restart
    systemctl is-active || { echo "the service is not running" >&2; exit 70; } ;;
"service uninstall")
    systemctl stop
    rm -f "$unit" "$unit.ptrace"
    case $* in *--keep-state*) ;; *) rm -rf "$R/var/lib/ssm-doctor" ;; esac ;;
"service verify")
    case $* in
    *--ptrace*) [ -f "$unit.ptrace" ] || exit 70 ;;
    *) [ ! -f "$unit.ptrace" ] || exit 70 ;;
    esac
    [ -f "$unit" ] && grep -q "ssm-doctor %[1]s " "$R/run/active" || exit 70 ;;
*) exit 64 ;;
esac
`, version, health, extra)
}

func (n *node) stub(name, script string) {
	n.t.Helper()
	n.write("stub/"+name, "#!/bin/sh\n"+script+"\n", 0o755)
}

func (n *node) write(name, content string, mode os.FileMode) {
	n.t.Helper()
	writeProgram(n.t, filepath.Join(n.root, name), content, mode)
}

// writeProgram holds up forks of parallel tests: a child that has inherited the
// open file would make its execution fail with "text file busy".
func writeProgram(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func (n *node) read(name string) string {
	b, err := os.ReadFile(filepath.Join(n.root, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func (n *node) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(n.root, name))
	return err == nil
}

// publish makes a package with the real scripts around a program; the last is the default.
func (n *node) publish(version, program string) {
	n.t.Helper()
	bin := filepath.Join(n.t.TempDir(), "program")
	if err := os.WriteFile(bin, []byte(program), 0o644); err != nil {
		n.t.Fatal(err)
	}
	out := n.t.TempDir()
	if _, err := build(plan{name: "ssm-doctor", version: version, publisher: "Example", binaries: map[string]string{"linux/amd64": bin}, out: out}); err != nil {
		n.t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, "manifest.json"))
	if err != nil {
		n.t.Fatal(err)
	}
	n.agent.Documents[version] = plugin.Document{Manifest: b, File: filepath.Join(out, "ssm-doctor_linux_amd64.zip")}
	n.agent.Default = version
}

func (n *node) run(req plugin.Request) bool {
	n.t.Helper()
	req.Arguments = n.args
	got := n.agent.Configure(n.t.Context(), req)
	n.ran, n.out = got.Scripts, got.Out
	state, version := n.agent.Saved()
	n.t.Logf("%+v: %v; state %d %s\n%s", req, got.OK, state, version, got.Out)
	return got.OK
}

// configure is one run of AWS-ConfigureAWSPackage with action Install.
func (n *node) configure(version string, inPlace bool) bool {
	n.t.Helper()
	return n.run(plugin.Request{Version: version, InPlace: inPlace})
}

// uninstall is a run with action Uninstall that names no version.
func (n *node) uninstall() bool {
	n.t.Helper()
	return n.run(plugin.Request{Uninstall: true})
}

// state fails unless the agent holds this for the state of the package.
func (n *node) state(state plugin.State, version string) {
	n.t.Helper()
	if s, v := n.agent.Saved(); s != state || state != plugin.None && v != version {
		n.t.Errorf("the agent's state: %d of %s, want %d of %s", s, v, state, version)
	}
}

// unpack has the folder of a release complete, without running anything of it.
func (n *node) unpack(version string) {
	n.t.Helper()
	n.agent.Start = func(*exec.Cmd) ([]byte, error) { return nil, errors.New("not now") }
	n.want(false, n.configure(version, true))
	n.agent.Start = nil
}
