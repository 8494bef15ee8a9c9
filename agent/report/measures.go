package report

import "time"

// Measures are single observations for machines. What is missing or
// empty is not known.
type Measures struct {
	Platform        string    `json:"platform"`      // linux, windows, darwin
	AgentPackage    string    `json:"agent_package"` // rpm, deb, snap, msi, pkg, none; empty: not known
	AgentLatest     string    `json:"agent_latest"`  // newest version known to be published; empty: not known
	AgentRunning    *bool     `json:"agent_running,omitempty"`
	AgentStarted    time.Time `json:"agent_started,omitzero"`
	Registered      *bool     `json:"registered,omitempty"`      // the local state names a node
	KeyCreated      time.Time `json:"key_created,omitzero"`      // of the registration in use
	PermissionsRead time.Time `json:"permissions_read,omitzero"` // latest request that asked for a right

	IMDSReachable          *bool    `json:"imds_reachable,omitempty"` // a token request of IMDSv2 was answered
	IMDSTokenRequired      *bool    `json:"imds_token_required,omitempty"`
	IMDSTokenSeconds       *float64 `json:"imds_token_seconds,omitempty"`
	IMDSIdentitySeconds    *float64 `json:"imds_identity_seconds,omitempty"`
	IMDSCredentialsSeconds *float64 `json:"imds_credentials_seconds,omitempty"`

	Endpoints []EndpointMeasure `json:"endpoints"`
	Features  []FeatureRights   `json:"features"`
	Failures  []CallFailure     `json:"failures"`
}

// EndpointMeasure is how long each phase took, in seconds; missing: not reached.
type EndpointMeasure struct {
	Service    string    `json:"service"`
	Resolve    *float64  `json:"resolve_seconds,omitempty"`
	Connect    *float64  `json:"connect_seconds,omitempty"`
	TLS        *float64  `json:"tls_seconds,omitempty"`
	HTTP       *float64  `json:"http_seconds,omitempty"`
	TLSExpires time.Time `json:"tls_expires_at,omitzero"` // first certificate of the chain to expire
}

// FeatureRights counts the mandatory actions of a feature by verdict.
type FeatureRights struct {
	ID      string `json:"id"`
	Allowed int    `json:"allowed"`
	Denied  int    `json:"denied"`
	Unknown int    `json:"unknown"`
}

// Reasons of failed requests.
const (
	AccessDenied = "access-denied"
	Throttled    = "throttled"
	NoAnswer     = "network"
	OtherFailure = "other"
)

// FailureReasons are all reasons of failed requests.
var FailureReasons = []string{AccessDenied, Throttled, NoAnswer, OtherFailure}

// CallFailure counts the failed requests of one action in this run.
type CallFailure struct {
	Action string `json:"action"`
	Reason string `json:"reason"` // access-denied, throttled, network, other
	Count  int    `json:"count"`
}

func (m *Measures) normalize() {
	m.Endpoints = some(m.Endpoints)
	m.Features = some(m.Features)
	m.Failures = some(m.Failures)
}
