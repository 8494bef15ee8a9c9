package facts

import "time"

// Log is what the agent's log files say, newest evidence last.
type Log struct {
	Files []LogFile `json:"files"`
	// Matches has one entry per signature that occurred in the part of the log
	// that was read, ordered by Last.
	Matches []Match `json:"matches"`

	LastLine    Seen[time.Time] `json:"last_line"`
	LastStart   Seen[time.Time] `json:"last_start"`   // of the core agent
	LastSuccess Seen[Event]     `json:"last_success"` // something only an accepted call leaves
	LastFailure Seen[Event]     `json:"last_failure"` // of credentials, heartbeat or identity
	Backoff     Seen[Backoff]   `json:"backoff"`      // absent: not sleeping
	// Endpoints named in network errors, such as ssm.eu-west-1.amazonaws.com on 10.0.0.2:53.
	Refusals []Refusal `json:"refusals"`
}

// LogFile is one file that was read.
type LogFile struct {
	Path    string `json:"path"`
	Bytes   int64  `json:"bytes"`
	Read    int64  `json:"read_bytes"` // from the end
	Lines   int    `json:"lines"`      // entries understood
	Foreign int    `json:"foreign"`    // lines of another format
	Error   string `json:"error"`
}

// Match is a signature and where it occurred.
type Match struct {
	ID    string    `json:"id"` // of Signatures
	Count int       `json:"count"`
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Before is the time of the entry before the last one.
	Before time.Time `json:"before,omitzero"`
	// Text is the latest entry, joined to one line, at most 600 bytes,
	// with account-independent secrets removed.
	Text string `json:"text"`
	File string `json:"file"`
}

