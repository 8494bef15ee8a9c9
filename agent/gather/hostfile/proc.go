// Package hostfile parses files of a host that more than one source reads.
package hostfile

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// Mount is a line of mountinfo.
type Mount struct {
	Point, Kind  string
	Device, Root string // of the file system: major:minor, and the folder of it that is mounted
	Opts, Supers []string
}

// ParseMounts reads /proc/self/mountinfo, later mounts over earlier ones.
func ParseMounts(b []byte) []Mount {
	var out []Mount
	gather.Lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		sep := slices.Index(f, "-")
		if sep < 6 || len(f) < sep+4 || len(out) >= 10_000 {
			return true
		}
		out = append(out, Mount{
			Point: unoctal(f[4]), Kind: f[sep+1], Device: f[2], Root: unoctal(f[3]),
			Opts: strings.Split(f[5], ","), Supers: strings.Split(f[sep+3], ","),
		})
		return true
	})
	return out
}

// unoctal resolves \040 and the like.
func unoctal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// MountOf is the mount that holds a path.
func MountOf(ms []Mount, p string) (Mount, bool) {
	var best Mount
	ok := false
	for _, m := range ms {
		if (p == m.Point || m.Point == "/" || strings.HasPrefix(p, m.Point+"/")) && len(m.Point) >= len(best.Point) {
			best, ok = m, true
		}
	}
	return best, ok
}

// maxPIDs is the usual limit of the kernel.
const maxPIDs = 32768

// PIDs lists the process ids in /proc.
func PIDs(fsys gather.FileSystem) ([]string, error) {
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

// Owner is the effective user of a process.
func Owner(fsys gather.FileSystem, pid string) facts.Seen[int] {
	name := "proc/" + pid + "/status"
	b, err := gather.ReadFile(fsys, name, gather.MaxSmall)
	if err != nil {
		return gather.Unknown[int](err, gather.FileURL(name))
	}
	if uid, ok := parseStatus(b); ok {
		return facts.Known(uid, gather.FileURL(name))
	}
	return facts.Unknown[int]("no line Uid", gather.FileURL(name))
}

// parseStatus reads the effective user from /proc/PID/status.
func parseStatus(b []byte) (uid int, ok bool) {
	gather.Lines(b, func(l []byte) bool {
		v, is := bytes.CutPrefix(l, []byte("Uid:"))
		if f := bytes.Fields(v); is && len(f) > 1 {
			n, err := strconv.Atoi(string(f[1]))
			uid, ok = n, err == nil
		}
		return !is
	})
	return uid, ok
}

// BootTime is btime of /proc/stat; zero when unknown.
func BootTime(fsys gather.FileSystem) time.Time {
	b, err := gather.ReadFile(fsys, "proc/stat", gather.MaxSmall)
	if err != nil {
		return time.Time{}
	}
	var t time.Time
	gather.Lines(b, func(l []byte) bool {
		if v, ok := bytes.CutPrefix(l, []byte("btime ")); ok {
			if n, err := strconv.ParseInt(string(bytes.TrimSpace(v)), 10, 64); err == nil && n > 0 {
				t = gather.SaneTime(time.Unix(n, 0))
			}
			return false
		}
		return true
	})
	return t
}

// ParseEnviron reads /proc/PID/environ.
func ParseEnviron(b []byte) map[string]string {
	vars := map[string]string{}
	for kv := range strings.SplitSeq(string(b), "\x00") {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" && len(vars) < MaxVars {
			vars[k] = v
		}
	}
	return vars
}
