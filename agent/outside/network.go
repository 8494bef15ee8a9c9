package outside

import (
	"net/netip"
	"slices"
	"strings"

	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/sorting"
	"ssm-doctor/checks/text"
)

// service is the service of an endpoint's name: com.amazonaws.eu-central-1.ssm.
func (e endpoint) service() string {
	return e.ServiceName[strings.LastIndexByte(e.ServiceName, '.')+1:]
}

// endpointOf is the endpoint through which the names of a service lead, or nothing.
func (v *View) endpointOf(i instance, service string) endpoint {
	for _, e := range v.endpoints[i.VpcId] {
		if e.service() == service && e.VpcEndpointType == "Interface" && e.PrivateDnsEnabled && strings.EqualFold(e.State, "available") {
			return e
		}
	}
	return endpoint{}
}

func (v *View) endpointPolicies(i instance) map[string][]*iam.Policy {
	out := map[string][]*iam.Policy{}
	for _, service := range []string{"ssm", "ssmmessages", "ec2messages"} {
		e := v.endpointOf(i, service)
		if e.PolicyDocument == "" {
			continue
		}
		if p, err := iam.ParsePolicy([]byte(e.PolicyDocument)); err == nil {
			p.Name = e.VpcEndpointId
			out[service] = []*iam.Policy{p}
		}
	}
	return out
}

var reGroup = pattern.New(`^sg-[0-9a-f]{8,17}$`)

// network follows port 443 from the instance to each of the two services it needs.
func (j *Judgement) network(i instance) {
	v, region := j.v, j.v.File.Region
	list, known := v.endpoints[i.VpcId]
	if !known {
		j.unknown(whatEndpoints, "ec2 describe-vpc-endpoints")
	}
	own, ownKnown := []group{}, len(i.SecurityGroups) > 0
	for _, g := range i.SecurityGroups {
		if x, ok := v.groups[g.GroupId]; ok {
			own = append(own, x)
		} else {
			ownKnown = false
		}
	}
	if !ownKnown {
		j.unknown(whatGroups, "ec2 describe-security-groups")
	}
	way, wayKnown, wayText := v.wayOut(i)
	if !wayKnown {
		j.unknown(whatRoutes, "ec2 describe-route-tables")
	}
	aclDenies, aclKnown := v.aclDenies(i)
	if aclDenies != "" && slices.ContainsFunc(list, func(e endpoint) bool {
		return e.VpcEndpointType == "Interface" && slices.Contains(e.SubnetIds, i.SubnetId)
	}) || aclDenies != "" && !known {
		// Of traffic within a subnet no network ACL is asked, and which of its addresses an
		// endpoint's name gives is not known.
		aclDenies, aclKnown = "", false
	}
	if wayKnown {
		j.says(whatRoutes, "%s", wayText)
	}
	if aclDenies != "" {
		j.name("tcp", "network-no-egress", "the network ACL "+aclDenies, aclDenies, "ec2 describe-network-acls", openACL(region, i.SubnetId)...)
	}
	if ownKnown {
		out := slices.ContainsFunc(own, func(g group) bool { return opens(g.IpPermissionsEgress) })
		j.says(whatGroups, "%s", map[bool]string{true: "a rule lets port 443 out", false: "no rule lets port 443 out"}[out])
		if !out {
			g := i.SecurityGroups[0].GroupId
			j.name("tcp", "network-no-egress", "no security group of the instance lets port 443 out", "no egress rule for 443 in "+groupNames(i), "ec2 describe-security-groups", letOut(region, g)...)
		}
	}
	if !known {
		return
	}
	var says []string
	any := slices.ContainsFunc(list, func(e endpoint) bool { return e.service() == "ssm" || e.service() == "ssmmessages" })
	for _, service := range []string{"ssm", "ssmmessages"} {
		e := v.endpointOf(i, service)
		if e.VpcEndpointId == "" {
			says = append(says, "none for "+service)
			at := slices.IndexFunc(list, func(e endpoint) bool { return e.service() == service && e.VpcEndpointType == "Interface" })
			switch {
			case way != noWay || !wayKnown:
			case at >= 0 && !list[at].PrivateDnsEnabled:
				j.name("tcp", "vpce-private-dns-off", "the endpoint "+list[at].VpcEndpointId+" for "+service+" has private DNS off, and the subnet has no other way out", "PrivateDnsEnabled false", "ec2 describe-vpc-endpoints", turnPrivateDNSOn(region, list[at].VpcEndpointId)...)
			case any:
				j.name("tcp", "vpce-service-missing", "there is no VPC endpoint for "+service+" in "+i.VpcId+", and the subnet has no other way out", "no endpoint for "+service, "ec2 describe-vpc-endpoints", makeEndpoint("Make the endpoint", region, service, i, groupsOf(list))...)
			default:
				j.name("tcp", "network-no-egress", "the subnet "+i.SubnetId+" has no way out and its VPC no endpoints for Systems Manager: "+wayText, wayText, "ec2 describe-route-tables", makeEndpoint("Give the subnet a NAT gateway, or the VPC endpoints for ssm and ssmmessages", region, "ssm", i, nil)...)
				j.says(whatEndpoints, "none for ssm and ssmmessages")
				return
			}
			continue
		}
		says = append(says, service+" by "+e.VpcEndpointId)
		lets, sure := v.letsIn(e, i)
		if sure && !lets && len(e.Groups) > 0 && reGroup.MatchString(e.Groups[0].GroupId) {
			j.name("tcp", "vpce-sg-blocked", "the security group "+e.Groups[0].GroupId+" of the endpoint "+e.VpcEndpointId+" does not let 443 in from this instance", "no ingress rule for 443 from "+i.PrivateIpAddress+" or "+groupNames(i), "ec2 describe-security-groups", letIn(region, e.Groups[0].GroupId, i)...)
		}
	}
	if aclKnown && ownKnown {
		j.says(whatEndpoints, "%s", strings.Join(says, ", "))
	} else {
		j.Unknown = append(j.Unknown, whatEndpoints+" (read in part)")
	}
}

