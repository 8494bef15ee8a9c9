package facts

import "time"

// Agent is the SSM Agent: what is installed, what runs, how it is configured.
type Agent struct {
	// Installations lists every packaging found; empty and InstallationsRead known means none.
	Installations     []Installation `json:"installations"`
	InstallationsRead Seen[bool]     `json:"installations_read"` // known true: all places were looked at

	Installed Seen[string] `json:"installed_version"` // four numbers, x.y.z.w
	Running   Seen[string] `json:"running_version"`   // of the latest start
	// Versions lists the versions that started, oldest first, from audit files and log.
	Versions []VersionStart `json:"versions"`

	Manager   Seen[string]    `json:"service_manager"` // systemd, upstart, scm, launchd; absent: none
	Units     []Unit          `json:"units"`           // the agent's units that are loaded or not-found
	Processes Seen[Processes] `json:"processes"`
	// Starts are process starts of the core in the last 24 h, oldest first, at most 200.
	Starts Seen[[]time.Time] `json:"starts"`

	Config     Seen[Config] `json:"config"`      // absent: no file, built-in defaults apply
	ConfigPath string       `json:"config_path"` // where it was looked for

	// ServiceProxy is the proxy environment of the agent's service or process;
	// ShellProxy that of users of this host (our environment, /etc/environment, /etc/profile.d).
	ServiceProxy Seen[Proxy] `json:"service_proxy"`
	ShellProxy   Seen[Proxy] `json:"shell_proxy"`
	// PendingProxy is what the files of the unit give, where the running process
	// has another: it applies from the next start on.
	PendingProxy Seen[Proxy] `json:"pending_proxy"`
	// ServiceEnv lists the names (never values) of AWS_* and SSL_* variables of the service.
	ServiceEnv Seen[[]string] `json:"service_env"`

	// Metadata are settings of the service's environment for the metadata client;
	// absent: none is set.
	Metadata Seen[MetadataSettings] `json:"metadata_settings"`
	// UpdateLock is the updater's lock; absent: no update is under way.
	UpdateLock Seen[UpdateLock] `json:"update_lock"`
	// LogConfig is a seelog.xml that replaces the built-in log settings; absent: they apply.
	LogConfig Seen[LogConfig] `json:"log_config"`

	Channel Seen[[]Socket] `json:"channel"` // established TCP connections of the agent to port 443
	// IPC lists entries of <data>/ipc that exist.
	IPC Seen[[]string] `json:"ipc"`

	// Uses are traces of features that were used on this host, by feature id.
	Uses []Use `json:"uses"`
	// Output is where documents of the last days sent their output: buckets and log groups.
	Output Seen[Output] `json:"output"`
}

// Use is a trace of one feature of Systems Manager.
type Use struct {
	Feature string    `json:"feature"` // id of the feature matrix
	From    string    `json:"from"`    // file: URL of the trace
	At      time.Time `json:"at,omitzero"`
}

// Output is where the output of documents goes, as their state files name it.
type Output struct {
	Buckets   []string `json:"buckets"`
	LogGroups []string `json:"log_groups"`
}

// Installation is one packaging of the agent on this host.
type Installation struct {
	Kind      string       `json:"kind"` // deb, rpm, snap, binary, windows, macos, managed (ECS)
	Dir       string       `json:"dir"`  // folder of the executables
	Version   Seen[string] `json:"version"`
	Package   string       `json:"package"`    // package database's state, such as "install ok half-configured"
	Revision  string       `json:"revision"`   // snap
	Worker    Seen[bool]   `json:"worker"`     // ssm-agent-worker is there
	Core      Seen[bool]   `json:"core"`       // amazon-ssm-agent is there and executable
	CoreMode  string       `json:"core_mode"`  // ls form
	CoreLabel string       `json:"core_label"` // SELinux context
	Broken    string       `json:"broken"`     // why the packaging is not whole; empty: it is
}

// VersionStart is a start of the core agent.
type VersionStart struct {
	Version string    `json:"version"`
	At      time.Time `json:"at"`
}

