package svc

import "golang.org/x/sys/windows/svc/eventlog"

// openEvents opens the Application log under the source that the installation has
// registered; without that the texts are kept too, under a remark of the viewer.
func openEvents() (events, error) { return eventlog.Open(Name) }
