//go:build !windows

package gather

// hostWindows is nil: this is not Windows.
func hostWindows() *Windows { return nil }
