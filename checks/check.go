// Package checks judges facts. Each check is one file named after its id; it
// reads facts and returns a finding, and never touches host or network.
package checks

import (
	"fmt"
	"sort"
	"sync"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// Status is the outcome of a check.
type Status string

// The five outcomes.
const (
	Pass    Status = "pass"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Skip    Status = "skip"    // does not apply; the summary says why
	Unknown Status = "unknown" // could not be told; the summary says why
)

// Confidence says how direct the evidence is.
type Confidence string

// Confidences, strongest first.
const (
	Proven   Confidence = "proven"   // probed now
	Likely   Confidence = "likely"   // read from state or log
	Possible Confidence = "possible" // inferred
)

// Rank orders confidences, strongest first.
func (c Confidence) Rank() int {
	switch c {
	case Proven:
		return 0
	case Likely:
		return 1
	}
	return 2
}

// Check is one question about a host.
type Check struct {
	ID    string // kebab-case, frozen once released
	Title string // a statement that is true when the check passes
	Group string // one of causes.Groups
	// Needs are checks that must not fail for this one to mean anything: a
	// failure here is then a consequence of theirs.
	Needs []string
	// Causes are the root causes this check may name.
	Causes []string
	// Profile is empty for checks of a node, ProfileImage for those of a machine image.
	Profile string
	// Doc is one paragraph: what is tested, why it matters, what it cannot see.
	Doc string
	// Eval judges. It must not panic on any facts.
	Eval func(*facts.Facts) Finding
}

// Finding is the answer of a check.
type Finding struct {
	Status     Status
	Cause      string          // of causes, for warn and fail; may be empty for warn
	Severity   causes.Severity // of the cause on this host; empty: the catalogue's
	Confidence Confidence
	Summary    string // one line with this host's values
	Evidence   []Evidence
	Values     causes.Values // more values for the remedy
	Fix        []causes.Step // replaces the catalogue's remedy when set
	More       []Finding     // further findings with another cause
	// Blocks says that the finding by itself keeps the node from being managed
	// even when an older success is on record.
	Blocks bool
	// Stands: what was seen cannot be the consequence of a failed prerequisite.
	Stands bool
}

// Evidence is one observation behind a finding.
type Evidence struct {
	What string `json:"what"` // what was asked
	Seen string `json:"seen"` // what came back
	From string `json:"from"`
	At   string `json:"at"` // RFC 3339, empty: at the time of the run
}

// ProfileImage is the gate for machine images.
const ProfileImage = "image"

var registry = map[string]*Check{}

// register adds a check. It panics on a duplicate id or an unknown cause: both
// are programming errors that every test run shows.
func register(c Check) struct{} {
	if registry[c.ID] != nil {
		panic(fmt.Sprintf("duplicate check %q", c.ID))
	}
	for _, id := range c.Causes {
		if causes.Get(id) == nil {
			panic(fmt.Sprintf("check %q names unknown cause %q", c.ID, id))
		}
	}
	registry[c.ID] = &c
	return struct{}{}
}

// Get returns the check with an id, or nil.
func Get(id string) *Check { return registry[id] }

// All returns every check, by group and then id. The slice is shared: callers
// do not change it.
func All() []*Check { return sorted() }

var sorted = sync.OnceValue(func() []*Check {
	out := make([]*Check, 0, len(registry))
	for _, c := range registry {
		out = append(out, c)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := causes.GroupRank(out[i].Group), causes.GroupRank(out[j].Group)
		if a != b {
			return a < b
		}
		return out[i].ID < out[j].ID
	})
	return out
})
