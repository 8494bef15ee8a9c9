//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// unitsDir holds what the lab's systemctl shows of each unit, as Property=value lines.
const unitsDir = "/usr/lib/lab/units"

// systemctl changes units of the box; what only looks is the lab's own.
func systemctl(args []string) error {
	var verb string
	var names []string
	now := false
	for _, a := range args {
		switch {
		case a == "--now":
			now = true
		case strings.HasPrefix(a, "-"):
		case verb == "":
			verb = a
		default:
			names = append(names, a)
		}
	}
	each := func(f func(*unit) error) error {
		var all error
		for _, n := range names {
			u, err := load(n)
			if err == nil && u != nil {
				err = f(u)
			}
			all = errors.Join(all, err)
		}
		return all
	}
	switch verb {
	case "daemon-reload":
		files, _ := os.ReadDir(unitsDir)
		for _, f := range files {
			u, err := load(f.Name())
			if err != nil {
				return err
			}
			u.read()
			if err := u.save(); err != nil {
				return err
			}
		}
		return nil
	case "start", "restart", "reload-or-restart", "try-restart":
		for _, n := range names {
			if err := synchronized(n); err != nil {
				return err
			}
		}
		return each(func(u *unit) error { return u.start(verb != "start") })
	case "stop":
		return each((*unit).stop)
	case "reset-failed":
		return each(func(u *unit) error {
			if u.get("ActiveState") == "failed" {
				u.set("ActiveState", "inactive", "SubState", "dead", "Result", "success")
			}
			return u.save()
		})
	case "enable", "disable", "mask", "unmask":
		return each(func(u *unit) error {
			if err := u.link(verb); err != nil {
				return err
			}
			switch {
			case now && verb == "enable":
				return u.start(false)
			case now:
				return u.stop()
			}
			return nil
		})
	case "add-wants":
		if len(names) < 2 {
			return errors.New("too few arguments")
		}
		target := names[0]
		names = names[1:]
		return each(func(u *unit) error { return u.wantedBy(target) })
	}
	return stub(args)
}

// timeServices keep the clock right, by the names of their units.
var timeServices = []string{"systemd-timesyncd", "chrony", "chronyd", "ntpd", "ntp", "ntpsec"}

// synchronized notes that a time service was started, where that is one: the clock of the
// box is kept beside it, by whoever reads the note.
func synchronized(name string) error {
	name = strings.TrimSuffix(name, ".service")
	if !slices.Contains(timeServices, name) {
		return nil
	}
	if _, err := load(name); err != nil {
		return err
	}
	return os.WriteFile("/run/closure-clock", nil, 0o644)
}

// timedatectl switches the time service of systemd on; it shows what there is to see of a
// clock that is right.
func timedatectl(args []string) error {
	if len(args) == 2 && args[0] == "set-ntp" && (args[1] == "true" || args[1] == "yes" || args[1] == "1") {
		for _, n := range timeServices {
			if synchronized(n) == nil {
				return nil
			}
		}
		return errors.New("Failed to set ntp: NTP not supported") //nolint:staticcheck // timedatectl's words
	}
	return nil
}

// unit is one unit of the box.
type unit struct {
	name  string
	lines []string
}

