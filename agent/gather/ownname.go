//go:build windows || darwin

package gather

import (
	"os"
)

// ownName is the name this machine gives itself; empty when unknown.
func ownName() string {
	s, _ := os.Hostname()
	return s
}
