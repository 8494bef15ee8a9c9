package facts

import "time"

// Host is the machine and its operating system.
type Host struct {
	GOOS       string          `json:"goos"` // linux, windows, darwin
	Arch       string          `json:"arch"` // Go's names
	Distro     Seen[Distro]    `json:"distro"`
	Installers Seen[[]string]  `json:"installers"` // of snap, apt-get, dpkg, dnf, yum, zypper, rpm, apk those that are here
	Hostname   Seen[string]    `json:"hostname"`
	Privileged Seen[bool]      `json:"privileged"` // ran as root or Administrator
	DMI        DMI             `json:"dmi"`
	Container  Seen[Container] `json:"container"` // absent: not in one

	UTCOffset       Seen[int]       `json:"utc_offset_seconds"`
	BootTime        Seen[time.Time] `json:"boot_time"`
	NTPSynchronized Seen[bool]      `json:"ntp_synchronized"`

	// FileSystems are those under the agent's directories and /, one entry per directory asked for.
	FileSystems Seen[[]FileSystem] `json:"file_systems"`
	Inotify     Seen[Inotify]      `json:"inotify"`
	SELinux     Seen[SELinux]      `json:"selinux"`   // absent: not enabled
	FApolicyd   Seen[string]       `json:"fapolicyd"` // state of the service; absent: not installed
	Firewall    Seen[Firewall]     `json:"firewall"`  // absent: no tool to list rules with

	Resolver Seen[Resolver] `json:"resolver"`
	// NameSources are where nsswitch.conf has names of hosts looked up, in order; absent: it
	// does not say.
	NameSources Seen[[]string]    `json:"name_sources,omitzero"`
	Interfaces  Seen[[]Interface] `json:"interfaces"`
	Links       Seen[[]Link]      `json:"links"`      // up or not
	IMDSRoute   Seen[Route]       `json:"imds_route"` // kernel's route to 169.254.169.254
	DefaultIPv4 Seen[bool]        `json:"default_route_ipv4"`
	DefaultIPv6 Seen[bool]        `json:"default_route_ipv6"`
	// Defaults are the default routes of the main table, IPv4 first and best first.
	Defaults Seen[[]Route] `json:"default_routes"`
	// Rules are the routing rules, in the order in which the kernel asks them.
	Rules Seen[[]RoutingRule] `json:"routing_rules"`
	// Paths are the kernel's routes to further addresses that the agent needs.
	Paths Seen[[]Path] `json:"paths"`
	// TimeServices are the services that can keep the clock of this host, such as chronyd,
	// by their units; an empty list: none is installed.
	TimeServices Seen[[]string] `json:"time_services"`
	// NetworkTools are the programs that configure the network of this host, such as
	// networkd or dhclient.
	NetworkTools Seen[[]string] `json:"network_tools"`
	// PersistentRoutes are routes to 169.254.169.254 kept in configuration (they travel with an image).
	PersistentRoutes Seen[[]Route] `json:"persistent_routes"`

	// Flagged are files that steps may have to change, and that nobody may as they are.
	Flagged Seen[[]FileFlag] `json:"flagged"`
	// NetworkSetup is what the files say of the network at the next start.
	NetworkSetup Seen[NetworkSetup] `json:"network_setup"`

	ImageState Seen[string] `json:"image_state"` // Windows setup state
	// LaunchAgents are those of EC2 for Windows that are installed; absent: not Windows.
	LaunchAgents Seen[[]LaunchAgent] `json:"launch_agents,omitzero"`
	// WMI is the service of Windows from which the agent has what it says of the machine.
	WMI Seen[Service] `json:"wmi_service,omitzero"`
}

// Kinds of launch agents.
const (
	LaunchV2     = "EC2Launch v2"
	LaunchV1     = "EC2Launch" // scripts, run by a scheduled task at the first start
	LaunchConfig = "EC2Config" // before Windows Server 2016
)

// LaunchAgent makes a Windows an EC2 instance when it starts: it sets the routes to the
// metadata service, and starts the SSM Agent after setup.
type LaunchAgent struct {
	Kind    string        `json:"kind"`
	Service Seen[Service] `json:"service"` // absent: it has none
	// Scheduled: it runs at the next start. Known of EC2Launch, which has no service.
	Scheduled Seen[bool] `json:"scheduled"`
	// StartsAgent: its settings name the task that starts the SSM Agent. Known of EC2Launch v2.
	StartsAgent Seen[bool]      `json:"starts_agent"`
	Run         Seen[LaunchRun] `json:"run"` // its last; absent: it has not run
}

