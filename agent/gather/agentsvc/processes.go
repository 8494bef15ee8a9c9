package agentsvc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/sorting"
)

// Executables of the agent that make a node.
const (
	ExeCore   = "amazon-ssm-agent"
	exeWorker = "ssm-agent-worker"
)

// maxComm is how much of a program's name the kernel keeps in comm.
const maxComm = 15

// maxProcesses bounds the agent's processes that are described.
const maxProcesses = 200

// exeOf returns the executable of a process. Without the right to read the
// link, the name the kernel keeps must do; then exe is only that name.
func exeOf(fsys gather.FileSystem, pid string) (exe string, deleted bool) {
	s, err := fsys.Readlink("proc/" + pid + "/exe")
	if err == nil {
		return strings.CutSuffix(s, " (deleted)")
	}
	if gather.Missing(err) {
		return "", false
	}
	comm, err := gather.ReadText(fsys, "proc/"+pid+"/comm")
	if err != nil {
		return "", false
	}
	for _, n := range []string{ExeCore, exeWorker} {
		if comm == n[:min(len(n), maxComm)] {
			return n, false
		}
	}
	return "", false
}

// asking reports of a process whether this program has started it, to ask an executable of
// the agent for its version: it is gone in a moment, and is no agent.
func asking(fsys gather.FileSystem) func(pid string) bool {
	self, err := fsys.Readlink("proc/self")
	return func(pid string) bool {
		if err != nil {
			return false
		}
		b, err := gather.ReadFile(fsys, "proc/"+pid+"/stat", gather.MaxSmall)
		return err == nil && parentOf(b) == self
	}
}

// parentOf reads the id of a process's parent from /proc/PID/stat; empty: it has none.
func parentOf(b []byte) string {
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // the name may hold anything
	if len(f) < 2 {
		return ""
	}
	return string(f[1])
}

// coreProcesses lists the process ids of the core agent.
func coreProcesses(env *gather.Env) []string {
	ps, err := hostfile.PIDs(env.FS)
	if err != nil {
		return nil
	}
	var out []string
	around := sync.OnceValue(func() surroundings { return surroundingsOf(env) })
	ours := asking(env.FS)
	for _, p := range ps {
		exe, _ := exeOf(env.FS, p)
		if path.Base(exe) != ExeCore || len(out) >= 10 || ours(p) {
			continue
		}
		if _, other := around().foreign(p, exe, hostfile.Owner(env.FS, p)); !other {
			out = append(out, p)
		}
	}
	return out
}

// Processes reads the agent's processes.
func Processes(ctx context.Context, env *gather.Env) facts.Seen[facts.Processes] {
	const from = "file:/proc"
	if !env.Live {
		return gather.NotAskable[facts.Processes](gather.NotLive, from)
	}
	switch {
	case env.GOOS == "windows" && env.Windows != nil:
		return windowsProcesses(env.Windows.Processes([]string{ExeCore, exeWorker}))
	case env.GOOS == "darwin":
		return macProcesses(ctx, env)
	case env.GOOS != "linux":
		return gather.NotAskable[facts.Processes](gather.ErrUnsupported.Error(), "")
	}
	all, err := hostfile.PIDs(env.FS)
	if err != nil {
		return gather.Unknown[facts.Processes](err, from)
	}
	boot := hostfile.BootTime(env.FS)
	out := facts.Processes{Core: []facts.Process{}, Worker: []facts.Process{}, Others: []facts.OtherProcess{}}
	n := 0
	around := sync.OnceValue(func() surroundings { return surroundingsOf(env) })
	ours := asking(env.FS)
	for _, pid := range all {
		exe, deleted := exeOf(env.FS, pid)
		list := processList(&out, path.Base(exe))
		if list == nil || n >= maxProcesses || ours(pid) {
			continue
		}
		n++
		p := facts.Process{Exe: gather.OneLine(exe, 300), Deleted: deleted}
		p.PID, _ = strconv.Atoi(pid)
		p.Owner = hostfile.Owner(env.FS, pid)
		if o, other := around().foreign(pid, exe, p.Owner); other {
			o.PID, o.Exe = p.PID, p.Exe
			out.Others = append(out.Others, o)
			continue
		}
		if b, err := gather.ReadFile(env.FS, "proc/"+pid+"/stat", gather.MaxSmall); err == nil {
			if t, ok := startTicks(b); ok && !boot.IsZero() {
				p.Started = gather.SaneTime(boot.Add(t))
			}
			p.Held = held(env.FS, pid, b)
		}
		p.Gone = around().gone(pid, exe, deleted)
		*list = append(*list, p)
	}
	for _, l := range []*[]facts.Process{&out.Core, &out.Worker} {
		sorting.By(*l, func(a, b facts.Process) int { return cmp.Compare(a.PID, b.PID) })
	}
	return facts.Known(out, from)
}

