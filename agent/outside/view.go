package outside

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"ssm-doctor/checks/iam"
)

// View is the answers of a file, sorted. What was refused is not in it, and why is in Refused.
type View struct {
	File      *File
	Account   string
	Partition string
	Refused   map[string]string // service operation: code

	instances    map[string]instance
	sawInstances bool // EC2 answered
	listed       map[string]information
	asked        map[string]bool // nodes for which the service was asked, with an answer
	allListed    bool
	dhmc         *string // role of Default Host Management; empty: off; nil: not known
	tier         string
	endpoints    map[string][]endpoint // by VPC, where the call was answered
	groups       map[string]group
	routes       map[string][]routeTable
	acls         map[string][]acl
	networks     map[string][]netip.Prefix
	profiles     map[string][]string // roles by profile
	noProfile    map[string]bool     // profiles that do not exist
	roles        map[string]*role
	noRole       map[string]bool
	policies     map[string]*iam.Policy // by ARN
	scp          [][]*iam.Policy        // from the root to the account; nil: not known; empty: there are none
	rcp          [][]*iam.Policy        // the same
	free         string                 // why no control policy reaches the account; empty: they may
	cut          map[string]bool        // calls that have more to say than was asked for
}

// organization is what was read of it on the way.
type organization struct {
	manager string
	billing bool                           // it has no policies
	texts   map[string]*iam.Policy         // by id
	levels  map[string]map[string][]string // ids of policies, by kind and target
	parents map[string]string
}

type role struct {
	arn      string
	trust    *iam.Policy
	attached []string // ARNs; nil with listed false: not known
	inline   map[string]*iam.Policy
	names    []string // of inline policies
	listed   bool
	named    bool
	boundary string
}

type group struct {
	GroupId                            string
	IpPermissions, IpPermissionsEgress []permission
}

type permission struct {
	IpProtocol       string
	FromPort, ToPort *int
	IpRanges         []struct{ CidrIp string }
	Ipv6Ranges       []struct{ CidrIpv6 string }
	UserIdGroupPairs []struct{ GroupId string }
	PrefixListIds    []struct{ PrefixListId string }
}

type routeTable struct {
	RouteTableId string
	Associations []struct {
		SubnetId string
		Main     bool
	}
	Routes []route
}

type route struct {
	DestinationCidrBlock, DestinationIpv6CidrBlock, EgressOnlyInternetGatewayId, GatewayId, NatGatewayId, TransitGatewayId, NetworkInterfaceId, InstanceId, VpcPeeringConnectionId, CoreNetworkArn, State string
}

type acl struct {
	NetworkAclId string
	Associations []struct{ SubnetId string }
	Entries      []aclEntry
}

type aclEntry struct {
	RuleNumber           int
	Protocol, RuleAction string
	Egress               bool
	CidrBlock            string
	Ipv6CidrBlock        string
	PortRange            *struct{ From, To int }
}

// ViewOf sorts the answers of a file.
func ViewOf(f *File) *View {
	v := &View{File: f, Partition: "aws", Refused: map[string]string{}, instances: map[string]instance{}, listed: map[string]information{}, asked: map[string]bool{}, endpoints: map[string][]endpoint{}, groups: map[string]group{},
		routes: map[string][]routeTable{}, acls: map[string][]acl{}, networks: map[string][]netip.Prefix{}, profiles: map[string][]string{}, noProfile: map[string]bool{}, roles: map[string]*role{}, noRole: map[string]bool{}, policies: map[string]*iam.Policy{}, cut: map[string]bool{}}
	o := organization{texts: map[string]*iam.Policy{}, levels: map[string]map[string][]string{}, parents: map[string]string{}}
	for _, k := range kindsOfControl {
		o.levels[k] = map[string][]string{}
	}
	for _, a := range f.Answers {
		v.answer(a, &o)
	}
	switch {
	case o.manager != "" && o.manager == v.Account:
		v.free = "the account manages its organization, and they do not reach it"
	case o.billing:
		v.free = "the organization is for consolidated billing alone"
	}
	v.scp, v.rcp = o.chain(v.Account, kindsOfControl[0]), o.chain(v.Account, kindsOfControl[1])
	if v.free != "" {
		v.scp, v.rcp = [][]*iam.Policy{}, [][]*iam.Policy{}
	}
	return v
}

// arg is the value of an argument of a call.
func (a Answer) arg(name string) string {
	if i := slices.Index(a.Call, name); i >= 0 && i+1 < len(a.Call) {
		return a.Call[i+1]
	}
	return ""
}

func (v *View) roleOf(name string) *role {
	if v.roles[name] == nil {
		v.roles[name] = &role{inline: map[string]*iam.Policy{}}
	}
	return v.roles[name]
}

