package gather

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
)

const (
	macLabel = "com.amazon.aws.ssm"
	macPlist = "Library/LaunchDaemons/" + macLabel + ".plist"
)

// parsePlist reads an XML property list into texts by the path of their keys,
// joined with dots; members of arrays are left out. At most 1000 texts.
func parsePlist(b []byte) map[string]string {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = false
	out := map[string]string{}
	var at []string // keys of the open dictionaries
	key, text, arrays := "", "", 0
	for n := 0; n < 20_000 && len(out) < 1000; n++ {
		t, err := d.Token()
		if err != nil {
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			text = ""
			switch t.Name.Local {
			case "dict":
				at = append(at, key)
				if len(at) > 20 {
					return out
				}
			case "array":
				arrays++
			}
		case xml.CharData:
			if len(text) < 4096 {
				text += string(t)
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "key":
				key = strings.TrimSpace(text)
			case "dict":
				if len(at) > 0 {
					at = at[:len(at)-1]
				}
			case "array":
				arrays = max(0, arrays-1)
			case "string", "integer", "true", "false":
				if v := strings.TrimSpace(text); arrays == 0 && len(at) > 0 && key != "" {
					if t.Name.Local == "true" || t.Name.Local == "false" {
						v = t.Name.Local
					}
					// The first entry of at is the outermost dictionary, which has no key.
					out[strings.Join(append(at[1:len(at):len(at)], key), ".")] = v
				}
			}
			text = ""
		}
	}
	return out
}

// macDistro reads the version of macOS.
func macDistro(fsys FileSystem) facts.Seen[facts.Distro] {
	const name = "System/Library/CoreServices/SystemVersion.plist"
	b, err := readFile(fsys, name, maxSmall)
	if err != nil {
		return unseen[facts.Distro](err, name)
	}
	p := parsePlist(b)
	d := facts.Distro{ID: "macos", Version: oneLine(p["ProductVersion"], 50)}
	d.Name = strings.TrimSpace(oneLine(p["ProductName"], 50) + " " + d.Version)
	return facts.Known(d, fileURL(name))
}

// receiptVersion is the version of the installed package.
func receiptVersion(ctx context.Context, env *Env) facts.Seen[string] {
	const from = "pkgutil --pkg-info"
	if env.Exec == nil {
		return facts.Unknown[string](notLive, from)
	}
	out, err := env.Exec(ctx, "pkgutil", "--pkg-info", macLabel)
	if v := parseReceipt(out); v != "" {
		return facts.Known(v, from)
	}
	if err != nil {
		return facts.Unknown[string](why(err), from)
	}
	return facts.Unknown[string]("the receipt names no version", from)
}

// parseReceipt reads "version: 3.3.1142.0".
func parseReceipt(b []byte) string {
	v := ""
	lines(b, func(l []byte) bool {
		if s, ok := strings.CutPrefix(strings.TrimSpace(string(l)), "version:"); ok {
			v = agentVersion(s)
		}
		return v == ""
	})
	return v
}

// macEnvironment is the environment of the agent on macOS: that of its property
// list, over which the agent lays the proxy of the system at its start.
func macEnvironment(ctx context.Context, env *Env) serviceEnv {
	e := serviceEnv{vars: map[string]string{}, from: "/" + macPlist}
	b, err := readFile(env.FS, macPlist, maxSmall)
	if err != nil && !missing(err) {
		e.err = err
	}
	for k, v := range parsePlist(b) {
		if n, ok := strings.CutPrefix(k, "EnvironmentVariables."); ok && len(e.vars) < maxVars {
			e.vars[n] = v
		}
	}
	if !env.Live || env.Exec == nil {
		return e
	}
	out, err := env.Exec(ctx, "scutil", "--proxy")
	if err != nil {
		e.err = err
		return e
	}
	p := parseScutil(out)
	e.vars["https_proxy"], e.vars["http_proxy"], e.vars["no_proxy"] = p.https, p.http, p.no
	if p.https != "" || p.http != "" {
		e.from = "scutil --proxy"
	}
	return e
}

