package report

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// reBlank is a word of a command that a reader replaces.
var reBlank = pattern.New(`(?:^|[^A-Za-z0-9_$%{-])([A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)+|REGION|ENDPOINT|ACTION|CLUSTER|ADDRESS|RESOLVER|GATEWAY|INTERFACE|IMAGE|PROXY|PORT|PACKAGE|VERSION|ISSUER|MOUNT|NAME|SERVICE|PATH|KEY)\b`)

// blanks are the words of commands that a reader replaces, with what goes there and the
// command that prints it.
var blanks = map[string]string{
	"ACCOUNT_ID":        "the account (`aws sts get-caller-identity --query Account --output text`)",
	"ACTION":            "the action that was refused (`ssm-doctor permissions`)",
	"ACTIVATION_CODE":   "printed by create-activation",
	"ACTIVATION_ID":     "printed by create-activation",
	"ADDRESS":           "the IP address (`ssm-doctor check -v --no-redact`)",
	"BUCKET_NAME":       "the S3 bucket of the command, or of Session Manager's preferences (" + preference + "s3BucketName" + ofPreference + ")",
	"CALLER_ROLE":       "the role of who starts the session, if it is one (`aws sts get-caller-identity --query Arn --output text | sed -n 's#.*:assumed-role/\\([^/]*\\)/.*#\\1#p'`)",
	"CLUSTER":           "one of the ECS clusters (`aws ecs list-clusters --region REGION --query 'clusterArns[].[@]' --output text`)",
	"ENDPOINT":          "a name such as ssm.REGION.amazonaws.com",
	"ERROR_CODE":        "what AWS answered (`ssm-doctor check -v`)",
	"GATEWAY":           "one of the routers, beside its device (`ip -4 route show default | sed -n 's/.* via \\([^ ]*\\) dev \\([^ ]*\\).*/\\1 \\2/p'`)",
	"IMAGE":             "one of the container images in use (`docker ps --format '{{.Image}}'`)",
	"INSTANCE_ID":       "one of the instances (`aws ec2 describe-instances --region REGION --query 'Reservations[].Instances[].[InstanceId,PrivateIpAddress]' --output text`)",
	"INTERFACE":         "one of the network devices (`ip -br link`)",
	"KEY":               "the file of your public SSH key",
	"KEY_ARN":           "one of the KMS keys (`aws kms list-keys --region REGION --query 'Keys[].[KeyArn]' --output text`)",
	"KEY_ID":            "the KMS key of Session Manager's preferences (" + preference + "kmsKeyId" + ofPreference + ")",
	"LOG_GROUP_NAME":    "the log group of Session Manager's preferences (" + preference + "cloudWatchLogGroupName" + ofPreference + ")",
	"MOUNT":             "one of the mount points, in the last column (`df -P`)",
	"NAT_GATEWAY_ID":    "one of the VPC, beside its subnet (`aws ec2 describe-nat-gateways --region REGION --filter Name=vpc-id,Values=VPC_ID Name=state,Values=available --query \"NatGateways[?ConnectivityType!='private'].[NatGatewayId,SubnetId]\" --output text`)",
	"NEW_SIZE_GIB":      "yours to choose, above what it is now (`aws ec2 describe-volumes --region REGION --volume-ids VOLUME_ID --query 'Volumes[].Size' --output text`)",
	"NODE_ID":           "one of the nodes (`aws ssm describe-instance-information --region REGION --query 'InstanceInformationList[].[InstanceId,IPAddress,ComputerName]' --output text`)",
	"NO_PROXY_LIST":     "the exceptions in use (`systemctl show amazon-ssm-agent -p Environment | tr ' ' '\\n' | sed -n 's/^\\(Environment=\\)\\{0,1\\}no_proxy=//Ip'`)",
	"OTHER_ROLE_NAME":   "another " + rolesOfSSM,
	"PATH":              "the path of the file (`ssm-doctor check -v --no-redact`)",
	"POLICY_ARN":        "one that the role has (`aws iam list-attached-role-policies --role-name ROLE_NAME --query 'AttachedPolicies[].[PolicyArn]' --output text`)",
	"POLICY_ID":         "the id that the first step prints",
	"POLICY_NAME":       "the name that the command before prints",
	"PORT":              "the port of the proxy",
	"PROFILE_NAME":      "one of those whose role has AmazonSSMManagedInstanceCore (`for r in $(" + rolesOfCore + "); do aws iam list-instance-profiles-for-role --role-name $r --query 'InstanceProfiles[].[InstanceProfileName]' --output text; done`)",
	"PROFILE_ROLE":      "one of the roles that have AmazonSSMManagedInstanceCore and that EC2 may assume (`for r in $(" + rolesOfCore + "); do aws iam get-role --role-name $r --query \"[Role][?contains(to_string(AssumeRolePolicyDocument),'ec2.amazonaws.com')].[RoleName]\" --output text; done`)",
	"PROXY":             "the host name of the proxy, such as proxy.example",
	"PROXY_URL":         "the URL of the proxy with a login in it: user, colon, password and @ before its host",
	"REGION":            "the Region of the node, such as eu-central-1 (`aws configure get region` prints yours)",
	"RESOLVER":          "one of the DNS servers (`awk '$1 == \"nameserver\" {print $2}' /etc/resolv.conf`)",
	"RESOURCE_ARN":      "what was refused (`ssm-doctor permissions`)",
	"ROLE_NAME":         "the role of the node (`aws iam get-instance-profile --instance-profile-name $(" + ofInstance + "IamInstanceProfile.Arn" + asText + " | sed 's#.*/##') --query 'InstanceProfile.Roles[].RoleName' --output text`)",
	"ROUTE_TABLE_ID":    "that of the subnet, or the main one (`aws ec2 describe-route-tables --region REGION --filters Name=vpc-id,Values=VPC_ID --query \"(RouteTables[?Associations[?SubnetId=='SUBNET_ID']] || RouteTables[?Associations[?Main]])[].RouteTableId\" --output text`)",
	"RULE_NAME":         "the name that the command before prints",
	"SECURITY_GROUP_ID": "one of this instance (`" + ofInstance + "SecurityGroups[].[GroupId,GroupName]" + asText + "`)",
	"SERVICE":           "what the endpoint is for, such as ssmmessages",
	"SERVICE_ROLE_NAME": "one " + rolesOfSSM,
	"SUBNET_ID":         "that of this instance (`" + ofInstance + "SubnetId" + asText + "`)",
	"TASK_ID":           "one of the tasks (`aws ecs list-tasks --region REGION --cluster CLUSTER --query 'taskArns[].[@]' --output text`)",
	"TASK_FAMILY":       "the family of the task's definition (`" + definitionOfTask + " | sed 's#.*/##; s/:.*//'`)",
	"USER_NAME":         "the user that Session Manager's preferences name (" + preference + "runAsDefaultUser" + ofPreference + ")",
	"VERSION":           "one of the releases that ran here (`sed -n 's/.*amazon-ssm-agent - v//p' /var/log/amazon/ssm/amazon-ssm-agent.log* | sort -u`)",
	"VOLUME_ID":         "one of the instance, beside device and size: that of the file system (`aws ec2 describe-volumes --region REGION --filters Name=attachment.instance-id,Values=INSTANCE_ID --query 'Volumes[].[VolumeId,Attachments[0].Device,Size]' --output text`)",
	"VPC_ID":            "that of this instance (`" + ofInstance + "VpcId" + asText + "`)",
	"YOUR-CA":           "the certificate of your inspection CA",
}

