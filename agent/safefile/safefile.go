// Package safefile writes and reads files in folders that other users of this host
// may have their hands in, and tells whether a program could have been replaced by one
// of them. Folders are opened step by step and kept open; what is checked is what is
// used afterwards: names are never looked up a second time.
package safefile

import (
	"errors"
	"fmt"
	"io/fs"
)

// ErrRefused is in errors about places that could be in the hands of other users, or
// that are something else than a regular file.
var ErrRefused = errors.New("refused")

// refusal is an error with a reason for the reader.
type refusal struct{ name, why string }

func (r refusal) Error() string { return r.name + ": " + r.why }

func (r refusal) Is(target error) bool { return target == ErrRefused }

func refuse(name, format string, a ...any) error {
	return refusal{name, fmt.Sprintf(format, a...)}
}

// maxLinks is the kernel's limit on links in one path.
const maxLinks = 40

// kind is what stands in the place of a regular file.
func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeSymlink != 0:
		return "a link"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}
