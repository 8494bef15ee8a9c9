package svc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Deployment carries out the actions of the Distributor package for Windows, whose
// scripts call the program beside them. packaging/distributor/scripts/unix does the same
// in shell.
type Deployment struct {
	From     string // folder of the unpacked package: program and release
	Home     string // folder of the program in place
	Program  string // its name in both
	StateDir string // of the daemon
	Getenv   func(string) string
	Out      io.Writer
	Host     DeployHost

	arguments
	release string // of the package
}

// DeployHost is what a deployment needs of the host.
type DeployHost interface {
	// Run runs a program of ours and returns all it says; ErrNotTrusted: it was not run.
	Run(ctx context.Context, program string, args ...string) (string, error)
	// Service: the program that the service starts; empty when there is no service.
	Service() (string, error)
	Stop(ctx context.Context) error
	// Disable keeps a service that cannot be removed from being started again and again.
	Disable() error
	// Installer: a package of Windows Installer has ssm-doctor.
	Installer() bool
}

// ErrNotTrusted is of a program that others than administrators could have replaced.
var ErrNotTrusted = errors.New("not run, since others than administrators could have replaced it")

// arguments of the package, from its additional arguments.
type arguments struct {
	wait                        int // seconds
	service, noStart, keepState bool
}

const maxWait = 300

func readArguments(getenv func(string) string) (arguments, error) {
	a := arguments{wait: 10, service: true}
	var errs []error
	if v := getenv("SSM_DOCTOR_WAIT"); v != "" {
		n, err := strconv.ParseUint(v, 10, 16)
		if err != nil || n > maxWait {
			errs = append(errs, fmt.Errorf("SSM_DOCTOR_WAIT must be a number of seconds, at most %d", maxWait))
		}
		a.wait = int(n)
	}
	for name, on := range map[string]*bool{"SSM_DOCTOR_SERVICE": &a.service, "SSM_DOCTOR_NO_START": &a.noStart, "SSM_DOCTOR_KEEP_STATE": &a.keepState} {
		switch getenv(name) {
		case "":
		case "yes", "true", "1":
			*on = true
		case "no", "false", "0":
			*on = false
		default:
			errs = append(errs, fmt.Errorf("%s must be yes or no", name))
		}
	}
	return a, errors.Join(errs...)
}

// Points of the agent's work with the package, which it notes before it runs a script.
const (
	agentUpgrading       = 6  // removes one release to install another
	agentInstalled       = 8  // all is done
	agentRemovesRefused  = 9  // removes the release that it could not install
	agentInstallsEarlier = 10 // installs the one before it again
)

// agentIs is where the agent notes that it is, beside the folders of the releases.
func (d *Deployment) agentIs() int {
	f, err := os.Open(filepath.Join(filepath.Dir(d.From), "installstate"))
	if err != nil {
		return 0
	}
	defer f.Close()
	var n struct {
		State int `json:"state"`
	}
	if b, err := io.ReadAll(io.LimitReader(f, maxOutput)); err != nil || json.Unmarshal(b, &n) != nil {
		return 0
	}
	return n.State
}

func (d *Deployment) say(format string, a ...any) {
	fmt.Fprintf(d.Out, "ssm-doctor: "+format+"\n", a...)
}

// Actions of a package.
var Actions = []string{"install", "update", "uninstall", "validate"}

// Do carries out one of the actions.
func (d *Deployment) Do(ctx context.Context, action string) error {
	var err error
	if d.arguments, err = readArguments(d.Getenv); err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(d.From, "release"))
	if err != nil {
		return fmt.Errorf("the package does not say which release it is: %w", err)
	}
	d.release = strings.TrimSpace(string(b))
	switch action {
	case "install", "update":
		// The folder of the earlier release may hold the refused one's files: the agent
		// downloads what was asked for into both.
		if action == "install" && !d.Host.Installer() && d.agentIs() == agentInstallsEarlier && d.refused() {
			d.say("kept the release in place: this one has just been refused")
			return nil
		}
		return d.install(ctx)
	case "uninstall":
		return d.uninstall(ctx)
	}
	return d.validate(ctx)
}

func (d *Deployment) install(ctx context.Context) error {
	if d.Host.Installer() {
		theirs, err := d.packaged(ctx)
		if err == nil {
			d.say("ssm-doctor %s is installed by Windows Installer, nothing to do", theirs)
		}
		return err
	}
	other, err := d.byHand(ctx)
	if err != nil {
		return err
	}
	said, err := d.put(ctx)
	if err != nil {
		return err
	}
	_, err = os.Stat(d.StateDir)
	hadState := err == nil
	had, err := d.exchange(ctx)
	if err != nil {
		return err
	}
	if !d.arguments.service {
		if err := d.giveUpService(ctx); err != nil {
			return err
		}
		d.say("program installed, without the service")
	} else if err := d.serviceInstall(ctx, d.bin()); err != nil {
		return errors.Join(err, d.back(ctx, had, hadState, other))
	}
	_ = d.remove(ctx, d.prev(), d.rejected())
	if err := mark(d.placed(), d.bin()); err != nil {
		d.say("cannot note which program was put in place: %v", err)
	}
	d.say("installed: %s", said)
	return nil
}

