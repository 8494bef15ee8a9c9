package node

import (
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// Kind is what sort of node a host is.
type Kind string

// Kinds, as in the report's node.kind.
const (
	KindUnknown Kind = "unknown" // what would tell was not read
	KindEC2     Kind = "ec2"
	KindHybrid  Kind = "hybrid"
	KindECS     Kind = "ecs"         // a task of Amazon ECS
	KindOther   Kind = "other-cloud" // a machine of another cloud without a registration
	KindNone    Kind = "none"        // not EC2, and no registration
)

// Identity is who this host is.
type Identity struct {
	Kind  Kind
	OnEC2 Answer // this machine is an EC2 instance
	InECS Answer // this runs in a task of Amazon ECS
	// Hybrid: the agent takes its identity from a hybrid registration; on EC2 that
	// wins over the EC2 identity.
	Hybrid Answer
	// HybridMeant: the host works, or is meant to, by a hybrid registration.
	HybridMeant Answer

	ID        string // managed-node id that the agent uses or would use; empty when nothing names one
	Region    string // Region that the node works against; empty when unknown
	Account   string // empty when unknown
	Partition string // aws unless something says otherwise
	Role      string // role of the instance profile; empty when none is attached or known
}

func identityOf(f *facts.Facts) Identity {
	i := Identity{OnEC2: onEC2(f), InECS: inECS(f), Hybrid: hybrid(f), Role: roleName(f)}
	i.HybridMeant = hybridMeant(i)
	i.Kind = kind(f, i)
	i.ID, i.Region, i.Account = nodeID(f, i), region(f, i), account(f)
	i.Partition = partition(f, i.Region)
	return i
}

func hybridMeant(i Identity) Answer {
	switch {
	case i.InECS == Yes:
		return No
	case i.InECS == Unknown:
		return Unknown
	case i.Hybrid == Yes:
		return Yes
	case i.OnEC2 == Unknown:
		return Unknown
	case i.OnEC2 == No:
		return Yes
	}
	return i.Hybrid // on EC2
}

func kind(f *facts.Facts, i Identity) Kind {
	switch {
	case i.InECS == Yes:
		return KindECS
	case i.InECS == Unknown:
		return KindUnknown
	case i.OnEC2 == Yes:
		return KindEC2
	case i.Hybrid == Yes, i.OnEC2 == No && (registered(f) || f.Registration.Informational.Known()):
		return KindHybrid
	case i.OnEC2 == Unknown, f.Registration.Hybrid.Unknown(), f.Registration.Informational.Unknown():
		return KindUnknown
	case f.Host.DMI.Vendor.Unknown():
		return KindUnknown // another cloud, or none
	case otherCloud(f):
		return KindOther
	}
	return KindNone
}

func registered(f *facts.Facts) bool {
	k, ok := f.Registration.Hybrid.Get()
	return ok && k.Complete()
}

// otherCloud: the firmware, or what answers for metadata, names a cloud that is not
// Amazon's.
func otherCloud(f *facts.Facts) bool {
	name, _ := cloudOf(f)
	return name != "" || cloudThatAnswers(f) != ""
}

func inECS(f *facts.Facts) Answer {
	managed, known := f.ECS.ManagedAgent.Get()
	switch {
	case f.ECS.Task.Known(), known && managed:
		return Yes
	case f.ECS.Task.Absent(), !f.Live(): // a mounted image is not a task
		return No
	}
	return Unknown
}

// onEC2: the metadata service or the firmware can tell.
func onEC2(f *facts.Facts) Answer {
	if f.IMDS.InstanceID.Known() {
		return Yes
	}
	if a := ec2Firmware(&f.Host.DMI); a != Unknown {
		return a
	}
	if cloudThatAnswers(f) != "" {
		return No
	}
	// What the agent itself took this host for.
	if r, ok := f.Credentials.Runtime.Get(); ok && r.IdentityType == "EC2" {
		return Yes
	}
	if k, ok := f.Registration.EC2.Get(); ok && k.InstanceID != "" {
		return Yes
	}
	return Unknown
}

// ec2Firmware: the firmware says that this is an EC2 instance.
func ec2Firmware(d *facts.DMI) Answer {
	if tag, ok := d.AssetTag.Get(); ok && strings.HasPrefix(tag, "i-") {
		return Yes
	}
	// Xen is the maker of older instances and of machines elsewhere: the UUID tells.
	if vendor, ok := d.Vendor.Get(); ok && vendor != "Xen" {
		return answer(strings.Contains(vendor, "Amazon EC2"))
	}
	if uuid, ok := d.EC2UUID.Get(); ok {
		return answer(uuid)
	}
	return Unknown
}

// NotEC2 reports whether the firmware says that this is no EC2 instance.
func NotEC2(h *facts.Host) bool { return ec2Firmware(&h.DMI) == No }

func hybrid(f *facts.Facts) Answer {
	allowed := mayBe(f, "OnPrem")
	if allowed == No {
		return No
	}
	if k, ok := f.Registration.Hybrid.Get(); ok {
		if !k.Complete() {
			return No
		}
		return allowed
	}
	if f.Registration.Hybrid.Absent() {
		return No
	}
	if !f.Registration.Hybrid.LookedAt() {
		return Unknown
	}
	// Without root the vault cannot be read; the runtime file may tell.
	r, ok := f.Credentials.Runtime.Get()
	switch {
	case ok && r.IdentityType == "OnPrem":
		return Yes
	case ok && r.IdentityType != "":
		return No
	}
	return Unknown
}

// MayBeHybrid reports whether the host may have a hybrid identity that was not seen.
// A hybrid registration on EC2 is rare: a vault that only root may read is not
// taken for one, unless nobody looked into the runtime file either.
func (n *Node) MayBeHybrid() bool {
	f := n.Facts
	return n.Identity.Hybrid == Unknown && (f.Registration.Hybrid.Obstacle() != facts.NeedsRoot || !f.Credentials.Runtime.LookedAt())
}

// MayBe reports whether the configuration lets the agent take an identity: EC2,
// OnPrem, ECS or CustomIdentity.
// Source: amazon-ssm-agent, agent/appconfig/parser.go, Identity.ConsumptionOrder.
func (n *Node) MayBe(identity string) Answer { return mayBe(n.Facts, identity) }

func mayBe(f *facts.Facts, identity string) Answer {
	c, ok := f.Agent.Config.Get()
	switch {
	case ok && len(c.ConsumptionOrder) > 0:
		for _, o := range c.ConsumptionOrder {
			if strings.EqualFold(o, identity) {
				return Yes
			}
		}
		return No
	case ok, f.Agent.Config.Absent():
		return answer(identity != "ECS")
	}
	return Unknown
}

func nodeID(f *facts.Facts, i Identity) string {
	key, _ := f.Registration.Hybrid.Get()
	if i.Hybrid != No && key.Complete() {
		return key.InstanceID
	}
	if r, ok := f.Credentials.Runtime.Get(); ok && i.Hybrid == Yes && r.IdentityType == "OnPrem" && r.InstanceID != "" {
		return r.InstanceID // on EC2 too, where the vault was not read
	}
	if id, ok := f.IMDS.InstanceID.Get(); ok {
		return id
	}
	if r, ok := f.Credentials.Runtime.Get(); ok && r.InstanceID != "" {
		return r.InstanceID
	}
	if tag, ok := f.Host.DMI.AssetTag.Get(); ok && strings.HasPrefix(tag, "i-") {
		return tag
	}
	if key.InstanceID != "" {
		return key.InstanceID
	}
	if k, ok := f.Registration.Informational.Get(); ok {
		return k.InstanceID
	}
	return ""
}

func region(f *facts.Facts, i Identity) string {
	if k, ok := f.Registration.Hybrid.Get(); ok && i.Hybrid != No && k.Region != "" {
		return k.Region
	}
	if r, ok := f.IMDS.Region.Get(); ok {
		return r
	}
	return f.Network.Region
}

func account(f *facts.Facts) string {
	for _, id := range f.Permissions.Identities.Some() {
		if id.Outcome == facts.CallOK && id.Account != "" && id.Source != facts.SourceShared {
			return id.Account
		}
	}
	return f.IMDS.Account.Value
}

func partition(f *facts.Facts, region string) string {
	for _, id := range f.Permissions.Identities.Some() {
		if p := strings.Split(id.ARN, ":"); len(p) > 2 && p[0] == "arn" {
			return p[1]
		}
	}
	if p, ok := f.IMDS.Partition.Get(); ok && p != "" {
		return p
	}
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func roleName(f *facts.Facts) string {
	if r, ok := f.IMDS.Role.Get(); ok && r.Name != "" {
		return r.Name
	}
	if p, ok := f.IMDS.Profile.Get(); ok {
		return p.Name
	}
	return ""
}

// Called is the answer of sts:GetCallerIdentity for a source of credentials
// (facts.Source constants); nil when it was not asked.
func (n *Node) Called(source string) *facts.Identity {
	list := n.Facts.Permissions.Identities.Some()
	for i := range list {
		if list[i].Source == source {
			return &list[i]
		}
	}
	return nil
}

// reAssumed finds the name of a role that cannot be assumed, without its path, which no
// command takes.
var reAssumed = pattern.New(`(?i)assume (?:the )?role:? (?:arn:\S*?:role/)?(?:[^\s:/]+/)*([A-Za-z0-9+=,.@_-]{0,63}[A-Za-z0-9+=@_-])`)

// RoleInEntry is the role that an entry of the log says cannot be assumed; empty: it names none.
func RoleInEntry(entry string) string {
	if m := reAssumed.FindStringSubmatch(entry); m != nil {
		return m[1]
	}
	return ""
}

// RoleInUse is the role whose credentials the agent signs with, or would: as AWS named it to
// this run, in a refusal of the log, or in the entry of a role that cannot be assumed. Empty:
// nothing names it.
func (n *Node) RoleInUse() string {
	source := n.Credentials.Source
	if n.Identity.Hybrid == Yes {
		source = facts.SourceHybrid
	}
	if id := n.Called(source); id != nil && id.Role != "" {
		return id.Role
	}
	switch source {
	case facts.SourceHybrid, facts.SourceDHMC:
	case facts.SourceTask, facts.SourceShared:
		return ""
	default:
		return n.Identity.Role
	}
	for _, r := range slices.Backward(n.Facts.Log.Refusals.Some()) {
		_, rest, _ := strings.Cut(r.Principal, ":assumed-role/")
		role, session, _ := strings.Cut(rest, "/")
		if session != "" && session == n.Identity.ID && (source == facts.SourceHybrid || role != n.Identity.Role) && role != "aws:ec2-instance" {
			return role
		}
	}
	if source != facts.SourceHybrid {
		return ""
	}
	for _, id := range []string{facts.SigCredsFailed, facts.SigHibernate, facts.SigHealthFailed} {
		if m := n.Log.Last(id); m.Yes() {
			if role := RoleInEntry(m.Text); role != "" {
				return role
			}
		}
	}
	return ""
}
