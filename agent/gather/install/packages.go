package install

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentsvc"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
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
				st.status = gather.OneLine(string(l[8:]), 100)
			case in && bytes.HasPrefix(l, []byte("Version: ")):
				st.version = gather.OneLine(string(l[9:]), 100)
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

var versionRE = pattern.New(`^\d+(\.\d+){1,3}$`)

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

// installations looks at every place an agent may be installed in. rpm is asked for the
// keys of packages with the same call.
func installations(ctx context.Context, env *gather.Env) (list facts.Seen[[]facts.Installation], keys facts.Seen[[]facts.SigningKey]) {
	keys = facts.Absent[[]facts.SigningKey]("there is no rpm database", "")
	var found []facts.Installation
	var failed error
	note := func(in facts.Installation, ok bool, err error) bool {
		failed = cmp.Or(failed, err)
		if ok {
			found = append(found, in)
		}
		return ok
	}
	switch env.GOOS {
	case "windows":
		note(bare(ctx, env, "windows", gather.ProgramFolder(env), ".exe"))
	case "darwin":
		note(bare(ctx, env, "macos", gather.ProgramFolder(env), ""))
	default:
		deb := note(debInstall(env))
		in, ok, signers, err := rpmInstall(ctx, env)
		rpm := note(in, ok, err)
		keys = signers
		note(snapInstall(env))
		if !deb && !rpm {
			note(bare(ctx, env, "binary", "usr/bin", ""))
		}
		note(bare(ctx, env, "binary", "usr/local/bin", ""))
		if !env.Live && len(found) == 0 && !gather.Exists(env.FS, "usr/bin") {
			failed = cmp.Or(failed, errors.New("the examined tree has no /usr/bin"))
		}
	}
	return gather.Partly(found, failed, ""), keys
}

// program is the executable of an installation. The zero program is missing.
type program struct{ exists, regular, usable bool }

// missing says that the program of an installed package is not there; empty: it is.
// Whether it may be executed is another question.
func (p program) missing(in facts.Installation) string {
	name := path.Join(in.Dir, agentsvc.ExeCore)
	switch {
	case !p.exists:
		return "it is recorded as installed, but its program " + name + " does not exist"
	case !p.regular:
		return "it is recorded as installed, but " + name + " is no file"
	}
	return ""
}

// coreOf looks at the executable of the core agent.
func coreOf(env *gather.Env, in facts.Installation, suffix string) (program, error) {
	fi, err := env.FS.Stat(path.Join(gather.Clean(in.Dir), agentsvc.ExeCore+suffix))
	if gather.Missing(err) {
		return program{}, nil
	}
	if err != nil {
		return program{}, err
	}
	regular := fi.Mode().IsRegular()
	return program{true, regular, regular && (fi.Mode()&0o111 != 0 || env.GOOS == "windows")}, nil
}

