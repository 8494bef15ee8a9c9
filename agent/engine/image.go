package engine

import (
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/diagnose"
	"ssm-doctor/checks/facts"
)

// judgeImage is the gate for machine images.
func judgeImage(f *facts.Facts, found diagnose.Findings, o Options) *report.Report {
	return build(f, found, diagnose.Diagnose(f, found))
}