// load reads a unit; nil for one of another program, to which nothing happens.
func load(name string) (*unit, error) {
	if filepath.Ext(name) == "" {
		name += ".service"
	}
	raw, err := os.ReadFile(filepath.Join(unitsDir, name))
	if err == nil {
		return &unit{name, strings.Split(strings.TrimSpace(string(raw)), "\n")}, nil
	}
	for _, d := range unitDirs {
		if _, err := os.Stat(filepath.Join(d, name)); err == nil {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("Unit %s not found.", name) //nolint:staticcheck // systemctl's words
}

var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

func (u *unit) get(key string) string {
	for _, l := range u.lines {
		if v, ok := strings.CutPrefix(l, key+"="); ok {
			return v
		}
	}
	return ""
}

func (u *unit) set(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		line := pairs[i] + "=" + pairs[i+1]
		k := slices.IndexFunc(u.lines, func(l string) bool { return strings.HasPrefix(l, pairs[i]+"=") })
		if k < 0 {
			u.lines = append(u.lines, line)
		} else {
			u.lines[k] = line
		}
	}
}

func (u *unit) save() error {
	return os.WriteFile(filepath.Join(unitsDir, u.name), []byte(strings.Join(u.lines, "\n")+"\n"), 0o644)
}

// read takes over what the unit's files say now.
func (u *unit) read() {
	files := []string{}
	for _, d := range unitDirs {
		if f := filepath.Join(d, u.name); exists(f) {
			files = append(files, f)
			break
		}
	}
	if len(files) == 0 {
		return
	}
	u.set("FragmentPath", files[0])
	if to, err := os.Readlink(files[0]); err == nil && to == "/dev/null" {
		u.set("LoadState", "masked", "UnitFileState", "masked")
		return
	}
	u.set("LoadState", "loaded", "NeedDaemonReload", "no")
	drops := map[string]string{}
	for i := len(unitDirs) - 1; i >= 0; i-- {
		found, _ := filepath.Glob(filepath.Join(unitDirs[i], u.name+".d", "*.conf"))
		for _, f := range found {
			drops[filepath.Base(f)] = f
		}
	}
	var paths []string
	for _, n := range sortedKeys(drops) {
		paths = append(paths, drops[n])
	}
	single := map[string]string{"User": "", "Restart": "no", "RestartUSec": u.get("RestartUSec")}
	var env, envFiles []string
	exe := ""
	for _, f := range append(files, paths...) {
		raw, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for l := range strings.Lines(string(raw)) {
			k, v, ok := strings.Cut(strings.TrimSpace(l), "=")
			if !ok || strings.HasPrefix(k, "#") {
				continue
			}
			switch k {
			case "Environment":
				if v == "" {
					env = nil
				}
				env = append(env, words(v)...)
			case "EnvironmentFile":
				envFiles = append(envFiles, v)
			case "ExecStart":
				exe = v
			case "User", "Restart", "MemoryMax", "OOMPolicy", "LimitNOFILE", "TimeoutStartUSec":
				single[k] = v
			}
		}
	}
	for _, k := range sortedKeys(single) {
		u.set(k, single[k])
	}
	last := map[string]string{}
	for _, e := range env {
		k, v, _ := strings.Cut(e, "=")
		last[k] = v
	}
	var kept []string
	for _, k := range sortedKeys(last) {
		kept = append(kept, k+"="+last[k])
	}
	u.set("Environment", strings.Join(kept, " "), "EnvironmentFiles", strings.Join(envFiles, " "), "DropInPaths", strings.Join(paths, " "))
	if f := strings.Fields(exe); len(f) > 0 {
		u.set("ExecStart", "{ path="+f[0]+" ; argv[]="+exe+" ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }", "LabExe", f[0])
	}
}

// words are the words of a setting, without their quotes.
func words(s string) []string {
	var out []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		end := " "
		if s[0] == '"' || s[0] == '\'' {
			end, s = s[:1], s[1:]
		}
		w, rest, _ := strings.Cut(s, end)
		out, s = append(out, w), rest
	}
	return out
}

func (u *unit) link(verb string) error {
	mask := filepath.Join("/etc/systemd/system", u.name)
	to, err := os.Readlink(mask)
	masked := err == nil && to == "/dev/null"
	switch verb {
	case "mask":
		if !masked {
			if err := os.Symlink("/dev/null", mask); err != nil {
				return err
			}
		}
	case "unmask":
		if masked {
			if err := os.Remove(mask); err != nil {
				return err
			}
			u.set("UnitFileState", "disabled")
		}
		if u.get("LoadState") == "masked" {
			u.set("LoadState", "loaded", "UnitFileState", "disabled")
		}
	case "enable":
		if masked {
			return fmt.Errorf("Failed to enable unit: Unit file %s is masked.", mask) //nolint:staticcheck // systemctl's words
		}
		if err := u.wantedBy("multi-user.target"); err != nil {
			return err
		}
		u.set("UnitFileState", "enabled")
	case "disable":
		_ = os.Remove("/etc/systemd/system/multi-user.target.wants/" + u.name)
		u.set("UnitFileState", "disabled")
	}
	u.read()
	return u.save()
}

