//go:build lab

package closure

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

type object = map[string]any

// account is what the AWS CLI talks to: the account in which a scenario of the lab plays.
// What a call changes is changed in the scenario, by the keys that the lab's README names.
// An operation that it does not know fails.
type account struct {
	t        *testing.T
	mu       sync.Mutex
	policies string // folder of the managed policies that the lab knows
	world    object
	changed  bool
	unknown  []string
	calls    []string
	// What the lab's scenarios do not hold.
	groups     map[string]bool // security groups: whether 443 is let in
	groupOf    map[string][]string
	trust      map[string]string // of roles, where it was set
	documents  map[string]string
	dns64      bool
	nat64      bool
	preference string
}

func newAccount(t *testing.T, policies string, world object) *account {
	a := &account{t: t, policies: policies, world: world, groups: map[string]bool{ownGroup: false, endpointGroup: true}, groupOf: map[string][]string{}, trust: map[string]string{}}
	for _, e := range a.endpoints() {
		if str(e, "tcp") == "blackhole" && str(e, "route") == "vpce" {
			a.groups[endpointGroup] = false
		}
	}
	return a
}

const (
	ownVPC, ownSubnet, ownGroup = "vpc-0123456789abcdef0", "subnet-0123456789abcdef0", "sg-0123456789abcdef0"
	endpointGroup               = "sg-0e0e0e0e0e0e0e0e0"
	routeTable, natGateway      = "rtb-0123456789abcdef0", "nat-0123456789abcdef0"
	// nodeProfile is an instance profile whose role has AmazonSSMManagedInstanceCore.
	nodeProfile = "NodeProfile"
)

func str(o object, key string) string { s, _ := o[key].(string); return s }

func sub(o object, key string) object {
	x, _ := o[key].(object)
	if x == nil {
		x = object{}
		o[key] = x
	}
	return x
}

func (a *account) host() object { return sub(a.world, "host") }
func (a *account) region() string {
	if r := str(a.host(), "region"); r != "" {
		return r
	}
	return "us-east-1"
}
func (a *account) number() string {
	if n := str(a.host(), "account"); n != "" {
		return n
	}
	return "111122223333"
}
func (a *account) partition() string {
	if p := str(a.host(), "partition"); p != "" {
		return p
	}
	return "aws"
}

// endpoints are the endpoints of services, those of the lab that are not named included.
func (a *account) endpoints() map[string]object {
	list := sub(a.world, "endpoints")
	out := map[string]object{}
	for _, s := range []string{"ssm", "ssmmessages", "ec2messages", "s3", "kms", "logs", "monitoring", "sts", "iam", "ds", "ec2"} {
		e, ok := list[s].(object)
		if !ok {
			e = object{}
			if every, ok := list["*"].(object); ok {
				for k, v := range every {
					e[k] = v
				}
			}
			list[s] = e
		}
		out[s] = e
	}
	return out
}

// isVPC reports whether there is a VPC endpoint for a service.
func isVPC(e object) bool { return str(e, "route") == "vpce" || e["views"] != nil }

// failure is an error of a service.
type failure struct{ code, message string }

func (f failure) Error() string { return f.code + ": " + f.message }

func fail(code, format string, args ...any) error { return failure{code, fmt.Sprintf(format, args...)} }

// tag is an element of an answer in XML.
func tag(name string, inner ...string) string {
	return "<" + name + ">" + strings.Join(inner, "") + "</" + name + ">"
}

func text(name, s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return tag(name, b.String())
}