// Unit is a service of the agent as its manager describes it.
type Unit struct {
	Name         string    `json:"name"`
	Load         string    `json:"load"`    // loaded, not-found, masked
	Active       string    `json:"active"`  // active, inactive, failed, activating
	Sub          string    `json:"sub"`     // running, dead, auto-restart
	Enabled      string    `json:"enabled"` // enabled, disabled, masked, static
	Result       string    `json:"result"`  // success, exit-code
	ExitStatus   int       `json:"exit_status"`
	Restarts     int       `json:"restarts"`
	MainPID      int       `json:"main_pid"`
	User         string    `json:"user"` // empty: root
	Exec         string    `json:"exec"` // executable started
	File         string    `json:"file"`
	DropIns      []string  `json:"drop_ins"`
	DanglingLink bool      `json:"dangling_link"` // the wants link points nowhere
	NoRestart    []int     `json:"restart_prevent_exit_status"`
	ActiveSince  time.Time `json:"active_since,omitzero"`
	StoppedSince time.Time `json:"stopped_since,omitzero"`
	StartedAt    time.Time `json:"started_at,omitzero"`
	ExitedAt     time.Time `json:"exited_at,omitzero"`
}

// Processes are the agent's processes.
type Processes struct {
	Core     []Process `json:"core"`     // amazon-ssm-agent
	Worker   []Process `json:"worker"`   // ssm-agent-worker
	Document []Process `json:"document"` // ssm-document-worker
	Session  []Process `json:"session"`  // ssm-session-worker
}

// Process is one process.
type Process struct {
	PID     int       `json:"pid"`
	Exe     string    `json:"exe"`
	Deleted bool      `json:"deleted"` // the executable was replaced since
	UID     int       `json:"uid"`
	Started time.Time `json:"started,omitzero"`
	Parent  int       `json:"parent"`
}

// Config is amazon-ssm-agent.json as the agent reads it: keys without regard to
// case, numbers out of range replaced. Only what matters to a diagnosis.
type Config struct {
	// ParseError is set when the agent would refuse the file; the other fields are then empty.
	ParseError string `json:"parse_error"`

	Region           string   `json:"agent_region"`
	ServiceDomain    string   `json:"service_domain"`
	ContainerMode    bool     `json:"container_mode"`
	SSMEndpoint      string   `json:"ssm_endpoint"`
	MgsEndpoint      string   `json:"mgs_endpoint"`
	MgsRegion        string   `json:"mgs_region"`
	MdsEndpoint      string   `json:"mds_endpoint"`
	S3Endpoint       string   `json:"s3_endpoint"`
	KmsEndpoint      string   `json:"kms_endpoint"`
	ShareCreds       bool     `json:"share_creds"`
	ShareProfile     string   `json:"share_profile"`
	HealthMinutes    int      `json:"health_minutes"`
	ConsumptionOrder []string `json:"consumption_order"`
	CustomIdentity   bool     `json:"custom_identity"`
	DualStack        bool     `json:"dual_stack"` // Agent.UseDualStackEndpoint, from 3.3.3270
	TelemetryToCW    bool     `json:"telemetry_to_cloudwatch"`
	UnknownKeys      []string `json:"unknown_keys"` // ignored by the agent; likely typing errors
}

// Proxy is a proxy environment with user name and password removed.
type Proxy struct {
	HTTPS   string `json:"https_proxy"`
	HTTP    string `json:"http_proxy"`
	No      string `json:"no_proxy"`
	HasAuth bool   `json:"has_auth"` // a value carried credentials
	From    string `json:"from"`     // process environment, drop-in path, profile script
}

// Set reports whether any proxy is named.
func (p Proxy) Set() bool { return p.HTTPS != "" || p.HTTP != "" }

// MetadataSettings are environment variables that the agent's metadata client honours.
type MetadataSettings struct {
	Disabled   bool   `json:"disabled"`    // AWS_EC2_METADATA_DISABLED=true: the agent asks nothing
	Endpoint   string `json:"endpoint"`    // AWS_EC2_METADATA_SERVICE_ENDPOINT, without user and password
	Mode       string `json:"mode"`        // AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: IPv4, IPv6
	V1Disabled bool   `json:"v1_disabled"` // AWS_EC2_METADATA_V1_DISABLED=true
}

