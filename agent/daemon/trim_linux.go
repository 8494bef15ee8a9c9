package daemon

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Trim unmaps the pages of the program's own code and constants; those that are still
// used come back from the page cache when they are. Most code runs at start and with
// a run only, and the kernel maps more of it at a time than is used. They are never written
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
	constants := fixedConstants()
	for line := range bytes.Lines(maps) {
		if from, to, ok := codeOf(string(line), exe, constants); ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}

// fixed is below what a program that the loader may place anywhere is placed at.
const fixed = 1 << 28

// codeOf reads a line of /proc/self/maps when it is code of a program, or constants of one
// that always lies at the same place, where no loader writes into them.
func codeOf(line, exe string, constants bool) (from, to uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) < 6 || f[1] != "r-xp" && f[1] != "r--p" || f[5] != exe {
		return 0, 0, false
	}
	a, b, _ := strings.Cut(f[0], "-")
	x, err1 := strconv.ParseUint(a, 16, 64)
	y, err2 := strconv.ParseUint(b, 16, 64)
	return uintptr(x), uintptr(y), err1 == nil && err2 == nil && x < y && (f[1] == "r-xp" || constants && y < fixed)
}

// fixedConstants reports whether no loader writes into constants of this program.
func fixedConstants() bool {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, _ := io.ReadFull(f, head)
	return neverWritten(head[:n])
}

// neverWritten reads the beginning of a 64-bit program: whether it has no loader
// (PT_INTERP), and no part that is written first and read-only then (PT_GNU_RELRO).
// Source: elf(5).
func neverWritten(head []byte) bool {
	if len(head) < 64 || string(head[:5]) != "\x7fELF\x02" {
		return false
	}
	at, size, n := binary.NativeEndian.Uint64(head[32:]), int(binary.NativeEndian.Uint16(head[54:])), int(binary.NativeEndian.Uint16(head[56:]))
	if at > 4096 || size < 4 || n == 0 || int(at)+n*size > len(head) {
		return false
	}
	for i := range n {
		switch binary.NativeEndian.Uint32(head[int(at)+i*size:]) {
		case 3, 0x6474e552: // PT_INTERP, PT_GNU_RELRO
			return false
		}
	}
	return true
}
