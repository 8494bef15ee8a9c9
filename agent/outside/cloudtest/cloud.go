// Package cloudtest plays the part of EC2, IAM, Systems Manager, STS and Organizations
// that is asked for what lies outside of a host: for tests, in the process and over HTTP
// for the real AWS CLI. What it answers is checked against the models of that CLI.
package cloudtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"ssm-doctor/checks/iam"
)

// Object is a request or an answer, by the names of the members in the service's model.
type Object = map[string]any

// Cloud is one account in one Region. It is plain data; the zero value of a field means
// what is usual.
type Cloud struct {
	Region, Account string
	Now             time.Time
	// Operator is a policy that says what the caller may do; empty: everything.
	Operator string

	Instances []Instance
	Nodes     []Node // that Systems Manager lists
	Settings  map[string]string
	Endpoints []Endpoint
	Groups    map[string]Group
	Tables    []Table
	ACLs      []ACL
	Networks  map[string][]string // of each VPC; the first is its own
	Profiles  map[string][]string // roles of each instance profile
	Roles     map[string]Role
	Policies  map[string]string // managed policies: document by ARN
	// Organization: nil, the account is in none.
	Organization *Organization

	// PageSize is how many items a page has when the caller leaves it open; 0: as many as
	// the service gives.
	PageSize int
	// Throttled is how often each call is refused before it is answered.
	Throttled int
	// Refused are operations that the caller may not use ("iam:GetRole").
	Refused []string

	mu      sync.Mutex
	journal []string
	tries   map[string]int
}

// The parts of a cloud.
type (
	Instance struct {
		ID, State, VPC, Subnet, Address, Public, Profile, Image string
		Groups                                                  []string
		Tags                                                    map[string]string
		MetadataOff                                             bool
		Hops                                                    int
	}
	Node struct {
		ID, Ping, Version, Platform, Role string
		Last                              time.Time
	}
	Endpoint struct {
		ID, VPC, Service, Policy string
		NoPrivateDNS             bool
		Groups, Subnets          []string
	}
	// Rule lets a port in or out; Port 0: all of every protocol.
	Rule struct {
		Port              int
		CIDR, Group, List string
	}
	Group struct {
		VPC     string
		In, Out []Rule
	}
	// Route leads to what the prefix of its target says: igw-, nat-, tgw-, vgw-, eni-, pcx-, local.
	Route struct {
		To, Target string
		Blackhole  bool
	}
	Table struct {
		ID, VPC string
		Main    bool
		Subnets []string
		Routes  []Route
	}
	Entry struct {
		Number     int
		Out, Allow bool
		From, To   int // ports of TCP; 0: everything
		CIDR       string
	}
	ACL struct {
		ID, VPC string
		Subnets []string
		Entries []Entry
	}
	Role struct {
		Path, Trust, Boundary string
		Attached              []string // ARNs
		Inline                map[string]string
	}
	Organization struct {
		Manager string              // account that manages it
		Parents map[string]string   // of accounts and OUs
		SCP     map[string][]string // names of policies by target; FullAWSAccess is at every one
		RCP     map[string][]string
		Off     []string          // kinds of policies that are not enabled: none is attached
		Bare    map[string]bool   // targets that answer with no policy, which AWS does not
		Billing bool              // for consolidated billing alone
		Text    map[string]string // document by name
		Outside bool              // the caller is of a member account: policies are not shown to it
	}
)

// Error is how a service refuses.
type Error struct {
	Code, Message string
	Status        int
}

// Journal are the calls that were answered or refused, as service:Operation, each page.
func (c *Cloud) Journal() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.journal)
}

// handler answers an operation whole; paging is done by the caller.
type handler struct {
	list      string // member that is paged; empty: none
	token     string // member of the request
	limit     string
	least     int // smallest and largest page that may be asked for
	most      int
	usual     int // page when it is left open
	operation func(*Cloud, Object) (Object, *Error)
}

