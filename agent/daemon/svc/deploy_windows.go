package svc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
	"golang.org/x/sys/windows/svc/mgr"

	"ssm-doctor/agent/safefile"
)

// NewDeployment is of the package in whose folder this program lies.
func NewDeployment(m *Manager, executable, stateDir string) (*Deployment, error) {
	if !privileged() {
		return nil, ErrPrivilege
	}
	programs, err := windows.KnownFolderPath(windows.FOLDERID_ProgramFiles, 0)
	if err != nil {
		return nil, fmt.Errorf("find the folder of programs: %w", err)
	}
	return &Deployment{
		From: filepath.Dir(executable), Home: filepath.Join(programs, Name), Program: Name + ".exe", StateDir: stateDir,
		Getenv: os.Getenv, Out: os.Stdout, Host: thisHost{m},
	}, nil
}

type thisHost struct{ m *Manager }

// runLimit is longer than the longest wait for a service, to stop and to start it.
const runLimit = maxWait*time.Second + 3*time.Minute

func (thisHost) Run(ctx context.Context, program string, args ...string) (string, error) {
	// The agent runs this as the system, and some of the programs lie where an administrator
	// has put them.
	program, err := safefile.Program(program)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", err
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrNotTrusted, err)
	}
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = childEnv(os.Environ())
	var out bounded
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	return out.String(), err
}

func (h thisHost) Stop(ctx context.Context) error { return h.m.Stop(ctx) }

func (thisHost) Service() (string, error) {
	program, err := registeredProgram()
	if errors.Is(err, ErrNotInstalled) {
		err = nil
	}
	return program, err
}

// registeredProgram is the program that the service starts.
func registeredProgram() (program string, err error) {
	err = withService(func(s *mgr.Service) error {
		var need uint32
		buffer := make([]byte, 8<<10) // the most that the call may ask for
		c := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(unsafe.SliceData(buffer)))
		if err := windows.QueryServiceConfig(s.Handle, c, uint32(len(buffer)), &need); err != nil {
			return fmt.Errorf("read the registration: %w", err)
		}
		argv, err := windows.DecomposeCommandLine(windows.UTF16PtrToString(c.BinaryPathName))
		if err != nil || len(argv) == 0 {
			return errors.New("the registration of the service names no program")
		}
		program = argv[0]
		return nil
	})
	return program, err
}

func (thisHost) Disable() error {
	return withService(func(s *mgr.Service) error {
		const same = windows.SERVICE_NO_CHANGE
		return windows.ChangeServiceConfig(s.Handle, same, windows.SERVICE_DISABLED, same, nil, nil, nil, nil, nil, nil, nil)
	})
}

func (thisHost) Installer() bool {
	const list = `SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall`
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, list, registry.READ)
	if err != nil {
		return false
	}
	defer k.Close()
	products, err := k.ReadSubKeyNames(-1)
	if err != nil {
		return false
	}
	for _, p := range products {
		if ofInstaller(list + `\` + p) {
			return true
		}
	}
	return false
}

// ofInstaller: a key of an installed program is ssm-doctor's, by Windows Installer.
func ofInstaller(key string) bool {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.QUERY_VALUE)
	if err != nil {
		return false
	}
	defer k.Close()
	name, _, err := k.GetStringValue("DisplayName")
	if err != nil || !strings.HasPrefix(strings.ToLower(name), Name) {
		return false
	}
	by, _, err := k.GetIntegerValue("WindowsInstaller")
	return err == nil && by == 1
}

// childEnv is the environment for a program of ours: it would take the arguments of the
// package for its own flags, and the agent sets proxies even when there is none.
func childEnv(env []string) []string {
	var out []string
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		switch upper := strings.ToUpper(name); {
		case strings.HasPrefix(upper, "SSM_DOCTOR_"):
		case value == "" && (upper == "HTTP_PROXY" || upper == "HTTPS_PROXY" || upper == "NO_PROXY"):
		default:
			out = append(out, e)
		}
	}
	return out
}
