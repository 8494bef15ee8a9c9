// Package plugin behaves as the SSM Agent's configurePackage plug-in does with a package
// of the account's own Distributor, for tests of the package, and knows what its scripts for
// Windows may be. It was written after agent/plugins/configurepackage of the agent 3.3 and
// after runs of the real plug-in. It runs scripts on the host it is on.
package plugin

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// State of a package on a node, as the agent writes it.
type State int

// The states of agent/plugins/configurepackage/localpackages.
const (
	None State = iota
	Unknown
	Failed
	Uninstalling
	Uninstalled
	New
	Upgrading
	Installing
	Installed
	RollbackUninstall
	RollbackInstall
	Updating
)

// lockFor is how long the lock of an agent that has died holds.
const lockFor = 30 * time.Minute

// rebootCode ends a script that wants a reboot on Linux and macOS.
const rebootCode = 194

// Document is a version of the package in Distributor.
type Document struct {
	Manifest []byte // manifest.json
	File     string // path of the zip that the node's platform takes
}

// Node is a host and the agent on it.
type Node struct {
	Data      string              // the agent's folder, /var/lib/amazon/ssm
	Name      string              // of the package
	Documents map[string]Document // by the name of the version
	Default   string              // version of the document when none is asked for
	Env       []string            // more environment for scripts
	Now       func() time.Time
	// Start runs a prepared script; nil for running it and waiting.
	Start func(*exec.Cmd) ([]byte, error)
	// PowerShell runs what a script of a package for Windows calls (see Called), with more
	// environment, in the folder of the release; nil where the host is no Windows.
	PowerShell func(ctx context.Context, folder string, env, call []string) ([]byte, error)
}

// Request is a run of AWS-ConfigureAWSPackage.
type Request struct {
	Uninstall bool
	Version   string // empty: none was asked for
	InPlace   bool
	Arguments map[string]string
}

// Result of a run.
type Result struct {
	OK      bool
	Reboot  bool
	Scripts []string // "1.0.0/install.sh=0"
	Out     string   // what the console shows
}

// saved is the file installstate.
type saved struct {
	Name                 string    `json:"name"`
	Version              string    `json:"version"`
	State                State     `json:"state"`
	Time                 time.Time `json:"time"`
	LastInstalledVersion string    `json:"lastinstalledversion"`
	RetryCount           int       `json:"retrycount"`
}

// run is one request at work.
type run struct {
	*Node
	ctx     context.Context
	req     Request
	doc     Document // what was asked for: each download is of it, whatever the folder
	same    bool     // its manifest was known before
	out     strings.Builder
	scripts []string
	decided bool
	ok      bool
	reboot  bool
}

// Saved is what the agent has noted of the package.
func (n *Node) Saved() (state State, version string) {
	s := n.load()
	return s.State, s.Version
}

// Folder of a release.
func (n *Node) Folder(version string) string {
	return filepath.Join(n.Data, "packages", n.Name, version)
}

func (n *Node) path(parts ...string) string {
	return filepath.Join(append([]string{n.Data}, parts...)...)
}

func (n *Node) load() saved {
	b, err := os.ReadFile(n.path("packages", n.Name, "installstate"))
	if err != nil {
		if dirs, _ := filepath.Glob(n.path("packages", n.Name, "*")); len(dirs) > 0 {
			return saved{Name: n.Name, Version: filepath.Base(dirs[len(dirs)-1]), State: Unknown}
		}
		return saved{Name: n.Name}
	}
	var s saved
	if json.Unmarshal(b, &s) != nil {
		return saved{Name: n.Name, State: Unknown}
	}
	return s
}

