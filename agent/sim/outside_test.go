package sim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/outside"
	"ssm-doctor/agent/outside/cloudtest"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
	"ssm-doctor/packaging/gen/golden"
)

// Network of all clouds of simulated hosts.
const (
	vpcOf, subnetOf, ownGroup, endGroup = cloudtest.VPC, cloudtest.Subnet, cloudtest.OwnGroup, cloudtest.EndGroup
)

// cloudOf is the account around a simulated host: the policies that refuse it there are
// those that an operator is shown.
func cloudOf(s sim.Scenario, r *report.Report) *cloudtest.Cloud {
	c := cloudtest.Sound()
	c.Region, c.Account, c.Now = r.Node.Region, r.Node.Account, s.Now
	if c.Region == "" {
		c.Region = cloudtest.Region
	}
	if c.Account == "" {
		c.Account = cloudtest.Account
	}
	if c.Now.IsZero() {
		c.Now = time.Now().Truncate(time.Second)
	}
	c.Nodes, c.Roles, c.Profiles, c.Endpoints = nil, map[string]cloudtest.Role{}, map[string][]string{}, nil
	c.Organization.Parents = map[string]string{c.Account: "ou-abcd-11111111", "ou-abcd-11111111": "r-abcd"}
	id := s.Instance
	if id == "" {
		id = "i-0a1b2c3d4e5f60718"
	}
	i := cloudtest.Instance{ID: id, VPC: vpcOf, Subnet: subnetOf, Address: "10.0.12.34", Groups: []string{ownGroup}, MetadataOff: s.IMDS.Mode == "disabled"}
	if s.Address != "" {
		i.Address = s.Address
	}
	for _, key := range slices.Sorted(maps.Keys(s.Principals)) {
		p := s.Principals[key]
		role := cloudtest.Role{Path: p.Path, Inline: map[string]string{}, Trust: cloudtest.Trust(map[string]string{sim.KindProfile: "ec2.amazonaws.com"}[p.Kind])}
		if p.Kind != sim.KindProfile {
			role.Trust = cloudtest.Trust("ssm.amazonaws.com")
		}
		if p.Code != "" {
			role.Trust = cloudtest.Trust("lambda.amazonaws.com")
		}
		for n, doc := range p.Policies {
			if strings.HasPrefix(string(doc), "{") {
				role.Inline[fmt.Sprintf("inline-%d", n)] = string(doc)
				continue
			}
			arn := "arn:aws:iam::aws:policy/" + string(doc)
			role.Attached, c.Policies[arn] = append(role.Attached, arn), cloudtest.Document(string(doc))
		}
		if p.Boundary != "" {
			role.Boundary = "arn:aws:iam::" + c.Account + ":policy/edge"
			c.Policies[role.Boundary] = string(p.Boundary)
		}
		switch p.Kind {
		case sim.KindProfile:
			if key == s.IMDS.Profile {
				i.Profile, c.Profiles[p.Name] = p.Name, []string{p.Name}
			}
		case sim.KindDHMC:
			c.Settings = map[string]string{"default-ec2-instance-management-role": "service-role/" + p.Name}
		case sim.KindHybrid:
			c.Nodes = append(c.Nodes, cloudtest.Node{ID: s.Node, Role: "service-role/" + p.Name, Ping: "ConnectionLost", Last: c.Now.Add(-26 * time.Hour)})
		default:
			continue
		}
		c.Roles[p.Name] = role
	}
	for n, doc := range s.SCP {
		name := fmt.Sprintf("guard-%d", n)
		c.Organization.SCP[c.Account], c.Organization.Text[name] = append(c.Organization.SCP[c.Account], name), string(doc)
	}
	public := true
	for n, service := range []string{"ssm", "ssmmessages", "ec2messages"} {
		e, own := s.Endpoints[service]
		if all, ok := s.Endpoints["*"]; ok && !own {
			e = all
		}
		if e.Private {
			c.Endpoints = append(c.Endpoints, cloudtest.Endpoint{ID: fmt.Sprintf("vpce-%017x", n+10), VPC: vpcOf, Service: service, Policy: string(e.Policy), Groups: []string{endGroup}})
		}
		public = public && e.TCP == "" && !e.Private
	}
	if public {
		c.Tables[0].Routes = append(c.Tables[0].Routes, cloudtest.Route{To: "0.0.0.0/0", Target: "nat-0123456789abcdef0"})
	}
	c.Instances = nil
	if s.Kind != sim.Hybrid {
		c.Instances = []cloudtest.Instance{i}
	}
	return c
}

