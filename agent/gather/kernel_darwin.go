package gather

import (
	"time"

	"golang.org/x/sys/unix"

	"ssm-doctor/checks/facts"
)

func hostKernel() Kernel {
	k := Kernel{
		Interfaces: hostInterfaces(),
		Links:      plainLinks(),
		Rules:      NotAskable[[]facts.RoutingRule](ErrUnsupported.Error(), ""),
		Synced:     NotAskable[bool](ErrUnsupported.Error(), ""),
		ImageState: facts.Absent[string]("not Windows", ""),
		Hostname:   ownName(),
	}
	if tv, err := unix.SysctlTimeval("kern.boottime"); err == nil {
		k.Boot = time.Unix(tv.Unix())
	}
	return k
}

func hostStatFS(path string) (facts.Usage, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return facts.Usage{}, err
	}
	size := uint64(st.Bsize)
	// No blocks are reserved for root; inodes have no fixed number on APFS.
	return facts.Usage{TotalBytes: st.Blocks * size, FreeBytes: st.Bavail * size}, nil
}
