package gather

import (
	"context"
	"encoding/xml"
	"slices"
	"strings"
	"sync"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// maxCalls bounds the signed requests of one run.
const maxCalls = 40

// Probe families that --probe may name.
var ProbeFamilies = []string{"parameters", "associations", "packages", "patching", "logs", "ec2", "deprecated", "directory"}

// callerIdentity asks who the keys belong to; every principal may.
var callerIdentity = row{action: "sts:GetCallerIdentity", service: "sts", protocol: "query", body: "Action=GetCallerIdentity&Version=2011-06-15"}

// defaultReads are the harmless reads of tier 2 (permissions.md 2.4).
var defaultReads = []row{
	{action: "ssm:GetDocument", service: "ssm", protocol: "json", target: "AmazonSSM.GetDocument", body: `{"Name":"{document}"}`, resource: "document/{document}", rule: "answered 200"},
	{action: "ssm:DescribeDocument", service: "ssm", protocol: "json", target: "AmazonSSM.DescribeDocument", body: `{"Name":"{document}"}`, resource: "document/{document}", rule: "answered 200"},
	{action: "ssm:ListInstanceAssociations", service: "ssm", protocol: "json", target: "AmazonSSM.ListInstanceAssociations", body: `{"InstanceId":"{node}","MaxResults":20}`, resource: "{node}", rule: "answered 200"},
}

// probes are the rows that only --probe sends (permissions.md 2.5).
var probes = map[string][]row{
	"parameters": {
		{action: "ssm:GetParameter", service: "ssm", protocol: "json", target: "AmazonSSM.GetParameter", body: `{"Name":"/ssm-doctor/probe/none"}`, resource: "parameter/ssm-doctor/probe/none", allowed: []string{"ParameterNotFound"}, proves: true, rule: "a missing parameter is told only to the authorised (observed)"},
		{action: "ssm:GetParameters", service: "ssm", protocol: "json", target: "AmazonSSM.GetParameters", body: `{"Names":["/ssm-doctor/probe/none"],"WithDecryption":false}`, resource: "parameter/ssm-doctor/probe/none", rule: "answered 200"},
	},
	"associations": {
		{action: "ssm:ListAssociations", service: "ssm", protocol: "json", target: "AmazonSSM.ListAssociations", body: `{"AssociationFilterList":[{"key":"InstanceId","value":"{node}"}],"MaxResults":1}`, resource: "{node}", rule: "answered 200"},
		{action: "ssm:DescribeAssociation", service: "ssm", protocol: "json", target: "AmazonSSM.DescribeAssociation", body: `{"InstanceId":"{node}","Name":"{document}"}`, resource: "{node}", allowed: []string{"AssociationDoesNotExist"}, rule: "authorises before it looks up (inferred)"},
	},
	"packages": {
		{action: "ssm:GetManifest", service: "ssm", protocol: "json", target: "AmazonSSM.GetManifest", body: `{"PackageName":"AWSPVDriver","PackageVersion":"latest"}`, allowed: []string{"ResourceNotFoundException"}, rule: "authorises before it looks up (inferred)"},
	},
	"patching": {
		{action: "ssm:DescribePatchBaselines", service: "ssm", protocol: "json", target: "AmazonSSM.DescribePatchBaselines", body: `{"MaxResults":1}`, rule: "answered 200"},
		{action: "ssm:GetPatchBaseline", service: "ssm", protocol: "json", target: "AmazonSSM.GetPatchBaseline", body: `{"BaselineId":"pb-00000000000000000"}`, allowed: []string{"DoesNotExistException", "InvalidResourceId"}, rule: "authorises before it looks up (inferred)"},
	},
	"logs": {
		{action: "logs:DescribeLogGroups", service: "logs", protocol: "json", target: "Logs_20140328.DescribeLogGroups", body: `{"logGroupNamePrefix":"/aws/ssm/","limit":1}`, rule: "answered 200"},
		{action: "logs:DescribeLogStreams", service: "logs", protocol: "json", target: "Logs_20140328.DescribeLogStreams", body: `{"logGroupName":"/aws/ssm/ssm-doctor-none","limit":1}`, allowed: []string{"ResourceNotFoundException"}, rule: "authorises before it looks up (inferred)"},
	},
	"ec2":        {dryRun("DescribeTags", "Filter.1.Name=resource-id&Filter.1.Value.1={instance}&MaxResults=5"), dryRun("DescribeVolumes", "Filter.1.Name=attachment.instance-id&Filter.1.Value.1={instance}&MaxResults=5")},
	"deprecated": {},
	"directory": {
		{action: "ds:DescribeDirectories", service: "ds", protocol: "json", target: "DirectoryService_20150416.DescribeDirectories", body: `{"Limit":1}`, rule: "answered 200"},
	},
}

// deprecated are the signs of AmazonEC2RoleforSSM (permissions.md 6.4).
func probeRows(family string) []row {
	if family == "deprecated" {
		return slices.Concat([]row{dryRun("DescribeInstanceStatus", "InstanceId.1={instance}"), probes["patching"][0]}, probes["ec2"], probes["parameters"])
	}
	return probes[family]
}

// dryRun is an EC2 request that is authorised and then refused on purpose.
func dryRun(op, query string) row {
	return row{action: "ec2:" + op, service: "ec2", protocol: "query", body: "Action=" + op + "&Version=2016-11-15&DryRun=true&" + query,
		allowed: []string{"DryRunOperation"}, proves: true, rule: "DryRun is answered after authorisation (documented)"}
}

// IdentitySources ask who the credentials on this host belong to.
func IdentitySources() []Source { return []Source{identitySource{}} }

type identitySource struct{}

func (identitySource) Name() string { return "identity" }

// Gather asks sts for each source of credentials that exists. It runs beside
// the network source, so it makes its own idea of Region and domain.
func (identitySource) Gather(ctx context.Context, env *Env, f *facts.Facts) error {
	f.Permissions = facts.Permissions{Calls: map[string]int{}}
	if !env.Live || env.Offline {
		return nil
	}
	region, _ := networkRegion(env, f)
	if region == "" {
		return nil
	}
	c, _ := f.Agent.Config.Get()
	view := facts.Facts{Host: f.Host, IMDS: facts.IMDS{}}
	view.Network.Region, view.Network.Domain = region, domain(region)
	if c.ServiceDomain != "" {
		view.Network.Domain = c.ServiceDomain
	}
	service, _ := env.hand.proxies()
	p := prober{env: env, f: &view, proxy: service, roots: env.roots()}
	var sources []string
	for _, s := range []string{facts.SourceProfile, facts.SourceDHMC, facts.SourceHybrid, facts.SourceShared} {
		if _, ok := env.hand.keysOf(s); ok && relevant(f, s) {
			sources = append(sources, s)
		}
	}
	out := make([]facts.Identity, len(sources))
	var wg sync.WaitGroup
	for i, s := range sources {
		k, _ := env.hand.keysOf(s)
		wg.Go(func() { out[i] = p.whoAmI(ctx, s, k) })
	}
	wg.Wait()
	f.Permissions.Identities = out
	f.Permissions.Calls[callerIdentity.action] = len(sources)
	return nil
}

// relevant leaves out keys that the node would not use: root's own file on a
// host where neither the agent nor its commands read it is still of interest,
// a left-over of Default Host Management beside a hybrid registration is not.
func relevant(f *facts.Facts, source string) bool {
	if source != facts.SourceDHMC {
		return true
	}
	k, ok := f.Registration.Hybrid.Get()
	return !ok || !k.Complete()
}

func (p *prober) whoAmI(ctx context.Context, source string, k keys) facts.Identity {
	r := p.signAndSend(ctx, callerIdentity, k, func(s string) string { return s })
	id := facts.Identity{Source: source, From: "sts:GetCallerIdentity", At: r.at}
	switch {
	case r.network != nil:
		id.Outcome, id.Message = "unreachable", oneLine(r.network.Error(), 200)
	case r.status == 200:
		var d struct {
			Result struct{ Arn, Account string } `xml:"GetCallerIdentityResult"`
		}
		if xml.Unmarshal(r.body, &d) == nil {
			id.ARN, id.Account = oneLine(d.Result.Arn, 300), oneLine(d.Result.Account, 20)
		}
		id.Role, id.Session = principalParts(id.ARN)
		id.Outcome = "ok"
	default:
		id.Outcome, id.Code, id.Message = "refused", r.err.code, r.err.message
	}
	return id
}

// principalParts are role (or user) and session of a principal's ARN.
func principalParts(arn string) (role, session string) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return "", ""
	}
	f := strings.Split(parts[5], "/")
	switch f[0] {
	case "assumed-role":
		if len(f) > 2 {
			return f[len(f)-2], f[len(f)-1]
		}
	case "user":
		return f[len(f)-1], ""
	}
	return "", ""
}

