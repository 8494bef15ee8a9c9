package agentsvc

import (
	"context"
	"errors"
	"path"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

const (
	MacLabel = "com.amazon.aws.ssm"
	macPlist = "Library/LaunchDaemons/" + MacLabel + ".plist"
)

// macEnvironment is the environment of the agent on macOS: that of its property
// list, over which the agent lays the proxy of the system at its start.
func macEnvironment(ctx context.Context, env *gather.Env) Environment {
	e := Environment{Vars: map[string]string{}, From: "/" + macPlist}
	b, err := gather.ReadFile(env.FS, macPlist, gather.MaxSmall)
	if err != nil && !gather.Missing(err) {
		e.Err = err
	}
	for k, v := range hostfile.ParsePlist(b) {
		if n, ok := strings.CutPrefix(k, "EnvironmentVariables."); ok && len(e.Vars) < hostfile.MaxVars {
			e.Vars[n] = v
		}
	}
	if !env.Live || env.Exec == nil {
		return e
	}
	out, err := env.Exec(ctx, "scutil", "--proxy")
	if err != nil {
		e.Err = err
		return e
	}
	p := ParseScutil(out)
	e.Vars["https_proxy"], e.Vars["http_proxy"], e.Vars["no_proxy"] = p.HTTPS, p.HTTP, p.No
	if p.HTTPS != "" || p.HTTP != "" {
		e.From = "scutil --proxy"
	}
	return e
}

// ParseScutil reads the output of scutil --proxy: "key : value" lines and one
// list of exceptions.
func ParseScutil(b []byte) gather.ProxyVars {
	vals := map[string]string{}
	var no []string
	in := false
	gather.Lines(b, func(l []byte) bool {
		k, v, ok := strings.Cut(strings.TrimSpace(string(l)), " : ")
		switch {
		case !ok:
			in = in && strings.TrimSpace(string(l)) != "}"
		case k == "ExceptionsList":
			in = true
		case in:
			// The agent cuts two characters off, the number and its sign: from the eleventh
			// on no exception takes effect. Source: amazon-ssm-agent, proxy_darwin.go.
			if len(k) == 1 {
				no = append(no, strings.TrimPrefix(v, "*"))
			}
		case len(vals) < 100:
			vals[k] = v
		}
		return true
	})
	of := func(kind string) string {
		if vals[kind+"Enable"] != "1" || vals[kind+"Proxy"] == "" {
			return ""
		}
		if p := vals[kind+"Port"]; p != "" {
			return "http://" + vals[kind+"Proxy"] + ":" + p
		}
		return "http://" + vals[kind+"Proxy"]
	}
	return gather.ProxyVars{HTTPS: of("HTTPS"), HTTP: of("HTTP"), No: strings.Join(no, ",")}
}

// launchdUnits asks launchd, or reads the property list of a tree that does not run.
func launchdUnits(ctx context.Context, env *gather.Env) (manager facts.Seen[string], units facts.Seen[[]facts.Unit]) {
	const fromPrint = "launchctl print"
	known := func(u facts.Unit, from string) (facts.Seen[string], facts.Seen[[]facts.Unit]) {
		return facts.Known("launchd", from), facts.Known([]facts.Unit{u}, from)
	}
	u, err := filedUnit(env)
	if err != nil {
		return gather.Unknown[string](err, gather.FileURL(macPlist)), gather.Unknown[[]facts.Unit](err, gather.FileURL(macPlist))
	}
	withProgram := func() {
		if u.Exec != "" {
			u.Program = ProgramOf(env.FS, u.Exec)
		}
	}
	if withProgram(); !env.Live || env.Exec == nil {
		return known(u, gather.FileURL(macPlist))
	}
	if out, err := env.Exec(ctx, "launchctl", "print-disabled", "system"); err == nil {
		if off, known := launchdDisabled(out, MacLabel); known {
			u.Enabled = "enabled"
			if off {
				u.Enabled = "disabled"
			}
		}
	}
	out, err := env.Exec(ctx, "launchctl", "print", "system/"+MacLabel)
	switch {
	case err == nil && len(out) > 0:
		parseLaunchd(out, &u)
		u.Load = "loaded"
		withProgram()
	case err != nil && (strings.Contains(err.Error(), "Could not find service") || strings.Contains(err.Error(), "exit status 113")):
		u.Active, u.Sub = "inactive", "not loaded"
	default:
		if err == nil {
			err = errors.New("launchctl printed nothing")
		}
		return gather.Unknown[string](err, fromPrint), gather.Unknown[[]facts.Unit](err, fromPrint)
	}
	return known(u, fromPrint)
}

// filedUnit is the service as its property list describes it.
func filedUnit(env *gather.Env) (facts.Unit, error) {
	u := facts.Unit{Name: MacLabel, Load: "not-found"}
	b, err := gather.ReadFile(env.FS, macPlist, gather.MaxSmall)
	if gather.Missing(err) {
		return u, nil
	}
	if err != nil {
		return u, err
	}
	p := hostfile.ParsePlist(b)
	u.Load, u.File, u.Enabled = "loaded", "/"+macPlist, "enabled"
	u.Exec, u.User = gather.OneLine(p["Program"], 300), gather.OneLine(p["UserName"], 100)
	if p["Disabled"] == "true" {
		u.Enabled = "disabled"
	}
	return u, nil
}

// parseLaunchd reads the first level of launchctl print.
func parseLaunchd(b []byte, u *facts.Unit) {
	depth := 0
	gather.Lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		if s == "}" {
			depth--
			return true
		}
		k, v, ok := strings.Cut(s, " = ")
		if !ok {
			return true
		}
		if v == "{" {
			depth++
			return true
		}
		if depth != 1 {
			return true
		}
		n, err := strconv.Atoi(v)
		switch k {
		case "state":
			switch u.Active, u.Sub = "inactive", gather.OneLine(v, 50); v {
			case "running":
				u.Active = "active"
			case "spawn scheduled", "spawning", "xpcproxy":
				u.Active = "activating"
			}
		case "program":
			u.Exec = gather.OneLine(v, 300)
		case "path":
			u.File = gather.OneLine(v, 300)
		case "username":
			u.User = gather.OneLine(v, 100)
		case "pid":
			u.MainPID = n
		case "runs":
			if err == nil {
				u.Restarts = max(0, n-1)
			}
		case "last exit code":
			if w := strings.Fields(v); err != nil && len(w) > 0 {
				n, err = strconv.Atoi(strings.TrimSuffix(w[0], ":"))
			}
			if err == nil && u.Ended != "killed" {
				u.ExitStatus, u.Result = n, "success"
				if n != 0 {
					u.Result, u.Ended = "exit-code", "exited"
				}
			}
		case "last spawn error": // launchd could not start it at all
			if w := strings.Fields(v); len(w) > 0 {
				if n, err := strconv.Atoi(strings.TrimSuffix(w[0], ":")); err == nil && n > 0 {
					u.ExitStatus, u.Result, u.Ended = n, "exit-code", "exited"
				}
			}
		case "last terminating signal": // "Killed: 9"
			if i := strings.LastIndex(v, ": "); i >= 0 {
				if n, err := strconv.Atoi(v[i+2:]); err == nil && n > 0 && n < 65 {
					u.ExitStatus, u.Result, u.Ended = n, "signal", "killed"
				}
			}
		}
		return true
	})
}

