//go:build !unix && !windows

package safefile

import "os"

// Program cannot tell here who could have replaced a program.
func Program(name string) (string, error) { return name, nil }

func openFolder(dir string) (*os.Root, error) { return os.OpenRoot(dir) }
