package fleet

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/sorting"
)

// Schema names the format of a summary. Additions keep the name.
const Schema = "ssm-doctor/summary/v1"

// Summary is many hosts in one answer.
type Summary struct {
	Schema      string         `json:"schema"`
	GeneratedAt time.Time      `json:"generated_at"`
	Version     string         `json:"version"`
	Reports     int            `json:"reports"` // read; of a host the latest counts
	Hosts       int            `json:"hosts"`
	Oldest      time.Time      `json:"oldest,omitzero"`
	Newest      time.Time      `json:"newest,omitzero"`
	Redacted    int            `json:"redacted"` // hosts whose report is
	States      map[string]int `json:"states"`
	Unreadable  int            `json:"unreadable"` // inputs without a report that could be read
	Unread      []Unread       `json:"unread"`     // some of them
	Missing     []string       `json:"missing"`    // hosts expected of which there is no report
	Beyond      int            `json:"beyond,omitempty"`

	Causes   []Group   `json:"causes"`
	Clusters []Cluster `json:"clusters"` // hosts that share cause and circumstances; the largest first
	More     int       `json:"more_clusters,omitempty"`
	Odd      []Odd     `json:"odd"`
	Also     []Count   `json:"also"` // other causes, by how many hosts have them
	Change   *Change   `json:"change,omitempty"`
	List     []Line    `json:"list"` // every host in short
}

// Count is a value and how many hosts have it.
type Count struct {
	Value string `json:"value"`
	Hosts int    `json:"hosts"`
}

// Group is a root cause and the hosts that have it.
type Group struct {
	ID       string             `json:"id"` // empty: no cause could be told
	Title    string             `json:"title"`
	Group    string             `json:"group"`
	Severity string             `json:"severity"`
	Owner    string             `json:"owner"`
	Hosts    int                `json:"hosts"`
	Proven   int                `json:"proven"` // hosts for which it was proven
	By       map[string][]Count `json:"by"`     // by dimension, the largest first
}

// Cluster is a set of hosts that one change mends, or that are alike.
type Cluster struct {
	Cause    string            `json:"cause"`
	Title    string            `json:"title"`
	Severity string            `json:"severity"`
	Owner    string            `json:"owner"`
	Where    map[string]string `json:"where"`  // what one change reaches; empty: each host is mended by itself
	Hosts    int               `json:"hosts"`  // that have the cause
	Of       int               `json:"of"`     // hosts there with a report
	Shared   map[string]string `json:"shared"` // all of them have this
	Nodes    []string          `json:"nodes"`  // at most 20
	Fix      []Step            `json:"fix"`    // as one of them says it
	FixOf    string            `json:"fix_of,omitempty"`
	Differ   []Difference      `json:"differences"` // from healthy hosts

	where scope
}

// Odd are the few sick hosts among many that are like them.
type Odd struct {
	By     string       `json:"by"`
	Value  string       `json:"value"`
	Cause  string       `json:"cause"`
	Hosts  int          `json:"hosts"`
	Of     int          `json:"of"`
	Nodes  []string     `json:"nodes"`
	Differ []Difference `json:"differences"`
}

// Change is what is new since another summary.
type Change struct {
	Since  time.Time `json:"since"`
	New    []Line    `json:"new"`    // healthy or not there before
	Other  []Line    `json:"other"`  // sick of another cause before
	Mended []string  `json:"mended"` // sick before, healthy now
	Gone   []string  `json:"gone"`   // no report now
	Causes []string  `json:"causes"` // causes that no host had before
}

// Line is one host in short.
type Line struct {
	Node    string    `json:"node"`
	Account string    `json:"account"`
	Region  string    `json:"region"`
	State   string    `json:"state"`
	Cause   string    `json:"cause"`
	At      time.Time `json:"at,omitzero"`
	Since   time.Time `json:"since,omitzero"`
}

// Bounds of a summary.
const (
	maxNodes    = 20
	maxValues   = 20
	maxClusters = 500
	maxOdd      = 20
	maxChanges  = 10_000
)

