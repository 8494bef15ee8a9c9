package agentlog

import (
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync"

	"ssm-doctor/checks/facts"
)

const (
	// gram is how many bytes of a fragment are looked for. No fragment is shorter.
	gram     = 3
	gramMask = 1<<(8*gram) - 1
	// places is in how many bits it is kept which grams are those of a fragment: with the
	// hundreds that there are, one of a hundred others looks like them.
	places = 1 << 16
)

// matcher finds many fragments in one pass over bytes, without regard to ASCII case. Of
// each fragment it looks for one gram, that which the fewest others have, and compares the
// whole fragment where that is. To make it takes no longer than to read the fragments.
type matcher struct {
	fragments []string // in lower case
	likely    [places / 64]uint64
	first     map[uint32]int32 // by gram, the anchor of which fragment it is
	next      []int32          // by fragment: the next one with the same anchor; -1: none
	offset    []uint16         // by fragment: where in it the anchor ends
}

func newMatcher(fragments []string) *matcher {
	m := &matcher{fragments: fragments, first: make(map[uint32]int32, len(fragments)), next: make([]int32, len(fragments)), offset: make([]uint16, len(fragments))}
	seen := make([]uint8, places) // how many grams share a place
	for _, f := range fragments {
		grams(f, func(_ int, g uint32) {
			if at := place(g); seen[at] < math.MaxUint8 {
				seen[at]++
			}
		})
	}
	for n, f := range fragments {
		var anchor uint32
		least := math.MaxInt
		grams(f, func(end int, g uint32) {
			if of := int(seen[place(g)]); of < least {
				least, anchor, m.offset[n] = of, g, uint16(end)
			}
		})
		m.next[n] = -1
		if other, ok := m.first[anchor]; ok {
			m.next[n] = other
		}
		m.first[anchor] = int32(n)
		at := place(anchor)
		m.likely[at/64] |= 1 << (at % 64)
	}
	return m
}

// grams calls f for each gram of a text with where it ends.
func grams(text string, f func(end int, g uint32)) {
	var g uint32
	for i := range len(text) {
		if g = (g<<8 | uint32(text[i])) & gramMask; i >= gram-1 {
			f(i+1, g)
		}
	}
}

// place is the bit of a gram.
func place(g uint32) uint32 { return g * 0x9e3779b1 / (1 << 32 / places) }

// lower are all bytes, letters of ASCII as small ones.
var lower = func() (t [256]byte) {
	for c := range t {
		t[c] = byte(c)
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] += 'a' - 'A'
	}
	return t
}()

// hits is a set of fragments.
type hits [maxFragments / 64]uint64

// maxFragments is how many fragments the tables may have.
const maxFragments = 1024

func (h *hits) add(n uint16) { h[n/64] |= 1 << (n % 64) }

func (h *hits) has(n uint16) bool { return h[n/64]&(1<<(n%64)) != 0 }

// all calls f for each fragment in the set.
func (h *hits) all(f func(n int)) {
	for i, w := range h {
		for ; w != 0; w &= w - 1 {
			f(i*64 + bits.TrailingZeros64(w))
		}
	}
}

// scan adds the fragments of b to h and reports whether any is in it.
func (m *matcher) scan(b []byte, h *hits) bool {
	var g uint32
	any := false
	for i, c := range b {
		g = (g<<8 | uint32(lower[c])) & gramMask
		if at := place(g); m.likely[at/64]&(1<<(at%64)) != 0 && i >= gram-1 && m.at(b, i+1, g, h) {
			any = true
		}
	}
	return any
}

// at adds the fragments whose anchor ends in b at end.
func (m *matcher) at(b []byte, end int, g uint32, h *hits) (any bool) {
	n, ok := m.first[g]
	for ; ok && n >= 0; n = m.next[n] {
		f := m.fragments[n]
		from := end - int(m.offset[n])
		if from >= 0 && len(b)-from >= len(f) && same(b[from:from+len(f)], f) {
			h.add(uint16(n))
			any = true
		}
	}
	return any
}

// same reports whether b is f, which is in lower case.
func same(b []byte, f string) bool {
	for i, c := range b {
		if lower[c] != f[i] {
			return false
		}
	}
	return true
}

// Fragments beside those of facts.Signatures.
const (
	fragDenied  = "is not authorized to perform"
	fragCode    = "status code:"
	fragCode2   = "statuscode:" // of agents with the second SDK
	fragExc     = "exception: "
	fragErrCode = "exception>"
	fragUnauth  = "unauthorized request"
	fragBackoff = "backing off health check"
)

// logTable is the matcher over all rows: those of facts.Signatures, and below them
// those of facts.Lines, which are for warnings and errors only.
type logTable struct {
	*matcher
	need    [][]uint16 // fragments of each row
	lead    [][]int    // of a fragment: the rows that are looked at where it occurs
	refusal []uint16
	backoff uint16
}

var signatureTable = sync.OnceValue(newTable)

func newTable() *logTable {
	t := &logTable{}
	index := map[string]uint16{}
	var all []string
	id := func(f string) uint16 {
		f = strings.ToLower(f)
		n, ok := index[f]
		if !ok {
			n = uint16(len(all))
			index[f] = n
			all = append(all, f)
			t.lead = append(t.lead, nil)
		}
		return n
	}
	row := func(fragments []string) {
		var need []uint16
		longest := ""
		for _, f := range fragments {
			need = append(need, id(f))
			if len(f) > len(longest) {
				longest = f
			}
		}
		lead := id(longest)
		t.lead[lead] = append(t.lead[lead], len(t.need))
		t.need = append(t.need, need)
	}
	for _, s := range facts.Signatures {
		row(s.Fragments)
	}
	for _, l := range facts.Lines() {
		row(l.Fragments)
	}
	for _, f := range []string{fragDenied, fragCode, fragCode2, fragExc, fragErrCode, fragUnauth} {
		t.refusal = append(t.refusal, id(f))
	}
	t.backoff = id(fragBackoff)
	if len(all) > maxFragments {
		panic("more fragments than the set of hits holds")
	}
	t.matcher = newMatcher(all)
	return t
}

// row returns the index of the first row all of whose fragments are in h, or -1.
func (t *logTable) row(h *hits) int {
	first := -1
	h.all(func(n int) {
		for _, i := range t.lead[n] {
			if first >= 0 && i > first {
				break // rows of a fragment are in order
			}
			if !slices.ContainsFunc(t.need[i], func(n uint16) bool { return !h.has(n) }) {
				first = i
				break
			}
		}
	})
	return first
}
