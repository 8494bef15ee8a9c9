// Package work looks at what sessions and commands need of the host: users,
// programs, descriptors, memory.
package work

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// Source looks at what sessions and commands need. It goes by the agent's processes
// and log.
type Source struct{}

func (Source) Name() string { return "work" }

func (Source) Reset(f *facts.Facts) { f.Work = facts.Work{} }

func (Source) Gather(_ context.Context, run *gather.Run, f *facts.Facts) error {
	env, w := run.Env, &f.Work
	if env.GOOS != "linux" {
		why := gather.ErrUnsupported.Error()
		*w = facts.Work{Users: gather.NotAskable[facts.Users](why, ""), Script: gather.NotAskable[facts.FoundProgram](why, ""), Descriptors: gather.NotAskable[[]facts.Descriptors](why, ""),
			SystemFiles: gather.NotAskable[facts.SystemFiles](why, ""), Load: gather.NotAskable[facts.Load](why, "")}
		return nil
	}
	w.Users = users(env, node.SessionUsers(f.Log.Matches.Some()))
	w.Script = program(env, "script")
	if !env.Live {
		const why = gather.NotLive
		w.Descriptors, w.SystemFiles, w.Load = gather.NotAskable[[]facts.Descriptors](why, ""), gather.NotAskable[facts.SystemFiles](why, ""), gather.NotAskable[facts.Load](why, "")
		return nil
	}
	w.Descriptors = descriptors(env, f.Agent.Processes)
	w.SystemFiles = systemFiles(env)
	w.Load = load(env)
	return nil
}

const passwd = "etc/passwd"

// users looks for names in the file of local users.
func users(env *gather.Env, names []string) facts.Seen[facts.Users] {
	b, err := gather.ReadFile(env.FS, passwd, gather.MaxSmall)
	if err != nil {
		return gather.Unseen[facts.Users](err, passwd)
	}
	u := facts.Users{Named: named(b, names)}
	if fi, err := env.FS.Stat(passwd); err == nil {
		u.Changed = gather.SaneTime(fi.ModTime())
	}
	return facts.Known(u, gather.FileURL(passwd))
}

// named are those of some names that a file of users holds.
func named(b []byte, names []string) []string {
	out := []string{}
	gather.Lines(b, func(l []byte) bool {
		name, _, ok := strings.Cut(string(l), ":")
		for _, n := range names {
			if ok && n == name && len(out) < len(names) {
				out = append(out, n)
			}
		}
		return true
	})
	return out
}

// searched are the directories in which a service finds programs.
// Source: systemd.exec(5), $PATH.
var searched = []string{"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"}

// program finds a program as the agent's service would.
func program(env *gather.Env, name string) facts.Seen[facts.FoundProgram] {
	var unread error
	for _, dir := range searched {
		at := path.Join(dir, name)
		fi, err := env.FS.Stat(at)
		switch {
		case err == nil && fi.Mode().IsRegular() && fi.Mode().Perm()&0o111 != 0:
			return facts.Known(facts.FoundProgram{Path: "/" + at, Since: gather.SaneTime(changed(fi))}, gather.FileURL(at))
		case err != nil && !gather.Missing(err):
			unread = cmp.Or(unread, err)
		}
	}
	if unread != nil {
		return gather.Unknown[facts.FoundProgram](unread, "")
	}
	return facts.Absent[facts.FoundProgram]("no program "+name+" where services look for programs", "")
}

// maxDescriptors bounds the list of one process's descriptors that is counted.
const maxDescriptors = 1 << 21

// descriptors counts what the agent's processes hold open.
func descriptors(env *gather.Env, ps facts.Seen[facts.Processes]) facts.Seen[[]facts.Descriptors] {
	const from = "file:/proc"
	if !ps.Known() {
		return gather.Likewise[[]facts.Descriptors](ps)
	}
	var out []facts.Descriptors
	var unread error
	for _, list := range [][]facts.Process{ps.Value.Core, ps.Value.Worker} {
		for _, p := range list {
			dir := fmt.Sprintf("proc/%d/", p.PID)
			es, err := env.FS.ReadDir(dir + "fd")
			if err == nil && len(es) > maxDescriptors {
				err = gather.ErrTooLarge
			}
			var b []byte
			if err == nil {
				b, err = gather.ReadFile(env.FS, dir+"limits", gather.MaxSmall)
			}
			if err != nil {
				if !gather.Missing(err) { // else it has ended
					unread = cmp.Or(unread, err)
				}
				continue
			}
			limit, ok := parseLimit(b)
			if !ok {
				unread = cmp.Or(unread, errors.New("/"+dir+"limits: no line of open files"))
				continue
			}
			out = append(out, facts.Descriptors{Program: path.Base(p.Exe), Open: len(es), Limit: limit})
		}
	}
	return gather.Partly(out, unread, from)
}

