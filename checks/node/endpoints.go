package node

import "ssm-doctor/checks/facts"

// Endpoints is the way to the regional endpoints.
type Endpoints struct {
	f *facts.Facts
	// Core are the endpoints that a node needs to be managed, Down those of them to
	// which no connection could be made. Tried: connecting was attempted at all.
	Core, Down []facts.Endpoint
	Tried      Answer
	// Proxied: the core endpoints are reached through a proxy of the agent's service.
	Proxied Answer
}

func endpointsOf(f *facts.Facts) Endpoints {
	e := Endpoints{f: f}
	for _, x := range f.Network.Endpoints.Some() {
		if x.Need != facts.NeedCore {
			continue
		}
		e.Core = append(e.Core, x)
		if x.Proxy.Used {
			e.Proxied = Yes
		}
		if !x.Tried() && x.DNS.Outcome == "" {
			continue
		}
		e.Tried = Yes
		if !x.Connected() {
			e.Down = append(e.Down, x)
		}
	}
	if e.Tried == Yes && e.Proxied == Unknown {
		e.Proxied = No
	}
	return e
}

// All are the endpoints that were made; unread tells when none could be.
func (e Endpoints) All() (list []facts.Endpoint, unread bool) {
	return e.f.Network.Endpoints.Some(), e.f.Network.Endpoints.Unknown()
}

// Of is the endpoint of a service; nil when there is none.
func (e Endpoints) Of(service string) *facts.Endpoint { return e.f.Network.Endpoint(service) }

// Unseen is why the endpoints were not tried.
func (e Endpoints) Unseen() facts.Unseen {
	switch {
	case e.f.Network.Endpoints.Unknown() && e.f.Network.Endpoints.Why != "":
		return e.f.Network.Endpoints
	case e.f.Offline:
		return facts.Unknown[bool]("offline", "").Because(facts.NotAskable)
	case !e.f.Live():
		return facts.Unknown[bool]("not a running host", "").Because(facts.NotAskable)
	case e.f.Network.Region == "":
		return facts.Unknown[bool]("no Region is known", "")
	}
	return facts.Unknown[bool]("not looked at", "")
}