var handlers = map[string]handler{
	"sts:GetCallerIdentity":               {operation: (*Cloud).callerIdentity},
	"ec2:DescribeInstances":               {"Reservations", "NextToken", "MaxResults", 5, 1000, 1000, (*Cloud).instances},
	"ec2:DescribeVpcEndpoints":            {"VpcEndpoints", "NextToken", "MaxResults", 1, 1000, 1000, (*Cloud).endpoints},
	"ec2:DescribeSecurityGroups":          {"SecurityGroups", "NextToken", "MaxResults", 5, 1000, 1000, (*Cloud).securityGroups},
	"ec2:DescribeRouteTables":             {"RouteTables", "NextToken", "MaxResults", 5, 100, 100, (*Cloud).routeTables},
	"ec2:DescribeNetworkAcls":             {"NetworkAcls", "NextToken", "MaxResults", 5, 1000, 1000, (*Cloud).networkACLs},
	"ec2:DescribeVpcs":                    {"Vpcs", "NextToken", "MaxResults", 5, 1000, 1000, (*Cloud).vpcs},
	"iam:GetInstanceProfile":              {operation: (*Cloud).instanceProfile},
	"iam:GetRole":                         {operation: (*Cloud).role},
	"iam:GetPolicy":                       {operation: (*Cloud).policy},
	"iam:GetPolicyVersion":                {operation: (*Cloud).policyVersion},
	"iam:GetRolePolicy":                   {operation: (*Cloud).rolePolicy},
	"iam:ListAttachedRolePolicies":        {"AttachedPolicies", "Marker", "MaxItems", 1, 1000, 100, (*Cloud).attachedPolicies},
	"iam:ListRolePolicies":                {"PolicyNames", "Marker", "MaxItems", 1, 1000, 100, (*Cloud).rolePolicies},
	"ssm:DescribeInstanceInformation":     {"InstanceInformationList", "NextToken", "MaxResults", 5, 50, 10, (*Cloud).information},
	"ssm:GetServiceSetting":               {operation: (*Cloud).setting},
	"organizations:DescribeOrganization":  {operation: (*Cloud).organization},
	"organizations:ListParents":           {"Parents", "NextToken", "MaxResults", 1, 20, 20, (*Cloud).parents},
	"organizations:ListPoliciesForTarget": {"Policies", "NextToken", "MaxResults", 1, 20, 20, (*Cloud).policiesForTarget},
	"organizations:DescribePolicy":        {operation: (*Cloud).organizationPolicy},
}

// Do answers one request, which is one page.
func (c *Cloud) Do(service, operation string, in Object) (Object, *Error) {
	name := service + ":" + operation
	h, ok := handlers[name]
	if !ok {
		return nil, &Error{map[string]string{"ec2": "InvalidAction", "iam": "InvalidAction", "sts": "InvalidAction"}[service], "the operation " + operation + " is not played", 400}
	}
	key, _ := json.Marshal([]any{name, in})
	c.mu.Lock()
	c.journal = append(c.journal, name)
	if c.tries == nil {
		c.tries = map[string]int{}
	}
	c.tries[string(key)]++
	again := c.tries[string(key)] <= c.Throttled
	c.mu.Unlock()
	if again {
		return nil, throttled(service)
	}
	if e := c.authorize(service, operation, in); e != nil {
		return nil, e
	}
	out, e := h.operation(c, in)
	if e != nil || h.list == "" {
		return out, e
	}
	return c.page(service, h, in, out)
}

// page cuts an answer. A token is good for the request that it came from only.
func (c *Cloud) page(service string, h handler, in, out Object) (Object, *Error) {
	whole, _ := out[h.list].([]any)
	size := h.usual
	if c.PageSize > 0 {
		size = c.PageSize
	}
	if n, ok := in[h.limit].(int); ok {
		if n < h.least || n > h.most {
			return nil, invalid(service, fmt.Sprintf("Value ( %d ) for parameter %s is invalid. Expecting a value between %d and %d.", n, h.limit, h.least, h.most))
		}
		size = n
	}
	same := maps.Clone(in)
	delete(same, h.token)
	delete(same, h.limit)
	of, _ := json.Marshal(same)
	start := 0
	if t, ok := in[h.token].(string); ok && t != "" {
		var request string
		if n, err := fmt.Sscanf(t, "page-%d-%s", &start, &request); n != 2 || err != nil || request != fmt.Sprintf("%x", of) || start > len(whole) {
			return nil, invalid(service, "The token is not valid")
		}
	}
	end := min(start+size, len(whole))
	page := maps.Clone(out)
	page[h.list] = whole[start:end]
	if h.token == "Marker" {
		page["IsTruncated"] = end < len(whole)
	}
	if end < len(whole) {
		page[h.token] = fmt.Sprintf("page-%d-%x", end, of)
	}
	return page, nil
}

