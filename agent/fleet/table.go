package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/sorting"
)

// Bounds of a table. What is beyond them is counted and not kept.
const (
	maxHosts    = 2_000_000
	maxDistinct = 4_000_000 // texts and traits
	maxFixes    = 4000      // remedies kept as examples
	maxUnread   = 200       // inputs named that could not be read
)

// Table gathers hosts. Of several reports of a host the latest counts. It may be filled
// by many goroutines at a time.
type Table struct {
	mu       sync.Mutex
	hosts    map[string]*Host
	texts    map[string]string
	traits   map[Trait]uint32
	names    []Trait
	fixes    map[string]example
	unread   []Unread
	bad      map[string]bool // nodes whose output was there and could not be read
	nameless map[string]int  // reports without a node id by input
	reports  int
	broken   int
	beyond   int
}

type example struct {
	key string
	fix []Step
}

// Unread is an input without a report that could be read.
type Unread struct {
	Name string `json:"name"`
	Host string `json:"host,omitempty"`
	Why  string `json:"why"`
}

// NewTable is an empty one.
func NewTable() *Table {
	return &Table{hosts: map[string]*Host{}, texts: map[string]string{}, traits: map[Trait]uint32{}, fixes: map[string]example{}, bad: map[string]bool{}, nameless: map[string]int{}}
}

// Read adds all reports of an input. Only trouble of r is an error.
func (t *Table) Read(name string, r io.Reader, judge Judge) error {
	return Documents(name, r, func(d Document) bool { t.AddDocument(d, judge); return true })
}

// AddDocument adds what is in a document.
func (t *Table) AddDocument(d Document, judge Judge) {
	hosts, unread := HostsOf(d, judge)
	for _, h := range hosts {
		t.Add(h)
	}
	for _, u := range unread {
		t.miss(u)
	}
}

func (t *Table) miss(d Document) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken++
	if d.Host != "" && len(t.bad) < maxHosts {
		t.bad[d.Host] = true
	}
	if len(t.unread) < maxUnread {
		t.unread = append(t.unread, Unread{clip(d.Name), d.Host, clip(d.Err.Error())})
	}
}

// Add adds one report.
func (t *Table) Add(h Host) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reports++
	if h.nameless && len(t.nameless) < maxHosts { // two in one input are two hosts, as far as can be told
		if t.nameless[h.Key]++; t.nameless[h.Key] > 1 {
			h.Key = fmt.Sprintf("%s (%d)", h.Key, t.nameless[h.Key])
		}
	}
	old := t.hosts[h.Key]
	switch {
	case old == nil && len(t.hosts) >= maxHosts:
		t.beyond++
		return
	case old != nil && compareReports(*old, h) >= 0:
		return
	}
	if h.Cause != "" && len(h.Fix) > 0 {
		k := fixKey(&h)
		if e, ok := t.fixes[k]; ok && h.Key < e.key || !ok && len(t.fixes) < maxFixes {
			t.fixes[k] = example{h.Key, h.Fix}
		}
	}
	h.Fix = nil
	for i, s := range h.Of {
		h.Of[i] = t.text(s)
	}
	h.Kind, h.State, h.Cause, h.Severity, h.Confidence = t.text(h.Kind), t.text(h.State), t.text(h.Cause), t.text(h.Severity), t.text(h.Confidence)
	for i, s := range h.Also {
		h.Also[i] = t.text(s)
	}
	if h.Key == h.ID {
		h.ID = h.Key
	}
	h.traits = make([]uint32, 0, len(h.Traits))
	for _, x := range h.Traits {
		if id, ok := t.trait(x); ok {
			h.traits = append(h.traits, id)
		}
	}
	slices.Sort(h.traits)
	h.traits = slices.Compact(h.traits)
	h.Traits = nil
	t.hosts[h.Key] = &h
}

// compareReports orders reports of one host: the later wins, whatever the order in
// which they came.
func compareReports(a, b Host) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.State, b.State), cmp.Compare(a.Cause, b.Cause))
}

func fixKey(h *Host) string {
	return strings.Join([]string{h.Cause, h.Of[Account], h.Of[Region], h.Of[VPC], h.Of[Role]}, "\x00")
}

// text is the one copy of a text that is kept.
func (t *Table) text(s string) string {
	if kept, ok := t.texts[s]; ok {
		return kept
	}
	if len(t.texts) < maxDistinct {
		t.texts[s] = s
	}
	return s
}

func (t *Table) trait(x Trait) (uint32, bool) {
	if id, ok := t.traits[x]; ok {
		return id, true
	}
	if len(t.names) >= maxDistinct {
		return 0, false
	}
	x.Name, x.Value = t.text(x.Name), t.text(x.Value)
	id := uint32(len(t.names))
	t.names = append(t.names, x)
	t.traits[x] = id
	return id, true
}

// list are the hosts in the order of their names.
func (t *Table) list() []*Host {
	out := make([]*Host, 0, len(t.hosts))
	for _, h := range t.hosts {
		out = append(out, h)
	}
	sorting.By(out, func(a, b *Host) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// errNoInput is returned where nothing at all was read.
var errNoInput = errors.New("no report and no facts in what was given")

// Empty says why there is nothing to summarise; nil: there is.
func (t *Table) Empty() error {
	if t.reports > 0 || len(t.bad) > 0 {
		return nil
	}
	if len(t.unread) > 0 {
		return errors.Join(errNoInput, errors.New(report.Printable(t.unread[0].Name+": "+t.unread[0].Why)))
	}
	return errNoInput
}

// newest is the time of the latest report.
func newest(list []*Host) time.Time {
	var out time.Time
	for _, h := range list {
		if h.At.After(out) {
			out = h.At
		}
	}
	return out
}
