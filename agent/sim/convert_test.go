package sim_test

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/sim"
)

// now is the clock of all converted hosts.
var now = time.Date(2026, 3, 4, 10, 12, 42, 0, time.UTC)

const (
	stateDir = "/var/lib/amazon/ssm"
	uii      = "ssm:UpdateInstanceInformation"
	openChan = "ssmmessages:CreateControlChannel"
	getMsgs  = "ec2messages:GetMessages"
	getToken = "ssm:RequestManagedInstanceRoleToken"
)

// coreActions are those of AmazonSSMManagedInstanceCore, in its groups.
var coreActions = []string{
	"ssm:DescribeAssociation", "ssm:GetDeployablePatchSnapshotForInstance", "ssm:GetDocument", "ssm:DescribeDocument", "ssm:GetManifest", "ssm:GetParameter", "ssm:GetParameters",
	"ssm:ListAssociations", "ssm:ListInstanceAssociations", "ssm:PutInventory", "ssm:PutComplianceItems", "ssm:PutConfigurePackageResult", "ssm:UpdateAssociationStatus",
	"ssm:UpdateInstanceAssociationStatus", uii,
	openChan, "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
	"ec2messages:AcknowledgeMessage", "ec2messages:DeleteMessage", "ec2messages:FailMessage", "ec2messages:GetEndpoint", getMsgs, "ec2messages:SendReply",
}

// converter makes a host of what was observed. What it cannot express it says in inexpressible.
type converter struct {
	c             *observed
	o             *observable
	s             *sim.Scenario
	domain        string
	working       bool // the agent has credentials
	inexpressible []string
}

func convert(c *observed) (sim.Scenario, []string) {
	v := &converter{c: c, o: &c.Observable, s: &sim.Scenario{Now: now, Principals: map[string]*sim.Principal{}, Endpoints: map[string]sim.Endpoint{}, Files: map[string]sim.File{}}}
	v.where()
	v.metadata()
	v.permissions()
	v.network()
	v.log()
	v.agent()
	v.host()
	return *v.s, v.inexpressible
}

func (v *converter) cannot(format string, a ...any) {
	v.inexpressible = append(v.inexpressible, fmt.Sprintf(format, a...))
}

var (
	reEndpoint = regexp.MustCompile(`^([a-z0-9]+)\.([a-z]{2}(?:-[a-z]+)+-\d)\.(amazonaws\.com(?:\.cn)?)$`)
	reAccount  = regexp.MustCompile(`:(\d{12}):`)
)

func (v *converter) where() {
	o, s := v.o, v.s
	s.Kind, s.GOOS = v.c.Platform, o.OS
	s.Region, v.domain = "us-east-1", "amazonaws.com"
	for _, h := range slices.Sorted(maps.Keys(o.Network)) {
		if m := reEndpoint.FindStringSubmatch(h); m != nil {
			s.Region, v.domain = m[2], m[3]
		}
	}
	if r := o.IMDS["GET placement/region"].text(); r != "" && s.Kind == sim.EC2 && !strings.HasPrefix(s.Region, "us-gov-") {
		s.Region = r
	}
	s.Instance, s.Node, s.Account = "i-0123456789abcdef0", "mi-0123456789abcdef0", "123456789012"
	if id := o.IMDS["GET instance-id"].text(); id != "" {
		s.Instance = id
	}
	if f := o.Files[stateDir+"/registration"]; f.Exists {
		if m := regexp.MustCompile(`mi-[0-9a-f]+`).FindString(string(f.Content)); m != "" {
			s.Node = m
		}
	}
	for _, l := range o.Log {
		if m := reAccount.FindStringSubmatch(l); m != nil {
			s.Account = m[1]
		}
	}
	s.Skew = -o.ClockSkew
	if synced, ok := o.NTP["synchronized"]; ok {
		s.Unsynced = !synced
	}
	for _, r := range o.Routes {
		f := strings.Fields(r)
		switch {
		case len(f) >= 3 && strings.HasPrefix(f[0], "169.254.169.254"):
			s.IMDSGateway = f[2]
		case len(f) >= 3 && f[0] == "host":
			if p, err := netip.ParsePrefix(strings.TrimSuffix(f[2], ",")); err == nil {
				s.Address = p.Addr().String()
			}
		}
	}
}

