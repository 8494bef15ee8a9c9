package causes

import (
	"path"
	"slices"
	"strings"
)

// What the AWS CLI changes, and what edits its documents.

// jqChanges are edits of policies, in a file of the reader.
func jqChanges(args []string, to string, _ []string) ([]Change, bool) {
	if to == "" {
		return nil, true
	}
	s := strings.Join(args, " ")
	how := ""
	switch {
	case strings.Contains(s, "ArnNotLike"):
		how = "exempt " + between(s, `$p | "`, `"`) + " " + path.Base(between(s, `:role/`, `"`))
	case strings.Contains(s, `"Effect": "Allow"`):
		how = allowing(s)
	}
	if of := operands(args); len(of) > 1 {
		how += " of " + of[1]
	}
	return []Change{{Drafted, to, how}}, how != ""
}

// allowing is how a policy is edited that gets statements more.
func allowing(s string) string {
	var list []string
	for _, part := range strings.Split(s, `"Action": [`)[1:] {
		actions, _, _ := strings.Cut(part, "]")
		list = append(list, strings.NewReplacer(`"`, "", " ", "").Replace(actions))
	}
	return "allow " + strings.Join(list, ",")
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// awsChanges are those of the AWS CLI.
func awsChanges(args []string, to string, services []string) ([]Change, bool) {
	if len(args) < 2 {
		return nil, false
	}
	role := option(args, "--role-name")
	one := func(k Kind, on, value string) ([]Change, bool) { return []Change{{k, on, value}}, true }
	for _, verb := range []string{"describe-", "list-", "get-", "simulate-", "lookup-", "search-"} {
		if strings.HasPrefix(args[1], verb) {
			return written("", to)
		}
	}
	service := strings.Join(services, " ")
	switch args[0] + " " + args[1] {
	case "ec2 associate-iam-instance-profile":
		return one(ProfileAttached, option(args, "--instance-id"), strings.TrimPrefix(option(args, "--iam-instance-profile"), "Name="))
	case "ec2 replace-iam-instance-profile-association":
		return one(ProfileAgain, "", strings.TrimPrefix(option(args, "--iam-instance-profile"), "Name="))
	case "ec2 modify-instance-metadata-options":
		var out []Change
		for _, o := range []string{"http-endpoint", "http-tokens", "http-put-response-hop-limit"} {
			if v := option(args, "--"+o); v != "" {
				out = append(out, Change{MetadataOption, o, v})
			}
		}
		return out, len(out) > 0
	case "ec2 stop-instances":
		return one(InstanceMoved, option(args, "--instance-ids"), "")
	case "ec2 wait", "ec2 start-instances":
		return nil, true // with the stop before it
	case "ec2 create-vpc-endpoint":
		var out []Change
		for _, s := range services {
			out = append(out, Change{EndpointCreated, s, ""})
		}
		return out, len(out) > 0
	case "ec2 modify-vpc-endpoint":
		if slices.Contains(args, "--private-dns-enabled") {
			return one(EndpointNamed, service, "")
		}
		return one(PolicyReplaced, "endpoint of "+service, strings.TrimPrefix(option(args, "--policy-document"), "file://"))
	case "ec2 authorize-security-group-ingress":
		return one(GroupOpened, "", "")
	case "ec2 create-security-group":
		return one(GroupCreated, "", "")
	case "ec2 modify-volume":
		return one(VolumeGrown, "", "")
	case "ec2 modify-subnet-attribute":
		return one(SubnetSet, strings.TrimPrefix(args[len(args)-1], "--"), "")
	case "ec2 create-route":
		return one(CloudRoute, option(args, "--destination-ipv6-cidr-block"), "")
	case "ec2-instance-connect send-serial-console-ssh-public-key":
		return one(SerialOpened, "", "")
	case "iam attach-role-policy":
		return one(PolicyAttached, role, option(args, "--policy-arn"))
	case "iam detach-role-policy":
		return one(PolicyDetached, role, option(args, "--policy-arn"))
	case "iam put-role-policy":
		document := option(args, "--policy-document")
		if file, ok := strings.CutPrefix(document, "file://"); ok {
			return one(PolicyReplaced, "role "+role, file)
		}
		actions := between(document, `"Action":`, `,"Resource"`)
		return one(PolicyPut, role, strings.NewReplacer("[", "", "]", "", `"`, "").Replace(actions))
	case "iam delete-role-permissions-boundary":
		return one(BoundaryRemoved, role, "")
	case "iam create-policy-version":
		return one(PolicyReplaced, "boundary", strings.TrimPrefix(option(args, "--policy-document"), "file://"))
	case "organizations update-policy":
		return one(PolicyReplaced, "scp "+option(args, "--policy-id"), strings.TrimPrefix(option(args, "--content"), "file://"))
	case "iam update-assume-role-policy":
		return one(TrustSet, role, between(option(args, "--policy-document"), `"Service":"`, `"`))
	case "iam create-role":
		return one(RoleCreated, role, between(option(args, "--assume-role-policy-document"), `"Service":"`, `"`))
	case "iam create-instance-profile":
		return one(ProfileCreated, option(args, "--instance-profile-name"), "")
	case "iam add-role-to-instance-profile":
		return one(RoleInProfile, option(args, "--instance-profile-name"), role)
	case "iam tag-role":
		return one(RoleTagged, role, "")
	case "ssm update-service-setting":
		return one(ManagementOn, "", option(args, "--setting-value"))
	case "ssm create-activation":
		return one(ActivationCreated, "", "")
	case "ssm deregister-managed-instance":
		return one(NodeDeregistered, option(args, "--instance-id"), "")
	case "ssm update-managed-instance-role":
		return one(NodeRoleSet, option(args, "--instance-id"), option(args, "--iam-role"))
	case "ssm create-association":
		return one(AssociationMade, "", "")
	case "ssm update-document":
		return nil, true // with the draft that is put in force
	case "ssm start-session":
		return one(SessionTried, "", "")
	case "ssm send-command":
		return one(CommandTried, "", "")
	case "account enable-region":
		return one(RegionEnabled, option(args, "--region-name"), "")
	case "ecs update-service":
		how := ""
		if slices.Contains(args, "--enable-execute-command") {
			how = "execute-command"
		}
		return one(TaskStarted, "", how)
	case "kms enable-key":
		return one(KeyEnabled, option(args, "--key-id"), "")
	case "kms cancel-key-deletion":
		return nil, true // with the key that is enabled beside it
	case "s3api put-bucket-encryption":
		return one(BucketEncrypted, option(args, "--bucket"), "")
	case "logs associate-kms-key":
		return one(LogsEncrypted, "", "")
	}
	return nil, false
}
