//go:build unix

package gather

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"ssm-doctor/checks/facts"
)

// openNonblock keeps an open from waiting for a FIFO's writer.
const openNonblock = syscall.O_NONBLOCK

const cleanDir = "/"

func isLoop(err error) bool { return errors.Is(err, syscall.ELOOP) }

func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// hostRoot is the root of the running system.
func hostRoot() string { return "/" }

// ownGroup makes a program's children end with it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			return cmd.Process.Kill()
		}
		return nil
	}
}

// fileOwner is the user id of a file's owner.
func fileOwner(fi fs.FileInfo) (int, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

func hostPrivilege() facts.Seen[bool] {
	return facts.Known(os.Geteuid() == 0, "effective user id")
}
