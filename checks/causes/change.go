package causes

import (
	"strings"

	"ssm-doctor/checks/text"
)

// Kind is a kind of change that a step makes.
type Kind string

// Kinds of change. On and To of a Change are what each names.
const (
	AgentInstalled   Kind = "agent-installed" // To: the release, where it is a given one
	AgentRemoved     Kind = "agent-removed"   // On: deb, rpm, snap
	AgentHeld        Kind = "agent-held"
	PackagesSettled  Kind = "packages-settled"
	PackageInstalled Kind = "package-installed" // On: its name
	KeyImported      Kind = "package-key-imported"

	ServiceStarted   Kind = "service-started"
	ServiceStopped   Kind = "service-stopped"
	ServiceRestarted Kind = "service-restarted"
	ServiceEnabled   Kind = "service-enabled"
	ProcessResumed   Kind = "process-resumed" // On: what held it, signal or freezer
	UnitLoaded       Kind = "units-loaded"
	UnitSet          Kind = "unit-set"   // On: the drop-in, To: its lines
	UnitUnset        Kind = "unit-unset" // On: the setting that is taken out
	OtherService     Kind = "other-service-set"

	RegistrationCleared Kind = "registration-cleared"
	RegistrationMade    Kind = "registration-made"
	ActivationCreated   Kind = "activation-created"
	NodeDeregistered    Kind = "node-deregistered"

	FileMoved      Kind = "file-moved-away"          // On: path
	FileRemoved    Kind = "file-removed"             // On: path
	FileWritten    Kind = "file-written"             // On: path, To: what
	FileEdited     Kind = "file-edited"              // On: path, To: what
	OwnerSet       Kind = "owner-set"                // On: path, To: owner
	ModeSet        Kind = "mode-set"                 // On: path, To: mode
	RightsGranted  Kind = "rights-granted"           // On: path
	FlagCleared    Kind = "flag-cleared"             // On: path
	ProfileRelaxed Kind = "apparmor-profile-relaxed" // On: program
	LabelsSet      Kind = "labels-set"               // On: path
	Mounted        Kind = "mounted"                  // On: mount, To: rw, exec; empty: mounted
	SpaceFreed     Kind = "space-freed"
	InodesFreed    Kind = "inodes-freed"
	VolumeGrown    Kind = "volume-grown"
	MemoryAdded    Kind = "memory-added"
	LimitSet       Kind = "limit-set" // On: its name, To: value
	UserCreated    Kind = "user-created"
	ShutDown       Kind = "shut-down"
	HostsLine      Kind = "hosts-line-removed" // On: names
	ResolverSet    Kind = "resolver-set"       // To: address
	CAAdded        Kind = "ca-trusted"         // On: its file
	TrustUpdated   Kind = "trust-store-updated"
	ClockSet       Kind = "clock-set"
	FirewallRule   Kind = "firewall-rule-added" // On: 443, 53, or an address
	AnswersLetIn   Kind = "answers-let-in"      // On: as before, To: table and chain
	RouteRemoved   Kind = "route-removed"       // On: destination, To: what else the command names of it
	RouteSet       Kind = "route-set"           // On: destination, To: device
	RouteStopped   Kind = "route-made-unreachable"
	RoutingRule    Kind = "routing-rule-added" // On: destination
	LinkUp         Kind = "device-switched-on" // On: device
	MTUSet         Kind = "mtu-set"            // On: device, To: bytes
	AddressAsked   Kind = "address-asked-for"  // On: device
	TunnelChanged  Kind = "tunnel-changed"     // On: its program

	ProfileAttached  Kind = "profile-attached"       // On: instance, To: profile
	ProfileAgain     Kind = "profile-attached-again" // To: profile; its credentials are new
	ManagementOn     Kind = "host-management-on"     // Default Host Management
	RoleCreated      Kind = "role-created"           // On: role
	ProfileCreated   Kind = "profile-created"        // On: profile
	RoleInProfile    Kind = "role-in-profile"        // On: profile, To: role
	TrustSet         Kind = "trust-policy-set"       // On: role, To: service
	PolicyAttached   Kind = "policy-attached"        // On: role, To: policy
	PolicyDetached   Kind = "policy-detached"        // On: role, To: policy
	PolicyPut        Kind = "policy-written"         // On: role, To: actions
	BoundaryRemoved  Kind = "boundary-removed"       // On: role
	Drafted          Kind = "policy-drafted"         // On: file, To: how it is edited
	PolicyReplaced   Kind = "policy-in-force"        // On: scp, boundary, endpoint, role; To: the file of its text
	NodeRoleSet      Kind = "node-role-set"          // On: node, To: role
	RoleTagged       Kind = "role-tagged"            // On: role
	MetadataOption   Kind = "metadata-option-set"    // On: option, To: value
	InstanceMoved    Kind = "instance-restarted"     // On: instance; stopped and started
	EndpointCreated  Kind = "endpoint-created"       // On: service
	EndpointNamed    Kind = "endpoint-named"         // On: service; private DNS
	GroupOpened      Kind = "security-group-opened"
	GroupCreated     Kind = "security-group-created"
	SubnetSet        Kind = "subnet-set"   // On: attribute
	CloudRoute       Kind = "route-in-vpc" // On: destination
	AssociationMade  Kind = "association-made"
	RegionEnabled    Kind = "region-enabled" // On: the Region
	TaskStarted      Kind = "task-started"   // To: execute-command, where it is switched on
	ContainerSet     Kind = "container-set"
	KeyEnabled       Kind = "key-enabled" // On: the key
	BucketEncrypted  Kind = "bucket-encrypted"
	LogsEncrypted    Kind = "logs-encrypted"
	PreferenceSet    Kind = "session-preference-set" // On: key, To: value
	SessionTried     Kind = "session-tried"
	CommandTried     Kind = "command-tried"
	SerialOpened     Kind = "serial-console-opened"
	SourceBuilt      Kind = "agent-built"
	DownloadReplaced Kind = "download-replaced"
)

