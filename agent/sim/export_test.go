package sim

import "net/url"

// What the tests use to make hosts of their own.
var (
	HealthyProfile, HealthyDHMC, HealthyHybrid = healthyProfile, healthyDHMC, healthyHybrid
	Refused, At, Began, NoIdentity             = refused, at, began, noIdentity
)

// Texts of the agent around an error.
const (
	ProfileFailed, DHMCOff, NoneValid, Skipped, RequestID = profileFailed, dhmcOff, noneValid, skipped, requestID
)

// Secrets are texts of the host that must not leave it: secret keys, session
// tokens, a piece of the private key, the machine id, the password of the proxy.
func (h *Host) Secrets() []string {
	w := h.world.Load()
	private, _ := rsaKey()
	out := []string{private[60:120], w.MachineID}
	for _, k := range w.keys {
		out = append(out, k.secret)
		if k.token != "" {
			out = append(out, k.token)
		}
	}
	for _, v := range w.Agent.Environment {
		if u, err := url.Parse(v); err == nil && u.User != nil {
			p, _ := u.User.Password()
			out = append(out, p)
		}
	}
	return out
}

// Whole is the host of a demo without its fault.
func (d Demo) Whole() Scenario { return d.whole() }

// Spoil puts the fault of a demo into a host; false: it has none.
func (d Demo) Spoil(s *Scenario) bool {
	if d.fault == nil {
		return false
	}
	d.fault(s)
	return true
}

// Keys are the credentials of a principal.
func (h *Host) Keys(principal string) (id, secret, token string) {
	k := h.world.Load().keys[principal]
	return k.id, k.secret, k.token
}