// packaged: a package of Windows Installer, which uses the same folder, has ssm-doctor.
// What an installation of ours has left beside its program goes.
func (d *Deployment) packaged(ctx context.Context) (theirs string, err error) {
	_ = d.remove(ctx, d.fresh(), d.prev(), d.rejected(), d.placed())
	theirs = d.releaseOf(ctx, d.bin())
	if theirs == "" || newer(d.release, theirs) {
		if theirs == "" {
			theirs = "of an unknown release"
		}
		return theirs, fmt.Errorf("ssm-doctor %s is installed by Windows Installer, and this release is %s: update the package, or remove it and run this again", theirs, d.release)
	}
	return theirs, nil
}

// byHand refuses to put an older release in place of one that an administrator has
// installed with "service install". It returns the program that the service has started
// until now, where that is another one.
func (d *Deployment) byHand(ctx context.Context) (string, error) {
	program, err := d.Host.Service()
	if err != nil || program == "" {
		return "", err
	}
	own := d.own(program)
	if own && d.ours() {
		return "", nil
	}
	theirs, err := d.ask(ctx, program)
	if errors.Is(err, ErrNotTrusted) {
		return "", fmt.Errorf("the service starts %s, which was %w; remove the service, or let only administrators change the program and the folders above", clean(program), err)
	}
	if newer(theirs, d.release) {
		return "", fmt.Errorf("%s, release %s, was installed by hand and is newer than this release, %s: run \"%s\" service uninstall first", clean(program), theirs, d.release, clean(program))
	}
	if own {
		return "", nil
	}
	d.say("takes the service over from %s, which stays on the disk", clean(program))
	return program, nil
}

// put copies the program of the package beside the one in place and tries it there.
func (d *Deployment) put(ctx context.Context) (said string, err error) {
	err = os.MkdirAll(d.Home, 0o755)
	if err == nil {
		err = copyFile(d.payload(), d.fresh())
	}
	if err == nil {
		said, err = d.runs(ctx, d.fresh())
	}
	if err != nil {
		_ = d.remove(ctx, d.fresh())
		_ = os.Remove(d.Home) // fails, as it should, while something is in it
	}
	return said, err
}

// exchange puts the copy in the place of the program, and keeps that one: a program that
// runs can be renamed, and not be overwritten.
func (d *Deployment) exchange(ctx context.Context) (had bool, err error) {
	defer func() { _ = d.remove(ctx, d.fresh()) }()
	if err := d.Host.Stop(ctx); err != nil && !errors.Is(err, ErrNotInstalled) {
		return false, err
	}
	_, err = os.Stat(d.bin())
	had = err == nil
	switch _, err := os.Stat(d.prev()); {
	case !had:
	case err == nil && same(d.bin(), d.payload()):
		// After a cut off update the program in place is this one, which nothing has tried;
		// the copy is of the one that ran.
		return true, nil
	default:
		if err := rename(ctx, d.bin(), d.prev()); err != nil {
			return true, errors.Join(fmt.Errorf("cannot keep the present program: %w", err), d.startAgain(ctx))
		}
	}
	if err := rename(ctx, d.fresh(), d.bin()); err != nil {
		err = fmt.Errorf("cannot put the program in place: %w", err)
		if had {
			err = errors.Join(err, rename(ctx, d.prev(), d.bin()), d.startAgain(ctx))
		}
		return had, err
	}
	return had, nil
}

// startAgain starts what was stopped for an exchange that did not come about.
func (d *Deployment) startAgain(ctx context.Context) error {
	program, err := d.Host.Service()
	if err != nil || program == "" || d.noStart {
		return err
	}
	return d.call(ctx, program, "service", "start", "--wait", "0s")
}

// giveUpService: a service of an earlier installation would go on with the program that
// was replaced.
func (d *Deployment) giveUpService(ctx context.Context) error {
	if program, err := d.Host.Service(); err != nil || !d.own(program) {
		return err
	}
	if err := d.call(ctx, d.bin(), "service", "uninstall", "--keep-state"); err != nil {
		return fmt.Errorf("the service that is there could not be removed: %w", err)
	}
	return nil
}

