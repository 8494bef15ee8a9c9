package opsys

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

// maxFdinfo bounds what is read of the kernel's lists of watches in one run.
const maxFdinfo = 32 << 20

// inotify counts the watches of root's processes against the limit, which the
// kernel keeps per user; the agent runs as root.
func inotify(ctx context.Context, env *gather.Env) facts.Seen[facts.Inotify] {
	const limits = "proc/sys/fs/inotify/"
	if env.GOOS != "linux" {
		return facts.Absent[facts.Inotify](gather.ErrUnsupported.Error(), "")
	}
	if !env.Live {
		return facts.Unknown[facts.Inotify](gather.NotLive, "")
	}
	var x facts.Inotify
	read := func(name string) (int, error) {
		s, err := gather.ReadText(env.FS, limits+name)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(s)
	}
	var err error
	if x.MaxWatches, err = read("max_user_watches"); err != nil {
		return gather.Unseen[facts.Inotify](err, limits+"max_user_watches")
	}
	if x.MaxInstances, err = read("max_user_instances"); err != nil {
		return gather.Unseen[facts.Inotify](err, limits+"max_user_instances")
	}
	ps, err := hostfile.PIDs(env.FS)
	if err != nil {
		return facts.Unknown[facts.Inotify](gather.Why(err), "file:/proc")
	}
	x.Complete = true
	left := int64(maxFdinfo)
	for _, pid := range ps {
		if ctx.Err() != nil || left <= 0 {
			x.Complete = false
			break
		}
		left -= countWatches(env, "proc/"+pid, left, &x)
	}
	return facts.Known(x, "file:/proc")
}

// countWatches adds the watches of one process and returns how much it read.
func countWatches(env *gather.Env, dir string, left int64, x *facts.Inotify) int64 {
	es, err := env.FS.ReadDir(dir + "/fd")
	if err != nil {
		if !gather.Missing(err) && !errors.Is(err, io.EOF) {
			x.Complete = false
		}
		return 0
	}
	read, root, asked := int64(0), false, false
	for _, e := range es {
		l, err := env.FS.Readlink(path.Join(dir, "fd", e.Name()))
		if err != nil || !strings.HasSuffix(l, "inotify") || !strings.HasPrefix(l, "anon_inode:") {
			continue
		}
		if !asked {
			asked = true
			b, err := gather.ReadFile(env.FS, dir+"/status", gather.MaxSmall)
			uid, _ := hostfile.ParseStatus(b)
			root = err == nil && uid == 0
		}
		if !root {
			continue
		}
		x.UsedInstances++
		f, err := env.FS.Open(path.Join(dir, "fdinfo", e.Name()))
		if err != nil {
			x.Complete = x.Complete && gather.Missing(err)
			continue
		}
		n, r := countLines(io.LimitReader(f, left-read), []byte("inotify wd:"))
		f.Close()
		x.UsedWatches += n
		if read += r; read >= left {
			x.Complete = false
			break
		}
	}
	return read
}

// countLines counts lines with a prefix and the bytes read.
func countLines(r io.Reader, prefix []byte) (n int, total int64) {
	buf := make([]byte, 32<<10)
	have := 0
	for {
		m, err := r.Read(buf[have:])
		total += int64(m)
		have += m
		rest := buf[:have]
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			if bytes.HasPrefix(rest[:i], prefix) {
				n++
			}
			rest = rest[i+1:]
		}
		if len(rest) == len(buf) {
			rest = rest[:0]
		}
		have = copy(buf, rest)
		if err != nil {
			if bytes.HasPrefix(buf[:have], prefix) {
				n++
			}
			return n, total
		}
	}
}
