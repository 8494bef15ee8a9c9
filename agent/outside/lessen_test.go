package outside

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/logline"
)

// TestJudgedStays: what a judgement rests on is in the file as it was.
func TestJudgedStays(t *testing.T) {
	t.Parallel()
	for _, tt := range [][2]string{
		{"SettingValue", "service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole"}, {"SettingValue", "$None"}, {"SettingValue", "advanced"},
		{"RoleName", "MyStack-WebServerInstanceRole-1A2B3C4D5E6F7"}, {"IamRole", "service-role/AmazonEC2RunCommandRoleForManagedInstances"}, {"PolicyNames", "eksctl-Prod2Cluster-PolicyEBS4NodeInstanceRole"},
		{"Arn", "arn:aws:iam::111122223333:instance-profile/team/MyStack-WebServerProfile-1A2B3C4D5E6F7"}, {"PolicyArn", "arn:aws-us-gov:iam::aws:policy/AmazonSSMManagedInstanceCore"},
		{"Resource", "arn:aws:s3:::amzn-s3-demo-bucket/${aws:username}/*"}, {"Resource", "*"}, {"Action", "ssm:*"}, {"NotAction", "s3:ListObjectsV2"}, {"Action", "ec2:Describe?pv6*"}, {"Action", "*"},
		{"Action", "SSM:*"}, {"NotAction", "Ec2Messages:GetMessages"}, {"Action", "SSMMessages:OpenDataChannel"}, {"Action", "*:*"}, {"Action", "S3:GetObject"}, {"Action", "ssm*:Get*"}, {"aws:PrincipalArn", "*:role/Node"},
		{"Service", "ec2.amazonaws.com"}, {"Service", "ssm.amazonaws.com.cn"}, {"AWS", "111122223333"}, {"AWS", "arn:aws:iam::111122223333:root"}, {"aws:PrincipalOrgID", "o-abcd123456"},
		{"ServiceName", "com.amazonaws.eu-central-1.ssmmessages"}, {"AgentVersion", "3.3.40.0"}, {"LastPingDateTime", "2026-11-22T09:00:00.123000+01:00"}, {"CidrBlock", "10.0.0.0/16"}, {"CidrIpv6", "::/0"}, {"PrivateIpAddress", "10.0.1.5"},
		{"VpcEndpointId", "vpce-0123456789abcdef0"}, {"TransitGatewayId", "tgw-0123456789abcdef0"}, {"CoreNetworkArn", "arn:aws:networkmanager::111122223333:core-network/core-network-0123456789abcdef0"}, {"IpProtocol", "-1"}, {"Protocol", "6"},
		{"PingStatus", "ConnectionLost"}, {"HttpTokens", "required"}, {"State", "shutting-down"}, {"FeatureSet", "ALL"}, {"MasterAccountId", "999900001111"}, {"Sid", "AllowSSMParameters2026ForWebServers"}, {"Version", "2012-10-17"}, {"Effect", "Deny"},
	} {
		if got := shown(tt[0], tt[1]); got != tt[1] {
			t.Errorf("%s %q became %q", tt[0], tt[1], got)
		}
	}
	for _, k := range []string{"Statement", "NotPrincipal", "ForAnyValue:StringLikeIfExists", "aws:SourceVpce", "s3:x-amz-acl", "aws:Ec2InstanceSourcePrivateIPv4", "ec2:ResourceTag/env", "AWS:SourceVpce", "Ec2:ResourceTag/env", "SSM:SessionDocumentAccessCheck", "foranyvalue:stringlike", "token.actions.githubusercontent.com:sub"} {
		if got := shownKey(k); got != k {
			t.Errorf("%q became %q", k, got)
		}
	}
}

// TestCutIsNotKnown: what was left out of a policy is neither there nor not there, also in
// a redacted file.
func TestCutIsNotKnown(t *testing.T) {
	t.Parallel()
	const odd = `x!pw=hunter2`
	policy := func(effect, member, value, more string) string {
		return `{"Policy":{"PolicySummary":{"Name":"guard"},"Content":"` + strings.ReplaceAll(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"`+effect+`","`+member+`":"`+value+`","Resource":"*"`+more+`}]}`, `"`, `\"`) + `"}}`
	}
	condition := func(op, key, value string) string {
		return `,"Condition":{"` + op + `":{"` + key + `":"` + value + `"}}`
	}
	role := "arn:aws:iam::" + account + ":role/web"
	for _, tt := range []struct{ name, policy, want string }{
		{"upper case", policy("Deny", "Action", "SSM:UpdateInstanceInformation", ""), "denied-predicted"},
		{"all of all", policy("Deny", "Action", "*:*", ""), "denied-predicted"},
		{"exempt by a part of the ARN", policy("Deny", "Action", "ssm:*", condition("StringNotLike", "aws:PrincipalArn", "*:role/web")), "allowed-predicted"},
		{"of another role", policy("Deny", "Action", "ssm:*", condition("StringNotLike", "AWS:PrincipalArn", "*:role/other")), "denied-predicted"},
		{"exempt", policy("Deny", "Action", "ssm:*", condition("ArnNotEquals", "AWS:PrincipalArn", role)), "allowed-predicted"},
		{"an action that is cut", policy("Deny", "Action", odd, ""), facts.Inconclusive},
		{"an exception that is cut", policy("Deny", "NotAction", odd, ""), facts.Inconclusive},
		{"a value that is cut", policy("Deny", "Action", "ssm:*", condition("StringNotLike", "aws:PrincipalArn", odd)), facts.Inconclusive},
		{"a key that is cut", policy("Deny", "Action", "ssm:*", condition("StringEquals", odd, "a")), facts.Inconclusive},
		{"two keys that are cut", policy("Deny", "Action", "ssm:*", `,"Condition":{"StringEquals":{"`+odd+`":"a","`+odd+`3":"b"}}`), facts.Inconclusive},
	} {
		var journal []string
		w := sound().with("organizations describe-policy", tt.policy)
		f := Collect(t.Context(), w.runner(&journal), Target{Region: "eu-central-1", IDs: []string{one}}, time.Time{}, "test")
		red, err := Redact(f)
		if err != nil {
			t.Fatal(err)
		}
		for name, f := range map[string]*File{"": f, ", redacted": red} {
			j := ViewOf(f).Judge(one)
			if name == "" {
				if got := j.verdict(core[0]); got != tt.want {
					t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
				}
			} else if strings.HasSuffix(tt.name, "cut") && j.verdict(core[0]) != facts.Inconclusive {
				t.Errorf("%s%s: %s", tt.name, name, j.verdict(core[0]))
			}
			for _, a := range f.Answers {
				if strings.Contains(string(a.Output), "hunter2") {
					t.Errorf("%s%s: the secret is in the file", tt.name, name)
				}
				if name == "" && strings.HasPrefix(tt.name, "two keys") && strings.Contains(string(a.Output), "guard") && strings.Count(string(a.Output), logline.Gap) < 3 {
					t.Errorf("two keys became one: %s", a.Output)
				}
			}
		}
	}
}