func (n *Node) set(version string, state State) error {
	s := n.load()
	if state == New && s.State != None {
		return nil
	}
	s.RetryCount++
	if s.State != state {
		s.RetryCount = 0
	}
	s.Version, s.State, s.Time = version, state, n.Now()
	switch state {
	case Installed:
		s.LastInstalledVersion = version
	case Uninstalled:
		s.LastInstalledVersion = ""
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(n.path("packages", n.Name, "installstate"), b, 0o600)
}

// installedVersion is the last that was installed.
func (s saved) installedVersion() string {
	if s.State == Installed || s.State == Unknown && s.LastInstalledVersion == "" {
		return s.Version
	}
	return s.LastInstalledVersion
}

// Configure carries out a request.
func (n *Node) Configure(ctx context.Context, req Request) Result {
	r := &run{Node: n, ctx: ctx, req: req}
	r.work()
	return Result{r.ok, r.reboot, r.scripts, r.out.String()}
}

func (r *run) say(format string, a ...any) { fmt.Fprintf(&r.out, format+"\n", a...) }

func (r *run) end(ok bool) { r.decided, r.ok = true, ok }

func (r *run) work() {
	for k := range r.req.Arguments {
		if !strings.HasPrefix(k, "SSM_") || k == "SSM_" {
			r.say("invalid input: additional argument %q", k)
			r.end(false)
			return
		}
	}
	version := r.req.Version
	if version == "" || strings.EqualFold(version, "latest") {
		version = r.Default
	}
	doc, ok := r.Documents[version]
	if !ok {
		r.say("failed to retrieve package document: no version %q", version)
		r.end(false)
		return
	}
	r.doc = doc
	cache := r.path("manifests", r.Name+"_"+version+".json")
	known, err := os.ReadFile(cache)
	r.same = err == nil && bytes.Equal(known, doc.Manifest)
	if err := errors.Join(os.MkdirAll(filepath.Dir(cache), 0o700), os.WriteFile(cache, doc.Manifest, 0o600)); err != nil {
		r.say("failed to write manifest to file: %v", err)
		r.end(false)
		return
	}
	lock := r.path("locks", "packages", r.Name+".lockfile")
	if st, err := os.Stat(lock); err == nil && r.Now().Sub(st.ModTime()) < lockFor {
		r.say("Package %q is already in the process of other action", r.Name)
		r.end(false)
		return
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(lock), 0o700), os.WriteFile(lock, []byte("1\n"), 0o600), os.Chtimes(lock, r.Now(), r.Now())); err != nil {
		r.say("Error locking package: %v", err)
		r.end(false)
		return
	}
	defer os.Remove(lock)
	if r.req.Uninstall {
		r.uninstallRequest(version)
	} else {
		r.installRequest(version)
	}
}

func (r *run) installRequest(version string) {
	s := r.load()
	installed, state := s.installedVersion(), s.State
	if state == Failed {
		installed = s.Version
	}
	if err := r.ensure(version); err != nil {
		r.say("%v", err)
		r.end(false)
		return
	}
	old := ""
	if installed != "" && state != None && (installed != version || !r.same) {
		if err := r.ensure(installed); err != nil {
			r.say("%v", err)
		} else {
			old = installed
		}
	}
	inPlace := r.req.InPlace
	already := r.alreadyInstalled(installed, state, version, old)
	if installed == "" || state == None {
		inPlace = false
	}
	if already && r.same {
		return
	}
	switch {
	case state == Installing || state == Updating:
		r.install(version, old, inPlace, false)
	case state == RollbackInstall && old != "":
		r.install(old, version, inPlace, true)
	case state == RollbackUninstall && old != "":
		r.uninstall(old, version, inPlace, true)
	case old != "" && !inPlace:
		r.uninstall(version, old, inPlace, false)
	default:
		r.install(version, old, inPlace, false)
	}
}

func (r *run) uninstallRequest(version string) {
	s := r.load()
	installed := s.installedVersion()
	if r.req.Version == "" || strings.EqualFold(r.req.Version, "latest") {
		version = installed
	}
	if installed == "" || version != installed || s.State == None || s.State == Uninstalled {
		r.say("version: %v is not installed", version)
		r.end(true)
		return
	}
	if err := r.ensure(installed); err != nil {
		r.say("%v", err)
		r.end(false)
		return
	}
	r.uninstall("", installed, false, false)
}

// ensure has the folder of a release complete. What it downloads is the release that
// was asked for, also into the folder of another one.
func (r *run) ensure(version string) error {
	s := r.load()
	if r.check(version) == nil && !(s.Version == version && (s.State == Failed || !r.same)) {
		return nil
	}
	if err := r.unpack(version); err != nil {
		return errors.Join(err, os.RemoveAll(r.Folder(version)))
	}
	if err := r.set(version, New); err != nil {
		return err
	}
	return r.check(version)
}

// check is the agent's look at a folder.
func (r *run) check(version string) error {
	if b, err := os.ReadFile(filepath.Join(r.Folder(version), "manifest.json")); err == nil {
		var m struct{ Name, Version string }
		switch err := json.Unmarshal(b, &m); {
		case err != nil:
			return fmt.Errorf("package manifest is invalid: %w", err)
		case !strings.EqualFold(m.Name, r.Name):
			return fmt.Errorf("package manifest is invalid: manifest name (%s) does not match expected package name (%s)", m.Name, r.Name)
		case !strings.EqualFold(m.Version, version):
			return fmt.Errorf("package manifest is invalid: manifest version (%s) does not match expected package version (%s)", m.Version, version)
		}
	}
	entries, err := os.ReadDir(r.Folder(version))
	if err != nil || len(entries) < 2 {
		return errors.New("package is incomplete")
	}
	for _, e := range entries {
		if e.Name() == "install.sh" || e.Name() == "install.ps1" {
			return nil
		}
	}
	return errors.New("package is not supported (package is missing install action)")
}

