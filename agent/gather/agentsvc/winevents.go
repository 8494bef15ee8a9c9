package agentsvc

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/sorting"
)

// Providers of entries.
const (
	ofManager   = "Service Control Manager"
	ofAppLocker = "Microsoft-Windows-AppLocker"
	ofIntegrity = "Microsoft-Windows-CodeIntegrity"
	ofDefender  = "Microsoft-Windows-Windows Defender"
)

// lately is how far back entries are looked at, in milliseconds: seven days.
const lately = "TimeCreated[timediff(@SystemTime) <= 604800000]"

// eventLogs are the logs in which Windows says how a service ended, and what keeps a
// program from being executed, with what is asked of each. Entries of audit modes, which
// keep nothing from anything, are not asked for.
var eventLogs = [][2]string{
	{"System", "*[System[Provider[@Name='" + ofManager + "'] and " + lately + "] and EventData[Data='Amazon SSM Agent' or Data='" + WindowsService + "']]"},
	{ofAppLocker + "/EXE and DLL", "*[System[EventID=8004 and " + lately + "]]"},
	{ofIntegrity + "/Operational", "*[System[(EventID=3077 or EventID=3033) and " + lately + "]]"},
	{ofDefender + "/Operational", "*[System[(EventID=1116 or EventID=1117 or EventID=1121) and " + lately + "]]"},
}

// windowsNotes are what the logs of Windows hold of the agent's end.
func windowsNotes(w *gather.Windows) facts.Seen[[]facts.SystemNote] {
	const from = "event logs"
	if w == nil || w.Events == nil {
		return gather.NotAskable[[]facts.SystemNote](gather.NotLive, from)
	}
	// Each may take its time, and none needs another.
	answers := make([]facts.Seen[[]gather.WindowsEvent], len(eventLogs))
	var wg gather.Workers
	for i, l := range eventLogs {
		wg.Go(func() { answers[i] = w.Events(l[0], l[1]) })
	}
	wg.Wait()
	notes := []facts.SystemNote{}
	unread := facts.Known(0, "")
	for i, s := range answers {
		if s.Unknown() {
			unread = gather.Likewise[int](s)
		}
		for _, e := range s.Some() {
			if n, ok := noteOfEvent(e); ok {
				n.From = "event log:" + eventLogs[i][0]
				notes = append(notes, n)
			}
		}
	}
	sorting.By(notes, func(a, b facts.SystemNote) int { return a.At.Compare(b.At) })
	notes = notes[max(0, len(notes)-maxNotes):]
	if unread.Unknown() {
		return facts.Partly(notes, unread.Why, unread.From).Because(unread.Obstacle())
	}
	return facts.Known(notes, from)
}

// refusals are the entries that say that a program was not executed, by provider and
// number: who refused it, and the values that may name the program.
// Source: Microsoft, "Using Event Viewer with AppLocker", "Understanding App Control event
// IDs", "Review event logs and error codes to troubleshoot issues with Microsoft Defender
// Antivirus".
var refusals = map[string]struct {
	by     string
	ids    []int
	values []string
}{
	ofAppLocker: {facts.ByAppLocker, []int{8004}, []string{"FullFilePath", "FilePath"}},
	ofIntegrity: {facts.ByIntegrity, []int{3077, 3033}, []string{"File Name", "FileNameBuffer"}},
	ofDefender:  {facts.ByDefender, []int{1116, 1117, 1121}, []string{"Path"}},
}

// agentFile finds a program of the agent in a path, whose first part may be a device or a
// variable, or in a list of such.
var agentFile = pattern.New(`(?i)[\\/]amazon[\\/]ssm[\\/](amazon-ssm-agent|ssm-agent-worker|ssm-document-worker|ssm-session-worker|ssm-cli)\.exe(?:$|[^A-Za-z0-9._-])`)

// noteOfEvent is what an entry says of the agent; false: nothing. Its text is ours: that of
// Windows is in the language of the host, and names what it likes.
func noteOfEvent(e gather.WindowsEvent) (facts.SystemNote, bool) {
	if e.Provider == ofManager {
		return noteOfManager(e)
	}
	r, ok := refusals[e.Provider]
	if !ok || !slices.Contains(r.ids, e.ID) {
		return facts.SystemNote{}, false
	}
	for _, name := range r.values {
		if m := agentFile.FindStringSubmatch(e.Value(name)); m != nil {
			program := strings.ToLower(m[1])
			return facts.SystemNote{Kind: facts.NoteRefused, By: r.by, Process: program, At: e.At, Text: fmt.Sprintf("event %d: %s.exe %s", e.ID, program, refusedHow(e))}, true
		}
	}
	return facts.SystemNote{}, false
}

func refusedHow(e gather.WindowsEvent) string {
	switch e.ID {
	case 1116:
		return "taken for malware"
	case 1117:
		return "taken for malware, and an action taken"
	case 3033:
		return "not signed as required"
	}
	return "denied by a rule"
}

// Codes of the service manager. Source: Microsoft, "Service Control Manager events".
const (
	scmNotStarted = 7000 + iota
	scmDependency
	scmTimeout     = 7009
	scmHung        = 7022
	scmError       = 7023
	scmOwnError    = 7024
	scmCrashAction = 7031
	scmCrash       = 7034
	scmState       = 7036
	scmLogon       = 7038
	scmStartType   = 7040
	scmInstalled   = 7045
)

