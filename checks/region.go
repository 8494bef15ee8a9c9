package checks

import (
	"regexp"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// reHostRegion finds the Region part of an ssm host name in a log entry, as the agent wrote it.
var reHostRegion = regexp.MustCompile(`(?i)ssm\.([^\s/"]{1,120}?)\.(?:amazonaws\.com|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov|cloud\.adc-e\.uk|amazonaws\.eu)`)

var _ = register(Check{
	ID: "region", Group: "identity", Title: "The agent works against a Region that exists and is its own",
	Causes: []string{"region-mismatch"},
	Needs:  []string{"agent-installed", "agent-config"},
	Doc: "The Region of the registration, of the configuration and of the metadata service must be well-formed and agree. Typographic quotes pasted with the Region, or an override in the configuration " +
		"that only some of the agent's clients follow, send it to a name that does not exist or make its signatures wrong. Which Region the operator meant is not known here.",
	Eval: func(f *facts.Facts) Finding {
		registered := false
		if k, ok := f.Registration.Hybrid.Get(); ok && k.Complete() {
			registered = true
			if !reRegion.MatchString(k.Region) || !rePlausibleRegion.MatchString(k.Region) {
				return fail("region-mismatch", Proven, "the hybrid registration holds the Region %s, which is no Region", quote(k.Region)).
					saw("region of RegistrationKey", quote(k.Region), f.Registration.Hybrid.From)
			}
		}
		for _, id := range []string{facts.SigRegisterFailed, facts.SigRegionInvalid} {
			m, ok := current(f, id)
			if !ok || registered && id == facts.SigRegisterFailed {
				continue
			}
			if id == facts.SigRegionInvalid {
				return fail("region-mismatch", Likely, "the Region text the agent was given is malformed").logged(m)
			}
			for _, g := range reHostRegion.FindAllStringSubmatch(m.Text, 8) {
				if r := strings.ToLower(g[1]); !rePlausibleRegion.MatchString(r) {
					why := "which is no Region"
					if strings.Contains(r, "%e2%80") || strings.Contains(r, "xn--") {
						why = "which is no Region: typographic quotes were pasted with it"
					}
					return fail("region-mismatch", Likely, "the agent was told to register in the Region %s, %s", quote(g[1]), why).logged(m)
				}
			}
		}
		own := Region(f)
		c, _ := f.Agent.Config.Get()
		for _, o := range []struct{ key, value string }{{"Agent.Region", c.Region}, {"Mgs.Region", c.MgsRegion}} {
			if o.value == "" || own == "" || o.value == own || !rePlausibleRegion.MatchString(o.value) {
				continue
			}
			fd := fail("region-mismatch", Proven, "the configuration sets %s to %s, but this node belongs to the Region %s; only some of the agent's clients follow it", o.key, o.value, own).
				saw(o.key, o.value, "file:"+f.Agent.ConfigPath).saw("Region of the node", own, f.IMDS.Region.From).with("config", f.Agent.ConfigPath)
			if _, ok := Managed(f); ok {
				fd = fd.severity(causes.Warning)
			}
			return fd
		}
		if own == "" {
			return unknown("no Region is known")
		}
		return pass("%s", own)
	},
})
