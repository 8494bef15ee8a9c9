package agentsvc

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/logline"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/sorting"
)

const (
	// notesTail is how much of the end of a log of the system is read.
	notesTail = 1 << 20
	maxNotes  = 100
)

// systemLogs are where syslog daemons keep what kernel and systemd say.
var systemLogs = []string{"var/log/messages", "var/log/syslog", "var/log/kern.log", "var/log/audit/audit.log"}

// Notes reads what kernel and service manager logged of how the agent ended. It
// looks only where a unit or the process table shows that it did end: a healthy host
// is not asked.
func Notes(ctx context.Context, env *gather.Env, units facts.Seen[[]facts.Unit], ps facts.Seen[facts.Processes]) facts.Seen[[]facts.SystemNote] {
	const from = "logs of the system"
	switch {
	case env.GOOS != "linux" && env.GOOS != "windows", !env.Live:
		return gather.NotAskable[[]facts.SystemNote]("only a running Linux or Windows is asked", from)
	case !hasEnded(units, ps) && !(env.GOOS == "windows" && ps.Known() && len(ps.Value.Worker) == 0):
		return facts.Unknown[[]facts.SystemNote]("not read while nothing of the agent has ended", from)
	case env.GOOS == "windows":
		return windowsNotes(env.Windows)
	}
	zone, err := gather.HostZone(env)
	if err != nil {
		zone = time.UTC
	}
	var notes []facts.SystemNote
	var failed error
	read := false
	for _, name := range systemLogs {
		b, err := gather.ReadTail(env.FS, name, notesTail)
		if gather.Missing(err) {
			continue
		}
		if err != nil {
			failed = cmp.Or(failed, err)
			continue
		}
		read = true
		notes = append(notes, parseNotes(b, gather.FileURL(name), env.Now(), zone)...)
	}
	// A journal holds the same and more, and costs a process.
	if len(notes) == 0 && env.Exec != nil {
		b, err := journal(ctx, env, units.Some())
		switch {
		case err == nil && len(bytes.TrimSpace(b)) == 0: // who may read only a journal of their own is not told so
			failed = cmp.Or(failed, fs.ErrPermission)
		case err == nil:
			read = true
			notes = parseNotes(b, "journalctl", env.Now(), time.UTC)
		case !errors.Is(err, gather.ErrNoProgram):
			failed = cmp.Or(failed, err)
		}
	}
	if !read && failed == nil {
		return facts.Unknown[[]facts.SystemNote]("this host has no log of the system that can be read", from)
	}
	sorting.By(notes, func(a, b facts.SystemNote) int { return a.At.Compare(b.At) })
	// Syslog writes one entry into several files.
	notes = slices.CompactFunc(notes, func(a, b facts.SystemNote) bool {
		return a.Kind == b.Kind && a.Process == b.Process && a.Text == b.Text && a.At.Sub(b.At).Abs() < time.Second
	})
	if len(notes) > maxNotes {
		notes = notes[len(notes)-maxNotes:]
	}
	for i := range notes {
		if env.WholeLines {
			notes[i].Text = logline.Whole(notes[i].Text)
		} else {
			notes[i].Text = logline.Shown(notes[i].Text)
		}
	}
	return gather.Partly(notes, failed, from)
}

// hasEnded reports whether something of the agent ended that may have left a note.
func hasEnded(units facts.Seen[[]facts.Unit], ps facts.Seen[facts.Processes]) bool {
	for _, u := range units.Some() {
		if u.Load == "not-found" {
			continue
		}
		if u.Restarts > 0 || u.Result != "" && u.Result != "success" || u.OOMKills.Value > 0 {
			return true
		}
	}
	return ps.Known() && len(ps.Value.Core) == 0
}

