package checks

import (
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// This file holds what the checks of work on a managed node share: sessions and
// commands that fail by what the agent's workers wrote down.

// trouble is one way in which work fails.
type trouble struct {
	sig string
	// holds are words that the entry must hold, in any case; without is one that
	// it must not. Empty: any entry.
	holds   []string
	without []string
	// mended are signatures of a success that takes the trouble back.
	mended []string
	says   string // of what fails, for the summary; %s is value
	value  func(entry string) string
	fix    []causes.Step
	// anyway: an entry about a connection counts, whatever is seen of it now.
	anyway bool
	// room: it may be for lack of space, which another check names.
	room bool
	// stops are the features that do not work with it.
	stops []string
}

// noMemory are the kernel's words for a process that it has no room for.
var noMemory = []string{"cannot allocate memory", "resource temporarily unavailable", "not enough memory", "paging file is too small", "insufficient system resources"}

// elsewhere are words of what other checks see on the host now.
var elsewhere = []string{"no space left on device", "read-only file system"}

// sameEvent is how far apart the entries of one event may be: the worker that did not
// start is missed some seconds later.
const sameEvent = 10 * time.Second

// find is the entry of the log that shows the trouble now; unread where it may be in
// what was not read.
func (t trouble) find(n *node.Node) node.Entry {
	e := n.Log.Unmended(t.sig, t.mended...)
	if !e.Yes() {
		return e
	}
	low := strings.ToLower(e.Text)
	has := func(w string) bool { return strings.Contains(low, w) }
	if slices.ContainsFunc(t.without, has) || len(t.holds) > 0 && !slices.ContainsFunc(t.holds, has) {
		return node.Entry{Found: node.No}
	}
	return e
}

// troubles are the findings of a list of ways to fail, the more telling first: an
// entry of the same event as one before it adds nothing. blind: some may be in what
// was not read of the log.
func troubles(n *node.Node, cause string, list []trouble) (fd Finding, found, blind bool) {
	var doubt Finding
	var seen []node.Entry
	full := isFull(n)
	for _, t := range list {
		if t.room && full == node.Yes {
			continue
		}
		e := t.find(n)
		blind = blind || e.Unread()
		if !e.Yes() || node.SaysRefused(e.Text) || node.SaysUnreachable(e.Text) && !t.anyway || isAlready(seen, e) {
			continue // a refusal is for the checks of rights; of a connection, what is seen now decides
		}
		seen = append(seen, e)
		what := text.New(t.says)
		if t.value != nil {
			what = text.New(t.says, t.value(e.Text))
		}
		if t.room && full == node.Unknown {
			if !found {
				doubt = unread("file systems of the agent", unseenRoom(n)).add("; the log says that %s (%s)", what, often(n, e)).logged(e).failing(Breaks)
			}
			continue
		}
		this := breaks(cause, Likely, "%s (%s)", what, often(n, e)).logged(e).halts(t.stops...).fix(t.fix...)
		if !found {
			fd, found = this, true
			continue
		}
		fd.Evidence = append(fd.Evidence, this.Evidence...)
		fd = fd.add("; also: ").add("%s (%s)", what, often(n, e)).halts(t.stops...)
		fd.Fix = joined(fd.Fix, t.fix)
	}
	if !found && doubt.Status == Unknown {
		return doubt, true, blind
	}
	return fd, found, blind
}

// isAlready reports whether an entry is of an event that is among those seen.
func isAlready(seen []node.Entry, e node.Entry) bool {
	return slices.ContainsFunc(seen, func(s node.Entry) bool { return s.Last.Sub(e.Last).Abs() <= sameEvent })
}

// often says how many times something was logged, and when last.
func often(n *node.Node, e node.Entry) text.Text {
	if e.Count == 1 {
		return text.New("once, %s", n.Ago(e.Last))
	}
	return text.New("%d times, last %s", e.Count, n.Ago(e.Last))
}

// joined is one remedy after another: its steps go before those that end both.
func joined(one, more []causes.Step) []causes.Step {
	var head, tail []causes.Step
	for _, s := range one {
		if slices.Contains(more, s) {
			tail = append(tail, s)
		} else {
			head = append(head, s)
		}
	}
	for _, s := range more {
		if !slices.Contains(tail, s) {
			head = append(head, s)
		}
	}
	return append(head, tail...)
}

// halts adds features that do not work with what was found.
func (f Finding) halts(features ...string) Finding {
	f.Stops = append(f.Stops[:len(f.Stops):len(f.Stops)], features...)
	return f
}

// none takes them back: the finding tells of something past.
func (f Finding) none() Finding { f.Stops = nil; return f }

// isFull reports whether a file system of the agent has no space or inodes left, which
// others name and which keeps workers from starting.
func isFull(n *node.Node) node.Answer {
	for _, fs := range n.Facts.Host.FileSystems.Some() {
		if u, ok := fs.Usage.Get(); ok && (u.FreeBytes < fullBytes || lacksInodes(u)) {
			return node.Yes
		}
	}
	if unseenRoom(n) != nil {
		return node.Unknown
	}
	return node.No
}

// unseenRoom is what was not read of the space that the agent has; nil: nothing.
func unseenRoom(n *node.Node) facts.Unseen {
	if n.Facts.Host.FileSystems.Unknown() {
		return n.Facts.Host.FileSystems
	}
	for _, fs := range n.Facts.Host.FileSystems.Some() {
		if fs.Usage.Unknown() {
			return fs.Usage
		}
	}
	return nil
}

// shortBytes and busyPerCPU are where memory or processor explain a worker that does
// not answer: an agent and its worker take some 50 MiB.
const (
	shortBytes = 64 << 20
	busyPerCPU = 4
)

var (
	keyRE     = pattern.New(`arn:aws[a-z-]{0,20}:kms:[^\s'",]{1,200}`)
	pluginRE  = pattern.New(`Plugin with name (\S{1,100}) `)
	programRE = pattern.New(`exec: "([^"\s]{1,200})"|fork/exec ([^\s:]{1,200}):`)
	schemaRE  = pattern.New(`schema version ([0-9.]{1,10})`)
)

// quotedBy is what a form finds in an entry, or words in its place.
func quotedBy(re *pattern.Pattern, or string) func(entry string) string {
	return func(entry string) string {
		for i, s := range re.FindStringSubmatch(entry) {
			if i > 0 && s != "" {
				return s
			}
		}
		return or
	}
}

// withNames sets what an entry names, for the remedy.
func withNames(n *node.Node, fd Finding) Finding {
	for _, e := range fd.Evidence {
		for name, re := range map[string]*pattern.Pattern{"bucket": node.BucketRE, "loggroup": node.LogGroupRE} {
			if m := re.FindStringSubmatch(e.Seen); m != nil {
				fd = fd.with(name, m[1])
			}
		}
		if m := keyRE.FindString(e.Seen); m != "" {
			fd = fd.with("key", m)
		}
		if u := node.SessionUser(e.Seen); u != "" && fd.Values["user"] == "" {
			fd = fd.with("user", u)
		}
	}
	return fd.with("role", n.RoleOf(node.Refusal{}))
}

// recentlyOutOf reports whether the log shows within a while of an entry that the host
// ran out of what another check names: watches, descriptors, space.
func recentlyOutOf(n *node.Node, e node.Entry) bool {
	return n.Log.Near(e, 2*time.Minute, facts.SigInotify, facts.SigFiles, facts.SigFilesSystem, facts.SigNoSpace)
}

// lately says that work succeeded, as a pass only where that is recent: what worked long
// ago says nothing of today.
func lately(n *node.Node, m node.Entry, format string) Finding {
	if n.Age(m.Last) > node.RecentWindow {
		return skip(format+"; nothing since is on record", n.Ago(m.Last))
	}
	return pass(format, n.Ago(m.Last))
}
