package checks

import (
	"fmt"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// This file holds what the checks of the network share: words for outcomes, and
// what a failure of this program says of the agent.

// asAgent judges connections to the endpoints. The agent's own way may be another
// than the one this program tried; then a failure of this program says nothing
// about the agent.
func asAgent(eval func(*node.Node) Finding) func(*node.Node) Finding {
	return rootsPackets(agentsNames(eval))
}

// agentsNames judges endpoints: an agent that uses dual-stack endpoints asks for
// other names than those that were tried.
func agentsNames(eval func(*node.Node) Finding) func(*node.Node) Finding {
	return func(n *node.Node) Finding {
		fd := eval(n)
		switch {
		case !blames(fd), n.Agent.DualStack == node.No:
			return fd
		case n.Agent.DualStack == node.Yes && triedDual(n):
			return fd
		case n.Agent.DualStack == node.Yes:
			return withoutBlame(fd, text.New("the agent uses dual-stack endpoints (Agent.UseDualStackEndpoint), whose names were not tried"), "")
		}
		return withoutBlame(fd, text.New("whether the agent uses dual-stack endpoints, whose names were not tried, is not known"), n.Facts.Agent.Config.Obstacle()).failing(fd.Effect)
	}
}

// triedDual reports whether the names that were tried are the dual-stack ones, or such
// as the configuration gives.
func triedDual(n *node.Node) bool {
	for _, e := range n.Endpoints.Core {
		if e.Configured == "" || e.Configured == "default" {
			return false
		}
	}
	return len(n.Endpoints.Core) > 0
}

// rootsPackets judges what packets met: a firewall may stop those of ordinary users
// and let those of root pass. Without root nothing is said of an agent whose worker
// runs, which is started only once the service was reached.
func rootsPackets(eval func(*node.Node) Finding) func(*node.Node) Finding {
	return func(n *node.Node) Finding {
		fd := eval(n)
		root, known := n.Facts.Host.Privileged.Get()
		switch {
		case !blames(fd), root, n.Agent.Worker == node.No:
			return fd
		case !known:
			return withoutBlame(fd, text.New("the agent runs as root, and whether this program does is not known"), n.Facts.Host.Privileged.Obstacle()).failing(fd.Effect)
		}
		return withoutBlame(fd, text.New("the agent runs as root, whose packets may pass where those of this user do not: run this as root"), facts.NeedsRoot)
	}
}

// blames reports whether a finding says that something is wrong with the node.
func blames(fd Finding) bool { return fd.Cause != "" || fd.Status == Fail }

func withoutBlame(fd Finding, why text.Text, obstacle facts.Reason) Finding {
	return Finding{Status: Unknown, Summary: fd.Summary.Add("; but %s", why), Evidence: fd.Evidence, Obstacle: obstacle}
}

// unreadEndpoints is unread for the endpoints, or for those that were not tried.
func unreadEndpoints(n *node.Node) Finding { return unread("endpoints", n.Endpoints.Unseen()) }

// coreTried reports whether every endpoint that a node needs was tried.
func coreTried(n *node.Node) bool {
	for _, e := range n.Endpoints.Core {
		if !e.Tried() && e.DNS.Outcome == "" {
			return false
		}
	}
	_, unread := n.Endpoints.All()
	return len(n.Endpoints.Core) > 0 && !unread
}

// coreProxied reports whether the agent reaches every endpoint that a node needs
// through a proxy, which then resolves the names.
func coreProxied(n *node.Node) bool {
	for _, e := range n.Endpoints.Core {
		if !e.Proxy.Used {
			return false
		}
	}
	return coreTried(n)
}

// stopsAt says what a fault on the way to an endpoint means. Heartbeats go to ssm: a
// node that reaches it, and is accepted, has lost its sessions without ssmmessages, and
// its commands too unless it gets them over ec2messages. Without ec2messages nothing is
// lost as long as ssmmessages works. Without ssm it is accepted as
// long as its channel stands.
func stopsAt(n *node.Node, e facts.Endpoint, fd Finding) Finding {
	ssm, channel, messages := n.Endpoints.Of("ssm"), n.Endpoints.Of("ssmmessages"), n.Endpoints.Of("ec2messages")
	reached := ssm != nil && ssm.Usable()
	switch {
	case n.Acceptance.Now != node.Yes:
	case e.Service == "ssmmessages" && reached && n.OnMessages() == node.Yes:
		return fd.add("; commands come over ec2messages, sessions do not work").as(Breaks)
	case e.Service == "ssmmessages" && reached && messages != nil && messages.Usable():
		return fd.add("; the node is still accepted, but sessions do not work, nor commands of an agent that does not ask ec2messages").as(Ends)
	case e.Service == "ssmmessages" && reached:
		return fd.add("; the node is still accepted, but neither sessions nor commands reach it").as(Ends)
	case e.Service == "ec2messages" && reached && channel != nil && channel.Usable():
		return fd.add("; the node is accepted, and only an agent that is refused ssmmessages asks there").as(Breaks)
	case e.Service == "ssm" && n.Channel.Connected == node.Yes && channel.Usable():
		return fd.add("; its channel still stands").as(Ends)
	}
	return fd.as(Blocks)
}

// dnsWord says how a resolver failed.
func dnsWord(d facts.DNS) string {
	switch d.Outcome {
	case facts.NXDomain:
		return "says that there is no such host"
	case facts.Timeout:
		return "does not answer"
	case facts.ServFail:
		return "fails (SERVFAIL)"
	case facts.Refused:
		return "refuses the query"
	case facts.NoData:
		return "has no address for it"
	}
	return "fails: " + text.Or(d.Error, string(d.Outcome))
}

// tcpState says how the attempts to connect ended.
func tcpState(e facts.Endpoint) string {
	if e.Proxy.Used {
		return strings.TrimSpace(fmt.Sprintf("through the proxy: %s %s", e.Proxy.Outcome, e.Proxy.Error))
	}
	var out []string
	for _, t := range e.TCP {
		out = append(out, t.Address+" "+tcpWord(t))
	}
	if len(out) == 0 {
		return "no address to connect to"
	}
	return strings.Join(out, ", ")
}

func tcpWord(t facts.Attempt) string {
	switch t.Outcome {
	case facts.OK:
		return "connected"
	case facts.Timeout:
		return "timed out"
	case facts.Refused:
		return "connection refused"
	case facts.NoRoute:
		return text.Or(t.Error, "network is unreachable")
	case facts.NotPermitted:
		return text.Or(t.Error, "operation not permitted")
	}
	return text.Or(t.Error, string(t.Outcome))
}

// httpWord says what answered a request, or how it ended.
func httpWord(h facts.HTTP) string {
	switch {
	case h.Status == 0:
		return text.Or(h.Error, string(h.Outcome))
	case h.Server != "":
		return fmt.Sprintf("HTTP %d from %s", h.Status, h.Server)
	}
	return fmt.Sprintf("HTTP %d", h.Status)
}

// maxSkew is how far a clock may be off, in seconds: AWS refuses signatures from 5
// min on. Source: IAM user guide, "Elements of an AWS API request signature".
const maxSkew = 300

// withTimeSync adds whether the clock of this host is kept in time, and how it can be.
func withTimeSync(n *node.Node, fd Finding) Finding {
	if fd.Cause == "clock-skew" && len(fd.Fix) == 0 {
		fd = fd.fix(timeSteps(n)...)
	}
	if s, ok := n.Facts.Host.NTPSynchronized.Get(); ok {
		fd = fd.saw("time synchronisation", fmt.Sprintf("synchronized: %v", s), n.Facts.Host.NTPSynchronized.From)
	}
	return fd
}

// firstOf is the first of a list; empty when there is none.
func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// allEnded reports whether all attempts to connect ended in one way.
func allEnded(list []facts.Endpoint, way facts.Outcome) bool {
	return !slices.ContainsFunc(list, func(e facts.Endpoint) bool {
		return slices.ContainsFunc(e.TCP, func(t facts.Attempt) bool { return t.Outcome != way })
	})
}
