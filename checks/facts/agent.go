package facts

import "time"

// Agent is the SSM Agent: what is installed, what runs, how it is configured.
type Agent struct {
	// Installations lists every packaging found, once all places were looked at.
	Installations Seen[[]Installation] `json:"installations"`

	Installed Seen[string] `json:"installed_version"` // four numbers, x.y.z.w
	Running   Seen[string] `json:"running_version"`   // of the latest start
	// Versions lists the versions that started, oldest first, from audit files and log: of
	// starts of one version in a row the first.
	Versions Seen[[]VersionStart] `json:"versions"`

	Manager   Seen[string]    `json:"service_manager"` // systemd, upstart, openrc, sysv, scm, launchd; absent: none
	Units     Seen[[]Unit]    `json:"units"`           // the agent's units that are loaded or not-found
	Processes Seen[Processes] `json:"processes"`
	// Notes are what kernel and service manager logged of the agent's end, oldest
	// first; looked for only where it did end.
	Notes Seen[[]SystemNote] `json:"system_notes"`
	// Starts are process starts of the core in the last 24 h, oldest first, at most 200.
	Starts Seen[[]time.Time] `json:"starts"`

	// Folders are where this host's agent keeps its things, where that is not LayoutOf.
	Folders Layout `json:"folders,omitzero"`

	Config     Seen[Config] `json:"config"`      // absent: no file, built-in defaults apply
	ConfigPath string       `json:"config_path"` // where it was looked for

	// ServiceProxy is the proxy environment of the agent's service or process;
	// ShellProxy that of users of this host (our environment, /etc/environment, /etc/profile.d).
	ServiceProxy Seen[Proxy] `json:"service_proxy"`
	ShellProxy   Seen[Proxy] `json:"shell_proxy"`
	// PendingProxy is what the files of the unit give, where the running process
	// has another: it applies from the next start on.
	PendingProxy Seen[Proxy] `json:"pending_proxy"`

	// ProxyFiles are the files of systemd that set a proxy of the service, in the order in
	// which they are read; absent: it has none of a file.
	ProxyFiles Seen[[]ProxyFile] `json:"proxy_files"`

	// Metadata is what the environment of the agent's service says of the metadata
	// service; absent: nothing.
	Metadata Seen[MetadataEnv] `json:"metadata_environment"`

	Channel Seen[[]Socket] `json:"channel"` // established TCP connections of the agent to port 443
	// Sealed are mounts of the running agent's own at or below its directories that it may not
	// write to, whoever else may; absent: it does not run.
	Sealed Seen[[]SealedMount] `json:"sealed"`

	// Uses are traces of features that were used on this host, by feature id.
	Uses Seen[[]Use] `json:"uses"`
	// Output is where documents of the last days sent their output: buckets and log groups.
	Output Seen[Output] `json:"output"`
	// Around is what on this host lives by the agent, or shares its work.
	Around Seen[[]Trace] `json:"around"`
	// Update is what may keep newer releases from this host.
	Update Update `json:"update"`
}

// Kinds of traces around the agent.
const (
	AroundEKS        = "eks-hybrid-node" // the kubelet signs with the agent's credentials
	AroundECS        = "ecs-anywhere"    // so does the agent of Amazon ECS
	AroundGreengrass = "greengrass"      // the nucleus installs, registers and updates the agent
	AroundAnywhere   = "roles-anywhere"  // credentials of IAM Roles Anywhere
)

// Trace is a program around the agent and the file that tells of it.
type Trace struct {
	Kind string `json:"kind"`
	From string `json:"from"` // file: URL
}

// Update is what may keep newer releases of the agent from a host.
type Update struct {
	// Keys are the keys of the agent's packages that this host keeps to verify them.
	Keys  Seen[[]SigningKey] `json:"keys"`
	Holds Seen[[]Hold]       `json:"holds"` // rules that keep the package at its version
	Lock  Seen[UpdateLock]   `json:"lock"`  // of the agent's updater; absent: there is none
	// Failures are entries of package managers' logs that say why a package of the
	// agent was not taken, latest last.
	Failures Seen[[]UpdateFailure] `json:"failures"`
	// SetupCLI are copies of ssm-setup-cli, which verifies by the key built into it.
	SetupCLI Seen[[]Dated] `json:"setup_cli"`
}

// SigningKey is an OpenPGP key of the agent's packages.
type SigningKey struct {
	ID      string    `json:"id"`               // last 16 hexadecimal digits, or 8 where no more is known
	Expires time.Time `json:"expires,omitzero"` // zero: never, or not known
	From    string    `json:"from"`
}

