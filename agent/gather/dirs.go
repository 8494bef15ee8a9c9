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