func (v *converter) metadata() {
	a, s := v.o.IMDS, v.s
	put, ok := a["PUT /latest/api/token"]
	if !ok {
		put, ok = a["PUT /latest/api/token direct"]
	}
	bare := a["GET without token"]
	switch {
	case !ok && s.Kind == sim.EC2:
		s.IMDS.Mode = "required"
	case !ok:
		s.IMDS.Mode = "unreachable"
	case put.Status == 403:
		s.IMDS.Mode = "disabled"
	case strings.Contains(put.Error, "no route to host"):
		s.IMDS.Mode = "unreachable"
	case put.Error == "timeout" && bare.Status == 401:
		s.IMDS.Mode = "token-timeout"
	case put.Error == "connect: connection refused":
		s.IMDS.Mode = "refuse"
	case put.Error == "timeout":
		s.IMDS.Mode = "absent"
	case put.Error != "":
		v.cannot("metadata error %q", put.Error)
	case bare.Status == 200:
		s.IMDS.Mode = "optional"
	}
	if s.Kind != sim.EC2 || a["GET iam/info"].Status == 404 {
		return
	}
	p := &sim.Principal{Kind: sim.KindProfile, Name: "AppRole", Policies: []sim.Policy{"AmazonSSMManagedInstanceCore"}}
	for k, answer := range a {
		if r, ok := strings.CutPrefix(k, "GET iam/security-credentials/"); ok && r != "" {
			p.Name = r
			if c := answer.object()["Code"]; c != "" && c != "Success" {
				p.Code, p.Message = c, "EC2 cannot assume the role "+r+"."
			}
		}
	}
	s.IMDS.ProfileARN = a["GET iam/info"].object()["InstanceProfileArn"]
	s.Principals["profile"], s.IMDS.Profile = p, "profile"
}

// layerOf reads from a refusal which policy refused; empty when none is named.
func layerOf(message string) string {
	for _, l := range []struct{ words, layer string }{
		{"service control policy", "scp"}, {"permissions boundary", "boundary"}, {"VPC endpoint policy", "endpoint"}, {"identity-based policy", "identity"},
	} {
		if strings.Contains(message, l.words) {
			return l.layer
		}
	}
	return ""
}

func (v *converter) permissions() {
	o, s := v.o, v.s
	denied := map[string][]string{}
	var userDenied []string
	for _, action := range slices.Sorted(maps.Keys(o.API)) {
		out, ok := o.call(action)
		if !ok || out.Outcome != "denied" || action == getToken {
			continue
		}
		switch {
		case strings.Contains(out.Message, ":user/"):
			userDenied = append(userDenied, action)
		case out.Resource != "":
			s.Faults = append(s.Faults, sim.Fault{Action: action, Resource: strings.TrimSuffix(out.Resource, "*"), Status: 403, Code: out.Code, Message: "Access Denied"})
		default:
			l := layerOf(out.Message)
			if l == "" {
				l = "identity"
			}
			denied[l] = append(denied[l], action)
		}
	}
	allowed := func(without ...string) []sim.Policy {
		if len(without) == 0 {
			return []sim.Policy{"AmazonSSMManagedInstanceCore"}
		}
		return []sim.Policy{sim.Allow(slices.DeleteFunc(slices.Clone(coreActions), func(a string) bool {
			return slices.Contains(without, a) || slices.Contains(without, openChan) && strings.HasPrefix(a, "ssmmessages:") || slices.Contains(without, getMsgs) && strings.HasPrefix(a, "ec2messages:")
		})...)}
	}
	policies := allowed(denied["identity"]...)
	switch d := denied["identity"]; {
	case slices.Contains(d, uii): // the role of an application
		policies = []sim.Policy{sim.Allow("s3:GetObject", "logs:PutLogEvents")}
	case slices.Contains(d, openChan) && slices.Contains(d, getMsgs):
		policies = []sim.Policy{sim.Allow(uii)}
	}
	if _, ok := o.API["iam policy (operator supplied)"]; ok {
		policies = []sim.Policy{sim.Allow("s3:GetObject")}
	}
	if p := s.Principals["profile"]; p != nil {
		p.Policies = policies
		if len(denied["boundary"]) > 0 {
			p.Boundary = sim.Allow("s3:*", "ec2:Describe*")
		}
	}
	if v.registered() || s.Kind == sim.Hybrid {
		s.Principals["hybrid"] = &sim.Principal{Kind: sim.KindHybrid, Name: "SSMServiceRole", Path: "/service-role/", Policies: allowed()}
	}
	if l := denied["scp"]; len(l) > 0 {
		s.SCP = []sim.Policy{sim.Deny(l...)}
	}
	for _, a := range denied["endpoint"] {
		service, _, _ := strings.Cut(a, ":")
		e := s.Endpoints[service]
		e.Policy = sim.ForAll(service + ":GetParameter*")
		s.Endpoints[service] = e
	}
	if out, ok := o.call("sts:GetCallerIdentity"); ok && strings.Contains(out.ARN, ":user/") {
		s.Principals["user"] = &sim.Principal{Kind: sim.KindUser, Name: out.ARN[strings.LastIndex(out.ARN, "/")+1:], Policies: allowed(userDenied...)}
	}
	if s.Kind == sim.ECS {
		s.Principals["task"] = &sim.Principal{Kind: sim.KindTask, Name: "task-role", Policies: policies}
	}
	if v.identityConfig()["CredentialSource"] == "SSM" {
		s.Principals["dhmc"] = &sim.Principal{Kind: sim.KindDHMC, Name: "AWSSystemsManagerDefaultEC2InstanceManagementRole", Path: "/service-role/", Policies: []sim.Policy{"AmazonSSMManagedEC2InstanceDefaultPolicy"}}
	}
}