func (v *View) answer(a Answer, o *organization) {
	call := a.Call[0] + " " + a.Call[1]
	filter := a.arg("--filters")
	_, values, _ := strings.Cut(filter, "Values=")
	vpc := strings.TrimPrefix(filter, "Name=vpc-id,Values=")
	if a.Error != "" {
		switch {
		case call == "iam get-instance-profile" && a.Error == "NoSuchEntity":
			v.noProfile[a.arg("--instance-profile-name")] = true
		case call == "iam get-role" && a.Error == "NoSuchEntity":
			v.noRole[a.arg("--role-name")] = true
		case call == "ssm get-service-setting" && a.Error == "ServiceSettingNotFound" && strings.HasSuffix(a.arg("--setting-id"), "management-role"):
			v.dhmc = new(string)
		case call == "organizations describe-organization" && a.Error == inNoOrganization:
			v.free = "the account is in no organization"
		default:
			v.Refused[call] = a.Error
		}
		return
	}
	more := decode[struct{ NextToken string }](a.Output).NextToken != ""
	switch call {
	case "sts get-caller-identity":
		who := decode[struct{ Account, Arn string }](a.Output)
		v.Account = who.Account
		if p := strings.Split(who.Arn, ":"); len(p) > 1 && p[1] != "" {
			v.Partition = p[1]
		}
	case "ec2 describe-instances":
		v.sawInstances = true
		v.cut[call] = more // the last portion tells
		for _, r := range decode[struct {
			Reservations []struct{ Instances []instance }
		}](a.Output).Reservations {
			for _, i := range r.Instances {
				v.instances[i.InstanceId] = i
			}
		}
	case "ssm describe-instance-information":
		for _, i := range decode[struct{ InstanceInformationList []information }](a.Output).InstanceInformationList {
			v.listed[i.InstanceId] = i
		}
		if filter == "" {
			v.allListed, v.cut[call] = !more, more
		}
		for id := range strings.SplitSeq(values, ",") {
			v.asked[id] = true
		}
	case "ssm get-service-setting":
		set := decode[settingAnswer](a.Output).ServiceSetting.SettingValue
		if strings.HasSuffix(a.arg("--setting-id"), "activation-tier") {
			v.tier = set
			break
		}
		if set == "$None" {
			set = ""
		}
		r := lastPart(set)
		v.dhmc = &r
	case "ec2 describe-vpc-endpoints":
		v.endpoints[vpc] = append([]endpoint{}, decode[struct{ VpcEndpoints []endpoint }](a.Output).VpcEndpoints...)
	case "ec2 describe-security-groups":
		for _, g := range decode[struct{ SecurityGroups []group }](a.Output).SecurityGroups {
			v.groups[g.GroupId] = g
		}
	case "ec2 describe-route-tables":
		v.routes[vpc] = append([]routeTable{}, decode[struct{ RouteTables []routeTable }](a.Output).RouteTables...)
	case "ec2 describe-network-acls":
		v.acls[vpc] = append([]acl{}, decode[struct{ NetworkAcls []acl }](a.Output).NetworkAcls...)
	case "ec2 describe-vpcs":
		for _, x := range decode[struct {
			Vpcs []struct {
				CidrBlock               string
				CidrBlockAssociationSet []struct{ CidrBlock string }
			}
		}](a.Output).Vpcs {
			blocks := []string{x.CidrBlock}
			for _, b := range x.CidrBlockAssociationSet {
				blocks = append(blocks, b.CidrBlock)
			}
			for _, b := range blocks {
				if p, err := netip.ParsePrefix(b); err == nil {
					v.networks[vpc] = append(v.networks[vpc], p)
				}
			}
		}
	case "iam get-instance-profile":
		names := []string{}
		for _, r := range decode[profileAnswer](a.Output).InstanceProfile.Roles {
			names = append(names, r.RoleName)
		}
		v.profiles[a.arg("--instance-profile-name")] = names
	case "iam get-role":
		in, r := decode[roleAnswer](a.Output).Role, v.roleOf(a.arg("--role-name"))
		r.arn, r.boundary = in.Arn, in.PermissionsBoundary.PermissionsBoundaryArn
		if p, err := iam.ParsePolicy(in.AssumeRolePolicyDocument); err == nil {
			r.trust = p
		}
	case "iam list-attached-role-policies":
		r := v.roleOf(a.arg("--role-name"))
		r.listed = true
		for _, p := range decode[struct {
			AttachedPolicies []struct{ PolicyArn string }
		}](a.Output).AttachedPolicies {
			r.attached = append(r.attached, p.PolicyArn)
		}
	case "iam list-role-policies":
		r := v.roleOf(a.arg("--role-name"))
		r.named, r.names = true, decode[struct{ PolicyNames []string }](a.Output).PolicyNames
	case "iam get-role-policy":
		if p, err := iam.ParseGrant(decode[struct{ PolicyDocument json.RawMessage }](a.Output).PolicyDocument); err == nil {
			p.Name = a.arg("--policy-name")
			v.roleOf(a.arg("--role-name")).inline[p.Name] = p
		}
	case "iam get-policy-version":
		d := decode[struct {
			PolicyVersion struct{ Document json.RawMessage }
		}](a.Output)
		if p, err := iam.ParsePolicy(d.PolicyVersion.Document); err == nil {
			p.ARN = a.arg("--policy-arn")
			p.Name = lastPart(p.ARN)
			v.policies[p.ARN] = p
		}
	case "organizations describe-organization":
		is := decode[organizationAnswer](a.Output).Organization
		o.manager, o.billing = is.MasterAccountId, is.FeatureSet == billingOnly
	case "organizations list-policies-for-target":
		ids := []string{}
		for _, p := range decode[struct{ Policies []struct{ Id string } }](a.Output).Policies {
			ids = append(ids, p.Id)
		}
		if of := o.levels[a.arg("--filter")]; of != nil {
			of[a.arg("--target-id")] = ids
		}
	case "organizations list-parents":
		if p := decode[struct{ Parents []struct{ Id string } }](a.Output).Parents; len(p) > 0 {
			o.parents[a.arg("--child-id")] = p[0].Id
		}
	case "organizations describe-policy":
		d := decode[struct {
			Policy struct {
				Content       string
				PolicySummary struct{ Name string }
			}
		}](a.Output)
		if p, err := iam.ParsePolicy([]byte(d.Policy.Content)); err == nil {
			p.Name = d.Policy.PolicySummary.Name
			o.texts[a.arg("--policy-id")] = p
		}
	}
}