// groupsOf are the groups of an interface endpoint that the VPC has.
func groupsOf(list []endpoint) []string {
	var out []string
	for _, e := range list {
		for _, g := range e.Groups {
			if e.VpcEndpointType == "Interface" && len(out) < maxGroups && reGroup.MatchString(g.GroupId) {
				out = append(out, g.GroupId)
			}
		}
		if len(out) > 0 {
			break
		}
	}
	return out
}

// maxGroups is how many groups an endpoint may have; see the quotas of VPC.
const maxGroups = 5

func groupNames(i instance) string {
	var out []string
	for _, g := range i.SecurityGroups {
		out = append(out, g.GroupId)
	}
	return strings.Join(out, ", ")
}

func (p permission) covers(port int) bool {
	if p.IpProtocol == "-1" {
		return true
	}
	return (p.IpProtocol == "tcp" || p.IpProtocol == "6") && (p.FromPort == nil || *p.FromPort <= port) && (p.ToPort == nil || *p.ToPort >= port)
}

// opens reports whether a rule lets port 443 out to anything: to what is not judged.
func opens(list []permission) bool {
	return slices.ContainsFunc(list, func(p permission) bool {
		return p.covers(443) && len(p.IpRanges)+len(p.Ipv6Ranges)+len(p.UserIdGroupPairs)+len(p.PrefixListIds) > 0
	})
}

// letsIn reports whether the groups of an endpoint let the instance in on 443; sure is
// false where a group was not read or a rule names a prefix list, or networks of IPv6.
func (v *View) letsIn(e endpoint, i instance) (lets, sure bool) {
	sure = len(e.Groups) > 0
	address, err := netip.ParseAddr(i.PrivateIpAddress)
	for _, ref := range e.Groups {
		g, ok := v.groups[ref.GroupId]
		if !ok {
			sure = false
			continue
		}
		for _, p := range g.IpPermissions {
			if !p.covers(443) {
				continue
			}
			if len(p.PrefixListIds) > 0 {
				sure = false
			}
			for _, r := range p.IpRanges {
				if n, bad := netip.ParsePrefix(r.CidrIp); bad == nil && err == nil && n.Contains(address) {
					return true, true
				}
			}
			if len(p.Ipv6Ranges) > 0 {
				sure = false // which addresses of version 6 the instance has is not read
			}
			for _, pair := range p.UserIdGroupPairs {
				if slices.ContainsFunc(i.SecurityGroups, func(g struct{ GroupId string }) bool { return g.GroupId == pair.GroupId }) {
					return true, true
				}
			}
		}
	}
	return false, sure && err == nil
}

// Ways out of a subnet.
const (
	noWay = iota
	someWay
)

