package engine

import (
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
)

// features says for each Systems Manager feature whether the node's rights are known to suffice.
func features(f *facts.Facts) []report.Feature {
	return nil
}
