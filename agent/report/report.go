// Package report is the result of a run: the schema that programs read, its
// redaction and its renderers. A renderer lays out a report and decides nothing.
package report

import (
	"time"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/diagnose"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Schema names the format. Additions keep the name.
const Schema = "ssm-doctor/report/v1"

// States of a node.
const (
	Managed    = string(diagnose.Managed)
	Degraded   = string(diagnose.Degraded)
	NotManaged = string(diagnose.NotManaged)
	Unknown    = string(diagnose.Unknown)
)

// Closed lists of the words in a report.
var (
	States     = closedList(diagnose.States...)
	Severities = closedList(causes.Critical, causes.Warning, causes.Info)
	Statuses   = closedList(checks.Pass, checks.Warn, checks.Fail, checks.Skip, checks.Unknown)
	Kinds      = closedList(node.KindEC2, node.KindHybrid, node.KindECS, node.KindOther, node.KindNone, node.KindUnknown)
	// Sources of credentials; one that could not be told is empty.
	Sources = []string{facts.SourceProfile, facts.SourceDHMC, facts.SourceHybrid, facts.SourceShared, facts.SourceTask, facts.SourceNone}
	// Stations of the way from the host to the message channel, in order.
	Stations = stationNames()
)

func closedList[T ~string](list ...T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

func stationNames() []string {
	var out []string
	for _, s := range checks.Stations {
		out = append(out, s.String())
	}
	return out
}

// Report is one run. Lists are never nil once Normalize was called.
type Report struct {
	Schema      string    `json:"schema"`
	GeneratedAt time.Time `json:"generated_at"`
	Version     string    `json:"version"`
	Duration    float64   `json:"duration_seconds"`
	Redacted    bool      `json:"redacted"`
	Pseudonyms  []byte    `json:"-"`                     // key of the pseudonyms of redaction
	Profile     string    `json:"profile,omitempty"`     // "image": the report judges a machine image, "managed" then means ready
	Interrupted bool      `json:"interrupted,omitempty"` // the run was cut short; what is known is in it
	TimedOut    bool      `json:"timed_out,omitempty"`   // the run spent its time limit; what was not reached by then is unknown

	Node      Node      `json:"node"`
	State     string    `json:"state"`
	Summary   text.Text `json:"summary"`
	RootCause *Cause    `json:"root_cause"`
	Also      []Cause   `json:"also"`

	CannotTell *Doubt `json:"cannot_tell,omitempty"` // of state unknown: what was tried, what is missing, what to do

	Checks       []Check      `json:"checks"`
	Credentials  Credentials  `json:"credentials"`
	Features     []Feature    `json:"features"`
	Permissions  []Permission `json:"permissions"`
	Endpoints    []Endpoint   `json:"endpoints"`
	Sources      []Source     `json:"sources"`
	NotLookedAt  []NotLooked  `json:"not_looked_at"`
	History      []Transition `json:"history"`
	LastPing     time.Time    `json:"last_ping,omitzero"`     // last proof that the service accepted the node
	Until        time.Time    `json:"until,omitzero"`         // when a degraded node will be lost, where that is known
	AgentVersion string       `json:"agent_version"`          // running, else installed
	Calls        []Call       `json:"calls"`                  // requests sent to AWS in this run
	CallsHeld    string       `json:"calls_held,omitempty"`   // why permission reads were not sent
	NeedRoot     int          `json:"need_root"`              // observations that need root
	Path         []Hop        `json:"path"`                   // the way from the host to the channel, in order
	ClockSkew    *float64     `json:"clock_skew_seconds"`     // clock of this host minus AWS time, positive is ahead; null when not measured
	CheckedFrom  string       `json:"checked_from,omitempty"` // facts file or mounted root; empty on a live host
	Measures     *Measures    `json:"measures,omitempty"`     // single observations for machines
	// Unexplained are the kinds of warnings and errors of the last day in the agent's log
	// that no rule knows, at most 20, latest first. They judge nothing.
	Unexplained     []Unexplained `json:"unexplained"`
	UnexplainedMore *int          `json:"unexplained_more"`  // how many kinds are not listed, at least; null: the log was not read
	Outside         *Outside      `json:"outside,omitempty"` // what an operator's file says of the node
	Plan            *Plan         `json:"plan,omitempty"`    // what the steps would make of the node, where that was asked for
}

// Outside is what was looked at with an operator's credentials.
type Outside struct {
	At      time.Time `json:"at"`
	Region  string    `json:"region"`
	Looked  []Looked  `json:"looked"`
	Unknown []string  `json:"unknown"` // what was asked and not answered, with the reason
}

// Looked is one thing that was looked at from outside.
type Looked struct {
	What string `json:"what"`
	Says string `json:"says"`
}

// Node is who this host is.
type Node struct {
	ID        string `json:"id"`
	Name      string `json:"name,omitempty"` // of the host; left out where names are redacted
	Kind      string `json:"kind"`           // one of Kinds
	Region    string `json:"region"`
	Account   string `json:"account"`
	Partition string `json:"partition"`
	OS        string `json:"os"`   // its name
	GOOS      string `json:"goos"` // linux, windows, darwin; empty: not known
	Arch      string `json:"arch"`

	// Where an EC2 instance runs and what it was made of; empty: not known.
	Image          string   `json:"image,omitempty"`
	InstanceType   string   `json:"instance_type,omitempty"`
	VPC            string   `json:"vpc,omitempty"`
	Subnet         string   `json:"subnet,omitempty"`
	SecurityGroups []string `json:"security_groups,omitempty"`
}

// Cause is a root cause with its evidence and remedy.
type Cause struct {
	ID         string     `json:"id"`
	Group      string     `json:"group"`
	Severity   string     `json:"severity"` // critical, warning, info
	Title      string     `json:"title"`
	Summary    text.Text  `json:"summary"`
	Confidence string     `json:"confidence"`        // proven, likely, possible
	SaidBy     string     `json:"said_by,omitempty"` // whose word it is, one of Sayers
	Evidence   []Evidence `json:"evidence"`
	Fix        []Step     `json:"fix"`
	Docs       []string   `json:"docs"`
}

// Evidence is one observation.
type Evidence struct {
	What string `json:"what"`
	Seen string `json:"seen"`
	From string `json:"from"`
	At   string `json:"at"`
}

// Step is one step of a remedy.
type Step struct {
	Text    text.Text `json:"text"`
	Command text.Text `json:"command"`
	Where   string    `json:"where"` // this-host, operator-cli, console, terraform
	Root    bool      `json:"root"`
	// Alternative: another way instead of the step before it. Its text begins with Or.
	Alternative bool `json:"alternative,omitempty"`
	// Changes are what the command changes in the world; empty: it only looks.
	Changes []causes.Changed `json:"changes"`
}

// Check is the outcome of one check.
type Check struct {
	ID          string     `json:"id"`
	Group       string     `json:"group"`
	Title       string     `json:"title"`
	Status      string     `json:"status"` // pass, warn, fail, skip, unknown
	Summary     text.Text  `json:"summary"`
	Cause       string     `json:"cause"`
	FollowsFrom string     `json:"follows_from"`
	Crashed     bool       `json:"crashed,omitempty"` // the check itself failed, an error of this program
	Evidence    []Evidence `json:"evidence"`
}

// Credentials is what the agent signs with.
type Credentials struct {
	Source    string    `json:"source"`
	Role      string    `json:"role"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Next      string    `json:"next"` // what the agent would try next
	Why       string    `json:"why"`
}

// Feature is whether one Systems Manager feature can work with the rights of the node
// and with what was found on it.
type Feature struct {
	ID      string   `json:"id"`
	Title   string   `json:"title"`
	Ready   string   `json:"ready"` // yes, no, unknown
	InUse   bool     `json:"in_use"`
	Denied  []string `json:"denied"`
	Unknown []string `json:"unknown"`

	Why       string   `json:"why,omitempty"`       // why it counts as in use
	Forbidden []string `json:"forbidden,omitempty"` // allowed, but must not be
	Limited   []string `json:"limited,omitempty"`   // denied, needed in some situations only
	Broken    string   `json:"broken,omitempty"`    // cause that keeps it from working, whatever the rights
	Via       string   `json:"via,omitempty"`       // the other set of actions that serves, such as ec2messages
}

// Permission is the verdict on one action for one identity.
type Permission struct {
	Action   string `json:"action"`
	Identity string `json:"identity"`
	Verdict  string `json:"verdict"`
	Layer    string `json:"layer"`
	Evidence string `json:"evidence"`
	Resource string `json:"resource"`
	At       string `json:"at"`
	// Invented: the resource is a made-up name; the verdict tells of no other.
	Invented bool `json:"invented,omitempty"`
}

// Endpoint is the way to one regional endpoint.
type Endpoint struct {
	Service   string  `json:"service"`
	Host      string  `json:"host"`
	Reachable *bool   `json:"reachable"` // null: not looked at
	Route     string  `json:"route"`     // public, private, proxy
	Phase     string  `json:"phase"`     // where it ends: dns, tcp, proxy, tls, http, ok
	Error     string  `json:"error"`
	Seconds   float64 `json:"seconds"`
	Need      string  `json:"need"` // core, fallback, feature
}

// Source says whether one gatherer could read its part of the host, how long that took,
// and why it could not.
type Source struct {
	Name     string  `json:"name"`
	Success  bool    `json:"success"`
	Duration float64 `json:"duration_seconds"`
	Error    string  `json:"error"`
	// Ending tells how it ended, unless by itself: panicked (an error of this program), cut-off.
	Ending string `json:"ending,omitempty"`
}

// NotLooked is something that cannot be seen from the host.
type NotLooked struct {
	What    string    `json:"what"`
	Why     string    `json:"why"`
	Command text.Text `json:"command"`
}

// Unexplained is a kind of entry of the agent's log that no rule knows.
type Unexplained struct {
	Shape string    `json:"shape"` // words of the entry; a * stands for what was taken out
	Level string    `json:"level"` // warn, error, critical
	Count int       `json:"count"` // within the last day
	Last  time.Time `json:"last,omitzero"`
}

// Transition is a change of state.
type Transition struct {
	At    time.Time `json:"at"`
	State string    `json:"state"`
	Cause string    `json:"cause"`
}

// Call counts the requests of one action.
type Call struct {
	Action string `json:"action"`
	Count  int    `json:"count"`
}

// Hop is one station on the way from the host to the message channel.
type Hop struct {
	Name   string    `json:"name"`   // one of Stations
	Status string    `json:"status"` // pass, warn, fail, skip, unknown
	Note   text.Text `json:"note"`
}

// Normalize makes every list non-nil, so that readers find [] and not null.
func (r *Report) Normalize() {
	r.Schema = Schema
	r.Also = some(r.Also)
	r.Checks = some(r.Checks)
	r.Features = some(r.Features)
	r.Permissions = some(r.Permissions)
	r.Endpoints = some(r.Endpoints)
	r.Sources = some(r.Sources)
	r.NotLookedAt = some(r.NotLookedAt)
	r.History = some(r.History)
	r.Calls = some(r.Calls)
	r.Path = some(r.Path)
	r.Unexplained = some(r.Unexplained)
	for i := range r.Checks {
		r.Checks[i].Evidence = some(r.Checks[i].Evidence)
	}
	for i := range r.Features {
		r.Features[i].Denied = some(r.Features[i].Denied)
		r.Features[i].Unknown = some(r.Features[i].Unknown)
	}
	if r.Measures != nil {
		r.Measures.normalize()
	}
	if r.Outside != nil {
		r.Outside.Looked, r.Outside.Unknown = some(r.Outside.Looked), some(r.Outside.Unknown)
	}
	if r.Plan != nil {
		r.Plan.normalize()
	}
	if r.CannotTell != nil {
		r.CannotTell.normalize()
	}
	if r.RootCause != nil {
		r.RootCause.normalize()
	}
	for i := range r.Also {
		r.Also[i].normalize()
	}
}

func (c *Cause) normalize() {
	c.SaidBy = saidBy(*c)
	c.Evidence = some(c.Evidence)
	c.Fix = some(c.Fix)
	normalizeSteps(c.Fix)
	c.Docs = some(c.Docs)
}

func normalizeSteps(list []Step) {
	for i := range list {
		list[i].Changes = some(list[i].Changes)
	}
}

func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
