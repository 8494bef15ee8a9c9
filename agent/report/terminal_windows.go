package report

import (
	"os"

	"golang.org/x/sys/windows"
)

// Terminal reports whether f is a console that understands escape sequences,
// switching that on, and how many cells wide it is. A console that refuses
// counts as no terminal: no colour, no glyphs outside ASCII.
func Terminal(f *os.File) (tty bool, width int) {
	h := windows.Handle(f.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(h, &mode); err != nil {
		return false, 0
	}
	var info windows.ConsoleScreenBufferInfo
	if err := windows.GetConsoleScreenBufferInfo(h, &info); err == nil {
		width = int(info.Window.Right-info.Window.Left) + 1
	}
	const vt = windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING
	if mode&vt == 0 && windows.SetConsoleMode(h, mode|vt) != nil {
		return false, width
	}
	return true, width
}
