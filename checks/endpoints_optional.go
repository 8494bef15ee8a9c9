package checks

import (
	"maps"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// EndpointsOptional is endpoints-optional.
var EndpointsOptional = register(Check{
	ID: "endpoints-optional", Group: "network", Title: "Endpoints of features in use can be reached",
	Station: AtTCP,
	Needs:   []*Check{Proxy, ProxyApplied},
	Causes:  []string{"optional-endpoint-unreachable"},
	Doc: "s3, kms, logs, monitoring and ec2messages are needed only by features. An unreachable one counts when the agent's log shows that a feature asked for it; otherwise it is only mentioned. " +
		"ec2messages alone is harmless from agent 3.3.40 on.",
	Eval: func(n *node.Node) Finding {
		list, partly := n.Endpoints.All()
		tried, all := 0, !partly
		var closed []string
		unclear := false
		for _, e := range list {
			switch {
			case e.Need == facts.NeedCore || e.Service == "sts":
				continue
			case !e.Tried() && e.DNS.Outcome == "":
				all = false
				continue
			}
			tried++
			if e.Connected() {
				continue
			}
			closed = append(closed, e.Service)
			m := failureOfFeature(n, e)
			if m.Yes() {
				return breaks("optional-endpoint-unreachable", Proven, "%s cannot be reached (%s), and a feature of this managed node uses it", e.Host, tcpState(e)).
					saw("connect to "+e.Host+":443", tcpState(e), "connect").logged(m).with("service", e.Service, "endpoint", e.Host)
			}
			unclear = unclear || m.Unread()
		}
		switch names := strings.Join(closed, ", "); {
		case tried == 0 || !all:
			if m := unreachedByFeature(n, list); m.Yes() {
				return unreadEndpoints(n).add("; the log says that a feature could not reach one %s", n.Ago(m.Last)).failing(Breaks).logged(m)
			}
			return unreadEndpoints(n)
		case len(closed) == 0:
			return pass("%d endpoints", tried)
		case unclear && n.Log.Read() != node.Yes:
			return unreadLog(n).say("not reachable: %s; whether a feature uses them was not read: %s", names, n.Log.Unseen().Reason())
		case unclear:
			return unread("version of the agent", n.Facts.Agent.Installed)
		default:
			return skip("not reachable, and no sign of use: %s", names)
		}
	},
})

// lastMessages is the agent that no longer needs ec2messages.
// Source: AWS Systems Manager user guide, "Reference: ec2messages, ssmmessages, and
// other API operations".
const lastMessages = "3.3.40.0"

// featureFailures are the signatures of features that fail at an endpoint, by service.
var featureFailures = map[string][]string{
	"logs":        {facts.SigSessionLogs, facts.SigCommandLogs},
	"s3":          {facts.SigDownload, facts.SigSessionUpload, facts.SigLogsUnchecked, facts.SigCommandUpload},
	"kms":         {facts.SigKMS, facts.SigSessionKey},
	"ec2messages": {facts.SigMDSFailed, facts.SigMDSStopped},
}

// unreachedByFeature is an entry of the last day in which a feature could not reach an
// endpoint that was not tried in this run.
func unreachedByFeature(n *node.Node, tried []facts.Endpoint) node.Entry {
	for _, service := range slices.Sorted(maps.Keys(featureFailures)) {
		if slices.ContainsFunc(tried, func(e facts.Endpoint) bool { return e.Service == service && (e.Tried() || e.DNS.Outcome != "") }) {
			continue
		}
		for _, id := range featureFailures[service] {
			if m := n.Log.Recent(id); m.Yes() && notReached(m.Text) && (service != "ec2messages" || n.Agent.OlderThan(lastMessages) == node.Yes) {
				return m
			}
		}
	}
	return node.Entry{Found: node.No}
}

// notReached reports whether an entry says that a connection was not made.
func notReached(entry string) bool {
	return strings.Contains(entry, "i/o timeout") || strings.Contains(entry, "no such host")
}

// failureOfFeature is an entry of the last day in which a feature failed at an endpoint.
func failureOfFeature(n *node.Node, e facts.Endpoint) node.Entry {
	needed := node.Yes
	if e.Service == "ec2messages" {
		needed = n.Agent.OlderThan(lastMessages)
	}
	out := node.Entry{Found: node.No}
	for _, id := range featureFailures[e.Service] {
		switch m := n.Log.Recent(id); {
		case needed == node.No:
		case m.Yes() && !strings.Contains(m.Text, e.Host) && !notReached(m.Text):
		case m.Yes() && needed == node.Yes:
			return m
		case m.Yes() || m.Unread():
			out = node.Entry{}
		}
	}
	return out
}