// halves are a host, and what lies outside of it and makes it what it is.
type halves struct {
	name  string
	host  func(t *testing.T) sim.Scenario
	cloud func(*cloudtest.Cloud)
	cause string // that the merged answer must name as proven
	names string // what its remedy or summary names, which the host cannot know; empty: nothing more
}

// fromCatalogue is a host of the catalogue.
func fromCatalogue(id string) func(*testing.T) sim.Scenario {
	return func(t *testing.T) sim.Scenario {
		t.Helper()
		for _, c := range catalogue(t) {
			if c.ID == id {
				s, cannot := hostOf(&c, now)
				if len(cannot) > 0 {
					t.Fatalf("cannot be expressed: %q", cannot)
				}
				return s
			}
		}
		t.Fatalf("no scenario %s", id)
		return sim.Scenario{}
	}
}

// fromDemo is a demo with changes.
func fromDemo(name string, changes ...func(*sim.Scenario)) func(*testing.T) sim.Scenario {
	return func(t *testing.T) sim.Scenario {
		t.Helper()
		s, err := sim.Play(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range changes {
			change(&s)
		}
		return s
	}
}

func unprivileged(s *sim.Scenario) { s.UID = 1000 }

func plainDenials(s *sim.Scenario) {
	s.PlainDenials = true
	for i, l := range s.Log {
		for _, word := range []string{" because no ", " with an explicit deny in "} {
			if at := strings.Index(l, word); at >= 0 {
				s.Log[i] = l[:at] + sim.RequestID
			}
		}
	}
}

// onlyPublic: nothing but a way out that is closed.
func onlyPublic(c *cloudtest.Cloud) { c.Endpoints = nil }

func ordinaryEndpoints(c *cloudtest.Cloud) { c.Endpoints = cloudtest.Sound().Endpoints }

var truthOutside = []halves{
	{"cred-no-instance-profile-dhmc-off", nil, nil, "no-credential-source", "associate-iam-instance-profile --region us-east-1"},
	{"cred-profile-attached-ec2-not-trusted-role", nil, nil, "instance-profile-trust-broken", "update-assume-role-policy --role-name"},
	{"cred-profile-allows-only-updateinstanceinformation-dhmc-enabled", nil, func(c *cloudtest.Cloud) {
		c.Settings = map[string]string{"default-ec2-instance-management-role": "service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole"}
		c.Roles["AWSSystemsManagerDefaultEC2InstanceManagementRole"] = cloudtest.Role{Path: "/service-role/", Trust: cloudtest.Trust("ssm.amazonaws.com"), Attached: []string{cloudtest.Core}}
	}, "profile-shadows-dhmc", "attach-role-policy --role-name"},
	{"cred-hybrid-service-role-no-longer-trusts", nil, func(c *cloudtest.Cloud) {
		for name, r := range c.Roles {
			r.Trust = cloudtest.Trust("ec2.amazonaws.com")
			c.Roles[name] = r
		}
	}, "hybrid-role-broken", "update-assume-role-policy --role-name SSMServiceRole"},
	{"perm-role-without-ssmupdateinstanceinformation", nil, nil, "iam-missing-registration-action", "attach-role-policy --role-name"},
	{"perm-registered-but-no-message-channel-any", nil, nil, "iam-missing-channel-action", "attach-role-policy --role-name"},
	{"perm-scp-denies-heartbeat", nil, nil, "iam-explicit-deny", "guard-0"},
	{"perm-vpc-endpoint-policy-denies-modern-message", nil, nil, "vpce-policy-deny", "modify-vpc-endpoint"},
	{"net-private-subnet-without-nat-or-endpoints", nil, onlyPublic, "network-no-egress", "create-vpc-endpoint --region"},
	{"net-only-ssm-endpoint-exists-channel-services", nil, nil, "vpce-service-missing", ".ssmmessages --subnet-ids " + subnetOf},
	{"net-endpoint-security-group-lacks-inbound-443", nil, func(c *cloudtest.Cloud) {
		ordinaryEndpoints(c)
		c.Groups[endGroup] = cloudtest.Group{VPC: vpcOf, In: []cloudtest.Rule{{Port: 443, CIDR: "10.9.0.0/16"}}}
	}, "vpce-sg-blocked", "--group-id " + endGroup + " --protocol tcp --port 443 --source-group " + ownGroup},
	{"imds-metadata-endpoint-disabled", nil, nil, "imds-disabled", "--http-endpoint enabled"},
	{"multi-endpoint-closed-role-lacks-permission-report", nil, func(c *cloudtest.Cloud) {
		ordinaryEndpoints(c)
		c.Groups[endGroup] = cloudtest.Group{VPC: vpcOf}
	}, "vpce-sg-blocked", "--group-id " + endGroup},
	// What the catalogue does not have: other layers, and refusals that name none.
	{"a boundary, and refusals that name no policy", fromDemo("scp-deny", func(s *sim.Scenario) {
		s.SCP = nil
		s.Principals[s.IMDS.Profile].Boundary = sim.Allow("s3:*", "ec2:Describe*")
	}, plainDenials), nil, "iam-explicit-deny", "permissions boundary"},
	{"an SCP, and refusals that name no policy", fromDemo("scp-deny", plainDenials), nil, "iam-explicit-deny", "guard-0"},
	{"an endpoint policy, and refusals that name no policy", fromDemo("endpoint-policy", plainDenials), nil, "vpce-policy-deny", "modify-vpc-endpoint"},
	{"a role without policies, and refusals that name no policy", fromDemo("role-without-policy", plainDenials), nil, "iam-missing-registration-action", "attach-role-policy --role-name WebServerRole"},
	{"an SCP, and a user who may not read the log", fromDemo("scp-deny", unprivileged), nil, "iam-explicit-deny", "guard-0"},
	{"a role without policies, and a user who may not read the log", fromDemo("role-without-policy", unprivileged), nil, "iam-missing-registration-action", "attach-role-policy --role-name WebServerRole"},
	{"no profile, Default Host Management off, and a user who may not read the log", fromDemo("no-credential-source", unprivileged), nil, "no-credential-source", "associate-iam-instance-profile"},
	{"a network ACL that lets nothing out", fromDemo("no-egress"), func(c *cloudtest.Cloud) {
		c.Tables[0].Routes = append(c.Tables[0].Routes, cloudtest.Route{To: "0.0.0.0/0", Target: "nat-0123456789abcdef0"})
		c.ACLs[0].Entries = []cloudtest.Entry{{Number: 90, Out: true}, {Number: 100, Out: true, Allow: true}, {Number: 100, Allow: true}}
	}, "network-no-egress", "acl-0000000000000000a"},
	{"a network ACL that lets no answers in", fromDemo("no-egress"), func(c *cloudtest.Cloud) {
		c.Tables[0].Routes = append(c.Tables[0].Routes, cloudtest.Route{To: "0.0.0.0/0", Target: "nat-0123456789abcdef0"})
		c.ACLs[0].Entries = []cloudtest.Entry{{Number: 100, Out: true, Allow: true}, {Number: 100, Allow: true, From: 443, To: 443}}
	}, "network-no-egress", "lets no answers in"},
	{"a security group that lets nothing out", fromDemo("no-egress"), func(c *cloudtest.Cloud) {
		c.Tables[0].Routes = append(c.Tables[0].Routes, cloudtest.Route{To: "0.0.0.0/0", Target: "nat-0123456789abcdef0"})
		c.Groups[ownGroup] = cloudtest.Group{VPC: vpcOf, Out: []cloudtest.Rule{{Port: 80, CIDR: "0.0.0.0/0"}}}
	}, "network-no-egress", "authorize-security-group-egress"},
	{"a default route to a NAT gateway that is gone", fromDemo("no-egress"), func(c *cloudtest.Cloud) {
		c.Tables[0].Routes = append(c.Tables[0].Routes, cloudtest.Route{To: "0.0.0.0/0", Target: "nat-0123456789abcdef0", Blackhole: true})
	}, "network-no-egress", "nat-0123456789abcdef0, which is gone"},
	{"an internet gateway, and no public address", fromDemo("no-egress"), func(c *cloudtest.Cloud) {
		c.Tables[0].Routes = append(c.Tables[0].Routes, cloudtest.Route{To: "0.0.0.0/0", Target: "igw-0123456789abcdef0"})
	}, "network-no-egress", "no public address"},
	{"endpoints with private DNS off", fromDemo("no-egress"), func(c *cloudtest.Cloud) {
		ordinaryEndpoints(c)
		for i := range c.Endpoints {
			c.Endpoints[i].NoPrivateDNS = true
		}
	}, "vpce-private-dns-off", "--private-dns-enabled"},
}

// bringUp runs the host of a case, and makes the account around it.
func (h halves) bringUp(t *testing.T) (r *report.Report, f *facts.Facts, c *cloudtest.Cloud, id string) {
	t.Helper()
	play := h.host
	if play == nil {
		play = fromCatalogue(h.name)
	}
	s := play(t)
	host, err := sim.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	r, f = engine.Run(t.Context(), host.Env(), engine.Options{})
	c = cloudOf(s, r)
	if h.cloud != nil {
		h.cloud(c)
	}
	id = s.Node
	if len(c.Instances) > 0 {
		id = c.Instances[0].ID
	}
	return r, f, c, id
}

// rerunAs judges again, with the id that an operator knows where the host does not.
func rerunAs(f *facts.Facts, id string) *report.Report {
	r := rerun(f)
	if r.Node.ID == "" {
		r.Node.ID = id
	}
	return r
}

// rerun is the report of facts once more.
func rerun(f *facts.Facts) *report.Report { return engine.Judge(f, engine.Options{}) }

// outsideOf is the outside of a node as a file says it after it was written and read.
func outsideOf(t *testing.T, c *cloudtest.Cloud, id string) *outside.View {
	t.Helper()
	f := outside.Collect(t.Context(), c.Run, outside.Target{Region: c.Region, IDs: []string{id}}, c.Now, "test")
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if f, err = outside.Parse(b); err != nil {
		t.Fatal(err)
	}
	return outside.ViewOf(f)
}

// inShort is state, cause and confidence of a report.
func inShort(r *report.Report) string {
	if r.RootCause == nil {
		return r.State
	}
	return r.State + ", " + r.RootCause.ID + " (" + r.RootCause.Confidence + ")"
}

// TestGoldenOutside: of each host whose truth lies outside, what it says alone, what the
// outside says alone, and what both say. Whatever call is refused, nothing false is proven.
func TestGoldenOutside(t *testing.T) {
	t.Parallel()
	rows := make([]string, len(truthOutside))
	t.Run("hosts", func(t *testing.T) {
		for n, h := range truthOutside {
			t.Run(h.name, func(t *testing.T) {
				t.Parallel()
				r, f, c, id := h.bringUp(t)
				alone := inShort(r)
				v := outsideOf(t, c, id)
				both := rerunAs(f, id)
				if !outside.Merge(both, v) {
					t.Fatalf("%s is not in the file: %q", id, v.Nodes())
				}
				if got := both.RootCause; got == nil || got.ID != h.cause || got.Confidence != "proven" || both.State == report.Managed {
					t.Errorf("%s; want %s, proven", inShort(both), h.cause)
				} else if all := got.Summary.String() + commands(got.Fix); !strings.Contains(all, h.names) {
					t.Errorf("%q is not in:\n%s", h.names, all)
				}
				rows[n] = fmt.Sprintf("%s\n  host:    %s\n  outside: %s\n  both:    %s\n", h.name, alone, inShort(outside.Alone(v, id, "test")), inShort(both))
				for _, o := range outside.Allowed {
					if o.Permission == "" || testing.Short() {
						continue
					}
					c.Refused = []string{o.Permission}
					less := rerun(f)
					less.Node.ID = both.Node.ID
					outside.Merge(less, outsideOf(t, c, id))
					if got := less.RootCause; got != nil && got.ID != h.cause && (r.RootCause == nil || got.ID != r.RootCause.ID) {
						t.Errorf("without %s: %s", o.Permission, inShort(less))
					}
				}
			})
		}
	})
	golden.File(t, "testdata/outside.txt", []byte(strings.Join(rows, "")))
}

func commands(fix []report.Step) string {
	var b strings.Builder
	for _, s := range fix {
		b.WriteString("\n" + s.Text.String() + "\n" + s.Command.String())
	}
	return b.String()
}
