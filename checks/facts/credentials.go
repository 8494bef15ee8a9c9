package facts

import (
	"time"

	"ssm-doctor/checks/iam"
)

// Names of credential sources; the report uses the same ones.
const (
	SourceProfile = "instance-profile"
	SourceDHMC    = "default-host-management"
	SourceHybrid  = "hybrid"
	SourceShared  = "shared-file"
	SourceTask    = "task-role"
	SourceNone    = "none"
)

// Credentials is every source of credentials on this host.
type Credentials struct {
	// Runtime is identity_config.json: what the agent uses now. Absent before
	// 3.1.501 and before the first start.
	Runtime Seen[Runtime] `json:"runtime"`
	// DHMCFile is <data>/credentials, written by the agent for Default Host Management.
	DHMCFile Seen[SharedFile] `json:"dhmc_file"`
	// RootFile is root's (or SYSTEM's) shared credentials file.
	RootFile Seen[SharedFile] `json:"root_file"`
}

// Runtime is identity_config.json.
type Runtime struct {
	InstanceID   string    `json:"instance_id"`
	IdentityType string    `json:"identity_type"` // EC2, OnPrem, ECS, CustomIdentity
	ShareFile    string    `json:"share_file"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
	RetrievedAt  time.Time `json:"retrieved_at,omitzero"`
	Source       string    `json:"source"`     // EC2, SSM or empty
	HasSource    bool      `json:"has_source"` // the key exists (3.2.1297 and later)
	ModifiedAt   time.Time `json:"modified_at,omitzero"`
}

// SharedFile is an ini file of credentials, without the secrets.
type SharedFile struct {
	Path       string    `json:"path"`
	Profiles   []Keys    `json:"profiles"`
	ModifiedAt time.Time `json:"modified_at,omitzero"`
	ParseError string    `json:"parse_error"`
}

// Keys is one profile of a shared credentials file.
type Keys struct {
	Profile   string `json:"profile"`
	KeyPrefix string `json:"key_prefix"` // first four characters of the access key id
}

// MadeUp ends names that this program made up inside a path that is known.
const MadeUp = "ssm-doctor-none"

// Permissions is what is known of the rights of each identity on this host.
type Permissions struct {
	// Identities are the answers for the sources of credentials that exist here.
	Identities Seen[[]Identity] `json:"identities"`
	// Actions are the answers to this program's own reads; unknown when none was sent.
	Actions Seen[[]Permission] `json:"actions"`
	// Calls counts the requests sent to AWS in this run, by action.
	Calls map[string]int `json:"calls"`
	// Held says why reads that would have been sent were not; empty otherwise.
	Held string `json:"held"`
}

// Identity is the answer of sts:GetCallerIdentity for one source.
type Identity struct {
	Source  string      `json:"source"` // see the Source constants
	ARN     string      `json:"arn"`
	Account string      `json:"account"`
	Role    string      `json:"role"`    // role or user name
	Session string      `json:"session"` // i-... or mi-... for node credentials
	Code    string      `json:"code"`    // error code of a refusal
	Outcome CallOutcome `json:"outcome"`
	From    string      `json:"from"`
	At      time.Time   `json:"at,omitzero"`
}

// Verdicts on one action: proven by an answer to this program, observed in what the
// agent left, or predicted from others.
const (
	AllowedProven    = "allowed-proven"
	AllowedObserved  = "allowed-observed"
	AllowedPredicted = "allowed-predicted"
	DeniedProven     = "denied-proven"
	DeniedPredicted  = "denied-predicted"
	NotProbed        = "unknown-not-probed"
	Inconclusive     = "unknown-inconclusive"
	Unreachable      = "unreachable"
)

// Permission is what is known of one action for one identity.
type Permission struct {
	Action    string `json:"action"`
	Identity  string `json:"identity"` // a Source constant
	Principal string `json:"principal"`
	Resource  string `json:"resource"`
	// Invented: the resource is a name that this program made up, so the verdict
	// tells nothing of those that the node works with.
	Invented  bool   `json:"invented,omitempty"`
	Verdict   string `json:"verdict"`
	Layer     string `json:"layer"` // identity, scp, rcp, boundary, session, vpce, resource, trust, service, unknown
	Explicit  bool   `json:"explicit"`
	PolicyARN string `json:"policy_arn"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	// Refused is what the answer says, where it is an error of AWS.
	Refused iam.Refusal `json:"refused,omitzero"`
	Rule    string      `json:"rule"` // the order-of-evaluation rule behind an allowed verdict
	From    string      `json:"from"`
	At      time.Time   `json:"at,omitzero"`
}