// journal asks the journal of this boot for the units and the kernel.
func journal(ctx context.Context, env *gather.Env, units []facts.Unit) ([]byte, error) {
	args := []string{"-q", "--no-pager", "-o", "short-iso", "-b", "-n", "300"}
	var match []string
	for _, u := range units {
		if u.Load == "not-found" || !slices.Contains(unitNames, u.Name) && u.Name != gather.BottlerocketUnit {
			continue
		}
		if len(match) > 0 {
			match = append(match, "+")
		}
		match = append(match, "UNIT="+u.Name, "+", "_SYSTEMD_UNIT="+u.Name)
	}
	var out []byte
	if len(match) > 0 {
		b, err := env.Exec(ctx, "journalctl", append(slices.Clone(args), match...)...)
		if err != nil {
			return b, err
		}
		out = append(b, '\n')
	}
	b, err := env.Exec(ctx, "journalctl", append(slices.Clone(args), "-k")...)
	return append(out, b...), err
}

// noteForm is one kind of entry. The first that matches wins.
type noteForm struct {
	kind string
	re   *pattern.Pattern // the group "process" is the process
}

// noteForms are the words of the kernel (mm/oom_kill.c, arch/x86/mm/fault.c), of systemd
// (src/core) and of the dynamic loader that tell how a process ended, over the last ten
// years of each.
var noteForms = []noteForm{
	{facts.NoteOOMGroup, pattern.New(`Memory cgroup out of memory: Kill(?:ed)? process \d+ \((?P<process>[^)]{1,16})\)`)},
	{facts.NoteOOM, pattern.New(`Out of memory(?: \([^)]*\))?: Kill(?:ed)? process \d+ \((?P<process>[^)]{1,16})\)`)},
	{facts.NoteOOM, pattern.New(`systemd-oomd.*Killed \S*amazon-ssm-agent\S* due to`)},
	{facts.NoteOOMUnit, pattern.New(`amazon-ssm-agent\.service.*(?:killed by the OOM killer|systemd-oomd killed|result 'oom-kill')`)},
	{facts.NoteNoMemory, pattern.New(`(?P<process>amazon-ssm-agent|ssm-agent-worker)\b.*(?:fatal error: runtime: (?:out of memory|cannot allocate memory)|[Cc]annot allocate memory)`)},
	{facts.NoteLibrary, pattern.New(`(?:amazon-ssm-agent|ssm-agent-worker).*error while loading shared libraries: \S+`)},
	{facts.NoteLibrary, pattern.New(`(?:amazon-ssm-agent|ssm-agent-worker).*version .GLIBC_[0-9.]+' not found`)},
	{facts.NoteRefused, pattern.New(`apparmor="DENIED".*operation="(?:exec|file_mmap|open)".*(?:amazon-ssm-agent|ssm-agent-worker|ssm-document-worker|ssm-session-worker)`)},
	{facts.NoteRefused, pattern.New(`dec=deny\S* .*(?:amazon-ssm-agent|ssm-agent-worker|ssm-document-worker|ssm-session-worker)`)},
	{facts.NoteExec, pattern.New(`amazon-ssm-agent\.service.*(?:Failed at step EXEC spawning|Unable to locate executable|Failed to execute (?:command)?|Failed to locate executable)`)},
	{facts.NoteExec, pattern.New(`(?:Failed at step EXEC spawning|Failed to execute|Unable to locate executable) \S*amazon-ssm-agent`)},
	{facts.NoteStep, pattern.New(`amazon-ssm-agent\.service.*Failed at step [A-Z_]+ spawning|amazon-ssm-agent\.service.*Failed to (?:determine user credentials|set up mount namespacing|load environment files|load credentials)`)},
	{facts.NoteCrash, pattern.New(`(?P<process>amazon-ssm-agen|amazon-ssm-agent|ssm-agent-worke|ssm-agent-worker)\[\d+\]:? (?:segfault at|general protection)`)},
	{facts.NoteCrash, pattern.New(`traps: (?P<process>amazon-ssm-agen|ssm-agent-worke)\[\d+\]`)},
	{facts.NoteCrash, pattern.New(`systemd-coredump.*Process \d+ \((?P<process>amazon-ssm-agen|ssm-agent-worke)\w?\) of user \d+ dumped core`)},
	{facts.NoteStartLimit, pattern.New(`amazon-ssm-agent\.service.*(?:[Ss]tart request repeated too quickly|start-limit)`)},
	{facts.NoteDependency, pattern.New(`Dependency failed for .*(?:amazon-ssm-agent)|amazon-ssm-agent\.service: Job \S+ failed with result 'dependency'`)},
	{facts.NotePull, pattern.New(`(?:host-containers@control|host-ctr)\b.*(?i:failed to pull image|failed to pull ctr image|failed to resolve reference|failed to fetch image)`)},
	{facts.NoteTimeout, pattern.New(`amazon-ssm-agent\.service.*(?:operation timed out|timed out\. (?:Killing|Terminating)|Watchdog timeout)`)},
}

