package facts

import (
	"time"

	"ssm-doctor/checks/iam"
)

// Log is what the agent's log files say, newest evidence last.
type Log struct {
	// Files are the files that were looked at, as an account of the reading.
	Files []LogFile `json:"files"`
	// Matches has one entry per signature that occurred in the part of the log
	// that was read, ordered by Last. Absent: the agent has no log. Partly: a file
	// of it could not be read, so that a signature that is missing may be there.
	Matches Seen[[]Match] `json:"matches"`
	// Refusals are the AWS errors that the log quotes, oldest first: the latest of
	// each code, action and signature. An entry that says only "unauthorized
	// request" is one as well, denied and without an action. State as that of Matches.
	Refusals Seen[[]Refusal] `json:"refusals"`
	Backoff  Seen[Backoff]   `json:"backoff"` // absent: not sleeping
}

// LogFile is one file that was read.
type LogFile struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Read  int64  `json:"read_bytes"` // from the end
	Error string `json:"error"`
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

// Backoff is a sleep the agent announced.
type Backoff struct {
	Since   time.Time `json:"since"`
	Seconds float64   `json:"seconds"`
	Until   time.Time `json:"until"`
}

// Refusal is an AWS error that the log quotes.
type Refusal struct {
	// What the entry says, parsed once where it is read. The action is that of the
	// text, else the one that the agent names before it; its Text has at most 1000 bytes.
	iam.Refusal
	At    time.Time `json:"at"`
	Match string    `json:"match"` // signature of the entry
	File  string    `json:"file"`
}

// Kinds of signatures.
const (
	KindStart   = "start"        // the core agent started
	KindSuccess = "success"      // only an accepted call leaves it
	KindNode    = "node-failure" // the node itself was not accepted, or the agent could not start
	KindFailure = "failure"      // one part or one of several ways failed, of which another may do
	KindBackoff = "backoff"      // announces a sleep, after a failure of the node
	KindFeature = "feature"      // one feature failed, or the host under it
	KindInfo    = "info"
	KindNoise   = "noise" // benign
)

// Signature is a fragment of a log line with a known meaning. All fragments
// must occur in one entry, in any case. The first row that matches wins.
// Source: the messages of amazon-ssm-agent 2.3 to 3.3 as its code and recorded
// hosts have them.
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
	SigIMDSFailed        = "imds-failed"
	SigRegionFailed      = "region-failed"
	SigVaultManifest     = "vault-manifest-damaged"
	SigVaultMissing      = "vault-file-missing"
	SigVaultPermission   = "vault-permission"
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
	SigCredsWrite        = "credentials-not-written"
	SigCredsExpired      = "credentials-expired"
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
	SigWorkerRestart     = "worker-restarted"
	SigPanic             = "core-crashed"
	SigSysprep           = "sysprep-wait"
	SigNoSpace           = "no-space"
	SigReadOnly          = "read-only"
	SigExecDenied        = "exec-denied"
	SigStream            = "plugin-not-found"
	SigClock             = "signature-time"
)

