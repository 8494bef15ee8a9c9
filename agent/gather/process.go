package gather

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
)

// executables of the agent and the list each belongs to.
const (
	exeCore     = "amazon-ssm-agent"
	exeWorker   = "ssm-agent-worker"
	exeDocument = "ssm-document-worker"
	exeSession  = "ssm-session-worker"
)

// maxComm is how much of a program's name the kernel keeps in comm.
const maxComm = 15

const (
	maxPIDs      = 32768
	maxProcesses = 200 // of the agent
)

// pids lists the process ids in /proc.
func pids(fsys FileSystem) ([]string, error) {
	es, err := fsys.ReadDir("proc")
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(es))
	for _, e := range es {
		if n := e.Name(); n[0] >= '1' && n[0] <= '9' && len(out) < maxPIDs {
			out = append(out, n)
		}
	}
	return out, nil
}

// exeOf returns the executable of a process. Without the right to read the
// link, the name the kernel keeps must do; then exe is only that name.
func exeOf(fsys FileSystem, pid string) (exe string, deleted bool) {
	s, err := fsys.Readlink("proc/" + pid + "/exe")
	if err == nil {
		return strings.CutSuffix(s, " (deleted)")
	}
	if missing(err) {
		return "", false
	}
	comm, err := readText(fsys, "proc/"+pid+"/comm")
	if err != nil {
		return "", false
	}
	for _, n := range []string{exeCore, exeWorker, exeDocument, exeSession} {
		if comm == n[:min(len(n), maxComm)] {
			return n, false
		}
	}
	return "", false
}

// coreProcesses lists the process ids of the core agent.
func coreProcesses(env *Env) []string {
	ps, err := pids(env.FS)
	if err != nil {
		return nil
	}
	var out []string
	for _, p := range ps {
		if exe, _ := exeOf(env.FS, p); path.Base(exe) == exeCore && len(out) < 10 {
			out = append(out, p)
		}
	}
	return out
}

// gatherProcesses reads the agent's processes.
func gatherProcesses(ctx context.Context, env *Env) facts.Seen[facts.Processes] {
	const from = "file:/proc"
	if !env.Live {
		return facts.Unknown[facts.Processes](notLive, from)
	}
	switch {
	case env.GOOS == "windows" && env.Windows != nil:
		return windowsProcesses(env.Windows.Processes([]string{exeCore, exeWorker, exeDocument, exeSession}))
	case env.GOOS == "darwin":
		return macProcesses(ctx, env)
	case env.GOOS != "linux":
		return facts.Unknown[facts.Processes](errUnsupported.Error(), "")
	}
	all, err := pids(env.FS)
	if err != nil {
		return facts.Unknown[facts.Processes](why(err), from)
	}
	boot := bootTime(env.FS)
	out := facts.Processes{Core: []facts.Process{}, Worker: []facts.Process{}, Document: []facts.Process{}, Session: []facts.Process{}}
	n := 0
	for _, pid := range all {
		exe, deleted := exeOf(env.FS, pid)
		list := processList(&out, path.Base(exe))
		if list == nil || n >= maxProcesses {
			continue
		}
		n++
		p := facts.Process{Exe: oneLine(exe, 300), Deleted: deleted, UID: -1}
		p.PID, _ = strconv.Atoi(pid)
		if b, err := readFile(env.FS, "proc/"+pid+"/status", maxSmall); err == nil {
			p.UID, p.Parent = parseStatus(b)
		}
		if b, err := readFile(env.FS, "proc/"+pid+"/stat", maxSmall); err == nil && !boot.IsZero() {
			if t, ok := startTicks(b); ok {
				p.Started = saneTime(boot.Add(t))
			}
		}
		*list = append(*list, p)
	}
	for _, l := range []*[]facts.Process{&out.Core, &out.Worker, &out.Document, &out.Session} {
		slices.SortFunc(*l, func(a, b facts.Process) int { return cmp.Compare(a.PID, b.PID) })
	}
	return facts.Known(out, from)
}

// parseStatus reads the effective user and the parent from /proc/PID/status.
func parseStatus(b []byte) (uid, parent int) {
	uid = -1
	lines(b, func(l []byte) bool {
		if v, ok := bytes.CutPrefix(l, []byte("Uid:")); ok {
			if f := bytes.Fields(v); len(f) > 1 {
				if n, err := strconv.Atoi(string(f[1])); err == nil {
					uid = n
				}
			}
		} else if v, ok := bytes.CutPrefix(l, []byte("PPid:")); ok {
			parent, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
		}
		return true
	})
	return uid, parent
}

