// Package diagnose turns the findings of all checks into one answer: the state
// of the node, the one cause to fix first, and what else there is. It is pure
// and total: the same facts give the same answer, byte for byte.
package diagnose

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// States of a node, as in the report.
const (
	Managed    = "managed"
	Degraded   = "degraded"
	NotManaged = "not-managed"
	Unknown    = "unknown"
)

// Findings are the answers of the checks that ran, by check id.
type Findings map[string]checks.Finding

// Named is a cause that was found, ready to be reported.
type Named struct {
	Check      string
	Cause      *causes.Cause
	Severity   causes.Severity
	Confidence checks.Confidence
	Summary    string
	Evidence   []checks.Evidence
	Fix        []causes.Step // filled with this host's values
}

// Answer is the diagnosis.
type Answer struct {
	State   string
	Summary string
	Root    *Named
	Also    []Named
	// Follows tells, for each check that failed or could not be told only because of another, the id
	// of that other check's cause, or of the check where it names none.
	Follows   map[string]string
	NotLooked []NotLooked
	Path      []Hop
	LastPing  time.Time // last proof that the service accepted the node; zero: none
}

// Diagnose ranks the findings. Rules, in order: what another failure explains
// is not a cause; a proof of acceptance leaves only what was proven now as
// critical; then severity, directness of the evidence, group order, id.
func Diagnose(f *facts.Facts, found Findings) Answer { return diagnose(f, found, !f.Live()) }

// DiagnoseImage is Diagnose for a machine image: remedies start nothing and
// act on the image, and what a running host is asked for is left out.
func DiagnoseImage(f *facts.Facts, found Findings) Answer {
	a := diagnose(f, found, true)
	a.NotLooked, a.Path = nil, nil
	return a
}

func diagnose(f *facts.Facts, found Findings, image bool) Answer {
	a := Answer{Follows: map[string]string{}}
	proof, accepted := checks.Managed(f)
	a.LastPing = proof.At

	var list []Named
	for id, fd := range found {
		if fd.Status == checks.Fail || fd.Status == checks.Warn {
			if root := follows(id, found); root != "" && !alone(fd) {
				a.Follows[id] = root
			} else {
				list = append(list, named(f, id, fd, accepted, image)...)
			}
		}
		for _, more := range fd.More {
			if a.Follows[id] == "" {
				list = append(list, named(f, id, more, accepted, image)...)
			}
		}
		if fd.Status == checks.Unknown {
			if root := follows(id, found); root != "" {
				a.Follows[id] = root // it could not be told because of that
			}
		}
	}
	list = distinct(list)
	if f.Broken() != "" {
		// What would speak against the node, or for another cause, may be missing.
		list, accepted = nil, false
	}

	worst := causes.Info
	waiting := false
	for _, n := range list {
		if n.Severity.Rank() < worst.Rank() {
			worst = n.Severity
		}
		waiting = waiting || n.Cause.ID == "agent-backoff-wait"
	}
	switch {
	case worst == causes.Critical:
		a.State = NotManaged
	case accepted && worst == causes.Warning:
		a.State = Degraded
	case accepted:
		a.State = Managed
	case waiting:
		a.State = NotManaged
	default:
		a.State = Unknown
	}
	for i, n := range list {
		if a.Root == nil && (n.Severity != causes.Info || n.Cause.ID == "agent-backoff-wait" && a.State == NotManaged) {
			a.Root = &list[i]
			if n.Cause.ID == "agent-backoff-wait" { // only here is nothing else in the way
				a.Root.Summary = "nothing that can be seen stands in the agent's way now, but " + n.Summary
			}
			continue
		}
		a.Also = append(a.Also, n)
	}
	a.Summary = summary(f, a, proof)
	a.NotLooked = notLooked(f, a)
	a.Path = path(f, found, a)
	return a
}

// alone reports whether a finding stands whatever its prerequisites did: a
// warning about a feature is not explained by a node-level fault it only needs
// to be visible, but a plain consequence is.
func alone(fd checks.Finding) bool { return fd.Stands || fd.Status == checks.Warn && fd.Cause == "" }

// follows is the cause (or else the id) of the nearest prerequisite that failed
// and itself follows from nothing; empty when there is none.
func follows(id string, found Findings) string {
	seen := map[string]bool{id: true}
	queue := []string{id}
	var roots []string
	for len(queue) > 0 {
		c := checks.Get(queue[0])
		queue = queue[1:]
		if c == nil {
			continue
		}
		for _, need := range c.Needs {
			if seen[need] {
				continue
			}
			seen[need] = true
			if fd, ok := found[need]; ok && broken(fd) {
				roots = append(roots, need)
			}
			queue = append(queue, need)
		}
	}
	// The deepest one is the one no other of them needs less than it.
	sort.Slice(roots, func(i, j int) bool { return before(roots[i], roots[j], found) })
	for _, r := range roots {
		if len(roots) == 1 || !explained(r, roots) {
			return orID(found[r].Cause, r)
		}
	}
	return ""
}

