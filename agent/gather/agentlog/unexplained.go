package agentlog

import (
	"cmp"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/sorting"
)

const (
	// unknownWindow is how far back a line that no rule knows is shown.
	unknownWindow = 24 * time.Hour
	// maxShapes bounds the shapes that are told apart, shownShapes those in the facts,
	// and shownWork those of them that are of one command's or session's own work.
	maxShapes   = 256
	shownShapes = 20
	shownWork   = 5
)

// shapeCount is how often a shape occurred.
type shapeCount struct {
	facts.Unexplained
	work bool // of a worker for one command or session
}

// levelOf is the level of an entry if it is a warning or worse, else empty.
func levelOf(entry []byte) string {
	if len(entry) <= stampLen {
		return ""
	}
	b := entry[stampLen:]
	for len(b) > 0 && b[0] != ' ' {
		b = b[1:]
	}
	if len(b) < 5 {
		return ""
	}
	for _, level := range []string{"ERROR", "WARN", "CRITICAL"} {
		if len(b) > len(level)+1 && string(b[1:len(level)+1]) == level && b[len(level)+1] == ' ' {
			return level
		}
	}
	return ""
}

// unexplained notes a warning or error that no row of the tables knows.
func (s *logScan) unexplained(level string, at time.Time, text []byte) {
	if at.Before(s.now.Add(-unknownWindow)) || s.known(at).IsZero() {
		return
	}
	s.shape = shapeOf(s.shape[:0], string(text[len(level):min(len(text), len(level)+shapeRead)]))
	c := s.shapes[string(s.shape)]
	if c == nil {
		if len(s.shapes) >= maxShapes {
			s.uncounted = true
			return
		}
		shape := string(s.shape)
		c = &shapeCount{facts.Unexplained{Shape: shape, Level: strings.ToLower(level)}, ofCommand(s.path, text)}
		s.shapes[shape] = c
	}
	c.Count++
	if !at.Before(c.Last) {
		c.Last = at
	}
}

// shapesShown are the shapes for the facts, and how many more there are: those of the agent's
// own work before those of the commands and sessions that it runs, latest first.
func (s *logScan) shapesShown() (out []facts.Unexplained, more int) {
	var all []*shapeCount
	for _, c := range s.shapes {
		all = append(all, c)
	}
	sorting.By(all, func(a, b *shapeCount) int {
		return cmp.Or(cmpBool(a.work, b.work), b.Last.Compare(a.Last), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Shape, b.Shape))
	})
	work := 0
	for _, c := range all {
		if len(out) == shownShapes || c.work && work == shownWork {
			continue
		}
		if c.work {
			work++
		}
		out = append(out, c.Unexplained)
	}
	more = len(all) - len(out)
	if s.uncounted {
		more++
	}
	return out, more
}

func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
