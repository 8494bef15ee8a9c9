//go:build unix && !linux

package safefile

import "golang.org/x/sys/unix"

// search opens a folder to look names up in it.
const search = unix.O_RDONLY

func terminal(fd int) bool {
	_, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	return err == nil
}
