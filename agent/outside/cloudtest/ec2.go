package cloudtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

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

func (c *Cloud) instances(in Object) (Object, *Error) {
	f, e := filters(in, "instance-id", "instance-state-name", "tag:", "vpc-id")
	if e != nil {
		return nil, e
	}
	if ids, ok := in["InstanceIds"].([]any); ok {
		for _, id := range ids {
			f["instance-id"] = append(f["instance-id"], text(id))
		}
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
