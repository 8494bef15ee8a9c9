package outside

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/text"
)

// What reports list as not looked at, as far as it can be looked at from outside; see
// checks/diagnose.
const (
	whatService   = "what the service says of this node"
	whatEndpoints = "VPC endpoints: their policies, security groups and private DNS"
	whatGroups    = "security groups of this instance"
	whatRoutes    = "network ACL and route table of the subnet"
	whatDHMC      = "Default Host Management Configuration"
	whatMetadata  = "metadata options, among them the hop limit"
	whatTier      = "tier of hybrid nodes, of which sessions need the advanced one"
	whatHeartbeat = "whether the role allows ssm:UpdateInstanceInformation"
	whatRole      = "policies and trust of the role"
	whatSCP       = "service control policies"
)

// named is a cause that the outside shows, at a station of the path.
type named struct {
	station string
	cause   report.Cause
}

// Judgement is what the outside says of one node.
type Judgement struct {
	Node     string
	Looked   []report.Looked // what was looked at and what it says
	Unknown  []string        // what was asked and not answered
	Features []report.Feature
	Rights   []report.Permission

	causes  []named
	online  *bool  // what the service says; nil: not known
	stopped string // state of an instance that does not run
	v       *View
}

func (j *Judgement) says(what, format string, a ...any) {
	j.Looked = append(j.Looked, report.Looked{What: what, Says: fmt.Sprintf(format, a...)})
}

func (j *Judgement) unknown(what, call string) {
	why := "not asked"
	if j.v.File.NotAsked > 0 {
		why = fmt.Sprintf("not asked: %d calls are more than one run makes", j.v.File.NotAsked)
	}
	if j.v.cut[call] {
		why = "not asked: " + j.v.short(call)
	}
	if code := j.v.Refused[call]; code != "" {
		why = "aws " + call + ": " + code
	}
	j.Unknown = append(j.Unknown, what+" ("+why+")")
}

// name adds a cause with what was seen and what mends it.
func (j *Judgement) name(station, id, summary, seen, from string, fix ...report.Step) {
	c := causes.Get(id)
	j.causes = append(j.causes, named{station, report.Cause{ID: id, Group: c.Group, Severity: string(causes.Critical), Title: c.Title, Summary: text.Plain(summary), Confidence: "proven",
		Evidence: []report.Evidence{{What: from, Seen: seen, From: "outside: aws " + from, At: text.Stamp(j.v.File.GeneratedAt)}}, Fix: fix, Docs: append([]string{"causes/" + id + ".md"}, c.Docs...)}})
}

// Judge says what the file says of a node.
func (v *View) Judge(id string) *Judgement {
	j := &Judgement{Node: id, v: v}
	j.service(id)
	if reHybrid.MatchString(id) {
		j.hybrid(id)
		return j
	}
	i, ok := v.instances[id]
	if !ok && v.cut["ec2 describe-instances"] {
		j.unknown("the instance", "ec2 describe-instances")
		return j
	}
	if !ok && v.Refused["ec2 describe-instances"] == "" && v.sawInstances {
		j.Unknown = append(j.Unknown, fmt.Sprintf("the instance (not found: is it of this account and of %s?)", v.File.Region))
		return j
	}
	if !ok {
		j.unknown("the instance", "ec2 describe-instances")
		return j
	}
	if s := i.State.Name; s != "" && s != "running" {
		j.says("state of the instance", "%s: an agent runs on running instances only", s)
		j.stopped = s
		return j
	}
	j.metadata(i)
	j.network(i)
	j.credentials(i)
	return j
}

