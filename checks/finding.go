package checks

import (
	"fmt"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

func pass(format string, a ...any) Finding {
	return Finding{Status: Pass, Summary: fmt.Sprintf(format, a...)}
}

func skip(format string, a ...any) Finding {
	return Finding{Status: Skip, Summary: fmt.Sprintf(format, a...)}
}

func unknown(format string, a ...any) Finding {
	return Finding{Status: Unknown, Summary: fmt.Sprintf(format, a...)}
}

// fail names a cause that keeps the node from working.
func fail(cause string, c Confidence, format string, a ...any) Finding {
	return Finding{Status: Fail, Cause: cause, Confidence: c, Summary: fmt.Sprintf(format, a...)}
}

// warn names a cause that leaves the node managed, or none at all.
func warn(cause string, c Confidence, format string, a ...any) Finding {
	return Finding{Status: Warn, Cause: cause, Confidence: c, Severity: causes.Warning, Summary: fmt.Sprintf(format, a...)}
}

func (f Finding) severity(s causes.Severity) Finding { f.Severity = s; return f }
func (f Finding) blocking() Finding                  { f.Blocks = true; return f }
func (f Finding) standing() Finding                  { f.Stands = true; return f }
func (f Finding) and(more ...Finding) Finding        { f.More = append(f.More, more...); return f }
func (f Finding) fix(steps ...causes.Step) Finding   { f.Fix = append(f.Fix, steps...); return f }

func (f Finding) saw(what, seen, from string) Finding {
	f.Evidence = append(f.Evidence, Evidence{What: what, Seen: seen, From: from})
	return f
}

// sawAt is saw with the time of the observation.
func (f Finding) sawAt(what, seen, from string, at time.Time) Finding {
	e := Evidence{What: what, Seen: seen, From: from}
	if !at.IsZero() {
		e.At = at.UTC().Format(time.RFC3339)
	}
	f.Evidence = append(f.Evidence, e)
	return f
}

// logged adds a log entry as evidence.
func (f Finding) logged(m facts.Match) Finding {
	return f.sawAt("agent log", m.Text, "file:"+m.File, m.Last)
}

// with sets values for the remedy, as name, value pairs.
func (f Finding) with(pairs ...string) Finding {
	if f.Values == nil {
		f.Values = causes.Values{}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Values[pairs[i]] = pairs[i+1]
	}
	return f
}
