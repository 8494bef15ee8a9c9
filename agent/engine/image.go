package engine

import (
	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/diagnose"
	"ssm-doctor/checks/facts"
)

// imageChecks are the checks of a node that an image must pass as well.
var imageChecks = map[string]bool{"agent-installed": true, "agent-packaging": true, "agent-config": true, "agent-service": true}

// inProfile reports whether a check belongs to a profile.
func inProfile(c *checks.Check, profile string) bool {
	if profile == checks.ProfileImage {
		return c.Profile == checks.ProfileImage || imageChecks[c.ID]
	}
	return c.Profile == ""
}

// judgeImage is the gate for machine images: ready only when every check of the
// profile passes. State managed stands for ready: machines started from the
// image have what they need; whether they will be accepted is not asked.
func judgeImage(f *facts.Facts, found diagnose.Findings) *report.Report {
	r := build(f, found, diagnose.DiagnoseImage(f, found))
	r.Profile = checks.ProfileImage
	if b := f.Broken(); b != "" {
		r.State, r.Summary = report.Unknown, "the image could not be judged: "+b
		return r
	}
	r.State = report.Managed
	r.Summary = "the image is ready: the agent is installed and enabled, and nothing of a node is left in it"
	for _, c := range r.Checks {
		if c.Status == string(checks.Unknown) && r.State == report.Managed {
			r.State, r.Summary = report.Unknown, "the image could not be judged: "+c.ID+": "+c.Summary
		}
		if c.Status == string(checks.Fail) {
			r.State = report.NotManaged
		}
	}
	if r.State == report.NotManaged && r.RootCause != nil {
		r.RootCause.Severity = string(causes.Critical)
		r.Summary = r.RootCause.Summary
	}
	return r
}