// Hold is a rule of a package manager about the agent's package.
type Hold struct {
	Tool string `json:"tool"` // dpkg, apt, yum, zypper, snap
	Text string `json:"text"`
	From string `json:"from"`
	// Until is when it ends by itself; zero: never.
	Until time.Time `json:"until,omitzero"`
}

// UpdateLock is update.lock of the agent's updater.
type UpdateLock struct {
	PID   int        `json:"pid"`   // of its owner; 0: the file names none
	Alive Seen[bool] `json:"alive"` // the owner runs
	At    time.Time  `json:"at,omitzero"`
}

// UpdateFailure is an entry of a package manager's log.
type UpdateFailure struct {
	Kind string    `json:"kind"` // signature, locked, excluded
	Text string    `json:"text"`
	From string    `json:"from"`
	At   time.Time `json:"at,omitzero"` // of the file's last change, where the entry has no time
}

// Dated is a file and the time of its content.
type Dated struct {
	Path string    `json:"path"`
	At   time.Time `json:"at,omitzero"`
}

// Use is a trace of one feature of Systems Manager.
type Use struct {
	Feature string `json:"feature"` // id of the feature matrix
	From    string `json:"from"`    // file: URL of the trace
}

// Output is where the output of documents goes, as their state files name it.
type Output struct {
	Buckets   []string `json:"buckets"`
	LogGroups []string `json:"log_groups"`
}

// Installation is one packaging of the agent on this host.
type Installation struct {
	Kind    string       `json:"kind"` // deb, rpm, snap, binary, windows, macos, managed (ECS)
	Dir     string       `json:"dir"`  // folder of the executables
	Version Seen[string] `json:"version"`
	Package string       `json:"package"` // package database's state, such as "install ok half-configured"
	Broken  string       `json:"broken"`  // why the packaging is not whole; empty: it is
	// Parts are the programs beside the core that it starts; none: there are none at all,
	// or this packaging keeps them elsewhere.
	Parts []Part `json:"parts,omitempty"`
	// Other is another revision of a snap that is on this host and whole; empty: none.
	Other string `json:"other_revision"`
}

// Part is a program that the core starts: for messages, for commands, for sessions.
type Part struct {
	Path    string        `json:"path"`
	Program Seen[Program] `json:"program"`
}

// SnapNotCurrent is Broken of a snap that is there and switched off.
const SnapNotCurrent = "the snap has revisions but none is current"

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
	Result       string    `json:"result"`  // success, exit-code, signal, oom-kill
	ExitStatus   int       `json:"exit_status"`
	Restarts     int       `json:"restarts"`
	MainPID      int       `json:"main_pid"`
	User         string    `json:"user"` // empty: root
	Exec         string    `json:"exec"` // executable started
	File         string    `json:"file"`
	DanglingLink bool      `json:"dangling_link"` // the wants link points nowhere
	NoRestart    []int     `json:"restart_prevent_exit_status"`
	ActiveSince  time.Time `json:"active_since,omitzero"`
	StoppedSince time.Time `json:"stopped_since,omitzero"`
	StartedAt    time.Time `json:"started_at,omitzero"`
	ExitedAt     time.Time `json:"exited_at,omitzero"`

	// Ended is how the main process ended last: exited, killed, dumped (with a core
	// file), scm (the service manager of Windows gives the reason); empty: not known, or
	// it has not. ExitStatus is then a code or a signal.
	Ended string `json:"ended"`
	// Restart says after which ends the manager starts it again: no, on-failure, always.
	Restart string `json:"restart"`
	// LoadError is why the manager cannot use the unit's file.
	LoadError string `json:"load_error"`
	// StartedBy are units that start this one when they start.
	StartedBy []string `json:"started_by"`
	// Unmet: a condition or an assertion of the unit did not hold when it was to start.
	Unmet bool `json:"condition_unmet"`
	// MemoryMax is the limit of the unit in bytes; 0: none.
	MemoryMax uint64 `json:"memory_max"`
	// OOMPolicy is what the manager does with the whole unit after the kernel killed
	// one of its processes for lack of memory: continue, stop, kill.
	OOMPolicy string `json:"oom_policy"`
	// OOMKills counts those kills in the unit's control group, which goes with its
	// last process.
	OOMKills Seen[int] `json:"oom_kills"`
	// Program is the file of Exec; absent: there is none.
	Program Seen[Program] `json:"program"`
	// Deleting: the service is marked for deletion, which ends with its last user.
	Deleting bool `json:"marked_for_deletion,omitempty"`
	// Delayed: the manager starts it some time after the other services.
	Delayed bool `json:"delayed_start,omitempty"`
	// Overrides are settings of drop-ins that can keep a service from running.
	Overrides []Override `json:"overrides"`
}