var reScope = regexp.MustCompile(`Credential=[^/]+/\d+/[^/]+/([^/]+)/`)

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	m := reScope.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		http.Error(w, "not signed", http.StatusForbidden)
		return
	}
	service := m[1]
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, op, _ := strings.Cut(target, ".")
		in := object{}
		_ = json.Unmarshal(body, &in)
		a.calls = append(a.calls, service+":"+op)
		out, err := a.json(service+":"+op, in)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if err != nil {
			f := err.(failure)
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(object{"__type": f.code, "message": f.message, "Message": f.message})
			return
		}
		_ = json.NewEncoder(w).Encode(out)
		return
	}
	form, _ := url.ParseQuery(string(body))
	op := form.Get("Action")
	a.calls = append(a.calls, service+":"+op)
	w.Header().Set("Content-Type", "text/xml")
	out, err := "", error(nil)
	switch service {
	case "ec2":
		out, err = a.ec2(op, form)
	case "iam":
		out, err = a.iam(op, form)
	default:
		err = fail("InvalidAction", "%s:%s is not known here", service, op)
	}
	switch {
	case err != nil:
		f := err.(failure)
		w.WriteHeader(http.StatusBadRequest)
		inner := tag("Error", text("Code", f.code), text("Message", f.message))
		if service == "ec2" {
			fmt.Fprint(w, tag("Response", tag("Errors", inner), text("RequestID", "r")))
		} else {
			fmt.Fprint(w, tag("ErrorResponse", inner, text("RequestId", "r")))
		}
	case service == "ec2":
		fmt.Fprint(w, tag(op+"Response", text("requestId", "r"), out))
	default:
		fmt.Fprint(w, tag(op+"Response", tag(op+"Result", out), tag("ResponseMetadata", text("RequestId", "r"))))
	}
}

// filters are the filters of a call of EC2.
func filters(form url.Values) map[string][]string {
	out := map[string][]string{}
	for i := 1; form.Get(fmt.Sprintf("Filter.%d.Name", i)) != ""; i++ {
		for k := 1; form.Get(fmt.Sprintf("Filter.%d.Value.%d", i, k)) != ""; k++ {
			n := form.Get(fmt.Sprintf("Filter.%d.Name", i))
			out[n] = append(out[n], form.Get(fmt.Sprintf("Filter.%d.Value.%d", i, k)))
		}
	}
	return out
}

func members(form url.Values, name string) []string {
	var out []string
	for i := 1; form.Get(fmt.Sprintf("%s.%d", name, i)) != ""; i++ {
		out = append(out, form.Get(fmt.Sprintf("%s.%d", name, i)))
	}
	return out
}

