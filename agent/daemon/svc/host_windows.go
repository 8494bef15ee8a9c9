package svc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kardianos/service"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

const whereLogs = "see the Application event log, source ssm-doctor"

// recovery: three restarts, further and further apart. The count starts over
// after a day without failure.
var recovery = []mgr.RecoveryAction{
	{Type: mgr.ServiceRestart, Delay: 10 * time.Second},
	{Type: mgr.ServiceRestart, Delay: time.Minute},
	{Type: mgr.ServiceRestart, Delay: 5 * time.Minute},
}

const recoveryReset = 24 * 60 * 60 // seconds

func privileged() bool { return windows.GetCurrentProcessToken().IsElevated() }

// stateDir is where serve keeps its history.
func stateDir() string {
	if dir := os.Getenv("ProgramData"); dir != "" {
		return filepath.Join(dir, Name)
	}
	return ""
}

func withService(f func(s *mgr.Service) error) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("connect to the service manager: %w", err)
	}
	defer func() { _ = m.Disconnect() }()
	s, err := m.OpenService(Name)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return ErrNotInstalled
	}
	if err != nil {
		return fmt.Errorf("open the service: %w", err)
	}
	defer func() { _ = s.Close() }()
	return f(s)
}

func commandLine(executable string) string {
	return windows.ComposeCommandLine([]string{executable, "serve"})
}

// registerWindows installs the service or updates its registration.
func registerWindows(s service.Service, executable string) (bool, error) {
	changed := false
	err := withService(func(s *mgr.Service) error {
		c, err := s.Config()
		if err != nil {
			return fmt.Errorf("read the registration: %w", err)
		}
		if sameCommand(c.BinaryPathName, executable) && c.StartType == mgr.StartAutomatic && c.Description == description {
			return nil
		}
		c.BinaryPathName, c.StartType, c.Description = commandLine(executable), mgr.StartAutomatic, description
		changed = true
		if err := s.UpdateConfig(c); err != nil {
			return fmt.Errorf("update the registration: %w", err)
		}
		return nil
	})
	if !errors.Is(err, ErrNotInstalled) {
		return changed, err
	}
	// A service that was just removed is gone once its last handle is closed.
	for range 20 {
		if err = s.Install(); err == nil || !errors.Is(err, windows.ERROR_SERVICE_MARKED_FOR_DELETE) {
			break
		}
		time.Sleep(pollEvery)
	}
	if err != nil {
		return false, fmt.Errorf("install the service: %w", err)
	}
	return true, nil
}

// sameCommand compares command lines whatever their quoting.
func sameCommand(got, executable string) bool {
	argv, err := windows.DecomposeCommandLine(got)
	return err == nil && len(argv) == 2 && strings.EqualFold(argv[0], executable) && argv[1] == "serve"
}

// setRecovery makes the service manager restart the service after a crash and
// after an exit with an error.
func setRecovery() (bool, error) {
	return true, withService(func(s *mgr.Service) error {
		if err := s.SetRecoveryActions(recovery, recoveryReset); err != nil {
			return err
		}
		return s.SetRecoveryActionsOnNonCrashFailures(true)
	})
}

func verifyRegistration(executable string) error {
	return withService(func(s *mgr.Service) error {
		c, err := s.Config()
		if err != nil {
			return err
		}
		if !sameCommand(c.BinaryPathName, executable) {
			return fmt.Errorf("the service starts %s and not %s", clean(c.BinaryPathName), executable)
		}
		if c.StartType != mgr.StartAutomatic {
			return errors.New("the service does not start with the system")
		}
		actions, err := s.RecoveryActions()
		if err != nil {
			return err
		}
		if len(actions) == 0 {
			return errors.New("the service is not restarted after a failure")
		}
		return nil
	})
}
