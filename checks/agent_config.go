package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// AgentConfig is agent-config.
var AgentConfig = register(Check{
	ID: "agent-config", Group: "agent", Title: "The agent's configuration can be used",
	Station:  AtAgent,
	Profiles: []Profile{ProfileHost, ProfileImage},
	Causes:   []string{"agent-config-invalid"},
	Doc: "Parses amazon-ssm-agent.json as the agent does: strict JSON, any case of keys, unknown keys ignored. A file that cannot be parsed ends the agent at start with exit " +
		"code 0; an endpoint or Region override with a wrong value sends it to the wrong place; an order of identities without that of this host leaves the agent without one. Unusual but valid values pass. " +
		"Keys that this release or no release knows are named.",
	Eval: func(n *node.Node) Finding {
		path := text.Or(n.Facts.Agent.ConfigPath, n.Layout().Config)
		c, known := n.Facts.Agent.Config.Get()
		switch {
		case !known:
			return judgeNoConfig(n, path)
		case c.ParseError != "":
			fd := configInvalid(n, path, Proven, "parse "+path, c.ParseError, "%s cannot be parsed: %s", path, c.ParseError).
				logged(n.Log.Last(facts.SigConfigUnusable))
			if c.Folder && n.Facts.Live() {
				return fd.fix(moveFolder...)
			}
			return fd
		}
		for _, o := range []struct{ key, value string }{
			{"Agent.Region", c.Region}, {"Mgs.Region", c.MgsRegion},
		} {
			if o.value != "" && !facts.IsRegion(o.value) {
				return configInvalid(n, path, Proven, o.key+" in "+path, text.Quote(o.value), "%s sets %s to %s, which is not a Region", path, o.key, text.Quote(o.value)).fix(withoutKey(o.key, "")...)
			}
		}
		endpoints := judgeOverrides(n, path, c)
		if endpoints.Cause != "" {
			return endpoints
		}
		order := judgeOrder(n, path, c)
		switch {
		case order.Cause != "":
			return order
		case len(c.UnknownKeys) > 0:
			return warns("keys that the agent ignores: %s", strings.Join(c.UnknownKeys, ", "))
		case len(n.NewerKeys()) > 0:
			return warnNewerKeys(n)
		case endpoints.Status != Pass:
			return endpoints
		case c.DualStack && n.Agent.DualStack == node.No:
			return warns("%s sets Agent.UseDualStackEndpoint, which agent %s ignores: it is for %s and later", path, n.Agent.Version, node.LeastDualStack)
		}
		return order
	},
})

// moveFolder takes a folder away that stands in the place of the configuration.
var moveFolder = []causes.Step{
	{Text: "Move the folder away: without a file the agent uses its defaults", Command: "mv {config} {config}.moved", Where: causes.OnHost, Root: true, GOOS: "linux darwin"},
	{Text: "Move the folder away: without a file the agent uses its defaults", Command: "Rename-Item {config} amazon-ssm-agent.json.moved", Where: causes.OnHost, Root: true, GOOS: "windows"},
	causes.Restart[0], causes.Again,
}

// warnNewerKeys names documented keys that this release of the agent ignores.
func warnNewerKeys(n *node.Node) Finding {
	var list []text.Text
	for _, k := range n.NewerKeys() {
		list = append(list, text.New("%s (from %s on)", k.Key, k.Since))
	}
	fd := warns("ignored by this release, agent %s: ", n.Agent.Version)
	fd.Summary = fd.Summary.Append(text.Join(list, ", "))
	return fd
}

func configInvalid(n *node.Node, path string, c Confidence, what, seen, format string, a ...any) Finding {
	return stops(n, "agent-config-invalid", c, format, a...).saw(what, seen, "file:"+path).with("config", path, "path", path)
}

// judgeNoConfig judges a host without a configuration that was read.
func judgeNoConfig(n *node.Node, path string) Finding {
	if !n.Facts.Agent.Config.Absent() {
		return unread(path, n.Facts.Agent.Config)
	}
	switch e := n.Log.Current(facts.SigConfigUnusable); {
	case outlived(n, e):
	case e.Yes():
		return stops(n, "agent-config-invalid", Likely, "the agent could not load amazon-ssm-agent.json").logged(e).with("config", path, "path", path)
	case e.Unread():
		return unreadLog(n)
	}
	return pass("no file, built-in defaults")
}

