package checks

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
)

// Kinds of host, as in the report's node.kind.
const (
	KindEC2    = "ec2"
	KindHybrid = "hybrid"
	KindECS    = "ecs"
	KindNone   = "none" // not EC2, and no registration
)

// OnEC2 reports whether this machine is an EC2 instance, and whether that is
// known. The metadata service or the firmware can tell.
func OnEC2(f *facts.Facts) (yes, known bool) {
	d := f.Host.DMI
	if f.IMDS.InstanceID.Known() {
		return true, true
	}
	if tag, ok := d.AssetTag.Get(); ok && strings.HasPrefix(tag, "i-") {
		return true, true
	}
	if vendor, ok := d.Vendor.Get(); ok {
		return strings.Contains(vendor, "Amazon EC2"), true
	}
	if uuid, ok := d.EC2UUID.Get(); ok {
		return uuid, true
	}
	// What the agent itself took this host for.
	if r, ok := f.Credentials.Runtime.Get(); ok && r.IdentityType == "EC2" {
		return true, true
	}
	if k, ok := f.Registration.EC2.Get(); ok && k.InstanceID != "" {
		return true, true
	}
	return false, false
}

// Kind is what this host is, judged by its firmware, its metadata and its registration.
func Kind(f *facts.Facts) string {
	if f.ECS.Task.Known() || f.ECS.ManagedAgent.Known() && f.ECS.ManagedAgent.Value {
		return KindECS
	}
	if ec2, _ := OnEC2(f); ec2 {
		return KindEC2
	}
	if hybridActive(f) || f.Registration.Informational.Known() {
		return KindHybrid
	}
	return KindNone
}

// hybridActive reports whether the agent takes its identity from a hybrid
// registration; on EC2 that wins over the EC2 identity.
func hybridActive(f *facts.Facts) bool {
	if !hybridAllowed(f) {
		return false
	}
	if k, ok := f.Registration.Hybrid.Get(); ok {
		return k.Complete()
	}
	// Without root the vault cannot be read; the runtime file may tell.
	r, ok := f.Credentials.Runtime.Get()
	return ok && r.IdentityType == "OnPrem" && f.Registration.Hybrid.Unknown()
}

// hybridAllowed reports whether the configuration lets the agent take a hybrid identity.
func hybridAllowed(f *facts.Facts) bool { return identityAllowed(f, "OnPrem") }

func identityAllowed(f *facts.Facts, name string) bool {
	c, ok := f.Agent.Config.Get()
	if !ok || len(c.ConsumptionOrder) == 0 {
		return name != "ECS"
	}
	for _, o := range c.ConsumptionOrder {
		if strings.EqualFold(o, name) {
			return true
		}
	}
	return false
}

