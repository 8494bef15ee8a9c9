package outside

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/causes"
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

func step(says, command string, a ...any) report.Step {
	s := report.Step{Text: text.Plain(says), Where: causes.OperatorCLI}
	if command != "" {
		s.Command = shell(command, a...)
	}
	return s
}

// words are a part of a command that is ours.
type words string

// shell is a command. A file may be anybody's: a value that a shell does not take for one
// word leaves a name that a reader replaces.
func shell(command string, a ...any) text.Text {
	for i, v := range a {
		if s, foreign := v.(string); foreign && (!causes.Safe(s) || s[0] == '-') {
			a[i] = "UNKNOWN"
		}
	}
	return text.Plain(fmt.Sprintf(command, a...))
}

// restart is the last step of what changes rights: the agent asks again at once. Which
// command does it is known with the system of the node: see restartOn.
func restart() report.Step {
	return report.Step{Text: text.Plain("Restart the agent on the node, or wait up to 30 min; then look again"), Where: causes.OnHost, Root: true}
}

// restartOn puts the command of the node's system into the steps that restart its agent.
func restartOn(goos string, fix []report.Step) {
	for i, s := range fix {
		if s.Where == causes.OnHost && s.Command.String() == "" && goos != "" {
			fix[i].Command = causes.Step{Command: "{restart}"}.Fill(causes.Values{"goos": goos}).Command
		}
	}
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
		j.says(whatService, "it is listed, %s, last ping %s, agent %s", info.PingStatus, strings.Trim(string(info.LastPingDateTime), `"`), info.AgentVersion)
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
		j.name("metadata", "imds-disabled", "the metadata endpoint of "+i.InstanceId+" is turned off", "HttpEndpoint disabled", "ec2 describe-instances",
			step("Turn the metadata endpoint on", "aws ec2 modify-instance-metadata-options --region %s --instance-id %s --http-endpoint enabled", region, i.InstanceId), restart())
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
		j.name("credentials", "no-credential-source", "no instance profile is attached, and Default Host Management is off in "+region, "no profile; setting $None", "ssm get-service-setting",
			step("Attach an instance profile whose role has AmazonSSMManagedInstanceCore", "aws ec2 associate-iam-instance-profile --region %s --instance-id %s --iam-instance-profile Name=PROFILE_NAME", region, i.InstanceId),
			report.Step{Text: text.Plain("Or turn Default Host Management on, for every instance of the account and Region"), Where: causes.OperatorCLI, Alternative: true, Command: shell("aws ssm update-service-setting --region %[1]s --setting-id arn:%[2]s:ssm:%[1]s:%[3]s:servicesetting/ssm/managed-instance/default-ec2-instance-management-role --setting-value service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole", region, v.Partition, v.Account)},
			restart())
		j.unknown(whatRole, "")
	case profile == "" && on:
		j.rights(*v.dhmc, iam.SourceDHMC, "dhmc-role-broken", i)
	case profile == "":
		j.unknown(whatRole, "")
	case v.noProfile[profile]:
		j.name("credentials", "instance-profile-trust-broken", "the instance profile "+profile+" that is attached does not exist any more", "NoSuchEntity", "iam get-instance-profile",
			step("Attach a profile that exists", "aws ec2 describe-iam-instance-profile-associations --region %s --filters Name=instance-id,Values=%s", region, i.InstanceId), restart())
	case len(v.profiles[profile]) == 1:
		name := v.profiles[profile][0]
		j.rights(name, iam.SourceProfile, "instance-profile-trust-broken", i)
	case v.profiles[profile] != nil:
		j.name("credentials", "instance-profile-trust-broken", "the instance profile "+profile+" holds no role", "Roles is empty", "iam get-instance-profile",
			step("Put a role into the profile", "aws iam add-role-to-instance-profile --instance-profile-name %s --role-name ROLE_NAME", profile), restart())
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
		j.name("credentials", broken, "the role "+name+" does not exist", "NoSuchEntity", "iam get-role", step("Make the role again, or use another", "aws iam list-roles --query 'Roles[].RoleName'"))
		return
	}
	if r != nil && r.trust != nil {
		if service := principals[source]; !iam.TrustsService(r.trust, service) {
			kind := map[string]string{iam.SourceProfile: "ec2", iam.SourceDHMC: "dhmc", iam.SourceHybrid: "hybrid"}[source]
			j.name("credentials", broken, "the role "+name+" does not trust "+service+"amazonaws.com: its credentials are never given out", "trust policy without "+service+"amazonaws.com", "iam get-role",
				step("Let the service assume the role", "ssm-doctor permissions --trust %s --region %s --account %s > trust.json\naws iam update-assume-role-policy --role-name %s --policy-document file://trust.json", kind, region, v.Account, name), restart())
		}
	}
	layers, missing := v.layers(name)
	if layers.Identity == nil {
		j.unknown(whatRole, "iam list-attached-role-policies")
		j.scp()
		return
	}
	if r.trust != nil && len(missing) == 0 {
		j.says(whatRole, "%s: %d policies read, trust read", v.arnOf(name), len(layers.Identity))
	} else {
		j.Unknown = append(j.Unknown, whatRole+" (not read: "+strings.Join(append(missing, map[bool][]string{true: {"trust"}}[r.trust == nil]...), ", ")+")")
	}
	j.scp()
	o := engine.Offline{Layers: layers, Target: iam.Target{Partition: v.Partition, Region: region, Account: v.Account, Source: source}, Incomplete: missing, Endpoints: v.endpointPolicies(i)}
	o.Principal = "arn:" + v.Partition + ":sts::" + v.Account + ":assumed-role/" + name + "/" + id
	j.Features, j.Rights = o.Evaluate()
	heartbeat := j.verdict(core[0])
	if heartbeat != "" && heartbeat != "inconclusive" {
		j.says(whatHeartbeat, "%s", heartbeat)
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

// denied names the layer that denies an action that the node cannot do without.
func (j *Judgement) denied(p report.Permission, role string, heartbeat, dhmc bool, i instance) {
	region, v := j.v.File.Region, j.v
	lacking := "iam-missing-channel-action"
	if heartbeat {
		lacking = "iam-missing-registration-action"
	}
	explicit := strings.HasPrefix(p.Evidence, "explicit deny")
	summary := "the role " + role + " may not call " + p.Action + ": " + p.Evidence
	core := "arn:" + v.Partition + ":iam::aws:policy/AmazonSSMManagedInstanceCore"
	switch {
	case p.Layer == iam.LayerEndpoint:
		service, _, _ := strings.Cut(p.Action, ":")
		e := v.endpointOf(i, service)
		j.name("permissions", "vpce-policy-deny", "the policy of the VPC endpoint "+e.VpcEndpointId+" does not let the role "+role+" call "+p.Action, p.Evidence, "ec2 describe-vpc-endpoints",
			step("Allow "+p.Action+" in the policy of "+e.VpcEndpointId+": one statement more, the rest stays",
				"aws ec2 describe-vpc-endpoints --region %[1]s --vpc-endpoint-ids %[2]s --query 'VpcEndpoints[0].PolicyDocument' --output text | jq -c '.Statement |= ([.] | flatten + [{\"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"arn:%[3]s:iam::%[4]s:root\"}, \"Action\": [\"ssm:*\", \"ssmmessages:*\", \"ec2messages:*\"], \"Resource\": \"*\"}])' > endpoint.json\naws ec2 modify-vpc-endpoint --region %[1]s --vpc-endpoint-id %[2]s --policy-document file://endpoint.json", region, e.VpcEndpointId, v.Partition, v.Account), restart())
	case p.Layer == iam.LayerIdentity && !explicit && dhmc && !heartbeat:
		j.name("permissions", "profile-shadows-dhmc", "the profile's role "+role+" allows the heartbeat and nothing else, which keeps Default Host Management away", p.Evidence, "iam get-policy-version",
			step("Give the role the whole of AmazonSSMManagedInstanceCore, or take ssm:UpdateInstanceInformation from it", "aws iam attach-role-policy --role-name %s --policy-arn %s", role, core), restart())
	case p.Layer == iam.LayerIdentity && !explicit:
		j.name("permissions", lacking, summary, p.Evidence, "iam get-policy-version", step("Attach AmazonSSMManagedInstanceCore to "+role, "aws iam attach-role-policy --role-name %s --policy-arn %s", role, core), restart())
	default:
		where := map[string]string{iam.LayerSCP: "service control policy", iam.LayerBoundary: "permissions boundary", iam.LayerIdentity: "policy of the role"}[p.Layer]
		fix := step("Change the "+text.Or(where, "policy")+" so that it lets "+p.Action+" through: "+p.Evidence, "")
		if p.Layer == iam.LayerSCP {
			fix = step("Ask the organization's administrator to let "+p.Action+" through: "+p.Evidence, "aws organizations list-policies-for-target --target-id %s --filter SERVICE_CONTROL_POLICY", v.Account)
		}
		j.name("permissions", "iam-explicit-deny", summary, p.Evidence, "iam get-policy-version", fix, restart())
	}
}

func (j *Judgement) scp() {
	if j.v.scp != nil {
		n := 0
		for _, l := range j.v.scp {
			n += len(l)
		}
		j.says(whatSCP, "%d policies on %d levels read", n, len(j.v.scp))
		return
	}
	call := "organizations list-policies-for-target"
	if j.v.Refused[call] == "" && j.v.Refused["organizations list-parents"] != "" {
		call = "organizations list-parents"
	}
	j.unknown(whatSCP, call)
}

// service is the service of an endpoint's name: com.amazonaws.eu-central-1.ssm.
func (e endpoint) service() string {
	return e.ServiceName[strings.LastIndexByte(e.ServiceName, '.')+1:]
}

// endpointOf is the endpoint through which the names of a service lead, or nothing.
func (v *View) endpointOf(i instance, service string) endpoint {
	for _, e := range v.endpoints[i.VpcId] {
		if e.service() == service && e.VpcEndpointType == "Interface" && e.PrivateDnsEnabled && strings.EqualFold(e.State, "available") {
			return e
		}
	}
	return endpoint{}
}

func (v *View) endpointPolicies(i instance) map[string][]*iam.Policy {
	out := map[string][]*iam.Policy{}
	for _, service := range []string{"ssm", "ssmmessages", "ec2messages"} {
		e := v.endpointOf(i, service)
		if e.PolicyDocument == "" {
			continue
		}
		if p, err := iam.ParsePolicy([]byte(e.PolicyDocument)); err == nil {
			p.Name = e.VpcEndpointId
			out[service] = []*iam.Policy{p}
		}
	}
	return out
}

var reGroup = regexp.MustCompile(`^sg-[0-9a-f]{8,17}$`)

// network follows port 443 from the instance to each of the two services it needs.
func (j *Judgement) network(i instance) {
	v, region := j.v, j.v.File.Region
	list, known := v.endpoints[i.VpcId]
	if !known {
		j.unknown(whatEndpoints, "ec2 describe-vpc-endpoints")
	}
	own, ownKnown := []group{}, len(i.SecurityGroups) > 0
	for _, g := range i.SecurityGroups {
		if x, ok := v.groups[g.GroupId]; ok {
			own = append(own, x)
		} else {
			ownKnown = false
		}
	}
	if !ownKnown {
		j.unknown(whatGroups, "ec2 describe-security-groups")
	}
	way, wayKnown, wayText := v.wayOut(i)
	if !wayKnown {
		j.unknown(whatRoutes, "ec2 describe-route-tables")
	}
	aclDenies, aclKnown := v.aclDenies(i)
	if wayKnown {
		j.says(whatRoutes, "%s", wayText)
	}
	if aclDenies != "" {
		j.name("tcp", "network-no-egress", "the network ACL "+aclDenies, aclDenies, "ec2 describe-network-acls", step("Let port 443 out and the answers in", "aws ec2 describe-network-acls --region %s --filters Name=association.subnet-id,Values=%s", region, i.SubnetId))
	}
	if ownKnown {
		out := slices.ContainsFunc(own, func(g group) bool { return opens(g.IpPermissionsEgress) })
		j.says(whatGroups, "%s", map[bool]string{true: "a rule lets port 443 out", false: "no rule lets port 443 out"}[out])
		if !out {
			g := i.SecurityGroups[0].GroupId
			j.name("tcp", "network-no-egress", "no security group of the instance lets port 443 out", "no egress rule for 443 in "+groupNames(i), "ec2 describe-security-groups",
				step("Let port 443 out of "+g, "aws ec2 authorize-security-group-egress --region %s --group-id %s --protocol tcp --port 443 --cidr 0.0.0.0/0", region, g))
		}
	}
	if !known {
		return
	}
	var says []string
	any := slices.ContainsFunc(list, func(e endpoint) bool { return e.service() == "ssm" || e.service() == "ssmmessages" })
	for _, service := range []string{"ssm", "ssmmessages"} {
		e := v.endpointOf(i, service)
		if e.VpcEndpointId == "" {
			says = append(says, "none for "+service)
			at := slices.IndexFunc(list, func(e endpoint) bool { return e.service() == service && e.VpcEndpointType == "Interface" })
			switch {
			case way != noWay || !wayKnown:
			case at >= 0 && !list[at].PrivateDnsEnabled:
				j.name("tcp", "vpce-private-dns-off", "the endpoint "+list[at].VpcEndpointId+" for "+service+" has private DNS off, and the subnet has no other way out", "PrivateDnsEnabled false", "ec2 describe-vpc-endpoints",
					step("Turn private DNS on", "aws ec2 modify-vpc-endpoint --region %s --vpc-endpoint-id %s --private-dns-enabled", region, list[at].VpcEndpointId))
			case any:
				j.name("tcp", "vpce-service-missing", "there is no VPC endpoint for "+service+" in "+i.VpcId+", and the subnet has no other way out", "no endpoint for "+service, "ec2 describe-vpc-endpoints",
					step("Make the endpoint", "aws ec2 create-vpc-endpoint --region %s --vpc-id %s --vpc-endpoint-type Interface --service-name com.amazonaws.%s.%s --subnet-ids %s --private-dns-enabled", region, i.VpcId, region, service, i.SubnetId))
			default:
				j.name("tcp", "network-no-egress", "the subnet "+i.SubnetId+" has no way out and its VPC no endpoints for Systems Manager", wayText, "ec2 describe-route-tables",
					step("Give the subnet a NAT gateway, or the VPC endpoints for ssm and ssmmessages", "aws ec2 create-vpc-endpoint --region %s --vpc-id %s --vpc-endpoint-type Interface --service-name com.amazonaws.%s.ssm --subnet-ids %s --private-dns-enabled", region, i.VpcId, region, i.SubnetId))
				j.says(whatEndpoints, "none for ssm and ssmmessages")
				return
			}
			continue
		}
		says = append(says, service+" by "+e.VpcEndpointId)
		lets, sure := v.letsIn(e, i)
		if sure && !lets && len(e.Groups) > 0 && reGroup.MatchString(e.Groups[0].GroupId) {
			source := words("--cidr VPC_CIDR")
			if len(i.SecurityGroups) > 0 && reGroup.MatchString(i.SecurityGroups[0].GroupId) {
				source = words("--source-group " + i.SecurityGroups[0].GroupId)
			}
			j.name("tcp", "vpce-sg-blocked", "the security group "+e.Groups[0].GroupId+" of the endpoint "+e.VpcEndpointId+" does not let 443 in from this instance", "no ingress rule for 443 from "+i.PrivateIpAddress+" or "+groupNames(i), "ec2 describe-security-groups",
				step("Let the instance in", "aws ec2 authorize-security-group-ingress --region %s --group-id %s --protocol tcp --port 443 %s", region, e.Groups[0].GroupId, source))
		}
	}
	if aclKnown && ownKnown {
		j.says(whatEndpoints, "%s", strings.Join(says, ", "))
	} else {
		j.Unknown = append(j.Unknown, whatEndpoints+" (read in part)")
	}
}

func groupNames(i instance) string {
	var out []string
	for _, g := range i.SecurityGroups {
		out = append(out, g.GroupId)
	}
	return strings.Join(out, ", ")
}

func (p permission) covers(port int) bool {
	if p.IpProtocol == "-1" {
		return true
	}
	return (p.IpProtocol == "tcp" || p.IpProtocol == "6") && (p.FromPort == nil || *p.FromPort <= port) && (p.ToPort == nil || *p.ToPort >= port)
}

// opens reports whether a rule lets port 443 out to anything: to what is not judged.
func opens(list []permission) bool {
	return slices.ContainsFunc(list, func(p permission) bool {
		return p.covers(443) && len(p.IpRanges)+len(p.Ipv6Ranges)+len(p.UserIdGroupPairs)+len(p.PrefixListIds) > 0
	})
}

// letsIn reports whether the groups of an endpoint let the instance in on 443; sure is
// false where a group was not read or a rule names a prefix list.
func (v *View) letsIn(e endpoint, i instance) (lets, sure bool) {
	sure = len(e.Groups) > 0
	address, err := netip.ParseAddr(i.PrivateIpAddress)
	for _, ref := range e.Groups {
		g, ok := v.groups[ref.GroupId]
		if !ok {
			sure = false
			continue
		}
		for _, p := range g.IpPermissions {
			if !p.covers(443) {
				continue
			}
			if len(p.PrefixListIds) > 0 {
				sure = false
			}
			for _, r := range p.IpRanges {
				if n, bad := netip.ParsePrefix(r.CidrIp); bad == nil && err == nil && n.Contains(address) {
					return true, true
				}
			}
			for _, pair := range p.UserIdGroupPairs {
				if slices.ContainsFunc(i.SecurityGroups, func(g struct{ GroupId string }) bool { return g.GroupId == pair.GroupId }) {
					return true, true
				}
			}
		}
	}
	return false, sure && err == nil
}

// Ways out of a subnet.
const (
	noWay = iota
	someWay
)

// reGateway are gateways behind which private networks lie.
var reGateway = regexp.MustCompile(`^(vgw|lgw|cagw)-`)

// wayOut says whether a subnet has a default route that leads somewhere, or a route to a
// network behind which the services may be reached.
func (v *View) wayOut(i instance) (way int, known bool, says string) {
	tables, ok := v.routes[i.VpcId]
	if !ok {
		return noWay, false, ""
	}
	at := slices.IndexFunc(tables, func(t routeTable) bool {
		for _, a := range t.Associations {
			if a.SubnetId != "" && a.SubnetId == i.SubnetId {
				return true
			}
		}
		return false
	})
	if at < 0 {
		at = slices.IndexFunc(tables, func(t routeTable) bool {
			for _, a := range t.Associations {
				if a.Main {
					return true
				}
			}
			return false
		})
	}
	if at < 0 {
		return noWay, false, ""
	}
	t := tables[at]
	for _, r := range t.Routes {
		if r.DestinationCidrBlock != "0.0.0.0/0" {
			continue
		}
		to := text.Or(r.NatGatewayId, text.Or(r.TransitGatewayId, text.Or(r.NetworkInterfaceId, text.Or(r.InstanceId, text.Or(r.VpcPeeringConnectionId, r.GatewayId)))))
		switch {
		case r.State == "blackhole":
			return noWay, true, "the default route of " + t.RouteTableId + " leads to " + to + ", which is gone"
		case strings.HasPrefix(r.GatewayId, "igw-") && i.PublicIpAddress == "":
			return noWay, true, "the default route of " + t.RouteTableId + " leads to " + to + ", and the instance has no public address"
		}
		return someWay, true, "the default route of " + t.RouteTableId + " leads to " + to
	}
	for _, r := range t.Routes { // endpoints and proxies may lie behind it
		to := text.Or(r.TransitGatewayId, text.Or(r.NetworkInterfaceId, text.Or(r.InstanceId, text.Or(r.VpcPeeringConnectionId, text.Or(r.NatGatewayId, r.CoreNetworkArn)))))
		if to == "" && reGateway.MatchString(r.GatewayId) {
			to = r.GatewayId
		}
		if to != "" && r.State != "blackhole" {
			return someWay, true, t.RouteTableId + " has no default route, and one to " + text.Or(r.DestinationCidrBlock, "a prefix list") + " by " + to
		}
	}
	return noWay, true, t.RouteTableId + " has no default route"
}

// aclDenies names the network ACL that drops port 443 to everywhere, or its answers.
func (v *View) aclDenies(i instance) (says string, known bool) {
	list, ok := v.acls[i.VpcId]
	if !ok {
		return "", false
	}
	for _, a := range list {
		mine := false
		for _, s := range a.Associations {
			mine = mine || s.SubnetId == i.SubnetId
		}
		if !mine {
			continue
		}
		if a.drops(true, 443) {
			return a.NetworkAclId + " lets port 443 out to nowhere", true
		}
		if a.drops(false, 40000) && a.drops(false, 50000) {
			return a.NetworkAclId + " lets no answers in", true
		}
		return "", true
	}
	return "", false
}

// drops reports whether no entry allows a port in a direction, or an entry for all
// addresses denies it first.
func (a acl) drops(egress bool, port int) bool {
	entries := slices.Clone(a.Entries)
	slices.SortFunc(entries, func(x, y struct {
		RuleNumber           int
		Protocol, RuleAction string
		Egress               bool
		CidrBlock            string
		PortRange            *struct{ From, To int }
	}) int {
		return x.RuleNumber - y.RuleNumber
	})
	for _, e := range entries {
		if e.Egress != egress || e.Protocol != "-1" && e.Protocol != "6" || e.Protocol == "6" && e.PortRange != nil && (port < e.PortRange.From || port > e.PortRange.To) {
			continue
		}
		if e.RuleAction == "allow" {
			return false
		}
		if e.CidrBlock == "0.0.0.0/0" {
			return true
		}
	}
	return true
}
