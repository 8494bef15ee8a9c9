package diagnose

import (
	"maps"
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Doubt is what is said where the state of a node cannot be told: what was tried, what
// is missing, what is safe to do, and when to look again.
type Doubt struct {
	Tried, Missing []text.Text
	Fix            []causes.Filled
	Again          time.Time
	Why            text.Text // of that time
}

// maxMissing bounds what is said to be missing: the first that decide.
const maxMissing = 4

// doubtOf is the doubt of an answer; nil where the state is known.
func doubtOf(n *node.Node, found Findings, a Answer) *Doubt {
	if a.State != Unknown {
		return nil
	}
	d := &Doubt{Tried: tried(n), Missing: missing(found, a)}
	d.Again, d.Why = again(n)
	v := values(n)
	if code := text.Or(n.ReadsCode(), n.CodeOf(n.Acceptance.Failed)); code != "" {
		v["code"] = code
	}
	for _, fd := range found {
		if fd.Status == checks.Unknown && len(fd.Fix) > 0 {
			maps.Copy(v, fd.Values)
		}
	}
	for _, s := range safeSteps(n, found, a) {
		if s.Applies(v) {
			d.Fix = append(d.Fix, s.Fill(v))
			if strings.Contains(s.Command, "{restart}") {
				warnOfReach(d.Fix, v["reach"])
			}
		}
	}
	return d
}

// tried are the places that an acceptance would show at, and what they show.
func tried(n *node.Node) []text.Text {
	f := n.Facts
	var out []text.Text
	say := func(format string, a ...any) { out = append(out, text.New(format, a...)) }
	switch {
	case n.Log.Read() != node.Yes:
		say("the agent's log: not read, or not whole")
	case n.Acceptance.Last.At.IsZero():
		say("the agent's log and state: no accepted call is on record")
	default:
		say("the agent's log and state: the last accepted call was %s", n.Ago(n.Acceptance.Last.At))
	}
	if n.Acceptance.Failed.ID != "" {
		said := text.New("")
		if code := n.CodeOf(n.Acceptance.Failed); code != "" {
			said = text.New(", %s", code)
		}
		say("the agent's log: the last failure was %s%s", n.Ago(n.Acceptance.Failed.Last), said)
	}
	if n.Identity.OnEC2 != node.Yes && n.Identity.InECS != node.Yes && n.Identity.Hybrid != node.Yes {
		ec2 := map[node.Answer]string{node.No: "not an EC2 instance", node.Unknown: "neither its firmware nor the metadata service says that it is an EC2 instance"}[n.Identity.OnEC2]
		if n.Identity.OnEC2 == node.Unknown && f.Host.DMI.Vendor.Unknown() {
			ec2 = "whether it is an EC2 instance is not known, because its firmware was not read"
		}
		say("what this machine is: %s, %s", ec2,
			map[node.Answer]string{node.No: "and it has no hybrid registration", node.Unknown: "and whether it has a hybrid registration was not read"}[n.Identity.Hybrid])
	}
	say("the agent's process: %s", map[node.Answer]string{node.Yes: "it runs", node.No: "it does not run", node.Unknown: "not seen"}[n.Agent.Core])
	if socks, ok := f.Agent.Channel.Get(); ok {
		say("its connections to port 443: %d", len(socks))
	}
	if ssm := n.Endpoints.Of("ssm"); ssm != nil && ssm.Tried() {
		say("the ssm endpoint: %s", map[bool]string{true: "it answers", false: "no answer of AWS"}[ssm.Usable()])
	}
	return out
}

// missing are the observations that kept an answer from being given: those on the way
// to AWS first, each said once.
func missing(found Findings, a Answer) []text.Text {
	var out []text.Text
	seen := map[string]bool{}
	for _, root := range []bool{true, false} { // what root would see leads
		for _, c := range checks.All() {
			fd, ok := found[c.ID]
			if !ok || fd.Status != checks.Unknown || a.Follows[c.ID] != "" || c.Station == checks.OffTheWay || (fd.Obstacle == facts.NeedsRoot) != root {
				continue
			}
			if s := fd.Summary.String(); !seen[s] && len(out) < maxMissing {
				seen[s] = true
				out = append(out, fd.Summary)
			}
		}
	}
	if len(out) == 0 {
		out = append(out, text.New("an accepted call of the agent that is recent enough, or a refusal after it"))
	}
	return out
}

// again is when more will be known than now, and why then.
func again(n *node.Node) (time.Time, text.Text) {
	if b, sleeping := n.Sleeping(); sleeping == node.Yes {
		return b.Until.Add(time.Minute), text.New("the agent sleeps until %s and tries again then", n.ClockTime(b.Until))
	}
	gap := n.Agent.HealthGap()
	return n.Now().Add(gap), text.New("an agent that works sends a heartbeat every %d min; two of them are due by then", n.Agent.HealthMinutes)
}

// ofFindings are the steps of findings that could not be told, and know what helps.
func ofFindings(found Findings, a Answer) []causes.Step {
	var out []causes.Step
	for _, c := range checks.All() {
		fd, ok := found[c.ID]
		if !ok || fd.Status != checks.Unknown || a.Follows[c.ID] != "" {
			continue
		}
		for _, s := range fd.Fix {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// safeSteps are what can be done without knowing more: nothing in them changes more
// than a restart does.
func safeSteps(n *node.Node, found Findings, a Answer) []causes.Step {
	f := n.Facts
	host := func(words, command string) causes.Step {
		return causes.Step{Text: words, Command: command, Where: causes.OnHost}
	}
	if !f.Live() {
		return []causes.Step{host("Look on the running host: what decides is not in a file tree", "ssm-doctor check")}
	}
	var out []causes.Step
	needsRoot := func(fd checks.Finding) bool { return fd.Status == checks.Unknown && fd.Obstacle == facts.NeedsRoot }
	for id := range found {
		if needsRoot(found[id]) {
			s := host("Look again as root, who sees what this run could not", "sudo ssm-doctor check")
			if f.Host.GOOS == "windows" {
				s = host("Look again in an elevated prompt, which sees what this run could not", "ssm-doctor check")
			}
			out = append(out, s)
			break
		}
	}
	switch {
	case f.Offline:
		out = append(out, host("Look again with the network", "ssm-doctor check"))
	case slices.ContainsFunc(f.Sources, func(s facts.Source) bool { return s.Broken() }):
		out = append(out, host("Look again with more time", "ssm-doctor check --timeout 60s"))
	}
	own := ofFindings(found, a)
	out = append(out, own...)
	answered := n.ReadsCode()
	busy := node.IsServiceError(text.Or(answered, n.CodeOf(n.Acceptance.Failed)))
	switch {
	case busy:
		out = append(out, causes.ServiceEvents)
	case answered != "" && len(own) == 0: // which a restart would only meet again
		out = append(out, causes.ExplainCode)
	}
	if a.Root == nil && n.Identity.InECS != node.Yes && !busy && answered == "" && len(own) == 0 {
		switch n.Agent.Core {
		case node.Yes:
			out = append(out, causes.Step{Text: "Restart the agent: it tries everything again, and its log says what fails", Command: "{restart}", Where: causes.OnHost, Root: true})
		case node.No:
			if n.Agent.Installed == node.No {
				break // install it: for the check that names that
			}
			out = append(out, causes.Step{Text: "Start the agent: its log says what fails", Command: "{start}", Where: causes.OnHost, Root: true})
		}
	}
	if n.Identity.OnEC2 == node.Unknown && n.Identity.InECS != node.Yes && n.Identity.Hybrid != node.Yes {
		if n.Identity.Region == "" {
			out = append(out, host("If it is an EC2 instance, name its Region, so that the way to AWS is tested", "ssm-doctor check --region REGION"))
		}
		if n.Identity.Hybrid == node.No {
			out = append(out, host("If it is not, register it with a hybrid activation; this has the commands", "ssm-doctor explain hybrid-not-registered"))
		}
	}
	if again := host("Look again, and wait for what the agent does", causes.Again.Command); !slices.ContainsFunc(out, func(s causes.Step) bool { return s.Command == again.Command }) {
		out = append(out, again)
	}
	if id := n.Identity.ID; id != "" {
		out = append(out, causes.Step{Text: "Or ask the service, which knows", Command: "aws ssm describe-instance-information --region {region} --filters Key=InstanceIds,Values={node}", Where: causes.OperatorCLI, Alternative: true})
	}
	return out
}
