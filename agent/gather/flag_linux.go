package gather

import (
	"golang.org/x/sys/unix"

	"ssm-doctor/checks/facts"
)

// flagOf is the flag of a file of the running system that keeps everybody, root included,
// from changing it; empty: it has none, or the file system does not tell. A folder with one
// takes no new files. Source: statx(2), chattr(1).
func flagOf(name string) string {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, name, 0, 0, &st); err != nil {
		return ""
	}
	switch {
	case st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0:
		return facts.Immutable
	case st.Attributes&unix.STATX_ATTR_APPEND != 0:
		return facts.AppendOnly
	}
	return ""
}