func (j *Judgement) service(id string) {
	v := j.v
	info, listed := v.listed[id]
	switch {
	case listed:
		online := info.PingStatus == "Online"
		j.online = &online
		j.says(whatService, "it is listed, %s, last ping %s, agent %s", info.PingStatus, moment(info.LastPingDateTime), info.AgentVersion)
	case v.asked[id] || v.allListed:
		if _, here := v.instances[id]; !here { // it may be of another account or Region
			j.Unknown = append(j.Unknown, fmt.Sprintf("%s (not listed here: is the node of this account and of %s?)", whatService, v.File.Region))
			return
		}
		no := false
		j.online = &no
		j.says(whatService, "it does not know the node in %s", v.File.Region)
	default:
		j.unknown(whatService, "ssm describe-instance-information")
	}
}

// moment is a time as release 2 of the AWS CLI writes it, or 1, in seconds.
func moment(b json.RawMessage) string {
	var seconds float64
	if json.Unmarshal(b, &seconds) == nil && seconds > 0 && seconds < 1e11 {
		return text.Stamp(time.Unix(int64(seconds), 0).UTC())
	}
	var s string
	if json.Unmarshal(b, &s) == nil && s != "" {
		return s
	}
	return "not known"
}

func (j *Judgement) hybrid(id string) {
	v := j.v
	if v.tier != "" {
		j.says(whatTier, "%s", v.tier)
	} else {
		j.unknown(whatTier, "ssm get-service-setting")
	}
	name := lastPart(v.listed[id].IamRole)
	if !reName.MatchString(name) {
		j.unknown(whatRole, "ssm describe-instance-information")
		return
	}
	j.rights(name, iam.SourceHybrid, "hybrid-role-broken", instance{InstanceId: id})
}

func (j *Judgement) metadata(i instance) {
	m, region := i.MetadataOptions, j.v.File.Region
	if m.HttpEndpoint == "" {
		j.unknown(whatMetadata, "ec2 describe-instances")
		return
	}
	j.says(whatMetadata, "endpoint %s, tokens %s, hop limit %d", m.HttpEndpoint, m.HttpTokens, m.HttpPutResponseHopLimit)
	if m.HttpEndpoint == "disabled" {
		j.name("metadata", "imds-disabled", "the metadata endpoint of "+i.InstanceId+" is turned off", "HttpEndpoint disabled", "ec2 describe-instances", turnMetadataOn(region, i.InstanceId)...)
	}
}

// credentials says which role the node signs with, whether EC2 may assume it and what it
// may do.
func (j *Judgement) credentials(i instance) {
	v, region := j.v, j.v.File.Region
	switch {
	case v.dhmc == nil:
		j.unknown(whatDHMC, "ssm get-service-setting")
	case *v.dhmc == "":
		j.says(whatDHMC, "off")
	default:
		j.says(whatDHMC, "on, %s", v.arnOf(*v.dhmc))
	}
	on := v.dhmc != nil && *v.dhmc != ""
	profile := lastPart(i.IamInstanceProfile.Arn)
	switch {
	case profile == "" && v.dhmc != nil && !on:
		j.name("credentials", "no-credential-source", "no instance profile is attached, and Default Host Management is off in "+region, "no profile; setting $None", "ssm get-service-setting", v.giveCredentials(i.InstanceId)...)
		j.unknown(whatRole, "")
	case profile == "" && on:
		j.rights(*v.dhmc, iam.SourceDHMC, "dhmc-role-broken", i)
	case profile == "":
		j.unknown(whatRole, "")
	case v.noProfile[profile]:
		j.name("credentials", "instance-profile-trust-broken", "the instance profile "+profile+" that is attached does not exist any more", "NoSuchEntity", "iam get-instance-profile", attachAnotherProfile(region, i.InstanceId)...)
	case len(v.profiles[profile]) == 1:
		name := v.profiles[profile][0]
		j.rights(name, iam.SourceProfile, "instance-profile-trust-broken", i)
	case v.profiles[profile] != nil:
		j.name("credentials", "instance-profile-trust-broken", "the instance profile "+profile+" holds no role", "Roles is empty", "iam get-instance-profile", putRoleInto(profile)...)
	default:
		j.unknown(whatRole, "iam get-instance-profile")
	}
}

