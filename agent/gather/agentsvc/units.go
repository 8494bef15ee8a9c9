// Package agentsvc looks at the agent as a service: what its manager says, its
// processes, its environment and its proxy.
package agentsvc

import (
	"bytes"
	"context"
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// unitNames are the agent's units, of deb/rpm and of snap.
var unitNames = []string{"amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service"}

// unitsOf are the units that may run the agent on a host.
func unitsOf(fsys gather.FileSystem) []string {
	if gather.IsBottlerocket(fsys) {
		return []string{gather.BottlerocketUnit}
	}
	if !snaps(fsys) {
		return unitNames[:1]
	}
	return unitNames
}

// snaps reports whether a host may have snaps: it has a place for them, or a unit of the
// agent's. Without, systemd needs not look for that unit, and tells nothing of it.
func snaps(fsys gather.FileSystem) bool {
	for _, place := range []string{"snap", "var/lib/snapd"} {
		if _, err := fsys.Stat(place); !gather.Missing(err) {
			return true
		}
	}
	return len(unitFiles(fsys, unitNames[1])) > 0
}

// unitDirs are systemd's directories, the most binding first.
var unitDirs = []string{"etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"}

// unitProperties are what is asked of systemd; all are read-only.
const unitProperties = "Id,LoadState,ActiveState,SubState,UnitFileState,Result,ExecMainStatus,NRestarts,MainPID,User,ExecStart,FragmentPath," +
	"RestartPreventExitStatus,ActiveEnterTimestamp,InactiveEnterTimestamp,ExecMainStartTimestamp,ExecMainExitTimestamp," +
	"ExecMainCode,Restart,LoadError,WantedBy,RequiredBy,UpheldBy,TriggeredBy,ConditionResult,AssertResult,ConditionTimestamp,MemoryMax,MemoryLimit,OOMPolicy"

// Units is what the service manager says of itself and of the agent's units. It is asked
// once in a run.
func Units(ctx context.Context, run *gather.Run) (manager facts.Seen[string], units facts.Seen[[]facts.Unit]) {
	a := run.Once(ctx, unitsKey, unitsOfManager(run)).(managed)
	return a.manager, a.units
}

// AskUnits begins to ask, and does not wait.
func AskUnits(ctx context.Context, run *gather.Run) {
	run.BeginOnce(ctx, unitsKey, unitsOfManager(run))
}

const unitsKey = "units"

// managed is what Units says.
type managed struct {
	manager facts.Seen[string]
	units   facts.Seen[[]facts.Unit]
}

func unitsOfManager(run *gather.Run) func(context.Context) any {
	return func(ctx context.Context) any {
		manager, units := askUnits(ctx, run.Env)
		return managed{manager, units}
	}
}

func askUnits(ctx context.Context, env *gather.Env) (manager facts.Seen[string], units facts.Seen[[]facts.Unit]) {
	switch {
	case env.GOOS == "windows" && env.Windows != nil:
		return windowsUnits(env)
	case env.GOOS == "darwin":
		return launchdUnits(ctx, env)
	case env.GOOS != "linux":
		return gather.NotAskable[string](gather.NotLive, ""), gather.NotAskable[[]facts.Unit](gather.NotLive, "")
	case env.Live && env.Exec != nil:
		return systemdUnits(ctx, env)
	}
	return fileUnits(env)
}

const (
	upstartJob = "etc/init/amazon-ssm-agent.conf"
	fromShow   = "systemctl show"
)

// noUnits is the answer for a host without systemd.
func noUnits(env *gather.Env, why, from string) (facts.Seen[string], facts.Seen[[]facts.Unit]) {
	if gather.Exists(env.FS, upstartJob) {
		return facts.Known("upstart", "file:/"+upstartJob), facts.Unknown[[]facts.Unit]("upstart is not asked for the state of its jobs", "file:/"+upstartJob)
	}
	if manager, u, ok := scriptUnit(env.FS); ok {
		return facts.Known(manager, "file:/"+initScript), facts.Known([]facts.Unit{u}, "file:/"+initScript)
	}
	return facts.Absent[string](why, from), facts.Absent[[]facts.Unit](why, from)
}

// systemdUnits asks systemd.
func systemdUnits(ctx context.Context, env *gather.Env) (facts.Seen[string], facts.Seen[[]facts.Unit]) {
	out, err := env.Exec(ctx, "systemctl", append([]string{"show", "--no-pager", "-p", unitProperties}, unitsOf(env.FS)...)...)
	units := parseUnits(out)
	if len(units) > 0 {
		for i := range units {
			describe(env.FS, &units[i])
		}
		return facts.Known("systemd", fromShow), facts.Known(units, fromShow)
	}
	switch {
	case errors.Is(err, gather.ErrNoProgram) && !gather.Exists(env.FS, "run/systemd/system"):
		return noUnits(env, "no systemctl on this host", "")
	case err != nil && (strings.Contains(err.Error(), "not been booted with systemd") || strings.Contains(err.Error(), "connect to bus")) && !gather.Exists(env.FS, "run/systemd/system"):
		return noUnits(env, "systemd does not run here", fromShow)
	case err == nil:
		err = errors.New("systemctl printed no unit")
	}
	return gather.Unknown[string](err, fromShow), gather.Partly(filedUnits(env), err, "unit files")
}

// fileUnits describes the units of a tree that does not run.
func fileUnits(env *gather.Env) (facts.Seen[string], facts.Seen[[]facts.Unit]) {
	units := filedUnits(env)
	switch {
	case len(units) > 0 || gather.Exists(env.FS, "usr/lib/systemd/systemd") || gather.Exists(env.FS, "lib/systemd/systemd"):
		return facts.Known("systemd", "unit files"), facts.Known(units, "unit files")
	case gather.Exists(env.FS, upstartJob):
		return noUnits(env, "", "")
	}
	return gather.NotAskable[string](gather.NotLive, ""), gather.NotAskable[[]facts.Unit](gather.NotLive, "")
}

// filedUnits are the units as systemd would load them from files.
func filedUnits(env *gather.Env) []facts.Unit {
	units := []facts.Unit{}
	for _, name := range unitsOf(env.FS) {
		if u, ok := unitFromFiles(env.FS, name); ok {
			units = append(units, u)
		}
	}
	return units
}

// parseUnits reads the output of systemctl show: Property=value lines, a blank
// line between units. At most 20 units.
func parseUnits(b []byte) []facts.Unit {
	var out []facts.Unit
	u, any := facts.Unit{}, false
	end := func() {
		if any && u.Name != "" && len(out) < 20 {
			out = append(out, u)
		}
		u, any = facts.Unit{}, false
	}
	gather.Lines(b, func(l []byte) bool {
		if len(l) == 0 {
			end()
			return true
		}
		k, v, ok := strings.Cut(string(l), "=")
		if !ok {
			return true
		}
		any = true
		setProperty(&u, k, v)
		return true
	})
	end()
	return out
}

func setProperty(u *facts.Unit, k, v string) {
	num := func() int { n, _ := strconv.Atoi(v); return n }
	switch k {
	case "Id":
		u.Name = gather.OneLine(v, 200)
	case "LoadState":
		u.Load = gather.OneLine(v, 50)
	case "ActiveState":
		u.Active = gather.OneLine(v, 50)
	case "SubState":
		u.Sub = gather.OneLine(v, 50)
	case "UnitFileState":
		u.Enabled = gather.OneLine(v, 50)
	case "Result":
		u.Result = gather.OneLine(v, 50)
	case "ExecMainStatus":
		u.ExitStatus = num()
	case "NRestarts":
		u.Restarts = num()
	case "MainPID":
		u.MainPID = num()
	case "User":
		u.User = gather.OneLine(v, 100)
	case "ExecStart":
		if _, rest, ok := strings.Cut(v, "path="); ok {
			p, _, _ := strings.Cut(rest, " ;")
			u.Exec = gather.OneLine(p, 300)
		}
	case "FragmentPath":
		u.File = gather.OneLine(v, 300)
	case "RestartPreventExitStatus":
		u.NoRestart = exitCodes(v)
	case "ActiveEnterTimestamp":
		u.ActiveSince = unitTime(v)
	case "InactiveEnterTimestamp":
		u.StoppedSince = unitTime(v)
	case "ExecMainStartTimestamp":
		u.StartedAt = unitTime(v)
	case "ExecMainExitTimestamp":
		u.ExitedAt = unitTime(v)
	case "ExecMainCode":
		u.Ended = endedAs(v)
	case "Restart":
		u.Restart = gather.OneLine(v, 50)
	case "LoadError":
		if _, why, ok := strings.Cut(v, `"`); ok && u.Load != "not-found" {
			u.LoadError = gather.OneLine(strings.TrimSuffix(why, `"`), 200)
		}
	case "WantedBy", "RequiredBy", "UpheldBy", "TriggeredBy":
		for _, w := range strings.Fields(v) {
			if len(u.StartedBy) < 20 {
				u.StartedBy = append(u.StartedBy, gather.OneLine(w, 100))
			}
		}
	case "ConditionResult", "AssertResult":
		u.Unmet = u.Unmet || v == "no"
	case "ConditionTimestamp":
		u.Unmet = u.Unmet && unitTime(v) != time.Time{} // never looked at is "no" too
	case "MemoryMax", "MemoryLimit":
		if n, err := strconv.ParseUint(v, 10, 64); err == nil && n < 1<<60 {
			u.MemoryMax = n
		}
	case "OOMPolicy":
		u.OOMPolicy = gather.OneLine(v, 50)
	}
}

// endedAs is how a process ended by ExecMainCode, which is si_code of SIGCHLD.
// Source: sigaction(2).
func endedAs(v string) string {
	return map[string]string{"1": "exited", "2": "killed", "3": "dumped", "exited": "exited", "killed": "killed", "dumped": "dumped"}[v]
}

func exitCodes(v string) []int {
	var out []int
	for _, w := range strings.Fields(v) {
		if n, err := strconv.Atoi(w); err == nil && len(out) < 50 {
			out = append(out, n)
		}
	}
	return out
}

// unitTime reads systemd's time text; programs run with TZ=UTC.
func unitTime(v string) time.Time {
	for _, layout := range []string{"Mon 2006-01-02 15:04:05 MST", "Mon 2006-01-02 15:04:05.999999 MST"} {
		if t, err := time.Parse(layout, v); err == nil {
			return gather.SaneTime(t)
		}
	}
	if s, ok := strings.CutPrefix(v, "@"); ok {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return gather.SaneTime(time.Unix(n, 0))
		}
	}
	return time.Time{}
}

