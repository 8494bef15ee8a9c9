package endpoint

import (
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
)

// trust is what is known of the far end of a connection.
type trust int

const (
	unproven   trust = iota // anybody may be there
	namedPlain              // where the administrator's URL of plain HTTP leads
	proven                  // who a certificate that this host trusts says
)

// Peer is a connection and who is at its far end.
type Peer struct {
	net.Conn
	name string
	how  trust
}

// Secret is what must not get into other hands: a login, a signature.
type Secret struct {
	needs trust
	put   func(*http.Request) error
}

// Signature is a secret that put signs requests with. It goes only to who has proven
// its name.
func Signature(put func(*http.Request) error) Secret { return Secret{proven, put} }

// login is that of a proxy's URL. Where the URL says http:// nothing can be proven, and
// the agent sends it as well; where it says https:// the proxy has to prove its name.
func login(u *url.URL) Secret {
	needs := proven
	if u.Scheme != "https" {
		needs = namedPlain
	}
	return Secret{needs, func(req *http.Request) error {
		if u.User != nil {
			pw, _ := u.User.Password()
			req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+pw)))
		}
		return nil
	}}
}

// errUnverified is returned instead of handing a secret to the wrong peer.
var errUnverified = errors.New("who is at the other end was not verified")

// Attach puts a secret into a request that is about to be sent to the peer, which must
// be host. No other function does. (The metadata token is attached by the SDK; what
// package imds gives it to send with lets it go to the metadata address only.)
func (p *Peer) Attach(req *http.Request, host string, s Secret) error {
	if p == nil || p.name != host || p.how < s.needs {
		return errUnverified
	}
	return s.put(req)
}