// LaunchRun is what the log of a launch agent says of its last run.
type LaunchRun struct {
	At time.Time `json:"at,omitzero"` // its last entry
	// Routes: it wrote that it sets the routes.
	Routes bool `json:"routes"`
	// Failure is its last error, in our words; empty: none.
	Failure string `json:"failure"`
}

// Service is a service of Windows.
type Service struct {
	Active  string `json:"active"`  // as in Unit
	Enabled string `json:"enabled"` // enabled, manual, disabled
}

// Disabled reports whether nothing can start it.
func (s Service) Disabled() bool { return s.Enabled == "disabled" }

// Runs reports whether it runs, or is about to.
func (s Service) Runs() bool { return s.Active == "active" || s.Active == "start-pending" }

// NetworkSetup is the configuration of the network in files.
type NetworkSetup struct {
	Entries   []NetworkEntry `json:"entries"`
	CloudInit bool           `json:"cloud_init"` // it is installed
	// CloudInitOff is the file that keeps it from configuring the network; empty: none.
	CloudInitOff string `json:"cloud_init_off"`
}

// NetworkEntry is what a file says of one device.
type NetworkEntry struct {
	File        string `json:"file"`
	Device      string `json:"device"`
	Pinned      Pin    `json:"pinned"`        // to what only one machine has; empty: it is for any
	Value       string `json:"value"`         // that which only one machine has
	ByCloudInit bool   `json:"by_cloud_init"` // which writes it anew on another machine
}

// Pin says by what configuration is bound to one machine.
type Pin string

// Bonds to one machine.
const (
	PinnedMAC     Pin = "mac"     // it is for the device with this hardware address
	PinnedName    Pin = "name"    // the device with this hardware address gets the name
	PinnedAddress Pin = "address" // a fixed address of IP
)

// Distro is from os-release.
type Distro struct {
	ID      string `json:"id"`         // debian, amzn, ubuntu
	Name    string `json:"name"`       // PRETTY_NAME
	Like    string `json:"id_like"`    // what it is made of, nearest first, separated by spaces
	Version string `json:"version_id"` // such as 22.04
}

// DMI is what the firmware says; it tells an EC2 instance without asking IMDS.
type DMI struct {
	Vendor   Seen[string] `json:"vendor"`    // sys_vendor
	AssetTag Seen[string] `json:"asset_tag"` // board_asset_tag: the instance id on Nitro
	// Product and Chassis tell the clouds apart whose vendor is that of a hypervisor.
	Product Seen[string] `json:"product"`     // product_name
	Chassis Seen[string] `json:"chassis_tag"` // chassis_asset_tag
	EC2UUID Seen[bool]   `json:"ec2_uuid"`    // product_uuid begins with ec2
}

// Container is the container this program runs in.
type Container struct {
	Runtime  string `json:"runtime"` // docker, podman, kubernetes, containerd, lxc, unknown
	Evidence string `json:"evidence"`
}

// FileSystem is the file system that holds Dir.
type FileSystem struct {
	Dir      string      `json:"dir"`   // the directory asked for, such as /var/lib/amazon/ssm
	Mount    string      `json:"mount"` // where it is mounted
	Type     string      `json:"type"`
	ReadOnly Seen[bool]  `json:"read_only"`
	NoExec   Seen[bool]  `json:"noexec"`
	Usage    Seen[Usage] `json:"usage"`
}

// Usage is in bytes and inodes; FreeBytes is what an unprivileged process could
// still write.
type Usage struct {
	TotalBytes  uint64 `json:"total_bytes"`
	FreeBytes   uint64 `json:"free_bytes"`
	TotalInodes uint64 `json:"total_inodes"` // 0: the file system has no fixed number
	FreeInodes  uint64 `json:"free_inodes"`
}

// Inotify counts watches and instances of root's processes. It is known only in part
// where a process could not be read: the count is then a lower bound.
type Inotify struct {
	MaxWatches    int `json:"max_user_watches"`
	MaxInstances  int `json:"max_user_instances"`
	UsedWatches   int `json:"used_watches"`   // of root's processes
	UsedInstances int `json:"used_instances"` // of root's processes
}

// SELinux is its mode and what it refused the agent.
type SELinux struct {
	Mode    string         `json:"mode"` // enforcing, permissive, disabled
	Denials Seen[[]Denial] `json:"denials"`
}

// Denial is one access-vector record about the agent.
type Denial struct {
	At         time.Time `json:"at,omitzero"`
	Permission string    `json:"permission"` // execute, read
	Path       string    `json:"path"`
	Target     string    `json:"target"` // target context
}

// Firewall lists the rules that may drop or reject outbound packets of interest.
type Firewall struct {
	Tool  string         `json:"tool"` // nft, iptables, Windows firewall
	Rules []FirewallRule `json:"rules"`
	// ForAgent are rules that let the agent's programs out, where nothing else may leave
	// without a rule of its own: what this program may not do, they may.
	ForAgent []FirewallRule `json:"for_agent,omitempty"`
}

