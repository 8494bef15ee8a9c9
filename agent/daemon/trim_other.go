//go:build !linux

package daemon

// Trim does nothing: this system has no simple way to unmap a program's own pages.
func Trim() {}
