// Package outside is the operator's half: what the service, the account and the network
// around a node say, which no host can see. It is asked for with the AWS CLI and the
// operator's own credentials, by calls that only read, and kept as it was answered.
package outside

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// Schema names the format of the file. Additions keep the name.
const Schema = "ssm-doctor/outside/v1"

// Bounds of what is asked and kept.
const (
	MaxFile      = 64 << 20
	maxAnswer    = 4 << 20
	maxCalls     = 4000
	MaxInstances = 1000
	portion      = 200 // instances of one call: they are some 7 KB each
	batch        = 50  // ids of one call
	maxToken     = 8 << 10
	maxParents   = 8 // levels of an organization; AWS has at most 7
)

// Allowed are the calls that are made: service, operation, the permission it needs, and
// what it is for. Nothing else is ever called, and all of them only read.
var Allowed = []Operation{
	{"sts", "get-caller-identity", "", "who asks, and in which account"},
	{"ec2", "describe-instances", "ec2:DescribeInstances", "profile, subnet, groups, metadata options"},
	{"ssm", "describe-instance-information", "ssm:DescribeInstanceInformation", "what the service says of the node"},
	{"ssm", "get-service-setting", "ssm:GetServiceSetting", "Default Host Management, tier of hybrid nodes"},
	{"ec2", "describe-vpc-endpoints", "ec2:DescribeVpcEndpoints", "endpoints of the VPC, their policies and groups"},
	{"ec2", "describe-security-groups", "ec2:DescribeSecurityGroups", "what groups let through"},
	{"ec2", "describe-route-tables", "ec2:DescribeRouteTables", "ways out of the subnet"},
	{"ec2", "describe-network-acls", "ec2:DescribeNetworkAcls", "what the subnet lets through"},
	{"ec2", "describe-vpcs", "ec2:DescribeVpcs", "networks of the VPC"},
	{"iam", "get-instance-profile", "iam:GetInstanceProfile", "the role of the profile"},
	{"iam", "get-role", "iam:GetRole", "trust policy and boundary"},
	{"iam", "list-attached-role-policies", "iam:ListAttachedRolePolicies", "managed policies of the role"},
	{"iam", "get-policy", "iam:GetPolicy", "version of a managed policy"},
	{"iam", "get-policy-version", "iam:GetPolicyVersion", "text of a managed policy"},
	{"iam", "list-role-policies", "iam:ListRolePolicies", "inline policies of the role"},
	{"iam", "get-role-policy", "iam:GetRolePolicy", "text of an inline policy"},
	{"organizations", "describe-organization", "organizations:DescribeOrganization", "which account manages the organization"},
	{"organizations", "list-parents", "organizations:ListParents", "levels above the account"},
	{"organizations", "list-policies-for-target", "organizations:ListPoliciesForTarget", "service and resource control policies of a level"},
	{"organizations", "describe-policy", "organizations:DescribePolicy", "text of such a policy"},
}

// Operation is one call that is made.
type Operation struct{ Service, Name, Permission, For string }

