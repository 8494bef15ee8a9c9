package gather

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
)

// pkgName is the agent's name in every package database.
const pkgName = "amazon-ssm-agent"

// dpkgStatus is a stanza of dpkg's status file.
type dpkgStatus struct{ status, version string }

// parseDpkg finds the stanza of a package in dpkg's status file, read as a
// stream: the file may have several megabytes.
func parseDpkg(r io.Reader, pkg string) (dpkgStatus, bool, error) {
	want := []byte("Package: " + pkg)
	buf := make([]byte, 64<<10)
	var st dpkgStatus
	in, n := false, 0
	start := true // at the beginning of a line
	for {
		m, err := r.Read(buf[n:])
		n += m
		rest := buf[:n]
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			l := rest[:i]
			rest = rest[i+1:]
			if !start {
				start = true
				continue
			}
			switch {
			case len(l) == 0:
				if in {
					return st, true, nil
				}
			case bytes.Equal(bytes.TrimRight(l, " \r"), want):
				in, st = true, dpkgStatus{}
			case in && bytes.HasPrefix(l, []byte("Package:")):
				return st, true, nil
			case in && bytes.HasPrefix(l, []byte("Status: ")):
				st.status = oneLine(string(l[8:]), 100)
			case in && bytes.HasPrefix(l, []byte("Version: ")):
				st.version = oneLine(string(l[9:]), 100)
			}
		}
		if len(rest) == len(buf) { // an overlong line
			rest, start = nil, false
		}
		n = copy(buf, rest)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return st, in, err
		}
	}
}

var versionRE = regexp.MustCompile(`^\d+(\.\d+){1,3}$`)

// agentVersion removes a package revision; empty when it is no version.
func agentVersion(s string) string {
	s = strings.TrimSpace(s)
	if _, v, ok := strings.Cut(s, ":"); ok {
		s = v
	}
	s, _, _ = strings.Cut(s, "-")
	if len(s) > 40 || !versionRE.MatchString(s) {
		return ""
	}
	return s
}

// gatherInstallations looks at every place an agent may be installed in.
func gatherInstallations(ctx context.Context, env *Env, a *facts.Agent) {
	a.Installations = []facts.Installation{}
	a.InstallationsRead = facts.Known(true, "")
	note := func(in facts.Installation, ok bool, err error) {
		if err != nil {
			a.InstallationsRead = facts.Unknown[bool](why(err), "")
		}
		if ok {
			a.Installations = append(a.Installations, in)
		}
	}
	switch env.GOOS {
	case "windows":
		note(bare(ctx, env, "windows", programFolder(env), ".exe"))
	case "darwin":
		note(bare(ctx, env, "macos", "opt/aws/ssm/bin", ""))
	default:
		deb, ok, err := debInstall(env)
		note(deb, ok, err)
		rpm, rpmOK, err := rpmInstall(ctx, env)
		note(rpm, rpmOK, err)
		snap, snapOK, err := snapInstall(env)
		note(snap, snapOK, err)
		if !ok && !rpmOK {
			note(bare(ctx, env, "binary", "usr/bin", ""))
		}
		note(bare(ctx, env, "binary", "usr/local/bin", ""))
		if !env.Live && len(a.Installations) == 0 && !exists(env.FS, "usr/bin") {
			a.InstallationsRead = facts.Unknown[bool]("the examined tree has no /usr/bin", "")
		}
	}
}

