package checks

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/logline"
	"ssm-doctor/checks/node"
)

// row is one situation of a check's table test: a healthy host with one fault.
type row struct {
	name  string
	kind  string // of factstest.Healthy; empty: profile
	fault func(*facts.Facts)
	want  want
}

// want is what the check says.
type want struct {
	status     Status
	effect     Effect
	cause      string
	confidence Confidence // empty: any
	says       string     // in the summary
	saw        string     // in one piece of evidence, as "what: seen"
	value      string     // "name=value" for the remedy
	more       string     // cause of a further finding
}

// judge runs the table of one check.
func judge(t *testing.T, c *Check, table []row) {
	t.Helper()
	for _, r := range table {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			kind := r.kind
			if kind == "" {
				kind = "profile"
			}
			f := factstest.Healthy(t, kind)
			if r.fault != nil {
				r.fault(f)
				f = factstest.Clone(f) // a row may lend what it shares with others
				logline.ShownFacts(f)  // as what reads a log leaves it
			}
			compare(t, c, c.Judge(node.Of(f)), r.want)
		})
	}
}

func compare(t *testing.T, c *Check, fd Finding, w want) {
	t.Helper()
	if fd.Status != w.status || fd.Effect != w.effect || fd.Cause != w.cause {
		t.Errorf("%s %v %q, want %s %v %q: %s", fd.Status, fd.Effect, fd.Cause, w.status, w.effect, w.cause, fd.Summary)
	}
	if w.confidence != "" && fd.Confidence != w.confidence {
		t.Errorf("confidence %q, want %q", fd.Confidence, w.confidence)
	}
	if !strings.Contains(fd.Summary.String(), w.says) {
		t.Errorf("summary %q lacks %q", fd.Summary, w.says)
	}
	if fd.Cause != "" && len(fd.Evidence) == 0 {
		t.Errorf("%s is named without evidence", fd.Cause)
	}
	if w.saw != "" && !strings.Contains(evidenceText(fd), w.saw) {
		t.Errorf("evidence lacks %q:\n%s", w.saw, evidenceText(fd))
	}
	if name, v, ok := strings.Cut(w.value, "="); ok && fd.Values[name] != v {
		t.Errorf("%s is %q, want %q", name, fd.Values[name], v)
	}
	found := w.more == ""
	for _, m := range fd.More {
		found = found || m.Cause == w.more
	}
	if !found {
		t.Errorf("no further finding %s", w.more)
	}
}

func evidenceText(fd Finding) string {
	var b strings.Builder
	for _, e := range fd.Evidence {
		b.WriteString(e.What + ": " + e.Seen + " (" + e.From + ")\n")
	}
	return b.String()
}

// Faults that several checks are tried with.

// log puts an entry into the agent's log, so long before the run.
func log(f *facts.Facts, signature string, before time.Duration, text string) {
	at := f.CollectedAt.Add(-before)
	m := facts.Match{ID: signature, Count: 1, First: at, Last: at, Text: text, File: "/var/log/amazon/ssm/amazon-ssm-agent.log"}
	list := f.Log.Matches.Value[:0:0]
	for _, x := range f.Log.Matches.Value {
		if x.ID != signature {
			list = append(list, x)
		}
	}
	f.Log.Matches = facts.Known(append(list, m), "file:/var/log/amazon/ssm")
}

// refuse puts an AWS error into the agent's log, so long before the run.
func refuse(f *facts.Facts, signature string, before time.Duration, code, message string) {
	log(f, signature, before, code+": "+message)
	r := facts.Refusal{Refusal: iam.ParseRefusal(code, message), At: f.CollectedAt.Add(-before), Match: signature, File: "/var/log/amazon/ssm/amazon-ssm-agent.log"}
	f.Log.Refusals = facts.Known(append(f.Log.Refusals.Value, r), "file:/var/log/amazon/ssm")
}

// neverAccepted takes away what the service's acceptance left, and the worker.
func neverAccepted(f *facts.Facts) {
	var list []facts.Match
	for _, m := range f.Log.Matches.Value {
		switch m.ID {
		case facts.SigHealthOK, facts.SigChannelMGS, facts.SigChannelUp, facts.SigRotation, facts.SigProfileOK, facts.SigDHMCOK:
		default:
			list = append(list, m)
		}
	}
	f.Log.Matches.Value = list
	f.Credentials.Runtime.Value.Source = ""
	f.Agent.Processes.Value.Worker = nil
	f.Agent.Channel = facts.Known([]facts.Socket{}, "file:/proc/net/tcp")
}

// noAgentAtAll takes the agent away.
func noAgentAtAll(f *facts.Facts) {
	f.Agent.Installations = facts.Known([]facts.Installation{}, "")
	f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
}

// unreadLogOf makes the agent's log one that nobody could read.
func unreadLogOf(f *facts.Facts) {
	const why = "/var/log/amazon/ssm/amazon-ssm-agent.log: permission denied"
	f.Log.Matches = facts.Unknown[[]facts.Match](why, "file:/var/log/amazon/ssm").Because(facts.NeedsRoot)
	f.Log.Refusals = facts.Unknown[[]facts.Refusal](why, "file:/var/log/amazon/ssm").Because(facts.NeedsRoot)
	f.Log.Backoff = facts.Unknown[facts.Backoff](why, "file:/var/log/amazon/ssm").Because(facts.NeedsRoot)
}
