package awsapi

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// maxParallel bounds the requests under way at the same time.
const maxParallel = 6

// What may stand in a request; facts of a host may hold anything.
var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	groupName  = regexp.MustCompile(`^[A-Za-z0-9._/#-]+$`)
	nodeName   = regexp.MustCompile(`^m?i-[0-9a-f]{8,17}$`)
)

type Permissions struct{}

func (Permissions) Name() string { return "permissions" }

// Reset empties nothing: every verdict stands for itself.
func (Permissions) Reset(*facts.Facts) {}

func (Permissions) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
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
	source := checks.Source(f)
	k, ok := run.KeysOf(source)
	if !ok {
		f.Permissions.Held = "no credentials could be read to sign with"
		if source != facts.SourceNone {
			f.Permissions.Held = "the credentials in use, " + source + ", could not be read"
		}
		return nil
	}
	p := newCaller(run, f)
	rows := slices.Clone(defaultReads)
	simulate := false
	for _, family := range env.Probes {
		rows = append(rows, probeRows(family, f, env.Parameters)...)
		simulate = simulate || family == "simulator"
	}
	rows = unique(rows)
	rows = rows[:min(len(rows), maxCalls-maxSimulations)]
	fill := p.filler()
	out := make([][]facts.Permission, len(rows))
	var wg gather.Workers
	slots := make(chan struct{}, maxParallel)
	for i, r := range rows {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			out[i] = p.ask(ctx, r, source, k, fill)
		})
	}
	wg.Wait()
	if f.Permissions.Calls == nil {
		f.Permissions.Calls = map[string]int{}
	}
	for _, r := range rows {
		f.Permissions.Calls[r.action]++
	}
	f.Permissions.Actions = slices.Concat(out...)
	if simulate {
		p.simulate(ctx, source, k)
	}
	return nil
}

// unique drops requests that two families share.
func unique(rows []row) []row {
	var out []row
	for _, r := range rows {
		if !slices.ContainsFunc(out, func(o row) bool { return o.action == r.action && o.path == r.path && o.body == r.body }) {
			out = append(out, r)
		}
	}
	return out
}

// filler puts this host's values into requests. What does not look like what it
// should be is left out: it would only be refused.
func (c *caller) filler() func(string) string {
	node, instance := checks.NodeID(c.f), c.f.IMDS.InstanceID.Value
	if !nodeName.MatchString(node) {
		node = ""
	}
	if !nodeName.MatchString(instance) {
		instance = ""
	}
	group := cmp.Or(logGroup(c.f), "/aws/ssm/")
	return strings.NewReplacer("{node}", node, "{instance}", instance, "{document}", document(c.env.GOOS), "{group}", group, "{region}", c.f.Network.Region,
		"{arn}", "arn:"+checks.Partition(c.f)+":", "{millis}", strconv.FormatInt(c.env.Now().UnixMilli(), 10)).Replace
}

// document is a public document that exists in every Region.
func document(goos string) string {
	if goos == "windows" {
		return "AWS-RunPowerShellScript"
	}
	return "AWS-RunShellScript"
}

// ask sends one row and reads what the answer proves. A refusal that names
// another action proves something of that one.
func (c *caller) ask(ctx context.Context, r row, source string, k gather.Keys, fill func(string) string) []facts.Permission {
	rep := c.signAndSend(ctx, r, k, fill)
	out := facts.Permission{Action: r.action, Identity: source, Principal: c.principal(source), Resource: fill(r.resource), Invented: r.invented, From: r.service + ":" + r.action[strings.Index(r.action, ":")+1:], At: rep.at}
	if rep.network != nil {
		out.Verdict, out.Message = facts.Unreachable, gather.OneLine(rep.network.Error(), 200)
		return []facts.Permission{out}
	}
	if !rep.aws { // whatever a proxy or portal says in the place of AWS
		out.Verdict, out.Message = facts.Inconclusive, rep.foreign()
		return []facts.Permission{out}
	}
	out.Code, out.Message = rep.err.Code, rep.err.Message
	switch {
	case rep.status >= 200 && rep.status < 300:
		out.Verdict, out.Rule = facts.AllowedProven, r.rule
		return []facts.Permission{out}
	case slices.Contains(r.allowed, strings.TrimPrefix(rep.err.Code, "Client.")):
		out.Verdict, out.Rule = facts.AllowedPredicted, r.rule
		if r.proves {
			out.Verdict = facts.AllowedProven
		}
		return []facts.Permission{out}
	}
	ref := iam.ParseRefusal(rep.err.Code, rep.err.Message)
	out.Verdict = facts.Inconclusive
	switch {
	case ref.Proves(r.action):
		out.Verdict = facts.DeniedProven
		if r.action == "ssm:GetParameter" && strings.HasSuffix(ref.Resource, ":*") {
			out.Verdict = facts.Inconclusive // what a malformed name is answered with
		}
	case ref.Action != "" && !strings.EqualFold(ref.Action, r.action) && ref.Proves(ref.Action):
		other := out
		other.Action, other.Resource, other.Invented, other.Verdict = ref.Action, ref.Resource, false, facts.DeniedProven
		if a, ok := iam.ActionByName(ref.Action); ok {
			other.Action = a.Action
		}
		other.Layer, other.Explicit, other.PolicyARN = ref.Layer, ref.Explicit, ref.PolicyARN
		if slices.Contains(r.allowedBy, other.Action) {
			out.Verdict, out.Rule, out.Code, out.Message = facts.AllowedProven, r.rule, "", ""
		}
		return []facts.Permission{out, other}
	}
	if ref.Denied {
		out.Layer, out.Explicit, out.PolicyARN = ref.Layer, ref.Explicit, ref.PolicyARN
	}
	return []facts.Permission{out}
}

// principal is the ARN that sts named for a source.
func (c *caller) principal(source string) string {
	for _, id := range c.f.Permissions.Identities {
		if id.Source == source {
			return id.ARN
		}
	}
	return ""
}