// core are the actions without which a node is none, in the order in which they are needed.
var core = []string{"ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel"}

// principals are the services that assume the role of each source.
var principals = map[string]string{iam.SourceProfile: "ec2.", iam.SourceDHMC: "ssm.", iam.SourceHybrid: "ssm."}

func (j *Judgement) rights(name, source, broken string, i instance) {
	v, region, id := j.v, j.v.File.Region, i.InstanceId
	r := v.roles[name]
	j.says("role of the node", "%s", v.arnOf(name)) // the form by which redaction learns the name
	if v.noRole[name] {
		j.name("credentials", broken, "the role "+name+" does not exist", "NoSuchEntity", "iam get-role", v.makeRoleAgain(name, source, i)...)
		return
	}
	if r != nil && r.trust != nil {
		if service := principals[source]; !iam.TrustsService(r.trust, service) {
			j.name("credentials", broken, "the role "+name+" does not trust "+service+"amazonaws.com: its credentials are never given out", "trust policy without "+service+"amazonaws.com", "iam get-role", v.trustService(name, source)...)
		}
	}
	layers, missing := v.layers(name)
	if layers.Identity == nil {
		j.unknown(whatRole, "iam list-attached-role-policies")
		j.scp()
		return
	}
	if r.trust != nil && len(missing) == 0 {
		j.says(whatRole, "%s: %s and the trust read", v.arnOf(name), policies(len(layers.Identity)))
	} else {
		j.Unknown = append(j.Unknown, whatRole+" (not read: "+strings.Join(append(missing, map[bool][]string{true: {"trust"}}[r.trust == nil]...), ", ")+")")
	}
	j.scp()
	o := engine.Offline{Layers: layers, Target: iam.Target{Partition: v.Partition, Region: region, Account: v.Account, Source: source}, Incomplete: missing, Endpoints: v.endpointPolicies(i), ResourceUnknown: true}
	o.Principal = "arn:" + v.Partition + ":sts::" + v.Account + ":assumed-role/" + name + "/" + id
	j.Features, j.Rights = o.Evaluate()
	j.resourceControl()
	heartbeat := j.verdict(core[0])
	if heartbeat != "" && heartbeat != "inconclusive" {
		j.says(whatHeartbeat, "%s", verdictWords(heartbeat))
	} else {
		j.Unknown = append(j.Unknown, whatHeartbeat+" (what was read does not tell)")
	}
	dhmc := source == iam.SourceProfile && v.dhmc != nil && *v.dhmc != ""
	if dhmc && heartbeat == "denied-predicted" {
		j.rights(*v.dhmc, iam.SourceDHMC, "dhmc-role-broken", i)
		return
	}
	for n, action := range core {
		p := j.right(action)
		if p.Verdict != "denied-predicted" {
			continue
		}
		j.denied(p, name, n == 0, dhmc, i)
		return
	}
}

// arnOf is the ARN of a role.
func (v *View) arnOf(name string) string {
	if r := v.roles[name]; r != nil && r.arn != "" {
		return r.arn
	}
	return "arn:" + v.Partition + ":iam::" + v.Account + ":role/" + name
}

func (j *Judgement) right(action string) report.Permission {
	for _, p := range j.Rights {
		if p.Action == action {
			return p
		}
	}
	return report.Permission{}
}

func (j *Judgement) verdict(action string) string { return j.right(action).Verdict }

// readBy are the calls that read the policies of a layer.
var readBy = map[string]string{iam.LayerIdentity: "iam get-policy-version", iam.LayerBoundary: "iam get-policy-version", iam.LayerSCP: "organizations describe-policy"}