// explained reports whether another of the roots is a prerequisite of r.
func explained(r string, roots []string) bool {
	for _, o := range roots {
		if o != r && needs(r, o, map[string]bool{}) {
			return true
		}
	}
	return false
}

func needs(id, what string, seen map[string]bool) bool {
	c := checks.Get(id)
	if c == nil || seen[id] {
		return false
	}
	seen[id] = true
	for _, n := range c.Needs {
		if n == what || needs(n, what, seen) {
			return true
		}
	}
	return false
}

func before(a, b string, found Findings) bool {
	x, y := checks.Get(a), checks.Get(b)
	if gx, gy := causes.GroupRank(x.Group), causes.GroupRank(y.Group); gx != gy {
		return gx < gy
	}
	return a < b
}

// broken reports whether a finding breaks what needs its check.
func broken(fd checks.Finding) bool {
	return fd.Status == checks.Fail && (fd.Severity == "" || fd.Severity == causes.Critical) &&
		(fd.Cause == "" || fd.Severity != "" || causes.Get(fd.Cause).Severity == causes.Critical || fd.Blocks)
}

// named turns a finding into a reportable cause, with the remedy for an image or
// for the host that runs; nothing when it names none.
func named(f *facts.Facts, check string, fd checks.Finding, accepted, image bool) []Named {
	c := causes.Get(fd.Cause)
	if c == nil {
		return nil
	}
	sev := fd.Severity
	if sev == "" {
		sev = c.Severity
		if fd.Status == checks.Fail && fd.Blocks {
			sev = causes.Critical
		}
	}
	if accepted && sev == causes.Critical && !fd.Blocks {
		sev = causes.Warning // it has not stopped the node
	}
	v := values(f)
	for k, s := range fd.Values {
		if s != "" {
			v[k] = s
		}
	}
	steps := fd.Fix
	if len(steps) == 0 && image {
		steps = c.Image
	}
	if len(steps) == 0 {
		steps = c.Fix
	}
	n := Named{Check: check, Cause: c, Severity: sev, Confidence: fd.Confidence, Summary: fd.Summary, Evidence: fd.Evidence}
	if n.Confidence == "" {
		n.Confidence = checks.Possible
	}
	for _, s := range steps {
		if s.Applies(v) {
			n.Fix = append(n.Fix, s.Fill(v))
		}
	}
	return []Named{n}
}

// distinct sorts the causes and keeps the first of each id, with the evidence
// of the others.
func distinct(list []Named) []Named {
	sort.SliceStable(list, func(i, j int) bool { return less(list[i], list[j]) })
	var out []Named
	at := map[string]int{}
	for _, n := range list {
		if i, ok := at[n.Cause.ID]; ok {
			out[i].Evidence = append(out[i].Evidence[:len(out[i].Evidence):len(out[i].Evidence)], n.Evidence...)
			continue
		}
		at[n.Cause.ID] = len(out)
		out = append(out, n)
	}
	return out
}

func less(a, b Named) bool {
	if x, y := a.Severity.Rank(), b.Severity.Rank(); x != y {
		return x < y
	}
	if x, y := a.Confidence.Rank(), b.Confidence.Rank(); x != y {
		return x < y
	}
	if x, y := causes.GroupRank(a.Cause.Group), causes.GroupRank(b.Cause.Group); x != y {
		return x < y
	}
	if a.Cause.ID != b.Cause.ID {
		return a.Cause.ID < b.Cause.ID
	}
	return a.Check < b.Check
}

func orID(cause, id string) string {
	if cause != "" {
		return cause
	}
	return id
}

func summary(f *facts.Facts, a Answer, p checks.Proof) string {
	id := checks.NodeID(f)
	if id == "" {
		id = "this host"
	}
	where := ""
	if r := checks.Region(f); r != "" {
		where = " in " + r
	}
	switch a.State {
	case Managed:
		return fmt.Sprintf("%s is a managed node%s, last accepted %s", id, where, checks.Ago(f, p.At))
	case Degraded:
		return fmt.Sprintf("%s is a managed node%s, but %s", id, where, strings.TrimPrefix(a.Root.Summary, "the node is managed, but "))
	case NotManaged:
		return a.Root.Summary
	}
	if b := f.Broken(); b != "" {
		return fmt.Sprintf("whether %s is a managed node%s cannot be told: %s", id, where, b)
	}
	if a.Root != nil {
		return fmt.Sprintf("whether %s is a managed node%s cannot be told; seen: %s", id, where, a.Root.Summary)
	}
	return fmt.Sprintf("whether %s is a managed node%s cannot be told from what was seen", id, where)
}
