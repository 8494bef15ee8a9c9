package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// What the agent's installstate file says, as far as it matters here.
const (
	stateNone      = 0
	stateFailed    = 2
	stateInstalled = 8
	stateUpdating  = 11
)

// rebootCode ends a script that wants a reboot on Linux and macOS.
const rebootCode = 194

// node is a host on which an agent installs packages the way the real one does:
// its folders, its environment, its order of scripts, its own kind of rollback.
type node struct {
	t        *testing.T
	root     string // stands in for /
	packages map[string]string
	seen     map[string]bool
	// The agent has been seen to behave in each of these ways.
	refreshesOld bool // puts the new payload into the folder of the old version
	rollsBack    bool // runs uninstall.sh and the old folder's install.sh after a failure
	args         []string

	version string
	state   int
	ran     []string // "1.0.0/install.sh=0"
	reboots int
	out     string // of the last script, both streams
}

func newNode(t *testing.T) *node {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh on this system")
	}
	n := &node{t: t, root: t.TempDir(), packages: map[string]string{}, seen: map[string]bool{}}
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
    if "$R/opt/ssm-doctor/bin/ssm-doctor" serve; then
        "$R/opt/ssm-doctor/bin/ssm-doctor" version >"$R/run/active"
    fi ;;
stop) rm -f "$R/run/active" ;;
is-active) [ -f "$R/run/active" ] ;;
*) exit 1 ;;
esac`

// program stands in for ssm-doctor: the same commands and codes, with the stub of
// systemctl below. health is what serve ends with, extra runs before service install.
func program(version string, health int, extra string) string {
	return fmt.Sprintf(`#!/bin/sh
R=$DOCTOR_TEST_ROOT
unit=$R/etc/systemd/system/ssm-doctor.service
[ "$1" = version ] || echo "%[1]s $*" >>"$R/calls"
case "$1 ${2-}" in
"version ") echo "ssm-doctor %[1]s (go, linux/amd64)" ;;
"serve ") exit %[2]d ;;
"service install")
    %[3]s
    rm -f "$unit.ptrace"
    case $* in *--ptrace*) : >"$unit.ptrace" ;; esac
    echo "ExecStart=/opt/ssm-doctor/bin/ssm-doctor serve" >"$unit"
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

// publish makes a package with the real scripts around a program.
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
	n.packages[version] = filepath.Join(out, "ssm-doctor_linux_amd64.zip")
}

func (n *node) folder(version string) string {
	return filepath.Join(n.root, "var/lib/amazon/ssm/packages/ssm-doctor", version)
}

// unpack as the agent does: mode of the zip, folder 0700.
func (n *node) unpack(version, into string) {
	n.t.Helper()
	z, err := zip.OpenReader(n.packages[version])
	if err != nil {
		n.t.Fatal(err)
	}
	defer z.Close()
	if err := os.RemoveAll(into); err != nil {
		n.t.Fatal(err)
	}
	if err := os.MkdirAll(into, 0o700); err != nil {
		n.t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			n.t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			n.t.Fatal(err)
		}
		// No execute bits: the agent runs "sh install.sh", and archives made on Windows have none.
		if err := os.WriteFile(filepath.Join(into, f.Name), b, 0o644); err != nil {
			n.t.Fatal(err)
		}
	}
}