// parseNotes finds entries about the end of the agent in lines of syslog, of journalctl
// -o short-iso, and of the audit log. At most maxNotes, the last ones.
func parseNotes(b []byte, from string, now time.Time, zone *time.Location) []facts.SystemNote {
	var out []facts.SystemNote
	gather.Lines(b, func(l []byte) bool {
		if len(l) > 4<<10 {
			return true
		}
		s := string(l)
		// A quick look first: a log of the system has many lines of others.
		if !strings.Contains(s, "ssm-") && !strings.Contains(s, "Kill") && !strings.Contains(s, "host-") {
			return true
		}
		if n, ok := noteOf(s); ok {
			n.At, n.From = noteTime(s, now, zone), from
			out = append(out, n)
			if len(out) > maxNotes {
				out = out[1:]
			}
		}
		return true
	})
	return out
}

// noteOf is what one line says. A kill of a process of others is no note.
func noteOf(line string) (facts.SystemNote, bool) {
	for _, f := range noteForms {
		m := f.re.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		n := facts.SystemNote{Kind: f.kind, Text: gather.OneLine(afterHost(line), 300)}
		if i := f.re.SubexpIndex("process"); i > 0 {
			n.Process = gather.OneLine(m[i], 20)
			if !strings.Contains(n.Process, "ssm-") {
				return n, false
			}
		}
		return n, true
	}
	return facts.SystemNote{}, false
}

// afterHost is a line without its time and host, so that no name of the host is kept.
func afterHost(line string) string {
	f := strings.SplitN(line, " ", 3)
	if len(f) == 3 && len(f[0]) >= 19 && strings.Contains(f[0], "T") {
		return f[2]
	}
	if m := syslogTime.FindString(line); m != "" {
		_, rest, ok := strings.Cut(strings.TrimLeft(line[len(m):], " "), " ")
		if ok {
			return rest
		}
	}
	return line
}

var (
	syslogTime = pattern.New(`^[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d`)
	auditTime  = pattern.New(`msg=audit\((\d{1,12})`)
)

// noteTime is when a line was written; zero when it does not say. Lines of the old
// form have neither year nor zone: they are of the last twelve months, by the host's clock.
func noteTime(line string, now time.Time, zone *time.Location) time.Time {
	if m := auditTime.FindStringSubmatch(line); m != nil && strings.HasPrefix(line, "type=") {
		return unitTime("@" + m[1])
	}
	word, _, _ := strings.Cut(line, " ")
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05.999999-0700"} {
		if t, err := time.Parse(layout, word); err == nil {
			return gather.SaneTime(t)
		}
	}
	m := syslogTime.FindString(line)
	if m == "" {
		return time.Time{}
	}
	t, err := time.ParseInLocation("2006 Jan _2 15:04:05", now.In(zone).Format("2006")+" "+m, zone)
	if err != nil {
		return time.Time{}
	}
	if t.After(now.Add(24 * time.Hour)) {
		t = t.AddDate(-1, 0, 0)
	}
	return gather.SaneTime(t)
}
