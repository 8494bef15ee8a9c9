package outside

import (
	"fmt"
	"strings"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/text"
)

// What mends the causes that the outside shows, with the names that it shows too.

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

// then are steps that the agent has to be restarted after.
func then(steps ...report.Step) []report.Step { return append(steps, restart()) }

func turnMetadataOn(region, id string) []report.Step {
	return then(step("Turn the metadata endpoint on", "aws ec2 modify-instance-metadata-options --region %s --instance-id %s --http-endpoint enabled", region, id))
}

// giveCredentials is for an instance without a profile where Default Host Management is off.
func (v *View) giveCredentials(id string) []report.Step {
	region := v.File.Region
	on := step("Or turn Default Host Management on, for every instance of the account and Region", "aws ssm update-service-setting --region %[1]s --setting-id arn:%[2]s:ssm:%[1]s:%[3]s:servicesetting/ssm/managed-instance/default-ec2-instance-management-role --setting-value service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole", region, v.Partition, v.Account)
	on.Alternative = true
	return then(step("Attach an instance profile whose role has AmazonSSMManagedInstanceCore", "aws ec2 associate-iam-instance-profile --region %s --instance-id %s --iam-instance-profile Name=PROFILE_NAME", region, id), on)
}

// associate puts a profile in the place of the one that an instance has.
const associate = "association=$(aws ec2 describe-iam-instance-profile-associations --region %[1]s --filters Name=instance-id,Values=%[2]s --query 'IamInstanceProfileAssociations[0].AssociationId' --output text)\n" +
	"aws ec2 replace-iam-instance-profile-association --region %[1]s --association-id \"$association\" --iam-instance-profile Name="

func attachAnotherProfile(region, id string) []report.Step {
	return then(step("Attach a profile that exists, and whose role has AmazonSSMManagedInstanceCore, in its place", associate+"PROFILE_NAME", region, id))
}

func putRoleInto(profile string) []report.Step {
	return then(step("Put a role into the profile", "aws iam add-role-to-instance-profile --instance-profile-name %s --role-name ROLE_NAME", profile))
}

// trusts are the trust policies of roles as permissions --trust names them.
var trusts = map[string]string{iam.SourceProfile: "ec2", iam.SourceDHMC: "dhmc", iam.SourceHybrid: "hybrid"}

// makeRoleAgain is for a role that is gone. A profile that held it gives no credentials of
// one of the same name before it is attached again.
func (v *View) makeRoleAgain(role, source string, i instance) []report.Step {
	path, policy := "", words(v.core())
	if source == iam.SourceDHMC {
		path, policy = " --path /service-role/", words("arn:"+v.Partition+":iam::aws:policy/AmazonSSMManagedEC2InstanceDefaultPolicy")
	}
	steps := []report.Step{step("Make the role again, with what a managed node needs; what else it had is not known here",
		"ssm-doctor permissions --trust %[1]s --region %[2]s --account %[3]s > trust.json\naws iam create-role --role-name %[4]s --assume-role-policy-document file://trust.json%[5]s\naws iam attach-role-policy --role-name %[4]s --policy-arn %[6]s",
		trusts[source], v.File.Region, v.Account, role, words(path), policy)}
	if source == iam.SourceProfile {
		steps = append(steps, step("Attach the profile again, so that EC2 gives out credentials of the new role", associate+"%[3]s", v.File.Region, i.InstanceId, lastPart(i.IamInstanceProfile.Arn)))
	}
	return then(steps...)
}

func (v *View) trustService(role, source string) []report.Step {
	return then(step("Let the service assume the role", "ssm-doctor permissions --trust %s --region %s --account %s > trust.json\naws iam update-assume-role-policy --role-name %s --policy-document file://trust.json", trusts[source], v.File.Region, v.Account, role))
}

func (v *View) core() string {
	return "arn:" + v.Partition + ":iam::aws:policy/AmazonSSMManagedInstanceCore"
}

func (v *View) attachCore(role string) []report.Step {
	return then(step("Attach AmazonSSMManagedInstanceCore to "+role, "aws iam attach-role-policy --role-name %s --policy-arn %s", role, v.core()))
}

// completeShadow is for a profile that keeps Default Host Management away and allows no channel.
func (v *View) completeShadow(role string) []report.Step {
	return then(step("Give the role the whole of AmazonSSMManagedInstanceCore, or take ssm:UpdateInstanceInformation from it", "aws iam attach-role-policy --role-name %s --policy-arn %s", role, v.core()))
}