// launchdDisabled reads launchctl print-disabled: "label" => disabled, or true.
func launchdDisabled(b []byte, label string) (off, known bool) {
	gather.Lines(b, func(l []byte) bool {
		k, v, ok := strings.Cut(strings.TrimSpace(string(l)), " => ")
		if ok && strings.Trim(k, `"`) == label {
			off, known = v == "disabled" || v == "true", true
		}
		return !known
	})
	return off, known
}

// macProcesses reads the process table of ps.
func macProcesses(ctx context.Context, env *gather.Env) facts.Seen[facts.Processes] {
	const from = "ps"
	if env.Exec == nil {
		return gather.NotAskable[facts.Processes](gather.NotLive, from)
	}
	out, err := env.Exec(ctx, "ps", "-axo", "pid=,ppid=,uid=,lstart=,comm=")
	if err != nil {
		return gather.Unknown[facts.Processes](err, from)
	}
	return facts.Known(parsePS(out), from)
}

// parsePS reads lines "PID PPID UID Sun Nov 22 09:10:22 2026 /path/of/program",
// the time in UTC.
func parsePS(b []byte) facts.Processes {
	out := facts.Processes{Core: []facts.Process{}, Worker: []facts.Process{}}
	gather.Lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 9 {
			return true
		}
		exe := strings.Join(f[8:], " ")
		list := processList(&out, path.Base(exe))
		if list == nil || len(*list) >= maxProcesses {
			return true
		}
		p := facts.Process{Exe: gather.OneLine(exe, 300)}
		p.PID, _ = strconv.Atoi(f[0])
		p.Owner = facts.Unknown[int]("ps shows no user id", "ps")
		if n, err := strconv.Atoi(f[2]); err == nil {
			p.Owner = facts.Known(n, "ps")
		}
		if t, err := time.Parse("Mon Jan 2 15:04:05 2006", strings.Join(f[3:8], " ")); err == nil {
			p.Started = gather.SaneTime(t)
		}
		*list = append(*list, p)
		return true
	})
	return out
}