func throttled(service string) *Error {
	switch service {
	case "ec2":
		return &Error{"RequestLimitExceeded", "Request limit exceeded.", 503}
	case "organizations":
		return &Error{"TooManyRequestsException", "AWS Organizations can't complete your request because another request is already in progress. Try again later.", 400}
	case "ssm":
		return &Error{"ThrottlingException", "Rate exceeded", 400}
	}
	return &Error{"Throttling", "Rate exceeded", 400}
}

func invalid(service, message string) *Error {
	return &Error{map[string]string{"ec2": "InvalidParameterValue", "iam": "ValidationError", "sts": "ValidationError", "ssm": "ValidationException", "organizations": "InvalidInputException"}[service], message, 400}
}

func (c *Cloud) caller() string { return "arn:aws:iam::" + c.Account + ":user/op" }

// authorize refuses as the services do, each in its own words.
func (c *Cloud) authorize(service, operation string, in Object) *Error {
	action := service + ":" + operation
	if action == "sts:GetCallerIdentity" {
		return nil // no policy keeps anybody from it
	}
	may := !slices.Contains(c.Refused, action)
	if c.Operator != "" && may {
		p, err := iam.ParsePolicy([]byte(c.Operator))
		if err != nil {
			panic(err)
		}
		may = iam.Evaluate(iam.Layers{Identity: []*iam.Policy{p}}, iam.Request{Action: action, Resource: "*", Principal: c.caller(), Complete: true}).Verdict == iam.Allow
	}
	if may {
		return nil
	}
	who := "User: " + c.caller() + " is not authorized to perform: " + action
	why := " because no identity-based policy allows the " + action + " action"
	switch service {
	case "ec2":
		return &Error{"UnauthorizedOperation", "You are not authorized to perform this operation. " + who + why, 403}
	case "iam":
		on := "role " + text(in["RoleName"])
		switch {
		case in["InstanceProfileName"] != nil:
			on = "instance profile " + text(in["InstanceProfileName"])
		case in["PolicyArn"] != nil:
			on = "policy " + text(in["PolicyArn"])
		}
		return &Error{"AccessDenied", who + " on resource: " + on + why, 403}
	case "ssm":
		return &Error{"AccessDeniedException", who + " on resource: arn:aws:ssm:" + c.Region + ":" + c.Account + ":*" + why, 400}
	}
	return &Error{"AccessDeniedException", "You don't have permissions to access this resource.", 400}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func (c *Cloud) callerIdentity(Object) (Object, *Error) {
	return Object{"UserId": "AIDAIOSFODNN7EXAMPLE", "Account": c.Account, "Arn": c.caller()}, nil
}

// filters are those of a request of EC2; a name that the operation does not know is refused.
func filters(in Object, known ...string) (map[string][]string, *Error) {
	out := map[string][]string{}
	list, _ := in["Filters"].([]any)
	for _, x := range list {
		f, _ := x.(Object)
		name := text(f["Name"])
		if !slices.Contains(known, name) && !(strings.HasPrefix(name, "tag:") && slices.Contains(known, "tag:")) {
			return nil, invalid("ec2", "The filter '"+name+"' is invalid")
		}
		values, _ := f["Values"].([]any)
		if len(values) > 200 {
			return nil, &Error{"FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200", 400}
		}
		for _, v := range values {
			out[name] = append(out[name], text(v))
		}
	}
	return out, nil
}

// passes says whether a thing has one of the values of a filter, if there is one.
func passes(f map[string][]string, name, value string) bool {
	list, ok := f[name]
	return !ok || slices.Contains(list, value)
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (c *Cloud) instances(in Object) (Object, *Error) {
	f, e := filters(in, "instance-id", "instance-state-name", "tag:", "vpc-id")
	if e != nil {
		return nil, e
	}
	reservations := []any{}
next:
	for n, i := range c.Instances {
		state := or(i.State, "running")
		if !passes(f, "instance-id", i.ID) || !passes(f, "instance-state-name", state) || !passes(f, "vpc-id", i.VPC) {
			continue
		}
		tags := []any{}
		for name, values := range f {
			if tag, ok := strings.CutPrefix(name, "tag:"); ok && !slices.Contains(values, i.Tags[tag]) {
				continue next
			}
		}
		for _, k := range slices.Sorted(maps.Keys(i.Tags)) {
			tags = append(tags, Object{"Key": k, "Value": i.Tags[k]})
		}
		groups := []any{}
		for _, g := range i.Groups {
			groups = append(groups, Object{"GroupId": g, "GroupName": "group-" + g})
		}
		x := Object{"InstanceId": i.ID, "ImageId": or(i.Image, "ami-0123456789abcdef0"), "InstanceType": "t3.small", "KeyName": "ops", "LaunchTime": c.Now.Add(-240 * time.Hour), "State": Object{"Code": 16, "Name": state},
			"VpcId": i.VPC, "SubnetId": i.Subnet, "PrivateIpAddress": i.Address, "SecurityGroups": groups, "Tags": tags,
			"MetadataOptions": Object{"State": "applied", "HttpTokens": "required", "HttpPutResponseHopLimit": max(1, i.Hops), "HttpEndpoint": map[bool]string{true: "disabled", false: "enabled"}[i.MetadataOff], "InstanceMetadataTags": "disabled"}}
		if i.Public != "" {
			x["PublicIpAddress"] = i.Public
		}
		if i.Profile != "" {
			x["IamInstanceProfile"] = Object{"Arn": "arn:aws:iam::" + c.Account + ":instance-profile/" + i.Profile, "Id": "AIPAIOSFODNN7EXAMPLE"}
		}
		reservations = append(reservations, Object{"ReservationId": fmt.Sprintf("r-%017x", n), "OwnerId": c.Account, "Instances": []any{x}})
	}
	return Object{"Reservations": reservations}, nil
}

func (c *Cloud) endpoints(in Object) (Object, *Error) {
	f, e := filters(in, "vpc-id", "service-name", "vpc-endpoint-id")
	if e != nil {
		return nil, e
	}
	out := []any{}
	for _, x := range c.Endpoints {
		if !passes(f, "vpc-id", x.VPC) {
			continue
		}
		groups, subnets := []any{}, []any{}
		for _, g := range x.Groups {
			groups = append(groups, Object{"GroupId": g, "GroupName": "group-" + g})
		}
		for _, s := range x.Subnets {
			subnets = append(subnets, s)
		}
		out = append(out, Object{"VpcEndpointId": x.ID, "VpcEndpointType": "Interface", "VpcId": x.VPC, "ServiceName": "com.amazonaws." + c.Region + "." + x.Service, "State": "available",
			"PolicyDocument": or(x.Policy, `{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}`), "PrivateDnsEnabled": !x.NoPrivateDNS, "RequesterManaged": false, "OwnerId": c.Account, "CreationTimestamp": c.Now, "Groups": groups, "SubnetIds": subnets})
	}
	return Object{"VpcEndpoints": out}, nil
}

func rules(list []Rule, account string) []any {
	out := []any{}
	for _, r := range list {
		p := Object{"IpProtocol": "-1", "IpRanges": []any{}, "UserIdGroupPairs": []any{}, "PrefixListIds": []any{}, "Ipv6Ranges": []any{}}
		if r.Port > 0 {
			p["IpProtocol"], p["FromPort"], p["ToPort"] = "tcp", r.Port, r.Port
		}
		switch {
		case r.Group != "":
			p["UserIdGroupPairs"] = []any{Object{"GroupId": r.Group, "UserId": account}}
		case r.List != "":
			p["PrefixListIds"] = []any{Object{"PrefixListId": r.List}}
		case strings.Contains(r.CIDR, ":"):
			p["Ipv6Ranges"] = []any{Object{"CidrIpv6": r.CIDR}}
		default:
			p["IpRanges"] = []any{Object{"CidrIp": r.CIDR}}
		}
		out = append(out, p)
	}
	return out
}

func (c *Cloud) securityGroups(in Object) (Object, *Error) {
	f, e := filters(in, "group-id", "vpc-id")
	if e != nil {
		return nil, e
	}
	out := []any{}
	for _, id := range slices.Sorted(maps.Keys(c.Groups)) {
		if g := c.Groups[id]; passes(f, "group-id", id) {
			out = append(out, Object{"GroupId": id, "GroupName": "group-" + id, "Description": "of a test", "OwnerId": c.Account, "VpcId": g.VPC, "IpPermissions": rules(g.In, c.Account), "IpPermissionsEgress": rules(g.Out, c.Account)})
		}
	}
	return Object{"SecurityGroups": out}, nil
}

func (c *Cloud) routeTables(in Object) (Object, *Error) {
	f, e := filters(in, "vpc-id", "association.subnet-id")
	if e != nil {
		return nil, e
	}
	out := []any{}
	for _, t := range c.Tables {
		if !passes(f, "vpc-id", t.VPC) {
			continue
		}
		associations, routes := []any{}, []any{}
		state := Object{"State": "associated"}
		if t.Main {
			associations = append(associations, Object{"Main": true, "RouteTableId": t.ID, "RouteTableAssociationId": "rtbassoc-0", "AssociationState": state})
		}
		for _, s := range t.Subnets {
			associations = append(associations, Object{"Main": false, "RouteTableId": t.ID, "RouteTableAssociationId": "rtbassoc-1", "SubnetId": s, "AssociationState": state})
		}
		for _, r := range t.Routes {
			x := Object{"DestinationCidrBlock": r.To, "Origin": "CreateRoute", "State": map[bool]string{true: "blackhole", false: "active"}[r.Blackhole]}
			if strings.Contains(r.To, ":") {
				delete(x, "DestinationCidrBlock")
				x["DestinationIpv6CidrBlock"] = r.To
			}
			kind, _, _ := strings.Cut(r.Target, "-")
			x[or(map[string]string{"nat": "NatGatewayId", "tgw": "TransitGatewayId", "eni": "NetworkInterfaceId", "pcx": "VpcPeeringConnectionId", "eigw": "EgressOnlyInternetGatewayId"}[kind], "GatewayId")] = r.Target
			routes = append(routes, x)
		}
		out = append(out, Object{"RouteTableId": t.ID, "VpcId": t.VPC, "OwnerId": c.Account, "Associations": associations, "Routes": routes, "PropagatingVgws": []any{}, "Tags": []any{}})
	}
	return Object{"RouteTables": out}, nil
}

func (c *Cloud) networkACLs(in Object) (Object, *Error) {
	f, e := filters(in, "vpc-id", "association.subnet-id")
	if e != nil {
		return nil, e
	}
	out := []any{}
	for _, a := range c.ACLs {
		if !passes(f, "vpc-id", a.VPC) {
			continue
		}
		associations, entries := []any{}, []any{}
		for _, s := range a.Subnets {
			associations = append(associations, Object{"NetworkAclAssociationId": "aclassoc-0", "NetworkAclId": a.ID, "SubnetId": s})
		}
		last := func(out bool) Entry { return Entry{Number: 32767, Out: out} } // AWS adds it to every list
		for _, x := range append(slices.Clone(a.Entries), last(true), last(false)) {
			y := Object{"RuleNumber": x.Number, "Egress": x.Out, "RuleAction": map[bool]string{true: "allow", false: "deny"}[x.Allow], "CidrBlock": or(x.CIDR, "0.0.0.0/0"), "Protocol": "-1"}
			if x.From > 0 {
				y["Protocol"], y["PortRange"] = "6", Object{"From": x.From, "To": x.To}
			}
			entries = append(entries, y)
		}
		out = append(out, Object{"NetworkAclId": a.ID, "VpcId": a.VPC, "OwnerId": c.Account, "IsDefault": false, "Associations": associations, "Entries": entries, "Tags": []any{}})
	}
	return Object{"NetworkAcls": out}, nil
}

func (c *Cloud) vpcs(in Object) (Object, *Error) {
	f, e := filters(in, "vpc-id")
	if e != nil {
		return nil, e
	}
	out := []any{}
	for _, id := range slices.Sorted(maps.Keys(c.Networks)) {
		if !passes(f, "vpc-id", id) {
			continue
		}
		blocks := []any{}
		for _, b := range c.Networks[id] {
			blocks = append(blocks, Object{"AssociationId": "vpc-cidr-assoc-0", "CidrBlock": b, "CidrBlockState": Object{"State": "associated"}})
		}
		out = append(out, Object{"VpcId": id, "CidrBlock": c.Networks[id][0], "State": "available", "OwnerId": c.Account, "InstanceTenancy": "default", "IsDefault": false, "CidrBlockAssociationSet": blocks})
	}
	return Object{"Vpcs": out}, nil
}

func noSuch(what, name string) *Error {
	return &Error{"NoSuchEntity", what + " " + name + " cannot be found.", 404}
}

func (c *Cloud) roleObject(name string) Object {
	r := c.Roles[name]
	path := or(r.Path, "/")
	return Object{"Path": path, "RoleName": name, "RoleId": "AROAIOSFODNN7EXAMPLE", "Arn": "arn:aws:iam::" + c.Account + ":role" + path + name, "CreateDate": c.Now.Add(-9000 * time.Hour), "AssumeRolePolicyDocument": document(r.Trust)}
}

// document is a policy as IAM answers it: in the encoding of URLs, which the AWS CLI undoes.
type document string

func (c *Cloud) instanceProfile(in Object) (Object, *Error) {
	name := text(in["InstanceProfileName"])
	list, ok := c.Profiles[name]
	if !ok {
		return nil, noSuch("Instance Profile", name)
	}
	roles := []any{}
	for _, r := range list {
		roles = append(roles, c.roleObject(r))
	}
	return Object{"InstanceProfile": Object{"Path": "/", "InstanceProfileName": name, "InstanceProfileId": "AIPAIOSFODNN7EXAMPLE", "Arn": "arn:aws:iam::" + c.Account + ":instance-profile/" + name, "CreateDate": c.Now, "Roles": roles}}, nil
}

func (c *Cloud) role(in Object) (Object, *Error) {
	name := text(in["RoleName"])
	r, ok := c.Roles[name]
	if !ok {
		return nil, &Error{"NoSuchEntity", "The role with name " + name + " cannot be found.", 404}
	}
	out := c.roleObject(name)
	out["MaxSessionDuration"] = 3600
	if r.Boundary != "" {
		out["PermissionsBoundary"] = Object{"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": r.Boundary}
	}
	return Object{"Role": out}, nil
}

func lastPart(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

func (c *Cloud) attachedPolicies(in Object) (Object, *Error) {
	name := text(in["RoleName"])
	r, ok := c.Roles[name]
	if !ok {
		return nil, noSuch("The role with name", name)
	}
	out := []any{}
	for _, a := range r.Attached {
		out = append(out, Object{"PolicyName": lastPart(a), "PolicyArn": a})
	}
	return Object{"AttachedPolicies": out}, nil
}

func (c *Cloud) rolePolicies(in Object) (Object, *Error) {
	name := text(in["RoleName"])
	r, ok := c.Roles[name]
	if !ok {
		return nil, noSuch("The role with name", name)
	}
	out := []any{}
	for _, n := range slices.Sorted(maps.Keys(r.Inline)) {
		out = append(out, n)
	}
	return Object{"PolicyNames": out}, nil
}

func (c *Cloud) rolePolicy(in Object) (Object, *Error) {
	doc, ok := c.Roles[text(in["RoleName"])].Inline[text(in["PolicyName"])]
	if !ok {
		return nil, noSuch("The role policy with name", text(in["PolicyName"]))
	}
	return Object{"RoleName": in["RoleName"], "PolicyName": in["PolicyName"], "PolicyDocument": document(doc)}, nil
}

func (c *Cloud) policy(in Object) (Object, *Error) {
	arn := text(in["PolicyArn"])
	if _, ok := c.Policies[arn]; !ok {
		return nil, &Error{"NoSuchEntity", "Policy " + arn + " was not found.", 404}
	}
	return Object{"Policy": Object{"PolicyName": lastPart(arn), "PolicyId": "ANPAIOSFODNN7EXAMPLE", "Arn": arn, "Path": "/", "DefaultVersionId": "v2", "AttachmentCount": 1, "PermissionsBoundaryUsageCount": 0, "IsAttachable": true, "CreateDate": c.Now, "UpdateDate": c.Now}}, nil
}

func (c *Cloud) policyVersion(in Object) (Object, *Error) {
	doc, ok := c.Policies[text(in["PolicyArn"])]
	if !ok || in["VersionId"] != "v2" {
		return nil, &Error{"NoSuchEntity", fmt.Sprintf("Policy %s version %s does not exist or is not attachable.", in["PolicyArn"], in["VersionId"]), 404}
	}
	return Object{"PolicyVersion": Object{"Document": document(doc), "VersionId": "v2", "IsDefaultVersion": true, "CreateDate": c.Now}}, nil
}

func (c *Cloud) information(in Object) (Object, *Error) {
	of := map[string][]string{}
	list, _ := in["Filters"].([]any)
	for _, x := range list {
		f, _ := x.(Object)
		key := text(f["Key"])
		if key != "InstanceIds" && key != "PingStatus" {
			return nil, &Error{"InvalidFilterKey", "The filter key is not played", 400}
		}
		values, _ := f["Values"].([]any)
		for _, v := range values {
			of[key] = append(of[key], text(v))
		}
	}
	out := []any{}
	for _, n := range c.Nodes {
		if !passes(of, "InstanceIds", n.ID) || !passes(of, "PingStatus", or(n.Ping, "Online")) {
			continue
		}
		kind := map[bool]string{true: "ManagedInstance", false: "EC2Instance"}[strings.HasPrefix(n.ID, "mi-")]
		x := Object{"InstanceId": n.ID, "PingStatus": or(n.Ping, "Online"), "LastPingDateTime": n.Last, "AgentVersion": or(n.Version, "3.3.3050.0"), "IsLatestVersion": false, "PlatformType": or(n.Platform, "Linux"), "PlatformName": "Amazon Linux", "PlatformVersion": "2023", "ResourceType": kind, "IPAddress": "10.0.1.5", "ComputerName": "ip-10-0-1-5"}
		if n.Role != "" {
			x["IamRole"] = n.Role
		}
		out = append(out, x)
	}
	return Object{"InstanceInformationList": out}, nil
}

func (c *Cloud) setting(in Object) (Object, *Error) {
	arn := text(in["SettingId"])
	id := arn[strings.Index(arn, "/ssm/")+1:]
	if arn != "arn:aws:ssm:"+c.Region+":"+c.Account+":servicesetting/"+strings.TrimPrefix(id, "/") {
		return nil, &Error{"ServiceSettingNotFound", "The specified service setting wasn't found.", 400}
	}
	value, ok := c.Settings[lastPart(arn)]
	status := "Customized"
	if !ok {
		value, ok = map[string]string{"default-ec2-instance-management-role": "$None", "activation-tier": "standard"}[lastPart(arn)]
		status = "Default"
	}
	if !ok {
		return nil, &Error{"ServiceSettingNotFound", "The specified service setting wasn't found.", 400}
	}
	return Object{"ServiceSetting": Object{"SettingId": "/" + strings.TrimPrefix(id, "/"), "SettingValue": value, "LastModifiedDate": c.Now, "ARN": arn, "Status": status}}, nil
}

func (c *Cloud) inOrganization(policies bool) *Error {
	switch {
	case c.Organization == nil:
		return &Error{"AWSOrganizationsNotInUseException", "Your account is not a member of an organization.", 400}
	case policies && c.Organization.Outside:
		return &Error{"AccessDeniedException", "You don't have permissions to access this resource.", 400}
	}
	return nil
}

func (c *Cloud) organization(Object) (Object, *Error) {
	if e := c.inOrganization(false); e != nil {
		return nil, e
	}
	m := c.Organization.Manager
	return Object{"Organization": Object{"Id": "o-exampleorg1", "Arn": "arn:aws:organizations::" + m + ":organization/o-exampleorg1", "FeatureSet": map[bool]string{false: "ALL", true: "CONSOLIDATED_BILLING"}[c.Organization.Billing], "MasterAccountArn": "arn:aws:organizations::" + m + ":account/o-exampleorg1/" + m, "MasterAccountId": m, "MasterAccountEmail": "root@example.com"}}, nil
}

func (c *Cloud) parents(in Object) (Object, *Error) {
	if e := c.inOrganization(true); e != nil {
		return nil, e
	}
	p, ok := c.Organization.Parents[text(in["ChildId"])]
	if !ok {
		return nil, &Error{"ChildNotFoundException", "You specified a child that doesn't exist.", 400}
	}
	return Object{"Parents": []any{Object{"Id": p, "Type": map[bool]string{true: "ROOT", false: "ORGANIZATIONAL_UNIT"}[strings.HasPrefix(p, "r-")]}}}, nil
}

func (c *Cloud) policiesForTarget(in Object) (Object, *Error) {
	if e := c.inOrganization(true); e != nil {
		return nil, e
	}
	target := text(in["TargetId"])
	if _, child := c.Organization.Parents[target]; !child && !strings.HasPrefix(target, "r-") {
		return nil, &Error{"TargetNotFoundException", "You specified a target that doesn't exist.", 400}
	}
	kind := text(in["Filter"])
	names := map[string][]string{"SERVICE_CONTROL_POLICY": append([]string{"FullAWSAccess"}, c.Organization.SCP[target]...), "RESOURCE_CONTROL_POLICY": append([]string{"RCPFullAWSAccess"}, c.Organization.RCP[target]...)}[kind]
	out := []any{}
	if c.Organization.Billing || c.Organization.Bare[target] || slices.Contains(c.Organization.Off, kind) {
		names = nil
	}
	for _, n := range names {
		out = append(out, c.summary(n, kind))
	}
	return Object{"Policies": out}, nil
}

// policyID is the id of a policy of the organization.
func policyID(name string) string {
	if strings.HasSuffix(name, "FullAWSAccess") {
		return "p-" + name
	}
	return fmt.Sprintf("p-%08x", name)
}

func (c *Cloud) summary(name, kind string) Object {
	aws := strings.HasSuffix(name, "FullAWSAccess")
	owner, path := c.Organization.Manager+":policy/o-exampleorg1", strings.ToLower(kind)
	if aws {
		owner = "aws:policy"
	}
	return Object{"Id": policyID(name), "Arn": "arn:aws:organizations::" + owner + "/" + path + "/" + policyID(name), "Name": name, "Description": "", "Type": kind, "AwsManaged": aws}
}

func (c *Cloud) organizationPolicy(in Object) (Object, *Error) {
	if e := c.inOrganization(true); e != nil {
		return nil, e
	}
	switch in["PolicyId"] {
	case "p-FullAWSAccess":
		return Object{"Policy": Object{"PolicySummary": c.summary("FullAWSAccess", "SERVICE_CONTROL_POLICY"), "Content": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}}, nil
	case "p-RCPFullAWSAccess":
		return Object{"Policy": Object{"PolicySummary": c.summary("RCPFullAWSAccess", "RESOURCE_CONTROL_POLICY"), "Content": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`}}, nil
	}
	for name, doc := range c.Organization.Text {
		if policyID(name) == in["PolicyId"] {
			kind := "SERVICE_CONTROL_POLICY"
			if strings.Contains(doc, `"Principal"`) {
				kind = "RESOURCE_CONTROL_POLICY"
			}
			return Object{"Policy": Object{"PolicySummary": c.summary(name, kind), "Content": doc}}, nil
		}
	}
	return nil, &Error{"PolicyNotFoundException", "You specified a policy that doesn't exist.", 400}
}
