package agentlog

import (
	"math/bits"
	"slices"
	"strings"
	"sync"

	"ssm-doctor/checks/facts"
)

// matcher finds many fragments in one pass over bytes, without regard to ASCII
// case (Aho-Corasick over a compressed alphabet).
type matcher struct {
	class   [256]uint8 // byte to column; 0: in no fragment
	columns int
	next    []uint16 // state*columns+class
	out     [][]uint16
}

func newMatcher(fragments []string) *matcher {
	m := &matcher{}
	for _, f := range fragments {
		for i := range len(f) {
			c := lower(f[i])
			if m.class[c] == 0 {
				m.columns++
				m.class[c] = uint8(m.columns)
				if c >= 'a' && c <= 'z' {
					m.class[c-32] = uint8(m.columns)
				}
			}
		}
	}
	m.columns++
	length := 1
	for _, f := range fragments {
		length += len(f)
	}
	states := make([]uint16, length*m.columns) // enough for all: most fragments share only a few letters
	addState := func() uint16 {
		m.next = states[:len(m.next)+m.columns]
		m.out = append(m.out, nil)
		return uint16(len(m.out) - 1)
	}
	m.out = make([][]uint16, 0, length)
	addState()
	for n, f := range fragments {
		s := uint16(0)
		for i := range len(f) {
			at := int(s)*m.columns + int(m.class[f[i]])
			if m.next[at] == 0 {
				t := addState()
				m.next[at] = t
			}
			s = m.next[at]
		}
		m.out[s] = append(m.out[s], uint16(n))
	}
	fail := make([]uint16, len(m.out))
	var queue []uint16
	for c := range m.columns {
		if s := m.next[c]; s != 0 {
			queue = append(queue, s)
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for c := range m.columns {
			at := int(s)*m.columns + c
			over := m.next[int(fail[s])*m.columns+c]
			if t := m.next[at]; t != 0 {
				fail[t] = over
				m.out[t] = append(m.out[t], m.out[over]...)
				queue = append(queue, t)
			} else {
				m.next[at] = over
			}
		}
	}
	return m
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 32
	}
	return c
}

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
	s, any := 0, false
	for _, c := range b {
		s = int(m.next[s*m.columns+int(m.class[c])])
		if s != 0 && m.out[s] != nil {
			any = true
			for _, n := range m.out[s] {
				h.add(n)
			}
		}
	}
	return any
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
