//go:build unix

package plugin

import (
	"os"
	"syscall"
)

// writeProgram holds up forks meanwhile: a child that has inherited the open file would
// make its execution fail with "text file busy".
func writeProgram(path, text string) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, []byte(text), 0o700)
}