// Options of a summary.
type Options struct {
	Now      time.Time
	Version  string
	Since    *Summary // an earlier one
	Expected []string // ids of hosts of which a report is expected
}

// Summarize builds the summary of a table.
func (t *Table) Summarize(o Options) *Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.list()
	s := &Summary{Schema: Schema, GeneratedAt: o.Now.UTC(), Version: o.Version, Reports: t.reports, Hosts: len(list), Newest: newest(list), States: map[string]int{}, Unreadable: t.broken, Unread: slices.Clone(t.unread), Beyond: t.beyond}
	for _, state := range report.States {
		s.States[state] = 0
	}
	also := map[string]int{}
	groups := map[string][]*Host{}
	healthy := newTally()
	for _, h := range list {
		s.States[h.State]++
		if h.Redacted {
			s.Redacted++
		}
		if !h.At.IsZero() && (s.Oldest.IsZero() || h.At.Before(s.Oldest)) {
			s.Oldest = h.At
		}
		for _, c := range h.Also {
			also[c]++
		}
		s.List = append(s.List, Line{h.Key, h.Of[Account], h.Of[Region], h.State, h.Cause, h.At, h.Since})
		if h.healthy() {
			healthy.add(h)
		} else {
			groups[h.Cause] = append(groups[h.Cause], h)
		}
	}
	s.Also = counts(also)
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		s.Causes = append(s.Causes, group(id, groups[id]))
	}
	sorting.By(s.Causes, func(a, b Group) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(b.Hosts, a.Hosts))
	})
	s.Clusters = t.clusters(list, groups, healthy)
	if len(s.Clusters) > maxClusters {
		s.More, s.Clusters = len(s.Clusters)-maxClusters, s.Clusters[:maxClusters]
	}
	s.Odd = t.odd(list)
	for _, id := range slices.Compact(slices.Sorted(slices.Values(o.Expected))) {
		if t.hosts[id] == nil && len(s.Missing) < maxChanges {
			s.Missing = append(s.Missing, id)
		}
	}
	if o.Since != nil {
		s.Change = change(o.Since, s)
	}
	s.normalize()
	return s
}

func (s *Summary) normalize() {
	s.Unread, s.Missing, s.Causes, s.Clusters = some(s.Unread), some(s.Missing), some(s.Causes), some(s.Clusters)
	s.Odd, s.Also, s.List = some(s.Odd), some(s.Also), some(s.List)
	for i := range s.Clusters {
		s.Clusters[i].Fix, s.Clusters[i].Differ = some(s.Clusters[i].Fix), some(s.Clusters[i].Differ)
	}
	for i := range s.Odd {
		s.Odd[i].Differ = some(s.Odd[i].Differ)
	}
	if c := s.Change; c != nil {
		c.New, c.Other, c.Mended, c.Gone, c.Causes = some(c.New), some(c.Other), some(c.Mended), some(c.Gone), some(c.Causes)
	}
}

func some[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// title is a cause in words.
func title(id string) string {
	if c := causes.Get(id); c != nil {
		return c.Title
	}
	if id == "" {
		return "no cause could be told"
	}
	return id
}

func group(id string, hosts []*Host) Group {
	g := Group{ID: id, Title: title(id), Hosts: len(hosts), By: map[string][]Count{}}
	if c := causes.Get(id); c != nil {
		g.Group, g.Owner = c.Group, ownerOf(c)
	}
	worst := 3
	for _, h := range hosts {
		if r := causes.Severity(h.Severity).Rank(); h.Severity != "" && r < worst {
			worst, g.Severity = r, h.Severity
		}
		if h.Confidence == "proven" {
			g.Proven++
		}
	}
	for d := range dimensions {
		n := map[string]int{}
		for _, h := range hosts {
			n[h.Of[d]]++
		}
		if len(n) == 1 && n[""] > 0 {
			continue
		}
		c := counts(n)
		g.By[d.String()] = c[:min(len(c), maxValues)]
	}
	return g
}

// counts orders values by how many have them.
func counts(n map[string]int) []Count {
	out := make([]Count, 0, len(n))
	for v, c := range n {
		out = append(out, Count{v, c})
	}
	sorting.By(out, func(a, b Count) int { return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.Value, b.Value)) })
	return out
}