// FirewallRule is one rule of an output chain that drops or rejects.
type FirewallRule struct {
	Table  string `json:"table"`
	Chain  string `json:"chain"`
	Text   string `json:"text"`
	Action string `json:"action"`        // drop, reject, block
	IMDS   bool   `json:"imds"`          // it can match 169.254.169.254
	HTTPS  bool   `json:"https"`         // it can match outbound TCP 443
	DNS    bool   `json:"dns,omitempty"` // it can match a query to a resolver
	Policy bool   `json:"policy"`        // the chain's default, not a rule
	// Hook is where it stops what comes back to this host, input or prerouting, and surely
	// does; empty: it stops what this host sends.
	Hook string `json:"hook,omitempty"`
	// To are the addresses, prefixes and ranges that it is for, or not for; Out
	// the interfaces, which may end in * or +. Empty: all.
	To     []string `json:"to"`
	NotTo  bool     `json:"not_to"`
	Out    []string `json:"out"`
	NotOut bool     `json:"not_out"`
	// Program is the base name of the agent's program that it is for; empty: any.
	Program string `json:"program,omitempty"`
}

// Resolver is /etc/resolv.conf.
type Resolver struct {
	Servers []string `json:"servers"`
	Search  []string `json:"search"`
	Options []string `json:"options"`
}

// Interface is one network interface that is up.
type Interface struct {
	Name      string   `json:"name"`
	Addresses []string `json:"addresses"` // CIDR form
}

// Link is a network device.
type Link struct {
	Name string `json:"name"`
	// Kind is what the kernel calls it: veth, bridge, wireguard, tun; empty for
	// hardware, or where the system does not tell.
	Kind     string `json:"kind"`
	Up       bool   `json:"up"`      // switched on
	Carrier  bool   `json:"carrier"` // something is at its other end
	Loopback bool   `json:"loopback"`
	MTU      int    `json:"mtu"`
}

// RoutingRule is a rule that chooses a routing table.
type RoutingRule struct {
	Priority int    `json:"priority"`
	Family   string `json:"family"` // inet, inet6
	Table    int    `json:"table"`  // 0: the rule names none
	Text     string `json:"text"`   // in the form of "ip rule", without priority
}

// MainTable is the routing table that is used where no rule says otherwise.
const MainTable = 254

// Path is the route of the kernel to an address that the agent needs.
type Path struct {
	To    string      `json:"to"` // address
	Of    PathOf      `json:"of"`
	Route Seen[Route] `json:"route"` // absent: there is none
}

// PathOf says whose address a path leads to.
type PathOf string

// Whose address a path leads to.
const (
	PathResolver  PathOf = "resolver"
	PathMetadata6 PathOf = "metadata-ipv6"
	PathTime      PathOf = "time" // the Amazon Time Sync Service
)

// Route is one route.
type Route struct {
	Destination string `json:"destination"` // CIDR form or default
	Gateway     string `json:"gateway"`     // empty: on link
	Interface   string `json:"interface"`
	Kind        string `json:"kind"`    // unicast, blackhole, unreachable, prohibit, throw, local
	OnLink      bool   `json:"on_link"` // the gateway lies in a network of one of the interfaces; true without gateway
	From        string `json:"from"`    // file, for persistent routes
	Source      string `json:"source,omitempty"`
	Table       int    `json:"table,omitempty"` // 0: not told
	Metric      int    `json:"metric,omitempty"`
	MTU         int    `json:"mtu,omitempty"` // 0: that of the device
	// Port is that which was asked about: some rules are for a port alone. 0: none.
	Port int `json:"port,omitempty"`
}

// ProtocolOf is the protocol by which the agent and this program use a port: tcp, udp.
func ProtocolOf(port uint16) string {
	if port == 53 || port == 123 {
		return "udp"
	}
	return "tcp"
}

// ECS is what is visible of Amazon ECS from inside a container.
type ECS struct {
	Task           Seen[ECSTask] `json:"task"`          // absent: not in a task
	ManagedAgent   Seen[bool]    `json:"managed_agent"` // the execute-command agent is mounted
	ReadOnlyRoot   Seen[bool]    `json:"read_only_root"`
	ExecuteCommand Seen[bool]    `json:"execute_command"` // enableExecuteCommand of the task; inferred from the mount where metadata is silent
}

// ECSTask is from the task metadata endpoint.
type ECSTask struct {
	Cluster string `json:"cluster"`
	TaskARN string `json:"task_arn"`
	Family  string `json:"family"`
}
