package facts

import "time"

// IMDS is the EC2 instance metadata service as seen from this host.
type IMDS struct {
	// Token is the session token request of IMDSv2, sent directly.
	Token Seen[Exchange] `json:"token"`
	// Bare is GET /latest/meta-data/ without a token: 401 when v2 is required, 200 when v1 is allowed.
	Bare Seen[Exchange] `json:"bare"`
	// ViaProxy is the token request as the agent's http_proxy would carry it; absent when no proxy applies to the address.
	ViaProxy Seen[Exchange] `json:"via_proxy"`
	// IPv6 is the token request to fd00:ec2::254.
	IPv6 Seen[Exchange] `json:"ipv6"`

	V1Allowed Seen[bool] `json:"v1_allowed"`

	// IdentitySeconds and RoleSeconds are how long the requests for the identity
	// document and for role credentials took; 0: not answered.
	IdentitySeconds float64 `json:"identity_seconds,omitempty"`
	RoleSeconds     float64 `json:"role_seconds,omitempty"`

	InstanceID Seen[string] `json:"instance_id"`
	Region     Seen[string] `json:"region"` // from the identity document, as the agent reads it
	Account    Seen[string] `json:"account"`
	Partition  Seen[string] `json:"partition"`
	VPC        Seen[VPC]    `json:"vpc"`

	Image        Seen[string] `json:"image"` // id of the machine image, from the identity document
	InstanceType Seen[string] `json:"instance_type"`

	Profile      Seen[Profile] `json:"profile"`       // iam/info; absent: 404, none attached
	Role         Seen[Role]    `json:"role"`          // iam/security-credentials/ROLE
	IdentityRole Seen[Role]    `json:"identity_role"` // identity-credentials/ec2/security-credentials/ec2-instance
}

// Direct is what was asked without a proxy.
func (i *IMDS) Direct() IMDS {
	return IMDS{Token: i.Token, Bare: i.Bare, IPv6: i.IPv6, V1Allowed: i.V1Allowed, IdentitySeconds: i.IdentitySeconds, RoleSeconds: i.RoleSeconds,
		InstanceID: i.InstanceID, Region: i.Region, Account: i.Account, Partition: i.Partition, VPC: i.VPC, Image: i.Image, InstanceType: i.InstanceType,
		Profile: i.Profile, Role: i.Role, IdentityRole: i.IdentityRole}
}

// Exchange is one metadata request and how it ended.
type Exchange struct {
	Status      int     `json:"status"` // HTTP status; 0: no answer
	Server      string  `json:"server"`
	ContentType string  `json:"content_type"`
	Flavor      string  `json:"flavor"` // header Metadata-Flavor, by which Google's service names itself
	Seconds     float64 `json:"seconds"`
	TCP         bool    `json:"tcp"` // the connection was established
	// Outcome is empty for an HTTP answer.
	Outcome Outcome `json:"outcome"`
	Error   string  `json:"error"`
	Body    string  `json:"body"` // first 120 bytes of an answer that is not the metadata service's; printable
	// Token reports whether the answer held something that works as a token.
	Token bool `json:"token"`
}

// VPC is where the instance's first interface lies.
type VPC struct {
	ID             string   `json:"id"`
	Subnet         string   `json:"subnet"`
	CIDR           string   `json:"cidr"`
	SecurityGroups []string `json:"security_groups"`
}

// Profile is the attached instance profile.
type Profile struct {
	ARN     string `json:"arn"`
	Name    string `json:"name"`
	Code    string `json:"code"` // Success or a reason
	Message string `json:"message"`
}

// EmptyRoleList is why no role is known where the metadata service answers the list of roles
// with nothing in it.
const EmptyRoleList = "the list of roles is empty"

// Role is the state of role credentials in the metadata service.
type Role struct {
	Name    string    `json:"name"`
	Code    string    `json:"code"` // Success or a reason such as AssumeRoleUnauthorizedAccess
	Message string    `json:"message"`
	Expires time.Time `json:"expires,omitzero"`
}