// inspect looks at the executables of an installation.
func inspect(env *Env, in *facts.Installation, suffix string) error {
	dir := clean(in.Dir)
	core := path.Join(dir, exeCore+suffix)
	fi, err := env.FS.Stat(core)
	switch {
	case err == nil:
		in.CoreMode = fi.Mode().String()
		in.Core = facts.Known(fi.Mode().IsRegular() && (fi.Mode()&0o111 != 0 || env.GOOS == "windows"), fileURL(core))
		if env.Attr != nil {
			if l, err := env.Attr(core, "security.selinux"); err == nil {
				in.CoreLabel = oneLine(l, 200)
			}
		}
	case missing(err):
		in.Core = facts.Known(false, fileURL(core))
	default:
		in.Core = facts.Unknown[bool](why(err), fileURL(core))
	}
	worker := path.Join(dir, exeWorker+suffix)
	_, werr := env.FS.Stat(worker)
	switch {
	case werr == nil:
		in.Worker = facts.Known(true, fileURL(worker))
	case missing(werr):
		in.Worker = facts.Known(false, fileURL(worker))
	default:
		in.Worker = facts.Unknown[bool](why(werr), fileURL(worker))
	}
	if err != nil && !missing(err) {
		return err
	}
	return nil
}

// bare is an agent that no package database knows. Only then is it run to tell
// its version, and only on the running system.
func bare(ctx context.Context, env *Env, kind, dir, suffix string) (facts.Installation, bool, error) {
	in := facts.Installation{Kind: kind, Dir: "/" + dir}
	if err := inspect(env, &in, suffix); err != nil {
		return in, false, err
	}
	if ok, known := in.Core.Get(); known && !ok && in.CoreMode == "" {
		return in, false, nil
	}
	core := "/" + path.Join(dir, exeCore+suffix)
	if env.GOOS == "windows" {
		core = `C:\` + strings.ReplaceAll(path.Join(dir, exeCore+suffix), "/", `\`)
	}
	in.Version = facts.Unknown[string]("no package database names it", "")
	switch {
	case kind == "windows" && env.Windows != nil:
		in.Version = registryVersion(env.Windows)
	case kind == "macos":
		in.Version = receiptVersion(ctx, env)
	}
	if in.Version.Known() {
		return in, true, nil
	}
	if env.Exec != nil && in.Core.Value {
		out, err := env.Exec(ctx, core, "-version")
		if v := parseVersionOutput(out); v != "" {
			in.Version = facts.Known(v, core+" -version")
		} else if err != nil {
			in.Version = facts.Unknown[string](why(err), core+" -version")
		}
	}
	return in, true, nil
}

// parseVersionOutput reads "SSM Agent version: 3.3.1142.0".
func parseVersionOutput(b []byte) string {
	_, v, ok := strings.Cut(string(b), "SSM Agent version: ")
	if !ok {
		return ""
	}
	f := strings.Fields(v)
	if len(f) == 0 {
		return ""
	}
	return agentVersion(f[0])
}

func debInstall(env *Env) (facts.Installation, bool, error) {
	const name = "var/lib/dpkg/status"
	in := facts.Installation{Kind: "deb", Dir: "/usr/bin"}
	f, err := env.FS.Open(name)
	if err != nil {
		if missing(err) {
			err = nil
		}
		return in, false, err
	}
	defer f.Close()
	st, ok, err := parseDpkg(io.LimitReader(f, 64<<20), pkgName)
	if err != nil || !ok {
		return in, false, err
	}
	words := strings.Fields(st.status)
	if len(words) < 3 || words[2] == "config-files" || words[2] == "not-installed" {
		return in, false, nil
	}
	in.Package = st.status
	if words[2] != "installed" {
		in.Broken = "dpkg: " + st.status
	}
	if v := agentVersion(st.version); v != "" {
		in.Version = facts.Known(v, fileURL(name))
	} else {
		in.Version = facts.Unknown[string]("no version in the package database", fileURL(name))
	}
	if err := inspect(env, &in, ""); err != nil {
		return in, true, err
	}
	if ok, known := in.Core.Get(); known && !ok && in.Broken == "" {
		in.Broken = "the package is installed but its executable is not usable"
	}
	return in, true, nil
}

// rpmDatabases are where rpm keeps its database; it can only be read by rpm.
var rpmDatabases = []string{"usr/lib/sysimage/rpm", "var/lib/rpm"}

func rpmInstall(ctx context.Context, env *Env) (facts.Installation, bool, error) {
	in := facts.Installation{Kind: "rpm", Dir: "/usr/bin"}
	found := false
	for _, d := range rpmDatabases {
		for _, f := range []string{"rpmdb.sqlite", "Packages", "Packages.db"} {
			found = found || exists(env.FS, path.Join(d, f))
		}
	}
	if !found {
		return in, false, nil
	}
	if err := inspect(env, &in, ""); err != nil {
		return in, false, err
	}
	if env.Exec == nil {
		// The executable of another root with an rpm database and without dpkg is most likely rpm's.
		in.Version = facts.Unknown[string]("the rpm database is only read on the running system", "")
		return in, in.CoreMode != "" && !exists(env.FS, "var/lib/dpkg/status"), nil
	}
	out, err := env.Exec(ctx, "rpm", "-q", "--qf", "%{VERSION}\n", pkgName)
	v := agentVersion(strings.TrimSpace(string(out)))
	switch {
	case v != "":
		in.Package, in.Version = "installed", facts.Known(v, "rpm -q")
	case errors.Is(err, ErrNoProgram), strings.Contains(string(out), "is not installed"):
		return in, false, nil
	case err != nil && in.CoreMode == "":
		return in, false, nil
	case err != nil:
		in.Version = facts.Unknown[string](why(err), "rpm -q")
		return in, true, nil
	default:
		return in, false, nil
	}
	if ok, known := in.Core.Get(); known && !ok {
		in.Broken = "the package is installed but its executable is not usable"
	}
	return in, true, nil
}

var snapVersionRE = regexp.MustCompile(`(?m)^version:\s*['"]?([0-9.]+)`)

// parseSnapVersion reads the version of snap.yaml; empty when there is none.
func parseSnapVersion(b []byte) string {
	if m := snapVersionRE.FindSubmatch(b); m != nil {
		return agentVersion(string(m[1]))
	}
	return ""
}

func snapInstall(env *Env) (facts.Installation, bool, error) {
	const dir = "snap/amazon-ssm-agent"
	in := facts.Installation{Kind: "snap", Dir: "/" + dir + "/current"}
	if _, err := env.FS.Lstat(dir + "/current"); err != nil {
		if !missing(err) {
			return in, false, err
		}
		es, err := env.FS.ReadDir(dir)
		if err != nil || len(es) == 0 {
			return in, false, nil
		}
		in.Broken = "the snap has revisions but none is current"
		in.Core, in.Worker = facts.Known(false, fileURL(dir)), facts.Known(false, fileURL(dir))
		in.Version = facts.Unknown[string]("no current revision", fileURL(dir))
		return in, true, nil
	}
	if rev, err := env.FS.Readlink(dir + "/current"); err == nil {
		in.Revision = oneLine(path.Base(rev), 50)
	}
	meta := dir + "/current/meta/snap.yaml"
	b, err := readFile(env.FS, meta, maxSmall)
	if v := parseSnapVersion(b); v != "" {
		in.Version = facts.Known(v, fileURL(meta))
	} else if err != nil {
		in.Version = facts.Unknown[string](why(err), fileURL(meta))
	} else {
		in.Version = facts.Unknown[string]("no version in the snap's metadata", fileURL(meta))
	}
	if err := inspect(env, &in, ""); err != nil {
		return in, true, err
	}
	if ok, known := in.Core.Get(); known && !ok {
		in.Broken = "the current revision has no usable executable"
	}
	return in, true, nil
}

// audit is one start recorded by the agent itself.
type audit struct {
	exe, version string
	at           time.Time
}

// parseAudit reads one audit file; day is the date of its name in the host's zone.
func parseAudit(b []byte, day time.Time) []audit {
	var out []audit
	lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) != 4 || f[0] != "agent_telemetry" || len(out) >= 10_000 {
			return true
		}
		exe, ok := strings.CutSuffix(f[1], ".start")
		t, err := time.Parse(time.TimeOnly, f[3])
		v := agentVersion(f[2])
		if !ok || err != nil || v == "" {
			return true
		}
		at := time.Date(day.Year(), day.Month(), day.Day(), t.Hour(), t.Minute(), t.Second(), 0, day.Location())
		out = append(out, audit{oneLine(exe, 50), v, saneTime(at)})
		return true
	})
	return out
}

