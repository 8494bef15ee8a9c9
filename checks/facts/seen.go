// Package facts holds what was observed about one host, as plain data. It does
// no I/O and draws no conclusions; agent/gather fills it, checks read it.
package facts

// State says how much an observation is worth.
type State string

// The states of an observation. The zero value of State means nobody looked
// and counts as unknown.
const (
	// IsKnown: the value was seen. An empty list that is known was read and is empty.
	IsKnown State = "known"
	// IsAbsent: it was looked for and is not there. That is knowledge.
	IsAbsent State = "absent"
	// IsUnknown: it could not be told, for the reason in Why.
	IsUnknown State = "unknown"
)

// Reason is the kind of obstacle behind an unknown.
type Reason string

// Reasons that something acts on; others need only their text.
const (
	// NeedsRoot: the same run with root rights would have seen it.
	NeedsRoot Reason = "needs-root"
	// NotAskable: it cannot be asked here, such as a process of a mounted image,
	// or an endpoint with --offline.
	NotAskable Reason = "not-askable"
	// Damaged: it is there and cannot be used, as a file that was written by half.
	Damaged Reason = "damaged"
)

// Seen is one observation: a value and how we came by it. The zero value means
// nobody looked. Lists are observations too: a list that nobody read holds no
// "nothing was found".
type Seen[T any] struct {
	Value T `json:"value"`
	Mark
}

// Mark is how an observation ended and what it is worth.
type Mark struct {
	State State `json:"state"`
	// Why tells, for absent and unknown, what was tried and what came back.
	Why string `json:"why,omitempty"`
	// Code is the kind of obstacle, where something acts on it.
	Code Reason `json:"code,omitempty"`
	// From names the place: "file:/etc/amazon/ssm/...", "imds:PUT /latest/api/token".
	From string `json:"from,omitempty"`
}

// Known is an observation with a value.
func Known[T any](v T, from string) Seen[T] { return Seen[T]{v, Mark{State: IsKnown, From: from}} }

// Absent says that a thing was looked for and is not there.
func Absent[T any](why, from string) Seen[T] {
	return Seen[T]{Mark: Mark{State: IsAbsent, Why: why, From: from}}
}

// Unknown says that a thing could not be told.
func Unknown[T any](why, from string) Seen[T] {
	return Seen[T]{Mark: Mark{State: IsUnknown, Why: why, From: from}}
}

// Partly is a list of which only a part could be read: what is in it was seen,
// what is not in it may be there all the same. It counts as unknown; only Some
// gives the part.
func Partly[T any](v T, why, from string) Seen[T] {
	return Seen[T]{v, Mark{State: IsUnknown, Why: why, From: from}}
}

// Because sets the kind of obstacle.
func (s Seen[T]) Because(code Reason) Seen[T] { s.Code = code; return s }

// Get returns the value and whether it is known.
func (s Seen[T]) Get() (T, bool) { return s.Value, s.State == IsKnown }

// Some returns what was seen, which of a list may be only a part. What it holds
// is evidence; what it lacks is none.
func (s Seen[T]) Some() T { return s.Value }

// Known reports whether there is a value.
func (m Mark) Known() bool { return m.State == IsKnown }

// Absent reports whether the thing is known not to be there.
func (m Mark) Absent() bool { return m.State == IsAbsent }

// Unknown reports whether nothing can be said, which includes that nobody looked.
func (m Mark) Unknown() bool { return m.State != IsKnown && m.State != IsAbsent }

// LookedAt reports whether somebody tried, with whatever result.
func (m Mark) LookedAt() bool { return m.State != "" }

// Reason is Why, or a stand-in when nobody looked.
func (m Mark) Reason() string {
	if m.Why != "" {
		return m.Why
	}
	if m.State == "" {
		return "not looked at"
	}
	return string(m.State)
}

// Obstacle is the kind of what was in the way; empty when it has no name.
func (m Mark) Obstacle() Reason { return m.Code }

// Unseen is an observation of any type, as far as its lack is concerned.
type Unseen interface {
	Unknown() bool
	Reason() string
	Obstacle() Reason
}