func noteOfManager(e gather.WindowsEvent) (facts.SystemNote, bool) {
	ours := slices.ContainsFunc(e.Values, func(v gather.EventValue) bool {
		// Of a failed dependency the second value is that other service.
		return (v.Name != "param2" || e.ID != scmDependency) && (strings.EqualFold(v.Text, "Amazon SSM Agent") || strings.EqualFold(v.Text, WindowsService))
	})
	n := facts.SystemNote{At: e.At}
	if !ours {
		return n, false
	}
	say := func(kind, format string, a ...any) (facts.SystemNote, bool) {
		n.Kind, n.Text = kind, fmt.Sprintf("event %d: ", e.ID)+fmt.Sprintf(format, a...)
		return n, true
	}
	code := func(name string) string { // %%577
		if c, err := strconv.ParseUint(strings.TrimPrefix(e.Value(name), "%%"), 10, 32); err == nil {
			return fmt.Sprintf("error %d", c)
		}
		return "error"
	}
	switch e.ID {
	case scmNotStarted:
		return say(facts.NoteNotStarted, "service start failed, %s", code("param2"))
	case scmDependency:
		return say(facts.NoteNotStarted, "service start failed, a dependency failed, %s", code("param3"))
	case scmTimeout:
		return say(facts.NoteTimeout, "service start timed out")
	case scmHung:
		return say(facts.NoteTimeout, "service start is not complete in time")
	case scmLogon:
		return say(facts.NoteNotStarted, "service start failed, account not accepted, %s", code("param3"))
	case scmError:
		return say(facts.NoteEnded, "service ended with %s", code("param2"))
	case scmOwnError:
		return say(facts.NoteEnded, "service ended with its own %s", code("param2"))
	case scmCrashAction, scmCrash:
		again := "service process ended unexpectedly"
		if c, err := strconv.ParseUint(e.Value("param2"), 10, 20); err == nil {
			again += fmt.Sprintf(", attempt %d", c)
		}
		if e.ID == scmCrashAction {
			again += ", recovery action after it"
		}
		return say(facts.NoteCrash, "%s", again)
	case scmState:
		switch stateOf(e.Value("Binary")) {
		case 1:
			return say(facts.NoteStopped, "service is stopped")
		case 4:
			return say(facts.NoteStarted, "service is running")
		}
	case scmStartType:
		return say(facts.NoteChanged, "start type of the service changed")
	case scmInstalled:
		return say(facts.NoteInstalled, "service installed")
	}
	return n, false
}

// KeptEvents are the entries that say something of the agent, with what says it and no
// more: a recording holds no path, name or text of others.
func KeptEvents(list []gather.WindowsEvent) []gather.WindowsEvent {
	out := []gather.WindowsEvent{}
	for _, e := range list {
		if _, ok := noteOfEvent(e); !ok {
			continue
		}
		kept := gather.WindowsEvent{Provider: e.Provider, ID: e.ID, At: e.At}
		for _, v := range e.Values {
			m := agentFile.FindStringSubmatch(v.Text)
			_, err := strconv.ParseUint(strings.TrimPrefix(v.Text, "%%"), 10, 32)
			switch {
			case e.Provider != ofManager && m != nil && slices.Contains(refusals[e.Provider].values, v.Name):
				v.Text = `\Amazon\SSM\` + m[1] + ".exe"
			case e.Provider == ofManager && (err == nil || strings.EqualFold(v.Text, WindowsService) || strings.EqualFold(v.Text, "Amazon SSM Agent") || v.Name == "Binary" && stateOf(v.Text) > 0):
			default:
				continue
			}
			kept.Values = append(kept.Values, v)
		}
		out = append(out, kept)
	}
	return out
}

// stateOf reads the state in the bytes of an entry, in words only in the language of the
// host: NAME/STATE in UTF-16, written in hexadecimal. 0: it is not there.
func stateOf(binary string) int {
	b, err := hex.DecodeString(binary)
	if err != nil {
		return 0
	}
	text := strings.ReplaceAll(string(b), "\x00", "")
	name, state, ok := strings.Cut(text, "/")
	if !ok || !strings.EqualFold(name, WindowsService) {
		return 0
	}
	n, _ := strconv.Atoi(state)
	return n
}

// crashWindow is in what time before its last end the crashes of a service are those of one
// fault.
const crashWindow = time.Hour

// WithTimes adds to the service of Windows, which its manager tells no times of, those of
// its log, and how often it was started again after a crash.
func WithTimes(units facts.Seen[[]facts.Unit], notes facts.Seen[[]facts.SystemNote]) facts.Seen[[]facts.Unit] {
	for i := range units.Value {
		u := &units.Value[i]
		if u.Name != WindowsService {
			continue
		}
		var ended, started time.Time
		var crashes []time.Time // since the last stop that was asked for
		for _, n := range notes.Some() {
			switch n.Kind {
			case facts.NoteEnded, facts.NoteCrash, facts.NoteStopped, facts.NoteNotStarted, facts.NoteTimeout:
				if strings.HasPrefix(n.From, "event log:System") {
					ended = n.At
				}
			case facts.NoteStarted:
				started = n.At
			}
			switch n.Kind {
			case facts.NoteCrash:
				crashes = append(crashes, n.At)
			case facts.NoteStopped:
				crashes = nil
			}
		}
		if u.Active == "stopped" { // with code 0: it was stopped, also where no entry says so
			crashes = nil
		}
		for _, at := range crashes {
			if ended.Sub(at) <= crashWindow {
				u.Restarts++
			}
		}
		switch {
		case u.Active == "active":
			u.ActiveSince = started
		case !ended.IsZero() && !started.After(ended):
			u.StoppedSince, u.ExitedAt = ended, ended
		}
		u.StartedAt = started
	}
	return units
}
