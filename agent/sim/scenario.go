// Package sim plays a host that runs on EC2, in ECS or elsewhere, and the part of
// AWS it talks to: metadata service, resolvers, regional endpoints that verify
// signatures and evaluate policies, proxies, and a file tree in memory. It
// listens on loopback only, needs no privilege and leaves nothing behind.
//
// A Scenario says what the host is like; Start brings it up; Host.Env is the
// environment in which the ordinary sources see it. Waiting is not simulated: a
// peer that never answers is a time-out at once.
package sim

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Kinds of host.
const (
	EC2    = "ec2"
	Hybrid = "hybrid"
	ECS    = "ecs"
)

// Scenario is one host and its surroundings. It is plain data: JSON in and out
// yields the same. The zero value of every field means the ordinary; a zero
// Scenario is an EC2 instance without agent and without profile.
type Scenario struct {
	Kind      string `json:"kind,omitempty"` // EC2 (also when empty), Hybrid, ECS
	GOOS      string `json:"goos,omitempty"` // linux (also when empty), windows
	Instance  string `json:"instance,omitempty"`
	Node      string `json:"node,omitempty"` // mi-... of a hybrid registration
	Region    string `json:"region,omitempty"`
	Account   string `json:"account,omitempty"`
	Hostname  string `json:"hostname,omitempty"`
	Address   string `json:"address,omitempty"` // of eth0
	MachineID string `json:"machine_id,omitempty"`
	UID       int    `json:"uid,omitempty"` // whom ssm-doctor runs as

	// Now is the host's clock, which then stands still; zero: the real clock.
	Now time.Time `json:"now,omitzero"`
	// Skew is the clock of AWS minus that of the host, in seconds.
	Skew     float64  `json:"skew_seconds,omitempty"`
	Unsynced bool     `json:"unsynced,omitempty"`
	Uptime   Duration `json:"uptime,omitempty"` // 0: 40 days

	Agent      Agent                 `json:"agent"`
	IMDS       IMDS                  `json:"imds"`
	Task       *Task                 `json:"task,omitempty"`
	Principals map[string]*Principal `json:"principals,omitempty"`
	// SCP are service control policies beside the one that allows all.
	SCP []Policy `json:"scp,omitempty"`
	// RegionOff: the account has not enabled the Region, in which no keys of it are known.
	RegionOff bool `json:"region_off,omitempty"`
	// AccountCode is the error with which AWS refuses the account; empty: it does not.
	AccountCode string `json:"account_code,omitempty"`
	// PlainDenials: refusals name no policy, as services used to.
	PlainDenials bool `json:"plain_denials,omitempty"`

	// Endpoints by service; "*" stands for those without an entry.
	Endpoints map[string]Endpoint `json:"endpoints,omitempty"`
	// Resolvers of resolv.conf; the first answers with Endpoint.Address. Empty: the VPC's.
	Resolvers []string `json:"resolvers,omitempty"`
	Proxies   []Proxy  `json:"proxies,omitempty"`
	// Sites are further HTTPS hosts and their addresses.
	Sites  map[string]string `json:"sites,omitempty"`
	Faults []Fault           `json:"faults,omitempty"`
	NoIPv4 bool              `json:"no_ipv4_route,omitempty"`
	IPv6   bool              `json:"ipv6_route,omitempty"`
	Net    Network           `json:"net,omitzero"`
	// Interfaces beside lo and eth0: name to address in CIDR form.
	Interfaces map[string]string `json:"interfaces,omitempty"`
	// IMDSGateway is where a stale route (on Windows a persistent one) leads
	// packets for the metadata service.
	IMDSGateway string `json:"imds_gateway,omitempty"`

	Host Machine `json:"host"`
	// Files by absolute path. They take the place of what the rest of the
	// scenario would put there.
	Files map[string]File `json:"files,omitempty"`
	// Log is the agent's log: "-5m INFO text", oldest first; the first word is the
	// distance to the host's clock. {signed}, {server} and {limit} in the text
	// stand for the times in a refusal of a signature, {instance}, {node},
	// {region}, {account}, {partition}, {domain} and {version} (of the agent) for
	// those of the scenario.
	Log []string `json:"log,omitempty"`
	// Env is the environment of ssm-doctor and of users of the host.
	Env map[string]string `json:"env,omitempty"`
}

