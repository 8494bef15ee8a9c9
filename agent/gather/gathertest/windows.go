package gathertest

import (
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// Windows answers from maps; registry keys are KEY|VALUE.
type Windows struct {
	Service  facts.Seen[gather.WindowsService]
	Registry map[string][]string
	Denied   string // key that may not be read
	Ps       []facts.Process
	Routes   facts.Seen[[]gather.WindowsRoute]
	Sockets  []facts.Socket
	// Events are entries by log; a log that is not among them does not exist.
	Events map[string][]string
	// ReadOnly are the volumes, such as D:, that nothing can be written to.
	ReadOnly string
}

func (w *Windows) Ask() *gather.Windows {
	return &gather.Windows{
		Service: func(string) facts.Seen[gather.WindowsService] { return w.Service },
		Strings: func(key, value string) facts.Seen[[]string] {
			if key == w.Denied {
				return facts.Unknown[[]string]("Access is denied.", gather.RegistryURL(key))
			}
			if v, ok := w.Registry[key+"|"+value]; ok {
				return facts.Known(v, gather.RegistryURL(key))
			}
			return facts.Absent[[]string]("no such value", gather.RegistryURL(key))
		},
		Texts: func(key string) facts.Seen[[]string] {
			if key == w.Denied {
				return facts.Unknown[[]string]("Access is denied.", gather.RegistryURL(key))
			}
			out := []string{}
			for k, v := range w.Registry {
				if name, ok := strings.CutPrefix(k, key+"|"); ok && len(v) == 1 {
					out = append(out, name+"="+v[0])
				}
			}
			if len(out) == 0 {
				return facts.Absent[[]string]("no such key", gather.RegistryURL(key))
			}
			return facts.Known(out, gather.RegistryURL(key))
		},
		Keys: func(key string) facts.Seen[[]string] {
			out := []string{}
			for k := range w.Registry {
				if rest, ok := strings.CutPrefix(k, key+`\`); ok {
					if name, _, _ := strings.Cut(rest, "|"); !strings.Contains(name, `\`) && !slices.Contains(out, name) {
						out = append(out, name)
					}
				}
			}
			slices.Sort(out)
			return facts.Known(out, gather.RegistryURL(key))
		},
		Connections: func([]int, uint16) facts.Seen[[]facts.Socket] { return facts.Known(w.Sockets, "GetExtendedTcpTable") },
		Volume: func(path string) (gather.Volume, error) {
			return gather.Volume{Mount: path[:2] + `\`, Type: "NTFS", ReadOnly: w.ReadOnly == path[:2]}, nil
		},
		Processes: func([]string) facts.Seen[[]facts.Process] { return facts.Known(w.Ps, "toolhelp snapshot") },
		Routes:    func() facts.Seen[[]gather.WindowsRoute] { return w.Routes },
		Servers:   func() facts.Seen[[]string] { return facts.Known([]string{"10.0.0.2"}, "adapters") },
		Elevated:  func() facts.Seen[bool] { return facts.Known(false, "process token") },
		Events: func(log, _ string) facts.Seen[[]gather.WindowsEvent] {
			from := "event log:" + log
			if log == w.Denied {
				return facts.Unknown[[]gather.WindowsEvent]("Access is denied.", from)
			}
			list, ok := w.Events[log]
			if !ok {
				return facts.Absent[[]gather.WindowsEvent]("no such log", from)
			}
			out := []gather.WindowsEvent{}
			for _, xml := range list {
				if e, ok := gather.ParseEvent([]byte(xml)); ok {
					out = append(out, e)
				}
			}
			return facts.Known(out, from)
		},
	}
}

func WindowsEnv(t *testing.T, w *Windows, files map[string]string, vars map[string]string) *gather.Env {
	t.Helper()
	env := Plain(t, Tree(t, files))
	env.GOOS, env.Windows, env.Privileged = "windows", w.Ask(), facts.Seen[bool]{}
	env.Getenv = func(k string) string { return vars[k] }
	return env
}