// unpack puts the zip over what is in the folder. Files get no execute bits: some
// archives have none.
func (r *run) unpack(version string) error {
	content, err := os.ReadFile(r.doc.File)
	if err != nil {
		return fmt.Errorf("failed to download installation package reliably: %w", err)
	}
	var m struct {
		Files map[string]struct {
			Checksums map[string]string
		}
	}
	if err := json.Unmarshal(r.doc.Manifest, &m); err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	if want, ok := m.Files[filepath.Base(r.doc.File)].Checksums["sha256"]; ok && !strings.EqualFold(want, hex.EncodeToString(sum[:])) {
		return errors.New("failed to download installation package reliably: checksum mismatch")
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err
	}
	folder := r.Folder(version)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, f := range z.File {
		if !filepath.IsLocal(f.Name) || filepath.Base(f.Name) != f.Name {
			return fmt.Errorf("entry %q of the zip", f.Name)
		}
		in, err := f.Open()
		if err != nil {
			return err
		}
		b, err := io.ReadAll(in)
		if err := errors.Join(err, in.Close()); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, f.Name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// alreadyInstalled validates where the agent may have been interrupted, and a release
// that is installed.
func (r *run) alreadyInstalled(installed string, state State, version, old string) bool {
	look := ""
	if old != "" && state == RollbackInstall {
		look = old
	}
	if version == installed && (state == Installed || state == Unknown) || state == Installing || state == Updating {
		look = version
	}
	if look == "" || r.script(look, "validate") != 0 {
		return false
	}
	switch state {
	case Installing, Updating:
		if old != "" {
			_ = os.RemoveAll(r.Folder(old))
		}
		r.say("Successfully installed %s %s", r.Name, version)
		r.end(true)
	case RollbackInstall:
		r.say("Failed to install %s %s, successfully rolled back to %s %s", r.Name, old, r.Name, version)
		_ = os.RemoveAll(r.Folder(version))
		r.end(false)
	case Unknown:
		if err := r.check(version); err != nil {
			return false
		}
	default:
		r.say("%s %s is already installed", r.Name, version)
		r.end(true)
	}
	if state != Installed && state != Unknown {
		r.note(look, Installed)
	}
	return true
}

// note sets the state; the agent goes on when it cannot.
func (r *run) note(version string, state State) {
	if err := r.set(version, state); err != nil {
		r.say("%v", err)
	}
}

// install runs install or update of a release and validates it. other is the release
// that it replaces; after a rollback, the one that failed.
func (r *run) install(version, other string, inPlace, rollback bool) {
	code, action := 0, "install"
	switch {
	case rollback:
		r.note(version, RollbackInstall)
	case inPlace:
		r.note(version, Updating)
		action = "update"
	default:
		r.note(version, Installing)
	}
	code = r.script(version, action)
	if code == -1 && action == "update" {
		r.say("missing update script required for in-place update")
		r.note(version, Failed)
		r.end(false)
		return
	}
	if code == 0 || code == -1 {
		code = max(r.script(version, "validate"), 0)
	}
	switch {
	case code == rebootCode:
		r.decided, r.ok, r.reboot = true, true, true
		return
	case code != 0:
		r.say("Failed to install package")
		if rollback || other == "" {
			r.note(version, Failed)
			r.end(false)
			return
		}
		r.uninstall(other, version, inPlace, true)
		return
	}
	if other != "" {
		_ = os.RemoveAll(r.Folder(other))
	}
	r.note(version, Installed)
	if rollback {
		r.say("Failed to install %s %s, successfully rolled back to %s %s", r.Name, other, r.Name, version)
		r.end(false)
		return
	}
	r.say("Successfully installed %s %s", r.Name, version)
	r.end(true)
}

// uninstall removes a release; next, if any, is installed afterwards, whether or not
// the removal went well.
func (r *run) uninstall(next, version string, inPlace, rollback bool) {
	switch {
	case rollback:
		r.note(version, RollbackUninstall)
	case next != "":
		r.note(version, Upgrading)
	default:
		r.note(version, Uninstalling)
	}
	code := max(r.script(version, "uninstall"), 0)
	switch {
	case code == rebootCode:
		r.decided, r.ok, r.reboot = true, true, true
	case next != "":
		if code != 0 {
			r.say("Failed to uninstall version %s of package", version)
		}
		r.install(next, version, inPlace, rollback)
	case code != 0:
		r.say("Failed to uninstall version %s of package", version)
		r.note(version, Failed)
		r.end(false)
	default:
		r.say("Successfully uninstalled %s %s", r.Name, version)
		_ = os.RemoveAll(r.Folder(version))
		r.note(version, None)
		r.end(true)
	}
}

// script runs one by a generated script in the orchestration folder, as runShellScript
// does. It returns the exit code, -1 when the package has no such script.
func (r *run) script(version, action string) int {
	dir := r.Folder(version)
	if r.PowerShell != nil {
		return r.powerShell(version, action)
	}
	if _, err := os.Stat(filepath.Join(dir, action+".sh")); err != nil {
		return -1
	}
	place := r.path("orchestration", version, action)
	generated := filepath.Join(place, "_script.sh")
	text := fmt.Sprintf("#!/usr/bin/env sh\ncd '%s'\necho Running sh %s.sh\nsh %s.sh\n", dir, action, action)
	if err := errors.Join(os.MkdirAll(place, 0o700), writeProgram(generated, text)); err != nil {
		r.say("%v", err)
		return 1
	}
	cmd := exec.CommandContext(r.ctx, generated)
	cmd.Dir = place
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, r.environment(action)...)
	start := r.Start
	if start == nil {
		start = (*exec.Cmd).CombinedOutput
	}
	out, err := start(cmd)
	return r.ended(version+"/"+action+".sh", out, err)
}

// environment is what the agent adds to that of a script.
func (r *run) environment(action string) []string {
	env := []string{
		"BWS_ACTION_NAME=" + action, "BWS_PLATFORM_NAME=debian", "BWS_PLATFORM_VERSION=12",
		"BWS_PLATFORM_FAMILY=debian", "BWS_ARCHITECTURE=x86_64", "BWS_INIT_SYSTEM=systemd", "BWS_PACKAGE_MANAGER=apt",
		"BWS_INSTANCE_ID=i-0123456789abcdef0", "BWS_INSTANCE_TYPE=t3.micro", "BWS_REGION=eu-central-1", "BWS_ACCOUNT_ID=",
		"BWS_AVAILABILITY_ZONE=eu-central-1a", "AWS_SSM_INSTANCE_ID=i-0123456789abcdef0", "AWS_SSM_REGION_NAME=eu-central-1",
		"AWS_SSM_PLATFORM_NAME=Debian GNU/Linux", "AWS_SSM_PLATFORM_VERSION=12",
		"http_proxy=", "https_proxy=", "no_proxy=",
	}
	for k, v := range r.req.Arguments {
		env = append(env, k+"="+v)
	}
	slices.Sort(env)
	return append(env, r.Env...)
}

// ended notes how a script has ended, and returns its code.
func (r *run) ended(name string, out []byte, err error) int {
	code := 0
	if err != nil {
		code = 1
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() > 0 {
			code = exit.ExitCode()
		} else {
			r.say("%v", err)
		}
	}
	r.scripts = append(r.scripts, fmt.Sprintf("%s=%d", name, code))
	r.out.Write(out)
	return code
}

// powerShell carries out a script of a package for Windows, for which no PowerShell is
// needed: a script that is more than one call is refused.
func (r *run) powerShell(version, action string) int {
	dir := r.Folder(version)
	b, err := os.ReadFile(filepath.Join(dir, action+".ps1"))
	if err != nil {
		return -1
	}
	call, err := Called(string(b))
	if err != nil {
		r.say("%s.ps1: %v", action, err)
		return 1
	}
	env := slices.DeleteFunc(r.environment(action), func(v string) bool { return strings.HasSuffix(v, "=") }) // PowerShell unsets what is empty
	out, err := r.PowerShell(r.ctx, dir, env, call)
	return r.ended(version+"/"+action+".ps1", out, err)
}

// windowsScript: the code is 1 unless the program was started.
var windowsScript = regexp.MustCompile(`^\$global:LASTEXITCODE = 1[^\n]*\n& "\$PSScriptRoot\\([a-z.-]+)" ([a-z ]+); exit \$LASTEXITCODE\n$`)

// Called is the program beside a script of a package for Windows, and its arguments.
func Called(script string) ([]string, error) {
	m := windowsScript.FindStringSubmatch(script)
	if m == nil {
		return nil, errors.New("not the call of one program")
	}
	return append([]string{m[1]}, strings.Fields(m[2])...), nil
}