// judgeOverrides looks for an override of an endpoint that does not exist or belongs
// to another Region. An image has no Region yet, and nothing is asked there.
func judgeOverrides(n *node.Node, path string, c facts.Config) Finding {
	list, undecided := n.Endpoints.All()
	region := n.Identity.Region
	if n.Identity.Hybrid == node.Unknown {
		region = "" // a hybrid registration may give another one
	}
	for _, e := range list {
		if e.Configured == "" || e.Configured == "default" || e.Need != facts.NeedCore {
			continue
		}
		regional := strings.Contains(e.Host, ".amazonaws.") || strings.HasSuffix(e.Host, ".api.aws")
		const overrides = "%s overrides %s with %s, which %s"
		what, elsewhere := text.Text{}, false
		switch tls, _ := e.TLS.Get(); {
		case regional && region != "" && !strings.Contains(e.Host, region):
			what, elsewhere = text.New("belongs to another Region than %s", region), true
		case e.DNS.Outcome == facts.NXDomain && regional && (ofRegion(e, n.Facts.Network.Domain) || !othersResolve(list, e)):
			undecided = undecided || region == ""
			continue // taking it out would change nothing, or the resolver knows no name of AWS
		case e.DNS.Outcome == facts.NXDomain:
			what = text.New("does not exist")
		case tls.Kind == facts.WrongName && !regional: // of AWS's own name, tls-trust says so
			what = text.New("shows a certificate for another name")
		default:
			undecided = undecided || e.DNS.Outcome == "" && !e.Tried() || regional && region == ""
			continue
		}
		fd := configInvalid(n, path, Proven, e.Configured+" in "+path, e.Host, overrides, path, e.Configured, e.Host, what).
			with("endpoint", e.Host).fix(withoutKey(e.Configured, "")...)
		if elsewhere {
			return fd
		}
		return stopsAt(n, e, fd) // as dns and tls-trust say of the same name, whose reason this is
	}
	if e := n.Endpoints.Of("ec2messages"); e != nil && e.Configured == "Mds.Endpoint" && e.DNS.Outcome == facts.NXDomain {
		return warns("%s overrides %s with %s, which does not exist; only an agent that is refused ssmmessages asks there", path, e.Configured, e.Host)
	}
	overrides := c.SSMEndpoint != "" || c.MdsEndpoint != "" || c.MgsEndpoint != "" || c.MgsRegion != "" || c.ServiceDomain != ""
	switch {
	case !overrides || !undecided || !n.Facts.Live():
		return pass("%s parses", path)
	case n.Facts.Network.Endpoints.Unknown():
		return unread("endpoints that "+path+" overrides", n.Endpoints.Unseen())
	}
	return unknown("%s overrides an endpoint; its name was not asked for, or the Region of this node is not known", path)
}

// ofRegion reports whether the name of an endpoint is the one that a Region gives it.
func ofRegion(e facts.Endpoint, domain string) bool {
	rest, ok := strings.CutPrefix(e.Host, e.Service+".")
	region, ends := strings.CutSuffix(rest, "."+domain)
	return ok && ends && !strings.Contains(region, ".")
}

// othersResolve reports whether the name of another endpoint than e resolves.
func othersResolve(list []facts.Endpoint, e facts.Endpoint) bool {
	return slices.ContainsFunc(list, func(o facts.Endpoint) bool { return o.Host != e.Host && o.DNS.Outcome == facts.OK })
}

// judgeOrder looks for an Identity.ConsumptionOrder that names no identity that this
// host has. An image has none yet.
// Source: amazon-ssm-agent, common/identity/identity_selector.go.
func judgeOrder(n *node.Node, path string, c facts.Config) Finding {
	fine := pass("%s parses", path)
	if len(c.ConsumptionOrder) == 0 || n.Identity.InECS == node.Yes || !n.Facts.Live() ||
		n.MayBe("ECS") == node.Yes || c.CustomIdentity && n.MayBe("CustomIdentity") == node.Yes {
		return fine
	}
	stored, registered := n.Facts.Registration.Hybrid.Get()
	registered = registered && stored.Complete()
	hybridAllowed, ec2Allowed := n.MayBe("OnPrem") == node.Yes, n.MayBe("EC2") == node.Yes
	has := text.New("the identity of an EC2 instance (EC2)")
	if registered {
		has = text.New("the hybrid registration %s (OnPrem)", stored.InstanceID)
	}
	const inOrder = "Identity.ConsumptionOrder in %s lets the agent be only %s"
	order := strings.Join(c.ConsumptionOrder, ", ")
	switch {
	case hybridAllowed && registered, ec2Allowed && n.Identity.OnEC2 == node.Yes:
		return fine
	case n.Facts.Registration.Hybrid.Unknown() && (hybridAllowed || n.Identity.OnEC2 != node.Yes):
		return unread("hybrid registration", n.Facts.Registration.Hybrid).add("; "+inOrder, path, order)
	case !registered && n.Identity.OnEC2 == node.Unknown, ec2Allowed && n.Identity.OnEC2 == node.Unknown:
		return unknown("whether this is an EC2 instance is not known; "+inOrder, path, order)
	case n.Identity.InECS == node.Unknown:
		return unread("whether this is a task of Amazon ECS", n.Facts.ECS.Task).add("; "+inOrder, path, order)
	case !registered && n.Identity.OnEC2 == node.No:
		return fine // this host has none that the order could leave out
	}
	const key = "Identity.ConsumptionOrder"
	return configInvalid(n, path, Proven, key+" in "+path, order, inOrder+", but what this host has is %s", path, order, has).
		fix(withoutKey(key, ": it leaves out the identity of this host")...)
}

// withoutKey are the steps that set one key of a configuration back that can be parsed.
func withoutKey(key, why string) []causes.Step {
	_, word, _ := strings.Cut(key, ".")
	return append([]causes.Step{
		{Text: "Remove " + key + " from {config}" + why, Command: causes.WithoutKeys(key), Where: causes.OnHost, Root: true, GOOS: "linux darwin"},
		{Text: "Remove " + key + " from {config} in an editor" + why, Command: "Select-String -Path {config} -Pattern " + word + " -Context 0,6", Where: causes.OnHost, Root: true, GOOS: "windows"},
	}, causes.Restart...)
}