// Duration is a time.Duration that JSON holds as text, such as "-5m0s".
type Duration time.Duration

// MarshalText and UnmarshalText use the form of time.ParseDuration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Machine is what does not belong to the agent.
type Machine struct {
	Distro    string            `json:"distro,omitempty"` // ID of os-release; amzn when empty
	DMI       map[string]string `json:"dmi,omitempty"`    // files of /sys/class/dmi/id
	Container string            `json:"container,omitempty"`
	// DiskUsed and InodesUsed are percentages of every file system.
	DiskUsed   int      `json:"disk_used,omitempty"`
	InodesUsed int      `json:"inodes_used,omitempty"`
	Mounts     []string `json:"mounts,omitempty"`   // "/var xfs rw,noexec"
	Firewall   string   `json:"firewall,omitempty"` // nft or iptables
	Rules      string   `json:"rules,omitempty"`    // what it lists
	// Watches are inotify watches in use by root, MaxWatches the limit.
	Watches    int `json:"watches,omitempty"`
	MaxWatches int `json:"max_watches,omitempty"`
	// OpenFiles is how many the worker holds open of MaxFiles; 0: 24 of 65535.
	OpenFiles int `json:"open_files,omitempty"`
	MaxFiles  int `json:"max_files,omitempty"`
	// Users are local users beside root, ec2-user and ssm-user; NoUsers: only root is.
	Users    []string `json:"users,omitempty"`
	NoUsers  bool     `json:"no_users,omitempty"`
	NoScript bool     `json:"no_script,omitempty"` // the program script is missing
	// Available is the memory that is left of 2 GiB, in MiB; 0: 1200.
	Available int      `json:"available,omitempty"`
	Load      float64  `json:"load,omitempty"`    // of one minute
	SELinux   bool     `json:"selinux,omitempty"` // enforcing
	Audit     []string `json:"audit,omitempty"`   // lines of the audit log; {now} is its time
	// Syslog are lines of /var/log/messages; {now} is a minute ago as syslog writes it.
	Syslog []string `json:"syslog,omitempty"`
	// NoSnapd: an Ubuntu without snapd.
	NoSnapd bool `json:"no_snapd,omitempty"`
	// RPMKeys are the keys of packages as rpm lists them, "gpg-pubkey 97dd04ed" a line.
	RPMKeys string `json:"rpm_keys,omitempty"`
	// ImageState is the setup state of Windows; empty: IMAGE_STATE_COMPLETE.
	ImageState string `json:"image_state,omitempty"`
}

// Agent is the SSM Agent of the host.
type Agent struct {
	Version   string   `json:"version,omitempty"`   // empty: none
	Packaging []string `json:"packaging,omitempty"` // deb, rpm, snap, binary, managed; empty: rpm
	Previous  string   `json:"previous,omitempty"`  // version that ran until a day ago
	Package   string   `json:"package,omitempty"`   // dpkg's state; empty: install ok installed
	NoManager bool     `json:"no_manager,omitempty"`
	// Units describe the service of each packaging; missing ones are running.
	Units map[string]Unit `json:"units,omitempty"` // deb (rpm and binary too), snap
	// Running: the processes. Core without worker waits for credentials.
	Core   bool `json:"core,omitempty"`
	Worker bool `json:"worker,omitempty"`
	// Held is what keeps the processes from running on: signal, freezer.
	Held string `json:"held,omitempty"`
	// Starts of the core, before now; empty: one, when the unit began.
	Starts []Duration `json:"starts,omitempty"`

	Identity string   `json:"identity,omitempty"` // EC2, OnPrem; empty: none taken yet
	Source   string   `json:"source,omitempty"`   // principal whose credentials it holds
	Age      Duration `json:"age,omitempty"`      // of those credentials; 0: 10 min
	Hybrid   bool     `json:"hybrid,omitempty"`   // registered as Scenario.Node
	EC2      bool     `json:"ec2,omitempty"`      // registered as Scenario.Instance
	// Others are agents that are not this host's.
	Others []Other `json:"others,omitempty"`
	// Cloned: the stored fingerprint is that of another machine.
	Cloned bool `json:"cloned,omitempty"`
	// Fingerprint overrides single hashes of the stored fingerprint.
	Fingerprint map[string]string `json:"fingerprint,omitempty"`

	Config      string            `json:"config,omitempty"`      // amazon-ssm-agent.json
	Environment map[string]string `json:"environment,omitempty"` // of the service
	// Zone is how far east of UTC, in which the host is, the log is written.
	Zone Duration `json:"zone,omitempty"`
	// Channel lists peers (address:port) of the worker's connections; Stuck says
	// that they answer no more.
	Channel []string `json:"channel,omitzero"` // empty: none; nil: to ssmmessages
	Stuck   bool     `json:"stuck,omitempty"`
}

