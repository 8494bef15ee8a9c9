package checks

import (
	"path"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Effect is what a finding does to the node. Nothing else decides how severe it is.
type Effect uint8

// Effects.
const (
	Notes  Effect = iota // nothing to mend now
	Breaks               // a part of what the node is for does not work
	Ends                 // the node is still accepted, and is about to be lost or of no use
	Blocks               // the node is not managed
)

// Severity is the word of the report for an effect.
func (e Effect) Severity() causes.Severity {
	return [...]causes.Severity{causes.Info, causes.Warning, causes.Critical, causes.Critical}[e]
}

// Finding is the answer of a check.
type Finding struct {
	Status Status
	// Effect is that of warn and fail; fail ends or blocks, warn does not. An unknown has
	// one where it is seen that something is wrong, and only what it is cannot be told.
	Effect Effect
	// Cause is the root cause that was found; empty for pass, skip and unknown, for
	// a warning that needs no remedy, and for a symptom that others explain.
	Cause      string
	Confidence Confidence
	Summary    text.Text // one line with this host's values
	Evidence   []Evidence
	Values     causes.Values // more values for the remedy
	Fix        []causes.Step // replaces the catalogue's remedy when set
	More       []Finding     // further findings with another cause
	// Until is when the node will be lost by it; zero: not known, or not by it.
	Until time.Time
	// Stands: it is seen for itself, and no failed prerequisite explains it.
	Stands bool
	// Answered: it is AWS's own answer, so nothing on the way to AWS explains it.
	Answered bool
	// Obstacle is what kept an unknown from being told, where that has a name.
	Obstacle facts.Reason
	// Stops are features, by id, that do not work with it, whatever the node's rights.
	Stops []string
	// Crashed: the check itself failed, which is an error of this program.
	Crashed bool
}

// Evidence is one observation behind a finding.
type Evidence struct {
	What string `json:"what"` // what was asked
	Seen string `json:"seen"` // what came back
	From string `json:"from"`
	At   string `json:"at"` // RFC 3339, empty: at the time of the run
}

//go:noinline
func pass(format string, a ...any) Finding {
	return Finding{Status: Pass, Summary: text.New(format, a...)}
}

// skip says that a check does not apply, which must be known.
//
//go:noinline
func skip(format string, a ...any) Finding {
	return Finding{Status: Skip, Summary: text.New(format, a...)}
}

//go:noinline
func unknown(format string, a ...any) Finding {
	return Finding{Status: Unknown, Summary: text.New(format, a...)}
}

// unread is unknown since something was not read; what names it, such as "agent log".
//
//go:noinline
func unread(what string, u facts.Unseen) Finding {
	fd := unknown("%s: %s", what, u.Reason())
	fd.Obstacle = u.Obstacle()
	return fd
}

// failing says of an unknown that something is seen to be wrong, with this effect, and
// only what it is cannot be told: the node is not all right, and what blocks explains
// later failures as one with a name would.
//
//go:noinline
func (f Finding) failing(e Effect) Finding { f.Effect = e; return f }

// unreadFirmware is unknown since the machine does not say whether it is an EC2 instance.
func unreadFirmware(n *node.Node) Finding {
	vendor := n.Facts.Host.DMI.Vendor
	what := "whether this is an EC2 instance is not known: firmware tables of the machine"
	file := text.Or(strings.TrimPrefix(vendor.From, "file:"), "sys_vendor")
	if name, _, ok := strings.Cut(vendor.Reason(), ": "); !ok || name != file && name != path.Base(file) { // which names it too
		what += ", " + file
	}
	return unread(what, vendor)
}

// unreadLog is unread for the agent's log.
func unreadLog(n *node.Node) Finding { return unread("agent log", n.Log.Unseen()) }

// unreadRefusals is unread for the refusals of the agent's log.
func unreadRefusals(n *node.Node) Finding {
	return unread("refusals of the agent log", n.Refusals.Unseen)
}

// blocks names a cause that keeps the node from being managed by itself, whatever
// success is on record.
//
//go:noinline
func blocks(cause string, c Confidence, format string, a ...any) Finding {
	return Finding{Status: Fail, Effect: Blocks, Cause: cause, Confidence: c, Summary: text.New(format, a...)}
}

// stops names a cause that keeps an agent from being accepted. A node that is
// accepted all the same has lost no more than a part: until its next start, or on
// one of several ways.
func stops(n *node.Node, cause string, c Confidence, format string, a ...any) Finding {
	fd := blocks(cause, c, format, a...)
	if n.Acceptance.Now == node.Yes {
		return fd.as(Breaks)
	}
	return fd
}

// ends names a cause that keeps an agent from being accepted once what it holds has
// ended. A node that is accepted until then is not lost yet; until tells when, if that
// is known.
func ends(n *node.Node, until time.Time, fd Finding) Finding {
	if n.Acceptance.Now == node.No || fd.Effect != Blocks {
		return fd
	}
	fd = fd.as(Ends)
	switch {
	case n.Acceptance.Now == node.Unknown:
		return fd
	case until.After(n.Now()):
		fd.Until = until
		return fd.add("; the node is still accepted, until %s (in %s)", n.ClockTime(until), text.Span(until.Sub(n.Now())))
	}
	return fd.add("; the node is still accepted, last %s", n.Ago(n.Acceptance.Proof.At))
}

// endsWithCredentials is ends for a fault that leaves the agent only the credentials
// that it holds.
func endsWithCredentials(n *node.Node, fd Finding) Finding {
	return ends(n, n.Credentials.Held.Until, fd)
}

// breaks names a cause that leaves the node managed, and breaks a part of it.
//
//go:noinline
func breaks(cause string, c Confidence, format string, a ...any) Finding {
	return blocks(cause, c, format, a...).as(Breaks)
}

// notes names a cause behind which nothing needs mending now.
//
//go:noinline
func notes(cause string, c Confidence, format string, a ...any) Finding {
	return blocks(cause, c, format, a...).as(Notes)
}

// warns is a warning without a cause.
//
//go:noinline
func warns(format string, a ...any) Finding {
	return Finding{Status: Warn, Summary: text.New(format, a...)}
}

// symptom is a failure whose cause other checks name.
//
//go:noinline
func symptom(format string, a ...any) Finding {
	return Finding{Status: Fail, Effect: Blocks, Summary: text.New(format, a...)}
}

// as gives a finding another effect.
//
//go:noinline
func (f Finding) as(e Effect) Finding {
	f.Effect, f.Status = e, Warn
	if e >= Ends {
		f.Status = Fail
	}
	return f
}

//go:noinline
func (f Finding) standing() Finding { f.Stands = true; return f }

//go:noinline
func (f Finding) and(more ...Finding) Finding { f.More = append(f.More, more...); return f }

//go:noinline
func (f Finding) fix(steps ...causes.Step) Finding { f.Fix = append(f.Fix, steps...); return f }

// say replaces the summary.
//
//go:noinline
func (f Finding) say(format string, a ...any) Finding { f.Summary = text.New(format, a...); return f }

// add appends to the summary.
//
//go:noinline
func (f Finding) add(format string, a ...any) Finding {
	f.Summary = f.Summary.Add(format, a...)
	return f
}

// sure sets the confidence.
//
//go:noinline
func (f Finding) sure(c Confidence) Finding { f.Confidence = c; return f }

//go:noinline
func (f Finding) saw(what, seen, from string) Finding {
	return f.sawAt(what, seen, from, time.Time{})
}

// sawAt is saw with the time of the observation.
//
//go:noinline
func (f Finding) sawAt(what, seen, from string, at time.Time) Finding {
	f.Evidence = append(f.Evidence, Evidence{What: what, Seen: seen, From: from, At: text.Stamp(at)})
	return f
}

// logged adds an entry of the agent's log as evidence; nothing when there is none.
//
//go:noinline
func (f Finding) logged(list ...node.Entry) Finding {
	for _, e := range list {
		if e.Yes() {
			f = f.sawAt("agent log", e.Text, "file:"+e.File, e.Last)
		}
	}
	return f
}

// with sets values for the remedy, as name, value pairs.
//
//go:noinline
func (f Finding) with(pairs ...string) Finding {
	v := causes.Values{}
	for k, s := range f.Values {
		v[k] = s
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		v[pairs[i]] = pairs[i+1]
	}
	f.Values = v
	return f
}
