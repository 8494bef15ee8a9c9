package engine

import (
	"fmt"
	"slices"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
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

// wayOf is what one way leads to.
func wayOf(f *facts.Facts, r *report.Report, steps []int, o Options) (report.Way, error) {
	w := report.Way{Steps: steps, Operator: []int{}, State: report.Unknown, NotKnown: []text.Text{}}
	var list []causes.Change
	effect, unknown := false, false
	for _, i := range steps {
		s := r.RootCause.Fix[i-1]
		c, known := causes.ChangesOf(s.Command.String(), s.Where)
		unknown = unknown || !known
		for _, x := range c {
			effect = effect || !x.Lasts() && x.Kind != causes.UnitLoaded
		}
		list = append(list, c...)
		if s.Where != causes.OnHost && len(c) > 0 {
			w.Operator = append(w.Operator, i)
		}
	}
	after, err := outlook.After(f, list)
	if err != nil {
		return w, fmt.Errorf("plan: %w", err)
	}
	open := after.Open
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
		w.State, w.Next, w.Summary = then.State, root.ID, root.Summary
		return w, nil
	case then.State == report.Managed:
		w.State = then.State
		return w, nil
	default:
		open = append(open, text.New("whether the node is accepted then"))
	}
	w.NotKnown = open
	return w, nil
}

// keepsAway reports whether the root cause of a report keeps the node away for certain: it
// was seen, and is not one of the message channel alone, without which there are
// heartbeats.
func keepsAway(f *facts.Facts, r *report.Report) bool {
	c := r.RootCause
	if c.Severity != string(causes.Critical) || c.Confidence != string(checks.Proven) {
		return false
	}
	ssm := f.Network.Endpoint("ssm")
	return ssm == nil || !ssm.Usable() || !slices.ContainsFunc(r.Checks, func(k report.Check) bool {
		return k.Cause == c.ID && slices.Contains([]checks.Station{checks.AtDNS, checks.AtTCP, checks.AtChannel}, checks.Get(k.ID).Station)
	})
}

// isLastResort: a cause that only says that nothing else was found.
func isLastResort(id string) bool {
	c := causes.Get(id)
	return c != nil && c.LastResort
}