func (u *unit) wantedBy(target string) error {
	dir := "/etc/systemd/system/" + target + ".wants"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	link := filepath.Join(dir, u.name)
	_ = os.Remove(link)
	return os.Symlink(u.get("FragmentPath"), link)
}

const stampOfUnit = "Mon 2006-01-02 15:04:05 MST"

// kill ends the processes of the unit's program and its workers.
func (u *unit) kill() {
	exe, err := filepath.EvalSymlinks(u.get("LabExe"))
	if err != nil {
		exe = u.get("LabExe")
	}
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		of, err := os.Readlink(p + "/exe")
		of = strings.TrimSuffix(of, " (deleted)")
		pid, _ := strconv.Atoi(filepath.Base(p))
		if err == nil && pid != os.Getpid() && (of == exe || filepath.Dir(of) == filepath.Dir(exe) && strings.HasPrefix(filepath.Base(of), "ssm-")) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func (u *unit) stop() error {
	u.kill()
	now := time.Now().UTC().Format(stampOfUnit)
	u.set("ActiveState", "inactive", "SubState", "dead", "MainPID", "0", "ExecMainPID", "0", "Result", "success", "ExecMainCode", "1", "ExecMainStatus", "0",
		"InactiveEnterTimestamp", now, "ExecMainExitTimestamp", now, "StateChangeTimestamp", now)
	return u.save()
}

// start starts the service. Its program is asked first what it would do, and what that
// takes lies some minutes in the past already.
func (u *unit) start(again bool) error {
	if u.get("LoadState") == "masked" {
		return fmt.Errorf("Failed to start %s: Unit %[1]s is masked.", u.name) //nolint:staticcheck // systemctl's words
	}
	if !again && u.get("ActiveState") == "active" {
		return nil
	}
	u.kill()
	exe := u.get("LabExe")
	ended := func(status int) error {
		at := time.Now().Add(-30 * time.Second).UTC().Format(stampOfUnit)
		u.set("ActiveState", "activating", "SubState", "auto-restart", "MainPID", "0", "ExecMainPID", "0", "Result", "exit-code", "ExecMainCode", "1", "ExecMainStatus", strconv.Itoa(status),
			"NRestarts", "7", "ExecMainStartTimestamp", at, "ExecMainExitTimestamp", at, "StateChangeTimestamp", at, "ActiveEnterTimestamp", "")
		if status == 0 {
			u.set("Result", "success")
		}
		return u.save()
	}
	if name := u.get("User"); name != "" && name != "root" {
		if _, err := user.Lookup(name); err != nil {
			return ended(217)
		}
	}
	if err := exec.Command(exe, "-version").Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		return ended(203)
	}
	env := append([]string{"LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/snap/bin", "INVOCATION_ID=5f3c9be6a1d94d3f8a5fec2f2ab1a1d9"}, words(u.get("Environment"))...)
	play := exec.Command(exe, "play")
	play.Env, play.Stdout, play.Stderr = env, os.Stdout, os.Stderr
	if err := play.Run(); err != nil {
		var code *exec.ExitError
		if errors.As(err, &code) {
			return ended(0) // the agent gives up, in good order
		}
		return err
	}
	at := time.Now().Add(-since).UTC().Format(stampOfUnit)
	u.set("ActiveState", "active", "SubState", "running", "MainPID", "@PID@", "ExecMainPID", "@PID@", "Result", "success", "ExecMainStatus", "0", "ExecMainCode", "0", "NRestarts", "0",
		"ActiveEnterTimestamp", at, "ExecMainStartTimestamp", at, "StateChangeTimestamp", at, "InactiveEnterTimestamp", "", "ExecMainExitTimestamp", "")
	if err := u.save(); err != nil {
		return err
	}
	agent := exec.Command(exe)
	agent.Env, agent.SysProcAttr = env, &syscall.SysProcAttr{Setsid: true}
	if err := agent.Start(); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond) // until its worker runs
	return nil
}
