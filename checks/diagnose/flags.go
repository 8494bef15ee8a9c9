package diagnose

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// flagsOf are the files of this host that nobody may change as they are, by path.
func flagsOf(n *node.Node) map[string]string {
	flags := map[string]string{}
	for _, f := range n.Facts.Host.Flagged.Some() {
		flags[f.Path] = f.Flag
	}
	for _, p := range n.Facts.Registration.Paths.Some() {
		if p.Flag != "" {
			flags[p.Path] = p.Flag
		}
	}
	return flags
}

// changesFile are the kinds of change that a flag of the file keeps from being made.
var changesFile = map[causes.Kind]bool{causes.FileEdited: true, causes.FileMoved: true, causes.FileRemoved: true, causes.FileWritten: true, causes.OwnerSet: true, causes.ModeSet: true}

// withoutFlags puts before each step that changes a file the one that takes its flag away.
func withoutFlags(fix []causes.Filled, flags map[string]string) []causes.Filled {
	if len(flags) == 0 {
		return fix
	}
	var out []causes.Filled
	cleared := map[string]bool{}
	for _, s := range fix {
		list, _ := causes.ChangesOf(s.Command.String(), s.Where)
		for _, c := range list {
			name := c.On
			switch {
			case c.Kind == causes.HostsLine:
				name = "/etc/hosts"
			case c.Kind == causes.ResolverSet:
				name = "/etc/resolv.conf"
			case c.Kind == causes.FlagCleared:
				cleared[name] = true
			case !changesFile[c.Kind]:
				name = ""
			}
			if flags[name] == "" || cleared[name] || s.Where != causes.OnHost || !causes.Safe(name) {
				continue
			}
			cleared[name] = true
			option := map[string]string{facts.Immutable: "-i", facts.AppendOnly: "-a"}[flags[name]]
			first := causes.Step{Text: "Take away the flag of {path} that keeps it from being changed: it is " + flags[name], Command: "chattr " + option + " {path}", Where: causes.OnHost, Root: true, Alternative: s.Alternative}
			out = append(out, first.Fill(causes.Values{"goos": "linux", "path": name}))
		}
		out = append(out, s)
	}
	return out
}
