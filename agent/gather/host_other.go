//go:build !unix

package gather

import (
	"io/fs"
	"os"
	"os/exec"

	"ssm-doctor/checks/facts"
)

const openNonblock = 0

const cleanDir = ""

func isLoop(error) bool { return false }

func isNotDir(error) bool { return false }

// hostRoot is the root of the running system: the system drive.
func hostRoot() string {
	if d := os.Getenv("SystemDrive"); d != "" {
		return d + `\`
	}
	return `C:\`
}

func ownGroup(*exec.Cmd) {}

func fileOwner(fs.FileInfo) (int, bool) { return -1, false }

func hostPrivilege() facts.Seen[bool] {
	return facts.Unknown[bool]("no user id on this operating system", "")
}
