package work

import (
	"io/fs"
	"syscall"
	"time"
)

// changed is when a file came to be what and where it is, which packages, unlike its
// time of modification, do not set.
func changed(fi fs.FileInfo) time.Time {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}
	}
	return time.Unix(st.Ctim.Unix())
}
