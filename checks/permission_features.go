package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// PermissionFeatures is permission-features.
var PermissionFeatures = register(Check{
	ID: "permission-features", Group: "permissions", Title: "Features in use are allowed what they need",
	Station: AtPermissions, Behind: AtChannel,
	Needs:  []*Check{ProfileVsDhmc, PermissionRegistration},
	Causes: []string{"iam-missing-feature-action", "iam-explicit-deny", "vpce-policy-deny"},
	Doc: "Refusals of the last day in the agent's log, and this run's own harmless reads, of actions that single features need: State Manager, Distributor, inventory, patching, logs. " +
		"A feature that nobody used yet leaves no trace; the permissions command shows the whole matrix.",
	Eval: func(n *node.Node) Finding {
		if n.Credentials.Source == "" {
			return ofUnknownSigner(n)
		}
		var out []Finding
		for _, r := range n.OfFeatures() {
			out = append(out, denial(n, r, "iam-missing-feature-action").as(Breaks))
		}
		named := mentions(out, "s3:") // by a refusal, which says more
		for _, t := range transfers {
			if m := refusedTransfer(n, t); m.Yes() && !named {
				out = append(out, transferRefused(n, m, t))
			}
		}
		out = append(out, readsRefused(n, out)...)
		if len(out) > 0 {
			return onePerCause(out)
		}
		switch {
		case n.Refusals.Read != node.Yes:
			return unreadRefusals(n)
		case n.Facts.Permissions.Actions.Unknown():
			return unread("no refusal in the log; this run's own reads", n.Facts.Permissions.Actions)
		case n.Facts.Agent.Uses.Unknown() && readsOfFeatures(n):
			return unread("which features are in use", n.Facts.Agent.Uses)
		}
		allowed, refused := n.ReadsOfFeatures()
		switch {
		case n.Refusals.Asked != node.Yes && len(n.Facts.Log.Matches.Some()) == 0:
			return unknown("no right of a feature could be tried, and the agent's log holds nothing")
		case len(refused) > 0 && len(allowed) == 0:
			return unknown("this run was refused every read that a feature needs, such as %s", refused[0])
		case len(allowed) == 0:
			return skip("no feature was refused in the last day, and no right of one could be tried")
		}
		return pass("this run was allowed %s", strings.Join(allowed, ", "))
	},
})

// ofUnknownSigner is the answer where it is not known what the agent signs with, and so
// not whether the refusals of its log are about that.
func ofUnknownSigner(n *node.Node) Finding {
	if logged := n.OfFeatures(); len(logged) > 0 {
		return unknown("the agent was refused %s, and what it signs with now is not known", logged[0].Action).failing(Breaks)
	}
	for _, t := range transfers {
		if m := refusedTransfer(n, t); m.Yes() {
			return unknown("%s was refused, and what the agent signs with now is not known", t.what).logged(m).failing(Breaks)
		}
	}
	return unknown("what the agent signs with is not known")
}

// transfer is what the agent does with S3, whose refusals name no action.
type transfer struct {
	sig, mended string
	what        string
	action      string
	stops       string // feature, by id
}

var transfers = []transfer{
	{facts.SigDownload, "", "a download from S3", "s3:GetObject", ""},
	{facts.SigSessionUpload, facts.SigSessionUploaded, "the upload of session logs to S3", "s3:PutObject", "session-log-s3"},
	{facts.SigLogsUnchecked, facts.SigSessionOpened, "the question whether the bucket of session logs is encrypted, without which no session starts,", "s3:GetEncryptionConfiguration", "session-manager"},
	{facts.SigCommandUpload, facts.SigOutputSent, "the upload of a command's output to S3", "s3:PutObject", "run-command-output-s3"},
}