// Other is a process that bears the name of the core agent and is not this host's agent.
type Other struct {
	Exe   string `json:"exe,omitempty"`   // /usr/bin/amazon-ssm-agent when empty
	Group string `json:"group,omitempty"` // its control group
	Depth int    `json:"depth,omitempty"` // of its process namespace; 0: that of the host
	UID   int    `json:"uid,omitempty"`
}

// Unit is what systemd says of the agent's service.
type Unit struct {
	Active   string   `json:"active,omitempty"`  // active (also when empty), inactive, failed, activating, not-found
	Enabled  string   `json:"enabled,omitempty"` // enabled when empty
	Sub      string   `json:"sub,omitempty"`
	Exit     int      `json:"exit,omitempty"`
	Restarts int      `json:"restarts,omitempty"`
	User     string   `json:"user,omitempty"`
	Exec     string   `json:"exec,omitempty"`
	Since    Duration `json:"since,omitempty"` // before now; 0: an hour
	// Result is systemd's; empty: success, or exit-code for one that failed. Ended is how
	// its process ended: exited, killed, dumped; empty: exited where there is an exit.
	Result  string `json:"result,omitempty"`
	Ended   string `json:"ended,omitempty"`
	Restart string `json:"restart,omitempty"` // always when empty
	// DropIn is the text of a drop-in besides that of the environment.
	DropIn string `json:"drop_in,omitempty"`
	// Started is the drop-in with which its process was started, where it is changed since.
	Started string `json:"started,omitempty"`
	// Wanted are other units that start it.
	Wanted string `json:"wanted,omitempty"`
}

// IMDS is the metadata service as the host meets it.
type IMDS struct {
	// Mode: required (also when empty, on EC2), optional, disabled, absent,
	// refuse, unreachable (also when empty, off EC2), invalid, not-permitted, no-port,
	// token-timeout, hang, impostor.
	Mode    string `json:"mode,omitempty"`
	Profile string `json:"profile,omitempty"` // principal attached; empty: none
	// ProfileARN and InfoCode override what iam/info says.
	ProfileARN string `json:"profile_arn,omitempty"`
	// NoRole: the attached profile holds no role, so that the list of roles is empty.
	NoRole bool `json:"no_role,omitempty"`
	// Identity: the identity role of the instance answers.
	Identity bool     `json:"identity,omitempty"`
	Impostor Impostor `json:"impostor,omitzero"`
	// Overrides by path below /latest.
	Overrides map[string]Impostor `json:"overrides,omitempty"`
}

// Impostor is an answer that takes the place of another.
type Impostor struct {
	Status int    `json:"status,omitempty"` // 0: 200
	Server string `json:"server,omitempty"`
	Type   string `json:"type,omitempty"`
	Body   string `json:"body,omitempty"`
}

// Task is the ECS task around the host.
type Task struct {
	Cluster  string `json:"cluster,omitempty"`
	Exec     bool   `json:"exec,omitempty"`      // execute-command was on when it started
	ReadOnly bool   `json:"read_only,omitempty"` // root file system
}