// parseLimit reads the soft limit of open files from /proc/PID/limits; 0: unlimited.
func parseLimit(b []byte) (limit int, ok bool) {
	gather.Lines(b, func(l []byte) bool {
		rest, found := strings.CutPrefix(string(l), "Max open files")
		if !found {
			return true
		}
		f := strings.Fields(rest)
		if len(f) == 0 {
			return false
		}
		if f[0] == "unlimited" {
			ok = true
			return false
		}
		n, err := strconv.ParseUint(f[0], 10, 31)
		limit, ok = int(n), err == nil
		return false
	})
	return limit, ok
}

func systemFiles(env *gather.Env) facts.Seen[facts.SystemFiles] {
	const name = "proc/sys/fs/file-nr"
	s, err := gather.ReadText(env.FS, name)
	if err != nil {
		return gather.Unseen[facts.SystemFiles](err, name)
	}
	v, ok := parseFileNr(s)
	if !ok {
		return gather.Unknown[facts.SystemFiles](errors.New("not of the form of the kernel"), gather.FileURL(name))
	}
	return facts.Known(v, gather.FileURL(name))
}

// parseFileNr reads /proc/sys/fs/file-nr: allocated, unused and most. The most may
// be as large as the kernel counts, which is no limit.
func parseFileNr(s string) (v facts.SystemFiles, ok bool) {
	f := strings.Fields(s)
	if len(f) != 3 {
		return v, false
	}
	open, err := strconv.ParseUint(f[0], 10, 63)
	free, err2 := strconv.ParseUint(f[1], 10, 63)
	most, err3 := strconv.ParseUint(f[2], 10, 64)
	if err != nil || err2 != nil || err3 != nil || free > open {
		return v, false
	}
	v.Open = int(open - free)
	if most <= 1<<40 {
		v.Limit = int(most)
	}
	return v, true
}

func load(env *gather.Env) facts.Seen[facts.Load] {
	const memory, average, cpus = "proc/meminfo", "proc/loadavg", "proc/stat"
	var l facts.Load
	for name, parse := range map[string]func([]byte, *facts.Load) bool{memory: parseMemory, average: parseAverage, cpus: parseCPUs} {
		b, err := gather.ReadFile(env.FS, name, gather.MaxSmall)
		if err != nil {
			return gather.Unseen[facts.Load](err, name)
		}
		if !parse(b, &l) {
			return gather.Unknown[facts.Load](errors.New("not of the form of the kernel"), gather.FileURL(name))
		}
	}
	return facts.Known(l, "file:/proc")
}

// parseMemory reads /proc/meminfo.
func parseMemory(b []byte, l *facts.Load) bool {
	found := 0
	gather.Lines(b, func(line []byte) bool {
		f := strings.Fields(string(line))
		if len(f) < 2 {
			return true
		}
		n, err := strconv.ParseUint(f[1], 10, 50)
		if err != nil {
			return true
		}
		switch f[0] {
		case "MemTotal:":
			l.Total, found = n<<10, found|1
		case "MemAvailable:":
			l.Available, found = n<<10, found|2
		}
		return found != 3
	})
	return found == 3
}

// parseAverage reads /proc/loadavg.
func parseAverage(b []byte, l *facts.Load) bool {
	first, _, _ := strings.Cut(string(b), " ")
	v, err := strconv.ParseFloat(first, 64)
	if err != nil || !(v >= 0 && v < 1e6) {
		return false
	}
	l.Average = v
	return true
}

// parseCPUs counts the processors of /proc/stat.
func parseCPUs(b []byte, l *facts.Load) bool {
	n := 0
	gather.Lines(b, func(line []byte) bool {
		if len(line) > 3 && string(line[:3]) == "cpu" && line[3] >= '0' && line[3] <= '9' {
			n++
		}
		return true
	})
	l.CPUs = max(n, 1)
	return true
}
