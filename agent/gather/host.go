package gather

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"ssm-doctor/checks/facts"
)

// Host makes the environment of this machine with root as the examined tree;
// "" and "/" are the running system. A root that cannot be examined is an error
// that names it.
func Host(root string) (*Env, error) {
	dir, live := hostRoot(), true
	if root != "" && root != "/" {
		abs, err := filepath.Abs(root)
		if err != nil {
			return nil, err
		}
		if live = abs == filepath.Clean(dir); !live {
			dir = abs
		}
	}
	fsys, err := newRootFS(dir, live)
	if err != nil {
		return nil, err
	}
	env := &Env{
		FS: fsys, Root: dir, Live: live,
		GOOS: runtime.GOOS, GOARCH: runtime.GOARCH, Privileged: hostPrivilege(),
		Now: time.Now, Getenv: os.Getenv, Owner: fileOwner,
		Dial:   hostDial,
		Limits: DefaultLimits(), Memory: &Memory{},
		StatFS: func(name string) (facts.Usage, error) {
			p, err := fsys.real(name)
			if err != nil {
				return facts.Usage{}, pathError("statfs", name, err)
			}
			u, err := hostStatFS(p)
			if err != nil {
				return u, pathError("statfs", name, err)
			}
			return u, nil
		},
	}
	setNet(env)
	setVolume(env, fsys)
	if live {
		env.Root = "/"
		env.Exec = hostExec(env.Limits.Exec)
		env.Kernel = hostKernel
		setKernelNet(env)
		env.Windows = hostWindows()
	} else {
		setImage(env)
	}
	return env, nil
}

// hostDial opens a connection from the given local address, if any.
func hostDial(ctx context.Context, network, address string, local netip.Addr) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1, Control: oneSyn}
	if local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	return d.DialContext(ctx, network, address)
}
