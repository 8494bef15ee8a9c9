package checks

import (
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// regionInHost finds the Region part of an ssm host name in a log entry, as the agent wrote it.
var regionInHost = pattern.New(`(?i)ssm\.([^\s/"]{1,120}?)\.(?:amazonaws\.com|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov|cloud\.adc-e\.uk|amazonaws\.eu)`)

// Region is region.
var Region = register(Check{
	ID: "region", Group: "identity", Title: "The agent works against a Region that exists and is its own",
	Station: AtAgent,
	Causes:  []string{"region-mismatch"},
	Doc: "The Region of the registration, of the configuration and of the metadata service must be well-formed and agree. Typographic quotes pasted with the Region, or an override in the configuration " +
		"that only some of the agent's clients follow, send it to a name that does not exist or make its signatures wrong. Which Region the operator meant is not known here.",
	Eval: func(n *node.Node) Finding {
		key := n.Facts.Registration.Hybrid
		registered := key.Known() && key.Value.Complete()
		if registered && !facts.IsRegion(key.Value.Region) {
			return stops(n, "region-mismatch", Proven, "the hybrid registration holds %s as its Region, which is not a Region", text.Quote(key.Value.Region)).
				saw("region of RegistrationKey", text.Quote(key.Value.Region), key.From).with("region", regionIn(key.Value.Region)).fix(causes.RegisterInRegion...)
		}
		if fd, ok := loggedRegion(n, registered); ok {
			return fd
		}
		if fd, ok := overriddenRegion(n); ok {
			return fd
		}
		switch {
		case n.Identity.Region == "":
			return unknown("no Region is known")
		case n.Facts.Agent.Config.Unknown():
			return unread("configuration", n.Facts.Agent.Config)
		case key.Unknown() && n.Identity.OnEC2 != node.Yes:
			return unread("registration", key)
		case n.Log.Read() != node.Yes, n.Log.Current(facts.SigRegionInvalid).Unread(), !registered && n.Log.Current(facts.SigRegisterFailed).Unread():
			return unreadLog(n)
		}
		return pass("%s", n.Identity.Region)
	},
})

// loggedRegion finds a malformed Region in what the agent logged.
func loggedRegion(n *node.Node, registered bool) (Finding, bool) {
	if m := n.Log.Current(facts.SigRegisterFailed); m.Yes() && !registered && !n.Facts.Registration.Hybrid.Unknown() {
		for _, g := range regionInHost.FindAllStringSubmatch(m.Text, 8) {
			r := strings.ToLower(g[1])
			if facts.IsRegion(r) {
				continue
			}
			why := "which is not a Region"
			if strings.Contains(r, "%e2%80") || strings.Contains(r, "xn--") {
				why = "which is not a Region: typographic quotes were pasted with it"
			}
			return stops(n, "region-mismatch", Likely, "the agent was told to register in the Region %s, %s", text.Quote(g[1]), why).logged(m).with("region", regionIn(g[1])).fix(causes.RegisterInRegion...), true
		}
	}
	if m := n.Log.Current(facts.SigRegionInvalid); m.Yes() {
		return stops(n, "region-mismatch", Likely, "the Region text the agent was given is malformed").logged(m).fix(causes.RegisterInRegion...), true
	}
	return Finding{}, false
}

// reRegionIn is a Region within other text: quotes around it, or a zone.
var reRegionIn = pattern.New(`[a-z]{2,4}(?:-[a-z]+){1,2}-[0-9]`)

// reEscapes are characters as URLs write them.
var reEscapes = pattern.New(`%[0-9A-Fa-f]{2}`)

// regionIn is the Region that is meant by text that is none; empty: nobody can tell.
func regionIn(s string) string {
	list := reRegionIn.FindAllString(strings.ToLower(reEscapes.ReplaceAllString(s, " ")), -1)
	if len(list) != 1 || !facts.IsRegion(list[0]) {
		return ""
	}
	return list[0]
}

// overriddenRegion finds a Region in the configuration that is not the node's.
func overriddenRegion(n *node.Node) (Finding, bool) {
	own := n.Identity.Region
	c, _ := n.Facts.Agent.Config.Get()
	from := n.Facts.IMDS.Region.From
	if k, ok := n.Facts.Registration.Hybrid.Get(); ok && n.Identity.Hybrid != node.No && k.Region != "" {
		from = n.Facts.Registration.Hybrid.From
	}
	for _, o := range []struct{ key, value string }{{"Agent.Region", c.Region}, {"Mgs.Region", c.MgsRegion}} {
		if o.value == "" || own == "" || o.value == own || !facts.IsRegion(o.value) {
			continue
		}
		return stops(n, "region-mismatch", Proven, "the configuration sets %s to %s, but this node belongs to the Region %s; only some of the agent's clients follow it", o.key, o.value, own).
			saw(o.key, o.value, "file:"+n.Facts.Agent.ConfigPath).saw("Region of the node", own, from).with("config", n.Facts.Agent.ConfigPath), true
	}
	return Finding{}, false
}
