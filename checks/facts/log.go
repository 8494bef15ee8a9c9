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
	// Unexplained are the kinds of warnings and errors of the last day that neither
	// Signatures nor Lines knows, at most 20: those of the agent's own work before those
	// of the commands and sessions that it runs, latest first. State as that of Matches.
	Unexplained Seen[[]Unexplained] `json:"unexplained"`
	// UnexplainedMore is how many kinds are not listed, at least.
	UnexplainedMore int `json:"unexplained_more"`
}

// Unexplained is a kind of entry that no rule knows.
type Unexplained struct {
	// Shape is the text without what differs from host to host, at most 160 bytes. Only
	// words that messages of the agent, Go, the system and AWS are made of remain; a *
	// stands for what was taken out.
	Shape string    `json:"shape"`
	Level string    `json:"level"` // warn, error, critical
	Count int       `json:"count"` // within the last day
	Last  time.Time `json:"last,omitzero"`
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
	KindNoise   = "noise"   // benign
	KindFollows = "follows" // a consequence of a failure that another entry or a probe shows
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

// Gap stands in a line of a log for what was not recognised.
const Gap = "[…]"

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
	SigNotRegistered     = "ec2-register-failed"
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
	SigHardwareUnread    = "hardware-unread"
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
	SigChannelLost       = "channel-lost"
	SigMDSPolls          = "ec2messages-polled"
	SigMDSPaused         = "ec2messages-paused"
	SigMDSFailed         = "ec2messages-failed"
	SigMDSStopped        = "ec2messages-stopped"
	SigBufferFull        = "command-buffer-full"
	SigUpdateBusy        = "update-locked"
	SigHealthFailed      = "health-failed"
	SigHealthOK          = "health-ok"
	SigHibernate         = "hibernate"
	SigAssociations      = "associations-failed"
	SigInotify           = "inotify-failed"
	SigDownload          = "download-failed"
	SigKMS               = "kms-failed"
	SigWorkerRestart     = "worker-restarted"
	SigWorkerStart       = "worker-start-failed"
	SigPanic             = "core-crashed"
	SigSysprep           = "sysprep-wait"
	SigSystemWait        = "system-wait"
	SigNoSpace           = "no-space"
	SigReadOnly          = "read-only"
	SigExecDenied        = "exec-denied"
	SigStream            = "plugin-not-found"
	SigClock             = "signature-time"
)

// Identifiers of what the workers of sessions and documents log.
const (
	SigFiles       = "too-many-open-files"
	SigFilesSystem = "too-many-open-files-in-system"

	SigSessionOpened   = "session-opened"      // its shell runs
	SigPortOpened      = "port-session-opened" // its data channel is open
	SigRunAsMissing    = "session-runas-user-missing"
	SigRunAsUnset      = "session-runas-user-unset"
	SigRunAsNotRoot    = "session-runas-not-root"
	SigRunAsRoot       = "session-runas-user-is-root"
	SigUserNotMade     = "session-user-not-created"
	SigUserUnreadable  = "session-user-not-looked-up"
	SigSudoers         = "session-sudoers-failed"
	SigOnDomainControl = "session-on-domain-controller"
	SigSessionStart    = "session-not-started"
	SigSessionProfile  = "session-shell-profile-failed"
	SigSessionFile     = "session-folder-failed"
	SigSessionKey      = "session-key-failed"
	SigSessionClient   = "session-client-silent"
	SigSessionWorker   = "session-worker-not-started"
	SigDataChannel     = "data-channel-failed"
	SigLogsUnencrypted = "session-logs-not-encrypted"
	SigLogsUnchecked   = "session-logs-encryption-unread"
	SigLogGroup        = "session-log-group-missing"
	SigSessionLogs     = "session-logs-failed"
	SigSessionUpload   = "session-upload-failed"
	SigSessionUploaded = "session-uploaded"
	SigSessionStreamed = "session-streamed"
	SigTranscript      = "session-transcript-failed"

	SigDocRan        = "document-ran"     // a worker of its own runs a step of it
	SigScriptRan     = "script-started"   // likewise, one that runs a script
	SigOutputSent    = "command-uploaded" // its output, to S3
	SigOutputLogged  = "command-streamed" // its output, to CloudWatch Logs
	SigDocWorker     = "document-worker-failed"
	SigDocStart      = "document-worker-not-started"
	SigDocSchema     = "document-schema-unsupported"
	SigDocPlatform   = "document-for-another-platform"
	SigPluginMissing = "document-plugin-missing"
	SigInterpreter   = "script-not-started"
	SigCommandFolder = "command-folder-failed"
	SigCommandUpload = "command-upload-failed"
	SigCommandLogs   = "command-logs-failed"
)