func (v *converter) network() {
	o, s := v.o, v.s
	used := map[string]string{}
	alike := map[string][]sim.Endpoint{}
	for _, host := range slices.Sorted(maps.Keys(o.Network)) {
		n := o.Network[host]
		if name, port, ok := strings.Cut(host, ":"); ok {
			v.proxy(name, port, n)
			continue
		}
		m := reEndpoint.FindStringSubmatch(host)
		if m == nil {
			if n.DNSError == "" {
				v.cannot("host %s", host)
			}
			continue
		}
		e := s.Endpoints[m[1]]
		e.Private, e.IPv6, e.Issuer = n.Scope == "private", n.AAAA, n.Issuer
		switch n.DNSError {
		case "":
		case "no such host":
			e.DNS = "nxdomain"
		case "i/o timeout":
			e.DNS = "timeout"
		default:
			v.cannot("DNS error %q", n.DNSError)
		}
		if n.Resolver != "" {
			s.Resolvers = []string{strings.Split(n.Resolver, ":")[0]}
		}
		for r, answers := range n.Resolvers {
			addr, note, _ := strings.Cut(r, " ")
			if strings.Contains(note, "resolv.conf") {
				s.Resolvers = []string{addr}
				continue
			}
			if e.Views == nil {
				e.Views = map[string][]string{}
			}
			e.Views[addr] = answers
		}
		switch {
		case n.TCP443 == "" || n.TCP443 == "ok" || strings.Contains(n.TCP443, "network is unreachable"): // the latter by the routes of the host
		case n.TCP443 == "timeout":
			e.TCP = "timeout"
		case strings.Contains(n.TCP443, "refused"):
			e.TCP = "refuse"
		default:
			v.cannot("TCP error %q", n.TCP443)
		}
		switch {
		case strings.Contains(n.TLS, "unknown authority"):
			e.TLS = "untrusted"
		case n.TLS != "" && n.TLS != "ok":
			v.cannot("TLS error %q", n.TLS)
		}
		if strings.Contains(n.WebSocket, "403") {
			e.WebSocket = "forbidden"
		}
		fate := fmt.Sprint(e.DNS, e.TCP, e.TLS)
		if len(n.DNS) > 0 { // endpoints that fare differently need addresses of their own
			a := netip.MustParseAddr(n.DNS[0])
			for used[a.String()] != "" && used[a.String()] != fate+fmt.Sprint(e.Policy) {
				a = a.Next()
			}
			used[a.String()] = fate + fmt.Sprint(e.Policy)
			e.Address = []string{a.String()}
		}
		s.Endpoints[m[1]] = e
		if !e.Private && fate != "" && slices.Contains([]string{"ssm", "ssmmessages", "ec2messages"}, m[1]) {
			alike[fate] = append(alike[fate], e)
		}
	}
	// Where two of the three fail alike, the rest does too.
	for _, list := range alike {
		if len(list) > 1 {
			s.Endpoints["*"] = sim.Endpoint{DNS: list[0].DNS, TCP: list[0].TCP, TLS: list[0].TLS, Issuer: list[0].Issuer}
		}
	}
	if four, ok := o.HostAddresses["ipv4_default_route"]; ok {
		s.NoIPv4, s.IPv6 = !four, o.HostAddresses["ipv6_default_route"]
		for i, name := range sim.Services {
			if _, ok := s.Endpoints[name]; !ok && len(s.Endpoints["ssm"].IPv6) > 0 { // NAT64 carries everything or nothing
				s.Endpoints[name] = sim.Endpoint{IPv6: []string{fmt.Sprintf("64:ff9b::345f:%x%02x", 100+i, 10+i)}}
			}
		}
	}
	env := o.Env["agent"]
	for _, k := range []string{"https_proxy", "http_proxy"} {
		url := env[k]
		hostport := url[strings.LastIndexAny(url, "/@")+1:]
		if name, port, ok := strings.Cut(hostport, ":"); ok {
			v.proxy(name, port, netState{Connect: "200"})
		}
	}
	s.Agent.Environment, s.Env = env, o.Env["shell"]
}

func (v *converter) proxy(name, port string, n netState) {
	for _, p := range v.s.Proxies {
		if p.Name == name {
			return
		}
	}
	num, err := strconv.Atoi(port)
	if err != nil {
		v.cannot("proxy port %q", port)
	}
	p := sim.Proxy{Name: name, Port: num, Address: "10.9.0.5"}
	if n.DNSError != "" {
		p.Address = ""
	}
	if len(n.DNS) > 0 {
		p.Address = n.DNS[0]
	}
	p.Connect, _ = strconv.Atoi(n.Connect)
	if a, ok := v.o.IMDS["PUT /latest/api/token via proxy"]; ok {
		p.Plain = a.Status
	}
	v.s.Proxies = append(v.s.Proxies, p)
}
