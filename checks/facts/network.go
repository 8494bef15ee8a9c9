package facts

import "time"

// Network is the way to the regional endpoints.
type Network struct {
	Region    string           `json:"region"` // the Region the endpoints were made for; empty: none known
	Domain    string           `json:"domain"` // DNS suffix
	Endpoints Seen[[]Endpoint] `json:"endpoints"`
	// Proxy is the probe of the proxy that the agent's service would use for
	// HTTPS; absent when none is set.
	Proxy Seen[ProxyProbe] `json:"proxy"`
	// ShellProxy is the same for a proxy that the service could use and does not:
	// that of its unit's files, its own where no_proxy takes the endpoints from it,
	// or that of users.
	ShellProxy Seen[ProxyProbe] `json:"shell_proxy"`
	// Direct is how the endpoints that the node needs fare without the proxy of the service:
	// asked only where that does not connect, and of those to which it does not.
	Direct Seen[[]DirectProbe] `json:"direct"`
	// Skew is server time minus host time in seconds, from the Date header of an AWS answer.
	Skew Seen[float64] `json:"clock_skew_seconds"`
	// Others are addresses reachable from another interface than the one the kernel chose.
	Others Seen[[]InterfaceProbe] `json:"other_interfaces"`
}

// Service needs, in the order of importance.
const (
	NeedCore     = "core"     // ssm, ssmmessages
	NeedFallback = "fallback" // ec2messages
	NeedFeature  = "feature"  // s3, kms, logs, monitoring, sts
)

// Endpoint is one regional endpoint.
type Endpoint struct {
	Service    string `json:"service"`
	Host       string `json:"host"`
	Configured string `json:"configured"` // default, or the configuration key that overrides it
	Need       string `json:"need"`

	DNS   DNS        `json:"dns"`
	Scope string     `json:"scope"` // public, private, mixed; empty without addresses
	TCP   []Attempt  `json:"tcp"`   // one per address tried
	Proxy Connect    `json:"proxy"` // CONNECT through the service's proxy, when one applies
	TLS   Seen[TLS]  `json:"tls"`
	HTTP  Seen[HTTP] `json:"http"`
	// Stall is what the kernel knew of a connection whose handshake or first request
	// was never answered.
	Stall Seen[Stall] `json:"stall"`
	// Dual is the dual-stack name of the service, asked where this host has only IPv6.
	Dual Seen[DualName] `json:"dual_stack"`
	// WebSocket is an unauthenticated upgrade request; ssmmessages only. AWS refuses it in a recognisable way.
	WebSocket Seen[HTTP] `json:"websocket"`
}

// DNS is the answer to one name.
type DNS struct {
	A       []string `json:"a"`
	AAAA    []string `json:"aaaa"`
	Server  string   `json:"server"` // resolver that was asked, with port where an error names it
	Pinned  string   `json:"pinned"` // address from the hosts file; empty: not pinned
	Outcome Outcome  `json:"outcome"`
	Error   string   `json:"error"`
	// Searched is the name, with a domain of the search list, that gave the answer
	// in place of the name itself; empty: none did.
	Searched string  `json:"searched"`
	Views    []View  `json:"views"` // answers of other resolvers, such as the VPC's
	Seconds  float64 `json:"seconds"`
}

// View is the answer of a resolver other than the host's.
type View struct {
	Server  string   `json:"server"`
	A       []string `json:"a"`
	Outcome Outcome  `json:"outcome"`
	Scope   string   `json:"scope"`
}

// Attempt is one TCP connection.
type Attempt struct {
	Address   string  `json:"address"` // IP
	Outcome   Outcome `json:"outcome"`
	Error     string  `json:"error"`
	Source    string  `json:"source"`    // local address the kernel chose
	Interface string  `json:"interface"` // the route's; else that address's
	Seconds   float64 `json:"seconds"`
	// Route is the kernel's route to the address; absent: there is none.
	Route Seen[Route] `json:"route"`
}

// Connect is an HTTP CONNECT through a proxy.
type Connect struct {
	Used    bool    `json:"used"`
	Status  int     `json:"status"`
	Error   string  `json:"error"`
	Outcome Outcome `json:"outcome"`
	Lookup  Outcome `json:"lookup,omitempty"` // as in ProxyProbe
}

