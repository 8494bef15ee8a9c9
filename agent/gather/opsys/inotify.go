package opsys

import (
	"bytes"
	"cmp"
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
// kernel keeps per user; the agent runs as root. A count that lacks processes is
// a lower bound.
func inotify(ctx context.Context, env *gather.Env) facts.Seen[facts.Inotify] {
	const limits = "proc/sys/fs/inotify/"
	if env.GOOS != "linux" {
		return facts.Absent[facts.Inotify](gather.ErrUnsupported.Error(), "")
	}
	if !env.Live {
		return gather.NotAskable[facts.Inotify](gather.NotLive, "")
	}
	c := watchCount{env: env, left: maxFdinfo}
	read := func(name string) (int, error) {
		s, err := gather.ReadText(env.FS, limits+name)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(s)
	}
	var err error
	if c.MaxWatches, err = read("max_user_watches"); err != nil {
		return gather.Unseen[facts.Inotify](err, limits+"max_user_watches")
	}
	if c.MaxInstances, err = read("max_user_instances"); err != nil {
		return gather.Unseen[facts.Inotify](err, limits+"max_user_instances")
	}
	ps, err := hostfile.PIDs(env.FS)
	if err != nil {
		return gather.Unknown[facts.Inotify](err, "file:/proc")
	}
	for _, pid := range ps {
		if c.unread = cmp.Or(c.unread, ctx.Err()); ctx.Err() != nil || c.left <= 0 {
			break
		}
		c.process(pid)
	}
	if c.unread != nil {
		return facts.Partly(c.Inotify, gather.Why(c.unread), "file:/proc").Because(gather.Obstacle(c.unread))
	}
	return facts.Known(c.Inotify, "file:/proc")
}

// watchCount adds up watches.
type watchCount struct {
	facts.Inotify
	env    *gather.Env
	left   int64 // that may still be read
	unread error // why the count lacks something
}

// process adds the watches of one process if it is root's.
func (c *watchCount) process(pid string) {
	dir := "proc/" + pid
	es, err := c.env.FS.ReadDir(dir + "/fd")
	if err != nil {
		if !gather.Missing(err) && !errors.Is(err, io.EOF) {
			c.unread = cmp.Or(c.unread, err)
		}
		return
	}
	asked := false
	for _, e := range es {
		l, err := c.env.FS.Readlink(path.Join(dir, "fd", e.Name()))
		if err != nil || !strings.HasSuffix(l, "inotify") || !strings.HasPrefix(l, "anon_inode:") {
			continue
		}
		if !asked {
			asked = true
			if uid, known := hostfile.Owner(c.env.FS, pid).Get(); !known || uid != 0 {
				return
			}
		}
		c.UsedInstances++
		c.watches(path.Join(dir, "fdinfo", e.Name()))
		if c.left <= 0 {
			return
		}
	}
}

// watches adds the watches of one instance.
func (c *watchCount) watches(name string) {
	f, err := c.env.FS.Open(name)
	if err != nil {
		if !gather.Missing(err) {
			c.unread = cmp.Or(c.unread, err)
		}
		return
	}
	defer f.Close()
	n, read := countLines(io.LimitReader(f, c.left), []byte("inotify wd:"))
	c.UsedWatches += n
	if c.left -= read; c.left <= 0 {
		c.unread = cmp.Or(c.unread, gather.ErrTooLarge)
	}
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
