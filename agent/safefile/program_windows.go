package safefile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// trustedInstaller owns the files of Windows itself.
const trustedInstaller = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

// Program returns the path, without links, of a program that belongs to the system or
// to administrators, as do the folders that it lies in, but for the drive's root.
func Program(name string) (string, error) {
	if !filepath.IsAbs(name) {
		return "", refuse(name, "not an absolute path")
	}
	p, err := filepath.EvalSymlinks(name)
	if err != nil {
		return "", err
	}
	fi, err := os.Stat(p)
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", refuse(name, "no regular file but %s", kind(fi.Mode()))
	}
	for at := p; !strings.HasSuffix(at, `\`); at = filepath.Dir(at) {
		if err := systems(at); err != nil {
			return "", err
		}
	}
	return p, nil
}

// systems refuses what does not belong to the system or to administrators.
func systems(name string) error {
	sd, err := windows.GetNamedSecurityInfo(name, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("read the owner of %s: %w", name, err)
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return fmt.Errorf("read the owner of %s: %w", name, err)
	}
	if owner.IsWellKnown(windows.WinLocalSystemSid) || owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) || owner.String() == trustedInstaller {
		return nil
	}
	return refuse(name, "others than administrators could have put another program there: it belongs to %s", owner)
}