// PermissionSources send the harmless reads with the identity in use.
func PermissionSources() []Source { return []Source{permissionSource{}} }

type permissionSource struct{}

func (permissionSource) Name() string { return "permissions" }

func (permissionSource) Gather(ctx context.Context, env *Env, f *facts.Facts) error {
	if !env.Live || env.Offline || f.Network.Region == "" {
		return nil
	}
	if env.Hold != "" {
		f.Permissions.Held = env.Hold
		return nil
	}
	if e := f.Network.Endpoint("ssm"); e == nil || !e.TLS.Known() || !e.TLS.Value.OK {
		f.Permissions.Held = "the ssm endpoint cannot be used"
		return nil
	}
	source := signingSource(f)
	k, ok := env.hand.keysOf(source)
	if !ok {
		f.Permissions.Held = "no credentials of " + source + " could be read"
		return nil
	}
	rows := slices.Clone(defaultReads)
	for _, family := range env.Probes {
		rows = append(rows, probeRows(family)...)
	}
	rows = rows[:min(len(rows), maxCalls)]
	service, _ := env.hand.proxies()
	p := prober{env: env, f: f, proxy: service, roots: env.roots()}
	fill := strings.NewReplacer("{node}", nodeName(f), "{instance}", f.IMDS.InstanceID.Value, "{document}", document(env.GOOS)).Replace
	out := make([]facts.Permission, len(rows))
	var wg sync.WaitGroup
	for i, r := range rows {
		wg.Go(func() { out[i] = p.ask(ctx, r, source, k, fill) })
	}
	wg.Wait()
	if f.Permissions.Calls == nil {
		f.Permissions.Calls = map[string]int{}
	}
	for _, r := range rows {
		f.Permissions.Calls[r.action]++
	}
	f.Permissions.Actions = out
	return nil
}

