//go:build unix

package report

import (
	"os"

	"golang.org/x/sys/unix"
)

// Terminal reports whether f is a terminal and how many cells wide it is; the
// width is 0 when the terminal does not say.
func Terminal(f *os.File) (tty bool, width int) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return false, 0
	}
	return true, int(size.Col)
}