// UpdateLock is the lock file of an update. The agent takes one older than an hour as stale.
type UpdateLock struct {
	PID     int        `json:"pid"` // 0: the file names none
	At      time.Time  `json:"at,omitzero"`
	Running Seen[bool] `json:"running"` // that process exists
}

// LogConfig is what matters of a seelog.xml.
type LogConfig struct {
	Path     string `json:"path"`
	MinLevel string `json:"min_level"` // trace, debug, info, warn, error, critical, off; empty: all
	// Elsewhere: no file of it lies in the agent's usual log directory.
	Elsewhere  bool   `json:"elsewhere"`
	ParseError string `json:"parse_error"`
}

// Socket is a TCP connection of the agent.
type Socket struct {
	Local       string `json:"local"`
	Remote      string `json:"remote"`
	Retransmits int    `json:"retransmits"` // unanswered retransmissions now
	Unacked     int    `json:"unacked_bytes"`
	PID         int    `json:"pid"`
}

// Registration is the state that makes a host a certain managed node.
type Registration struct {
	Hybrid        Seen[Key]           `json:"hybrid"`        // Vault/Store/RegistrationKey
	EC2           Seen[Key]           `json:"ec2"`           // Vault/Store/EC2RegistrationKey
	Manifest      Seen[Manifest]      `json:"manifest"`      // Vault/Manifest
	EC2Manifest   Seen[Manifest]      `json:"ec2_manifest"`  // Vault/EC2Manifest
	Informational Seen[Informational] `json:"informational"` // <data>/registration
	Fingerprint   Seen[Fingerprint]   `json:"fingerprint"`   // Vault/Store/InstanceFingerprint
	NodeFolders   Seen[[]string]      `json:"node_folders"`  // ids with a folder in the data directory
	Paths         []PathInfo          `json:"paths"`         // state directories and files: owner and mode
	Damage        []Damage            `json:"damage"`        // what the agent would stumble over
}

// Key is a registration without its key material.
type Key struct {
	InstanceID string    `json:"instance_id"` // blank after a failed or cleared registration
	Region     string    `json:"region"`
	HasPrivate bool      `json:"has_private_key"`
	HasPublic  bool      `json:"has_public_key"`
	KeyType    string    `json:"key_type"`
	KeyValid   bool      `json:"key_valid"` // base64 of a PKCS#1 RSA key
	CreatedAt  time.Time `json:"created_at,omitzero"`
}

// Complete reports whether the agent would take this registration.
func (k Key) Complete() bool { return k.InstanceID != "" && k.Region != "" && k.HasPrivate }

// Manifest is the index of the vault.
type Manifest struct {
	Keys    []string `json:"keys"`
	Missing []string `json:"missing"` // keys whose file is gone
}

// Informational is the registration file that the agent writes and never reads.
type Informational struct {
	InstanceID string `json:"instance_id"`
	Region     string `json:"region"`
}

// Fingerprint is the stored hardware fingerprint, without the hashes.
type Fingerprint struct {
	Threshold        int        `json:"similarity_threshold"` // 1-100, -1: check off, 0: rewritten after damage
	Hashes           int        `json:"hashes"`               // how many of the nine are filled
	MachineIDMatches Seen[bool] `json:"machine_id_matches"`   // stored machine-id is this host's
}

// PathInfo is a file or directory of the agent.
type PathInfo struct {
	Path   string `json:"path"`
	Exists bool   `json:"exists"`
	Dir    bool   `json:"dir"`
	Mode   string `json:"mode"` // ls form, such as drw-------
	UID    int    `json:"uid"`
	Error  string `json:"error"` // why it could not be looked at
}

// Damage is something in the registration state that the agent cannot use.
type Damage struct {
	Path string `json:"path"`
	// Kind: not-json, missing-file, bad-key, truncated, not-a-file, link-loop.
	Kind string `json:"kind"`
	What string `json:"what"`
}
