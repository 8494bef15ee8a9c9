package fleet

import (
	"cmp"
	"math"
	"strconv"

	"ssm-doctor/checks/sorting"
)

// Difference is what sick hosts have and their healthy peers do not, or the reverse.
type Difference struct {
	What      string `json:"what"`
	Value     string `json:"value"`
	Lacks     bool   `json:"lacks,omitempty"` // the healthy have it and the sick do not
	Sick      int    `json:"sick"`            // how many sick hosts have it
	OfSick    int    `json:"of_sick"`
	Healthy   int    `json:"healthy"` // how many healthy hosts have it
	OfHealthy int    `json:"of_healthy"`
}

func count(n, of int) string { return strconv.Itoa(n) + " of " + strconv.Itoa(of) }

// tally counts the traits of hosts.
type tally struct {
	hosts int
	of    map[uint32]int
}

func newTally() *tally { return &tally{of: map[uint32]int{}} }

func (t *tally) add(h *Host) {
	t.hosts++
	for _, id := range h.traits {
		t.of[id]++
	}
}

// Bounds of what is worth telling.
const (
	leastDifference = 0.4 // between the shares of sick and healthy hosts that have a trait
	maxDifferences  = 5
)

// differences ranks what tells sick hosts from healthy ones, up to the station at which
// the path of the sick breaks: what lies behind it is a consequence. First the greatest
// difference between the shares; of equals the one nearest to the host, which explains
// the others.
func differences(names []Trait, sick, healthy *tally, broken int) []Difference {
	if sick.hosts == 0 || healthy.hosts == 0 {
		return nil
	}
	type ranked struct {
		Difference
		gain    float64
		station int
	}
	var list []ranked
	consider := func(id uint32) {
		x := names[id]
		if broken >= 0 && x.Station > broken {
			return
		}
		a, b := sick.of[id], healthy.of[id]
		p, q := float64(a)/float64(sick.hosts), float64(b)/float64(healthy.hosts)
		if math.Abs(p-q) >= leastDifference {
			list = append(list, ranked{Difference{x.Name, x.Value, q > p, a, sick.hosts, b, healthy.hosts}, math.Abs(p - q), x.Station})
		}
	}
	for id := range sick.of {
		consider(id)
	}
	for id := range healthy.of {
		if sick.of[id] == 0 {
			consider(id)
		}
	}
	sorting.By(list, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(math.Round(b.gain*50), math.Round(a.gain*50)), cmp.Compare(lacks(a.Lacks), lacks(b.Lacks)), cmp.Compare(a.station, b.station), cmp.Compare(a.What, b.What), cmp.Compare(a.Value, b.Value))
	})
	var out []Difference
	named := map[string]bool{}
	for _, d := range list {
		if named[d.What] && d.Lacks {
			continue // that the sick have another value was told
		}
		named[d.What] = true
		if out = append(out, d.Difference); len(out) == maxDifferences {
			break
		}
	}
	return out
}

func lacks(b bool) int {
	if b {
		return 1
	}
	return 0
}
