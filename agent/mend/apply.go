package mend

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Errors of Apply.
var (
	// ErrChanged: what is to be changed is not what it was when it was planned.
	ErrChanged = errors.New("it is not as it was found")
	errSystem  = errors.New("nothing is changed on this system")
)

// Host is where actions are carried out.
type Host struct {
	// Root is put before the names of files; empty on a host.
	Root string
	// State is the folder of the log and of what is kept; it belongs to root alone.
	State string
	Now   func() time.Time
	// Run runs a program of the system by its name, systemctl or ip, with arguments.
	Run func(ctx context.Context, program string, args ...string) ([]byte, error)
}

// StateDir is where the log and what is kept are. It is not the folder of the daemon,
// which belongs to the daemon's user: what is copied back to a system file must not have
// been in other hands than root's.
const StateDir = "/var/lib/ssm-doctor-fix"

// LogFile is the name of the log in the state folder.
const LogFile = "fix.log"

// Done is what an action was and how it is undone; without undo nothing is left of it.
type Done struct {
	Action Action
	Undo   string
	// Begun reports whether something may be changed; of an action that failed before it
	// changed anything it is false, and there is nothing to undo.
	Begun bool
}

// Apply carries out one action. The way back is written to the log before anything is
// changed.
func (h *Host) Apply(ctx context.Context, a Action) (Done, error) {
	d := Done{Action: a}
	if err := ctx.Err(); err != nil {
		return d, err
	}
	if err := h.prepare(); err != nil {
		return d, err
	}
	switch a.Kind {
	case Unmask, Enable, Start:
		if done, err := h.already(ctx, a); done || err != nil {
			return d, err
		}
		d.Undo = a.Undoing()
		return h.do(ctx, d, "systemctl", map[Kind]string{Unmask: "unmask", Enable: "enable", Start: "start"}[a.Kind], a.Unit)
	case Restart:
		return h.do(ctx, d, "systemctl", "restart", a.Unit)
	case Reload:
		return h.do(ctx, d, "systemctl", "daemon-reload")
	case Hosts:
		return h.hosts(a)
	case Route:
		return h.route(ctx, a)
	}
	return d, fmt.Errorf("%w: %s", errSystem, a.Kind)
}

// already reports whether a service is what an action makes of it, by another's doing
// since it was judged; then nothing is done, and nothing is to be undone.
func (h *Host) already(ctx context.Context, a Action) (bool, error) {
	ask := map[Kind]string{Enable: "is-enabled", Start: "is-active"}[a.Kind]
	if ask == "" {
		return false, nil
	}
	out, err := h.Run(ctx, "systemctl", ask, a.Unit)
	if err != nil {
		return false, ctx.Err() // systemctl says no by its exit code
	}
	if state := strings.TrimSpace(string(out)); a.Kind == Enable && state != "enabled" {
		return false, fmt.Errorf("%s: %w: it is %q, and cannot simply be enabled", a.Unit, ErrChanged, state)
	}
	return true, nil
}

// do writes the log and runs a program.
func (h *Host) do(ctx context.Context, d Done, program string, args ...string) (Done, error) {
	if err := h.note(d); err != nil {
		return Done{Action: d.Action}, err
	}
	d.Begun = true
	_, err := h.Run(ctx, program, args...)
	return d, h.ended(d.Action, err, "it may be done in part")
}

func (h *Host) hosts(a Action) (Done, error) {
	d := Done{Action: a}
	name := filepath.Join(h.Root, hostsFile)
	old, err := read(name)
	if err != nil {
		return d, err
	}
	next := withoutNames(old, a.Names)
	if len(next) == len(old) {
		return d, fmt.Errorf("%s: %w", name, ErrChanged)
	}
	kept := filepath.Join(h.State, "hosts."+h.Now().UTC().Format("20060102T150405.000000000Z"))
	if err := keep(kept, old); err != nil {
		return d, err
	}
	did := Done{Action: a, Undo: command("cp", kept, name), Begun: true} // cp keeps owner, mode and label of what it writes to
	if err := h.note(did); err != nil {
		return d, err
	}
	if err := rewrite(name, old, next); err != nil { // all of it or nothing
		return d, h.ended(a, err, "nothing was changed")
	}
	return did, nil
}

func (h *Host) route(ctx context.Context, a Action) (Done, error) {
	d := Done{Action: a}
	family := "-4"
	if a.To.Addr().Is6() {
		family = "-6"
	}
	out, err := h.Run(ctx, "ip", family, "route", "show", "exact", a.To.String())
	if err != nil {
		return d, err
	}
	words := routeWords(out, a)
	if words == nil {
		return d, fmt.Errorf("route to %s: %w: the main table has none, another, or several", a.To, ErrChanged)
	}
	d.Undo = command(append([]string{"ip", family, "route", "add"}, words...)...)
	return h.do(ctx, d, "ip", append([]string{family, "route", "del"}, words...)...)
}

// note writes what is about to be done, and its undoing, to the log.
func (h *Host) note(d Done) error {
	line := h.Now().UTC().Format(time.RFC3339) + " " + d.Action.Says() + "\n"
	if d.Undo != "" {
		line += "  undo: " + d.Undo + "\n"
	}
	return add(filepath.Join(h.State, LogFile), line)
}

// ended writes to the log that an action failed, and what that leaves.
func (h *Host) ended(a Action, err error, leaves string) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", a.Says(), err)
	return errors.Join(err, add(filepath.Join(h.State, LogFile), h.Now().UTC().Format(time.RFC3339)+"  failed; "+leaves+"\n"))
}
