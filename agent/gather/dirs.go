package gather

import (
	"path"
	"strings"
)

// WinPath makes a stored path relative to the root, whatever its system.
func WinPath(p string) string {
	if p == "" {
		return ""
	}
	p = strings.ReplaceAll(p, `\`, "/")
	if len(p) > 1 && p[1] == ':' {
		p = p[2:]
	}
	return Clean(p)
}

// Dirs are the agent's directories on the examined system, relative to the root.
type Dirs struct{ Data, SSM, Runtime, Log, Config string }

func AgentDirs(env *Env) Dirs {
	switch env.GOOS {
	case "windows":
		ssm := path.Join(windowsFolder(env, "ProgramData", "ProgramData"), "Amazon/SSM")
		return Dirs{ssm + "/InstanceData", ssm, ssm + "/runtimeconfig", ssm + "/Logs", ProgramFolder(env) + "/amazon-ssm-agent.json"}
	case "darwin":
		return Dirs{"opt/aws/ssm/data", "opt/aws/ssm", "opt/aws/ssm/runtimeconfig", "var/log/amazon/ssm", "opt/aws/ssm/amazon-ssm-agent.json"}
	}
	// On Bottlerocket the host container that holds the agent keeps its state here; what
	// else it has is not to be seen from the host.
	// Source: bottlerocket-os/bottlerocket-control-container, start_control_ssm.sh.
	if control := "local/host-containers/control"; Exists(env.FS, control) {
		return Dirs{control + "/ssm", control + "/ssm", control + "/ssm/runtimeconfig", control + "/log", control + "/amazon-ssm-agent.json"}
	}
	return Dirs{"var/lib/amazon/ssm", "var/lib/amazon/ssm", "var/lib/amazon/ssm/runtimeconfig", "var/log/amazon/ssm", "etc/amazon/ssm/amazon-ssm-agent.json"}
}

// windowsFolder is a folder that a variable of the running system names, if it
// lies on the system's drive, which is the root of what is examined.
func windowsFolder(env *Env, variable, usual string) string {
	if !env.Live || env.Getenv == nil {
		return usual
	}
	v, drive := env.Getenv(variable), env.Getenv("SystemDrive")
	if len(v) < 4 || v[1] != ':' || drive != "" && !strings.EqualFold(v[:2], drive) {
		return usual
	}
	return WinPath(v)
}

// ProgramFolder is where the agent's programs lie on Windows.
func ProgramFolder(env *Env) string {
	return path.Join(windowsFolder(env, "ProgramW6432", "Program Files"), "Amazon/SSM")
}

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
