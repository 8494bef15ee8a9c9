package iam_test

import (
	"testing"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/iam"
)

// TestCausesExist: whatever a refusal looks like, the cause it is explained by
// is one of the catalogue.
func TestCausesExist(t *testing.T) {
	t.Parallel()
	const lacking = "iam-missing-feature-action"
	found := map[string]bool{}
	for _, layer := range []string{iam.LayerIdentity, iam.LayerBoundary, iam.LayerSession, iam.LayerSCP, iam.LayerRCP, iam.LayerEndpoint, iam.LayerResource, iam.LayerTrust, iam.LayerService, iam.LayerUnknown, ""} {
		for _, action := range []string{"ssm:GetDocument", "kms:Decrypt", ""} {
			for _, pattern := range []string{"", "dhmc-not-configured", "kms-key-opaque"} {
				for _, explicit := range []bool{false, true} {
					r := iam.Refusal{Action: action, Layer: layer, Pattern: pattern, Explicit: explicit, Denied: true}
					d := iam.ExplainRefusal(r, lacking)
					if causes.Get(d.Cause) == nil {
						t.Errorf("%+v: no cause %q", r, d.Cause)
					}
					found[d.Cause] = true
				}
			}
		}
	}
	for _, id := range []string{lacking, "iam-explicit-deny", "vpce-policy-deny", "instance-profile-trust-broken", "kms-access-denied", "no-credential-source"} {
		if !found[id] {
			t.Errorf("no refusal is explained by %s", id)
		}
	}
}
