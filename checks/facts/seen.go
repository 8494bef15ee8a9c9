// Package facts holds what was observed about one host, as plain data. It does
// no I/O and draws no conclusions; agent/gather fills it, checks read it.
package facts

import "time"

// State says how much an observation is worth.
type State string

// The states of an observation. The zero value of State means nobody looked
// and counts as unknown.
const (
	// IsKnown: the value was seen.
	IsKnown State = "known"
	// IsAbsent: it was looked for and is not there. That is knowledge.
	IsAbsent State = "absent"
	// IsUnknown: it could not be told, for the reason in Why.
	IsUnknown State = "unknown"
)

// Seen is one observation: a value and how we came by it. The zero value means
// nobody looked.
type Seen[T any] struct {
	Value T     `json:"value"`
	State State `json:"state"`
	// Why tells, for absent and unknown, what was tried and what came back.
	Why string `json:"why,omitempty"`
	// From names the place: "file:/etc/amazon/ssm/...", "imds:PUT /latest/api/token".
	From string    `json:"from,omitempty"`
	At   time.Time `json:"at,omitzero"`
}

// Known is an observation with a value.
func Known[T any](v T, from string) Seen[T] { return Seen[T]{Value: v, State: IsKnown, From: from} }

// Absent says that a thing was looked for and is not there.
func Absent[T any](why, from string) Seen[T] { return Seen[T]{State: IsAbsent, Why: why, From: from} }

// Unknown says that a thing could not be told.
func Unknown[T any](why, from string) Seen[T] { return Seen[T]{State: IsUnknown, Why: why, From: from} }

// Get returns the value and whether it is known.
func (s Seen[T]) Get() (T, bool) { return s.Value, s.State == IsKnown }

// Known reports whether there is a value.
func (s Seen[T]) Known() bool { return s.State == IsKnown }

// Absent reports whether the thing is known not to be there.
func (s Seen[T]) Absent() bool { return s.State == IsAbsent }

// Unknown reports whether nothing can be said, which includes that nobody looked.
func (s Seen[T]) Unknown() bool { return s.State != IsKnown && s.State != IsAbsent }

// Reason is Why, or a stand-in when nobody looked.
func (s Seen[T]) Reason() string {
	if s.Why != "" {
		return s.Why
	}
	if s.State == "" {
		return "not looked at"
	}
	return string(s.State)
}
