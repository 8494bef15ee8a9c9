package awsapi

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/endpoint"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
)

// maxParallel bounds the requests under way at the same time.
const maxParallel = 6

// What may stand in a request; facts of a host may hold anything.
var (
	bucketName = pattern.New(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	groupName  = pattern.New(`^[A-Za-z0-9._/#-]+$`)
	nodeName   = pattern.New(`^m?i-[0-9a-f]{8,17}$`)
)

// Permissions sends harmless reads with the identity in use. It reads the sections of
// all earlier waves, but waits for no more of them than it needs to begin.
type Permissions struct{}

func (Permissions) Name() string { return "permissions" }

// Reset empties nothing: every verdict stands for itself.
func (Permissions) Reset(*facts.Facts) {}

func (Permissions) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	p := &f.Permissions
	if !run.Live || run.Offline {
		notSent(p, gather.NotAskable[[]facts.Permission]("there is no live request in this run", ""))
		return nil
	}
	if f.Network.Region == "" {
		notSent(p, facts.Unknown[[]facts.Permission]("no Region is known", ""))
		return nil
	}
	early := ahead(ctx, run, f)
	for _, source := range []string{"agent", "uses", "imds", "work", "imds-proxy", "identity"} {
		run.Await(context.WithoutCancel(ctx), source) // each ends, by its deadlines or by ctx
	}
	if p.Calls == nil {
		p.Calls = map[string]int{}
	}
	for _, o := range early.orders {
		p.Calls[o.action]++
	}
	c := newCaller(run, f)
	c.node = node.Of(f)
	k, held := c.mayAsk(run)
	if held.Unknown() {
		p.Held = held.Reason()
		notSent(p, held)
		return nil
	}
	defer c.hangUp()
	rows := c.rows()
	answers := early.answers
	if orders := c.orders(rows); early.keys != k || !slices.Equal(early.orders, orders) {
		for _, o := range orders {
			p.Calls[o.action]++
		}
		answers = c.askAll(ctx, rows, k)
	}
	for i := range answers {
		answers[i].Identity, answers[i].Principal = c.node.Credentials.Source, c.principal(c.node.Credentials.Source)
	}
	if slices.Contains(run.Probes, "simulator") {
		ctx, done := run.Signing(ctx)
		defer done()
		answers = append(answers, c.simulate(ctx, c.node.Credentials.Source, k)...)
	}
	p.Actions = facts.Known(answers, "")
	return nil
}

// order is what is sent of a row: where, and what. Equal ones have the same answer.
type order struct{ action, host, path, body string }

func (c *caller) orders(rows []row) []order {
	fill := c.filler()
	var out []order
	for _, r := range rows {
		out = append(out, order{r.action, c.host(r), fill(r.path), fill(r.body)})
	}
	return out
}

// reads are requests that were sent before all was known, and their answers.
type reads struct {
	keys    gather.Keys
	orders  []order
	answers []facts.Permission
}

// ahead sends the reads of every run as soon as it is known who signs them: by a
// registration, or by what the agent stored, before the metadata service has answered,
// else before all is known of the agent, whose manager may be slow to answer. Its caller
// compares what they went by with what is known in the end.
func ahead(ctx context.Context, run *gather.Run, f *facts.Facts) (out reads) {
	if len(run.Probes) > 0 {
		return out // those go by traces of features that were used
	}
	known := &facts.Facts{CollectedAt: f.CollectedAt, Root: f.Root, Host: f.Host, Registration: f.Registration, Credentials: f.Credentials, Network: f.Network, Log: f.Log, ECS: f.ECS}
	known.Agent.Config = run.Config(ctx, f)
	c := newCaller(run, known)
	c.node = node.Of(known)
	k, held := c.mayAsk(run)
	if held.Unknown() && run.Hold == "" && run.Await(ctx, "imds") {
		known.IMDS = f.IMDS.Direct() // the proxy may still be being asked
		c.node = node.Of(known)
		k, held = c.mayAsk(run)
	}
	if held.Unknown() {
		return out
	}
	defer c.hangUp()
	rows := c.rows()
	return reads{k, c.orders(rows), c.askAll(ctx, rows, k)}
}

// notSent says why no read was sent, unless answers of an earlier run are kept.
func notSent(p *facts.Permissions, why facts.Seen[[]facts.Permission]) {
	if len(p.Actions.Some()) == 0 {
		p.Actions = why
	}
}

