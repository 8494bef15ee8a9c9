package report

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/pattern"
)

// reBlank is a word of a command that a reader replaces.
var reBlank = pattern.New(`(?:^|[^A-Za-z0-9_$%{-])([A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)+|REGION|ENDPOINT|ACTION|CLUSTER|ADDRESS|RESOLVER|GATEWAY|INTERFACE|IMAGE|PROXY|PORT|PACKAGE|VERSION|ISSUER|MOUNT|NAME|SERVICE|CONNECTION|KEY)\b`)

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
	"GATEWAY":           "the router of the subnet (`ip route show default`); in a VPC the first address of the subnet",
	"HOST_NAME":         "the name of the host",
	"IMAGE":             "the container image",
	"INSTANCE_ID":       "the instance (`aws ec2 describe-instances --region REGION --query 'Reservations[].Instances[].[InstanceId,PrivateIpAddress]'`)",
	"INTERFACE":         "the network device (`ip link`)",
	"ISSUER":            "the issuer of the certificate",
	"KEY_ID":            "the KMS key (`aws kms list-aliases`)",
	"KEY_ARN":           "the KMS key (`aws kms list-keys`)",
	"NAT_GATEWAY_ID":    "one of the VPC (`aws ec2 describe-nat-gateways --query '*[].[NatGatewayId,VpcId]'`)",
	"NEW_TASK_ID":       "the task that replaces this one (`aws ecs list-tasks --cluster CLUSTER`)",
	"OTHER_ROLE_NAME":   "another role that ssm.amazonaws.com may assume (`aws iam list-roles --query '*[].RoleName'`)",
	"ROUTE_TABLE_ID":    "that of the subnet (`aws ec2 describe-route-tables --query '*[].[RouteTableId,VpcId]'`)",
	"RULE_NAME":         "the name that the command before prints",
	"YOUR_ARN":          "your own role or user (`aws sts get-caller-identity`)",
	"LOG_GROUP_NAME":    "the log group (`aws logs describe-log-groups`)",
	"MOUNT":             "the mount point (`df`)",
	"NEW_SIZE_GIB":      "yours to choose, above the size that the same command prints",
	"NO_PROXY_LIST":     "the exceptions in use",
	"NODE_ID":           "the node (`aws ssm describe-instance-information --region REGION --query 'InstanceInformationList[].[InstanceId,IPAddress]'`)",
	"PACKAGE":           "the package that was downloaded",
	"POLICY_ARN":        "the policy (`aws iam list-attached-role-policies --role-name ROLE_NAME`)",
	"POLICY_ID":         "the policy (`aws organizations list-policies-for-target --target-id ACCOUNT_ID --filter SERVICE_CONTROL_POLICY --query 'Policies[].[Id,Name]'`)",
	"POLICY_NAME":       "the name that the command before prints",
	"PORT":              "the port of the proxy",
	"PROFILE_NAME":      "one whose role has AmazonSSMManagedInstanceCore (`for r in $(aws iam list-entities-for-policy --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore --query 'PolicyRoles[].RoleName' --output text); do aws iam list-instance-profiles-for-role --role-name $r --query 'InstanceProfiles[].InstanceProfileName' --output text; done`)",
	"PROXY_URL":         "the URL of the proxy with a login in it: user, colon, password and @ before its host",
	"PROXY":             "the host name of the proxy, such as proxy.example",
	"REGION":            "the Region of the node, such as eu-central-1 (`aws configure get region` prints yours)",
	"RESOLVER":          "a DNS server",
	"RESOURCE_ARN":      "what was refused",
	"RESOURCE_NAME":     "the name of the resource",
	"ROLE_NAME":         "the role of the node (`aws ec2 describe-iam-instance-profile-associations --region REGION` names its profile; of a task: `aws ecs describe-task-definition --query taskDefinition.taskRoleArn`)",
	"SECURITY_GROUP_ID": "that of this instance (`aws ec2 describe-instances --region REGION --instance-ids INSTANCE_ID --query 'Reservations[].Instances[].SecurityGroups'`)",
	"SERVICE_ROLE_NAME": "a role that ssm.amazonaws.com may assume (`aws iam list-roles --path-prefix /service-role/ --query '*[].RoleName'`)",
	"SUBNET_ID":         "that of this instance (`aws ec2 describe-instances --region REGION --instance-ids INSTANCE_ID --query 'Reservations[].Instances[].[SubnetId,VpcId]'`)",
	"USER_NAME":         "the user that sessions run as",
	"VERSION":           "the release",
	"VOLUME_ID":         "that of this instance (`aws ec2 describe-volumes --region REGION --filters Name=attachment.instance-id,Values=INSTANCE_ID --query 'Volumes[].[VolumeId,Size]'`)",
	"VPC_CIDR":          "`aws ec2 describe-vpcs` lists them",
	"VPC_ID":            "that of this instance (`aws ec2 describe-instances --region REGION --instance-ids INSTANCE_ID --query 'Reservations[].Instances[].[SubnetId,VpcId]'`)",
	"SERVICE":           "the service of the task (`aws ecs list-services --cluster CLUSTER`)",
	"CONNECTION":        "that of the device (`nmcli -g GENERAL.CONNECTION device show`)",
	"KEY":               "the file of your public SSH key",
	"CALLER_ROLE":       "the role of who starts the session (`aws sts get-caller-identity`)",
	"YOUR-CA":           "the certificate of your inspection CA",
}