// unitFiles are the file of a unit and its drop-ins in the order they apply.
func unitFiles(fsys gather.FileSystem, unit string) []string {
	var out []string
	for _, d := range unitDirs {
		if f := path.Join(d, unit); gather.Exists(fsys, f) {
			out = append(out, f)
			break
		}
	}
	return append(out, dropIns(fsys, unit)...)
}

// dropIns are the .conf files of a unit by name; a name in a more binding
// directory hides the others.
func dropIns(fsys gather.FileSystem, unit string) []string {
	seen := map[string]string{}
	for _, d := range unitDirs {
		dir := path.Join(d, unit+".d")
		es, err := fsys.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range es {
			if strings.HasSuffix(e.Name(), ".conf") && seen[e.Name()] == "" && len(seen) < 50 {
				seen[e.Name()] = path.Join(dir, e.Name())
			}
		}
	}
	names := make([]string, 0, len(seen))
	for n := range seen {
		names = append(names, n)
	}
	slices.Sort(names)
	for i, n := range names {
		names[i] = seen[n]
	}
	return names
}

// maxUnitLine bounds a line of a unit file with its continuations.
const maxUnitLine = 64 << 10

// unitValues returns the key and value pairs of one section of a unit file,
// with continued lines joined.
func unitValues(b []byte, section string) [][2]string {
	var out [][2]string
	in := false
	var cont strings.Builder // of the lines so far, each without its \
	gather.Lines(b, func(l []byte) bool {
		l = bytes.TrimSpace(l)
		if cont.Len() == 0 && (len(l) == 0 || l[0] == '#' || l[0] == ';') {
			return true
		}
		if t, ok := bytes.CutSuffix(l, []byte(`\`)); ok && cont.Len()+len(t) < maxUnitLine {
			cont.Write(t)
			cont.WriteByte(' ')
			return true
		}
		cont.Write(l)
		s := cont.String()
		cont.Reset()
		if s[0] == '[' {
			in = s == "["+section+"]"
			return true
		}
		if k, v, ok := strings.Cut(s, "="); ok && in && len(out) < 500 {
			out = append(out, [2]string{strings.TrimSpace(k), strings.TrimSpace(v)})
		}
		return true
	})
	return out
}

// unquoteUnit splits a value of a unit file into words, quotes removed.
func unquoteUnit(v string) []string {
	var out []string
	var w strings.Builder
	quote, any := byte(0), false
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == '\\' && i+1 < len(v):
			i++
			w.WriteByte(v[i])
			any = true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				w.WriteByte(c)
			}
		case c == '"' || c == '\'':
			quote, any = c, true
		case c == ' ' || c == '\t':
			if any {
				out = append(out, w.String())
				w.Reset()
				any = false
			}
		default:
			w.WriteByte(c)
			any = true
		}
	}
	if any {
		out = append(out, w.String())
	}
	return out
}

// unitFromFiles describes a unit of a tree that does not run: enablement, file,
// user and executable. Active stays empty.
func unitFromFiles(fsys gather.FileSystem, name string) (facts.Unit, bool) {
	u := facts.Unit{Name: name, Load: "not-found", DanglingLink: danglingWants(fsys, name)}
	for _, d := range unitDirs {
		f := path.Join(d, name)
		if target, err := fsys.Readlink(f); err == nil && target == "/dev/null" {
			u.Load, u.Enabled, u.File = "masked", "masked", "/"+f
			return u, true
		}
	}
	files := unitFiles(fsys, name)
	main := false
	for i, f := range files {
		b, err := gather.ReadFile(fsys, f, gather.MaxSmall)
		if err != nil {
			continue
		}
		if i == 0 && !strings.HasSuffix(f, ".conf") {
			main = true
			u.Load, u.File = "loaded", "/"+f
		}
		for _, kv := range unitValues(b, "Service") {
			switch kv[0] {
			case "User":
				u.User = gather.OneLine(kv[1], 100)
			case "ExecStart":
				if w := unquoteUnit(kv[1]); len(w) > 0 {
					u.Exec = gather.OneLine(strings.TrimLeft(w[0], "-@:+!"), 300)
				}
			case "RestartPreventExitStatus":
				u.NoRestart = append(u.NoRestart, exitCodes(kv[1])...)
			}
		}
	}
	if !main {
		return u, u.DanglingLink
	}
	u.Enabled = "disabled"
	if len(wants(fsys, name)) > 0 {
		u.Enabled = "enabled"
	}
	describe(fsys, &u)
	return u, true
}

// wants are the links that start a unit at boot.
func wants(fsys gather.FileSystem, name string) []string {
	var out []string
	for _, d := range []string{"etc/systemd/system", "usr/lib/systemd/system"} {
		for _, t := range []string{"multi-user.target.wants", "default.target.wants", "graphical.target.wants", "network-online.target.wants"} {
			f := path.Join(d, t, name)
			if _, err := fsys.Lstat(f); err == nil {
				out = append(out, f)
			}
		}
	}
	return out
}

// danglingWants reports whether a link that starts the unit leads nowhere.
func danglingWants(fsys gather.FileSystem, name string) bool {
	for _, f := range wants(fsys, name) {
		if _, err := fsys.Stat(f); err != nil && gather.Missing(err) {
			return true
		}
	}
	return false
}
