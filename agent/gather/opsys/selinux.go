package opsys

import (
	"bytes"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

// selinux reads the mode and what was refused to the agent.
func selinux(env *gather.Env) facts.Seen[facts.SELinux] {
	const enforce = "sys/fs/selinux/enforce"
	s := facts.SELinux{Denials: []facts.Denial{}}
	from := gather.FileURL(enforce)
	v, err := gather.ReadText(env.FS, enforce)
	switch {
	case env.Live && err == nil && v == "1":
		s.Mode = "enforcing"
	case env.Live && err == nil:
		s.Mode = "permissive"
	case env.Live && !gather.Missing(err):
		return facts.Unknown[facts.SELinux](gather.Why(err), from)
	default:
		if env.Live {
			return facts.Absent[facts.SELinux]("not enabled in the kernel", from)
		}
		from = "file:/etc/selinux/config"
		b, err := gather.ReadFile(env.FS, "etc/selinux/config", gather.MaxSmall)
		if err != nil {
			return gather.Unseen[facts.SELinux](err, "etc/selinux/config")
		}
		for _, kv := range hostfile.ShellAssignments(b) {
			if kv[0] == "SELINUX" {
				s.Mode = gather.OneLine(kv[1], 20)
			}
		}
		if s.Mode == "" || s.Mode == "disabled" {
			return facts.Absent[facts.SELinux]("disabled in the configuration", from)
		}
	}
	s.Denials = auditDenials(env.FS)
	return facts.Known(s, from)
}

const (
	auditTail  = 1 << 20
	maxDenials = 50
)

// auditDenials reads the end of the audit log.
func auditDenials(fsys gather.FileSystem) []facts.Denial {
	f, err := fsys.Open("var/log/audit/audit.log")
	if err != nil {
		return []facts.Denial{}
	}
	defer f.Close()
	if fi, err := f.Stat(); err == nil && fi.Size() > auditTail {
		if s, ok := f.(io.Seeker); ok {
			if _, err := s.Seek(-auditTail, io.SeekEnd); err != nil {
				return []facts.Denial{}
			}
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, auditTail))
	if err != nil && len(b) == 0 {
		return []facts.Denial{}
	}
	return parseAVC(b)
}

var (
	avcRE   = regexp.MustCompile(`msg=audit\((\d{1,12})[.\d]*:\d+\): +avc: +denied +\{ ([a-z_ ]{1,100}) \}`)
	fieldRE = regexp.MustCompile(`\b(comm|path|name|exe|scontext|tcontext)=("[^"]*"|\S+)`)
)

// parseAVC finds access-vector refusals about the agent in audit records. The
// path of a record may stand in the PATH record of the same event; only that of
// the AVC record is used.
func parseAVC(b []byte) []facts.Denial {
	out := []facts.Denial{}
	gather.Lines(b, func(l []byte) bool {
		if !bytes.Contains(l, []byte("denied")) || !bytes.Contains(l, []byte("avc:")) || len(l) > 8<<10 {
			return true
		}
		if !bytes.Contains(l, []byte("ssm")) && !bytes.Contains(l, []byte("amazon")) {
			return true
		}
		m := avcRE.FindSubmatch(l)
		if m == nil {
			return true
		}
		d := facts.Denial{Permission: strings.TrimSpace(string(m[2])), Count: 1}
		if n, err := strconv.ParseInt(string(m[1]), 10, 64); err == nil {
			d.At = gather.SaneTime(time.Unix(n, 0))
		}
		for _, f := range fieldRE.FindAllSubmatch(l, 20) {
			v := gather.OneLine(strings.Trim(string(f[2]), `"`), 300)
			switch string(f[1]) {
			case "comm":
				d.Command = v
			case "path":
				d.Path = v
			case "name":
				if d.Path == "" {
					d.Path = v
				}
			case "scontext":
				d.Source = v
			case "tcontext":
				d.Target = v
			}
		}
		if !aboutAgent(d) {
			return true
		}
		for i, x := range out {
			if x.Permission == d.Permission && x.Command == d.Command && x.Path == d.Path && x.Source == d.Source && x.Target == d.Target {
				out[i].Count++
				out[i].At = d.At
				return true
			}
		}
		if len(out) < maxDenials {
			out = append(out, d)
		}
		return true
	})
	return out
}

// aboutAgent reports whether a refusal concerns the agent: its process, or one
// of its files. systemd names the process after the unit before it executes.
func aboutAgent(d facts.Denial) bool {
	c := d.Command
	for _, p := range []string{"amazon-ssm", "ssm-agent", "ssm-document", "ssm-session", "(ssm-agent", "(amazon-ss", "(agent)"} {
		if strings.HasPrefix(c, p) && (p != "(agent)" || strings.Contains(d.Path, "ssm")) {
			return true
		}
	}
	base := path.Base(d.Path)
	return strings.HasPrefix(base, "amazon-ssm-agent") || strings.HasPrefix(base, "ssm-") || strings.Contains(d.Path, "/amazon/ssm")
}

// fapolicyd tells the state of the file access policy daemon.
func fapolicyd(env *gather.Env) facts.Seen[string] {
	installed := gather.Exists(env.FS, "usr/sbin/fapolicyd") || gather.Exists(env.FS, "etc/fapolicyd/fapolicyd.conf")
	if !installed {
		return facts.Absent[string]("not installed", "file:/usr/sbin/fapolicyd")
	}
	if !env.Live {
		return facts.Unknown[string](gather.NotLive, "file:/usr/sbin/fapolicyd")
	}
	for _, p := range []string{"run/fapolicyd/fapolicyd.fifo", "run/fapolicyd.pid", "run/fapolicyd/fapolicyd.pid"} {
		if _, err := env.FS.Lstat(p); err == nil {
			return facts.Known("running", gather.FileURL(p))
		}
	}
	return facts.Known("stopped", "file:/run/fapolicyd")
}
