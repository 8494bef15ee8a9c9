//go:build awscli

package report

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/outside/cloudtest"
)

// lookUpWorld is an account with more than one of what there can be more than one of.
func lookUpWorld() *cloudtest.Cloud {
	type object = cloudtest.Object
	c := cloudtest.Sound()
	c.Instances[0].Groups = []string{cloudtest.OwnGroup, cloudtest.EndGroup}
	c.Instances = append(c.Instances, cloudtest.Instance{ID: "i-0123456789abcdef1", VPC: cloudtest.VPC, Subnet: cloudtest.Subnet, Address: "10.0.1.6", Groups: []string{cloudtest.OwnGroup}})
	c.Nodes = append(c.Nodes, cloudtest.Node{ID: cloudtest.NodeID, Last: c.Now})
	c.Tables = append(c.Tables, cloudtest.Table{ID: "rtb-0000000000000000b", VPC: cloudtest.VPC, Subnets: []string{"subnet-0000000000000000f"}}, cloudtest.Table{ID: "rtb-0000000000000000c", VPC: cloudtest.VPC})
	for i := range 130 { // so that roles come in pages
		c.Roles[fmt.Sprint("app-", i)] = cloudtest.Role{Trust: cloudtest.Trust("lambda.amazonaws.com")}
	}
	c.Roles["zz-hybrid"] = cloudtest.Role{Trust: cloudtest.Trust("ssm.amazonaws.com")}
	c.Roles["zz-web"] = cloudtest.Role{Trust: cloudtest.Trust("ec2.amazonaws.com"), Attached: []string{cloudtest.Core, "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}}
	c.Roles["AWSServiceRoleForAmazonSSM"] = cloudtest.Role{Path: "/aws-service-role/ssm.amazonaws.com/", Trust: cloudtest.Trust("ssm.amazonaws.com")}
	c.Profiles["web-blue"], c.Profiles["web-green"] = []string{"zz-web"}, []string{"zz-web"}
	r := c.Roles[cloudtest.RoleName]
	r.Attached = append(r.Attached, "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy")
	c.Roles[cloudtest.RoleName] = r
	c.Settings = map[string]string{"default-ec2-instance-management-role": "service-role/SSMServiceRole"}

	const task = "arn:aws:ecs:eu-central-1:111122223333:task/blue/0123456789abcdef0123456789abcdef"
	list := func(x ...any) []any { return x }
	c.Played = map[string]func(object) object{
		"sts:GetCallerIdentity": func(object) object {
			return object{"UserId": "AROAIOSFODNN7EXAMPLE:jane", "Account": c.Account, "Arn": "arn:aws:sts::" + c.Account + ":assumed-role/Operators/jane"}
		},
		"ec2:DescribeNatGateways": func(object) object {
			gateway := func(id, kind string) object {
				return object{"NatGatewayId": id, "ConnectivityType": kind, "SubnetId": "subnet-0000000000000000f", "State": "available", "VpcId": cloudtest.VPC}
			}
			return object{"NatGateways": list(gateway("nat-0000000000000000a", "public"), gateway("nat-0000000000000000b", "private"), gateway("nat-0000000000000000c", "public"))}
		},
		"ec2:DescribeVolumes": func(in object) object {
			volume := func(id, device string, size int) object {
				return object{"VolumeId": id, "Size": size, "State": "in-use", "Attachments": list(object{"VolumeId": id, "Device": device, "InstanceId": cloudtest.NodeID, "State": "attached"})}
			}
			all := list(volume("vol-0000000000000000a", "/dev/xvda", 8), volume("vol-0000000000000000b", "/dev/sdf", 100))
			if in["VolumeIds"] != nil {
				all = all[:1]
			}
			return object{"Volumes": all}
		},
		"ecs:ListClusters": func(object) object {
			return object{"clusterArns": list("arn:aws:ecs:eu-central-1:111122223333:cluster/blue", "arn:aws:ecs:eu-central-1:111122223333:cluster/green")}
		},
		"ecs:ListTasks": func(object) object { return object{"taskArns": list(task, task+"0")} },
		"ecs:DescribeTasks": func(object) object {
			return object{"tasks": list(object{"taskArn": task, "group": "service:web", "taskDefinitionArn": "arn:aws:ecs:eu-central-1:111122223333:task-definition/web:7"}), "failures": list()}
		},
		"ecs:DescribeTaskDefinition": func(object) object {
			return object{"taskDefinition": object{"family": "web", "taskRoleArn": "arn:aws:iam::111122223333:role/apps/WebTask"}, "tags": list()}
		},
		"kms:ListKeys": func(object) object {
			key := func(id string) object {
				return object{"KeyId": id, "KeyArn": "arn:aws:kms:eu-central-1:111122223333:key/" + id}
			}
			return object{"Keys": list(key("0a"), key("0b")), "Truncated": false}
		},
		"ssm:GetDocument": func(object) object {
			return object{"Name": "SSM-SessionManagerRunShell", "DocumentFormat": "JSON", "Content": "{\n  \"schemaVersion\": \"1.0\",\n  \"sessionType\": \"Standard_Stream\",\n  \"inputs\": {\"s3BucketName\": \"corp-logs\", \"s3KeyPrefix\": \"\",\n    \"cloudWatchLogGroupName\":\"/corp/sessions\", \"kmsKeyId\": \"0a\",\n    \"runAsEnabled\": true, \"runAsDefaultUser\": \"ops\"}\n}"}
		},
	}
	return c
}

// TestLookUpsAWSCLI runs each of the look-ups with the real AWS CLI in an account with more
// than one of everything: what it prints is the value alone, or a line for each value, of
// which the words beside it say that one is to be taken.
func TestLookUpsAWSCLI(t *testing.T) {
	t.Parallel()
	cli, err := cloudtest.FindCLI()
	if err != nil {
		t.Fatalf("no AWS CLI here: %v", err)
	}
	server := httptest.NewServer(lookUpWorld().Handler(cli.Models, t.Errorf))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	env, err := cloudtest.Program(dir, cli.Program, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte("[default]\nregion = eu-central-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env = append(env, "LANG=C.UTF-8", "AWS_CONFIG_FILE="+config)
	known := map[string]string{"REGION": cloudtest.Region, "ACCOUNT_ID": cloudtest.Account, "INSTANCE_ID": cloudtest.NodeID, "NODE_ID": cloudtest.HybridID, "VPC_ID": cloudtest.VPC, "SUBNET_ID": cloudtest.Subnet, "VOLUME_ID": "vol-0000000000000000a", "CLUSTER": "blue", "TASK_ID": "0123456789abcdef0123456789abcdef", "ROLE_NAME": cloudtest.RoleName}
	want := map[string]string{
		"ACCOUNT_ID":                cloudtest.Account,
		"BUCKET_NAME":               "corp-logs",
		"CALLER_ROLE":               "Operators",
		"CLUSTER":                   "arn:aws:ecs:eu-central-1:111122223333:cluster/blue\narn:aws:ecs:eu-central-1:111122223333:cluster/green",
		"INSTANCE_ID":               cloudtest.NodeID + "\t10.0.1.5\ni-0123456789abcdef1\t10.0.1.6",
		"KEY_ARN":                   "arn:aws:kms:eu-central-1:111122223333:key/0a\narn:aws:kms:eu-central-1:111122223333:key/0b",
		"KEY_ID":                    "0a",
		"LOG_GROUP_NAME":            "/corp/sessions",
		"NAT_GATEWAY_ID":            "nat-0000000000000000a\tsubnet-0000000000000000f\nnat-0000000000000000c\tsubnet-0000000000000000f",
		"NEW_SIZE_GIB":              "8",
		"NODE_ID":                   cloudtest.HybridID + "\t10.0.1.5\tip-10-0-1-5\n" + cloudtest.NodeID + "\t10.0.1.5\tip-10-0-1-5",
		"OTHER_ROLE_NAME":           "SSMServiceRole\nzz-hybrid",
		"POLICY_ARN":                cloudtest.Core + "\narn:aws:iam::aws:policy/CloudWatchAgentServerPolicy",
		"PROFILE_NAME":              cloudtest.RoleName + "\nweb-blue\nweb-green",
		"PROFILE_ROLE":              cloudtest.RoleName + "\nzz-web",
		"REGION":                    "eu-central-1",
		"ROLE_NAME":                 cloudtest.RoleName,
		"ROUTE_TABLE_ID":            "rtb-0000000000000000a",
		"SECURITY_GROUP_ID":         cloudtest.OwnGroup + "\tgroup-" + cloudtest.OwnGroup + "\n" + cloudtest.EndGroup + "\tgroup-" + cloudtest.EndGroup,
		"SERVICE_ROLE_NAME":         "SSMServiceRole\nzz-hybrid",
		"SUBNET_ID":                 cloudtest.Subnet,
		"TASK_FAMILY":               "web",
		"TASK_ID":                   "arn:aws:ecs:eu-central-1:111122223333:task/blue/0123456789abcdef0123456789abcdef\narn:aws:ecs:eu-central-1:111122223333:task/blue/0123456789abcdef0123456789abcdef0",
		"USER_NAME":                 "ops",
		"VOLUME_ID":                 "vol-0000000000000000a\t/dev/xvda\t8\nvol-0000000000000000b\t/dev/sdf\t100",
		"VPC_ID":                    cloudtest.VPC,
		"hybrid ROLE_NAME":          "SSMServiceRole",
		"hybrid SERVICE_ROLE_NAME":  "service-role/SSMServiceRole",
		"hybrid SERVICE_ROLE_NAME+": "SSMServiceRole\nzz-hybrid",
		"ecs ROLE_NAME":             "WebTask",
		"dhmc ROLE_NAME":            "SSMServiceRole",
	}
	asked := map[string]string{} // the same command is run once
	all := lookUps(func(command string) bool { return strings.Contains(command, "aws ") })
	for key, command := range all {
		for word, value := range known {
			command = replaceWord(command, word, value)
		}
		got, ok := asked[command]
		if !ok {
			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", command)
			cmd.Env, cmd.Dir = env, dir
			out, err := cmd.Output()
			if e, failed := err.(*exec.ExitError); failed {
				t.Errorf("%s: %v: %s", key, err, e.Stderr)
			}
			got = strings.TrimSuffix(string(out), "\n")
			asked[command] = got
		}
		if got != want[key] {
			t.Errorf("%s: prints\n%s\nwant\n%s\nof\n%s", key, got, want[key], command)
		}
		words := strings.Fields(strings.TrimRight(key, "+"))
		says := strings.Split(goesFor(&Report{Node: Node{ID: map[bool]string{true: cloudtest.HybridID}[words[0] == "hybrid"]}}, words[len(words)-1]), "`")
		before := says[max(0, slices.Index(says, all[key])-1)]
		if several := strings.Contains(got, "\n"); several != (strings.Contains(before, "one of") || strings.Contains(before, "one that") || strings.Contains(before, "another of")) {
			t.Errorf("%s: %d lines, and the words are %q", key, strings.Count(got, "\n")+1, before)
		}
	}
	for key := range want {
		if all[key] == "" {
			t.Errorf("%s is not looked up any more", key)
		}
	}
}
