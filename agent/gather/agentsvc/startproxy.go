package agentsvc

import (
	"io"
	"path"
	"strings"

	"ssm-doctor/agent/gather"
)

// startTail is how much of the end of the core's log is searched for its last start.
const startTail = 256 << 10

// startedWithout reports whether the agent that runs on Windows was started before it
// had a proxy for https: at its start it logs what it has settled.
// Source: amazon-ssm-agent 3.3, core/agent.go, initializeBasicModules.
func startedWithout(env *gather.Env) (was gather.ProxyVars, yes bool) {
	if env.GOOS != "windows" || env.Windows == nil || !env.Live {
		return was, false
	}
	if ps := windowsProcesses(env.Windows.Processes([]string{ExeCore})); len(ps.Value.Core) == 0 {
		return was, false
	}
	b, err := tailOf(env.FS, path.Join(gather.AgentDirs(env).Log, ExeCore+".log"))
	if err != nil {
		return was, false
	}
	vars := lastStart(b)
	https, told := vars["https_proxy"]
	return gather.ProxyVars{HTTP: vars["http_proxy"], No: vars["no_proxy"]}, told && https == ""
}

// tailOf is the end of a file.
func tailOf(fsys gather.FileSystem, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if s, ok := f.(io.Seeker); ok && fi.Size() > startTail {
		if _, err := s.Seek(-startTail, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, startTail))
}

// lastStart are the proxy variables that the last start in a log tells of; nil: none does.
func lastStart(b []byte) map[string]string {
	var vars map[string]string
	left := 0 // lines that may still belong to it
	gather.Lines(b, func(l []byte) bool {
		_, text, ok := strings.Cut(strings.TrimRight(string(l), "\r"), " INFO ")
		if !ok {
			return true
		}
		if strings.HasPrefix(text, "Proxy environment variables:") {
			vars, left = map[string]string{}, 3
			return true
		}
		name, value, is := strings.Cut(text, ":")
		if left--; left >= 0 && is && strings.HasSuffix(name, "_proxy") {
			vars[name] = strings.TrimSpace(value)
		}
		return true
	})
	return vars
}