const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`

func (a *account) ec2(op string, form url.Values) (string, error) {
	instance := str(a.host(), "instance_id")
	if id := form.Get("InstanceId"); id != "" && id != instance {
		return "", fail("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
	}
	if v := form.Get("VpcId"); v != "" && v != ownVPC {
		return "", fail("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", v)
	}
	f := filters(form)
	if v := f["vpc-id"]; len(v) > 0 && !slices.Contains(v, ownVPC) {
		return "", nil
	}
	imds := sub(a.world, "imds")
	switch op {
	case "DescribeInstances":
		return tag("reservationSet", tag("item", tag("instancesSet", tag("item", text("instanceId", instance), text("vpcId", ownVPC), text("subnetId", ownSubnet),
			tag("metadataOptions", text("state", "applied"), text("httpTokens", "required"), text("httpEndpoint", map[bool]string{true: "disabled", false: "enabled"}[str(imds, "mode") == "disabled"])),
			tag("groupSet", tag("item", text("groupId", ownGroup))))))), nil
	case "AssociateIamInstanceProfile":
		name := form.Get("IamInstanceProfile.Name")
		switch {
		case str(imds, "profile") != "":
			return "", fail("IncorrectState", "There is an existing association for instance %s", instance)
		case name != nodeProfile:
			return "", fail("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", name)
		}
		a.attach()
		return tag("iamInstanceProfileAssociation", text("associationId", "iip-assoc-0123456789abcdef0"), text("instanceId", instance), text("state", "associating")), nil
	case "DescribeIamInstanceProfileAssociations":
		if str(imds, "profile") == "" {
			return tag("iamInstanceProfileAssociationSet"), nil
		}
		return tag("iamInstanceProfileAssociationSet", tag("item", text("associationId", "iip-assoc-0123456789abcdef0"), text("instanceId", instance), text("state", "associated"))), nil
	case "ReplaceIamInstanceProfileAssociation":
		p, _ := sub(a.world, "principals")[str(imds, "profile")].(object)
		if form.Get("AssociationId") != "iip-assoc-0123456789abcdef0" || p == nil {
			return "", fail("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", form.Get("AssociationId"))
		}
		for _, k := range []string{"expires_in_seconds", "revoked"} { // EC2 gives out new ones
			delete(p, k)
		}
		a.changed = true
		return tag("iamInstanceProfileAssociation", text("associationId", "iip-assoc-0123456789abcdef1"), text("instanceId", instance), text("state", "associating")), nil
	case "ModifyInstanceMetadataOptions":
		mode := str(imds, "mode")
		if form.Get("HttpEndpoint") == "enabled" && mode == "disabled" {
			mode = "required"
		}
		if n, _ := strconv.Atoi(form.Get("HttpPutResponseHopLimit")); n >= 2 && mode == "token-timeout" {
			mode = "required"
		}
		if t := form.Get("HttpTokens"); t != "" && (mode == "required" || mode == "optional" || mode == "") {
			mode = t
		}
		if form.Get("HttpEndpoint") == "disabled" {
			mode = "disabled"
		}
		imds["mode"], a.changed = mode, true
		return text("instanceId", instance), nil
	case "DescribeVpcEndpoints":
		var out []string
		for s, e := range a.endpoints() {
			kind, id := "Interface", "vpce-0"+s
			name := "com.amazonaws." + a.region() + "." + s
			if !isVPC(e) || len(f["service-name"]) > 0 && !slices.Contains(f["service-name"], name) || len(f["vpc-endpoint-type"]) > 0 && !slices.Contains(f["vpc-endpoint-type"], kind) {
				continue
			}
			if ids := members(form, "VpcEndpointId"); len(ids) > 0 && !slices.Contains(ids, id) {
				continue
			}
			policy := allowAll
			if p, ok := e["vpce_policy"].(object); ok {
				if d, ok := p["document"].(object); ok {
					p = d
				}
				raw, _ := json.Marshal(p)
				policy = string(raw)
			}
			var groups []string
			for _, g := range a.groupsOf(s) {
				groups = append(groups, tag("item", text("groupId", g)))
			}
			out = append(out, tag("item", text("vpcEndpointId", id), text("vpcEndpointType", kind), text("vpcId", ownVPC), text("serviceName", name), text("state", "available"), text("policyDocument", policy),
				tag("groupSet", groups...), text("privateDnsEnabled", "true")))
		}
		slices.Sort(out)
		return tag("vpcEndpointSet", out...), nil
	case "CreateVpcEndpoint":
		s := strings.TrimPrefix(form.Get("ServiceName"), "com.amazonaws."+a.region()+".")
		e, known := a.endpoints()[s]
		switch {
		case !known:
			return "", fail("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", form.Get("ServiceName"))
		case isVPC(e) && e["views"] == nil:
			return "", fail("InvalidParameter", "private-dns-enabled cannot be set because there is already a conflicting DNS domain for %s in the VPC", s)
		case form.Get("VpcEndpointType") == "Interface" && (form.Get("SubnetId.1") != ownSubnet || form.Get("SecurityGroupId.1") == ""):
			return "", fail("InvalidParameter", "which subnet, which security group")
		}
		if form.Get("PrivateDnsEnabled") == "true" || form.Get("VpcEndpointType") == "Gateway" {
			for _, k := range []string{"dns", "tcp", "tls", "issuer", "address", "address6", "views"} {
				delete(e, k)
			}
			e["route"] = "vpce"
			a.groupOf[s] = members(form, "SecurityGroupId")
			if form.Get("VpcEndpointType") != "Gateway" && !slices.ContainsFunc(a.groupOf[s], func(g string) bool { return a.groups[g] }) {
				e["tcp"] = "blackhole"
			}
			a.changed = true
		}
		return tag("vpcEndpoint", text("vpcEndpointId", "vpce-0"+s), text("state", "pending")), nil
	case "ModifyVpcEndpoint":
		s := strings.TrimPrefix(form.Get("VpcEndpointId"), "vpce-0")
		e, known := a.endpoints()[s]
		if !known || !isVPC(e) {
			return "", fail("InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '%s' does not exist", form.Get("VpcEndpointId"))
		}
		if form.Get("ResetPolicy") == "true" {
			delete(e, "vpce_policy")
		}
		if text := form.Get("PolicyDocument"); text != "" {
			var d object
			if json.Unmarshal([]byte(text), &d) != nil {
				return "", fail("InvalidPolicyDocument", "not JSON: %s", text)
			}
			e["vpce_policy"] = d
		}
		a.changed = true
		return text("return", "true"), nil
	case "CreateSecurityGroup":
		id := "sg-0" + fmt.Sprintf("%016x", len(a.groups))
		a.groups[id] = false
		return text("groupId", id), nil
	case "AuthorizeSecurityGroupIngress":
		id := form.Get("GroupId")
		if _, known := a.groups[id]; !known {
			return "", fail("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
		}
		if form.Get("IpPermissions.1.FromPort") == "443" && form.Get("IpPermissions.1.IpProtocol") == "tcp" {
			a.groups[id], a.changed = true, true
			for s, e := range a.endpoints() {
				if isVPC(e) && slices.Contains(a.groupsOf(s), id) && str(e, "tcp") == "blackhole" {
					delete(e, "tcp")
				}
			}
		}
		return text("return", "true"), nil
	case "DescribeSecurityGroups":
		return tag("securityGroupInfo", tag("item", text("groupId", ownGroup), tag("ipPermissionsEgress", tag("item", text("ipProtocol", "-1"))))), nil
	case "DescribeNetworkInterfaces":
		for s, e := range a.endpoints() {
			if slices.Contains(f["addresses.private-ip-address"], str(e, "address")) {
				var groups []string
				for _, g := range a.groupsOf(s) {
					groups = append(groups, tag("item", text("groupId", g)))
				}
				return tag("networkInterfaceSet", tag("item", text("networkInterfaceId", "eni-0"+s), tag("groupSet", groups...))), nil
			}
		}
		return tag("networkInterfaceSet"), nil
	case "DescribeVpcs":
		return tag("vpcSet", tag("item", text("vpcId", ownVPC), tag("cidrBlockAssociationSet", tag("item", text("cidrBlock", "10.0.0.0/16"))))), nil
	case "DescribeVpcAttribute":
		return text("vpcId", ownVPC) + tag("enableDnsSupport", text("value", "true")), nil
	case "DescribeRouteTables":
		return tag("routeTableSet", tag("item", text("routeTableId", routeTable), tag("routeSet", tag("item", text("destinationCidrBlock", "10.0.0.0/16"), text("gatewayId", "local"))))), nil
	case "DescribeNatGateways":
		return tag("natGatewaySet", tag("item", text("natGatewayId", natGateway), text("vpcId", ownVPC), text("state", "available"))), nil
	case "ModifySubnetAttribute":
		a.dns64 = a.dns64 || form.Get("EnableDns64.Value") == "true"
		a.sixToFour()
		return text("return", "true"), nil
	case "CreateRoute":
		if form.Get("RouteTableId") != routeTable || form.Get("NatGatewayId") != natGateway {
			return "", fail("InvalidRouteTableID.NotFound", "no such table or gateway")
		}
		a.nat64 = a.nat64 || form.Get("DestinationIpv6CidrBlock") == "64:ff9b::/96"
		a.sixToFour()
		return text("return", "true"), nil
	}
	a.unknown = append(a.unknown, "ec2:"+op)
	return "", fail("InvalidAction", "%s is not known here", op)
}

// attach attaches the instance profile that a reader has.
func (a *account) attach() {
	imds := sub(a.world, "imds")
	imds["profile"], a.changed = "node", true
	delete(imds, "overrides")
	sub(a.world, "principals")["node"] = object{"kind": "instance-profile", "role": "NodeRole", "policies": []any{"AmazonSSMManagedInstanceCore"}}
}

// sixToFour is NAT64, where both halves of it are there.
func (a *account) sixToFour() {
	if !a.dns64 || !a.nat64 {
		return
	}
	i := 0
	for _, e := range a.endpoints() {
		i++
		e["address6"] = fmt.Sprintf("64:ff9b::345f:%x", 0x6400+i)
	}
	a.changed = true
}

func (a *account) groupsOf(service string) []string {
	if g := a.groupOf[service]; len(g) > 0 {
		return g
	}
	return []string{endpointGroup}
}

// role is the principal of a role.
func (a *account) role(name string) (object, error) {
	for _, x := range sub(a.world, "principals") {
		if p, ok := x.(object); ok && str(p, "role") == name && str(p, "kind") != "user" {
			return p, nil
		}
	}
	return nil, fail("NoSuchEntity", "The role with name %s cannot be found.", name)
}

// attached is a policy of a principal: its ARN, and its document if it is not a managed one.
func (a *account) arnOf(policy any) string {
	switch p := policy.(type) {
	case string:
		return "arn:" + a.partition() + ":iam::aws:policy/" + p
	case object:
		if s := str(p, "arn"); s != "" {
			return s
		}
	}
	return "arn:" + a.partition() + ":iam::" + a.number() + ":policy/Unnamed"
}

func document(policy any) object {
	p, _ := policy.(object)
	if d, ok := p["document"].(object); ok {
		return d
	}
	return p
}

func encoded(d any) string {
	raw, _ := json.Marshal(d)
	return url.QueryEscape(string(raw))
}

func (a *account) iam(op string, form url.Values) (string, error) {
	name := form.Get("RoleName")
	var p object
	if name != "" && op != "CreateRole" {
		var err error
		if p, err = a.role(name); err != nil {
			return "", err
		}
	}
	policies := func() []any { list, _ := p["policies"].([]any); return list }
	inline := func(x any) (string, bool) { return strings.CutPrefix(a.arnOf(x), "inline/") }
	boundary := "arn:" + a.partition() + ":iam::" + a.number() + ":policy/NodeBoundary"
	parse := func(s string) (object, error) {
		var d object
		if err := json.Unmarshal([]byte(s), &d); err != nil {
			return nil, fail("MalformedPolicyDocument", "%v", err)
		}
		return d, nil
	}
	switch op {
	case "GetRole":
		trust := a.trust[name]
		if trust == "" {
			trust = `{"Version":"2012-10-17","Statement":[]}`
		}
		bound := ""
		if p["boundary"] != nil {
			bound = tag("PermissionsBoundary", text("PermissionsBoundaryType", "Policy"), text("PermissionsBoundaryArn", boundary))
		}
		path := str(p, "role_path")
		if path == "" {
			path = "/"
		}
		return tag("Role", text("Path", path), text("RoleName", name), text("RoleId", "AROALAB"), text("Arn", "arn:"+a.partition()+":iam::"+a.number()+":role"+path+name), text("CreateDate", "2025-01-01T00:00:00Z"),
			text("AssumeRolePolicyDocument", url.QueryEscape(trust)), bound), nil
	case "AttachRolePolicy":
		arn := form.Get("PolicyArn")
		managed := arn[strings.LastIndex(arn, "/")+1:]
		if _, err := os.Stat(filepath.Join(a.policies, managed+".json")); err != nil || !strings.Contains(arn, ":iam::aws:policy/") {
			return "", fail("NoSuchEntity", "Policy %s does not exist or is not attachable.", arn)
		}
		p["policies"], a.changed = append(policies(), managed), true
		a.unfault(name)
		return "", nil
	case "DetachRolePolicy":
		list := policies()
		i := slices.IndexFunc(list, func(x any) bool { return a.arnOf(x) == form.Get("PolicyArn") })
		if i < 0 {
			return "", fail("NoSuchEntity", "Policy %s was not found.", form.Get("PolicyArn"))
		}
		p["policies"], a.changed = slices.Delete(slices.Clone(list), i, i+1), true
		return "", nil
	case "PutRolePolicy":
		d, err := parse(form.Get("PolicyDocument"))
		if err != nil {
			return "", err
		}
		arn := "inline/" + form.Get("PolicyName")
		list := slices.DeleteFunc(slices.Clone(policies()), func(x any) bool { return a.arnOf(x) == arn })
		p["policies"], a.changed = append(list, object{"arn": arn, "document": d}), true
		a.unfault(name)
		return "", nil
	case "ListAttachedRolePolicies":
		var out []string
		for _, x := range policies() {
			if _, is := inline(x); !is {
				arn := a.arnOf(x)
				out = append(out, tag("member", text("PolicyName", arn[strings.LastIndex(arn, "/")+1:]), text("PolicyArn", arn)))
			}
		}
		return tag("AttachedPolicies", out...) + text("IsTruncated", "false"), nil
	case "ListRolePolicies":
		var out []string
		for _, x := range policies() {
			if n, is := inline(x); is {
				out = append(out, text("member", n))
			}
		}
		return tag("PolicyNames", out...) + text("IsTruncated", "false"), nil
	case "GetRolePolicy":
		for _, x := range policies() {
			if n, is := inline(x); is && n == form.Get("PolicyName") {
				return text("RoleName", name) + text("PolicyName", n) + text("PolicyDocument", encoded(document(x))), nil
			}
		}
		return "", fail("NoSuchEntity", "The role policy with name %s cannot be found.", form.Get("PolicyName"))
	case "DeleteRolePermissionsBoundary":
		if p["boundary"] == nil {
			return "", fail("NoSuchEntity", "no boundary")
		}
		delete(p, "boundary")
		a.changed = true
		return "", nil
	case "GetPolicy", "GetPolicyVersion", "CreatePolicyVersion", "ListPolicyVersions":
		var of any
		set := func(object) {}
		for _, x := range sub(a.world, "principals") {
			q, _ := x.(object)
			if form.Get("PolicyArn") == boundary && q["boundary"] != nil {
				of, set = q["boundary"], func(d object) { q["boundary"] = d }
			}
			list, _ := q["policies"].([]any)
			for i, y := range list {
				if a.arnOf(y) == form.Get("PolicyArn") {
					of, set = y, func(d object) { list[i] = object{"arn": a.arnOf(y), "document": d} }
				}
			}
		}
		if of == nil {
			return "", fail("NoSuchEntity", "Policy %s does not exist.", form.Get("PolicyArn"))
		}
		switch op {
		case "GetPolicy":
			return tag("Policy", text("Arn", form.Get("PolicyArn")), text("DefaultVersionId", "v1")), nil
		case "GetPolicyVersion":
			if form.Get("VersionId") != "v1" {
				return "", fail("NoSuchEntity", "no version %s", form.Get("VersionId"))
			}
			return tag("PolicyVersion", text("Document", encoded(document(of))), text("VersionId", "v1"), text("IsDefaultVersion", "true")), nil
		case "ListPolicyVersions":
			return tag("Versions", tag("member", text("VersionId", "v1"), text("IsDefaultVersion", "true"))), nil
		}
		d, err := parse(form.Get("PolicyDocument"))
		if err != nil {
			return "", err
		}
		if form.Get("SetAsDefault") == "true" {
			set(d)
			a.changed = true
		}
		return tag("PolicyVersion", text("VersionId", "v2"), text("IsDefaultVersion", "true")), nil
	case "UpdateAssumeRolePolicy":
		if _, err := parse(form.Get("PolicyDocument")); err != nil {
			return "", err
		}
		a.trusted(name, p, form.Get("PolicyDocument"))
		return "", nil
	case "CreateRole":
		if p, err := a.role(form.Get("RoleName")); err == nil {
			if !a.gone(form.Get("RoleName")) {
				return "", fail("EntityAlreadyExists", "Role with name %s already exists.", form.Get("RoleName"))
			}
			p["policies"] = []any{}
			a.trusted(form.Get("RoleName"), p, form.Get("AssumeRolePolicyDocument"))
		}
		return tag("Role", text("RoleName", form.Get("RoleName")), text("Path", form.Get("Path")), text("RoleId", "AROALAB"), text("Arn", "arn:aws:iam::1:role/x"), text("CreateDate", "2025-01-01T00:00:00Z")), nil
	case "SimulatePrincipalPolicy":
		arn := form.Get("PolicySourceArn")
		p, err := a.role(arn[strings.LastIndex(arn, "/")+1:])
		if err != nil {
			return "", err
		}
		var matched []string
		for _, x := range append(p["policies"].([]any), p["boundary"]) {
			for _, s := range statements(document(x)) {
				if str(s, "Effect") == "Deny" && covers(s, form.Get("ActionNames.member.1")) {
					n, _ := inline(x)
					matched = append(matched, tag("member", text("SourcePolicyId", n), text("SourcePolicyType", "IAM Policy")))
				}
			}
		}
		return tag("EvaluationResults", tag("member", text("EvalActionName", form.Get("ActionNames.member.1")), text("EvalDecision", "explicitDeny"), tag("MatchedStatements", matched...))), nil
	}
	a.unknown = append(a.unknown, "iam:"+op)
	return "", fail("InvalidAction", "%s is not known here", op)
}

// gone reports whether the lab says of a role that nobody can assume it.
func (a *account) gone(role string) bool {
	list, _ := a.world["faults"].([]any)
	return slices.ContainsFunc(list, func(x any) bool { return strings.Contains(str(x.(object), "message"), role) })
}

// trusted is a role that may be assumed by whom its trust policy names.
func (a *account) trusted(name string, p object, trust string) {
	a.trust[name], a.changed = trust, true
	if strings.Contains(trust, `"ec2.amazonaws.com`) {
		delete(p, "imds_code")
		delete(p, "imds_message")
		sub(a.world, "imds")
		delete(sub(a.world, "imds"), "overrides")
	}
	if strings.Contains(trust, `"ssm.amazonaws.com"`) {
		a.without(func(f object) bool { return strings.Contains(str(f, "message"), "Unable to assume role") })
	}
}