// Kinds of principal.
const (
	KindProfile  = "instance-profile"
	KindDHMC     = "dhmc"
	KindHybrid   = "hybrid"
	KindUser     = "user"
	KindTask     = "task"
	KindIdentity = "identity"
)

// Principal is a role in use on the host, or a user whose keys lie there.
type Principal struct {
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`           // of role or user
	Path     string   `json:"path,omitempty"` // of the role, such as /service-role/
	Policies []Policy `json:"policies,omitempty"`
	Boundary Policy   `json:"boundary,omitempty"`
	Session  Policy   `json:"session,omitempty"`
	// Life of its credentials from now on; 0: 5 h, negative: expired.
	Life Duration `json:"life,omitempty"`
	// Code and Message that the metadata service gives in place of keys.
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Revoked bool   `json:"revoked,omitempty"` // AWS does not know its keys
}

// Policy is a policy document, or the name of one that checks/iam knows, such as
// AmazonSSMManagedInstanceCore.
type Policy string

// Allow is a policy that allows actions on everything.
func Allow(actions ...string) Policy { return document("Allow", nil, actions) }

// Deny is a policy that denies actions on everything.
func Deny(actions ...string) Policy { return document("Deny", nil, actions) }

// ForAll is an endpoint policy that allows actions to everybody.
func ForAll(actions ...string) Policy { return document("Allow", "*", actions) }

func document(effect string, principal any, actions []string) Policy {
	st := map[string]any{"Effect": effect, "Action": actions, "Resource": "*"}
	if principal != nil {
		st["Principal"] = principal
	}
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{st}})
	if err != nil {
		panic(err) // strings marshal
	}
	return Policy(b)
}

// Endpoint is how one regional endpoint appears from the host.
type Endpoint struct {
	DNS     string   `json:"dns,omitempty"`     // nxdomain, servfail, timeout
	Address []string `json:"address,omitempty"` // empty: one is chosen
	IPv6    []string `json:"ipv6,omitempty"`
	NoDual  bool     `json:"no_dual,omitempty"` // it has no dual-stack name
	// Views are the answers of other resolvers.
	Views   map[string][]string `json:"views,omitempty"`
	Private bool                `json:"private,omitempty"` // a VPC endpoint
	TCP     string              `json:"tcp,omitempty"`     // refuse, timeout, unreachable, not-permitted, no-port, hang, large-lost
	TLS     string              `json:"tls,omitempty"`     // untrusted, expired, wrong-name
	Issuer  string              `json:"issuer,omitempty"`  // of an untrusted certificate, "CN=...,O=..."
	HTTP    string              `json:"http,omitempty"`    // hang, reset, page
	// WebSocket: forbidden says that something on the way refuses upgrades.
	WebSocket string `json:"websocket,omitempty"`
	Policy    Policy `json:"policy,omitempty"` // of the VPC endpoint
}

// Proxy is an HTTP proxy.
type Proxy struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Port    int    `json:"port"`
	Connect int    `json:"connect,omitempty"` // status of CONNECT; 0: 200
	// Forbids are services to which CONNECT is answered with 403.
	Forbids []string `json:"forbids,omitempty"`
	Plain   int      `json:"plain,omitempty"` // status of other requests; 0: 403
	TCP     string   `json:"tcp,omitempty"`   // as for endpoints
	// TLS: it is reached by https:// and shows a certificate that is not accepted, as
	// for endpoints.
	TLS string `json:"tls,omitempty"`
	// Login is the Proxy-Authorization with which it connects, whatever Connect says.
	Login string `json:"login,omitempty"`
}

// Fault is an answer that no policy decides.
type Fault struct {
	Action   string `json:"action"`             // ssm:GetDocument, or s3:GetObject with Resource
	Resource string `json:"resource,omitempty"` // ARN prefix
	Status   int    `json:"status"`
	Code     string `json:"code"`
	Message  string `json:"message,omitempty"`
}

// File is one file of the host.
type File struct {
	Content string   `json:"content,omitempty"`
	Mode    uint32   `json:"mode,omitempty"` // permission bits; 0: 0644, directories 0755
	Dir     bool     `json:"dir,omitempty"`
	Link    string   `json:"link,omitempty"`
	Absent  bool     `json:"absent,omitempty"` // remove it
	FIFO    bool     `json:"fifo,omitempty"`
	Age     Duration `json:"age,omitempty"` // of its content
	UID     int      `json:"uid,omitempty"`
	// Flag is that of facts which keeps everybody from changing it; a folder takes no new files.
	Flag string `json:"flag,omitempty"`
}

// clone is a copy that shares nothing.
func (s Scenario) clone() (Scenario, error) {
	var c Scenario
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return c, fmt.Errorf("copy scenario: %w", err)
	}
	return c, nil
}

// filled is a copy with the ordinary in place of what was left open.
func (s Scenario) filled() (Scenario, error) {
	c, err := s.clone()
	if err != nil {
		return c, err
	}
	def := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	def(&c.Kind, EC2)
	def(&c.GOOS, "linux")
	def(&c.Instance, "i-0a1b2c3d4e5f60718")
	def(&c.Node, "mi-0f1e2d3c4b5a69788")
	def(&c.Region, "eu-central-1")
	def(&c.Account, "111122223333")
	def(&c.Address, "10.0.12.34")
	def(&c.MachineID, "ec2f2ab1a1d94d3f8a5f3c9be6a1d001")
	def(&c.Hostname, map[bool]string{true: "rack7-node3", false: "ip-" + strings.ReplaceAll(c.Address, ".", "-")}[c.Kind == Hybrid])
	def(&c.IMDS.Mode, map[bool]string{true: "required", false: "unreachable"}[c.Kind == EC2])
	def(&c.Host.Distro, "amzn")
	if c.Uptime == 0 {
		c.Uptime = Duration(40 * 24 * time.Hour)
	}
	if c.Host.DMI == nil {
		c.Host.DMI = map[string]string{"sys_vendor": "Dell Inc.", "product_name": "PowerEdge R650", "product_uuid": "4c4c4544-0042-3510-8058-b8c04f333533"}
		if c.Kind == EC2 {
			c.Host.DMI = map[string]string{"sys_vendor": "Amazon EC2", "product_name": "t3.small", "board_asset_tag": c.Instance, "product_uuid": "ec2f2ab1-a1d9-4d3f-8a5f-3c9be6a1d001"}
		}
	}
	if len(c.Resolvers) == 0 {
		c.Resolvers = []string{map[bool]string{false: "10.0.0.2", true: "fd00:ec2::253"}[c.NoIPv4 && c.IPv6]}
	}
	for k, p := range c.Principals {
		if p == nil || p.Name == "" {
			return c, fmt.Errorf("principal %q has no name", k)
		}
	}
	for _, k := range []string{c.IMDS.Profile, c.Agent.Source} {
		if k != "" && c.Principals[k] == nil {
			return c, fmt.Errorf("no principal %q", k)
		}
	}
	return c, nil
}

// Partition is that of the Region.
func (s *Scenario) Partition() string {
	switch {
	case strings.HasPrefix(s.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(s.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// Domain is the DNS suffix of the Region.
func (s *Scenario) Domain() string {
	if strings.HasPrefix(s.Region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// Services are those that have an endpoint.
var Services = []string{"ssm", "ssmmessages", "ec2messages", "sts", "s3", "kms", "logs", "monitoring", "iam", "ec2", "ds"}

// HostName is the name of a service's endpoint.
func (s *Scenario) HostName(service string) string {
	return service + "." + s.Region + "." + s.Domain()
}

// session is the name under which a principal's credentials act.
func (s *Scenario) session(p *Principal) string {
	switch p.Kind {
	case KindHybrid:
		return s.Node
	case KindTask:
		return "ecs-task"
	}
	return s.Instance
}

// arn is the principal that AWS sees.
func (s *Scenario) arn(p *Principal) string {
	if p.Kind == KindUser {
		return "arn:" + s.Partition() + ":iam::" + s.Account + ":user/" + p.Name
	}
	return "arn:" + s.Partition() + ":sts::" + s.Account + ":assumed-role/" + p.Name + "/" + s.session(p)
}
