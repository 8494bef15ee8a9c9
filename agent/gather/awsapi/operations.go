package awsapi

import (
	"slices"

	"ssm-doctor/checks/facts"
)

// Operations are the AWS requests that a run with the given probe families may
// send, sorted.
func Operations(families []string) []string {
	out := []string{callerIdentity.action}
	for _, r := range defaultReads {
		out = append(out, r.action)
	}
	for _, f := range families {
		for _, r := range probeRows(f, &facts.Facts{}, nil) {
			out = append(out, r.action)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
