package checks

import (
	"fmt"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
)

// A healthy agent starts once per boot or update. Restart=always with
// RestartSec=90 gives a failing one 40 starts an hour.
const (
	loopStarts = 6
	loopWindow = time.Hour
)

var _ = register(Check{
	ID: "agent-stable", Group: "agent", Title: "The agent stays up once started",
	Causes: []string{"agent-crash-loop"},
	Needs: []string{"agent-installed", "agent-config", "agent-exec", "agent-packaging", "state-dir-access", "filesystem-writable", "disk-space", "disk-inodes",
		"hybrid-registration", "activation", "region", "registration-store", "imds-reachable", "imds-at-boot", "imds-v2-agent", "agent-regression"},
	Doc: "Restarts counted by the service manager, starts in the audit files, and entries that end a start: a message bus address in use, a crash. " +
		"The agent exits with code 0 on fatal start errors, so the service manager may call every one of these ends clean.",
	Eval: func(f *facts.Facts) Finding {
		if yes, known := agentInstalled(f); known && !yes {
			return skip("no agent is installed")
		}
		if _, ok := Managed(f); ok {
			return pass("running and accepted")
		}
		u := mainUnit(f)
		var seen []Evidence
		why, own := "", false
		if m, ok := current(f, facts.SigBusStart); ok {
			// An address in use is nobody's consequence, unless an update came with it.
			own = strings.Contains(m.Text, "address in use") && len(f.Agent.Versions) < 2
			why = "the agent cannot start its message bus: " + tail(m.Text, "failed to")
			seen = append(seen, Evidence{What: "agent log", Seen: m.Text, From: "file:" + m.File, At: stamp(m.Last)})
		}
		if m, ok := current(f, facts.SigPanic); ok {
			why = "the agent crashes: " + tail(m.Text, "Core Agent crashed")
			seen = append(seen, Evidence{What: "agent log", Seen: m.Text, From: "file:" + m.File, At: stamp(m.Last)})
		}
		if u != nil {
			state := fmt.Sprintf("%s (%s), %d restarts, last exit status %d", u.Active, u.Sub, u.Restarts, u.ExitStatus)
			switch {
			case u.Active == "failed", u.Active == "activating" && u.Restarts > 0, u.Restarts >= loopStarts && u.Active != "active":
				if why == "" {
					why = fmt.Sprintf("%s does not stay up: %s", u.Name, state)
				}
				seen = append(seen, Evidence{What: "state of " + u.Name, Seen: state, From: "systemctl:" + u.Name})
			}
		}
		if starts, ok := f.Agent.Starts.Get(); ok {
			n := 0
			for _, t := range starts {
				if a := age(f, t); a >= 0 && a <= loopWindow {
					n++
				}
			}
			if n >= loopStarts {
				if why == "" {
					why = fmt.Sprintf("the agent started %d times in the last hour", n)
				}
				seen = append(seen, Evidence{What: "starts in the last hour", Seen: fmt.Sprint(n), From: f.Agent.Starts.From})
			}
		}
		if why == "" {
			if u == nil && f.Agent.Starts.Unknown() {
				return unknown("neither a service manager nor audit files tell of restarts")
			}
			return pass("no repeated starts")
		}
		fd := fail("agent-crash-loop", Likely, "%s", why)
		fd.Evidence, fd.Stands = seen, own
		if m, ok := firstCurrent(f, facts.SigStartFailed); ok && !strings.Contains(why, "message bus") {
			fd = fd.logged(m)
		}
		if u != nil {
			fd = fd.with("unit", u.Name)
		}
		return fd
	},
})

// tail is the text from a fragment on, so that a summary starts where the news is.
func tail(text, fragment string) string {
	if i := strings.Index(strings.ToLower(text), strings.ToLower(fragment)); i >= 0 {
		return text[i:]
	}
	return text
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
