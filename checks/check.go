// Package checks judges a node. Each check is one file named after its id; it
// reads the model of the node and returns a finding, and never touches host or
// network. A check's file uses nothing that another check's file declares, but for
// the checks that it names in Needs.
package checks

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/node"
)

// Status is the outcome of a check.
type Status string

// The five outcomes.
const (
	Pass    Status = "pass"
	Warn    Status = "warn"
	Fail    Status = "fail"    // the node is kept from being managed
	Skip    Status = "skip"    // does not apply, and that is known; the summary says why
	Unknown Status = "unknown" // could not be told; the summary says why
)

// Confidence says how direct the evidence is.
type Confidence string

// Confidences, strongest first.
const (
	Proven   Confidence = "proven"   // probed now, or said so literally by AWS
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

// Station is a place on the way from the host to the message channel.
type Station uint8

// Stations in the order of the way. Acceptance is its end: what shows whether all
// of it works.
const (
	OffTheWay Station = iota // says nothing of the way, and nothing on it explains it
	AtHost
	AtAgent
	AtNetwork
	AtMetadata
	AtCredentials
	AtDNS
	AtTCP
	AtTLS
	AtPermissions
	AtChannel
	AtAcceptance
)

// Stations are those that a report shows, in order.
var Stations = []Station{AtHost, AtAgent, AtNetwork, AtMetadata, AtCredentials, AtDNS, AtTCP, AtTLS, AtPermissions, AtChannel}

func (s Station) String() string {
	return [...]string{"", "host", "agent", "network", "metadata", "credentials", "dns", "tcp", "tls", "permissions", "channel", "acceptance"}[s]
}

// earlier are the stations that must work for what is seen at one of them. What
// AWS refused an agent is not explained by the state of its host or service.
var earlier = map[Station][]Station{
	AtAgent:       {AtHost},
	AtMetadata:    {AtNetwork},
	AtDNS:         {AtNetwork},
	AtTCP:         {AtNetwork, AtDNS},
	AtTLS:         {AtNetwork, AtDNS, AtTCP},
	AtCredentials: {AtNetwork, AtMetadata, AtDNS, AtTCP, AtTLS},
	AtPermissions: {AtNetwork, AtMetadata, AtDNS, AtTCP, AtTLS, AtCredentials},
	AtChannel:     {AtNetwork, AtMetadata, AtDNS, AtTCP, AtTLS, AtCredentials, AtPermissions},
	AtAcceptance:  {AtHost, AtAgent, AtNetwork, AtMetadata, AtDNS, AtTCP, AtTLS, AtCredentials, AtPermissions, AtChannel},
}

// Profile is what is judged.
type Profile string

// Profiles. The zero Profiles of a check is the host alone.
const (
	ProfileHost  Profile = ""
	ProfileImage Profile = "image" // a machine image
)

// Check is one question about a node.
type Check struct {
	ID    string // kebab-case, frozen once released
	Title string // a statement that is true when the check passes
	Group string // one of causes.Groups
	// Station is where the check stands on the way. What fails there, or on an
	// earlier station, explains what a later one only read from state or log.
	Station Station
	// Behind is the station at which the check looks at the node, where that is
	// not its own: a crash loop is shown at the agent, and may follow from
	// anything that keeps an agent from being accepted. Zero: Station.
	Behind Station
	// Needs are further checks whose failure explains any finding of this one,
	// what it probed itself included. None of them is implied by the stations or
	// by another of them.
	Needs []*Check
	// Systems are the operating systems that the check is for, by Go's names;
	// empty: all.
	Systems []string
	// Profiles are what the check is for; empty: the host.
	Profiles []Profile
	// Causes are the root causes this check may name.
	Causes []string
	// Doc is one paragraph: what is tested, why it matters, what it cannot see.
	Doc string
	// Eval judges. It must not panic on any facts.
	Eval func(*node.Node) Finding
}

// Judge evaluates the check, or says that it is not for this system.
func (c *Check) Judge(n *node.Node) Finding {
	if len(c.Systems) > 0 {
		switch goos := n.Facts.Host.GOOS; {
		case goos == "":
			return unknown("the operating system is not known")
		case !slices.Contains(c.Systems, goos):
			return skip("only on %s", strings.Join(c.Systems, " and "))
		}
	}
	return c.Eval(n)
}

// IsFor reports whether the check belongs to a profile.
func (c *Check) IsFor(p Profile) bool {
	if len(c.Profiles) == 0 {
		return p == ProfileHost
	}
	return slices.Contains(c.Profiles, p)
}

// way is the order of the stations for what is found at once: the network carries the
// requests for credentials as well.
var way = []Station{AtHost, AtAgent, AtNetwork, AtMetadata, AtDNS, AtTCP, AtTLS, AtCredentials, AtPermissions, AtChannel, AtAcceptance, OffTheWay}

// Place is where on the way the check stands, 0 being the host itself.
func (c *Check) Place() int { return slices.Index(way, c.Station) }

func (c *Check) behind() Station {
	if c.Behind != OffTheWay {
		return c.Behind
	}
	return c.Station
}

// ComesAfter reports whether an earlier station of the way holds another check: what
// fails there explains what this one only read.
func (c *Check) ComesAfter(other *Check) bool {
	return slices.Contains(earlier[c.behind()], other.behind())
}

// OnTheWay reports whether a check is of the way to AWS, without which AWS answers
// nothing.
func (c *Check) OnTheWay() bool {
	return slices.Contains([]Station{AtNetwork, AtMetadata, AtDNS, AtTCP, AtTLS}, c.behind())
}

// NeedsCheck reports whether another check is among the prerequisites that this one
// names, directly or by one of them.
func (c *Check) NeedsCheck(other *Check) bool {
	for _, n := range c.Needs {
		if n == other || n.NeedsCheck(other) {
			return true
		}
	}
	return false
}

var registry = map[string]*Check{}

// register adds a check. It panics on a duplicate id or an unknown cause: both are
// programming errors that every test run shows.
func register(c Check) *Check {
	if registry[c.ID] != nil {
		panic(fmt.Sprintf("duplicate check %q", c.ID))
	}
	for _, id := range c.Causes {
		if causes.Get(id) == nil {
			panic(fmt.Sprintf("check %q names unknown cause %q", c.ID, id))
		}
	}
	registry[c.ID] = &c
	return &c
}

// Get returns the check with an id, or nil.
func Get(id string) *Check { return registry[id] }

// All returns every check, by group and then id. The slice is shared: callers do
// not change it.
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
