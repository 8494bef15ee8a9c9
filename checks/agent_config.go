package checks

import (
	"regexp"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var reRegion = regexp.MustCompile(`^[A-Za-z0-9-]{1,100}$`)

// rePlausibleRegion is the form of every Region name in use.
var rePlausibleRegion = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$`)

var _ = register(Check{
	ID: "agent-config", Group: "agent", Title: "The agent's configuration can be used",
	Causes: []string{"agent-config-invalid"},
	Needs:  []string{"agent-installed"},
	Doc: "Parses amazon-ssm-agent.json as the agent does: strict JSON, any case of keys, unknown keys ignored. A file that cannot be parsed ends the agent at start with exit " +
		"code 0; an endpoint or Region override with a wrong value sends it to the wrong place; an order of identities that leaves out those of this host gives it none. Values that are merely unusual pass.",
	Eval: func(f *facts.Facts) Finding {
		c, ok := f.Agent.Config.Get()
		path := f.Agent.ConfigPath
		if path == "" {
			path = "/etc/amazon/ssm/amazon-ssm-agent.json"
		}
		if !ok {
			if f.Agent.Config.Absent() {
				if m, ok := current(f, facts.SigConfigUnusable); ok {
					return fail("agent-config-invalid", Likely, "the agent could not load amazon-ssm-agent.json").logged(m).with("config", path, "path", path)
				}
				return pass("no file, built-in defaults")
			}
			return unknown("%s: %s", path, f.Agent.Config.Reason())
		}
		if c.ParseError != "" {
			fd := fail("agent-config-invalid", Proven, "%s cannot be parsed: %s", path, c.ParseError).
				saw("parse "+path, c.ParseError, "file:"+path).with("config", path, "path", path)
			if m, ok := f.Log.Last(facts.SigConfigUnusable); ok {
				fd = fd.logged(m)
			}
			return fd
		}
		for _, o := range []struct{ key, value string }{
			{"Agent.Region", c.Region}, {"Mgs.Region", c.MgsRegion},
		} {
			if o.value != "" && (!reRegion.MatchString(o.value) || !rePlausibleRegion.MatchString(o.value)) {
				return fail("agent-config-invalid", Proven, "%s sets %s to %s, which is no Region", path, o.key, quote(o.value)).
					saw(o.key+" in "+path, quote(o.value), "file:"+path).with("config", path, "path", path)
			}
		}
		// An override whose host does not answer while the default would.
		for _, e := range f.Network.Endpoints {
			if e.Configured == "" || e.Configured == "default" || e.Need != facts.NeedCore {
				continue
			}
			wrongRegion := Region(f) != "" && strings.Contains(e.Host, ".amazonaws.") && !strings.Contains(e.Host, Region(f))
			dead := e.DNS.Outcome == "nxdomain" || (e.TLS.Known() && e.TLS.Value.Kind == "wrong-name")
			if wrongRegion || dead {
				what := "does not exist"
				if wrongRegion {
					what = "belongs to another Region than " + Region(f)
				}
				return fail("agent-config-invalid", Proven, "%s overrides %s with %s, which %s", path, e.Configured, e.Host, what).
					saw(e.Configured+" in "+path, e.Host, "file:"+path).with("config", path, "path", path, "endpoint", e.Host)
			}
		}
		if has, left := leftOut(f, c); left {
			return fail("agent-config-invalid", Proven, "Identity.ConsumptionOrder in %s lets the agent be only %s, but what this host has is %s", path, strings.Join(c.ConsumptionOrder, ", "), has).
				saw("Identity.ConsumptionOrder in "+path, strings.Join(c.ConsumptionOrder, ", "), "file:"+path).with("config", path, "path", path).
				fix(causes.Step{Text: "Add what this host has (OnPrem for a hybrid registration, EC2) to Identity.ConsumptionOrder in {config}, or remove that key", Command: "grep -n -A 6 ConsumptionOrder {config}", Where: causes.OnHost, Root: true, GOOS: "linux darwin"},
					causes.Step{Text: "Add what this host has (OnPrem for a hybrid registration, EC2) to Identity.ConsumptionOrder in {config}, or remove that key", Command: "Select-String -Path {config} -Pattern ConsumptionOrder -Context 0,6", Where: causes.OnHost, Root: true, GOOS: "windows"}).
				fix(causes.Reload...)
		}
		if len(c.UnknownKeys) > 0 {
			return Finding{Status: Warn, Summary: "keys the agent ignores: " + strings.Join(c.UnknownKeys, ", ")}
		}
		return pass("%s parses", path)
	},
})

// leftOut tells what identity this host has when Identity.ConsumptionOrder
// names none that it has. Source: ssm-agent.md 2.3.
func leftOut(f *facts.Facts, c facts.Config) (has string, left bool) {
	if len(c.ConsumptionOrder) == 0 || Kind(f) == KindECS || identityAllowed(f, "ECS") || c.CustomIdentity && identityAllowed(f, "CustomIdentity") {
		return "", false
	}
	key, hybrid := f.Registration.Hybrid.Get()
	hybrid = hybrid && key.Complete()
	ec2, known := OnEC2(f)
	switch {
	case identityAllowed(f, "OnPrem") && (hybrid || f.Registration.Hybrid.Unknown()):
		return "", false
	case identityAllowed(f, "EC2") && (ec2 || !known):
		return "", false
	case hybrid:
		return "the hybrid registration " + key.InstanceID + " (OnPrem)", true
	}
	return "the identity of an EC2 instance (EC2)", ec2
}