// held tells, by its stat, what keeps a process from running on; empty: nothing that was seen.
// Source: proc(5), state in /proc/PID/stat; the kernel's cgroup-v2.rst, cgroup.events.
func held(fsys gather.FileSystem, pid string, stat []byte) string {
	switch f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]); {
	case len(f) == 0:
		return ""
	case string(f[0]) == "T":
		return facts.HeldBySignal
	case string(f[0]) == "t":
		return facts.HeldByDebugger
	}
	groups, _ := gather.ReadFile(fsys, "proc/"+pid+"/cgroup", gather.MaxSmall)
	_, group, ok := bytes.Cut(groups, []byte("0::/"))
	if !ok {
		return ""
	}
	group, _, _ = bytes.Cut(group, []byte("\n"))
	events, _ := gather.ReadFile(fsys, path.Join("sys/fs/cgroup", path.Join("/", string(group)), "cgroup.events"), gather.MaxSmall)
	if bytes.Contains(events, []byte("frozen 1")) {
		return facts.HeldByFreezer
	}
	return ""
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

// socket is a line of /proc/net/tcp.
type socket struct {
	local, remote netip.AddrPort
	state         int
	txQueue       int
	retransmits   int
	uid           int
	inode         string
}

const tcpEstablished = 1

// inodeColumn is where a line of /proc/net/tcp has the inode of the socket.
const inodeColumn = 9

// socketOf is an established connection to port of the words of a line.
func socketOf(f [][]byte, port uint16) (socket, bool) {
	if len(f) <= inodeColumn {
		return socket{}, false
	}
	if st, err := strconv.ParseUint(string(f[3]), 16, 8); err != nil || st != tcpEstablished {
		return socket{}, false
	}
	remote, err := procAddr(string(f[2]))
	if err != nil || remote.Port() != port {
		return socket{}, false
	}
	local, err := procAddr(string(f[1]))
	if err != nil {
		return socket{}, false
	}
	uid, err := strconv.ParseUint(string(f[7]), 10, 32)
	if err != nil {
		return socket{}, false
	}
	s := socket{local: local, remote: remote, state: tcpEstablished, uid: int(uid), inode: string(f[inodeColumn])}
	if q, _, ok := strings.Cut(string(f[4]), ":"); ok {
		n, _ := strconv.ParseUint(q, 16, 31)
		s.txQueue = int(n)
	}
	n, _ := strconv.ParseUint(string(f[6]), 16, 31)
	s.retransmits = int(n)
	return s, true
}

// maxTCPTable bounds what is read of a table of connections.
const maxTCPTable = 8 << 20

// connections reads the established connections to port of this system. The kernel walks
// its whole table of hundreds of thousands of places each time that it is read to its end,
// and once more to say that this was the end: where all that is wanted are certain sockets,
// reading ends with the last of them. wanted is emptied; nil: all are.
func connections(fsys gather.FileSystem, port uint16, wanted map[string]bool) ([]socket, error) {
	var out []socket
	var unread error
	if len(wanted) > 0 { // the agent's processes talk over sockets of files; few hosts have many
		forgetUnix(fsys, wanted)
	}
	for _, name := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		if wanted != nil && len(wanted) == 0 {
			break
		}
		f, err := fsys.Open(name)
		if gather.Missing(err) {
			continue
		}
		if err == nil {
			var list []socket
			list, err = tcpTable(f, port, wanted)
			f.Close()
			out = append(out, list...)
		}
		if err != nil {
			unread = err
		}
	}
	return out, unread
}

// forgetUnix takes the sockets that /proc/net/unix lists out of a set.
func forgetUnix(fsys gather.FileSystem, wanted map[string]bool) {
	const inodeColumn = 6
	b, _ := gather.ReadFile(fsys, "proc/net/unix", gather.MaxSmall)
	gather.Lines(b, func(l []byte) bool {
		if words := bytes.Fields(l); len(words) > inodeColumn {
			delete(wanted, string(words[inodeColumn]))
		}
		return true
	})
}

// tcpTable reads one table of connections; at most maxSockets.
func tcpTable(f io.Reader, port uint16, wanted map[string]bool) ([]socket, error) {
	var out []socket
	buf := make([]byte, 16<<10)
	for have, all := 0, 0; all < maxTCPTable; {
		n, err := f.Read(buf[have:])
		have, all = have+n, all+n
		whole := bytes.LastIndexByte(buf[:have], '\n') + 1
		if whole == 0 && have == len(buf) || err != nil {
			whole = have // no such line is a connection; or the last has no end
		}
		gather.Lines(buf[:whole], func(l []byte) bool {
			words := bytes.Fields(l)
			if s, ok := socketOf(words, port); ok && len(out) < maxSockets {
				out = append(out, s)
			}
			if len(words) > inodeColumn {
				delete(wanted, string(words[inodeColumn]))
			}
			return true
		})
		have = copy(buf, buf[whole:have])
		switch {
		case errors.Is(err, io.EOF) || wanted != nil && len(wanted) == 0:
			return out, nil
		case err != nil:
			return out, err
		}
	}
	return out, gather.ErrTooLarge
}

