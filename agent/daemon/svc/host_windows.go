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

// folderRights of configuration and state: full for SYSTEM and Administrators, to
// whom it belongs, read for users, nothing inherited. What any user may make in
// ProgramData would otherwise tell a service of SYSTEM what to do.
const folderRights = "O:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;BU)"

// trustedInstaller owns the files of Windows itself.
const trustedInstaller = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

// prepareFolder makes the folder of configuration and state with rights of its
// own. It refuses one that somebody else has made, or put something into.
func prepareFolder(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	// Of the folder itself, not of what a link in its place leads to.
	h, err := windows.CreateFile(name, windows.READ_CONTROL|windows.WRITE_DAC|windows.WRITE_OWNER, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE,
		nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { _ = windows.CloseHandle(h) }()
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY == 0 || info.FileAttributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 {
		return fmt.Errorf("%s is not a folder", dir)
	}
	has, err := windows.GetSecurityInfo(h, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("read the owner of %s: %w", dir, err)
	}
	if err := trusted(dir, has); err != nil {
		return err
	}
	wants, err := windows.SecurityDescriptorFromString(folderRights)
	if err != nil {
		return err
	}
	owner, _, err := wants.Owner()
	if err != nil {
		return err
	}
	dacl, _, err := wants.DACL()
	if err != nil {
		return err
	}
	if err := windows.SetSecurityInfo(h, windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, owner, nil, dacl, nil); err != nil {
		return fmt.Errorf("set the rights of %s: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.Type()&^os.ModeDir != 0 {
			return fmt.Errorf("%s is neither file nor folder", path)
		}
		if err := OwnedByAdmin(path); err != nil {
			return err
		}
	}
	return nil
}

// removeFolder removes it if nothing of the administrator is in it.
func removeFolder(dir string) { _ = os.Remove(dir) }

// OwnedByAdmin refuses a file that a user without rights could have written. It
// is no concern of a process that has no rights itself.
func OwnedByAdmin(path string) error {
	if !privileged() {
		return nil
	}
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the owner of %s: %w", path, err)
	}
	return trusted(path, sd)
}

// trusted says whether what a descriptor was read from belongs to the system.
func trusted(path string, sd *windows.SECURITY_DESCRIPTOR) error {
	owner, _, err := sd.Owner()
	if err != nil {
		return fmt.Errorf("read the owner of %s: %w", path, err)
	}
	if owner.IsWellKnown(windows.WinLocalSystemSid) || owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) || owner.String() == trustedInstaller {
		return nil
	}
	return fmt.Errorf("%s belongs to %s and not to Administrators; remove it, or when it is yours: icacls \"%s\" /setowner *S-1-5-32-544", path, owner, path)
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
