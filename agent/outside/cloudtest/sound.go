package cloudtest

import (
	"encoding/json"
	"time"

	"ssm-doctor/checks/iam"
)

// Names in a sound cloud.
const (
	Region   = "eu-central-1"
	Account  = "111122223333"
	NodeID   = "i-0123456789abcdef0"
	HybridID = "mi-0123456789abcdef0"
	VPC      = "vpc-0a1b2c3d4e5f60718"
	Subnet   = "subnet-0a1b2c3d4e5f60718"
	OwnGroup = "sg-0aaaaaaaaaaaaaaa1" // of the instance
	EndGroup = "sg-0aaaaaaaaaaaaaaa2" // of the endpoints
	Core     = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
	RoleName = "WebServerRole"
)

// Trust is a trust policy for a service.
func Trust(service string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`
}

// Document is a policy of AWS by its name.
func Document(name string) string {
	b, ok := iam.Document(name)
	if !ok {
		panic("no policy " + name)
	}
	var in struct{ Document json.RawMessage }
	if json.Unmarshal(b, &in) == nil && in.Document != nil {
		b = in.Document
	}
	return string(b)
}

// Sound is an account in which an instance of a private subnet with endpoints, and a
// hybrid node, lack nothing. Systems Manager does not list the instance.
func Sound() *Cloud {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	return &Cloud{Region: Region, Account: Account, Now: now,
		Instances: []Instance{{ID: NodeID, VPC: VPC, Subnet: Subnet, Address: "10.0.1.5", Profile: RoleName, Groups: []string{OwnGroup}, Tags: map[string]string{"env": "prod"}}},
		Nodes:     []Node{{ID: HybridID, Role: "service-role/SSMServiceRole", Last: now.Add(-3 * time.Minute)}},
		Endpoints: []Endpoint{{ID: "vpce-0000000000000000a", VPC: VPC, Service: "ssm", Groups: []string{EndGroup}}, {ID: "vpce-0000000000000000b", VPC: VPC, Service: "ssmmessages", Groups: []string{EndGroup}}, {ID: "vpce-0000000000000000c", VPC: VPC, Service: "ec2messages", Groups: []string{EndGroup}}},
		Groups: map[string]Group{
			OwnGroup: {VPC: VPC, Out: []Rule{{CIDR: "0.0.0.0/0"}}},
			EndGroup: {VPC: VPC, In: []Rule{{Port: 443, CIDR: "10.0.0.0/16"}}},
		},
		Tables:   []Table{{ID: "rtb-0000000000000000a", VPC: VPC, Main: true, Routes: []Route{{To: "10.0.0.0/16", Target: "local"}}}},
		ACLs:     []ACL{{ID: "acl-0000000000000000a", VPC: VPC, Subnets: []string{Subnet}, Entries: []Entry{{Number: 100, Out: true, Allow: true}, {Number: 100, Allow: true}}}},
		Networks: map[string][]string{VPC: {"10.0.0.0/16"}},
		Profiles: map[string][]string{RoleName: {RoleName}},
		Roles: map[string]Role{
			RoleName:         {Trust: Trust("ec2.amazonaws.com"), Attached: []string{Core}, Inline: map[string]string{"extra": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"*"}]}`}},
			"SSMServiceRole": {Path: "/service-role/", Trust: Trust("ssm.amazonaws.com"), Attached: []string{Core}},
		},
		Policies:     map[string]string{Core: Document("AmazonSSMManagedInstanceCore")},
		Organization: &Organization{Manager: "999900001111", Parents: map[string]string{Account: "ou-abcd-11111111", "ou-abcd-11111111": "r-abcd"}, SCP: map[string][]string{}, RCP: map[string][]string{}, Text: map[string]string{}},
	}
}