// wholeShare is from which share of its hosts on a place counts as sick as a whole, so
// that one change there is what mends them.
const wholeShare = 0.8

// clusters puts the hosts of a cause together by the widest place that is sick as a
// whole: one change there mends them all.
func (t *Table) clusters(list []*Host, groups map[string][]*Host, healthy *tally) []Cluster {
	totals := map[string]map[string]int{} // scope -> value -> hosts
	total := func(s scope) map[string]int {
		k := fmt.Sprint([]Dimension(s))
		if totals[k] == nil {
			n := map[string]int{}
			for _, h := range list {
				if v, ok := s.value(h); ok {
					n[v]++
				}
			}
			totals[k] = n
		}
		return totals[k]
	}
	type set struct {
		where scope
		value string
		hosts []*Host
		of    int
	}
	var out []Cluster
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		left := groups[id]
		var sets []set
		for _, s := range scopesOf(causes.Get(id)) {
			sick := map[string][]*Host{}
			for _, h := range left {
				if v, ok := s.value(h); ok {
					sick[v] = append(sick[v], h)
				}
			}
			taken := map[string]bool{}
			for _, v := range slices.Sorted(maps.Keys(sick)) {
				if n := total(s)[v]; len(sick[v]) >= 2 && float64(len(sick[v])) >= wholeShare*float64(n) {
					taken[v] = true
					sets = append(sets, set{s, v, sick[v], n})
				}
			}
			left = slices.DeleteFunc(slices.Clone(left), func(h *Host) bool { v, ok := s.value(h); return ok && taken[v] })
		}
		single := scope{Account, Region}
		alone := map[string][]*Host{}
		for _, h := range left {
			alone[h.Of[Account]+"\x00"+h.Of[Region]] = append(alone[h.Of[Account]+"\x00"+h.Of[Region]], h)
		}
		for _, v := range slices.Sorted(maps.Keys(alone)) {
			sets = append(sets, set{nil, v, alone[v], total(single)[v]})
		}
		for _, x := range sets {
			out = append(out, t.cluster(id, x.where, x.hosts, x.of, healthy))
		}
	}
	sorting.By(out, func(a, b Cluster) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(b.Hosts, a.Hosts))
	})
	return out
}

// rank orders by severity; a cause that could not be told comes between.
func rank(severity string) int {
	if severity == "" {
		return 1
	}
	return causes.Severity(severity).Rank()
}

func (t *Table) cluster(id string, where scope, hosts []*Host, of int, healthy *tally) Cluster {
	c := Cluster{Cause: id, Title: title(id), Owner: ownerOf(causes.Get(id)), Where: map[string]string{}, Hosts: len(hosts), Of: max(of, len(hosts)), Shared: map[string]string{}, where: where}
	for _, d := range where {
		c.Where[d.String()] = hosts[0].Of[d]
	}
	for d := range dimensions {
		v := hosts[0].Of[d]
		if v != "" && c.Where[d.String()] == "" && !slices.ContainsFunc(hosts, func(h *Host) bool { return h.Of[d] != v }) {
			c.Shared[d.String()] = v
		}
	}
	sick, broken := newTally(), -1
	for _, h := range hosts {
		if c.Severity == "" || h.Severity != "" && rank(h.Severity) < rank(c.Severity) {
			c.Severity = h.Severity
		}
		sick.add(h)
		broken = max(broken, h.Broken)
		if len(c.Nodes) < maxNodes {
			c.Nodes = append(c.Nodes, h.Key)
		}
		if e, ok := t.fixes[fixKey(h)]; ok && c.FixOf == "" && id != "" {
			c.Fix, c.FixOf = e.fix, e.key
		}
	}
	c.Differ = differences(t.names, sick, healthy, broken)
	return c
}

// oddShare is up to which share of a group its sick hosts are odd ones.
const (
	oddShare = 0.25
	oddLeast = 8
)