// parseScutil reads the output of scutil --proxy: "key : value" lines and one
// list of exceptions.
func parseScutil(b []byte) proxyVars {
	vals := map[string]string{}
	var no []string
	in := false
	lines(b, func(l []byte) bool {
		k, v, ok := strings.Cut(strings.TrimSpace(string(l)), " : ")
		switch {
		case !ok:
			in = in && strings.TrimSpace(string(l)) != "}"
		case k == "ExceptionsList":
			in = true
		case in:
			if len(no) < 200 {
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
	return proxyVars{https: of("HTTPS"), http: of("HTTP"), no: strings.Join(no, ",")}
}

// gatherLaunchd fills manager and unit from launchd, or from the property list
// of a tree that does not run.
func gatherLaunchd(ctx context.Context, env *Env, a *facts.Agent) {
	u := facts.Unit{Name: macLabel, Load: "not-found"}
	b, err := readFile(env.FS, macPlist, maxSmall)
	if err == nil {
		p := parsePlist(b)
		u.Load, u.File, u.Enabled = "loaded", "/"+macPlist, "enabled"
		u.Exec, u.User = oneLine(p["Program"], 300), oneLine(p["UserName"], 100)
		if p["Disabled"] == "true" {
			u.Enabled = "disabled"
		}
	} else if !missing(err) {
		a.Manager = facts.Unknown[string](why(err), fileURL(macPlist))
		return
	}
	if !env.Live || env.Exec == nil {
		a.Manager, a.Units = facts.Known("launchd", fileURL(macPlist)), append(a.Units, u)
		return
	}
	if out, err := env.Exec(ctx, "launchctl", "print-disabled", "system"); err == nil {
		if off, known := launchdDisabled(out, macLabel); known {
			u.Enabled = "enabled"
			if off {
				u.Enabled = "disabled"
			}
		}
	}
	out, err := env.Exec(ctx, "launchctl", "print", "system/"+macLabel)
	switch {
	case err == nil && len(out) > 0:
		parseLaunchd(out, &u)
		u.Load = "loaded"
	case err != nil && (strings.Contains(err.Error(), "Could not find service") || strings.Contains(err.Error(), "exit status 113")):
		u.Active, u.Sub = "inactive", "not loaded"
	default:
		if err == nil {
			err = errors.New("launchctl printed nothing")
		}
		a.Manager = facts.Unknown[string](why(err), "launchctl print")
		return
	}
	a.Manager, a.Units = facts.Known("launchd", "launchctl print"), append(a.Units, u)
}

// parseLaunchd reads the first level of launchctl print.
func parseLaunchd(b []byte, u *facts.Unit) {
	depth := 0
	lines(b, func(l []byte) bool {
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
			switch u.Active, u.Sub = "inactive", oneLine(v, 50); v {
			case "running":
				u.Active = "active"
			case "spawn scheduled", "spawning", "xpcproxy":
				u.Active = "activating"
			}
		case "program":
			u.Exec = oneLine(v, 300)
		case "path":
			u.File = oneLine(v, 300)
		case "username":
			u.User = oneLine(v, 100)
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
			if err == nil {
				u.ExitStatus, u.Result = n, "success"
				if n != 0 {
					u.Result = "exit-code"
				}
			}
		}
		return true
	})
}

// launchdDisabled reads launchctl print-disabled: "label" => disabled, or true.
func launchdDisabled(b []byte, label string) (off, known bool) {
	lines(b, func(l []byte) bool {
		k, v, ok := strings.Cut(strings.TrimSpace(string(l)), " => ")
		if ok && strings.Trim(k, `"`) == label {
			off, known = v == "disabled" || v == "true", true
		}
		return !known
	})
	return off, known
}

// macProcesses reads the process table of ps.
func macProcesses(ctx context.Context, env *Env) facts.Seen[facts.Processes] {
	const from = "ps"
	if env.Exec == nil {
		return facts.Unknown[facts.Processes](notLive, from)
	}
	out, err := env.Exec(ctx, "ps", "-axo", "pid=,ppid=,uid=,lstart=,comm=")
	if err != nil {
		return facts.Unknown[facts.Processes](why(err), from)
	}
	return facts.Known(parsePS(out), from)
}

// parsePS reads lines "PID PPID UID Sun Nov 22 09:10:22 2026 /path/of/program",
// the time in UTC.
func parsePS(b []byte) facts.Processes {
	out := facts.Processes{Core: []facts.Process{}, Worker: []facts.Process{}, Document: []facts.Process{}, Session: []facts.Process{}}
	lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 9 {
			return true
		}
		exe := strings.Join(f[8:], " ")
		list := processList(&out, path.Base(exe))
		if list == nil || len(*list) >= maxProcesses {
			return true
		}
		p := facts.Process{Exe: oneLine(exe, 300), UID: -1}
		p.PID, _ = strconv.Atoi(f[0])
		p.Parent, _ = strconv.Atoi(f[1])
		if n, err := strconv.Atoi(f[2]); err == nil {
			p.UID = n
		}
		if t, err := time.Parse("Mon Jan 2 15:04:05 2006", strings.Join(f[3:8], " ")); err == nil {
			p.Started = saneTime(t)
		}
		*list = append(*list, p)
		return true
	})
	return out
}

// macRoutes asks for the route to the metadata service and for default routes.
func macRoutes(ctx context.Context, env *Env, h *facts.Host) {
	const from = "route -n get"
	ask := func(args ...string) (facts.Route, bool, error) {
		out, err := env.Exec(ctx, "route", append([]string{"-n", "get"}, args...)...)
		if r, ok := parseRouteGet(out); ok {
			return r, true, nil
		}
		if err != nil && strings.Contains(err.Error(), "not in table") || err == nil {
			return facts.Route{}, false, nil
		}
		return facts.Route{}, false, err
	}
	if env.Exec == nil {
		h.IMDSRoute = facts.Unknown[facts.Route](notLive, from)
		h.DefaultIPv4, h.DefaultIPv6 = facts.Unknown[bool](notLive, from), facts.Unknown[bool](notLive, from)
		return
	}
	switch r, ok, err := ask(imdsAddr); {
	case err != nil:
		h.IMDSRoute = facts.Unknown[facts.Route](why(err), from)
	case ok:
		h.IMDSRoute = facts.Known(r, from)
	default:
		h.IMDSRoute = facts.Absent[facts.Route]("no route", from)
	}
	for _, x := range []struct {
		to   *facts.Seen[bool]
		args []string
	}{{&h.DefaultIPv4, []string{"default"}}, {&h.DefaultIPv6, []string{"-inet6", "default"}}} {
		if _, ok, err := ask(x.args...); err != nil {
			*x.to = facts.Unknown[bool](why(err), from)
		} else {
			*x.to = facts.Known(ok, from)
		}
	}
}

// parseRouteGet reads the answer of route -n get.
func parseRouteGet(b []byte) (facts.Route, bool) {
	vals := map[string]string{}
	lines(b, func(l []byte) bool {
		if k, v, ok := strings.Cut(strings.TrimSpace(string(l)), ": "); ok && len(vals) < 50 {
			vals[k] = strings.TrimSpace(v)
		}
		return true
	})
	if vals["destination"] == "" {
		return facts.Route{}, false
	}
	r := facts.Route{Destination: "default", Interface: oneLine(vals["interface"], 50), Kind: "unicast"}
	if a, err := netip.ParseAddr(vals["gateway"]); err == nil {
		r.Gateway = a.WithZone("").String()
	}
	if a, err := netip.ParseAddr(vals["destination"]); err == nil && !a.IsUnspecified() {
		bits := strconv.Itoa(a.BitLen())
		if m, err := netip.ParseAddr(vals["mask"]); err == nil && m.Is4() {
			bits = maskBits(m)
		}
		r.Destination = a.WithZone("").String() + "/" + bits
	}
	for flag, kind := range map[string]string{"BLACKHOLE": "blackhole", "REJECT": "unreachable"} {
		if strings.Contains(vals["flags"], flag) {
			r.Kind = kind
		}
	}
	return r, true
}