// refusedTransfer is an entry of the last day that says that S3 refused a transfer, and
// none since that it worked.
func refusedTransfer(n *node.Node, t transfer) node.Entry {
	m := n.Log.Unmended(t.sig, t.mended)
	if m.Yes() && (!strings.Contains(m.Text, "AccessDenied") || strings.Contains(m.Text, "CloudWatch") || n.QuotesAnother(m.Match)) {
		return node.Entry{Found: node.No}
	}
	return m
}

// transferRefused is the finding of a call to S3 that was refused.
func transferRefused(n *node.Node, m node.Entry, t transfer) Finding {
	fd := breaks("iam-missing-feature-action", Likely, "%s was refused: %s on the bucket it names is not allowed", t.what, t.action).logged(m).
		with("action", t.action, "role", n.RoleOf(node.Refusal{}), "service", "s3")
	if t.stops != "" {
		fd = fd.halts(t.stops)
	}
	if usual := causes.Get(fd.Cause).Fix; t.mended == "" {
		again := causes.Again
		again.Text = "Check again: the agent does not log a download that works, so this entry counts for a day"
		fd = fd.fix(usual[:len(usual)-1]...).fix(again)
	}
	bucket := ""
	if b := node.BucketRE.FindStringSubmatch(m.Text); b != nil {
		bucket = b[1]
	}
	if strings.Contains(m.Text, "configurePackage") && n.Identity.Region != "" {
		bucket = "amazon-ssm-packages-" + n.Identity.Region
	}
	if bucket == "" {
		return fd
	}
	resource := "arn:" + text.Or(n.Identity.Partition, "aws") + ":s3:::" + bucket
	if t.action != "s3:GetEncryptionConfiguration" {
		resource += "/*"
	}
	return fd.say("%s was refused: %s on %s is not allowed", t.what, t.action, bucket).with("resource", resource)
}

// readsRefused are the findings of this run's own reads that features in use need,
// but for what is among those known already.
func readsRefused(n *node.Node, known []Finding) []Finding {
	used := n.InUse()
	answered, all := n.ReadsDenied()
	var out []Finding
	for _, r := range n.Refusals.Live {
		feature, ok := featureNeeding(used, r.Action)
		if !ok || mentions(known, r.Action) || mentions(out, r.Action) {
			continue
		}
		if (answered > 1 && all || n.Facts.Permissions.Actions.Unknown()) && used[feature.ID] != "asked for" {
			continue // no Systems Manager permissions at all, or maybe none: not a matter of one feature
		}
		fd := denial(n, r, "iam-missing-feature-action").as(Breaks)
		out = append(out, fd.say("%s: %s", feature.Title, fd.Summary))
	}
	return out
}

// readsOfFeatures reports whether a read of this run was refused that some feature may
// need, in use or not.
func readsOfFeatures(n *node.Node) bool {
	return slices.ContainsFunc(n.Refusals.Live, func(r node.Refusal) bool { return !node.IsNodeAction(r.Action) })
}

// onePerCause joins findings: further actions with the same cause are evidence of
// the same gap.
func onePerCause(list []Finding) Finding {
	fd := list[0]
	for _, o := range list[1:] {
		if o.Cause == fd.Cause {
			fd.Evidence = append(fd.Evidence[:len(fd.Evidence):len(fd.Evidence)], o.Evidence...)
			fd = fd.halts(o.Stops...).add("; also %s", o.Values["action"])
			continue
		}
		fd = fd.and(o)
	}
	return fd
}

func mentions(list []Finding, action string) bool {
	return slices.ContainsFunc(list, func(fd Finding) bool { return strings.HasPrefix(fd.Values["action"], action) })
}

// featureNeeding is a feature in use that always needs an action. What registration
// and channel need is for other checks.
func featureNeeding(used map[string]string, action string) (iam.Feature, bool) {
	if node.IsNodeAction(action) {
		return iam.Feature{}, false
	}
	for _, ft := range iam.Features() {
		_, ok := used[ft.ID]
		if ft.IsPolled(action) || ok && slices.Contains(ft.Of(iam.Mandatory), action) {
			return ft, true
		}
	}
	return iam.Feature{}, false
}
