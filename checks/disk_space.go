package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// fullBytes is the free space below which the agent can no longer write a
// command's state: one document with its output is below 1 MiB.
const fullBytes = 1 << 20

var _ = register(Check{
	ID: "disk-space", Group: "host", Title: "The agent's directories have free space",
	Causes: []string{"disk-full"},
	Doc: "Free space of the file systems that hold the agent's state, log and temporary files. Without space the agent keeps its heartbeat " +
		"but cannot store commands, session state or credentials, and reports misleading errors such as an unknown plug-in. Quotas of single users are not seen.",
	Eval: func(f *facts.Facts) Finding {
		return eachFS(f, "free space", func(fs facts.FileSystem, u facts.Usage) (Finding, bool) {
			free := fmt.Sprintf("%s (%s): %s free of %s", fs.Mount, fs.Dir, size(u.FreeBytes), size(u.TotalBytes))
			if u.FreeBytes >= fullBytes {
				if u.FreeBytes < 100<<20 && u.FreeBytes*100 < u.TotalBytes {
					return Finding{Status: Warn, Summary: free}, true
				}
				return Finding{}, false
			}
			fd := warn("disk-full", Proven, "disk full: no space left %s", full(f, fs)).
				saw("statfs "+fs.Dir, free, "statfs:"+fs.Dir).with("mount", orWord(fs.Mount, fs.Dir), "path", fs.Dir)
			for _, id := range []string{facts.SigNoSpace, facts.SigCredsWrite, facts.SigStream} {
				if m, ok := recently(f, id); ok {
					fd = fd.logged(m)
				}
			}
			if _, ok := current(f, facts.SigCredsWrite); ok {
				fd = fd.severity(causes.Critical)
			}
			return fd, true
		})
	},
})

// full says where no space is left: the mount, and the directory of the agent
// that it holds. The mount is not known on every system.
func full(f *facts.Facts, fs facts.FileSystem) string {
	if fs.Mount == "" {
		return "for " + fs.Dir
	}
	for _, o := range append([]facts.FileSystem{fs}, f.Host.FileSystems...) {
		if o.Mount == fs.Mount && o.Dir != o.Mount {
			return "on " + fs.Mount + ", which holds the agent's " + o.Dir
		}
	}
	return "on " + fs.Mount
}

// eachFS asks judge about every file system whose usage is known and returns
// its first answer.
func eachFS(f *facts.Facts, what string, judge func(facts.FileSystem, facts.Usage) (Finding, bool)) Finding {
	looked, why := 0, "not looked at"
	for _, fs := range f.Host.FileSystems {
		u, ok := fs.Usage.Get()
		if !ok {
			why = fs.Usage.Reason()
			continue
		}
		looked++
		if fd, ok := judge(fs, u); ok {
			return fd
		}
	}
	if looked == 0 {
		return unknown("%s: %s", what, why)
	}
	return pass("enough %s on %d file systems", what, looked)
}

// noRoom reports whether the file system that holds a file can take nothing
// new, and where it is mounted. The file is given as a file: URL.
func noRoom(f *facts.Facts, file string) (mount string, full bool) {
	for _, fs := range f.Host.FileSystems {
		u, ok := fs.Usage.Get()
		if ok && strings.HasPrefix(file, "file:"+fs.Dir+"/") && (u.FreeBytes < fullBytes || noInodes(u)) {
			return orWord(fs.Mount, fs.Dir), true
		}
	}
	return "", false
}

func size(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