// without takes faults away that something has mended.
func (a *account) without(mended func(object) bool) {
	list, _ := a.world["faults"].([]any)
	list = slices.DeleteFunc(slices.Clone(list), func(x any) bool { return mended(x.(object)) })
	if len(list) == 0 {
		delete(a.world, "faults")
		return
	}
	a.world["faults"] = list
}

// unfault takes refusals away that stand in the scenario as faults, where a policy of the
// role now allows what was refused: the lab has no policies of buckets and keys.
func (a *account) unfault(role string) {
	p, err := a.role(role)
	if err != nil {
		return
	}
	a.without(func(f object) bool {
		if !strings.Contains(str(f, "code"), "AccessDenied") || str(f, "service") != "s3" {
			return false
		}
		for _, x := range p["policies"].([]any) {
			for _, s := range statements(document(x)) {
				if str(s, "Effect") == "Allow" && covers(s, "s3:GetObject") && wild(fmt.Sprint(s["Resource"]), str(f, "resource")) {
					return true
				}
			}
		}
		return false
	})
}

func statements(d object) []object {
	var out []object
	switch s := d["Statement"].(type) {
	case object:
		out = append(out, s)
	case []any:
		for _, x := range s {
			out = append(out, x.(object))
		}
	}
	return out
}

func covers(statement object, action string) bool {
	switch x := statement["Action"].(type) {
	case string:
		return wild(x, action)
	case []any:
		return slices.ContainsFunc(x, func(y any) bool { return wild(fmt.Sprint(y), action) })
	}
	return false
}