// openEndpointPolicy adds the actions to the policy of an endpoint that it was seen to deny.
func (v *View) openEndpointPolicy(endpoint string, actions []string) []report.Step {
	return then(step("Allow what the policy of "+endpoint+" denies of what a node calls there: one statement more, the rest stays. AWS CloudShell has jq",
		"aws ec2 describe-vpc-endpoints --region %[1]s --vpc-endpoint-ids %[2]s --query 'VpcEndpoints[0].PolicyDocument' --output text | "+
			causes.Draft(`jq -c '.Statement |= ([.] | flatten + [{"Effect": "Allow", "Principal": {"AWS": "arn:%[3]s:iam::%[4]s:root"}, "Action": [%[5]s], "Resource": "*"}])'`, "endpoint.json", "%[2]s has no policy to add to")+
			"\naws ec2 modify-vpc-endpoint --region %[1]s --vpc-endpoint-id %[2]s --policy-document file://endpoint.json", v.File.Region, endpoint, v.Partition, v.Account, words(causes.ActionList(actions))))
}

// changePolicy is for a deny, or a layer that allows too little: the steps that the
// catalogue has for that layer.
func (v *View) changePolicy(p report.Permission, role string, explicit bool, i instance, actions []string) []report.Step {
	var list []causes.Step
	switch {
	case p.Layer == iam.LayerEndpoint:
		list = causes.EndpointDenies
	case p.Layer == iam.LayerSCP && explicit, p.Layer == iam.LayerRCP:
		list = append([]causes.Step{causes.FindSCP}, causes.SCPDenies...)
	case p.Layer == iam.LayerSCP:
		list = causes.SCPLacks
	case p.Layer == iam.LayerBoundary && explicit:
		list = causes.BoundaryDenies
	case p.Layer == iam.LayerBoundary:
		list = causes.BoundaryLacks
	case p.Layer == iam.LayerIdentity:
		list = causes.RoleDenies
	default:
		return then(step("Change the policy so that it lets "+p.Action+" through: "+p.Evidence, ""))
	}
	service, _, _ := strings.Cut(p.Action, ":")
	values := causes.Values{"region": v.File.Region, "account": v.Account, "partition": v.Partition, "role": role, "action": p.Action, "service": service, "vpc": i.VpcId,
		"actions": causes.ActionList(actions), "lacks": strings.Join(actions, ", ")}
	if p.Layer == iam.LayerRCP {
		values["policytype"] = "RESOURCE_CONTROL_POLICY"
	}
	endpoint := v.endpointOf(i, service).VpcEndpointId
	var out []report.Step
	for _, s := range list {
		if s.Where == causes.OnHost {
			continue // the restart: see then
		}
		if first, rest, ok := strings.Cut(s.Command, "\n"); ok && strings.HasPrefix(first, "id=$(") && strings.HasPrefix(endpoint, "vpce-") && causes.Safe(endpoint) {
			s.Command = "id=" + endpoint + "\n" + rest // which was seen, and need not be asked for
		}
		f := s.Fill(values)
		out = append(out, report.Step{Text: f.Text, Command: f.Command, Where: f.Where, Alternative: f.Alternative})
	}
	return then(out...)
}

func openACL(region, subnet string) []report.Step {
	return []report.Step{step("Let port 443 out and the answers in", "aws ec2 describe-network-acls --region %s --filters Name=association.subnet-id,Values=%s", region, subnet)}
}

func letOut(region, group string) []report.Step {
	return []report.Step{step("Let port 443 out of "+group, "aws ec2 authorize-security-group-egress --region %s --group-id %s --protocol tcp --port 443 --cidr 0.0.0.0/0", region, group)}
}

func letIn(region, group string, i instance) []report.Step {
	source := words("--cidr VPC_CIDR")
	if len(i.SecurityGroups) > 0 && reGroup.MatchString(i.SecurityGroups[0].GroupId) {
		source = words("--source-group " + i.SecurityGroups[0].GroupId)
	}
	return []report.Step{step("Let the instance in", "aws ec2 authorize-security-group-ingress --region %s --group-id %s --protocol tcp --port 443 %s", region, group, source)}
}

func turnPrivateDNSOn(region, endpoint string) []report.Step {
	return []report.Step{step("Turn private DNS on", "aws ec2 modify-vpc-endpoint --region %s --vpc-endpoint-id %s --private-dns-enabled", region, endpoint)}
}

// makeEndpoint makes an endpoint with the groups of another one; without any, EC2 takes
// the default group of the VPC.
func makeEndpoint(says, region, service string, i instance, groups []string) []report.Step {
	command := "aws ec2 create-vpc-endpoint --region %s --vpc-id %s --vpc-endpoint-type Interface --service-name com.amazonaws.%s.%s --subnet-ids %s --private-dns-enabled"
	values := []any{region, i.VpcId, region, service, i.SubnetId}
	if len(groups) > 0 {
		command += " --security-group-ids"
		for _, g := range groups {
			command += " %s"
			values = append(values, g)
		}
	}
	return []report.Step{step(says, command, values...)}
}
