package endpoint

import (
	"context"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// Region is the Region the agent would use (amazon-ssm-agent
// 3.3, common/identity/identity/identity_selector.go and common/identity/availableidentities).
func Region(env *gather.Env, f *facts.Facts) (region, from string) {
	if region, from = chosen(env, f); region != "" {
		return region, from
	}
	if r, ok := f.IMDS.Region.Get(); ok && regionName(r) {
		return r, f.IMDS.Region.From
	}
	return recorded(env, f)
}

// chosen is a Region that outranks what the metadata service says.
func chosen(env *gather.Env, f *facts.Facts) (region, from string) {
	if env.Region != "" {
		return env.Region, "flag"
	}
	if k, ok := f.Registration.Hybrid.Get(); ok && k.Complete() && regionName(k.Region) {
		return k.Region, f.Registration.Hybrid.From
	}
	return "", ""
}

// recorded is the Region that files and the environment name, where the metadata service
// does not.
func recorded(env *gather.Env, f *facts.Facts) (region, from string) {
	for _, s := range []facts.Seen[facts.Key]{f.Registration.EC2} {
		if k, ok := s.Get(); ok && regionName(k.Region) {
			return k.Region, s.From
		}
	}
	if i, ok := f.Registration.Informational.Get(); ok && regionName(i.Region) {
		return i.Region, f.Registration.Informational.From
	}
	if c, ok := f.Agent.Config.Get(); ok && regionName(c.Region) {
		return c.Region, f.Agent.Config.From
	}
	for _, v := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if r := env.Getenv(v); regionName(r) {
			return r, "env:" + v
		}
	}
	return "", ""
}

// Known are the facts that tell the Region: without those of the metadata service where
// nothing that this says could matter.
func Known(ctx context.Context, run *gather.Run, f *facts.Facts) *facts.Facts {
	known := &facts.Facts{Registration: f.Registration}
	known.Agent.Config = run.Config(ctx, f)
	if region, _ := chosen(run.Env, known); region == "" && run.Await(ctx, "imds") {
		known.IMDS.Region = f.IMDS.Region // others of the section may still be gathered
	}
	return known
}

// RegionBefore is the Region as far as it can be told before the metadata service has
// answered; empty: not at all. The last two are hints: on EC2 the DHCP options name a domain
// for the Region, unless they were changed.
func RegionBefore(ctx context.Context, run *gather.Run, f *facts.Facts) string {
	known := &facts.Facts{Registration: f.Registration}
	known.Agent.Config = run.Config(ctx, f)
	if region, _ := chosen(run.Env, known); region != "" {
		return region
	}
	if region, _ := recorded(run.Env, known); region != "" {
		return region
	}
	for _, domain := range f.Host.Resolver.Value.Search {
		domain = strings.TrimSuffix(domain, ".")
		if domain == "ec2.internal" {
			return "us-east-1"
		}
		if region, ok := strings.CutSuffix(domain, ".compute.internal"); ok && regionName(region) {
			return region
		}
	}
	return ""
}

func regionName(r string) bool {
	if len(r) < 6 || len(r) > 40 {
		return false
	}
	for _, c := range r {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return strings.Count(r, "-") >= 2
}

// Domain is the DNS suffix of a Region. Source: amazon-ssm-agent 3.3,
// common/identity/endpoint.
func Domain(region string) string {
	for _, d := range []struct{ prefix, domain string }{
		{"cn-", "amazonaws.com.cn"}, {"us-iso-", "c2s.ic.gov"}, {"us-isob-", "sc2s.sgov.gov"}, {"us-isof-", "csp.hci.ic.gov"},
		{"eu-isoe-", "cloud.adc-e.uk"}, {"eusc-de-", "amazonaws.eu"},
	} {
		if strings.HasPrefix(region, d.prefix) {
			return d.domain
		}
	}
	return "amazonaws.com"
}

// endpointOf is the address of a service as the agent's configuration leaves it.
func endpointOf(service, need, region, domain string, c facts.Config) facts.Endpoint {
	e := facts.Endpoint{Service: service, Need: need, Configured: "default", Host: service + "." + region + "." + domain}
	if c.ServiceDomain != "" {
		e.Configured = "Agent.ServiceDomain"
	}
	for _, o := range []struct{ service, key, value string }{
		{"ssm", "Ssm.Endpoint", c.SSMEndpoint}, {"ssmmessages", "Mgs.Endpoint", c.MgsEndpoint}, {"ec2messages", "Mds.Endpoint", c.MdsEndpoint},
		{"s3", "S3.Endpoint", c.S3Endpoint}, {"kms", "Kms.Endpoint", c.KmsEndpoint},
	} {
		if o.service == service && o.value != "" {
			h := strings.TrimPrefix(strings.TrimPrefix(o.value, "https://"), "http://")
			h, _, _ = strings.Cut(h, "/")
			e.Host, e.Configured = strings.TrimSuffix(h, ":443"), o.key
		}
	}
	if service == "ssmmessages" && c.MgsRegion != "" && c.MgsEndpoint == "" && regionName(c.MgsRegion) {
		e.Host, e.Configured = service+"."+c.MgsRegion+"."+domain, "Mgs.Region"
	}
	return e
}
