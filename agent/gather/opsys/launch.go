package opsys

import (
	"io"
	"path"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// launchAgent is where a launch agent of EC2 keeps its things.
// Source: Amazon EC2 User Guide, "EC2Launch v2 directory structure", "EC2Launch directory
// structure", "EC2Config".
type launchAgent struct {
	kind     string
	services []string // names of its service
	program  string   // below Program Files
	files    string   // one below ProgramData\Amazon
	log      string
	task     string // the scheduled task that runs it
	settings string
}

var launchAgents = []launchAgent{
	{kind: facts.LaunchV2, services: []string{"Amazon EC2Launch", "EC2Launch"}, program: "EC2Launch/EC2Launch.exe", log: "EC2Launch/log/agent.log", settings: "EC2Launch/config/agent-config.yml"},
	{kind: facts.LaunchV1, files: "EC2-Windows/Launch/Module/Ec2Launch.psd1", log: "EC2-Windows/Launch/Log/Ec2Launch.log", task: "Amazon Ec2 Launch - Instance Initialization"},
	{kind: facts.LaunchConfig, services: []string{"Ec2Config"}, program: "Ec2ConfigService/Ec2Config.exe"},
}

// winService is a service of Windows in the words of a unit.
func winService(w *gather.Windows, names ...string) facts.Seen[facts.Service] {
	last := facts.Absent[facts.Service]("it has no service", "")
	for _, name := range names {
		s := w.Service(name)
		if v, ok := s.Get(); ok {
			x := facts.Service{Active: map[uint32]string{1: "stopped", 2: "start-pending", 3: "stop-pending", 4: "active"}[v.State], Enabled: map[uint32]string{2: "enabled", 3: "manual", 4: "disabled"}[v.StartType]}
			return facts.Known(x, s.From)
		}
		if last = gather.Likewise[facts.Service](s); s.Unknown() {
			break
		}
	}
	return last
}

// launchAgentsOf finds the launch agents of a Windows.
func launchAgentsOf(env *gather.Env) facts.Seen[[]facts.LaunchAgent] {
	const from = "service manager and the folders of EC2Launch"
	d := gather.AgentDirs(env)
	data, programs := path.Dir(d.SSM), path.Dir(path.Dir(d.Config))
	out := []facts.LaunchAgent{}
	var unread error
	for _, l := range launchAgents {
		a := facts.LaunchAgent{Kind: l.kind, Service: winService(env.Windows, l.services...)}
		at := path.Join(programs, l.program)
		if l.files != "" {
			at = path.Join(data, l.files)
		}
		_, err := env.FS.Stat(at)
		if err != nil && !gather.Missing(err) {
			unread = err
		}
		if err != nil && !a.Service.Known() {
			continue
		}
		a.Scheduled = facts.Absent[bool]("no scheduled task runs it", "")
		if l.task != "" {
			a.Scheduled = taskEnabled(env, l.task)
		}
		a.StartsAgent, a.Run = facts.Unknown[bool]("its settings are not known", ""), facts.Unknown[facts.LaunchRun]("its log is not known", "")
		if l.settings != "" {
			a.StartsAgent = startsAgent(env, path.Join(data, l.settings))
		}
		if l.log != "" {
			a.Run = launchRun(env, path.Join(data, l.log))
		}
		out = append(out, a)
	}
	return gather.Partly(out, unread, from)
}

// taskEnabled tells whether a scheduled task of Windows is there and switched on.
func taskEnabled(env *gather.Env, name string) facts.Seen[bool] {
	at := path.Join("Windows/System32/Tasks", name)
	b, err := gather.ReadFile(env.FS, at, gather.MaxSmall)
	if err != nil {
		if gather.Missing(err) {
			return facts.Known(false, gather.FileURL(at))
		}
		return gather.Unknown[bool](err, gather.FileURL(at))
	}
	if !IsTask(b) {
		return facts.Unknown[bool]("the scheduled task has a form that is not known", gather.FileURL(at))
	}
	return facts.Known(TaskEnabled(b), gather.FileURL(at))
}

// IsTask reports whether a text is a task, or a recording of one.
func IsTask(b []byte) bool {
	s := taskText(b)
	return strings.Contains(s, "<Task") || strings.HasPrefix(s, "<Settings>")
}

// taskText is a task, XML in UTF-16, in one byte a letter.
func taskText(b []byte) string { return strings.ReplaceAll(string(b), "\x00", "") }

var (
	reTaskSettings = pattern.New(`(?is)<settings(?:\s[^>]*)?>.*?</settings>`)
	reTaskOff      = pattern.New(`(?i)<enabled>\s*(?:false|0)\s*</enabled>`)
)

// TaskEnabled tells whether a task is switched on; what is not there is true.
func TaskEnabled(b []byte) bool {
	return !reTaskOff.MatchString(reTaskSettings.FindString(taskText(b)))
}

var reStartSSM = pattern.New(`(?im)^[ \t]*-?[ \t]*"?task"?[ \t]*:[ \t]*["']?startSsm["']?`)

// startsAgent tells whether the settings of EC2Launch v2, YAML or JSON, name the task that
// starts the SSM Agent.
func startsAgent(env *gather.Env, at string) facts.Seen[bool] {
	b, err := gather.ReadFile(env.FS, at, gather.MaxSmall)
	if err != nil {
		return gather.Unseen[bool](err, at)
	}
	return facts.Known(reStartSSM.MatchString(string(b)), gather.FileURL(at))
}

// launchTail is how much of the end of a launch agent's log is read.
const launchTail = 64 << 10

func launchRun(env *gather.Env, at string) facts.Seen[facts.LaunchRun] {
	f, err := env.FS.Open(at)
	if err != nil {
		return gather.Unseen[facts.LaunchRun](err, at)
	}
	defer f.Close()
	if fi, err := f.Stat(); err == nil && fi.Size() > launchTail {
		if s, ok := f.(io.Seeker); ok {
			_, err = s.Seek(-launchTail, io.SeekEnd)
		}
		if err != nil {
			return gather.Unknown[facts.LaunchRun](err, gather.FileURL(at))
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, launchTail))
	if err != nil {
		return gather.Unknown[facts.LaunchRun](err, gather.FileURL(at))
	}
	zone, _ := gather.HostZone(env) // UTC where it is not known
	run := parseLaunchLog(b, zone)
	switch {
	case run.At.IsZero() && len(b) > 0:
		return facts.Unknown[facts.LaunchRun]("no entry of its log is recognised", gather.FileURL(at))
	case run.At.IsZero():
		return facts.Absent[facts.LaunchRun]("its log holds no entry", gather.FileURL(at))
	}
	return facts.Known(run, gather.FileURL(at))
}

// launchPause is what lies between two runs at least: the machine boots in between.
const launchPause = 3 * time.Minute

// reLaunch is an entry: "2024-08-01 04:27:28 Error: TEXT" of EC2Launch v2, in local time,
// or "2019/03/12 10:00:00Z: TEXT" of EC2Launch.
var reLaunch = pattern.New(`^(\d{4})([-/])(\d\d)[-/](\d\d) (\d\d:\d\d:\d\d)(Z?):?[ ]([A-Za-z]+:)?[ ]?(.*)$`)

// parseLaunchLog reads what a log says of the last run. Its texts name what they like, so
// that an error is told in our words.
func parseLaunchLog(b []byte, zone *time.Location) facts.LaunchRun {
	var run facts.LaunchRun
	for l := range strings.Lines(string(b)) {
		m := reLaunch.FindStringSubmatch(strings.TrimRight(l, "\r\n"))
		if m == nil {
			continue
		}
		in := zone
		if m[6] == "Z" {
			in = time.UTC
		}
		at, err := time.ParseInLocation("2006-01-02 15:04:05", m[1]+"-"+m[3]+"-"+m[4]+" "+m[5], in)
		if at = gather.SaneTime(at.UTC()); err != nil || at.IsZero() {
			continue
		}
		if at.Sub(run.At) > launchPause {
			run = facts.LaunchRun{}
		}
		run.At = at
		text := strings.ToLower(m[8])
		failed := strings.EqualFold(m[7], "Error:") || m[6] == "Z" && (strings.Contains(text, "failed to") || strings.Contains(text, "exception"))
		switch about := launchSubject(text); {
		case failed:
			run.Failure = "an error"
			if about != "" {
				run.Failure = "an error about " + about
			}
			if about == launchRoutes {
				run.Routes = false
			}
		case about == launchRoutes:
			run.Routes = true
			if run.Failure == "an error about "+launchRoutes { // it tried again
				run.Failure = ""
			}
		}
	}
	return run
}

const launchRoutes = "its routes"

// launchSubject is what an entry is about, as far as it matters to the agent; empty: else.
func launchSubject(text string) string {
	for _, s := range [][2]string{
		{"network interface", "the network interface"}, {"nic)", launchRoutes}, {"route", launchRoutes}, {"agent-config", "its settings"}, {"meta-data", "the metadata service"}, {"metadata", "the metadata service"},
		{"sysprep", "Windows setup"}, {"ssm", "the start of the SSM Agent"},
	} {
		if strings.Contains(text, s[0]) {
			return s[1]
		}
	}
	return ""
}

// KeptLaunchLine is what of an entry of a launch agent's log says something: its time, its
// level and what it is about.
func KeptLaunchLine(l string) string {
	m := reLaunch.FindStringSubmatch(l)
	if m == nil {
		return ""
	}
	at := m[1] + m[2] + m[3] + m[2] + m[4] + " " + m[5] + m[6]
	if m[6] == "Z" {
		at += ":"
	}
	text := strings.ToLower(m[8])
	kept := map[string]string{launchRoutes: "routes", "the network interface": "network interface", "its settings": "agent-config", "the metadata service": "metadata", "Windows setup": "sysprep", "the start of the SSM Agent": "ssm"}[launchSubject(text)]
	if m[6] == "Z" && (strings.Contains(text, "failed to") || strings.Contains(text, "exception")) {
		kept = "failed to " + kept
	}
	level := map[string]string{"error:": "Error: ", "info:": "Info: ", "warning:": "Warning: ", "console:": "Console: "}[strings.ToLower(m[7])]
	return strings.TrimRight(at+" "+level+kept, " ")
}
