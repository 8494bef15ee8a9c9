package opsys

import (
	"bytes"
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// selinux reads the mode and what was refused to the agent.
func selinux(env *gather.Env) facts.Seen[facts.SELinux] {
	const enforce = "sys/fs/selinux/enforce"
	var s facts.SELinux
	from := gather.FileURL(enforce)
	if env.GOOS != "linux" {
		return facts.Absent[facts.SELinux]("only Linux has it", "")
	}
	v, err := gather.ReadText(env.FS, enforce)
	switch {
	case env.Live && err == nil && v == "1":
		s.Mode = "enforcing"
	case env.Live && err == nil:
		s.Mode = "permissive"
	case env.Live && !gather.Missing(err):
		return gather.Unknown[facts.SELinux](err, from)
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

// auditDenials reads the end of the audit log. Without one the kernel logs denials
// where they are not read.
func auditDenials(fsys gather.FileSystem) facts.Seen[[]facts.Denial] {
	const name = "var/log/audit/audit.log"
	b, err := gather.ReadTail(fsys, name, auditTail)
	switch {
	case gather.Missing(err):
		return facts.Unknown[[]facts.Denial]("there is no audit log, and the kernel's own log is not read", gather.FileURL(name))
	case err != nil && len(b) == 0:
		return gather.Unknown[[]facts.Denial](err, gather.FileURL(name))
	}
	return gather.Partly(parseAVC(b), err, gather.FileURL(name))
}

var (
	avcRE   = pattern.New(`msg=audit\((\d{1,12})[.\d]*:\d+\): +avc: +denied +\{ ([a-z_ ]{1,100}) \}`)
	fieldRE = pattern.New(`\b(comm|path|name|tcontext)=("[^"]*"|\S+)`)
)

// parseAVC finds access-vector refusals about the agent in audit records.
func parseAVC(b []byte) []facts.Denial {
	out := []facts.Denial{}
	gather.Lines(b, func(l []byte) bool {
		d, command, ok := denial(l)
		if !ok || !aboutAgent(command, d.Path) {
			return true
		}
		i := slices.IndexFunc(out, func(x facts.Denial) bool {
			return x.Permission == d.Permission && x.Path == d.Path && x.Target == d.Target
		})
		switch {
		case i >= 0:
			out[i].At = d.At
		case len(out) < maxDenials:
			out = append(out, d)
		}
		return true
	})
	return out
}

// denial reads one record and the name of the process. The path of a refusal may stand in the PATH record of
// the same event; only that of the AVC record is used.
func denial(l []byte) (d facts.Denial, command string, ok bool) {
	has := func(s string) bool { return bytes.Contains(l, []byte(s)) }
	if len(l) > 8<<10 || !has("denied") || !has("avc:") || !has("ssm") && !has("amazon") {
		return d, "", false
	}
	m := avcRE.FindSubmatch(l)
	if m == nil {
		return d, "", false
	}
	d = facts.Denial{Permission: strings.TrimSpace(string(m[2]))}
	if n, err := strconv.ParseInt(string(m[1]), 10, 64); err == nil {
		d.At = gather.SaneTime(time.Unix(n, 0))
	}
	for _, f := range fieldRE.FindAllSubmatch(l, 20) {
		v := gather.OneLine(strings.Trim(string(f[2]), `"`), 300)
		switch string(f[1]) {
		case "comm":
			command = v
		case "path":
			d.Path = v
		case "name":
			d.Path = cmp.Or(d.Path, v)
		case "tcontext":
			d.Target = v
		}
	}
	return d, command, true
}

// aboutAgent reports whether a refusal concerns the agent: its process, or one
// of its files. systemd names the process after the unit before it executes.
func aboutAgent(command, file string) bool {
	for _, p := range []string{"amazon-ssm", "ssm-agent", "ssm-document", "ssm-session", "(ssm-agent", "(amazon-ss", "(agent)"} {
		if strings.HasPrefix(command, p) && (p != "(agent)" || strings.Contains(file, "ssm")) {
			return true
		}
	}
	base := path.Base(file)
	return strings.HasPrefix(base, "amazon-ssm-agent") || strings.HasPrefix(base, "ssm-") || strings.Contains(file, "/amazon/ssm")
}

// fapolicyd tells the state of the file access policy daemon.
func fapolicyd(env *gather.Env) facts.Seen[string] {
	if env.GOOS != "linux" {
		return facts.Absent[string]("only Linux has it", "")
	}
	installed := gather.Exists(env.FS, "usr/sbin/fapolicyd") || gather.Exists(env.FS, "etc/fapolicyd/fapolicyd.conf")
	if !installed {
		return facts.Absent[string]("not installed", "file:/usr/sbin/fapolicyd")
	}
	if !env.Live {
		return gather.NotAskable[string](gather.NotLive, "file:/usr/sbin/fapolicyd")
	}
	for _, p := range []string{"run/fapolicyd/fapolicyd.fifo", "run/fapolicyd.pid", "run/fapolicyd/fapolicyd.pid"} {
		if _, err := env.FS.Lstat(p); err == nil {
			return facts.Known("running", gather.FileURL(p))
		}
	}
	return facts.Known("stopped", "file:/run/fapolicyd")
}