// Signatures is the table of known fragments, most telling first.
var Signatures = []Signature{
	{"noise", []string{"Error occurred fetching the seelog config file path"}, KindNoise},
	{"noise", []string{"to watcher"}, KindNoise},
	{"noise", []string{"RegistrationKey does not exist"}, KindNoise},
	// The result of a command, with what it wrote: words of a user.
	// Source: amazon-ssm-agent, agent/messageservice/interactor/mdsinteractor.
	{"noise", []string{"Sending reply", "documentTraceOutput"}, KindNoise},

	{SigClock, []string{"Signature expired:"}, KindNode},
	{SigClock, []string{"Signature not yet current"}, KindNode},
	{SigClock, []string{"RequestTimeTooSkewed"}, KindNode},
	{SigConfigUnusable, []string{"app config could not be loaded"}, KindNode},
	{SigBusStart, []string{"failed to start message bus"}, KindNode},
	{SigBusStart, []string{"failed to create IPC folder"}, KindNode},
	{SigRegisterFailed, []string{"Registration failed due to"}, KindNode},
	{SigRegionInvalid, []string{"has invalid characters"}, KindNode},
	{SigRegionInvalid, []string{"due to unspecified region"}, KindNode},
	{SigRegionFailed, []string{"Failed to fetch region"}, KindNode},
	{SigIMDSFailed, []string{"Failed to get instance info from IMDS"}, KindNode},
	{SigNoIdentity, []string{"Agent failed to assume any identity"}, KindNode},
	{SigNoIdentity, []string{"failed to find identity, retrying"}, KindNode},
	{SigNoIdentity, []string{"failed to get identity"}, KindNode},
	{SigStartFailed, []string{"error occurred when starting amazon-ssm-agent"}, KindNode},

	{SigVaultPermission, []string{"failed to set permission for vault folder"}, KindNode},
	{SigVaultManifest, []string{"failed to unmarshal vault manifest"}, KindFailure},
	{SigVaultMissing, []string{"data file of", "is missing"}, KindFailure},
	{SigVaultManifest, []string{"Failed to unmarshal instance info"}, KindFailure},
	{SigAlreadyRegistered, []string{"Instance appears to already be registered"}, KindFailure},
	{SigAlreadyRegistered, []string{"InstanceAlreadyRegistered"}, KindFailure},

	{SigHardwareID, []string{"The hardware ID ("}, KindNode},
	{SigHardwareDrift, []string{"changed more than the allowed threshold"}, KindNode},
	{SigFingerprintBad, []string{"saved machine configuration could not be loaded"}, KindFailure},
	{SigFingerprint, []string{"MachineFingerprintDoesNotMatch"}, KindNode},
	{SigInvalidInstance, []string{"InvalidInstanceId"}, KindNode},

	{SigProfileOK, []string{"Successfully connected with instance profile role credentials"}, KindSuccess},
	{SigDHMCOK, []string{"Successfully connected with Systems Manager role credentials"}, KindSuccess},
	{SigDHMCSkipped, []string{"Skipping default host management fallback"}, KindNode},
	{SigNotYetRegistered, []string{"ec2 instance not yet registered with Systems Manager"}, KindNode},
	{SigDHMCOff, []string{"instance management role is not configured"}, KindNode},
	{SigProfileFailed, []string{"Failed to connect to Systems Manager with instance profile role credentials"}, KindFailure},
	{SigDHMCFailed, []string{"Failed to connect to Systems Manager with SSM role credentials"}, KindNode},
	{SigCredsWrite, []string{"Failed to write credentials to disk"}, KindFailure},
	{SigCredsWrite, []string{"Failed to save new expiration"}, KindFailure},
	{SigCredsExpired, []string{"shared credentials are already expired"}, KindFailure},
	{SigCredsExpired, []string{"unable to load shared credentials"}, KindFailure},
	{SigCredsFailed, []string{"Retrieve credentials produced error"}, KindNode},
	{SigSleeping, []string{"Sleeping for", "before retrying retrieve credentials"}, KindBackoff},
	{SigRotation, []string{"Next credential rotation will be in"}, KindSuccess},

	{SigHibernate, []string{"Entering SSM Agent", "hibernate"}, KindNode},
	{SigHibernate, []string{"Agent is in hibernate mode"}, KindNode},
	{SigMDSStopped, []string{"MDSInteractor stopped temporarily"}, KindFeature},
	{SigMDSFailed, []string{"GetMessages Error"}, KindFeature},
	// Every module of the worker logs refusals with these words.
	{SigHealthFailed, []string{"HealthCheck", "error when calling AWS APIs"}, KindNode},
	{SigAssociations, []string{"[Association]", "error when calling AWS APIs"}, KindFeature},
	{SigHealthFailed, []string{"Health ping failed"}, KindNode},
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

	{SigPanic, []string{"Core Agent crashed with message"}, KindFailure},
	{SigWorkerRestart, []string{"Worker ssm-agent-worker is not running, starting"}, KindInfo},
	{SigSysprep, []string{"Waiting for system state"}, KindFailure},
	{SigSysprep, []string{"sysprep hasn't completed"}, KindFailure},
	{SigStart, []string{"amazon-ssm-agent - v"}, KindStart},
}