// back puts back what was there before a failed start; the error says how that went.
func (d *Deployment) back(ctx context.Context, had, hadState bool, other string) error {
	if err := d.Host.Stop(ctx); err != nil && !errors.Is(err, ErrNotInstalled) {
		d.say("%v", err)
	}
	if other != "" && d.serviceInstall(ctx, other) == nil {
		err := fmt.Errorf("the new release does not stay up; %s runs again", clean(other))
		if had {
			return errors.Join(d.restore(ctx), err)
		}
		return errors.Join(d.removeOwn(ctx), err)
	}
	if !had {
		args := []string{"service", "uninstall"}
		if hadState {
			args = append(args, "--keep-state")
		}
		if err := d.call(ctx, d.payload(), args...); err != nil {
			return errors.Join(err, d.Host.Disable(),
				fmt.Errorf("the service does not stay up and could not be removed; its program was left in place: run \"%s\" service uninstall", d.bin()))
		}
		return errors.Join(d.removeOwn(ctx), errors.New("the service does not stay up; nothing was left installed"))
	}
	if err := d.restore(ctx); err != nil {
		return err
	}
	if err := mark(d.rejected(), d.payload()); err != nil {
		d.say("cannot note the refused release: %v", err)
	}
	if err := d.serviceInstall(ctx, d.bin()); err != nil {
		return errors.Join(err, errors.New("neither the new nor the previous release stays up; the previous one is in place"))
	}
	return errors.New("the new release does not stay up; the previous one runs again")
}

// restore puts the previous program back.
func (d *Deployment) restore(ctx context.Context) error {
	if err := rename(ctx, d.prev(), d.bin()); err != nil {
		return fmt.Errorf("the previous release could not be put back: %w", err)
	}
	return nil
}

func (d *Deployment) uninstall(ctx context.Context) error {
	_, err := os.Stat(d.bin())
	has := err == nil
	// The agent removes the release in place before it tries another one, and the other
	// one when that has failed. Both times an installation follows, which needs what is here.
	if at := d.agentIs(); has && (at == agentUpgrading || at == agentRemovesRefused) {
		d.say("kept the release in place for the installation that follows")
		return nil
	}
	if d.Host.Installer() {
		_ = d.remove(ctx, d.fresh(), d.prev(), d.rejected(), d.placed())
		d.say("removed; ssm-doctor %s of Windows Installer stays", d.releaseOf(ctx, d.bin()))
		return nil
	}
	program, err := d.Host.Service()
	if err != nil {
		return err
	}
	switch tool := d.bin(); {
	case program != "" && !d.own(program): // not this package's
		d.say("the service starts %s, which another installation has put there; it stays", clean(program))
	case has && !d.ours() && d.releaseOf(ctx, d.bin()) != "":
		d.say("%s was put there by hand; it stays", d.bin())
		return d.remove(ctx, d.fresh(), d.prev(), d.rejected(), d.placed())
	case program == "" && (!d.arguments.service || !has): // installed without one
	default:
		// A damaged program cannot remove its service; the one of the package can.
		if _, err := d.runs(ctx, tool); err != nil {
			tool = d.payload()
		}
		args := []string{"service", "uninstall"}
		if d.keepState {
			args = append(args, "--keep-state")
		}
		if err := d.call(ctx, tool, args...); err != nil {
			return errors.Join(err, errors.New("the service could not be removed; the program was left in place"))
		}
	}
	if err := d.removeOwn(ctx); err != nil {
		return err
	}
	d.say("removed")
	return nil
}

func (d *Deployment) validate(ctx context.Context) error {
	if d.Host.Installer() {
		theirs, err := d.packaged(ctx)
		if err == nil {
			d.say("ssm-doctor %s is installed by Windows Installer", theirs)
		}
		return err
	}
	if _, err := os.Stat(d.bin()); err != nil {
		return fmt.Errorf("%s is missing", d.bin())
	}
	said, err := d.runs(ctx, d.bin())
	if err != nil {
		return err
	}
	// After a rollback the folder of the release that runs may hold the refused one.
	if at := d.agentIs(); !same(d.bin(), d.payload()) && !((at == agentInstalled || at == agentInstallsEarlier) && d.refused()) {
		return fmt.Errorf("%s is not the program of this release", d.bin())
	}
	program, err := d.Host.Service()
	if err != nil {
		return err
	}
	switch {
	case !d.arguments.service && d.own(program):
		return errors.New("there is a service, although SSM_DOCTOR_SERVICE says no")
	case d.arguments.service && !d.noStart:
		if err := d.call(ctx, d.bin(), "service", "verify"); err != nil {
			return errors.Join(err, errors.New("the service is not as it was installed"))
		}
	}
	_ = d.remove(ctx, d.fresh(), d.prev()) // an update that was cut off leaves copies
	d.say("valid: %s", said)
	return nil
}