// odd finds few sick hosts among many of the same image, role, subnet or agent release,
// and what tells them from the healthy ones there.
func (t *Table) odd(list []*Host) []Odd {
	var out []Odd
	for _, d := range []Dimension{Image, Role, Subnet, Agent} {
		in := map[string][]*Host{}
		for _, h := range list {
			if h.Of[d] != "" {
				in[h.Of[d]] = append(in[h.Of[d]], h)
			}
		}
		for _, v := range slices.Sorted(maps.Keys(in)) {
			hosts := in[v]
			if len(hosts) < oddLeast {
				continue
			}
			sick, healthy := map[string][]*Host{}, newTally()
			for _, h := range hosts {
				if h.healthy() {
					healthy.add(h)
				} else if h.Cause != "" {
					sick[h.Cause] = append(sick[h.Cause], h)
				}
			}
			for _, id := range slices.Sorted(maps.Keys(sick)) {
				few := sick[id]
				if float64(len(few)) > oddShare*float64(len(hosts)) || healthy.hosts < len(hosts)/2 {
					continue
				}
				these, broken := newTally(), -1
				o := Odd{By: d.String(), Value: v, Cause: id, Hosts: len(few), Of: len(hosts)}
				for _, h := range few {
					these.add(h)
					broken = max(broken, h.Broken)
					if len(o.Nodes) < maxNodes {
						o.Nodes = append(o.Nodes, h.Key)
					}
				}
				if o.Differ = differences(t.names, these, healthy, broken); len(o.Differ) > 0 {
					out = append(out, o)
				}
			}
		}
	}
	// The clearest first: what all the sick have and no healthy host has.
	sorting.By(out, func(a, b Odd) int {
		return cmp.Or(cmp.Compare(contrast(b.Differ[0]), contrast(a.Differ[0])), cmp.Compare(b.Hosts, a.Hosts))
	})
	// The same hosts are odd in several groups: once is enough.
	told := map[string]bool{}
	out = slices.DeleteFunc(out, func(o Odd) bool {
		k := o.Cause + "\x00" + strings.Join(o.Nodes, " ")
		again := told[k]
		told[k] = true
		return again
	})
	return out[:min(len(out), maxOdd)]
}

func contrast(d Difference) float64 {
	x := float64(d.Sick)/float64(d.OfSick) - float64(d.Healthy)/float64(d.OfHealthy)
	return max(x, -x)
}

// change compares with an earlier summary.
func change(old, now *Summary) *Change {
	c := &Change{Since: old.GeneratedAt}
	before := make(map[string]Line, len(old.List))
	had := map[string]bool{}
	for _, l := range old.List {
		before[l.Node] = l
		had[l.Cause] = true
	}
	named := map[string]bool{}
	for _, l := range now.List {
		b, there := before[l.Node]
		delete(before, l.Node)
		sick, was := l.State != report.Managed, there && b.State != report.Managed
		switch {
		case l.State == report.Unknown && (!was || b.Cause == l.Cause): // nothing that can be told
		case sick && !was && len(c.New) < maxChanges:
			c.New = append(c.New, l)
		case sick && was && b.Cause != l.Cause && len(c.Other) < maxChanges:
			c.Other = append(c.Other, l)
		case !sick && was && b.State != report.Unknown && len(c.Mended) < maxChanges:
			c.Mended = append(c.Mended, l.Node)
		}
		if sick && l.Cause != "" && !had[l.Cause] {
			named[l.Cause] = true
		}
	}
	c.Gone = slices.Sorted(maps.Keys(before))
	c.Gone = c.Gone[:min(len(c.Gone), maxChanges)]
	c.Causes = slices.Sorted(maps.Keys(named))
	return c
}

// MaxSummary bounds the file of an earlier summary.
const MaxSummary = 1 << 30

// ParseSummary reads the JSON of a summary.
func ParseSummary(b []byte) (*Summary, error) {
	var s Summary
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("not a summary (write one with summary -o json): %w", err)
	}
	if s.Schema != Schema {
		return nil, errors.New("not a summary (write one with summary -o json)")
	}
	return &s, nil
}
