package checks

import (
	"fmt"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

var _ = register(Check{
	ID: "permission-features", Group: "permissions", Title: "Features in use are allowed what they need",
	Causes: []string{"iam-missing-feature-action", "iam-explicit-deny", "vpce-policy-deny"},
	Needs:  []string{"permission-registration", "profile-vs-dhmc", "credential-source", "instance-profile-trust", "shared-credentials", "clock", "tls-trust", "network-egress"},
	Doc: "Refusals of the last day in the agent's log, and this run's own harmless reads, of actions that single features need: State Manager, Distributor, inventory, patching, logs. " +
		"A feature that nobody used yet leaves no trace; the permissions command shows the whole matrix.",
	Eval: func(f *facts.Facts) Finding {
		var out []Finding
		for _, lr := range featureRefusals(f) {
			r := refusal{Refusal: iam.ParseRefusal(lr.Code, lr.Message), At: lr.At, From: "file:agent log"}
			r.Refusal.Action = lr.Action
			fd := asFeature(denial(f, r, "iam-missing-feature-action"))
			fd.Summary = butManaged(f) + fd.Summary
			out = append(out, fd)
		}
		if m, ok := recently(f, facts.SigDownload); ok && strings.Contains(m.Text, "AccessDenied") && !mentions(out, "s3:") {
			bucket := "amazon-ssm-packages-" + Region(f)
			if !strings.Contains(m.Text, "configurePackage") {
				bucket = "the bucket it names"
			}
			fd := warn("iam-missing-feature-action", Likely, butManaged(f)+"a download from S3 was refused: s3:GetObject on %s is not allowed", bucket).logged(m).
				with("action", "s3:GetObject", "role", roleOf(f, refusal{}), "resource", "arn:"+Partition(f)+":s3:::"+bucket+"/*", "service", "s3")
			out = append(out, fd)
		}
		used := InUse(f)
		for _, r := range liveRefusals(f) {
			feature, ok := needing(used, r.Refusal.Action)
			if !ok || mentions(out, r.Refusal.Action) {
				continue
			}
			if n, all := readsDenied(f); n > 1 && all && used[feature.ID] != "asked for" {
				continue // no Systems Manager permissions at all: not a matter of one feature
			}
			fd := asFeature(denial(f, r, "iam-missing-feature-action"))
			fd.Summary = feature.Title + ": " + fd.Summary
			out = append(out, fd)
		}
		if len(out) == 0 {
			if n, _ := readsDenied(f); n == 0 && len(f.Log.Matches) == 0 {
				return unknown("nothing was asked and no log tells")
			}
			return pass("no refusal on record")
		}
		fd := out[0]
		// One entry per cause: further actions are evidence of the same gap.
		for _, o := range out[1:] {
			if o.Cause == fd.Cause {
				fd.Evidence = append(fd.Evidence, o.Evidence...)
				fd.Summary += fmt.Sprintf("; also %s", o.Values["action"])
				continue
			}
			fd = fd.and(o)
		}
		return fd
	},
})

// butManaged begins a sentence about a feature, where the node is known to be managed.
func butManaged(f *facts.Facts) string {
	if _, ok := Managed(f); ok {
		return "the node is managed, but "
	}
	return ""
}

func mentions(list []Finding, action string) bool {
	for _, fd := range list {
		if strings.HasPrefix(fd.Values["action"], action) {
			return true
		}
	}
	return false
}

// needing is a feature in use that always needs an action. What registration
// and channel need is for other checks.
func needing(used map[string]string, action string) (iam.Feature, bool) {
	if nodeAction(action) {
		return iam.Feature{}, false
	}
	for _, ft := range iam.Features() {
		if ft.ID == "state-manager" && action == "ssm:ListInstanceAssociations" {
			return ft, true // polled on every node
		}
		if _, ok := used[ft.ID]; ok && slices.Contains(ft.Of(iam.Mandatory), action) {
			return ft, true
		}
	}
	return iam.Feature{}, false
}
