package iam

import "strings"

// Denial is what a refusal is evidence of, and how to put it.
type Denial struct {
	Cause string // id of the root cause; empty: no policy refused
	Layer string // a Layer constant; LayerUnknown: the text names none
	// Policy is the layer in words, without an article; empty: it is not known.
	Policy string
	// Explicit: a statement denies the action. Else nothing in the layer allows
	// it or, where the layer is not known, which of the two is not told.
	Explicit bool
}

// Known reports whether the refusal says which kind of policy refused.
func (d Denial) Known() bool { return d.Policy != "" }

// causeOfLayer is the root cause where these layers refuse, be it by a deny or
// because they allow nothing of the kind.
var causeOfLayer = map[string]string{
	LayerSCP:      "iam-explicit-deny",
	LayerRCP:      "iam-explicit-deny",
	LayerBoundary: "iam-explicit-deny",
	LayerSession:  "iam-explicit-deny",
	LayerEndpoint: "vpce-policy-deny",
	LayerTrust:    "instance-profile-trust-broken",
}

// ExplainRefusal says which root cause a refusal points to. The caller knows
// that it is one, by its code or by where it was found, and which cause to name
// where a policy of the role merely lacks the action.
func ExplainRefusal(r Refusal, lacking string) Denial {
	d := Denial{Layer: r.Layer, Policy: layerName(r.Layer), Explicit: r.Explicit}
	if d.Policy == "" {
		d.Layer = LayerUnknown
	}
	atKMS := strings.HasPrefix(strings.ToLower(r.Action), "kms:") || r.Pattern == "kms-key-opaque"
	switch {
	case r.Pattern == "dhmc-not-configured":
		d.Cause = "no-credential-source"
	case r.NotIAM: // a setting of the service, or a name that is wrong
	case atKMS && r.Layer != LayerEndpoint:
		d.Cause = "kms-access-denied" // the policy of the key may be what is to change
	case causeOfLayer[r.Layer] != "":
		d.Cause = causeOfLayer[r.Layer]
	case r.Explicit:
		d.Cause = "iam-explicit-deny"
	default:
		d.Cause = lacking
	}
	return d
}

// layerName names the policy of a layer as users know it; empty for a layer
// that has none.
func layerName(layer string) string {
	switch layer {
	case LayerSCP:
		return "service control policy (SCP)"
	case LayerRCP:
		return "resource control policy (RCP)"
	case LayerIdentity, LayerBoundary, LayerSession, LayerEndpoint, LayerResource, LayerTrust:
		return layerNoun(layer)
	}
	return ""
}
