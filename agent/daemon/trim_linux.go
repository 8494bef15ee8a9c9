package daemon

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Trim unmaps the pages of the program's own code and constants; those that are still
// used come back from the page cache when they are. Most code runs at start and with
// a run only, and the kernel maps it in generous pieces. They are never written
// to, so nothing is lost; constants that a loader may have relocated are left alone.
func Trim() {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range bytes.Lines(maps) {
		if from, to, ok := codeOf(string(line), exe); ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}

// fixed is below what a program that the loader may place anywhere is placed at.
const fixed = 1 << 28

// codeOf reads a line of /proc/self/maps when it is code of a program, or constants of one
// that always lies at the same place, so that nothing in them is relocated.
func codeOf(line, exe string) (from, to uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) < 6 || f[1] != "r-xp" && f[1] != "r--p" || f[5] != exe {
		return 0, 0, false
	}
	a, b, _ := strings.Cut(f[0], "-")
	x, err1 := strconv.ParseUint(a, 16, 64)
	y, err2 := strconv.ParseUint(b, 16, 64)
	return uintptr(x), uintptr(y), err1 == nil && err2 == nil && x < y && (f[1] == "r-xp" || y < fixed)
}