// MinimalPolicy is the least that the calls need.
func MinimalPolicy() string {
	var actions []string
	for _, o := range Allowed {
		if o.Permission != "" {
			actions = append(actions, o.Permission)
		}
	}
	slices.Sort(actions)
	b, _ := json.MarshalIndent(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Sid": "SsmDoctorOutside", "Effect": "Allow", "Action": actions, "Resource": "*"}}}, "", "  ")
	return string(b)
}

// File is what was asked and answered.
type File struct {
	Schema      string    `json:"schema"`
	GeneratedAt time.Time `json:"generated_at"`
	Version     string    `json:"version"`
	Region      string    `json:"region"`
	Redacted    bool      `json:"redacted"`
	Answers     []Answer  `json:"answers"`
	NotAsked    int       `json:"not_asked,omitempty"` // calls beyond what one run may make
	Cut         []string  `json:"cut,omitempty"`       // calls that have more to say than was asked for
}

// Answer is one call and how it ended.
type Answer struct {
	Call   []string        `json:"call"`             // service, operation, arguments
	Error  string          `json:"error,omitempty"`  // code of AWS, or why the call did not run; empty: Output is the answer
	Output json.RawMessage `json:"output,omitempty"` // as AWS CLI printed it, without what is not read
}

// Runner runs the AWS CLI with arguments and returns what it wrote to its outputs.
type Runner func(ctx context.Context, args ...string) (stdout, stderr []byte, err error)

// Target says of which nodes something is asked.
type Target struct {
	Region string
	IDs    []string // i-… and mi-…
	Tag    string   // KEY=VALUE
	All    bool
}

// reErrorCode is how the AWS CLI quotes an error.
var reErrorCode = pattern.New(`An error occurred \(([A-Za-z0-9.]{1,80})\) when calling`)

type collector struct {
	run    Runner
	region string
	file   *File
	seen   map[string]json.RawMessage
}

// Collect asks for the target. Refused and failed calls are answers too.
func Collect(ctx context.Context, run Runner, t Target, now time.Time, version string) *File {
	c := &collector{run: run, region: t.Region, file: &File{Schema: Schema, GeneratedAt: now.UTC().Truncate(time.Second), Version: version, Region: t.Region, Answers: []Answer{}}, seen: map[string]json.RawMessage{}}
	c.collect(ctx, t)
	if err := lessen(c.file); err != nil { // each answer was JSON
		c.file.Answers = []Answer{}
	}
	return c.file
}

// allowed reports whether words are one of the calls that are made.
func allowed(words []string) bool {
	return len(words) >= 2 && slices.ContainsFunc(Allowed, func(o Operation) bool { return o.Service == words[0] && o.Name == words[1] })
}

// ask makes a call once and keeps the answer; nil: there is none.
func (c *collector) ask(ctx context.Context, service, operation string, args ...string) json.RawMessage {
	call := append([]string{service, operation}, args...)
	key := strings.Join(call, "\x00")
	if out, ok := c.seen[key]; ok {
		return out
	}
	if len(c.file.Answers) >= maxCalls || ctx.Err() != nil {
		c.file.NotAsked++
		return nil
	}
	if !allowed(call) {
		panic("a call that is not in the list: " + service + " " + operation) // of the program's own, and tested
	}
	full := append(slices.Clone(call), "--output", "json")
	if c.region != "" {
		full = append(full, "--region", c.region)
	}
	stdout, stderr, err := c.run(ctx, full...)
	a := Answer{Call: call}
	switch {
	case err != nil:
		a.Error = "failed"
		if m := reErrorCode.FindSubmatch(stderr); m != nil {
			a.Error = string(m[1])
		}
	case len(stdout) > maxAnswer:
		a.Error = "too large"
	case !json.Valid(stdout):
		a.Error = "not JSON"
	default:
		a.Output = stdout
	}
	c.seen[key] = a.Output
	c.file.Answers = append(c.file.Answers, a)
	return a.Output
}

// portions asks for a list by parts that an answer can hold, up to the most of one run.
func (c *collector) portions(ctx context.Context, take func(json.RawMessage), service, operation string, args ...string) {
	token := ""
	for range MaxInstances / portion {
		part := append(slices.Clone(args), "--max-items", fmt.Sprint(portion))
		if token != "" {
			part = append(part, "--starting-token", token)
		}
		out := c.ask(ctx, service, operation, part...)
		if take != nil {
			take(out)
		}
		if token = decode[struct{ NextToken string }](out).NextToken; token == "" {
			return
		}
		if len(token) > maxToken || !reContinue.MatchString(token) {
			break
		}
	}
	c.file.Cut = append(c.file.Cut, service+" "+operation)
}

func decode[T any](b json.RawMessage) T {
	var v T
	if b != nil {
		_ = json.Unmarshal(b, &v)
	}
	return v
}

var (
	reInstance  = pattern.New(`^i-[0-9a-f]{8,17}$`)
	reHybrid    = pattern.New(`^mi-[0-9a-f]{8,17}$`)
	reName      = pattern.New(`^[A-Za-z0-9+=,.@_-]{1,128}$`)
	rePartition = pattern.New(`^aws(?:-[a-z]{2,5}){0,3}$`)
	reContinue  = pattern.New(`^[A-Za-z0-9+/=_][A-Za-z0-9+/=_.-]*$`)
	reVPC       = pattern.New(`^vpc-[0-9a-f]{8,17}$`)
	reARN       = pattern.New(`^arn:aws[a-z-]{0,20}:iam::(?:aws|[0-9]{12}):policy/[A-Za-z0-9+=,.@_/-]{1,600}$`)
)

// What an answer names is asked for next only in these forms: the AWS CLI takes a word like
// file:///etc/passwd, or one with @= in it, for the name of a file whose text it is to send.

// ValidID says whether an id can be asked for.
func ValidID(id string) bool { return reInstance.MatchString(id) || reHybrid.MatchString(id) }

func (c *collector) collect(ctx context.Context, t Target) {
	who := decode[struct{ Account, Arn string }](c.ask(ctx, "sts", "get-caller-identity"))
	if !reDigits.MatchString(who.Account) {
		who.Account = ""
	}
	partition := "aws"
	if p := strings.Split(who.Arn, ":"); len(p) > 1 && rePartition.MatchString(p[1]) {
		partition = p[1]
	}
	var instances []instance
	take := func(b json.RawMessage) {
		for _, r := range decode[struct {
			Reservations []struct{ Instances []instance }
		}](b).Reservations {
			for _, i := range r.Instances {
				if reInstance.MatchString(i.InstanceId) {
					instances = append(instances, i)
				}
			}
		}
	}
	var ids, hybrid []string
	for _, id := range t.IDs {
		if reInstance.MatchString(id) {
			ids = append(ids, id)
		} else {
			hybrid = append(hybrid, id)
		}
	}
	switch key, value, _ := strings.Cut(t.Tag, "="); {
	case t.All:
		c.portions(ctx, take, "ec2", "describe-instances", "--filters", "Name=instance-state-name,Values=running")
		c.portions(ctx, nil, "ssm", "describe-instance-information")
	case t.Tag != "":
		c.portions(ctx, take, "ec2", "describe-instances", "--filters", "Name=tag:"+key+",Values="+value)
	default:
		for part := range slices.Chunk(ids, batch) { // a filter, since one unknown id fails a whole call
			take(c.ask(ctx, "ec2", "describe-instances", "--filters", "Name=instance-id,Values="+strings.Join(part, ",")))
		}
	}
	if !t.All {
		all := slices.Clone(hybrid)
		for _, i := range instances {
			all = append(all, i.InstanceId)
		}
		for _, id := range ids {
			if !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
		for part := range slices.Chunk(all, batch) {
			c.ask(ctx, "ssm", "describe-instance-information", "--filters", "Key=InstanceIds,Values="+strings.Join(part, ","))
		}
	}
	prefix := "arn:" + partition + ":ssm:" + t.Region + ":" + who.Account + ":servicesetting/ssm/managed-instance/"
	if who.Account != "" {
		set := decode[settingAnswer](c.ask(ctx, "ssm", "get-service-setting", "--setting-id", prefix+"default-ec2-instance-management-role"))
		if role := lastPart(set.ServiceSetting.SettingValue); reName.MatchString(role) {
			c.role(ctx, role)
		}
		if len(hybrid) > 0 || t.All {
			c.ask(ctx, "ssm", "get-service-setting", "--setting-id", prefix+"activation-tier")
		}
	}
	groups := map[string]bool{}
	for _, i := range instances {
		for _, g := range i.SecurityGroups {
			groups[g.GroupId] = true
		}
		if reVPC.MatchString(i.VpcId) {
			filter := []string{"--filters", "Name=vpc-id,Values=" + i.VpcId}
			for _, e := range decode[struct{ VpcEndpoints []endpoint }](c.ask(ctx, "ec2", "describe-vpc-endpoints", filter...)).VpcEndpoints {
				for _, g := range e.Groups {
					groups[g.GroupId] = true
				}
			}
			c.ask(ctx, "ec2", "describe-route-tables", filter...)
			c.ask(ctx, "ec2", "describe-network-acls", filter...)
			c.ask(ctx, "ec2", "describe-vpcs", filter...)
		}
		if name := lastPart(i.IamInstanceProfile.Arn); reName.MatchString(name) {
			p := decode[profileAnswer](c.ask(ctx, "iam", "get-instance-profile", "--instance-profile-name", name))
			for _, r := range p.InstanceProfile.Roles {
				c.role(ctx, r.RoleName)
			}
		}
	}
	var list []string
	for g := range groups {
		if reGroup.MatchString(g) {
			list = append(list, g)
		}
	}
	slices.Sort(list)
	for part := range slices.Chunk(list, batch) {
		c.ask(ctx, "ec2", "describe-security-groups", "--filters", "Name=group-id,Values="+strings.Join(part, ","))
	}
	for _, a := range slices.Clone(c.file.Answers) {
		if a.Call[1] == "describe-instance-information" {
			for _, i := range decode[struct{ InstanceInformationList []information }](a.Output).InstanceInformationList {
				if reHybrid.MatchString(i.InstanceId) && reName.MatchString(lastPart(i.IamRole)) {
					c.role(ctx, lastPart(i.IamRole))
				}
			}
		}
	}
	if who.Account != "" {
		c.organization(ctx, who.Account)
	}
}

func lastPart(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// role asks for a role and all its policies.
func (c *collector) role(ctx context.Context, name string) {
	if !reName.MatchString(name) {
		return
	}
	r := decode[roleAnswer](c.ask(ctx, "iam", "get-role", "--role-name", name))
	if b := r.Role.PermissionsBoundary.PermissionsBoundaryArn; b != "" {
		c.policy(ctx, b)
	}
	for _, p := range decode[struct {
		AttachedPolicies []struct{ PolicyArn string }
	}](c.ask(ctx, "iam", "list-attached-role-policies", "--role-name", name)).AttachedPolicies {
		c.policy(ctx, p.PolicyArn)
	}
	for _, p := range decode[struct{ PolicyNames []string }](c.ask(ctx, "iam", "list-role-policies", "--role-name", name)).PolicyNames {
		if reName.MatchString(p) {
			c.ask(ctx, "iam", "get-role-policy", "--role-name", name, "--policy-name", p)
		}
	}
}

func (c *collector) policy(ctx context.Context, arn string) {
	if !reARN.MatchString(arn) {
		return
	}
	p := decode[struct {
		Policy struct{ DefaultVersionId string }
	}](c.ask(ctx, "iam", "get-policy", "--policy-arn", arn))
	if v := p.Policy.DefaultVersionId; reName.MatchString(v) {
		c.ask(ctx, "iam", "get-policy-version", "--policy-arn", arn, "--version-id", v)
	}
}

// kindsOfControl are the policies of an organization that limit accounts.
var kindsOfControl = []string{"SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"}

// organization asks for the control policies of the account and of all above it.
func (c *collector) organization(ctx context.Context, account string) {
	whole := c.ask(ctx, "organizations", "describe-organization")
	if o := decode[organizationAnswer](whole).Organization; o.MasterAccountId == account || o.FeatureSet == billingOnly || c.lastError() == inNoOrganization {
		return // no control policy reaches it
	}
	for id, n := account, 0; reName.MatchString(id) && n < maxParents; n++ {
		for _, kind := range kindsOfControl {
			for _, p := range decode[struct{ Policies []struct{ Id string } }](c.ask(ctx, "organizations", "list-policies-for-target", "--target-id", id, "--filter", kind)).Policies {
				if reName.MatchString(p.Id) {
					c.ask(ctx, "organizations", "describe-policy", "--policy-id", p.Id)
				}
			}
		}
		if strings.HasPrefix(id, "r-") {
			return
		}
		parents := decode[struct{ Parents []struct{ Id string } }](c.ask(ctx, "organizations", "list-parents", "--child-id", id)).Parents
		if id = ""; len(parents) > 0 {
			id = parents[0].Id
		}
	}
}

// inNoOrganization is how Organizations answers an account that is in none.
const inNoOrganization = "AWSOrganizationsNotInUseException"

// billingOnly is the feature set of an organization that has no policies.
const billingOnly = "CONSOLIDATED_BILLING"

func (c *collector) lastError() string {
	if n := len(c.file.Answers); n > 0 {
		return c.file.Answers[n-1].Error
	}
	return ""
}

// The parts of answers that are read.
type (
	instance struct {
		InstanceId, VpcId, SubnetId, PrivateIpAddress, PublicIpAddress, ImageId string
		State                                                                   struct{ Name string }
		IamInstanceProfile                                                      struct{ Arn string }
		SecurityGroups                                                          []struct{ GroupId string }
		MetadataOptions                                                         struct {
			HttpEndpoint, HttpTokens string
			HttpPutResponseHopLimit  int
		}
	}
	endpoint struct {
		VpcEndpointId, VpcEndpointType, ServiceName, State, PolicyDocument string
		PrivateDnsEnabled                                                  bool
		Groups                                                             []struct{ GroupId string }
		SubnetIds                                                          []string
	}
	information struct {
		InstanceId, PingStatus, AgentVersion, IamRole, PlatformType string
		LastPingDateTime                                            json.RawMessage
	}
	organizationAnswer struct {
		Organization struct{ MasterAccountId, FeatureSet string }
	}
	settingAnswer struct {
		ServiceSetting struct{ SettingValue string }
	}
	profileAnswer struct {
		InstanceProfile struct{ Roles []struct{ RoleName string } }
	}
	roleAnswer struct {
		Role struct {
			Arn                      string
			AssumeRolePolicyDocument json.RawMessage
			PermissionsBoundary      struct{ PermissionsBoundaryArn string }
		}
	}
)

// Parse reads a file.
func Parse(b []byte) (*File, error) {
	if len(b) > MaxFile {
		return nil, fmt.Errorf("larger than %d bytes", MaxFile)
	}
	var f File
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("this is not a file that ssm-doctor outside wrote: %w", err)
	}
	if f.Schema != Schema {
		return nil, fmt.Errorf("this is not a file that ssm-doctor outside wrote: its schema is %q", f.Schema)
	}
	f.Answers = slices.DeleteFunc(f.Answers, func(a Answer) bool { return !allowed(a.Call) })
	f.Cut = slices.DeleteFunc(f.Cut, func(s string) bool { return !allowed(strings.Fields(s)) })
	if !facts.IsRegion(f.Region) {
		f.Region = ""
	}
	if f.Version = report.StripText(f.Version); !reNames.MatchString(f.Version) {
		f.Version = ""
	}
	return &f, lessen(&f)
}