// NodeID is the managed-node id that the agent uses or would use; empty when
// nothing names one.
func NodeID(f *facts.Facts) string {
	if hybridActive(f) {
		if k, ok := f.Registration.Hybrid.Get(); ok && k.InstanceID != "" {
			return k.InstanceID
		}
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
	if k, ok := f.Registration.Hybrid.Get(); ok && k.InstanceID != "" {
		return k.InstanceID
	}
	if k, ok := f.Registration.Informational.Get(); ok {
		return k.InstanceID
	}
	return ""
}

// Region is the Region the node works against; empty when unknown.
func Region(f *facts.Facts) string {
	if hybridActive(f) {
		if k, ok := f.Registration.Hybrid.Get(); ok && k.Region != "" {
			return k.Region
		}
	}
	if r, ok := f.IMDS.Region.Get(); ok {
		return r
	}
	return f.Network.Region
}

// Account is the AWS account of the node; empty when unknown.
func Account(f *facts.Facts) string {
	for _, id := range f.Permissions.Identities {
		if id.Outcome == "ok" && id.Account != "" && id.Source != facts.SourceShared {
			return id.Account
		}
	}
	return f.IMDS.Account.Value
}

// Partition is aws unless something says otherwise.
func Partition(f *facts.Facts) string {
	for _, id := range f.Permissions.Identities {
		if p := strings.Split(id.ARN, ":"); len(p) > 2 && p[0] == "arn" {
			return p[1]
		}
	}
	if p, ok := f.IMDS.Partition.Get(); ok && p != "" {
		return p
	}
	switch r := Region(f); {
	case strings.HasPrefix(r, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(r, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// RoleName is the role of the instance profile; empty when none is attached or known.
func RoleName(f *facts.Facts) string {
	if r, ok := f.IMDS.Role.Get(); ok && r.Name != "" {
		return r.Name
	}
	if p, ok := f.IMDS.Profile.Get(); ok {
		return p.Name
	}
	return ""
}

// version is x.y.z.w as numbers.
type version [4]int

// parseVersion reads up to four numeric parts; a missing part counts as 0.
func parseVersion(s string) (version, bool) {
	var v version
	parts := strings.Split(strings.TrimSpace(s), ".")
	if len(parts) < 2 || len(parts) > 4 {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

// olderThan reports whether version s is lower than least; false when s cannot be read.
func olderThan(s, least string) bool {
	a, ok := parseVersion(s)
	b, ok2 := parseVersion(least)
	if !ok || !ok2 {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// AgentVersion is the version that runs, else the one installed; empty when unknown.
func AgentVersion(f *facts.Facts) string {
	if v, ok := f.Agent.Running.Get(); ok && v != "" {
		return v
	}
	return f.Agent.Installed.Value
}

// agentInstalled reports whether an agent is on this host, and whether that is known.
func agentInstalled(f *facts.Facts) (yes, known bool) {
	if len(f.Agent.Installations) > 0 {
		return true, true
	}
	if ps, ok := f.Agent.Processes.Get(); ok && len(ps.Core) > 0 {
		return true, true
	}
	v, ok := f.Agent.InstallationsRead.Get()
	return false, ok && v
}

// mainUnit is the unit that is meant to run the agent: the active one, else
// the loaded one of an installed packaging. Nil when there is none.
func mainUnit(f *facts.Facts) *facts.Unit {
	var best *facts.Unit
	for i := range f.Agent.Units {
		u := &f.Agent.Units[i]
		if u.Load == "not-found" {
			continue
		}
		if u.Active == "active" {
			return u
		}
		if best == nil {
			best = u
		}
	}
	return best
}

// coreRunning reports whether the core agent runs, and whether that is known.
func coreRunning(f *facts.Facts) (yes, known bool) {
	if ps, ok := f.Agent.Processes.Get(); ok {
		return len(ps.Core) > 0, true
	}
	if u := mainUnit(f); u != nil {
		return u.Active == "active", true
	}
	return false, false
}

// workerRunning is the same for the worker, which newer agents start only once
// credentials are ready.
func workerRunning(f *facts.Facts) (yes, known bool) {
	ps, ok := f.Agent.Processes.Get()
	return ok && len(ps.Worker) > 0, ok
}

// splitAgent reports whether the agent has a separate worker (3.0 and later).
func splitAgent(f *facts.Facts) bool { return !olderThan(AgentVersion(f), "3.0.0.0") }

// age is the time between t and the run; 0 when t is not set.
func age(f *facts.Facts, t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return f.CollectedAt.Sub(t)
}

// Ago renders a time relative to the run, such as "4 min ago".
func Ago(f *facts.Facts, t time.Time) string { return ago(f, t) }

// UnitName is the unit that is meant to run the agent; empty when none is known.
func UnitName(f *facts.Facts) string {
	if u := mainUnit(f); u != nil {
		return u.Name
	}
	return ""
}

// Source is the facts.Source constant of the credentials the agent signs with.
func Source(f *facts.Facts) string { return source(f) }

// Identity is the answer of sts:GetCallerIdentity for a source; nil when it was not asked.
func Identity(f *facts.Facts, source string) *facts.Identity { return identity(f, source) }

func ago(f *facts.Facts, t time.Time) string {
	d := age(f, t)
	switch {
	case d < 0:
		return "in " + span(-d)
	case d < 2*time.Second:
		return "just now"
	}
	return span(d) + " ago"
}

// span renders a duration with one or two units.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// logReadable reports whether the agent's log could be read or is known not to exist.
func logReadable(f *facts.Facts) (string, bool) {
	for _, l := range f.Log.Files {
		if l.Error != "" {
			return l.Error, false
		}
	}
	return "", true
}

// quote puts a host-supplied value into a sentence.
func quote(s string) string { return strconv.Quote(s) }

// ruleHits reports whether a firewall rule is for packets to an address that
// leave by an interface. One for certain interfaces is not said to hit where the
// interface is not known.
func ruleHits(r facts.FirewallRule, address, iface string) bool {
	if len(r.To) > 0 {
		a, err := netip.ParseAddr(address)
		if err != nil || slices.ContainsFunc(r.To, func(to string) bool { return covers(to, a) }) == r.NotTo {
			return false
		}
	}
	if len(r.Out) == 0 {
		return true
	}
	return iface != "" && slices.ContainsFunc(r.Out, func(out string) bool {
		stem := strings.TrimRight(out, "*+")
		return out == iface || stem != out && strings.HasPrefix(iface, stem)
	}) != r.NotOut
}

// covers reports whether an address lies in a prefix, in a range, or is the one given.
func covers(to string, a netip.Addr) bool {
	if p, err := netip.ParsePrefix(to); err == nil {
		return p.Contains(a)
	}
	lo, hi, ok := strings.Cut(to, "-")
	if !ok {
		hi = lo
	}
	x, err := netip.ParseAddr(lo)
	y, err2 := netip.ParseAddr(hi)
	return err == nil && err2 == nil && x.Compare(a) <= 0 && a.Compare(y) <= 0
}
