//go:build !windows

package svc

import "errors"

// openEvents: service managers elsewhere keep standard error.
func openEvents() (events, error) { return nil, errors.ErrUnsupported }