// script runs one through a generated script in the orchestration folder.
func (n *node) script(version, name string) int {
	n.t.Helper()
	dir := n.folder(version)
	if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
		n.ran = append(n.ran, version+"/"+name+"=none")
		return -1
	}
	orchestration := n.t.TempDir()
	generated := filepath.Join(orchestration, "_script.sh")
	writeProgram(n.t, generated, fmt.Sprintf("#!/bin/sh\ncd '%s'\nsh %s\n", dir, name), 0o700)
	cmd := exec.CommandContext(n.t.Context(), generated)
	cmd.Dir = orchestration
	cmd.Env = append([]string{
		"PATH=/usr/bin:/bin", "DOCTOR_TEST_ROOT=" + n.root,
		"BWS_ACTION_NAME=" + strings.TrimSuffix(name, ".sh"), "BWS_PLATFORM_NAME=debian", "BWS_PLATFORM_VERSION=12",
		"BWS_PLATFORM_FAMILY=debian", "BWS_ARCHITECTURE=x86_64", "BWS_INIT_SYSTEM=systemd", "BWS_PACKAGE_MANAGER=apt",
		"BWS_INSTANCE_ID=i-0123456789abcdef0", "BWS_INSTANCE_TYPE=t3.micro", "BWS_REGION=eu-central-1", "BWS_ACCOUNT_ID=",
		"BWS_AVAILABILITY_ZONE=eu-central-1a", "AWS_SSM_INSTANCE_ID=i-0123456789abcdef0", "AWS_SSM_REGION_NAME=eu-central-1",
		"AWS_SSM_PLATFORM_NAME=Debian GNU/Linux", "AWS_SSM_PLATFORM_VERSION=12", "SSM_COMMAND_ID=0",
		"http_proxy=", "https_proxy=", "no_proxy=",
	}, n.args...)
	out, err := cmd.CombinedOutput()
	n.out = string(out)
	code := 0
	if err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			n.t.Fatal(err)
		}
		code = exit.ExitCode()
	}
	n.t.Logf("%s/%s = %d\n%s", version, name, code, bytes.TrimSpace(out))
	n.ran = append(n.ran, fmt.Sprintf("%s/%s=%d", version, name, code))
	return code
}

// act runs a script and, when it asks for a reboot, what the agent does after one:
// validate.sh only; without one the step counts as done.
func (n *node) act(version, name string) bool {
	code := n.script(version, name)
	if code != rebootCode {
		return code == 0
	}
	n.reboots++
	return slices.Contains([]int{0, -1}, n.script(version, "validate.sh"))
}

// configure is one run of AWS-ConfigureAWSPackage with action Install.
func (n *node) configure(version string, inPlace bool) bool {
	n.t.Helper()
	n.ran = nil
	if n.version == version && n.state == stateInstalled {
		return n.script(version, "validate.sh") == 0 || n.settle(version, n.act(version, "install.sh"))
	}
	old := n.version
	if !n.seen[version] {
		n.unpack(version, n.folder(version))
		if n.refreshesOld && old != "" {
			n.unpack(version, n.folder(old))
		}
		n.seen[version] = true
	}
	switch {
	case old == "" || n.state != stateInstalled:
		return n.settle(version, n.act(version, "install.sh"))
	case inPlace:
		n.state = stateUpdating
		if n.settle(version, n.act(version, "update.sh")) {
			return true
		}
	default:
		n.act(old, "uninstall.sh") // its failure does not stop the agent
		if n.settle(version, n.act(version, "install.sh")) {
			return true
		}
	}
	n.version = old
	if n.rollsBack {
		n.act(version, "uninstall.sh")
		n.settle(old, n.act(old, "install.sh"))
	}
	return false
}

// settle validates after a step and records what became of it.
func (n *node) settle(version string, ok bool) bool {
	if ok && n.script(version, "validate.sh") != 0 {
		ok = n.act(version, "install.sh")
	}
	n.version, n.state = version, stateFailed
	if ok {
		n.state = stateInstalled
	}
	return ok
}

func (n *node) uninstall() bool {
	n.t.Helper()
	n.ran = nil
	ok := n.act(n.version, "uninstall.sh")
	if ok {
		_ = os.RemoveAll(n.folder(n.version))
		delete(n.seen, n.version)
		n.version, n.state = "", stateNone
	}
	return ok
}

// resume is what the agent does when the host comes back from a crash or reboot in
// the middle of a step.
func (n *node) resume(version string) bool {
	n.ran = nil
	return n.settle(version, true)
}