// mayAsk yields the credentials in use, or says why no read may be sent.
func (c *caller) mayAsk(run *gather.Run) (k gather.Keys, held facts.Seen[[]facts.Permission]) {
	if run.Hold != "" {
		return k, facts.Unknown[[]facts.Permission](run.Hold, "")
	}
	if e := c.f.Network.Endpoint("ssm"); e == nil || !e.TLS.Known() || !e.TLS.Value.OK {
		return k, facts.Unknown[[]facts.Permission]("the ssm endpoint cannot be used", "")
	} else if e.HTTP.Known() && e.HTTP.Value.Outcome == facts.Timeout {
		return k, facts.Unknown[[]facts.Permission]("the ssm endpoint does not answer", "")
	}
	source := c.node.Credentials.Source
	k, ok := run.KeysOf(source)
	if ok {
		return k, facts.Known([]facts.Permission{}, "")
	}
	why := "no credentials could be read to sign with"
	if source != "" && source != facts.SourceNone {
		why = "the credentials in use, " + source + ", could not be read"
	}
	return k, facts.Unknown[[]facts.Permission](why, "").Because(unreadKeys(c.f).Obstacle())
}

// rows are the requests of this run.
func (c *caller) rows() []row {
	rows := slices.Clone(defaultReads)
	for _, family := range c.env.Probes {
		rows = append(rows, probeRows(family, c.f, c.env.Parameters)...)
	}
	rows = unique(rows)
	return rows[:min(len(rows), maxCalls-maxSimulations)]
}

const (
	// perLine is how many requests go over one connection, one after the other, before
	// another one is opened: a handshake takes two round trips, and more time of both ends.
	perLine = 3
	// turn is how long a request waits for the answer to the one before it.
	turn = 150 * time.Millisecond
)

// askAll sends rows, some at a time.
func (c *caller) askAll(ctx context.Context, rows []row, k gather.Keys) []facts.Permission {
	ctx, done := c.run.Signing(ctx)
	defer done()
	fill := c.filler()
	out := make([][]facts.Permission, len(rows))
	var wg gather.Workers
	parallel := min(maxParallel, (len(rows)+perLine-1)/perLine)
	slots := make(chan struct{}, maxParallel)
	for first := range parallel {
		wg.Go(func() {
			var own gather.Workers
			for i := first; i < len(rows); i += parallel {
				answered := make(chan struct{})
				slots <- struct{}{}
				own.Go(func() {
					defer func() {
						<-slots
						close(answered)
					}()
					out[i] = c.ask(ctx, rows[i], k, fill)
				})
				timer := time.NewTimer(turn)
				select {
				case <-answered:
				case <-timer.C:
				}
				timer.Stop()
			}
			own.Wait()
		})
	}
	wg.Wait()
	return slices.Concat(out...)
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
	node, instance := c.node.Identity.ID, c.f.IMDS.InstanceID.Value
	if !nodeName.MatchString(node) {
		node = ""
	}
	if !nodeName.MatchString(instance) {
		instance = ""
	}
	group := cmp.Or(logGroup(c.f), "/aws/ssm/")
	return strings.NewReplacer("{node}", node, "{instance}", instance, "{document}", document(c.env.GOOS), "{group}", group, "{region}", c.f.Network.Region,
		"{arn}", "arn:"+c.node.Identity.Partition+":", "{millis}", strconv.FormatInt(c.env.Now().UnixMilli(), 10)).Replace
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
func (c *caller) ask(ctx context.Context, r row, k gather.Keys, fill func(string) string) []facts.Permission {
	rep := c.signAndSend(ctx, r, k, fill)
	out := facts.Permission{Action: r.action, Resource: fill(r.resource), Invented: r.invented, From: r.service + ":" + r.action[strings.Index(r.action, ":")+1:], At: rep.at}
	switch {
	case rep.network != nil:
		out.Verdict, out.Message = facts.Unreachable, gather.Why(rep.network)
	case !rep.aws: // whatever a proxy or portal says in the place of AWS
		out.Verdict, out.Message = facts.Inconclusive, rep.foreign()
	case rep.status >= 200 && rep.status < 300:
		out.Verdict, out.Rule = facts.AllowedProven, r.rule
	case slices.Contains(r.allowed, strings.TrimPrefix(rep.err.Code, "Client.")):
		out.Verdict, out.Rule, out.Code, out.Message = facts.AllowedPredicted, r.rule, rep.err.Code, rep.err.Message
		if r.proves {
			out.Verdict = facts.AllowedProven
		}
	default:
		return refused(r, out, rep.err)
	}
	return []facts.Permission{out}
}

// refused reads what an error proves of a row, and of the action that it names.
func refused(r row, out facts.Permission, e endpoint.AWSError) []facts.Permission {
	ref := iam.ParseRefusal(e.Code, e.Message)
	out.Code, out.Message, out.Refused, out.Verdict = e.Code, e.Message, ref, facts.Inconclusive
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
			out.Verdict, out.Rule, out.Code, out.Message, out.Refused = facts.AllowedProven, r.rule, "", "", iam.Refusal{}
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
	for _, id := range c.f.Permissions.Identities.Some() {
		if id.Source == source {
			return id.ARN
		}
	}
	return ""
}