// chain are the levels of control policies of a kind from the root to the account; nil
// where one of them, or a policy of one, could not be read: what is missing may deny.
// Where a kind is enabled every level has a policy: with none at all it is not enabled,
// and no level limits anything; with some empty levels the answers are not understood.
func (o *organization) chain(account, kind string) [][]*iam.Policy {
	var out [][]*iam.Policy
	empty := 0
	for id, n := account, 0; n <= maxParents; n++ {
		ids, ok := o.levels[kind][id]
		if !ok {
			return nil
		}
		level := []*iam.Policy{}
		for _, p := range ids {
			if o.texts[p] == nil {
				return nil
			}
			level = append(level, o.texts[p])
		}
		out = append(out, level)
		if len(level) == 0 {
			empty++
		}
		if strings.HasPrefix(id, "r-") {
			switch empty {
			case 0:
				slices.Reverse(out)
				return out
			case len(out):
				return [][]*iam.Policy{}
			}
			return nil
		}
		if id = o.parents[id]; id == "" {
			return nil
		}
	}
	return nil
}

// layers are the policies of a role as far as they were read, and what is missing.
func (v *View) layers(name string) (l iam.Layers, missing []string) {
	r := v.roles[name]
	if r == nil || !r.listed || !r.named {
		return l, []string{"policies of the role"}
	}
	l.Identity = []*iam.Policy{}
	for _, arn := range r.attached {
		if p := v.policies[arn]; p != nil {
			l.Identity = append(l.Identity, p)
		} else {
			missing = append(missing, lastPart(arn))
		}
	}
	for _, n := range r.names {
		if p := r.inline[n]; p != nil {
			l.Identity = append(l.Identity, p)
		} else {
			missing = append(missing, n)
		}
	}
	switch {
	case r.arn == "":
		missing = append(missing, "permissions boundary")
	case r.boundary != "" && v.policies[r.boundary] != nil:
		l.Boundary = []*iam.Policy{v.policies[r.boundary]}
	case r.boundary != "":
		missing = append(missing, lastPart(r.boundary))
	}
	l.SCP, l.RCP = v.scp, v.rcp
	return l, missing
}

// Nodes are the ids of all nodes in the file, sorted.
func (v *View) Nodes() []string {
	set := map[string]bool{}
	for id := range v.instances {
		set[id] = true
	}
	for id := range v.listed {
		set[id] = true
	}
	for id := range v.asked {
		set[id] = ValidID(id)
	}
	var out []string
	for id, ok := range set {
		if ok {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// short says of a call that there is more than was asked for; empty: all was.
func (v *View) short(call string) string {
	switch {
	case !v.cut[call]:
		return ""
	case call == "ec2 describe-instances":
		return fmt.Sprintf("there are more than the %d instances of one run", len(v.instances))
	}
	return fmt.Sprintf("there are more than the %d nodes of one run", len(v.listed))
}

// Limits says what is not in the file because one run has bounds.
func (v *View) Limits() []string {
	var out []string
	for _, call := range slices.Sorted(maps.Keys(v.cut)) {
		if s := v.short(call); s != "" {
			out = append(out, s+": ask for the others with --instance or --tag")
		}
	}
	if n := v.File.NotAsked; n > 0 {
		out = append(out, fmt.Sprintf("%d calls were not made: one run makes at most %d, and ends at its --timeout", n, maxCalls))
	}
	return out
}
