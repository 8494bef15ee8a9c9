//go:build !windows

package svc

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/kardianos/service"

	"ssm-doctor/agent/safefile"
)

const whereLogs = "see /var/log/ssm-doctor.err or the system log"

func privileged() bool { return os.Geteuid() == 0 }

// prepareFolder: the folders of configuration and state are root's elsewhere.
func prepareFolder(string) error { return nil }

func removeFolder(string) {}

// OwnedByAdmin refuses a configuration that somebody else than root and the user of
// this process could have written.
func OwnedByAdmin(path string) error {
	err := safefile.Settings(path)
	if errors.Is(err, safefile.ErrRefused) {
		return fmt.Errorf("%w; let it and the folders above belong to root, writable by root only", err)
	}
	return nil // what cannot be read at all is told by who reads it
}

// registerWindows is never called here.
func registerWindows(service.Service, string) (bool, error) {
	return false, errors.ErrUnsupported
}

// setRecovery: launchd keeps the service alive; the scripts of OpenRC and SysV
// know no restart.
func setRecovery() (bool, error) { return false, nil }

// registeredProgram: only Windows tells.
func registeredProgram() (string, error) { return "", errors.ErrUnsupported }

func verifyRegistration(executable string) error {
	file := scriptFile()
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the service's script: %w", err)
	}
	if !strings.Contains(string(b), executable) {
		return fmt.Errorf("%s does not start %s", file, executable)
	}
	return nil
}