// startTicks reads a process's start since boot from /proc/PID/stat, in hundredths of a second there.
func startTicks(b []byte) (time.Duration, bool) {
	i := bytes.LastIndexByte(b, ')') // the name may hold anything
	if i < 0 {
		return 0, false
	}
	f := bytes.Fields(b[i+1:])
	if len(f) < 20 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(f[19]), 10, 64)
	if err != nil || n < 0 || n > 1<<40 {
		return 0, false
	}
	return time.Duration(n) * 10 * time.Millisecond, true
}

// bootTime is btime of /proc/stat; zero when unknown.
func bootTime(fsys FileSystem) time.Time {
	b, err := readFile(fsys, "proc/stat", maxSmall)
	if err != nil {
		return time.Time{}
	}
	var t time.Time
	lines(b, func(l []byte) bool {
		if v, ok := bytes.CutPrefix(l, []byte("btime ")); ok {
			if n, err := strconv.ParseInt(string(bytes.TrimSpace(v)), 10, 64); err == nil && n > 0 {
				t = saneTime(time.Unix(n, 0))
			}
			return false
		}
		return true
	})
	return t
}

// socket is a line of /proc/net/tcp.
type socket struct {
	local, remote netip.AddrPort
	state         int
	txQueue       int
	retransmits   int
	inode         string
}

const tcpEstablished = 1

// parseTCP reads established connections to port from /proc/net/tcp or tcp6; at most 1000.
func parseTCP(b []byte, port uint16) []socket {
	var out []socket
	lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 10 || len(out) >= 1000 {
			return true
		}
		st, err := strconv.ParseUint(f[3], 16, 8)
		if err != nil || st != tcpEstablished {
			return true
		}
		remote, err := procAddr(f[2])
		if err != nil || remote.Port() != port {
			return true
		}
		local, err := procAddr(f[1])
		if err != nil {
			return true
		}
		s := socket{local: local, remote: remote, state: int(st), inode: f[9]}
		if q, _, ok := strings.Cut(f[4], ":"); ok {
			n, _ := strconv.ParseUint(q, 16, 31)
			s.txQueue = int(n)
		}
		n, _ := strconv.ParseUint(f[6], 16, 31)
		s.retransmits = int(n)
		out = append(out, s)
		return true
	})
	return out
}

// procAddr reads ADDRESS:PORT of /proc/net/tcp: 32-bit words in host order, in hex.
func procAddr(s string) (netip.AddrPort, error) {
	a, p, ok := strings.Cut(s, ":")
	port, err := strconv.ParseUint(p, 16, 16)
	b, err2 := hex.DecodeString(a)
	if !ok || err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("not an address: %q", oneLine(s, 60))
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	ip, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("not an address: %q", oneLine(s, 60))
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), nil
}

// gatherChannel finds the agent's connections to port 443.
func gatherChannel(env *Env, ps facts.Seen[facts.Processes]) facts.Seen[[]facts.Socket] {
	const from = "file:/proc/net/tcp"
	if env.GOOS != "linux" {
		return facts.Unknown[[]facts.Socket](errUnsupported.Error(), "")
	}
	if !ps.Known() {
		return facts.Unknown[[]facts.Socket](ps.Reason(), from)
	}
	owner := map[string]int{} // inode to process
	var denied error
	n := 0
	for _, list := range [][]facts.Process{ps.Value.Worker, ps.Value.Core} {
		for _, p := range list {
			n++
			dir := fmt.Sprintf("proc/%d/fd", p.PID)
			es, err := env.FS.ReadDir(dir)
			if err != nil {
				if !missing(err) {
					denied = err
				}
				continue
			}
			for _, e := range es {
				l, err := env.FS.Readlink(dir + "/" + e.Name())
				if err != nil {
					continue
				}
				if i, ok := strings.CutPrefix(l, "socket:["); ok {
					owner[strings.TrimSuffix(i, "]")] = p.PID
				}
			}
		}
	}
	if denied != nil {
		return facts.Unknown[[]facts.Socket](why(denied), from)
	}
	out := []facts.Socket{}
	if n == 0 {
		return facts.Known(out, from)
	}
	for _, name := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		b, err := readFile(env.FS, name, 8<<20)
		if err != nil && !missing(err) {
			return facts.Unknown[[]facts.Socket](why(err), fileURL(name))
		}
		for _, s := range parseTCP(b, 443) {
			if pid, ok := owner[s.inode]; ok {
				out = append(out, facts.Socket{Local: s.local.String(), Remote: s.remote.String(), Retransmits: s.retransmits, Unacked: s.txQueue, PID: pid})
			}
		}
	}
	return facts.Known(out, from)
}