// procAddr reads ADDRESS:PORT of /proc/net/tcp: 32-bit words in host order, in hex.
func procAddr(s string) (netip.AddrPort, error) {
	a, p, ok := strings.Cut(s, ":")
	port, err := strconv.ParseUint(p, 16, 16)
	b, err2 := hex.DecodeString(a)
	if !ok || err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("not an address: %q", gather.OneLine(s, 60))
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	ip, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("not an address: %q", gather.OneLine(s, 60))
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), nil
}

// pidsOf are the ids of the agent's processes.
func pidsOf(ps facts.Processes) []int {
	var pids []int
	for _, p := range slices.Concat(ps.Worker, ps.Core) {
		pids = append(pids, p.PID)
	}
	return pids
}

// Channel finds the agent's connections to port 443.
func Channel(ctx context.Context, env *gather.Env, ps facts.Seen[facts.Processes]) facts.Seen[[]facts.Socket] {
	const from = "file:/proc/net/tcp"
	if env.GOOS == "windows" && env.Windows != nil {
		return windowsChannel(env.Windows, ps)
	}
	if env.GOOS == "darwin" {
		return macChannel(ctx, env, ps)
	}
	if env.GOOS != "linux" {
		return gather.NotAskable[[]facts.Socket](gather.ErrUnsupported.Error(), "")
	}
	if !ps.Known() {
		return gather.Likewise[[]facts.Socket](ps)
	}
	owned := map[string]bool{} // inodes of sockets of the agent
	hidden := map[int]bool{}   // users of its processes that do not show theirs
	var denied error
	n := 0
	for _, list := range [][]facts.Process{ps.Value.Worker, ps.Value.Core} {
		for _, p := range list {
			n++
			if err := sockets(env.FS, strconv.Itoa(p.PID), owned); err != nil {
				denied = err
				uid, ok := p.Owner.Get()
				if !ok {
					uid = anyUser
				}
				hidden[uid] = true
			}
		}
	}
	out := []facts.Socket{}
	if n == 0 {
		return facts.Known(out, from)
	}
	var unread error
	mine := map[string]bool{} // of this program, which connects to the same addresses meanwhile
	if denied != nil {
		unread = sockets(env.FS, "self", mine)
	}
	var wanted map[string]bool
	if denied == nil {
		wanted = maps.Clone(owned)
		maps.DeleteFunc(wanted, func(_ string, connects bool) bool { return !connects })
	}
	tables, err := connections(env.FS, 443, wanted)
	unread = cmp.Or(err, unread)
	if denied != nil && unread == nil {
		unread = sockets(env.FS, "self", mine)
		// What this program opened and closed between the two looks is gone by now.
		still, err := connections(env.FS, 443, nil)
		tables = slices.DeleteFunc(tables, func(s socket) bool {
			return !slices.ContainsFunc(still, func(o socket) bool { return o.inode == s.inode })
		})
		unread = cmp.Or(err, unread)
	}
	unsure := false
	for _, s := range tables {
		x := facts.Socket{Local: s.local.String(), Remote: s.remote.String(), Retransmits: s.retransmits, Unacked: s.txQueue}
		if _, ok := owned[s.inode]; !ok {
			if _, ours := mine[s.inode]; ours || !hidden[s.uid] && !hidden[anyUser] {
				continue
			}
			x.Unsure, unsure = true, true
		}
		out = append(out, x)
	}
	// Where its user has no connection that could be the agent's, the agent has none.
	if unread == nil && unsure {
		unread = denied
	}
	return gather.Partly(out, unread, from)
}

// anyUser stands for a user that was not read.
const anyUser = -1

// sockets adds the inodes of the sockets that a process holds: true, but for those that it
// has only as standard streams, which lead to the journal. A process that has ended holds none.
func sockets(fsys gather.FileSystem, pid string, into map[string]bool) error {
	dir := "proc/" + pid + "/fd"
	es, err := fsys.ReadDir(dir)
	if err != nil {
		if gather.Missing(err) {
			return nil
		}
		return err
	}
	for _, e := range es {
		l, unread := fsys.Readlink(dir + "/" + e.Name())
		if unread != nil && !gather.Missing(unread) {
			err = unread // it may be a connection
		}
		if i, ok := strings.CutPrefix(l, "socket:["); ok {
			i = strings.TrimSuffix(i, "]")
			into[i] = into[i] || !slices.Contains([]string{"0", "1", "2"}, e.Name())
		}
	}
	return err
}