// reGateway are gateways behind which private networks lie.
var reGateway = pattern.New(`^(vgw|lgw|cagw)-`)

// wayOut says whether a subnet has a default route that leads somewhere, or a route to a
// network behind which the services may be reached.
func (v *View) wayOut(i instance) (way int, known bool, says string) {
	tables, ok := v.routes[i.VpcId]
	if !ok {
		return noWay, false, ""
	}
	at := slices.IndexFunc(tables, func(t routeTable) bool {
		for _, a := range t.Associations {
			if a.SubnetId != "" && a.SubnetId == i.SubnetId {
				return true
			}
		}
		return false
	})
	if at < 0 {
		at = slices.IndexFunc(tables, func(t routeTable) bool {
			for _, a := range t.Associations {
				if a.Main {
					return true
				}
			}
			return false
		})
	}
	if at < 0 {
		return noWay, false, ""
	}
	t := tables[at]
	six := slices.ContainsFunc(t.Routes, func(r route) bool {
		return r.DestinationIpv6CidrBlock != "" && r.GatewayId != "local" && r.State != "blackhole"
	})
	way, known, says = t.way(i)
	if way == noWay && six {
		return noWay, false, "" // it may lead to the services by IPv6
	}
	return way, known, says
}

// way follows the routes of IPv4.
func (t routeTable) way(i instance) (way int, known bool, says string) {
	for _, r := range t.Routes {
		if r.DestinationCidrBlock != "0.0.0.0/0" {
			continue
		}
		to := text.Or(r.NatGatewayId, text.Or(r.TransitGatewayId, text.Or(r.NetworkInterfaceId, text.Or(r.InstanceId, text.Or(r.VpcPeeringConnectionId, r.GatewayId)))))
		switch {
		case r.State == "blackhole":
			return noWay, true, "the default route of " + t.RouteTableId + " leads to " + to + ", which is gone"
		case strings.HasPrefix(r.GatewayId, "igw-") && i.PublicIpAddress == "":
			return noWay, true, "the default route of " + t.RouteTableId + " leads to " + to + ", and the instance has no public address"
		}
		return someWay, true, "the default route of " + t.RouteTableId + " leads to " + to
	}
	for _, r := range t.Routes { // endpoints and proxies may lie behind it
		to := text.Or(r.TransitGatewayId, text.Or(r.NetworkInterfaceId, text.Or(r.InstanceId, text.Or(r.VpcPeeringConnectionId, text.Or(r.NatGatewayId, r.CoreNetworkArn)))))
		if r.DestinationIpv6CidrBlock != "" {
			continue
		}
		if to == "" && reGateway.MatchString(r.GatewayId) {
			to = r.GatewayId
		}
		if to != "" && r.State != "blackhole" {
			return someWay, true, t.RouteTableId + " has no default route, and one to " + text.Or(r.DestinationCidrBlock, "a prefix list") + " by " + to
		}
	}
	return noWay, true, t.RouteTableId + " has no default route"
}

// aclDenies names the network ACL that drops port 443 to everywhere, or its answers.
func (v *View) aclDenies(i instance) (says string, known bool) {
	list, ok := v.acls[i.VpcId]
	if !ok {
		return "", false
	}
	for _, a := range list {
		mine := false
		for _, s := range a.Associations {
			mine = mine || s.SubnetId == i.SubnetId
		}
		if !mine {
			continue
		}
		if a.drops(true, 443) {
			return a.NetworkAclId + " lets port 443 out to nowhere", true
		}
		if a.drops(false, 40000) && a.drops(false, 50000) {
			return a.NetworkAclId + " lets no answers in", true
		}
		return "", true
	}
	return "", false
}

// drops reports whether no entry allows a port in a direction, or an entry for all
// addresses denies it first.
func (a acl) drops(egress bool, port int) bool {
	entries := slices.Clone(a.Entries)
	sorting.By(entries, func(x, y aclEntry) int { return x.RuleNumber - y.RuleNumber })
	for _, e := range entries {
		if e.Egress != egress || e.Protocol != "-1" && e.Protocol != "6" || e.Protocol == "6" && e.PortRange != nil && (port < e.PortRange.From || port > e.PortRange.To) {
			continue
		}
		if e.RuleAction == "allow" {
			return false
		}
		if e.CidrBlock == "0.0.0.0/0" {
			return true
		}
	}
	return true
}
