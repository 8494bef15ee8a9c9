package facts

import (
	"ssm-doctor/checks/pattern"
)

// regionForm is the form of every Region name in use.
// Source: the Regions of aws-sdk-go-v2, internal/endpoints/v2.
var regionForm = pattern.New(`^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$`)

// IsRegion reports whether text has the form of a Region's name. Whether such a
// Region exists is not known here: new ones are opened.
func IsRegion(s string) bool { return len(s) <= 100 && regionForm.MatchString(s) }
