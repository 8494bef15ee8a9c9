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
	// Played are answers of operations that are not played here, by their names.
	Played map[string]func(Object) Object `json:"-"`

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
	"iam:ListRoles":                       {"Roles", "Marker", "MaxItems", 1, 1000, 100, (*Cloud).roles},
	"iam:ListEntitiesForPolicy":           {"PolicyRoles", "Marker", "MaxItems", 1, 1000, 100, (*Cloud).entities},
	"iam:ListInstanceProfilesForRole":     {"InstanceProfiles", "Marker", "MaxItems", 1, 1000, 100, (*Cloud).profilesOf},
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
	if play := c.Played[name]; play != nil {
		h, ok = handler{operation: func(_ *Cloud, in Object) (Object, *Error) { return play(in), nil }}, true
	}
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

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// document is a policy as IAM answers it: in the encoding of URLs, which the AWS CLI undoes.
type document string

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