// Program is an executable file.
type Program struct {
	Size int64 `json:"size"`
	// Runnable: it is a file with a bit that lets it be executed.
	Runnable bool `json:"runnable"`
	// Format is elf, script, pe (of Windows), macho (of a Mac), empty or other.
	Format string `json:"format"`
	// Arch is Go's name of the processor that an ELF or PE file is for; empty: not told.
	Arch string `json:"arch"`
	// Loader is the program that must be there to run this one, and is not.
	Loader string `json:"missing_loader"`
}

// Override is a setting of a drop-in of a unit.
type Override struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	File  string `json:"file"`
	// Single: the setting is one line of its file, the only one with its key.
	Single bool `json:"single_line,omitempty"`
}

// Kinds of notes in the log of the system.
const (
	NoteOOM        = "oom-kill"      // the kernel killed a process for lack of memory
	NoteOOMGroup   = "oom-group"     // the same, within the limit of a control group
	NoteOOMUnit    = "oom-unit"      // systemd: a process of the unit was killed for lack of memory
	NoteNoMemory   = "no-memory"     // a program of the agent could not get memory
	NoteExec       = "exec-failed"   // systemd could not execute the program
	NoteStep       = "step-failed"   // systemd could not prepare the process
	NoteLibrary    = "library"       // the program lacks a shared library
	NoteCrash      = "crash"         // a fault of the processor ended a program
	NoteStartLimit = "start-limit"   // systemd gave up
	NoteDependency = "dependency"    // another unit failed that this one needs
	NoteTimeout    = "timeout"       // systemd waited too long
	NoteRefused    = "refused"       // AppArmor, fapolicyd, or a policy or scanner of Windows refused an execution
	NotePull       = "image-missing" // Bottlerocket could not fetch the control container

	// Of the service manager of Windows.
	NoteNotStarted = "not-started"        // it could not start the service
	NoteEnded      = "ended"              // the service ended with an error
	NoteStopped    = "stopped"            // it is stopped
	NoteStarted    = "started"            // it runs
	NoteChanged    = "start-type-changed" // somebody changed when it is to start
	NoteInstalled  = "installed"          // it was made
)

// Who refused an execution.
const (
	ByAppLocker = "AppLocker"
	ByIntegrity = "Code Integrity"
	ByDefender  = "Defender"
)

// SystemNote is an entry of the kernel or the service manager about how a process of
// the agent ended, or why it did not start.
type SystemNote struct {
	Kind    string    `json:"kind"`
	Process string    `json:"process"` // as the kernel names it, at most 15 letters; empty: the unit
	At      time.Time `json:"at,omitzero"`
	Text    string    `json:"text"` // at most 300 bytes
	From    string    `json:"from"`
	By      string    `json:"by,omitempty"` // who refused, where it is not to be read from the text
}

// SealedMount is a mount of a process that is read-only, or from which nothing is executed.
type SealedMount struct {
	Dir   string `json:"dir"`   // of the agent
	Mount string `json:"mount"` // where it is mounted: above the directory, at it or below
	// NoExec: it may be written, and nothing is executed from it.
	NoExec bool `json:"noexec,omitempty"`
}

// Processes are the agent's processes.
type Processes struct {
	Core   []Process `json:"core"`   // amazon-ssm-agent
	Worker []Process `json:"worker"` // ssm-agent-worker
	// Others bear the names of the agent's programs, and are not this host's agent.
	Others []OtherProcess `json:"others"`
}

// Reasons why a process is not the agent of this host.
const (
	OtherNamespace = "namespace" // it is in a container
	OtherUser      = "user"      // it is not root's
	OtherProgram   = "program"   // its program is no installed agent
)

// OtherProcess is a process that is not this host's agent.
type OtherProcess struct {
	PID    int    `json:"pid"`
	Exe    string `json:"exe"`
	Reason string `json:"reason"`
	// Where is what runs the container: docker, podman, kubernetes, containerd, ecs, lxc;
	// empty: not told.
	Where string `json:"where"`
}

// Process is one process.
type Process struct {
	PID     int    `json:"pid"`
	Exe     string `json:"exe"`
	Deleted bool   `json:"deleted"` // the executable was replaced or removed since
	// Gone: there is no file at the place of the executable: nothing replaced it, and what
	// runs cannot be started again.
	Gone    bool      `json:"gone,omitempty"`
	Owner   Seen[int] `json:"owner"` // user id; absent where the system has none
	Started time.Time `json:"started,omitzero"`
	// Held is what keeps it from running on: a signal (SIGSTOP and its kin), a debugger, or
	// the freezer of its control group; empty: nothing that was seen.
	Held string `json:"held,omitempty"`
}

