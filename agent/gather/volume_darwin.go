package gather

import "golang.org/x/sys/unix"

// setVolume lets the kernel describe file systems.
func setVolume(env *Env, fsys *rootFS) {
	env.Volume = func(name string) (Volume, error) {
		p, err := fsys.real(name)
		if err != nil {
			return Volume{}, pathError("statfs", name, err)
		}
		var st unix.Statfs_t
		if err := unix.Statfs(p, &st); err != nil {
			return Volume{}, pathError("statfs", name, err)
		}
		return Volume{
			Mount: unix.ByteSliceToString(st.Mntonname[:]), Type: unix.ByteSliceToString(st.Fstypename[:]),
			ReadOnly: st.Flags&unix.MNT_RDONLY != 0, NoExec: st.Flags&unix.MNT_NOEXEC != 0,
		}, nil
	}
}