// Parts of the commands.
const (
	// rolesOfSSM are the roles that Systems Manager may assume, and that a node may be given.
	rolesOfSSM = "of the roles that ssm.amazonaws.com may assume (`aws iam list-roles --query \"Roles[?contains(to_string(AssumeRolePolicyDocument),'ssm.amazonaws.com') && ! contains(Path,'/aws-service-role/')].[RoleName]\" --output text`)"
	// rolesOfCore are those that have what a node needs.
	rolesOfCore = "aws iam list-entities-for-policy --policy-arn arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore --query 'PolicyRoles[].RoleName' --output text"
	// What stands before and behind the name of one of the preferences of Session Manager.
	preference   = "`aws ssm get-document --region REGION --name SSM-SessionManagerRunShell --document-format JSON --query Content --output text | sed -n 's/.*\""
	ofPreference = "\" *: *\"\\([^\"][^\"]*\\)\".*/\\1/p'`"
	// And that of something of the instance.
	ofInstance = "aws ec2 describe-instances --region REGION --instance-ids INSTANCE_ID --query 'Reservations[].Instances[]."
	asText     = "' --output text"
	// definitionOfTask is the ARN of the definition of an ECS task.
	definitionOfTask = "aws ecs describe-tasks --region REGION --cluster CLUSTER --tasks TASK_ID --query 'tasks[].taskDefinitionArn' --output text"
	// nodeRole is the service role of a hybrid node, which may have a path before its name.
	nodeRole = "aws ssm describe-instance-information --region REGION --filters Key=InstanceIds,Values=NODE_ID --query 'InstanceInformationList[].IamRole' --output text"
)

// blanksOn are the words for which another system than Linux has other commands.
var blanksOn = map[string]map[string]string{
	"windows": {
		"GATEWAY":       "one of the routers, beside its device (`Get-NetRoute -DestinationPrefix 0.0.0.0/0 | Select-Object NextHop,InterfaceAlias`)",
		"INTERFACE":     "one of the network devices (`(Get-NetAdapter).Name`)",
		"MOUNT":         "one of the drives (`(Get-PSDrive -PSProvider FileSystem).Root`)",
		"NO_PROXY_LIST": "the exceptions in use (`(Get-ItemProperty HKLM:\\SYSTEM\\CurrentControlSet\\Services\\AmazonSSMAgent).Environment -match '^no_proxy=' -replace '^no_proxy='`)",
		"RESOLVER":      "one of the DNS servers (`(Get-DnsClientServerAddress).ServerAddresses`)",
		"VERSION":       "one of the releases that ran here (`(Select-String -Path C:\\ProgramData\\Amazon\\SSM\\Logs\\amazon-ssm-agent.log* -Pattern 'amazon-ssm-agent - v([0-9.]+)').Matches.Groups.Value -match '^[0-9]' | Select-Object -Unique`)",
	},
	"darwin": {
		"GATEWAY":   "the router of the network (`route -n get default | awk '$1 == \"gateway:\" {print $2}'`)",
		"INTERFACE": "one of the network devices (`ifconfig -l | tr ' ' '\\n'`)",
	},
}