// denied names the layer that denies an action that the node cannot do without.
func (j *Judgement) denied(p report.Permission, role string, heartbeat, dhmc bool, i instance) {
	v := j.v
	lacking := "iam-missing-channel-action"
	if heartbeat {
		lacking = "iam-missing-registration-action"
	}
	explicit := strings.HasPrefix(p.Evidence, "explicit deny")
	service, _, _ := strings.Cut(p.Action, ":")
	summary := "the role " + role + " may not call " + p.Action + ": " + p.Evidence
	switch {
	case p.Layer == iam.LayerEndpoint && explicit:
		j.name("permissions", "vpce-policy-deny", "the policy of the VPC endpoint for "+service+" denies "+p.Action+" to the role "+role, p.Evidence, "ec2 describe-vpc-endpoints", v.changePolicy(p, role, explicit, i, nil)...)
	case p.Layer == iam.LayerEndpoint:
		e := v.endpointOf(i, service)
		j.name("permissions", "vpce-policy-deny", "the policy of the VPC endpoint "+e.VpcEndpointId+" does not let the role "+role+" call "+p.Action, p.Evidence, "ec2 describe-vpc-endpoints", v.openEndpointPolicy(e.VpcEndpointId, j.deniedBy(p, service))...)
	case p.Layer == iam.LayerIdentity && !explicit && dhmc && !heartbeat:
		j.name("permissions", "profile-shadows-dhmc", "the profile's role "+role+" allows the heartbeat and nothing else, which keeps Default Host Management away", p.Evidence, "iam get-policy-version", v.completeShadow(role)...)
	case p.Layer == iam.LayerIdentity && !explicit:
		j.name("permissions", lacking, summary, p.Evidence, "iam get-policy-version", v.attachCore(role)...)
	default:
		j.name("permissions", "iam-explicit-deny", summary, p.Evidence, readBy[p.Layer], v.changePolicy(p, role, explicit, i, j.deniedBy(p, "ssm", "ssmmessages"))...)
	}
}

// deniedBy are an action and those of services that a node calls and the same layer denies.
func (j *Judgement) deniedBy(first report.Permission, services ...string) []string {
	out := []string{first.Action}
	for _, p := range j.Rights {
		if p.Action != first.Action && p.Layer == first.Layer && p.Verdict == facts.DeniedPredicted && slices.ContainsFunc(services, func(s string) bool { return slices.Contains(causes.CoreActions(s), p.Action) }) {
			out = append(out, p.Action)
		}
	}
	return out
}

func (j *Judgement) scp() {
	if j.v.free != "" {
		j.says(whatSCP, "none: %s", j.v.free)
		return
	}
	if j.v.scp != nil && len(j.v.scp) == 0 {
		j.says(whatSCP, "none: the organization has not enabled them")
		return
	}
	if j.v.scp != nil {
		n := 0
		for _, l := range j.v.scp {
			n += len(l)
		}
		j.says(whatSCP, "%s read, attached on %d levels", policies(n), len(j.v.scp))
		return
	}
	call := "organizations list-policies-for-target"
	if j.v.Refused[call] == "" && j.v.Refused["organizations list-parents"] != "" {
		call = "organizations list-parents"
	}
	j.unknown(whatSCP, call)
}

// resourceControl says what resource control policies keep the role from, for resources
// of the organization: of others they say nothing. Systems Manager itself is not under them.
func (j *Judgement) resourceControl() {
	var denied []string
	for _, p := range j.Rights {
		if p.Layer == iam.LayerRCP && p.Verdict == facts.Inconclusive {
			denied = append(denied, p.Action)
		}
	}
	if len(denied) > 0 {
		j.says("resource control policies", "they deny, for resources of the organization: %s", strings.Join(denied, ", "))
	}
}

func policies(n int) string {
	if n == 1 {
		return "1 policy"
	}
	return fmt.Sprintf("%d policies", n)
}

// verdictWords is a verdict about an action as a sentence has it.
func verdictWords(verdict string) string {
	if w := map[string]string{facts.AllowedPredicted: "allowed by the policies that were read", facts.DeniedPredicted: "denied by the policies that were read"}[verdict]; w != "" {
		return w
	}
	return verdict
}