// Change is one change that a step makes in the world: the host, or the account.
type Change struct {
	Kind Kind
	On   string // what is changed
	To   string // what it becomes, or gets
}

// Changed is a change as reports show it.
type Changed struct {
	Kind Kind      `json:"kind"`
	Text text.Text `json:"text"`
}

// says are the changes in words: %[1]s is what is changed, %[2]s what it becomes.
var says = map[Kind]string{
	AgentInstalled: "the agent's programs are installed", AgentRemoved: "the agent of %[1]s is removed", AgentHeld: "updates of the agent are held", PackagesSettled: "half-installed packages are settled",
	PackageInstalled: "the package %[1]s is installed", KeyImported: "the key that signs the agent's packages is imported",
	ServiceStarted: "the agent is started", ServiceStopped: "the agent is stopped", ServiceRestarted: "the agent is restarted, which interrupts commands and sessions", ServiceEnabled: "the agent starts at boot", ProcessResumed: "the agent runs on",
	UnitLoaded: "systemd reads its units again", UnitSet: "the agent's service gets settings in %[1]s", UnitUnset: "the agent's service loses the setting %[1]s", OtherService: "the service %[1]s is changed",
	RegistrationCleared: "the hybrid registration is removed from this host", RegistrationMade: "this host is registered as a hybrid node", ActivationCreated: "a hybrid activation is created", NodeDeregistered: "the node %[1]s is deregistered",
	FileMoved: "%[1]s is moved away", FileRemoved: "%[1]s is removed", FileWritten: "%[1]s is written", FileEdited: "%[1]s is edited", OwnerSet: "%[1]s belongs to %[2]s", ModeSet: "%[1]s gets the mode %[2]s", RightsGranted: "rights to %[1]s are granted", FlagCleared: "%[1]s may be changed again", LabelsSet: "SELinux labels are set back", ProfileRelaxed: "AppArmor only notes what %[1]s does against its profile", Mounted: "%[1]s is mounted %[2]s",
	SpaceFreed: "disk space is freed", InodesFreed: "inodes are freed", VolumeGrown: "the volume grows", MemoryAdded: "memory is added", LimitSet: "the limit %[1]s becomes %[2]s", UserCreated: "the user %[1]s is created", ShutDown: "Windows is generalized and shut down",
	HostsLine: "%[1]s is removed from the hosts file", ResolverSet: "this host asks the resolver %[2]s", CAAdded: "this host trusts the certificates of %[1]s", TrustUpdated: "the trust store is updated", ClockSet: "the clock is set, and kept right",
	FirewallRule: "the firewall of this host lets root out to %[1]s", AnswersLetIn: "the firewall of this host lets answers of %[1]s in", RouteRemoved: "the route to %[1]s is removed", RouteSet: "packets to %[1]s leave by %[2]s", RouteStopped: "packets to %[1]s are stopped", RoutingRule: "packets to %[1]s leave by the main routing table",
	LinkUp: "the device %[1]s is switched on", MTUSet: "the MTU of %[1]s becomes %[2]s", AddressAsked: "%[1]s asks for an address", TunnelChanged: "%[1]s leaves this network alone",
	ProfileAttached: "the instance profile %[2]s is attached", ProfileAgain: "the instance profile %[2]s is attached again", ManagementOn: "Default Host Management is turned on for the account and Region", RoleCreated: "the role %[1]s is created", ProfileCreated: "the instance profile %[1]s is created", RoleInProfile: "the instance profile %[1]s gets the role %[2]s", TrustSet: "%[2]s may assume the role %[1]s",
	PolicyAttached: "the role %[1]s gets the policy %[2]s", PolicyDetached: "the role %[1]s loses the policy %[2]s", PolicyPut: "the role %[1]s may call %[2]s", BoundaryRemoved: "the role %[1]s has no permissions boundary any more", Drafted: "the text of the policy is written to %[1]s",
	PolicyReplaced: "the policy (%[1]s) gets the text of %[2]s", NodeRoleSet: "the node %[1]s gets the role %[2]s", RoleTagged: "the role %[1]s gets a tag", MetadataOption: "the instance metadata option %[1]s becomes %[2]s", InstanceMoved: "the instance %[1]s is stopped and started again, and all that runs on it",
	EndpointCreated: "a VPC endpoint for %[1]s is created", EndpointNamed: "private DNS of the VPC endpoint is turned on", GroupOpened: "a security group lets 443 in", GroupCreated: "a security group is created", SubnetSet: "the subnet gets %[1]s", CloudRoute: "the route table gets a route to %[1]s",
	AssociationMade: "a State Manager association is created", RegionEnabled: "the account may use the Region %[1]s", TaskStarted: "new tasks are started", ContainerSet: "the container gets another setting", KeyEnabled: "the KMS key %[1]s is enabled", BucketEncrypted: "the bucket %[1]s is encrypted", LogsEncrypted: "the log group is encrypted",
	PreferenceSet: "the preference %[1]s of Session Manager becomes %[2]s",
	SessionTried:  "a session is started, and shows in the agent's log", CommandTried: "a command is run, and shows in the agent's log", SerialOpened: "the serial console takes a key for a minute", SourceBuilt: "the agent is built from source", DownloadReplaced: "%[1]s is downloaded again",
}