// document is a public document that exists in every Region.
func document(goos string) string {
	if goos == "windows" {
		return "AWS-RunPowerShellScript"
	}
	return "AWS-RunShellScript"
}

// signingSource is the source of credentials that the agent signs with.
func signingSource(f *facts.Facts) string {
	if k, ok := f.Registration.Hybrid.Get(); ok && k.Complete() {
		return facts.SourceHybrid
	}
	if r, ok := f.Credentials.Runtime.Get(); ok && r.IdentityType == "OnPrem" {
		return facts.SourceHybrid
	} else if ok && r.IdentityType == "EC2" && r.Source == "SSM" {
		return facts.SourceDHMC
	}
	return facts.SourceProfile
}

func nodeName(f *facts.Facts) string {
	if k, ok := f.Registration.Hybrid.Get(); ok && k.Complete() {
		return k.InstanceID
	}
	return f.IMDS.InstanceID.Value
}

// ask sends one row and reads what the answer proves (permissions.md 2.3).
func (p *prober) ask(ctx context.Context, r row, source string, k keys, fill func(string) string) facts.Permission {
	rep := p.signAndSend(ctx, r, k, fill)
	out := facts.Permission{Action: r.action, Identity: source, Resource: fill(r.resource), From: r.service + ":" + r.action[strings.Index(r.action, ":")+1:], At: rep.at}
	for _, id := range p.f.Permissions.Identities {
		if id.Source == source {
			out.Principal = id.ARN
		}
	}
	if rep.network != nil {
		out.Verdict, out.Message = facts.Unreachable, oneLine(rep.network.Error(), 200)
		return out
	}
	out.Code, out.Message = rep.err.code, rep.err.message
	if rep.status >= 200 && rep.status < 300 {
		out.Verdict, out.Rule = facts.AllowedProven, r.rule
		return out
	}
	if slices.Contains(r.allowed, rep.err.code) || slices.Contains(r.allowed, strings.TrimPrefix(rep.err.code, "Client.")) {
		out.Verdict, out.Rule = facts.AllowedPredicted, r.rule
		if r.proves {
			out.Verdict = facts.AllowedProven
		}
		return out
	}
	ref := iam.ParseRefusal(rep.err.code, rep.err.message)
	out.Layer, out.Explicit, out.PolicyARN = ref.Layer, ref.Explicit, ref.PolicyARN
	if ref.Proves(r.action) {
		out.Verdict = facts.DeniedProven
		return out
	}
	out.Verdict = facts.Inconclusive
	return out
}
