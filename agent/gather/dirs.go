package gather

import (
	"cmp"
	"path"
	"strings"

	"ssm-doctor/checks/facts"
)

// OnRoot is a stored path relative to the root, whatever its system. On a running
// Windows one on another drive than the system's begins with that: D:/Data. False: it
// is on a drive that is not there.
func OnRoot(env *Env, p string) (string, bool) {
	if p == "" {
		return "", false
	}
	p = strings.ReplaceAll(p, `\`, "/")
	if len(p) < 2 || p[1] != ':' {
		return Clean(p), true
	}
	drive := "C:"
	if env.Getenv != nil {
		drive = cmp.Or(env.Getenv("SystemDrive"), drive)
	}
	if strings.EqualFold(p[:2], drive) {
		return Clean(p[2:]), true
	}
	return strings.ToUpper(p[:2]) + "/" + Clean(p[2:]), env.Live && env.GOOS == "windows"
}

// OnWindows is a name of the root as Windows writes it.
func OnWindows(env *Env, name string) string {
	name = Clean(name)
	if drive, rest, ok := driveOf(name); ok {
		return drive + `\` + strings.ReplaceAll(rest, "/", `\`)
	}
	drive := "C:"
	if env.Getenv != nil {
		drive = cmp.Or(env.Getenv("SystemDrive"), drive)
	}
	if name == "." {
		return drive + `\`
	}
	return drive + `\` + strings.ReplaceAll(name, "/", `\`)
}

// driveOf splits a name that begins with a drive, as OnRoot makes it.
func driveOf(name string) (drive, rest string, ok bool) {
	drive, rest, ok = strings.Cut(name, "/")
	ok = ok && len(drive) == 2 && drive[1] == ':' && drive[0] >= 'A' && drive[0] <= 'Z'
	return drive, rest, ok
}

// Dirs are the agent's directories on the examined system, relative to the root.
type Dirs struct{ Data, SSM, Runtime, Log, Config string }

func AgentDirs(env *Env) Dirs {
	// On Bottlerocket the host container that holds the agent keeps its state here; what
	// else it has is not to be seen from the host.
	// Source: bottlerocket-os/bottlerocket-control-container, start_control_ssm.sh.
	if control := "local/host-containers/control"; env.GOOS == "linux" && Exists(env.FS, control) {
		return Dirs{control + "/ssm", control + "/ssm", control + "/ssm/runtimeconfig", control + "/log", control + "/amazon-ssm-agent.json"}
	}
	l := Folders(env)
	return Dirs{Clean(l.Data), Clean(path.Dir(l.Runtime)), Clean(l.Runtime), Clean(l.Log), Clean(l.Config)}
}

// windowsFolder is a folder that a variable of the running system names.
func windowsFolder(env *Env, variable, usual string) string {
	if !env.Live || env.Getenv == nil {
		return usual
	}
	v := env.Getenv(variable)
	if len(v) < 4 || v[1] != ':' {
		return usual
	}
	if p, ok := OnRoot(env, v); ok {
		return p
	}
	return usual
}

// Folders is where the agent keeps its things: the layout of the system, on a running
// Windows with the folders to which its variables move it.
func Folders(env *Env) facts.Layout {
	l := facts.LayoutOf(env.GOOS)
	if env.GOOS == "windows" {
		l = l.Moved("/ProgramData", "/"+windowsFolder(env, "ProgramData", "ProgramData")).Moved("/Program Files", "/"+windowsFolder(env, "ProgramW6432", "Program Files"))
	}
	return l
}

// ProgramFolder is where the agent's programs lie.
func ProgramFolder(env *Env) string { return Clean(Folders(env).Programs) }

// BottlerocketUnit runs the host container that holds the agent on Bottlerocket.
// Source: bottlerocket-os/bottlerocket, packages/os/host-containers@.service.
const BottlerocketUnit = "host-containers@control.service"

// IsBottlerocket reports whether a host runs Bottlerocket, whose agent is in a host
// container.
func IsBottlerocket(fsys FileSystem) bool {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		b, err := ReadFile(fsys, name, MaxSmall)
		if err != nil {
			continue
		}
		is := false
		Lines(b, func(l []byte) bool {
			id, ok := strings.CutPrefix(string(l), "ID=")
			is = ok && strings.Trim(id, `"'`) == "bottlerocket"
			return !ok
		})
		return is
	}
	return false
}
