// Package plugin behaves as the SSM Agent's configurePackage plug-in does with a package
// of the account's own Distributor, for tests of the package, and knows what its scripts for
// Windows may be. It was written after agent/plugins/configurepackage of the agent 3.3 and
// after runs of the real plug-in. It runs scripts on the host it is on.
package plugin

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
