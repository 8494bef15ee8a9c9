package diagnose

import (
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// NotLooked is something that cannot be seen from the host, with the command
// that an operator runs to look.
type NotLooked struct {
	What, Why string
	Command   text.Text
}

// notLooked lists what this run could not see and what bears on its answer.
func notLooked(n *node.Node, a Answer) []NotLooked {
	v := values(n)
	ec2 := n.Identity.OnEC2 == node.Yes
	var out []NotLooked
	add := func(what, why, command string) {
		out = append(out, NotLooked{what, why, causes.Step{Command: command}.Fill(v).Command})
	}
	if v["node"] != "" {
		add("what the service says of this node", "it answers only to an operator's credentials",
			"aws ssm describe-instance-information --filters Key=InstanceIds,Values={node} --region {region}")
	}
	for _, p := range n.Facts.Permissions.Actions.Some() {
		if blob := p.Refused.Encoded; blob != "" && !strings.HasSuffix(p.Message, "…") {
			add("why "+p.Action+" is refused", "the answer is encoded for an operator who may decode it", "aws sts decode-authorization-message --encoded-message "+blob)
		}
	}
	if a.State == Managed {
		if v["node"] != "" {
			add("what callers do", "who cannot reach a managed node asks in another Region or at another endpoint, lacks permissions, or has an old plug-in",
				"aws ssm start-session --region {region} --target {node}")
		}
		return out
	}
	private := false
	list, _ := n.Endpoints.All()
	for _, e := range list {
		private = private || e.Scope == "private"
	}
	if private || ec2 {
		add("VPC endpoints: their policies, security groups and private DNS", "they lie outside the host; a refusal names them at best",
			"aws ec2 describe-vpc-endpoints --filters Name=vpc-id,Values={vpc} --region {region} --query 'VpcEndpoints[].[ServiceName,State,PrivateDnsEnabled,Groups,PolicyDocument]'")
	}
	if ec2 {
		add("security groups of this instance", "packets they drop leave no trace here",
			"aws ec2 describe-security-groups --group-ids {sg} --region {region} --query 'SecurityGroups[].IpPermissionsEgress'")
		add("network ACL and route table of the subnet", "packets they drop leave no trace here; a subnet without a route table of its own has the main one of the VPC, which is asked for last",
			"aws ec2 describe-network-acls --filters Name=association.subnet-id,Values={subnet} --region {region}; aws ec2 describe-route-tables --filters Name=association.subnet-id,Values={subnet} --region {region}; "+
				"aws ec2 describe-route-tables --filters Name=vpc-id,Values={vpc} Name=association.main,Values=true --region {region}")
		add("Default Host Management Configuration", "its setting can be read only with an operator's credentials",
			"aws ssm get-service-setting --setting-id arn:{partition}:ssm:{region}:{account}:servicesetting/ssm/managed-instance/default-ec2-instance-management-role --region {region}")
		add("metadata options, among them the hop limit", "the metadata service does not tell them",
			"aws ec2 describe-instances --instance-ids {instance} --region {region} --query 'Reservations[].Instances[].MetadataOptions'")
	}
	if cloud, _ := n.Cloud(); cloud == node.Azure || cloud == node.GoogleCloud {
		add("Cloud Connector for "+cloud, "it is of the account, and a service control policy on sts:GetWebIdentityToken breaks it",
			"aws ssm list-cloud-connectors --region {region}")
	}
	if n.Identity.Hybrid == node.Yes {
		add("tier of hybrid nodes, of which sessions need the advanced one", "it is a setting of the account and Region",
			"aws ssm get-service-setting --setting-id arn:{partition}:ssm:{region}:{account}:servicesetting/ssm/managed-instance/activation-tier --region {region}")
	}
	if n.Acceptance.Last.At.IsZero() && n.Credentials.Source == facts.SourceProfile {
		add("whether the role allows ssm:UpdateInstanceInformation", "this program never sends the heartbeat, and no accepted one is on record",
			"aws iam simulate-principal-policy --policy-source-arn arn:{partition}:iam::{account}:role/{role} --action-names ssm:UpdateInstanceInformation")
	}
	add("policies and trust of the role", "they can be read only with IAM permissions the node should not have",
		"aws iam get-role --role-name {role} --query Role.AssumeRolePolicyDocument && aws iam list-attached-role-policies --role-name {role}")
	add("service control policies", "they are visible only in the organization's management account; most are attached to a parent OU", causes.ListSCPs)
	return out
}