// Event is one entry of the log.
type Event struct {
	ID   string    `json:"id"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Backoff is a sleep the agent announced.
type Backoff struct {
	Since   time.Time `json:"since"`
	Seconds float64   `json:"seconds"`
	Until   time.Time `json:"until"`
	Kind    string    `json:"kind"` // credentials, hibernation
}

// Refusal is an AWS error that the log quotes.
type Refusal struct {
	At      time.Time `json:"at"`
	Code    string    `json:"code"`    // AccessDeniedException
	Action  string    `json:"action"`  // empty when the text names none
	Message string    `json:"message"` // at most 1000 bytes
	Match   string    `json:"match"`   // signature of the entry
}

// Last returns the match of a signature; the zero Match when it did not occur.
func (l *Log) Last(id string) (Match, bool) {
	for _, m := range l.Matches {
		if m.ID == id {
			return m, true
		}
	}
	return Match{}, false
}

// Kinds of signatures.
const (
	KindStart   = "start"   // the core agent started
	KindSuccess = "success" // only an accepted call leaves it
	KindFailure = "failure" // credentials, identity, heartbeat or channel failed
	KindBackoff = "backoff" // announces a sleep
	KindFeature = "feature" // one feature failed, or the host under it
	KindInfo    = "info"
	KindNoise   = "noise" // benign
)

// Signature is a fragment of a log line with a known meaning. All fragments
// must occur in one entry, in any case. The first row that matches wins.
// Source: ssm-agent.md 7.4.
type Signature struct {
	ID        string
	Fragments []string
	Kind      string
}

// Identifiers of the signatures that checks ask for.
const (
	SigStart             = "start"
	SigConfigUnusable    = "config-unusable"
	SigBusStart          = "message-bus-failed"
	SigStartFailed       = "start-failed"
	SigNoIdentity        = "no-identity"
	SigIdentityFrom      = "identity-from"
	SigIMDSFailed        = "imds-failed"
	SigRegionFailed      = "region-failed"
	SigVaultManifest     = "vault-manifest-damaged"
	SigVaultMissing      = "vault-file-missing"
	SigVaultPermission   = "vault-permission"
	SigEC2Registered     = "ec2-registered"
	SigRegistrarFailed   = "registrar-failed"
	SigAlreadyRegistered = "already-registered"
	SigProfileOK         = "profile-ok"
	SigProfileFailed     = "profile-failed"
	SigDHMCSkipped       = "dhmc-skipped"
	SigDHMCOff           = "dhmc-off"
	SigDHMCFailed        = "dhmc-failed"
	SigNotYetRegistered  = "not-yet-registered"
	SigDHMCOK            = "dhmc-ok"
	SigCredsFailed       = "credentials-failed"
	SigSleeping          = "sleeping"
	SigRotation          = "rotation"
	SigCredsReady        = "credentials-ready"
	SigCredsWrite        = "credentials-not-written"
	SigCredsExpired      = "credentials-expired"
	SigRuntimeDamaged    = "runtime-config-damaged"
	SigFingerprint       = "fingerprint-refused"
	SigHardwareID        = "hardware-id-changed"
	SigHardwareDrift     = "hardware-drift"
	SigFingerprintBad    = "fingerprint-damaged"
	SigInvalidInstance   = "invalid-instance-id"
	SigRegisterFailed    = "register-failed"
	SigRegionInvalid     = "region-invalid"
	SigChannelToken      = "channel-token-failed"
	SigWebSocketFailed   = "websocket-failed"
	SigChannelFailed     = "channel-failed"
	SigChannelUp         = "channel-up"
	SigChannelMGS        = "channel-ssmmessages"
	SigChannelMDS        = "channel-ec2messages"
	SigMDSFailed         = "ec2messages-failed"
	SigMDSStopped        = "ec2messages-stopped"
	SigHealthFailed      = "health-failed"
	SigHealthOK          = "health-ok"
	SigHibernate         = "hibernate"
	SigAssociations      = "associations-failed"
	SigInotify           = "inotify-failed"
	SigDocWorker         = "document-worker-failed"
	SigSessionLogs       = "session-logs-failed"
	SigDownload          = "download-failed"
	SigKMS               = "kms-failed"
	SigProxyShown        = "proxy-shown"
	SigWorkerRestart     = "worker-restarted"
	SigOrphan            = "orphan-worker"
	SigPanic             = "core-crashed"
	SigSysprep           = "sysprep-wait"
	SigACL               = "acl-failed"
	SigNoSpace           = "no-space"
	SigReadOnly          = "read-only"
	SigExecDenied        = "exec-denied"
	SigNotPermitted      = "not-permitted"
	SigStream            = "plugin-not-found"
	SigClock             = "signature-time"
)

// Signatures is the table of known fragments, most telling first.
var Signatures = []Signature{
	{"noise", []string{"Error occurred fetching the seelog config file path"}, KindNoise},
	{"noise", []string{"to watcher"}, KindNoise},
	{"noise", []string{"RegistrationKey does not exist"}, KindNoise},

	{SigClock, []string{"Signature expired:"}, KindFailure},
	{SigClock, []string{"Signature not yet current"}, KindFailure},
	{SigClock, []string{"RequestTimeTooSkewed"}, KindFailure},
	{SigConfigUnusable, []string{"app config could not be loaded"}, KindFailure},
	{SigBusStart, []string{"failed to start message bus"}, KindFailure},
	{SigBusStart, []string{"failed to create IPC folder"}, KindFailure},
	{SigRegisterFailed, []string{"Registration failed due to"}, KindFailure},
	{SigRegionInvalid, []string{"has invalid characters"}, KindFailure},
	{SigRegionInvalid, []string{"due to unspecified region"}, KindFailure},
	{SigRegionFailed, []string{"Failed to fetch region"}, KindFailure},
	{SigIMDSFailed, []string{"Failed to get instance info from IMDS"}, KindFailure},
	{SigNoIdentity, []string{"Agent failed to assume any identity"}, KindFailure},
	{SigNoIdentity, []string{"failed to find identity, retrying"}, KindFailure},
	{SigNoIdentity, []string{"failed to get identity"}, KindFailure},
	{SigStartFailed, []string{"error occurred when starting amazon-ssm-agent"}, KindFailure},

	{SigVaultPermission, []string{"failed to set permission for vault folder"}, KindFailure},
	{SigVaultManifest, []string{"failed to unmarshal vault manifest"}, KindFailure},
	{SigVaultMissing, []string{"data file of", "is missing"}, KindFailure},
	{SigVaultManifest, []string{"Failed to unmarshal instance info"}, KindFailure},
	{SigAlreadyRegistered, []string{"Instance appears to already be registered"}, KindFailure},
	{SigAlreadyRegistered, []string{"InstanceAlreadyRegistered"}, KindFailure},
	{SigEC2Registered, []string{"EC2 registration was successful"}, KindInfo},
	{SigEC2Registered, []string{"Registration info found for ec2 instance"}, KindInfo},

	{SigHardwareID, []string{"The hardware ID ("}, KindFailure},
	{SigHardwareDrift, []string{"changed more than the allowed threshold"}, KindFailure},
	{SigFingerprintBad, []string{"saved machine configuration could not be loaded"}, KindFailure},
	{SigFingerprint, []string{"MachineFingerprintDoesNotMatch"}, KindFailure},
	{SigInvalidInstance, []string{"InvalidInstanceId"}, KindFailure},

	{SigProfileOK, []string{"Successfully connected with instance profile role credentials"}, KindSuccess},
	{SigDHMCOK, []string{"Successfully connected with Systems Manager role credentials"}, KindSuccess},
	{SigDHMCSkipped, []string{"Skipping default host management fallback"}, KindFailure},
	{SigNotYetRegistered, []string{"ec2 instance not yet registered with Systems Manager"}, KindFailure},
	{SigDHMCOff, []string{"instance management role is not configured"}, KindFailure},
	{SigProfileFailed, []string{"Failed to connect to Systems Manager with instance profile role credentials"}, KindFailure},
	{SigDHMCFailed, []string{"Failed to connect to Systems Manager with SSM role credentials"}, KindFailure},
	{SigCredsWrite, []string{"Failed to write credentials to disk"}, KindFailure},
	{SigCredsWrite, []string{"Failed to save new expiration"}, KindFailure},
	{SigCredsExpired, []string{"shared credentials are already expired"}, KindFailure},
	{SigCredsExpired, []string{"unable to load shared credentials"}, KindFailure},
	{SigRuntimeDamaged, []string{"failed to read runtime config"}, KindFailure},
	{SigCredsFailed, []string{"Retrieve credentials produced error"}, KindFailure},
	{SigSleeping, []string{"Sleeping for", "before retrying retrieve credentials"}, KindBackoff},
	{SigRotation, []string{"Next credential rotation will be in"}, KindSuccess},
	{SigCredsReady, []string{"Credentials ready"}, KindInfo},

	{SigHibernate, []string{"Entering SSM Agent", "hibernate"}, KindFailure},
	{SigHibernate, []string{"Agent is in hibernate mode"}, KindFailure},
	{SigMDSStopped, []string{"MDSInteractor stopped temporarily"}, KindFeature},
	{SigMDSFailed, []string{"GetMessages Error"}, KindFeature},
	// Every module of the worker logs refusals with these words.
	{SigHealthFailed, []string{"HealthCheck", "error when calling AWS APIs"}, KindFailure},
	{SigAssociations, []string{"[Association]", "error when calling AWS APIs"}, KindFeature},
	{SigHealthFailed, []string{"Health ping failed"}, KindFailure},
	{SigHealthOK, []string{"HealthCheck reporting agent health"}, KindSuccess},
	{SigHealthOK, []string{"[HealthCheck]", "reporting agent health"}, KindSuccess},

	{SigWebSocketFailed, []string{"websocket: bad handshake"}, KindFailure},
	{SigWebSocketFailed, []string{"Failed to dial websocket"}, KindFailure},
	{SigWebSocketFailed, []string{"failed to connect controlchannel"}, KindFailure},
	{SigChannelToken, []string{"CreateControlChannel failed"}, KindFailure},
	{SigChannelToken, []string{"Failed to get controlchannel token"}, KindFailure},
	{SigChannelFailed, []string{"Error setting up control channel"}, KindFailure},
	{SigChannelMGS, []string{"SSM Connection channel status is set to ssmmessages"}, KindSuccess},
	{SigChannelMDS, []string{"SSM Connection channel status is set to ec2messages"}, KindInfo},
	{SigChannelUp, []string{"Set up control channel successfully"}, KindSuccess},
	{SigChannelUp, []string{"Successfully opened websocket connection"}, KindSuccess},

	{SigInotify, []string{"add watch", "no space left on device"}, KindFeature},
	{SigInotify, []string{"too many open files", "inotify"}, KindFeature},
	{SigInotify, []string{"inotify", "no space left on device"}, KindFeature},
	{SigAssociations, []string{"Unable to load instance associations"}, KindFeature},
	{SigSessionLogs, []string{"Error Calling DescribeLogGroups"}, KindFeature},
	{SigKMS, []string{"kms:Decrypt"}, KindFeature},
	{SigKMS, []string{"kms", "AccessDeniedException"}, KindFeature},
	{SigDownload, []string{"failed to download"}, KindFeature},
	{SigDocWorker, []string{"document process failed unexpectedly"}, KindFeature},
	{SigStream, []string{"is not found", "Plugin with name"}, KindFeature},

	{SigExecDenied, []string{"exec", "permission denied"}, KindFeature},
	{SigReadOnly, []string{"read-only file system"}, KindFeature},
	{SigNoSpace, []string{"no space left on device"}, KindFeature},
	{SigNotPermitted, []string{"operation not permitted"}, KindFeature},

	{SigPanic, []string{"Core Agent crashed with message"}, KindFailure},
	{SigWorkerRestart, []string{"Worker ssm-agent-worker is not running, starting"}, KindInfo},
	{SigOrphan, []string{"Found orphan ssm-agent-worker"}, KindInfo},
	{SigSysprep, []string{"Waiting for system state"}, KindFailure},
	{SigSysprep, []string{"sysprep hasn't completed"}, KindFailure},
	{SigACL, []string{"error initializing SSM data folder with hardened ACL"}, KindFailure},
	{SigRegistrarFailed, []string{"failed to register identity"}, KindFeature},
	{SigIdentityFrom, []string{"Agent will take identity from"}, KindInfo},
	{SigProxyShown, []string{"Proxy environment variables:"}, KindInfo},
	{SigStart, []string{"amazon-ssm-agent - v"}, KindStart},
}