// What holds a process.
const (
	HeldBySignal   = "signal"
	HeldByDebugger = "debugger"
	HeldByFreezer  = "freezer"
)

// Config is amazon-ssm-agent.json as the agent reads it: keys without regard to
// case, numbers out of range replaced. Only what matters to a diagnosis.
type Config struct {
	// ParseError is set when the agent would refuse the file; the other fields are then empty.
	ParseError string `json:"parse_error"`
	// Folder: a folder stands in the place of the file.
	Folder bool `json:"folder,omitempty"`

	Region           string   `json:"agent_region"`
	ServiceDomain    string   `json:"service_domain"`
	ContainerMode    bool     `json:"container_mode"`
	SSMEndpoint      string   `json:"ssm_endpoint"`
	MgsEndpoint      string   `json:"mgs_endpoint"`
	MgsRegion        string   `json:"mgs_region"`
	MdsEndpoint      string   `json:"mds_endpoint"`
	S3Endpoint       string   `json:"s3_endpoint"`
	KmsEndpoint      string   `json:"kms_endpoint"`
	ShareProfile     string   `json:"share_profile"`
	HealthMinutes    int      `json:"health_minutes"`
	ConsumptionOrder []string `json:"consumption_order"`
	CustomIdentity   bool     `json:"custom_identity"`
	DualStack        bool     `json:"dual_stack"` // Agent.UseDualStackEndpoint, from 3.3.3270
	TelemetryToCW    bool     `json:"telemetry_to_cloudwatch"`
	UnknownKeys      []string `json:"unknown_keys"` // ignored by the agent; likely typing errors
	Keys             []string `json:"keys"`         // those that are set and that some release of the agent knows
	SelfUpdate       bool     `json:"self_update"`  // Agent.SelfUpdate
	// OwnershipOff: Agent.EnforceWorkspaceRootOwnership is false.
	OwnershipOff bool `json:"workspace_ownership_off"`
	// CredentialRetrySeconds is Ssm.CredentialRetryMaxSleepSeconds, and HibernationMinutes
	// Ssm.HibernationMaxBackoffIntervalMinutes; 0: not set, or out of range.
	CredentialRetrySeconds int `json:"credential_retry_seconds"`
	HibernationMinutes     int `json:"hibernation_minutes"`
}

// Proxy is a proxy environment with user name and password removed.
type Proxy struct {
	HTTPS   string `json:"https_proxy"`
	HTTP    string `json:"http_proxy"`
	No      string `json:"no_proxy"`
	HasAuth bool   `json:"has_auth"` // a value carried credentials
	From    string `json:"from"`     // process environment, drop-in path, profile script
	// By is what of Windows sets it, NoFrom where the exceptions are from if they are
	// from elsewhere; empty on other systems.
	By     Setter `json:"set_by,omitempty"`
	NoFrom string `json:"no_proxy_from,omitempty"`
	// TakesMetadata: requests to the metadata service go to it.
	TakesMetadata bool `json:"takes_metadata,omitempty"`
}

// ProxyFile is a file of systemd that sets a proxy of the agent's service.
type ProxyFile struct {
	Path string `json:"path"`
	// Kind: drop-in of the service, environment file that it reads, unit, or manager for
	// one that is for all services.
	Kind string `json:"kind"`
	// Alone: it sets proxies and nothing else. Lines: each of its lines that does is for
	// nothing else.
	Alone bool `json:"alone"`
	Lines bool `json:"lines"`
}

// Kinds of files that set a proxy.
const (
	ProxyDropIn      = "drop-in"
	ProxyEnvironment = "environment-file"
	ProxyUnit        = "unit"
	ProxyManager     = "manager"
)

// Setter is what of Windows gives a service a variable or a proxy.
type Setter string

// Setters; of several the first wins.
// Source: amazon-ssm-agent, agent/proxyconfig/proxy_windows.go.
const (
	ByService         Setter = "service"          // Environment of the service's key
	ByMachine         Setter = "machine"          // the machine's environment
	BySystemAccount   Setter = "system-account"   // the environment of the system account
	ByInternetOptions Setter = "internet-options" // of the system account, or of the machine by policy
	ByWinHTTP         Setter = "winhttp"          // netsh winhttp
)

// Set reports whether any proxy is named.
func (p Proxy) Set() bool { return p.HTTPS != "" || p.HTTP != "" }

