//go:build !linux

package gather

func withoutAmbient(start func() error) error { return start() }
