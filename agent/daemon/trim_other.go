//go:build !linux

package daemon

// Trim does nothing: there is no plain way here.
func Trim() {}
