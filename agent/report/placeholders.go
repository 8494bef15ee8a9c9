package report

import (
	"slices"
	"strings"

	"ssm-doctor/checks/pattern"
)

// reBlank is a word of a command that a reader replaces.
var reBlank = pattern.New(`(?:^|[^A-Za-z0-9_$%{-])([A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)+|REGION|ENDPOINT|ACTION|CLUSTER|ADDRESS|RESOLVER|GATEWAY|INTERFACE|IMAGE|PROXY|PORT|PACKAGE|VERSION|ISSUER|MOUNT|NAME)\b`)

// blanks are the words of commands that a reader replaces, with what goes there and
// where to find it.
var blanks = map[string]string{
	"ACCOUNT_ID":        "the account (`aws sts get-caller-identity`)",
	"ACTION":            "the action that was refused",
	"ACTIVATION_CODE":   "printed by create-activation",
	"ACTIVATION_ID":     "printed by create-activation",
	"ADDRESS":           "the IP address (`--no-redact` shows it)",
	"BUCKET_NAME":       "the S3 bucket of the association or of Session Manager's preferences",
	"CLUSTER":           "the ECS cluster (`aws ecs list-clusters`)",
	"ENDPOINT":          "a name such as ssm.REGION.amazonaws.com",
	"GATEWAY":           "the router of the subnet: its first address in a VPC",
	"HOST_NAME":         "the name of the host",
	"IMAGE":             "the container image",
	"INSTANCE_ID":       "the instance (`aws ec2 describe-instances`)",
	"INTERFACE":         "the network device (`ip link`)",
	"ISSUER":            "the issuer of the certificate",
	"KEY_ID":            "the KMS key (`aws kms list-aliases`)",
	"KEY_ARN":           "the KMS key (`aws kms list-keys`)",
	"NAT_GATEWAY_ID":    "one of the VPC (`aws ec2 describe-nat-gateways --query '*[].[NatGatewayId,VpcId]'`)",
	"NEW_TASK_ID":       "the task that replaces this one (`aws ecs list-tasks`)",
	"OTHER_ROLE_NAME":   "another role that ssm.amazonaws.com may assume (`aws iam list-roles --query '*[].RoleName'`)",
	"ROUTE_TABLE_ID":    "that of the subnet (`aws ec2 describe-route-tables --query '*[].[RouteTableId,VpcId]'`)",
	"RULE_NAME":         "the name that the command before prints",
	"YOUR_ARN":          "your own role or user (`aws sts get-caller-identity`)",
	"LOG_GROUP_NAME":    "the log group (`aws logs describe-log-groups`)",
	"MOUNT":             "the mount point (`df`)",
	"NEW_SIZE_GIB":      "yours to choose",
	"NO_PROXY_LIST":     "the exceptions in use",
	"NODE_ID":           "the node (`aws ssm describe-instance-information`)",
	"PACKAGE":           "the package that was downloaded",
	"POLICY_ARN":        "the policy (`aws iam list-attached-role-policies --role-name ROLE_NAME`)",
	"POLICY_ID":         "the policy (`aws organizations list-policies --filter SERVICE_CONTROL_POLICY`)",
	"POLICY_NAME":       "the name of the policy",
	"PORT":              "the port of the proxy",
	"PROFILE_NAME":      "one whose role has AmazonSSMManagedInstanceCore (`aws iam list-instance-profiles`)",
	"PROXY":             "the URL of the proxy, such as http://proxy.example:3128",
	"REGION":            "the Region of the node, such as eu-central-1",
	"RESOLVER":          "a DNS server",
	"RESOURCE_ARN":      "what was refused",
	"RESOURCE_NAME":     "the name of the resource",
	"ROLE_NAME":         "the role of the node",
	"SECURITY_GROUP_ID": "`aws ec2 describe-security-groups` lists them",
	"SERVICE_ROLE_NAME": "a role that ssm.amazonaws.com may assume (`aws iam list-roles --path-prefix /service-role/ --query '*[].RoleName'`)",
	"SUBNET_ID":         "`aws ec2 describe-subnets` lists them",
	"USER_NAME":         "the user that sessions run as",
	"VERSION":           "the release",
	"VOLUME_ID":         "that of this instance (`aws ec2 describe-volumes --query '*[].Attachments[].[InstanceId,VolumeId]'`)",
	"VPC_CIDR":          "`aws ec2 describe-vpcs` lists them",
	"VPC_ID":            "`aws ec2 describe-vpcs` lists them",
	"YOUR-CA":           "the certificate of your inspection CA",
}

// blanksIn are the words to replace in the commands of steps, in order.
func blanksIn(fix []Step) []string {
	var out []string
	for _, s := range fix {
		for _, m := range reBlank.FindAllStringSubmatch(s.Command.String(), -1) {
			if _, known := blanks[m[1]]; known && !slices.Contains(out, m[1]) {
				out = append(out, m[1])
			}
		}
	}
	return out
}

// blankNote says what goes in place of the words in capitals; empty: there are none.
func blankNote(r *Report, fix []Step) string {
	var parts []string
	for _, w := range blanksIn(fix) {
		parts = append(parts, w+": "+blanks[w])
	}
	note := strings.Join(parts, "; ")
	if role := r.Credentials.Role; role != "" && !r.Redacted {
		note = strings.ReplaceAll(note, "--role-name ROLE_NAME", "--role-name "+role)
	}
	if r.Redacted && standsIn(fix) {
		note += ". Names were left out; `--no-redact` fills in those of this host"
	}
	return note
}