// MetadataEnv are variables of the AWS SDK in the agent's environment.
// Source: aws-sdk-go 1.55, aws/ec2metadata/service.go, aws/session/env_config.go.
type MetadataEnv struct {
	Disabled bool   `json:"disabled"` // AWS_EC2_METADATA_DISABLED
	Endpoint string `json:"endpoint"` // AWS_EC2_METADATA_SERVICE_ENDPOINT
	By       Setter `json:"set_by,omitempty"`
	From     string `json:"from"`
}

// Socket is a TCP connection of the agent.
type Socket struct {
	Local       string `json:"local"`
	Remote      string `json:"remote"`
	Retransmits int    `json:"retransmits"` // unanswered retransmissions now
	Unacked     int    `json:"unacked_bytes"`
	// WaitedMS is how long data was seen to wait for its answer, where retransmissions
	// are not told.
	WaitedMS int `json:"waited_ms,omitempty"`
	// Untold: the system does not tell whether what was sent was answered.
	Untold bool `json:"untold,omitempty"`
	// Unsure: it belongs to the agent's user; whether to the agent was not shown.
	Unsure bool `json:"unsure,omitempty"`
}

// Registration is the state that makes a host a certain managed node.
type Registration struct {
	Hybrid        Seen[Key]           `json:"hybrid"`        // Vault/Store/RegistrationKey
	EC2           Seen[Key]           `json:"ec2"`           // Vault/Store/EC2RegistrationKey
	Informational Seen[Informational] `json:"informational"` // <data>/registration
	Fingerprint   Seen[Fingerprint]   `json:"fingerprint"`   // Vault/Store/InstanceFingerprint
	NodeFolders   Seen[[]string]      `json:"node_folders"`  // ids with a folder in the data directory
	Paths         Seen[[]PathInfo]    `json:"paths"`         // state directories and files: owner and mode
	Damage        Seen[[]Damage]      `json:"damage"`        // what the agent would stumble over; partly where something could not be read
}

// Key is a registration without its key material.
type Key struct {
	InstanceID string    `json:"instance_id"` // blank after a failed or cleared registration
	Region     string    `json:"region"`
	HasPrivate bool      `json:"has_private_key"`
	CreatedAt  time.Time `json:"created_at,omitzero"`
}

// Complete reports whether the agent would take this registration.
func (k Key) Complete() bool { return k.InstanceID != "" && k.Region != "" && k.HasPrivate }

// Informational is the registration file that the agent writes and never reads.
type Informational struct {
	InstanceID string `json:"instance_id"`
	Region     string `json:"region"`
}

// Fingerprint is the stored hardware fingerprint, without the hashes.
type Fingerprint struct {
	Threshold        int        `json:"similarity_threshold"` // 1-100, -1: check off, 0: rewritten after damage
	MachineIDMatches Seen[bool] `json:"machine_id_matches"`   // stored machine-id is this host's
}

// PathInfo is a file or directory of the agent.
type PathInfo struct {
	Path   string    `json:"path"`
	Exists bool      `json:"exists"`
	Mode   string    `json:"mode"`  // ls form, such as drw-------
	Owner  Seen[int] `json:"owner"` // user id; absent where the system has none
	Error  string    `json:"error"` // why it could not be looked at
	// Folder: the agent needs a folder there.
	Folder bool `json:"folder,omitempty"`
	// Flag is Immutable or AppendOnly where the file system keeps everybody from changing it.
	Flag string `json:"flag,omitempty"`
	// Access is whose it is on Windows, and whether the agent's account may use it.
	Access Seen[Access] `json:"access,omitzero"`
}

// Flags of files that keep everybody, root included, from changing them. A file that is
// append-only may grow, a folder take new files.
const (
	Immutable  = "immutable"
	AppendOnly = "append-only"
)

// FileFlag is a file with such a flag.
type FileFlag struct {
	Path string `json:"path"`
	Flag string `json:"flag"`
}

// Access is what the owner and the access list of a file of Windows say.
type Access struct {
	Owner string `json:"owner"` // SYSTEM, Administrators, TrustedInstaller or a SID
	// System: the account of the agent may read and write it, or give itself the right to.
	System bool `json:"system"`
	// Lacks is what it may not do as the access list stands, if it does not give itself the
	// right: reading, writing, or reading and writing.
	Lacks  string `json:"lacks,omitempty"`
	Denies string `json:"denies,omitempty"` // who is denied something that the agent's account is, or is a member of
}

// Damage is something in the registration state that the agent cannot use.
type Damage struct {
	Path string `json:"path"`
	// Kind: not-json, missing-file, bad-key, truncated, not-a-file, link-loop.
	Kind string `json:"kind"`
	What string `json:"what"`
}
