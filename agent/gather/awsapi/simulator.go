package awsapi

import (
	"context"
	"encoding/xml"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

const (
	// maxSimulations bounds the calls of one run: two questions, and for the
	// first a second try with the other path of the role.
	maxSimulations = 3
	// simulatorPause is how long a refusal is remembered, as long as the process lives.
	simulatorPause = 24 * time.Hour
)

// iamEndpoint is the global endpoint of a partition and the Region to sign for;
// empty for partitions where it is not known.
func iamEndpoint(partition string) (host, region string) {
	switch partition {
	case "aws":
		return "iam.amazonaws.com", "us-east-1"
	case "aws-cn":
		return "iam.cn-north-1.amazonaws.com.cn", "cn-north-1"
	case "aws-us-gov":
		return "iam.us-gov.amazonaws.com", "us-gov-west-1"
	}
	return "", ""
}

// simulate asks the policy simulator what the role may do. It sees identity
// policies, a boundary and service control policies, so its answers are
// predictions. Only actions are asked that take no resource, or the node as one:
// for others a narrow policy would look like a denial.
func (c *caller) simulate(ctx context.Context, source string, k gather.Keys) []facts.Permission {
	out := c.simulations(ctx, c.principal(source), k)
	for i := range out {
		out[i].Identity, out[i].Principal, out[i].From = source, c.principal(source), node.SimulatorFrom
	}
	return out
}

// simulations are the verdicts on a principal, beginning with that on the call itself.
func (c *caller) simulations(ctx context.Context, principal string, k gather.Keys) []facts.Permission {
	own := facts.Permission{Action: node.SimulatorFrom, Verdict: facts.NotProbed, At: c.env.Now().UTC()}
	role := iamRole(principal, "")
	host, region := iamEndpoint(c.node.Identity.Partition)
	if role == "" || host == "" {
		own.Message = "the role's ARN or the partition's IAM endpoint is not known"
		return []facts.Permission{own}
	}
	if at := c.env.Memory.SimulatorRefusedAt(); !at.IsZero() && c.env.Now().Sub(at) < simulatorPause {
		own.Message, own.At = "refused less than a day ago", at
		return []facts.Permission{own}
	}
	ask := func(role string, actions []string, resource string) (reply, bool) {
		c.f.Permissions.Calls[node.SimulatorFrom]++
		r := row{action: node.SimulatorFrom, service: "iam", protocol: "query", body: simulation(role, actions, resource, c.f.Network.Region), host: host, region: region}
		rep := c.signAndSend(ctx, r, k, func(s string) string { return s })
		return rep, rep.network == nil && rep.status == 200 && rep.aws
	}
	onNode, free := simulatedActions()
	rep, ok := ask(role, free, "")
	if !ok && rep.network == nil && rep.err.Code == "NoSuchEntity" {
		// The ARN of a session does not tell the path of its role.
		role = iamRole(principal, "service-role/")
		rep, ok = ask(role, free, "")
	}
	own.Resource, own.At = role, rep.at
	if !ok {
		c.env.Memory.NoteSimulatorRefused(c.env.Now())
		return []facts.Permission{simulatorRefused(own, rep)}
	}
	own.Verdict, own.Rule = facts.AllowedProven, ruleAnswered
	out := append([]facts.Permission{own}, parseSimulation(rep.body)...)
	if arn := c.nodeARN(); arn != "" {
		if rep, ok := ask(role, onNode, arn); ok {
			for _, r := range parseSimulation(rep.body) {
				r.Resource = arn
				out = append(out, r)
			}
		}
	}
	for i := range out {
		out[i].At = rep.at
	}
	return out
}

// simulatorRefused is the verdict on the call itself when it gave no answer.
func simulatorRefused(own facts.Permission, rep reply) facts.Permission {
	own.Verdict = facts.Inconclusive
	switch {
	case rep.network != nil:
		own.Verdict, own.Message = facts.Unreachable, gather.OneLine(rep.network.Error(), 200)
		return own
	case !rep.aws:
		own.Message = rep.foreign()
		return own
	}
	own.Code, own.Message = rep.err.Code, rep.err.Message
	own.Refused = iam.ParseRefusal(own.Code, own.Message)
	if ref := own.Refused; ref.Proves(node.SimulatorFrom) {
		own.Verdict, own.Layer, own.Explicit, own.PolicyARN = facts.DeniedProven, ref.Layer, ref.Explicit, ref.PolicyARN
	}
	return own
}

// simulatedActions are the actions of the matrix that take the node as
// resource, and those that take none.
func simulatedActions() (node, free []string) {
	wanted := map[string]bool{}
	for _, f := range iam.Features() {
		for _, n := range f.Actions {
			wanted[n.Action] = wanted[n.Action] || n.Need != iam.NotInRole
		}
	}
	for _, a := range iam.Actions() {
		switch {
		case !wanted[a.Action]:
		case len(a.ResourceTypes) == 0:
			free = append(free, a.Action)
		case strings.HasPrefix(a.Action, "ssm:") && slices.Contains(a.ResourceTypes, "managed-instance") && !slices.Contains(a.ResourceTypes, "document") && !slices.Contains(a.ResourceTypes, "association"):
			node = append(node, a.Action)
		}
	}
	return node, free
}

// simulation is the form of a request.
func simulation(role string, actions []string, resource, region string) string {
	v := url.Values{"Action": {"SimulatePrincipalPolicy"}, "Version": {"2010-05-08"}, "PolicySourceArn": {role}}
	for i, a := range actions {
		v.Set("ActionNames.member."+strconv.Itoa(i+1), a)
	}
	if resource != "" {
		v.Set("ResourceArns.member.1", resource)
	}
	context := [][3]string{{"aws:SecureTransport", "boolean", "true"}, {"aws:RequestedRegion", "string", region}, {"ec2:Region", "string", region}}
	if strings.Contains(resource, ":instance/") {
		context = append(context, [3]string{"ec2:SourceInstanceARN", "string", resource})
	} else if resource != "" {
		context = append(context, [3]string{"ssm:SourceInstanceARN", "string", resource})
	}
	for i, c := range context {
		at := "ContextEntries.member." + strconv.Itoa(i+1)
		v.Set(at+".ContextKeyName", c[0])
		v.Set(at+".ContextKeyType", c[1])
		v.Set(at+".ContextKeyValues.member.1", c[2])
	}
	return v.Encode()
}

// parseSimulation reads the verdicts of an answer; none when it is not one.
func parseSimulation(body []byte) []facts.Permission {
	var d struct {
		Results []struct {
			Action   string   `xml:"EvalActionName"`
			Decision string   `xml:"EvalDecision"`
			Missing  []string `xml:"MissingContextValues>member"`
			Org      *struct {
				Allowed string `xml:"AllowedByOrganizations"`
			} `xml:"OrganizationsDecisionDetail"`
			Boundary *struct {
				Allowed string `xml:"AllowedByPermissionsBoundary"`
			} `xml:"PermissionsBoundaryDecisionDetail"`
		} `xml:"SimulatePrincipalPolicyResult>EvaluationResults>member"`
	}
	if xml.Unmarshal(body, &d) != nil {
		return nil
	}
	var out []facts.Permission
	for _, r := range d.Results {
		a, ok := iam.ActionByName(r.Action)
		if !ok || len(out) >= 200 {
			continue
		}
		p := facts.Permission{Action: a.Action, Layer: iam.LayerIdentity}
		switch r.Decision {
		case "allowed":
			p.Verdict, p.Layer, p.Rule = facts.AllowedPredicted, "", "the policy simulator; it does not see VPC endpoint, session and resource control policies"
		case "explicitDeny":
			p.Verdict, p.Explicit, p.Message = facts.DeniedPredicted, true, "the policy simulator: explicit deny"
		case "implicitDeny":
			p.Verdict, p.Message = facts.DeniedPredicted, "the policy simulator: nothing allows it"
		default:
			continue
		}
		switch {
		case p.Verdict != facts.DeniedPredicted:
		case r.Org != nil && r.Org.Allowed == "false":
			p.Layer = iam.LayerSCP
		case r.Boundary != nil && r.Boundary.Allowed == "false":
			p.Layer = iam.LayerBoundary
		}
		if len(r.Missing) > 0 {
			// It hangs on values that were not given.
			p.Verdict, p.Layer, p.Message = facts.Inconclusive, "", gather.OneLine("the policy simulator, without "+strings.Join(r.Missing, ", ")+": "+r.Decision, 300)
		}
		out = append(out, p)
	}
	return out
}

// iamRole turns the ARN of a session into that of its role; empty for another
// kind of principal.
func iamRole(arn, path string) string {
	parts := strings.SplitN(arn, ":", 6)
	name, _ := principalParts(arn)
	if len(parts) < 6 || !strings.HasPrefix(parts[5], "assumed-role/") || name == "" || name == "aws:ec2-instance" {
		return ""
	}
	return "arn:" + parts[1] + ":iam::" + parts[4] + ":role/" + path + name
}

// nodeARN is the node as a resource; empty when a part of it is not known.
func (c *caller) nodeARN() string {
	id, account, region := c.node.Identity.ID, c.node.Identity.Account, c.f.Network.Region
	if !nodeName.MatchString(id) || account == "" || region == "" {
		return ""
	}
	if strings.HasPrefix(id, "mi-") {
		return "arn:" + c.node.Identity.Partition + ":ssm:" + region + ":" + account + ":managed-instance/" + id
	}
	return "arn:" + c.node.Identity.Partition + ":ec2:" + region + ":" + account + ":instance/" + id
}
