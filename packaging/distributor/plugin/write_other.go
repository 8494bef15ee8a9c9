//go:build !unix

package plugin

import "os"

func writeProgram(path, text string) error { return os.WriteFile(path, []byte(text), 0o700) }