// Signatures is the table of known fragments, most telling first.
var Signatures = []Signature{
	{"noise", []string{"Error occurred fetching the seelog config file path"}, KindNoise},
	{"noise", []string{"Error adding the directory", "to watcher", "no such file or directory"}, KindNoise},
	{"noise", []string{"RegistrationKey does not exist"}, KindNoise},
	// The result of a command, with what it wrote: words of a user.
	// Source: amazon-ssm-agent, agent/messageservice/interactor/mdsinteractor.
	{"noise", []string{"Sending reply", "documentTraceOutput"}, KindNoise},

	// What ends a session is no fault.
	{"noise", []string{"Session is already terminated"}, KindNoise},
	{"noise", []string{"ssm-session-worker", "Reach the retry limit"}, KindNoise},

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
	// A running agent writes it too, and goes on with what it knows already.
	{SigIMDSFailed, []string{"Failed to get instance info from IMDS"}, KindFailure},
	{SigIMDSFailed, []string{"[EC2Identity]", "failed to get identity instance id"}, KindFailure},
	{SigIMDSFailed, []string{"Could not fetch instance Id"}, KindFailure},
	{SigNoIdentity, []string{"Agent failed to assume any identity"}, KindNode},
	{SigNoIdentity, []string{"failed to find identity, retrying"}, KindNode},
	{SigNoIdentity, []string{"failed to get identity"}, KindNode},
	{SigStartFailed, []string{"error occurred when starting amazon-ssm-agent"}, KindNode},
	{SigStartFailed, []string{"error occurred when starting ssm-agent-worker"}, KindNode},
	{SigStartFailed, []string{"error occurred when starting core manager"}, KindNode},
	{SigStartFailed, []string{"Failed to start agent."}, KindNode},

	{SigVaultPermission, []string{"failed to set permission for vault folder"}, KindNode},
	{SigVaultPermission, []string{"while creating folders for", "permission denied"}, KindNode},
	{SigVaultPermission, []string{"while creating folders for", "Access is denied"}, KindNode}, // Windows
	{SigVaultPermission, []string{"initializing SSM data folder with hardened ACL"}, KindNode},
	{SigVaultManifest, []string{"failed to unmarshal vault manifest"}, KindFailure},
	{SigVaultMissing, []string{"data file of", "is missing"}, KindFailure},
	{SigVaultManifest, []string{"Failed to unmarshal instance info"}, KindFailure},
	{SigAlreadyRegistered, []string{"Instance appears to already be registered"}, KindFailure},
	{SigAlreadyRegistered, []string{"InstanceAlreadyRegistered"}, KindFailure},
	{SigNotRegistered, []string{"failed to register identity"}, KindNode},

	{SigHardwareID, []string{"The hardware ID ("}, KindNode},
	{SigHardwareDrift, []string{"changed more than the allowed threshold"}, KindNode},
	{SigHardwareUnread, []string{"fetching hardware hashes"}, KindNode},
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
	{SigCredsWrite, []string{"Failed to save runtime config"}, KindFailure},
	{SigCredsExpired, []string{"shared credentials are already expired"}, KindFailure},
	{SigCredsExpired, []string{"unable to load shared credentials"}, KindFailure},
	{SigCredsFailed, []string{"Retrieve credentials produced"}, KindNode},
	{SigSleeping, []string{"Sleeping for", "before retrying retrieve credentials"}, KindBackoff},
	{SigRotation, []string{"Next credential rotation will be in"}, KindSuccess},

	{SigHibernate, []string{"Entering SSM Agent", "hibernate"}, KindNode},
	{SigHibernate, []string{"Agent is in hibernate mode"}, KindNode},
	{SigMDSStopped, []string{"MDSInteractor stopped temporarily"}, KindFeature},
	{SigBufferFull, []string{"ProcessorBufferFull"}, KindFeature},
	{SigUpdateBusy, []string{"update lockfile", "another update is in progress"}, KindFeature},
	{SigMDSStopped, []string{"MessagingDeliveryService stopped temporarily"}, KindFeature},
	{SigMDSFailed, []string{"GetMessages Error"}, KindFeature},
	// Every module of the worker logs refusals with these words.
	{SigHealthFailed, []string{"HealthCheck", "error when calling AWS APIs"}, KindNode},
	{SigAssociations, []string{"[Association]", "error when calling AWS APIs"}, KindFeature},
	{SigAssociations, []string{"assocProcessor stopped temporarily"}, KindFeature},
	{SigAssociations, []string{"unable to update association status"}, KindFeature},
	{SigHealthFailed, []string{"Health ping failed"}, KindNode},
	{SigHealthOK, []string{"HealthCheck reporting agent health"}, KindSuccess},
	{SigHealthOK, []string{"[HealthCheck]", "reporting agent health"}, KindSuccess},
	{SigCredsFailed, []string{"error occurred in RequestManagedInstanceRoleToken"}, KindNode},

	{SigWebSocketFailed, []string{"websocket: bad handshake"}, KindFailure},
	{SigWebSocketFailed, []string{"Failed to dial websocket"}, KindFailure},
	{SigWebSocketFailed, []string{"failed to connect controlchannel"}, KindFailure},
	{SigChannelToken, []string{"CreateControlChannel failed"}, KindFailure},
	{SigChannelToken, []string{"Failed to get controlchannel token"}, KindFailure},
	{SigChannelFailed, []string{"Error setting up control channel"}, KindFailure},
	{SigChannelFailed, []string{"Failed to setup control channel"}, KindFailure},
	{SigChannelFailed, []string{"failed to initialize websocket channel for controlchannel"}, KindFailure},
	// Both are written after every attempt, with the status as it stands: the first proves
	// no channel, and a change to the second that CreateControlChannel was refused.
	{SigChannelMGS, []string{"SSM Connection channel status is set to ssmmessages"}, KindInfo},
	{SigChannelMDS, []string{"SSM Connection channel status is set to ec2messages"}, KindInfo},
	{SigChannelLost, []string{"MGSInteractor", "retry limit", "for receive messages"}, KindInfo},
	{SigChannelLost, []string{"MGSInteractor", "Error while sending websocket ping"}, KindInfo},
	{SigChannelLost, []string{"MessageGatewayService", "retry limit", "for receive messages"}, KindInfo},
	{SigChannelLost, []string{"MessageGatewayService", "Error while sending websocket ping"}, KindInfo},
	{SigMDSPaused, []string{"MDS Polling job started with errors"}, KindInfo},
	{SigMDSPolls, []string{"MDS Polling job started"}, KindInfo},
	{SigMDSPolls, []string{"MDSInteractor initialization completed"}, KindInfo},
	{SigMDSPolls, []string{"[MessagingDeliveryService] Starting message polling"}, KindInfo},
	{SigMDSPaused, []string{"MDS Polling job stopped"}, KindInfo},
	{SigChannelUp, []string{"Set up control channel successfully"}, KindSuccess},
	{SigChannelUp, []string{"Successfully opened websocket connection"}, KindSuccess},

	{SigInotify, []string{"add watch", "no space left on device"}, KindFeature},
	{SigInotify, []string{"to watcher", "no space left on device"}, KindFeature},
	{SigInotify, []string{"initializing the", "watcher", "too many open files"}, KindFeature},
	{SigInotify, []string{"too many open files", "inotify"}, KindFeature},
	{SigInotify, []string{"too many open files", "when start watcher"}, KindFeature},
	{SigInotify, []string{"inotify", "no space left on device"}, KindFeature},
	{SigAssociations, []string{"Unable to load instance associations"}, KindFeature},

	{SigFilesSystem, []string{"too many open files in system"}, KindFeature},
	{SigFiles, []string{"too many open files"}, KindFeature},

	// Sessions: what keeps one from opening, the more telling first.
	// Source: amazon-ssm-agent, agent/session (shell, utility, datachannel, crypto).
	{SigRunAsMissing, []string{"RunAs user", "does not exist"}, KindFeature},
	{SigRunAsUnset, []string{"please set the RunAs default user"}, KindFeature},
	{SigRunAsNotRoot, []string{"agent must run as root to use RunAs"}, KindFeature},
	{SigRunAsRoot, []string{"invalid uid and gid"}, KindFeature},
	{SigUserNotMade, []string{"Failed to create ssm-user"}, KindFeature},
	{SigUserNotMade, []string{"while creating a local OS user"}, KindFeature}, // 2.3
	{SigOnDomainControl, []string{"active directory domain controller service"}, KindFeature},
	{SigUserUnreadable, []string{"Failed to retrieve uid for"}, KindFeature},
	{SigUserUnreadable, []string{"Failed to retrieve gid for"}, KindFeature},
	{SigUserUnreadable, []string{"Failed to retrieve groups for"}, KindFeature},
	{SigSudoers, []string{"to sudoers file"}, KindFeature},
	{SigSudoers, []string{"Failed to change mode of", "sudoers"}, KindFeature},
	{SigSessionProfile, []string{"while executing shell profile"}, KindFeature},
	{SigSessionStart, []string{"Failed to start pty"}, KindFeature},
	{SigSessionStart, []string{"Unable to start command"}, KindFeature},
	{SigSessionStart, []string{"Unable to start shell"}, KindFeature}, // 2.3
	{SigSessionFile, []string{"ssm-session-worker", "error while creating file"}, KindFeature},
	{SigSessionFile, []string{"Failed to open file for writing command output"}, KindFeature},
	{SigKMS, []string{"decrypting data key", "AccessDenied"}, KindFeature},
	{SigKMS, []string{"kms:Decrypt"}, KindFeature},
	{SigKMS, []string{"kms", "AccessDeniedException"}, KindFeature},
	{SigSessionKey, []string{"decrypting data key"}, KindFeature},
	{SigSessionKey, []string{"Fetching data key failed"}, KindFeature},
	{SigSessionKey, []string{"Initializing BlockCipher failed"}, KindFeature},
	{SigSessionClient, []string{"Handshake timed out"}, KindInfo},
	{SigSessionClient, []string{"Timed out waiting for encryption challenge"}, KindInfo},
	{SigDataChannel, []string{"Setting up data channel with id"}, KindFeature},
	{SigDataChannel, []string{"CreateDataChannel failed"}, KindFeature},
	{SigDataChannel, []string{"websocket for datachannel"}, KindFeature},
	{SigDataChannel, []string{"failed to open datachannel"}, KindFeature},

	// Sessions: their logs. A document's output is logged by the same functions.
	{SigLogsUnencrypted, []string{"encryption is not set up on the selected"}, KindFeature},
	{SigLogsUnencrypted, []string{"S3 bucket", "is not encrypted"}, KindFeature},
	{SigLogsUnchecked, []string{"unable to validate encryption on"}, KindFeature},
	{SigLogsUnchecked, []string{"calling S3 API GetBucketEncryption"}, KindFeature},
	{SigLogGroup, []string{"log group specified in session preferences"}, KindFeature},
	{SigTranscript, []string{"unable to generate log data"}, KindFeature},
	{SigTranscript, []string{"Failed to generate transcript"}, KindFeature},
	{SigSessionUpload, []string{"Failed to upload shell session logs to S3"}, KindFeature},
	{SigSessionUpload, []string{"ssm-session-worker", "Failed to upload", "s3://"}, KindFeature},
	{SigCommandUpload, []string{"Failed to upload the output to s3"}, KindFeature},
	{SigCommandUpload, []string{"ssm-document-worker", "Failed to upload", "s3://"}, KindFeature},
	{SigCommandLogs, []string{"ssm-document-worker", "Error Calling DescribeLogGroups"}, KindFeature},
	{SigCommandLogs, []string{"ssm-document-worker", "Error Calling CreateLog"}, KindFeature},
	{SigCommandLogs, []string{"ssm-document-worker", "Error in PutLogEvents"}, KindFeature},
	{SigCommandLogs, []string{"for CloudWatchLogs output", "Error Creating Log Group"}, KindFeature},
	{SigSessionLogs, []string{"Error Calling DescribeLogGroups"}, KindFeature},
	{SigSessionLogs, []string{"ssm-session-worker", "Error in calling DescribeLog"}, KindFeature},
	{SigSessionLogs, []string{"ssm-session-worker", "Error Calling CreateLog"}, KindFeature},
	{SigSessionLogs, []string{"ssm-session-worker", "Error in PutLogEvents"}, KindFeature},
	{SigSessionLogs, []string{"ssm-session-worker", "Log stream stopped"}, KindFeature},
	{SigSessionUploaded, []string{"ssm-session-worker", "Successfully uploaded file to"}, KindInfo},
	{SigSessionStreamed, []string{"ssm-session-worker", "Log stream already created"}, KindInfo},
	{SigSessionOpened, []string{"Plugin Standard_Stream started"}, KindInfo},
	{SigSessionOpened, []string{"Plugin InteractiveCommands started"}, KindInfo},
	{SigSessionOpened, []string{"Plugin NonInteractiveCommands started"}, KindInfo},
	{SigPortOpened, []string{"Plugin Port started"}, KindInfo},

	// How sessions end, what the caller sent, and what the port that they forward to
	// answers.
	{"noise", []string{"Unable to set pty size"}, KindNoise},
	{"noise", []string{"cancellation failed to stop the session"}, KindNoise},
	{"noise", []string{"error when waiting for command to complete"}, KindNoise},
	{"noise", []string{"SeparateOutputStream properties validation failed"}, KindNoise},
	{"noise", []string{"Failed to parse commands input"}, KindNoise},
	{"noise", []string{"ssm-session-worker", "Error sending"}, KindNoise},
	{"noise", []string{"ssm-session-worker", "Unable to send"}, KindNoise},
	{"noise", []string{"ssm-session-worker", "Error while sending websocket ping"}, KindNoise},
	{"noise", []string{"ssm-session-worker", "Unable to connect to specified port"}, KindNoise},
	{"noise", []string{"ssm-session-worker", "Forwarding to IP address"}, KindNoise},

	// Workers that do not start. Without one of its own a session finds no plug-in.
	{SigSessionWorker, []string{"start process", "ssm-session-worker"}, KindFeature},
	{SigSessionWorker, []string{"session worker failed to initialize"}, KindFeature},
	{SigSessionWorker, []string{"session worker panic"}, KindFeature},
	{SigSessionWorker, []string{"ssm-session-worker", "failed to create channel"}, KindFeature},
	{SigDocStart, []string{"start process", "ssm-document-worker"}, KindFeature},
	{SigDocStart, []string{"document worker failed to initialize"}, KindFeature},
	{SigDocStart, []string{"document worker panic"}, KindFeature},
	{SigDocStart, []string{"ssm-document-worker", "failed to create channel"}, KindFeature},
	{SigStream, []string{"Plugin with name Standard_Stream", "not found"}, KindFeature},
	{SigStream, []string{"Plugin with name InteractiveCommands", "not found"}, KindFeature},
	{SigStream, []string{"Plugin with name NonInteractiveCommands", "not found"}, KindFeature},
	{SigStream, []string{"Plugin with name Port", "not found"}, KindFeature},

	// Documents.
	// Source: amazon-ssm-agent, agent/framework (outofproc, docparser, runpluginutil), agent/executers.
	{SigDocSchema, []string{"is not supported by this version of ssm agent"}, KindFeature},
	{SigDocPlatform, []string{"Plugin with name", "not supported in current platform"}, KindFeature},
	{SigPluginMissing, []string{"Plugin with name", "not found"}, KindFeature},
	{SigDownload, []string{"failed to download"}, KindFeature},
	{SigDocWorker, []string{"document process failed unexpectedly"}, KindFeature},
	{SigDocWorker, []string{"Worker process did not start properly"}, KindFeature},
	{SigInterpreter, []string{"error occurred starting the command"}, KindFeature},
	{SigInterpreter, []string{"failed to run commands", "executable file not found"}, KindFeature},
	{SigInterpreter, []string{"failed to run commands", "no such file or directory"}, KindFeature},
	{SigInterpreter, []string{"failed to run commands", "cannot find"}, KindFeature}, // Windows
	{"noise", []string{"failed to run commands", "exit status"}, KindNoise},          // of the script itself
	{SigScriptRan, []string{"ssm-document-worker", "Running plugin aws:runShellScript"}, KindInfo},
	{SigScriptRan, []string{"ssm-document-worker", "Running plugin aws:runPowerShellScript"}, KindInfo},
	{SigDocRan, []string{"ssm-document-worker", "Running plugin"}, KindInfo},
	{SigOutputSent, []string{"ssm-document-worker", "Successfully uploaded file to"}, KindInfo},
	{SigOutputLogged, []string{"ssm-document-worker", "Log stream already created"}, KindInfo},

	{SigReadOnly, []string{"read-only file system"}, KindFeature},
	{SigReadOnly, []string{"The media is write protected"}, KindFeature}, // Windows, as those below
	{SigNoSpace, []string{"no space left on device"}, KindFeature},
	{SigNoSpace, []string{"There is not enough space on the disk"}, KindFeature},
	{SigCommandFolder, []string{"failed to create orchestrationDir"}, KindFeature},
	{SigCommandFolder, []string{"failed to create script file"}, KindFeature},
	{SigCommandFolder, []string{"failed to write runcommand scripts"}, KindFeature},
	{SigCommandFolder, []string{"ssm-document-worker", "Failed to open the file at"}, KindFeature},
	{SigExecDenied, []string{"exec", "permission denied"}, KindFeature},
	{SigExecDenied, []string{"fork/exec", "Access is denied"}, KindFeature}, // Windows, as those below
	{SigExecDenied, []string{"This program is blocked by group policy"}, KindFeature},
	{SigExecDenied, []string{"contains a virus or potentially unwanted software"}, KindFeature},
	{SigExecDenied, []string{"Windows cannot verify the digital signature for this file"}, KindFeature},
	{SigExecDenied, []string{"Application Control policy has blocked this file"}, KindFeature},

	{SigWorkerStart, []string{"failed to start worker"}, KindFailure},
	{SigPanic, []string{"Core Agent crashed with message"}, KindFailure},
	{SigPanic, []string{"Agent Worker crashed with message"}, KindFailure},
	{SigPanic, []string{"Agent service crashed with message"}, KindFailure},
	{SigPanic, []string{"Agent crashed with message"}, KindFailure},
	{SigWorkerRestart, []string{"Worker ssm-agent-worker is not running, starting"}, KindInfo},
	{SigSystemWait, []string{"Waiting for system state"}, KindInfo}, // Windows, at every start
	{SigSysprep, []string{"sysprep hasn't completed"}, KindFailure},
	{SigSysprep, []string{"System not ready, not starting agent"}, KindFailure},
	{SigStart, []string{"amazon-ssm-agent - v"}, KindStart},
}