// bare is an agent that no package database knows. Only then is it run to tell
// its version, and only on the running system.
func bare(ctx context.Context, env *gather.Env, kind, dir, suffix string) (facts.Installation, bool, error) {
	in := facts.Installation{Kind: kind, Dir: "/" + dir}
	exe, err := coreOf(env, in, suffix)
	if err != nil || !exe.exists {
		return in, false, err
	}
	core := "/" + path.Join(dir, agentsvc.ExeCore+suffix)
	if env.GOOS == "windows" {
		core = `C:\` + strings.ReplaceAll(path.Join(dir, agentsvc.ExeCore+suffix), "/", `\`)
	}
	in.Version = facts.Unknown[string]("no package database names it", "")
	switch {
	case kind == "windows" && env.Windows != nil:
		in.Version = versionInRegistry(env.Windows)
	case kind == "macos":
		in.Version = receiptVersion(ctx, env)
	}
	if in.Version.Known() {
		return in, true, nil
	}
	if env.Exec != nil && exe.usable {
		out, err := env.Exec(ctx, core, "-version")
		if v := parseVersionOutput(out); v != "" {
			in.Version = facts.Known(v, core+" -version")
		} else if err != nil {
			in.Version = gather.Unknown[string](err, core+" -version")
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

func debInstall(env *gather.Env) (facts.Installation, bool, error) {
	const name = "var/lib/dpkg/status"
	in := facts.Installation{Kind: "deb", Dir: "/usr/bin"}
	f, err := env.FS.Open(name)
	if err != nil {
		if gather.Missing(err) {
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
		in.Version = facts.Known(v, gather.FileURL(name))
	} else {
		in.Version = facts.Unknown[string]("no version in the package database", gather.FileURL(name))
	}
	exe, err := coreOf(env, in, "")
	if err != nil {
		return in, true, err
	}
	if in.Broken == "" {
		in.Broken = exe.missing(in)
	}
	return in, true, nil
}

// rpmDatabases are where rpm keeps its database; it can only be read by rpm.
var rpmDatabases = []string{"usr/lib/sysimage/rpm", "var/lib/rpm"}

// rpmInstall asks rpm for the agent's package and for the keys of packages, in one call.
func rpmInstall(ctx context.Context, env *gather.Env) (in facts.Installation, ok bool, keys facts.Seen[[]facts.SigningKey], failed error) {
	in = facts.Installation{Kind: "rpm", Dir: "/usr/bin"}
	keys = facts.Absent[[]facts.SigningKey]("there is no rpm database", "")
	found := false
	for _, d := range rpmDatabases {
		for _, f := range []string{"rpmdb.sqlite", "Packages", "Packages.db"} {
			found = found || gather.Exists(env.FS, path.Join(d, f))
		}
	}
	if !found {
		return in, false, keys, nil
	}
	keys = gather.NotAskable[[]facts.SigningKey]("the rpm database is only read on the running system", "")
	exe, err := coreOf(env, in, "")
	if err != nil {
		return in, false, keys, err
	}
	if env.Exec == nil {
		// The executable of another root with an rpm database and without dpkg is most likely rpm's.
		in.Version = facts.Unknown[string]("the rpm database is only read on the running system", "")
		return in, exe.exists && !gather.Exists(env.FS, "var/lib/dpkg/status"), keys, nil
	}
	out, err := env.Exec(ctx, "rpm", "-q", "--qf", "%{NAME} %{VERSION}\n", pkgName, "gpg-pubkey")
	v := rpmVersion(out)
	none := strings.Contains(string(out), "is not installed") // of either; each makes rpm fail
	if v != "" || none {
		keys = facts.Known(rpmKeys(out), "rpm -q gpg-pubkey")
	} else if err != nil {
		keys = gather.Unknown[[]facts.SigningKey](err, "rpm -q gpg-pubkey")
	}
	switch {
	case v != "":
		in.Package, in.Version = "installed", facts.Known(v, "rpm -q")
	case errors.Is(err, gather.ErrNoProgram), strings.Contains(string(out), "package "+pkgName+" is not installed"):
		return in, false, keys, nil
	case err != nil && !exe.exists:
		return in, false, keys, nil
	case err != nil:
		in.Version = gather.Unknown[string](err, "rpm -q")
		return in, true, keys, nil
	default:
		return in, false, keys, nil
	}
	in.Broken = exe.missing(in)
	return in, true, keys, nil
}

// rpmVersion is the agent's version in lines of name and version.
func rpmVersion(out []byte) string {
	v := ""
	gather.Lines(out, func(line []byte) bool {
		if name, version, ok := strings.Cut(strings.TrimSpace(string(line)), " "); ok && name == pkgName {
			v = agentVersion(version)
		}
		return v == ""
	})
	return v
}

var snapVersionRE = pattern.New(`(?m)^version:\s*['"]?([0-9.]+)`)

// parseSnapVersion reads the version of snap.yaml; empty when there is none.
func parseSnapVersion(b []byte) string {
	if m := snapVersionRE.FindSubmatch(b); m != nil {
		return agentVersion(string(m[1]))
	}
	return ""
}

func snapInstall(env *gather.Env) (facts.Installation, bool, error) {
	const dir = "snap/amazon-ssm-agent"
	in := facts.Installation{Kind: "snap", Dir: "/" + dir + "/current"}
	if _, err := env.FS.Lstat(dir + "/current"); err != nil {
		if !gather.Missing(err) {
			return in, false, err
		}
		es, err := env.FS.ReadDir(dir)
		if err != nil || len(es) == 0 {
			return in, false, nil
		}
		in.Broken = facts.SnapNotCurrent
		in.Other = otherRevision(env, dir)
		in.Version = facts.Unknown[string]("no current revision", gather.FileURL(dir))
		return in, true, nil
	}
	meta := dir + "/current/meta/snap.yaml"
	b, err := gather.ReadFile(env.FS, meta, gather.MaxSmall)
	if v := parseSnapVersion(b); v != "" {
		in.Version = facts.Known(v, gather.FileURL(meta))
	} else if err != nil {
		in.Version = gather.Unknown[string](err, gather.FileURL(meta))
	} else {
		in.Version = facts.Unknown[string]("no version in the snap's metadata", gather.FileURL(meta))
	}
	exe, err := coreOf(env, in, "")
	if err != nil {
		return in, true, err
	}
	if !exe.usable {
		in.Broken = "the current revision has no usable executable " + path.Join(in.Dir, agentsvc.ExeCore)
		in.Other = otherRevision(env, dir)
	}
	return in, true, nil
}

// otherRevision is a revision of the snap that is not current and has its program.
func otherRevision(env *gather.Env, dir string) string {
	current, _ := env.FS.Readlink(dir + "/current")
	es, err := env.FS.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, e := range es {
		if n := e.Name(); n == "current" || n == path.Base(current) || len(n) > 20 {
			continue
		}
		if exe, err := coreOf(env, facts.Installation{Dir: "/" + dir + "/" + e.Name()}, ""); err == nil && exe.usable {
			return gather.OneLine(e.Name(), 20)
		}
	}
	return ""
}

// receiptVersion is the version of the installed package.
func receiptVersion(ctx context.Context, env *gather.Env) facts.Seen[string] {
	const from = "pkgutil --pkg-info"
	if env.Exec == nil {
		return gather.NotAskable[string](gather.NotLive, from)
	}
	out, err := env.Exec(ctx, "pkgutil", "--pkg-info", agentsvc.MacLabel)
	if v := parseReceipt(out); v != "" {
		return facts.Known(v, from)
	}
	if err != nil {
		return gather.Unknown[string](err, from)
	}
	return facts.Unknown[string]("the receipt names no version", from)
}

// parseReceipt reads "version: 3.3.1142.0".
func parseReceipt(b []byte) string {
	v := ""
	gather.Lines(b, func(l []byte) bool {
		if s, ok := strings.CutPrefix(strings.TrimSpace(string(l)), "version:"); ok {
			v = agentVersion(s)
		}
		return v == ""
	})
	return v
}

// versionInRegistry is the version that the installer left at the service.
func versionInRegistry(w *gather.Windows) facts.Seen[string] {
	if w == nil {
		return gather.NotAskable[string](gather.NotLive, "")
	}
	v := w.Strings(agentsvc.ServiceKey, "Version")
	if v.Known() && len(v.Value) == 1 {
		if s := agentVersion(v.Value[0]); s != "" {
			return facts.Known(s, v.From)
		}
		return facts.Unknown[string]("the value is not a version", v.From)
	}
	return gather.Likewise[string](v)
}