// Kinds lists all kinds of change that steps make.
func Kinds() []Kind {
	var out []Kind
	for k := range says {
		out = append(out, k)
	}
	return out
}

// notNamed stands for what a command leaves out.
const notNamed = "(not named)"

// Says is the change in words.
func (c Change) Says() text.Text {
	var out text.Text
	rest := says[c.Kind]
	switch {
	case c.Kind == FirewallRule && c.On == "53":
		rest = "the firewall of this host lets queries to its resolver out"
	case c.To == "" && c.Kind == RouteSet:
		rest = "packets to %[1]s leave by another gateway"
	case c.To == "" && c.Kind == ResolverSet:
		rest = "this host asks another resolver"
	case c.To == "" && c.Kind == PreferenceSet:
		rest = "the preference %[1]s of Session Manager is emptied"
	case c.To == "" && c.Kind == Mounted:
		rest = "%[1]s is mounted"
	}
	for {
		words, after, found := strings.Cut(rest, "%[")
		out = out.Add(words)
		if !found {
			return out
		}
		value := c.On
		if after[0] == '2' {
			value = c.To
		}
		value = text.Or(value, notNamed)
		if c.Kind == PolicyPut {
			value = strings.ReplaceAll(value, ",", ", ")
		}
		out, rest = out.Add("%s", value), after[len("1]s"):]
	}
}

// unknownChange stands for what a command changes that is not known.
var unknownChange = Changed{Kind: "unknown", Text: text.New("what it changes is not known")}

// changed are the changes of a command, as reports show them; none: it only looks.
func changed(command, where string) []Changed {
	list, known := ChangesOf(command, where)
	if !known {
		return []Changed{unknownChange}
	}
	out := []Changed{}
	for _, c := range list {
		out = append(out, Changed{c.Kind, c.Says()})
	}
	return out
}

// Lasts reports whether a change is for later only: it makes what another step does last,
// or guards against the next time.
func (c Change) Lasts() bool {
	switch c.Kind {
	case ServiceEnabled, OtherService, AssociationMade, AgentHeld, NodeDeregistered, TunnelChanged, FileWritten, SerialOpened:
		return true
	case UnitSet:
		return strings.Contains(c.To, "Wants=") || strings.Contains(c.To, "OOMPolicy=") || strings.Contains(c.To, "LimitNOFILE=")
	}
	return false
}
