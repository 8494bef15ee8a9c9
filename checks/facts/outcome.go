package facts

import (
	"cmp"
	"strings"
)

// Outcome is how a probe of the network ended. Each probe uses the part of the
// list that can happen to it; the empty Outcome means that it was not made.
type Outcome string

// Outcomes. Of a DNS query: OK, NXDomain, NoData, ServFail, Refused, Timeout,
// Other. Of a connection: OK, Refused, Timeout, NoRoute, NotPermitted,
// NoLocalAddress, Reset, Other. Of a request: OK, Timeout, Reset, Other. Of a
// proxy: OK, NoName, Refused, Timeout, NoRoute, NotTLS, WantsTLS, Untrusted,
// WantsLogin, Forbidden, Silent, Reset, Other.
const (
	OK             Outcome = "ok"
	NXDomain       Outcome = "nxdomain"
	NoData         Outcome = "no-data"
	ServFail       Outcome = "servfail"
	Refused        Outcome = "refused"
	Timeout        Outcome = "timeout"
	ConnectTimeout Outcome = "connect-timeout"  // no connection within the limit
	NoRoute        Outcome = "unreachable"      // the kernel has no route, or a router said so
	Invalid        Outcome = "invalid"          // the kernel takes the address for impossible (EINVAL)
	NotPermitted   Outcome = "not-permitted"    // this host itself refuses to send (EPERM, EACCES)
	NoLocalAddress Outcome = "no-local-address" // no port or address left to connect from
	Reset          Outcome = "reset"
	NoName         Outcome = "dns"       // the proxy's own name does not resolve
	NotTLS         Outcome = "not-tls"   // https:// to a proxy that speaks plain HTTP
	WantsTLS       Outcome = "tls"       // http:// to a proxy that expects TLS
	Untrusted      Outcome = "untrusted" // https:// to a proxy whose certificate is not accepted
	WantsLogin     Outcome = "auth"      // 407
	Forbidden      Outcome = "forbidden" // another refusal of a CONNECT
	Silent         Outcome = "silent"    // connected, and a CONNECT is not answered in time
	Other          Outcome = "other"
)

// TLSFault is why a certificate or handshake was not accepted.
type TLSFault string

// Faults of a handshake; empty: none.
const (
	UnknownAuthority TLSFault = "unknown-authority"
	Expired          TLSFault = "expired"
	NotYetValid      TLSFault = "not-yet-valid"
	WrongName        TLSFault = "wrong-name"
	NoTLS            TLSFault = "not-tls"
	NoRoots          TLSFault = "no-roots" // this host trusts no authority at all
	TLSTimeout       TLSFault = "timeout"
	TLSReset         TLSFault = "reset"
	TLSOther         TLSFault = "other"
)

// With is the outcome in words, with what the system said of it; once where that says it too.
func (o Outcome) With(said string) string {
	if said == "" || strings.Contains(strings.ToLower(said), string(o)) {
		return cmp.Or(said, string(o))
	}
	return strings.TrimSpace(string(o) + " " + said)
}

// CallOutcome is how a signed request ended.
type CallOutcome string

// Outcomes of sts:GetCallerIdentity; empty: it was not asked.
const (
	CallOK            CallOutcome = "ok"
	CallRefused       CallOutcome = "refused"
	CallUnreachable   CallOutcome = "unreachable"
	CallNoCredentials CallOutcome = "no-credentials"
)

// Ending is how a source of facts ended.
type Ending string

// Endings. What a source that did not end by itself should have told is missing
// for no reason of the host's.
const (
	Ended    Ending = ""         // by itself, with or without an error
	Panicked Ending = "panicked" // an error of this program
	CutOff   Ending = "cut-off"  // time was up, or the run was interrupted
)