// otherwise is what goes in the place of a word on a node that has its role from elsewhere
// than from an instance profile.
func otherwise(r *Report, word string) string {
	switch {
	case strings.HasPrefix(r.Node.ID, "mi-") && word == "ROLE_NAME":
		return "the service role of the node (`" + nodeRole + " | sed 's#.*/##'`)"
	case strings.HasPrefix(r.Node.ID, "mi-") && word == "SERVICE_ROLE_NAME":
		return "the service role of the node (`" + nodeRole + "`); if that prints nothing, one " + rolesOfSSM
	case r.Node.Kind == "ecs" && word == "ROLE_NAME":
		return "the task role (`aws ecs describe-task-definition --region REGION --task-definition $(" + definitionOfTask + ") --query taskDefinition.taskRoleArn --output text | sed 's#.*/##'`)"
	case r.Credentials.Source == facts.SourceDHMC && word == "ROLE_NAME":
		return "the role of Default Host Management (`aws ssm get-service-setting --region REGION --setting-id arn:aws:ssm:REGION:ACCOUNT_ID:servicesetting/ssm/managed-instance/default-ec2-instance-management-role --query ServiceSetting.SettingValue --output text | sed 's#.*/##'`)"
	}
	return blanksOn[r.Node.GOOS][word]
}

// goesFor is what goes in the place of a word.
func goesFor(r *Report, word string) string {
	if s := otherwise(r, word); s != "" {
		return s
	}
	return blanks[word]
}

// blanksIn are the words to replace in the commands of steps, in order.
func blanksIn(fix []Step) []string {
	var out []string
	for _, s := range fix {
		out = addBlanks(out, s.Command.String())
	}
	return out
}

func addBlanks(list []string, command string) []string {
	for _, m := range reBlank.FindAllStringSubmatch(command, -1) {
		if _, known := blanks[m[1]]; known && !slices.Contains(list, m[1]) {
			list = append(list, m[1])
		}
	}
	return list
}

// knownHere are the values of words that a report holds.
func knownHere(r *Report) map[string]string {
	out := map[string]string{}
	if r.Redacted {
		return out
	}
	for w, value := range map[string]string{"ROLE_NAME": r.Credentials.Role, "REGION": r.Node.Region, "ACCOUNT_ID": r.Node.Account, "INSTANCE_ID": instanceOf(r), "NODE_ID": r.Node.ID} {
		if causes.Safe(value) {
			out[w] = value
		}
	}
	return out
}

// blankNote says what goes in place of the words in capitals, of the commands that say so
// too; empty: there are none. Those commands are filled in as far as this host knows.
func blankNote(r *Report, fix []Step) string {
	var said, parts []string
	known := knownHere(r)
	words := blanksIn(fix)
	for i := 0; i < len(words); i++ {
		says := strings.Split(goesFor(r, words[i]), "`")
		for k := 1; k < len(says); k += 2 { // between two marks is a command
			for w, value := range known {
				says[k] = replaceWord(says[k], w, value)
			}
			says[k] = strings.ReplaceAll(says[k], " --region REGION", "")
			words = addBlanks(words, says[k])
		}
		text := strings.Join(says, "`")
		if causes.Safe(r.Node.Partition) {
			text = strings.ReplaceAll(text, "arn:aws:", "arn:"+r.Node.Partition+":")
		}
		if n := slices.Index(said, text); n >= 0 {
			names, rest, _ := strings.Cut(parts[n], ": ")
			parts[n] = names + ", " + words[i] + ": " + rest
			continue
		}
		said, parts = append(said, text), append(parts, words[i]+": "+text)
	}
	note := strings.Join(parts, "; ")
	if r.Redacted && standsIn(fix) {
		note += ". Names were left out; `--no-redact` fills in those of this host"
	}
	return note
}

// replaceWord puts a value in the place of a word, and not of one that it is a part of.
func replaceWord(s, word, value string) string {
	out := ""
	for {
		before, after, found := strings.Cut(s, word)
		if !found {
			return out + s
		}
		with := value
		if before != "" && isWordByte(before[len(before)-1]) || after != "" && isWordByte(after[0]) {
			with = word
		}
		out, s = out+before+with, after
	}
}

// instanceOf is the EC2 instance that a report is about; empty: it is none, or not known.
func instanceOf(r *Report) string {
	if strings.HasPrefix(r.Node.ID, "i-") {
		return r.Node.ID
	}
	return ""
}