// ofHybrid are those of a node that works by a hybrid registration.
var ofHybrid = map[string]string{
	"ROLE_NAME":         "the service role of the node (`aws ssm describe-instance-information --region REGION --filters Key=InstanceIds,Values=NODE_ID --query 'InstanceInformationList[].IamRole' --output text`)",
	"SERVICE_ROLE_NAME": "the service role of the node (`aws ssm describe-instance-information --region REGION --filters Key=InstanceIds,Values=NODE_ID --query 'InstanceInformationList[].IamRole' --output text`)",
}

// goesFor is what goes in the place of a word.
func goesFor(r *Report, word string) string {
	if s := ofHybrid[word]; s != "" && strings.HasPrefix(r.Node.ID, "mi-") {
		return s
	}
	return blanks[word]
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
	words := blanksIn(fix)
	for i, w := range words {
		if slices.ContainsFunc(words[:i], func(o string) bool { return goesFor(r, o) == goesFor(r, w) }) {
			continue // said with the other
		}
		same := w
		for _, o := range words[i+1:] {
			if goesFor(r, o) == goesFor(r, w) {
				same += ", " + o
			}
		}
		parts = append(parts, same+": "+goesFor(r, w))
	}
	note := strings.Join(parts, "; ")
	if !r.Redacted { // the commands that look values up are filled in as far as this host knows
		for _, k := range []struct{ option, word, value string }{
			{"--role-name ", "ROLE_NAME", r.Credentials.Role}, {"--region ", "REGION", r.Node.Region}, {"--target-id ", "ACCOUNT_ID", r.Node.Account},
			{"Values=", "INSTANCE_ID", instanceOf(r)}, {"--instance-ids ", "INSTANCE_ID", instanceOf(r)}, {"Values=", "NODE_ID", r.Node.ID},
		} {
			if causes.Safe(k.value) {
				note = strings.ReplaceAll(note, k.option+k.word, k.option+k.value)
			}
		}
	}
	note = strings.ReplaceAll(note, " --region REGION", "")
	if causes.Safe(r.Node.Partition) {
		note = strings.ReplaceAll(note, "arn:aws:", "arn:"+r.Node.Partition+":")
	}
	if r.Redacted && standsIn(fix) {
		note += ". Names were left out; `--no-redact` fills in those of this host"
	}
	return note
}

// instanceOf is the EC2 instance that a report is about; empty: it is none, or not known.
func instanceOf(r *Report) string {
	if strings.HasPrefix(r.Node.ID, "i-") {
		return r.Node.ID
	}
	return ""
}
