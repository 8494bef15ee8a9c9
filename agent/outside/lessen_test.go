package outside

import "testing"

// TestJudgedStays: what a judgement rests on is in the file as it was.
func TestJudgedStays(t *testing.T) {
	t.Parallel()
	for _, tt := range [][2]string{
		{"SettingValue", "service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole"}, {"SettingValue", "$None"}, {"SettingValue", "advanced"},
		{"RoleName", "MyStack-WebServerInstanceRole-1A2B3C4D5E6F7"}, {"IamRole", "service-role/AmazonEC2RunCommandRoleForManagedInstances"}, {"PolicyNames", "eksctl-Prod2Cluster-PolicyEBS4NodeInstanceRole"},
		{"Arn", "arn:aws:iam::111122223333:instance-profile/team/MyStack-WebServerProfile-1A2B3C4D5E6F7"}, {"PolicyArn", "arn:aws-us-gov:iam::aws:policy/AmazonSSMManagedInstanceCore"},
		{"Resource", "arn:aws:s3:::amzn-s3-demo-bucket/${aws:username}/*"}, {"Resource", "*"}, {"Action", "ssm:*"}, {"NotAction", "s3:ListObjectsV2"}, {"Action", "ec2:Describe?pv6*"}, {"Action", "*"},
		{"Service", "ec2.amazonaws.com"}, {"Service", "ssm.amazonaws.com.cn"}, {"AWS", "111122223333"}, {"AWS", "arn:aws:iam::111122223333:root"}, {"aws:PrincipalOrgID", "o-abcd123456"},
		{"ServiceName", "com.amazonaws.eu-central-1.ssmmessages"}, {"AgentVersion", "3.3.40.0"}, {"LastPingDateTime", "2026-11-22T09:00:00.123000+01:00"}, {"CidrBlock", "10.0.0.0/16"}, {"CidrIpv6", "::/0"}, {"PrivateIpAddress", "10.0.1.5"},
		{"VpcEndpointId", "vpce-0123456789abcdef0"}, {"TransitGatewayId", "tgw-0123456789abcdef0"}, {"CoreNetworkArn", "arn:aws:networkmanager::111122223333:core-network/core-network-0123456789abcdef0"}, {"IpProtocol", "-1"}, {"Protocol", "6"},
		{"PingStatus", "ConnectionLost"}, {"HttpTokens", "required"}, {"State", "shutting-down"}, {"FeatureSet", "ALL"}, {"MasterAccountId", "999900001111"}, {"Sid", "AllowSSMParameters2026ForWebServers"}, {"Version", "2012-10-17"}, {"Effect", "Deny"},
	} {
		if got := shown(tt[0], tt[1]); got != tt[1] {
			t.Errorf("%s %q became %q", tt[0], tt[1], got)
		}
	}
	for _, k := range []string{"Statement", "NotPrincipal", "ForAnyValue:StringLikeIfExists", "aws:SourceVpce", "s3:x-amz-acl", "aws:Ec2InstanceSourcePrivateIPv4", "ec2:ResourceTag/env", "token.actions.githubusercontent.com:sub"} {
		if got := shownKey(k); got != k {
			t.Errorf("%q became %q", k, got)
		}
	}
}
