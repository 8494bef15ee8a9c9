//go:build !windows

package svc

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/kardianos/service"
)

const whereLogs = "see /var/log/ssm-doctor.err or the system log"

func privileged() bool { return os.Geteuid() == 0 }

// prepareFolder: the folders of configuration and state are root's elsewhere.
func prepareFolder(string) error { return nil }

func removeFolder(string) {}

// OwnedByAdmin matters on Windows, where any user may make the folder of the
// configuration.
func OwnedByAdmin(string) error { return nil }

// registerWindows is never called here.
func registerWindows(service.Service, string) (bool, error) {
	return false, errors.ErrUnsupported
}

// setRecovery: launchd keeps the service alive; the scripts of OpenRC and SysV
// know no restart.
func setRecovery() (bool, error) { return false, nil }

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