// ProxyProbe is the state of a proxy itself.
type ProxyProbe struct {
	URL      string     `json:"url"` // without user and password
	Variable string     `json:"variable"`
	Host     string     `json:"host"`
	Port     int        `json:"port"`
	Outcome  Outcome    `json:"outcome"`
	Status   int        `json:"status"` // of a CONNECT to the ssm endpoint; 0: none was answered
	Error    string     `json:"error"`
	Of       ProxyOwner `json:"of"`
	// TLS is the handshake with a proxy whose URL says https://; absent with others.
	TLS Seen[TLS] `json:"tls"`
	// Lookup is how the query for its name ended, where that gave no address.
	Lookup Outcome `json:"lookup,omitempty"`
	// Excluded are the entries of no_proxy that take the ssm endpoint from it.
	Excluded []string `json:"excluded_by"`
}

// DirectProbe is a try to reach an endpoint without the proxy of the service: OK where who
// answered proved to be it.
type DirectProbe struct {
	Host    string  `json:"host"`
	Outcome Outcome `json:"outcome"`
	Error   string  `json:"error"`
}

// ProxyOwner tells whose a proxy is.
type ProxyOwner string

// Owners of a proxy.
const (
	ProxyOfService ProxyOwner = "service"
	ProxyOfUnit    ProxyOwner = "unit" // the files of the unit, where the running agent has another
	ProxyOfUsers   ProxyOwner = "users"
)

// TLS is a handshake.
type TLS struct {
	OK      bool     `json:"ok"` // verified against the host's trust store
	Subject string   `json:"subject"`
	Issuer  string   `json:"issuer"` // of the leaf
	Kind    TLSFault `json:"kind"`   // why it was not accepted
	Error   string   `json:"error"`
	// FirstExpiry is when the first certificate of the verified chain expires.
	FirstExpiry time.Time `json:"first_expiry,omitzero"`
	// Store is what the agent's service trusts, where by that it was not accepted.
	Store   Store   `json:"store,omitzero"`
	Seconds float64 `json:"seconds"`
}

// Store are certificates of authorities that are trusted.
type Store struct {
	Counted bool `json:"counted"` // it was read
	// Variables of the service's environment name it, as they are written there; empty: it
	// is this host's.
	Variables    string `json:"variables"`
	Certificates int    `json:"certificates"` // how many it has
	Host         bool   `json:"host_trusts"`  // this host's own accepts what that does not
}

// Stall is a connection that opened, and on which nothing came back.
type Stall struct {
	Segment     int    `json:"segment"`     // largest segment to be sent, in bytes
	PathMTU     int    `json:"path_mtu"`    // what the kernel takes the way for
	Unacked     int    `json:"unacked"`     // segments that the other end did not confirm
	Retransmits int    `json:"retransmits"` // segments sent more than once
	Received    uint64 `json:"received"`    // bytes of the answer
	// Small is how the same ended with segments of at most SmallSegment bytes in
	// both directions; empty: not tried.
	Small Outcome `json:"small"`
}

// SmallSegment fits every path of IPv4: the least that a host must take in one
// piece, without headers. Source: RFC 9293, section 3.7.1.
const SmallSegment = 536

// DualName is the name of a service that has addresses of both kinds.
type DualName struct {
	Host    string   `json:"host"`
	AAAA    []string `json:"aaaa"`
	Outcome Outcome  `json:"outcome"` // of a connection; empty: none was tried
}

// HTTP is an answer of an endpoint.
type HTTP struct {
	Status  int     `json:"status"`
	Server  string  `json:"server"`
	AWS     bool    `json:"aws"` // carries a request id or an error form of AWS
	Error   string  `json:"error"`
	Outcome Outcome `json:"outcome"`
	Seconds float64 `json:"seconds"`
}

// InterfaceProbe is a connection made from another interface's address.
type InterfaceProbe struct {
	Interface string  `json:"interface"`
	Source    string  `json:"source"`
	Address   string  `json:"address"`
	Outcome   Outcome `json:"outcome"`
}

// Endpoint returns the endpoint of a service; nil when there is none, or none
// was made since no Region is known.
func (n *Network) Endpoint(service string) *Endpoint {
	for i := range n.Endpoints.Value {
		if n.Endpoints.Value[i].Service == service {
			return &n.Endpoints.Value[i]
		}
	}
	return nil
}

// Connected reports whether a TCP connection, or a proxy's tunnel, was made.
func (e *Endpoint) Connected() bool {
	if e.Proxy.Used {
		return e.Proxy.Outcome == OK
	}
	for _, t := range e.TCP {
		if t.Outcome == OK {
			return true
		}
	}
	return false
}

// Tried reports whether a connection was attempted at all.
func (e *Endpoint) Tried() bool { return e.Proxy.Used || len(e.TCP) > 0 }

// Usable reports whether HTTPS works up to an answer of the service.
func (e *Endpoint) Usable() bool { return e.HTTP.Known() && e.HTTP.Value.AWS }
