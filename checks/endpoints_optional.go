package checks

import (
	"strings"
	"time"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "endpoints-optional", Group: "network", Title: "Endpoints of features in use can be reached",
	Causes: []string{"optional-endpoint-unreachable"},
	Needs:  []string{"proxy", "proxy-applied"},
	Doc: "s3, kms, logs, monitoring and ec2messages are needed only by features. An unreachable one counts when the agent's log shows that a feature asked for it; otherwise it is mentioned and no more. " +
		"ec2messages alone is harmless from agent 3.3.40 on.",
	Eval: func(f *facts.Facts) Finding {
		var closed []facts.Endpoint
		tried := 0
		for _, e := range f.Network.Endpoints {
			if e.Need == facts.NeedCore || e.Service == "sts" || !e.Tried() && e.DNS.Outcome == "" {
				continue
			}
			tried++
			if !e.Connected() {
				closed = append(closed, e)
			}
		}
		if tried == 0 {
			return unknown("not looked at")
		}
		var names []string
		for _, e := range closed {
			names = append(names, e.Service)
			m, used := usedBy(f, e)
			if !used {
				continue
			}
			return warn("optional-endpoint-unreachable", Proven, "%s cannot be reached (%s), and a feature of this managed node uses it", e.Host, tcpState(e)).
				saw("connect to "+e.Host+":443", tcpState(e), "connect").logged(m).with("service", e.Service, "endpoint", e.Host)
		}
		if len(closed) > 0 {
			return skip("not reachable, and no sign of use: %s", strings.Join(names, ", "))
		}
		return pass("%d endpoints", tried)
	},
})

// usedBy finds an entry of the last day in which a feature failed at an endpoint.
func usedBy(f *facts.Facts, e facts.Endpoint) (facts.Match, bool) {
	ids := map[string][]string{
		"logs":        {facts.SigSessionLogs},
		"s3":          {facts.SigDownload},
		"kms":         {facts.SigKMS},
		"ec2messages": {facts.SigMDSFailed, facts.SigMDSStopped},
	}[e.Service]
	if e.Service == "ec2messages" && !olderThan(AgentVersion(f), "3.3.40.0") {
		return facts.Match{}, false
	}
	for _, id := range ids {
		m, ok := recently(f, id)
		if ok && (strings.Contains(m.Text, e.Host) || strings.Contains(m.Text, "i/o timeout") || strings.Contains(m.Text, "no such host")) {
			return m, true
		}
	}
	return facts.Match{}, false
}

// healthGap is how old an entry of a retrying part of the agent may be and
// still describe now.
func healthGap(f *facts.Facts) time.Duration {
	return time.Duration(2*healthMinutes(f)+10) * time.Minute
}
