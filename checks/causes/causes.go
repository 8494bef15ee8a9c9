// Package causes is the catalogue of root causes: why a host is not, or not
// wholly, a managed node. Identifiers are frozen: they are metric labels,
// anchors and file names of documentation.
package causes

import (
	"fmt"
	"sort"
	"sync"
)

// Severity says what a cause does to the node.
type Severity string

// Severities, worst first.
const (
	Critical Severity = "critical" // not managed, or about to be
	Warning  Severity = "warning"  // managed, a capability is broken or wrong
	Info     Severity = "info"     // nothing to repair now
)

// Rank orders severities, worst first: 0 for critical.
func (s Severity) Rank() int {
	switch s {
	case Critical:
		return 0
	case Warning:
		return 1
	}
	return 2
}

// Where a remedy is carried out.
const (
	OnHost      = "this-host"
	OperatorCLI = "operator-cli"
	Console     = "console"
	Terraform   = "terraform"
)

// Groups in the order in which they must work: a fault in an earlier group
// hides later ones.
var Groups = []string{"host", "agent", "identity", "imds", "tls-proxy-clock", "network", "credentials", "permissions", "ecs", "none"}

// GroupRank is the place of a group in Groups; unknown groups come last.
func GroupRank(group string) int {
	for i, g := range Groups {
		if g == group {
			return i
		}
	}
	return len(Groups)
}

// Cause is one entry of the catalogue.
type Cause struct {
	ID       string
	Group    string
	Severity Severity // usual one, for the catalogue; what a finding does to the node decides
	Title    string   // a short noun phrase
	// Meaning is what is the matter, in one or two sentences, without host values.
	Meaning string
	// Unseen says, for causes a host cannot prove, why, and which command does. Empty otherwise.
	Unseen string
	// LastResort: the cause is the answer only where nothing else is in the way, and
	// is then why the node is not managed, however little there is to mend.
	LastResort bool
	// Fix lists the remedy, first step first. Texts and commands may hold the
	// placeholders of Values.
	Fix []Step
	// Image is the remedy for a machine image, mounted or about to be taken of
	// this host; empty: Fix.
	Image []Step
	// Ways are remedies that the evidence of a finding chooses instead of Fix.
	Ways [][]Step
	Docs []string // AWS documentation
}

// Step is one step of a remedy. Its text and command are templates: {instance},
// {region} and so on are replaced by Fill.
type Step struct {
	Text    string `json:"text"`
	Command string `json:"command"` // something to paste; empty for steps without one
	Where   string `json:"where"`
	Root    bool   `json:"root"` // needs root on this host
	// Alternative: the step is another way instead of the step before it.
	Alternative bool `json:"alternative,omitempty"`
	// GOOS names the systems that the step is for, separated by spaces; empty: every system.
	GOOS string `json:"-"`
}

// catalogue are all causes by their ids; two with one id are a mistake.
var catalogue = sync.OnceValue(func() map[string]*Cause {
	out := map[string]*Cause{}
	for _, list := range [][]Cause{agentCauses, credentialsCauses, ecsCauses, hostCauses, hostnetCauses, identityCauses, imdsCauses, networkCauses, noneCauses, permissionsCauses, pathCauses, workCauses} {
		for i := range list {
			if out[list[i].ID] != nil {
				panic(fmt.Sprintf("duplicate cause %q", list[i].ID))
			}
			out[list[i].ID] = &list[i]
		}
	}
	return out
})

// Get returns the cause with an id, or nil.
func Get(id string) *Cause { return catalogue()[id] }

// All returns the catalogue, by group and then id.
func All() []*Cause {
	out := make([]*Cause, 0, len(catalogue()))
	for _, c := range catalogue() {
		out = append(out, c)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := GroupRank(out[i].Group), GroupRank(out[j].Group)
		if a != b {
			return a < b
		}
		return out[i].ID < out[j].ID
	})
	return out
}
