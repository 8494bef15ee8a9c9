package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

var _ = register(Check{
	ID: "kms", Group: "permissions", Title: "The key for sessions can be used",
	Causes: []string{"kms-access-denied"},
	Needs:  []string{"permission-registration", "credential-source", "clock", "tls-trust"},
	Doc:    "Sessions encrypted with a KMS key need kms:Decrypt for the node's role, in its policies and in the key's. Seen only when a session failed: which key the preferences name is not on the host.",
	Eval: func(f *facts.Facts) Finding {
		for _, r := range loggedRefusals(f) {
			if serviceOf(r.Refusal.Action) == "kms" && r.Denied && age(f, r.At) < day {
				fd := asFeature(denial(f, r, "kms-access-denied"))
				fd.Cause = "kms-access-denied"
				return fd
			}
		}
		m, ok := recently(f, facts.SigKMS)
		if !ok {
			return pass("no refusal on record")
		}
		fd := warn("kms-access-denied", Likely, "the key that sessions are encrypted with cannot be used by this node").logged(m).with("role", roleOf(f, refusal{}), "action", "kms:Decrypt")
		if p := iam.ParseRefusal("", m.Text); p.Resource != "" {
			fd = fd.with("resource", p.Resource)
		}
		return fd
	},
})
