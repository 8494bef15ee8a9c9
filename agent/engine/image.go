package engine

import (
	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/diagnose"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// judgeImage is the gate for machine images: ready only when every check of the
// profile passes. State managed stands for ready: machines started from the
// image have what they need; whether they will be accepted is not asked.
func judgeImage(n *node.Node, found diagnose.Findings) *report.Report {
	r := build(n, found, diagnose.DiagnoseImage(n, found))
	r.Profile = string(checks.ProfileImage)
	r.Features, r.Permissions = nil, nil // an image has no rights, and uses nothing
	unjudged := text.New("the image could not be judged: ")
	if b := n.Facts.Broken(); b != "" {
		r.State, r.Summary = report.Unknown, unjudged.Add("%s", b)
		return r
	}
	r.State = report.Managed
	r.Summary = text.New("the image is ready: the agent is installed and enabled, and nothing of a node is left in it")
	for _, c := range r.Checks {
		if c.Status == string(checks.Unknown) && r.State == report.Managed {
			r.State, r.Summary = report.Unknown, unjudged.Add(c.ID+": ").Append(c.Summary)
		}
		if c.Status == string(checks.Fail) {
			r.State = report.NotManaged
		}
	}
	if r.State == report.NotManaged && r.RootCause != nil {
		r.RootCause.Severity = string(causes.Critical)
		r.Summary = r.RootCause.Summary
		for _, c := range r.Also {
			if c.Severity != string(causes.Info) {
				r.Summary = r.Summary.Add("; ").Append(c.Summary)
			}
		}
	}
	return r
}