func wild(pattern, s string) bool {
	return regexp.MustCompile("(?i)^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(s)
}

// scp is a service control policy of the account, by its id.
func (a *account) scps() (ids []string, at func(id string) int) {
	list, _ := a.world["scps"].([]any)
	if len(list) == 0 {
		return []string{"p-FullAWSAccess"}, func(string) int { return -1 }
	}
	for i, x := range list {
		id := fmt.Sprintf("p-lab%05d", i)
		if arn := str(x.(object), "arn"); strings.Contains(arn, "/p-") {
			id = arn[strings.LastIndex(arn, "/")+1:]
		}
		ids = append(ids, id)
	}
	return ids, func(id string) int { return slices.Index(ids, id) }
}

func (a *account) json(op string, in object) (object, error) {
	hybrid := sub(a.world, "hybrid")
	switch op {
	case "organizations:ListPoliciesForTarget":
		var out []object
		ids, _ := a.scps()
		if str(in, "TargetId") != "r-lab1" {
			ids = nil
		}
		for _, id := range ids {
			out = append(out, object{"Id": id, "Arn": "arn:aws:organizations::444455556666:policy/o-lab1234567/service_control_policy/" + id, "Name": id, "Type": "SERVICE_CONTROL_POLICY"})
		}
		return object{"Policies": out}, nil
	case "organizations:ListParents":
		if str(in, "ChildId") == "r-lab1" {
			return nil, fail("ChildNotFoundException", "a root has no parent")
		}
		return object{"Parents": []object{{"Id": "r-lab1", "Type": "ROOT"}}}, nil
	case "organizations:DescribePolicy", "organizations:UpdatePolicy":
		_, at := a.scps()
		i := at(str(in, "PolicyId"))
		if i < 0 {
			return nil, fail("PolicyNotFoundException", "no policy %s", str(in, "PolicyId"))
		}
		list := a.world["scps"].([]any)
		if op == "organizations:UpdatePolicy" {
			var d object
			if err := json.Unmarshal([]byte(str(in, "Content")), &d); err != nil {
				return nil, fail("MalformedPolicyDocumentException", "%v", err)
			}
			list[i], a.changed = object{"arn": str(list[i].(object), "arn"), "document": d}, true
		}
		raw, _ := json.Marshal(document(list[i]))
		return object{"Policy": object{"PolicySummary": object{"Id": str(in, "PolicyId")}, "Content": string(raw)}}, nil
	case "ssm:UpdateServiceSetting":
		a.world["dhmc"], a.changed = object{"enabled": str(in, "SettingValue") != "$None", "principal": "dhmc"}, true
		principals := sub(a.world, "principals")
		if principals["dhmc"] == nil {
			principals["dhmc"] = object{"kind": "dhmc", "role": "AWSSystemsManagerDefaultEC2InstanceManagementRole", "policies": []any{"AmazonSSMManagedEC2InstanceDefaultPolicy"}}
		}
		return object{}, nil
	case "ssm:CreateActivation":
		role := str(in, "IamRole")
		role = role[strings.LastIndex(role, "/")+1:]
		p, err := a.role(role)
		if err != nil && role == serviceRole {
			p, err = object{"kind": "hybrid", "role": serviceRole, "role_path": "/service-role/", "policies": []any{"AmazonSSMManagedInstanceCore"}}, nil
			sub(a.world, "principals")["activated"] = p
		}
		if err != nil || str(p, "kind") != "hybrid" {
			return nil, fail("ValidationException", "Nonexistent role or missing ssm service principal in trust policy: %s", role)
		}
		for k, x := range sub(a.world, "principals") {
			if q, _ := x.(object); str(q, "role") == role {
				hybrid["principal"] = k
			}
		}
		delete(p, "session_name")
		hybrid["instance_id"], hybrid["activation_id"], hybrid["activation_code"] = "mi-0feedfacefeedface", "7c1d9f5e-1f0a-4c3c-9f6e-0a1b2c3d4e5f", "NewActivation0000001"
		hybrid["fingerprint"], hybrid["deregistered"], hybrid["activation_expired"] = "bind", false, false
		a.without(func(f object) bool { return str(f, "action") == "RegisterManagedInstance" })
		a.changed = true
		return object{"ActivationId": hybrid["activation_id"], "ActivationCode": hybrid["activation_code"]}, nil
	case "ssm:UpdateManagedInstanceRole":
		if _, err := a.role(str(in, "IamRole")); err != nil {
			return nil, fail("ValidationException", "no role %s", str(in, "IamRole"))
		}
		a.without(func(f object) bool { return strings.Contains(str(f, "message"), "Unable to assume role") })
		a.changed = true
		return object{}, nil
	case "ssm:DeregisterManagedInstance":
		return object{}, nil
	case "ssm:DescribeActivations":
		return object{"ActivationList": []any{}}, nil
	case "ssm:DescribeInstanceInformation":
		return object{"InstanceInformationList": []any{}}, nil
	case "ssm:GetDocument":
		return object{"Name": in["Name"], "Content": `{"schemaVersion":"1.0","sessionType":"Standard_Stream","inputs":{"runAsEnabled":true}}`, "DocumentVersion": "1", "DocumentFormat": "JSON"}, nil
	case "ssm:UpdateDocument":
		a.preference = str(in, "Content")
		return object{"DocumentDescription": object{"Name": in["Name"]}}, nil
	case "ssm:CreateAssociation", "ssm:SendCommand", "ssm:GetParametersByPath":
		return object{}, nil
	case "route53resolver:ListResolverEndpoints":
		return object{"ResolverEndpoints": []any{}}, nil
	case "ec2-instance-connect:SendSerialConsoleSSHPublicKey":
		return object{"Success": true}, nil
	}
	a.unknown = append(a.unknown, op)
	return nil, fail("UnknownOperationException", "%s is not known here", op)
}

// serviceRole is the service role that a reader has for hybrid nodes.
const serviceRole = "HybridServiceRole"
