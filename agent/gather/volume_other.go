//go:build !darwin

package gather

// setVolume: Linux has files that tell of mounts, and Windows is asked in its own way.
func setVolume(*Env, *rootFS) {}
