package engine

import (
	"fmt"
	"slices"
	"strings"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/outlook"
	"ssm-doctor/checks/text"
)

// maxWays bounds the ways through a remedy; real ones have at most four.
const maxWays = 12

// Plan says what the steps of the root cause would make of a host: for each way through
// them the facts are changed as the steps would change them, and judged again. It needs
// no host and no network.
func Plan(f *facts.Facts, r *report.Report, o Options) (*report.Plan, error) {
	out := &report.Plan{Now: r.State, Ways: []report.Way{}}
	if r.RootCause == nil {
		return out, nil
	}
	for _, steps := range waysThrough(r.RootCause.Fix) {
		w, err := wayOf(f, r, steps, o)
		if err != nil {
			return nil, err
		}
		out.Ways = append(out.Ways, w)
	}
	return out, nil
}

// waysThrough are the ways through a remedy, by the places of the steps from 1 on: the
// steps one after another, and for each alternative those with it in place of the step
// before it.
func waysThrough(fix []report.Step) [][]int {
	first, out := []int{}, [][]int{}
	for i, s := range fix {
		if !s.Alternative {
			first = append(first, i+1)
		}
	}
	if len(first) == 0 {
		return out
	}
	out = append(out, first)
	main := 0
	for i, s := range fix {
		if !s.Alternative {
			main = i + 1
			continue
		}
		if main == 0 || len(out) == maxWays {
			continue
		}
		way := slices.Clone(first)
		way[slices.Index(way, main)] = i + 1
		out = append(out, way)
	}
	return out
}

// wayOf is what one way leads to: without the steps that are for a case which may not be,
// where that does. It lists them all, and who does them.
func wayOf(f *facts.Facts, r *report.Report, steps []int, o Options) (report.Way, error) {
	certain := slices.DeleteFunc(slices.Clone(steps), func(i int) bool { return causes.Conditional(r.RootCause.Fix[i-1].Text.String()) })
	if len(certain) < len(steps) {
		if w, err := leadsTo(f, r, certain, o); err != nil || w.State != report.Unknown {
			w.Steps, w.Operator = steps, operators(r, steps)
			return w, err
		}
	}
	return leadsTo(f, r, steps, o)
}

// operators are the steps that change something somewhere else than on this host.
func operators(r *report.Report, steps []int) []int {
	out := []int{}
	for _, i := range steps {
		s := r.RootCause.Fix[i-1]
		if c, _ := causes.ChangesOf(s.Command.String(), s.Where); s.Where != causes.OnHost && len(c) > 0 {
			out = append(out, i)
		}
	}
	return out
}

func leadsTo(f *facts.Facts, r *report.Report, steps []int, o Options) (report.Way, error) {
	w := report.Way{Steps: steps, Operator: operators(r, steps), State: report.Unknown, NotKnown: []text.Text{}}
	var list []causes.Change
	var cases []text.Text
	effect, unknown, starts := false, false, false
	for _, i := range steps {
		s := r.RootCause.Fix[i-1]
		c, known := causes.ChangesOf(s.Command.String(), s.Where)
		unknown = unknown || !known
		for _, x := range c {
			effect = effect || !x.Lasts() && x.Kind != causes.UnitLoaded
			starts = starts || x.Kind == causes.ServiceStarted || x.Kind == causes.ServiceRestarted
		}
		if says := s.Text.String(); len(c) > 0 && causes.Conditional(says) {
			says, _, _ = strings.Cut(says, ",")
			_, says, _ = strings.Cut(says, " ")
			cases = append(cases, text.New("whether %s", says))
		}
		list = append(list, c...)
	}
	after, err := outlook.After(f, list)
	if err != nil {
		return w, fmt.Errorf("plan: %w", err)
	}
	open := append(slices.Clone(cases), after.Open...)
	for _, x := range r.Also { // that the agent runs in these facts is because the plan starts it
		stops := x.Severity == string(causes.Critical) && slices.Contains([]string{"host", "agent"}, x.Group)
		lacks := x.Severity == string(causes.Warning) && x.Group == "host" && starts // what one that runs does without
		if (stops || lacks) && x.ID != r.RootCause.ID {
			open = append(open, text.New("whether %s keeps the agent from running", x.ID))
		}
	}
	if unknown {
		open = append(open, text.New("what a command of these steps changes"))
	}
	then := Judge(after.Facts, o)
	root := then.RootCause
	last := root == nil || isLastResort(root.ID)
	switch {
	case root != nil && root.ID == r.RootCause.ID:
		// That it is named again is the past of the log, or a change that the facts do not show.
		if !effect {
			open = append(open, text.New("whether it mends itself: these steps only look"))
		} else if len(open) == 0 {
			open = append(open, text.New("whether %s is over then", root.ID))
		}
	case then.State == report.NotManaged && !last && keepsAway(after.Facts, then):
		w.State, w.Next, w.Summary = then.State, root.ID, root.Summary
	case len(open) > 0:
	case then.State == report.Degraded && !last:
		w.State, w.Next, w.Summary, w.RestsOn = then.State, root.ID, root.Summary, after.RestsOn
		return w, nil
	case then.State == report.Managed:
		w.State, w.RestsOn = then.State, after.RestsOn
		return w, nil
	default:
		open = append(open, text.New("whether the node is accepted then"))
	}
	w.NotKnown = open
	return w, nil
}

// PlanPolicies says what other policies of its role would make of a host, by what they say
// of each action. They start no agent that does not run.
func PlanPolicies(f *facts.Facts, verdicts map[string]iam.Verdict, o Options) (report.Way, error) {
	w := report.Way{Steps: []int{}, Operator: []int{}, State: report.Unknown, NotKnown: []text.Text{}}
	after, err := outlook.WithPolicies(f, verdicts)
	if err != nil {
		return w, fmt.Errorf("plan: %w", err)
	}
	then := Judge(after.Facts, o)
	switch root := then.RootCause; {
	case root != nil && !isLastResort(root.ID) && root.Severity != string(causes.Info) && (then.State == report.NotManaged || then.State == report.Degraded && len(after.Open) == 0):
		w.State, w.Next, w.Summary, w.RestsOn = then.State, root.ID, root.Summary, after.RestsOn
	case len(after.Open) == 0 && then.State == report.Managed:
		w.State, w.RestsOn = then.State, after.RestsOn
	default:
		w.NotKnown = append(after.Open, text.New("whether the node is accepted then"))
	}
	return w, nil
}

// keepsAway reports whether the root cause of a report keeps the node away for certain: it
// was seen, and is not one of the message channel alone, without which there are
// heartbeats, nor of the way to its endpoint where that to ssm is not seen to fail.
func keepsAway(f *facts.Facts, r *report.Report) bool {
	c := r.RootCause
	if c.Severity != string(causes.Critical) || c.Confidence != string(checks.Proven) {
		return false
	}
	ssm := f.Network.Endpoint("ssm")
	fails := ssm != nil && !ssm.Usable() && (ssm.Tried() || ssm.DNS.Outcome != "") // seen, not forgotten
	return !slices.ContainsFunc(r.Checks, func(k report.Check) bool {
		if k.Cause != c.ID {
			return false
		}
		at := checks.Get(k.ID).Station
		return at == checks.AtChannel || !fails && slices.Contains([]checks.Station{checks.AtDNS, checks.AtTCP, checks.AtTLS}, at)
	})
}

// isLastResort: a cause that only says that nothing else was found.
func isLastResort(id string) bool {
	c := causes.Get(id)
	return c != nil && c.LastResort
}