// audits reads the audit files, oldest first; at most the latest ten days.
func audits(fsys FileSystem, dir string, zone *time.Location) ([]audit, error) {
	es, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var days []string
	for _, e := range es {
		if d, ok := strings.CutPrefix(e.Name(), "amazon-ssm-agent-audit-"); ok && len(d) == len(time.DateOnly) {
			days = append(days, d)
		}
	}
	slices.Sort(days)
	days = days[max(0, len(days)-10):]
	var out []audit
	var bad error
	for _, d := range days {
		day, err := time.ParseInLocation(time.DateOnly, d, zone)
		if err != nil {
			continue
		}
		b, err := readFile(fsys, path.Join(dir, "amazon-ssm-agent-audit-"+d), 4<<20)
		if err != nil {
			bad = err
			continue
		}
		out = append(out, parseAudit(b, day)...)
	}
	slices.SortStableFunc(out, func(a, b audit) int { return a.at.Compare(b.at) })
	if len(out) == 0 {
		return nil, bad
	}
	return out, nil
}

const (
	maxVersions = 20
	maxStarts   = 200
)

// gatherStarts fills the versions that ran and the starts of the last day.
func gatherStarts(ctx context.Context, env *Env, a *facts.Agent) {
	d := agentDirs(env)
	zone, _, _ := hostZone(env)
	dir := path.Join(d.log, "audits")
	list, err := audits(env.FS, dir, zone)
	from := fileURL(dir)
	if len(list) == 0 {
		// Before audit files, and where none are left, the log has a line per start.
		name := path.Join(d.log, exeCore+".log")
		l, lerr := logStarts(ctx, env, name, zone)
		if len(l) > 0 {
			list, from, err = l, fileURL(name), nil
		} else if err == nil || missing(err) {
			err = cmp.Or(lerr, err)
		}
	}
	if err != nil && !missing(err) {
		a.Starts = facts.Unknown[[]time.Time](why(err), from)
		a.Running = facts.Unknown[string](why(err), from)
		return
	}
	starts := []time.Time{}
	since := env.Now().Add(-24 * time.Hour)
	for _, x := range list {
		if x.exe != exeCore {
			continue
		}
		if n := len(a.Versions); n == 0 || a.Versions[n-1].Version != x.version {
			a.Versions = append(a.Versions, facts.VersionStart{Version: x.version, At: x.at})
		}
		if x.at.After(since) {
			starts = append(starts, x.at)
		}
		a.Running = facts.Known(x.version, from)
	}
	a.Versions = a.Versions[max(0, len(a.Versions)-maxVersions):]
	if len(list) == 0 {
		a.Starts = facts.Absent[[]time.Time]("no start is recorded", from)
		a.Running = facts.Absent[string]("no start is recorded", from)
		return
	}
	a.Starts = facts.Known(starts[max(0, len(starts)-maxStarts):], from)
}

// logStarts finds the core agent's starts in the end of its log.
func logStarts(ctx context.Context, env *Env, name string, zone *time.Location) ([]audit, error) {
	const tail = 1 << 20
	f, err := env.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err == nil && fi.Size() > tail {
		if s, ok := f.(io.Seeker); ok {
			if _, err := s.Seek(-tail, io.SeekEnd); err != nil {
				return nil, err
			}
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, tail))
	if err != nil {
		return nil, err
	}
	var out []audit
	mark := []byte("amazon-ssm-agent - v")
	lines(b, func(l []byte) bool {
		i := bytes.Index(l, mark)
		if i < 0 || ctx.Err() != nil {
			return ctx.Err() == nil
		}
		at, _, ok := parseStamp(l, zone)
		if v := agentVersion(string(l[i+len(mark):])); ok && v != "" {
			out = append(out, audit{exeCore, v, at})
		}
		return len(out) < 10_000
	})
	return out, nil
}
