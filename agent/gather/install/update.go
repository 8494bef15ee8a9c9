package install

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// Bounds of what is read about updates.
const (
	maxRuleFiles = 100      // files of one folder of rules or keys
	updateTail   = 64 << 10 // of a package manager's log, from its end
	maxHolds     = 20
	maxFailures  = 10
	maxSnapState = 8 << 20
)

// keyFolders hold keys of packages.
var keyFolders = []string{"etc/pki/rpm-gpg", "usr/share/keyrings", "etc/apt/keyrings", "etc/apt/trusted.gpg.d"}

// updates looks at what may keep newer releases of the agent from this host. keys are
// those that rpm keeps; nothing more is run.
func updates(env *gather.Env, list []facts.Installation, keys facts.Seen[[]facts.SigningKey]) facts.Update {
	if env.GOOS != "linux" {
		const other = "only package managers of Linux are known here"
		return facts.Update{Keys: gather.NotAskable[[]facts.SigningKey](other, ""), Holds: gather.NotAskable[[]facts.Hold](other, ""), Lock: updateLock(env),
			Failures: gather.NotAskable[[]facts.UpdateFailure](other, ""), SetupCLI: gather.NotAskable[[]facts.Dated](other, "")}
	}
	return facts.Update{Keys: signingKeys(env, keys), Holds: holds(env, list), Lock: updateLock(env), Failures: updateFailures(env), SetupCLI: setupCLI(env)}
}

// signingKeys are the keys of the agent's packages in keyrings, besides those of rpm.
func signingKeys(env *gather.Env, rpm facts.Seen[[]facts.SigningKey]) facts.Seen[[]facts.SigningKey] {
	found := slices.Clone(rpm.Value)
	var failed error
	for _, dir := range keyFolders {
		for _, name := range filesOf(env, dir, &failed) {
			b, err := gather.ReadFile(env.FS, name, maxKeyring)
			if err != nil {
				continue // no keyring, or one far larger than any with the agent's key
			}
			for _, k := range ParseKeyring(b) {
				k.From = gather.FileURL(name)
				if len(found) < maxFound {
					found = append(found, k)
				}
			}
		}
	}
	if rpm.Unknown() && rpm.LookedAt() && failed == nil {
		return facts.Partly(found, rpm.Reason(), rpm.From).Because(rpm.Code)
	}
	return gather.Partly(found, failed, "")
}

// filesOf are the files of a folder; none where it does not exist.
func filesOf(env *gather.Env, dir string, failed *error) []string {
	es, err := env.FS.ReadDir(dir)
	if err != nil {
		if !gather.Missing(err) {
			*failed = cmp.Or(*failed, err)
		}
		return nil
	}
	var out []string
	for _, e := range es[:min(len(es), maxRuleFiles)] {
		if !e.IsDir() {
			out = append(out, path.Join(dir, e.Name()))
		}
	}
	return out
}

// holds are the rules of package managers that keep the agent at its version.
func holds(env *gather.Env, list []facts.Installation) facts.Seen[[]facts.Hold] {
	out := []facts.Hold{}
	var failed error
	add := func(tool, name string, texts []string) {
		for _, t := range texts {
			if len(out) < maxHolds {
				out = append(out, facts.Hold{Tool: tool, Text: gather.OneLine(t, 200), From: gather.FileURL(name)})
			}
		}
	}
	read := func(tool string, names []string, parse func([]byte) []string) {
		for _, name := range names {
			b, err := gather.ReadFile(env.FS, name, gather.MaxSmall)
			switch {
			case err == nil:
				add(tool, name, parse(b))
			case !gather.Missing(err):
				failed = cmp.Or(failed, err)
			}
		}
	}
	for _, in := range list {
		switch in.Kind {
		case "deb":
			if strings.HasPrefix(in.Package, "hold ") {
				add("dpkg", "var/lib/dpkg/status", []string{"Status: " + in.Package})
			}
			read("apt", append([]string{"etc/apt/preferences"}, filesOf(env, "etc/apt/preferences.d", &failed)...), ParsePins)
		case "rpm":
			read("yum", []string{"etc/yum/pluginconf.d/versionlock.list", "etc/dnf/plugins/versionlock.list", "etc/dnf/versionlock.toml"}, ParseVersionLock)
			read("yum", []string{"etc/yum.conf", "etc/dnf/dnf.conf"}, ParseExcludes)
			read("zypper", []string{"etc/zypp/locks"}, ParseVersionLock)
		case "snap":
			b, err := gather.ReadFile(env.FS, "var/lib/snapd/state.json", maxSnapState)
			switch {
			case err == nil:
				for _, h := range ParseSnapHolds(b, env.Now()) {
					h.From = gather.FileURL("var/lib/snapd/state.json")
					out = append(out, h)
				}
			case !gather.Missing(err):
				failed = cmp.Or(failed, err)
			}
		}
	}
	return gather.Partly(out, failed, "")
}

// named reports whether a rule is about the agent's package: by its name, as a
// pattern, or as the start of a name with version.
func named(word string) bool {
	word = strings.Trim(word, `"'!`)
	if ok, err := path.Match(word, pkgName); err == nil && ok && word != "" {
		return true
	}
	return strings.HasPrefix(word, pkgName+"-") || strings.HasPrefix(word, "0:"+pkgName+"-") || strings.HasPrefix(word, "1:"+pkgName+"-")
}

// ParsePins finds the stanzas of apt's preferences that are about the agent.
func ParsePins(b []byte) []string {
	var out []string
	for stanza := range strings.SplitSeq(string(b), "\n\n") {
		var words []string
		ours, pin := false, ""
		for line := range strings.Lines(stanza) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			switch strings.ToLower(key) {
			case "package":
				words = strings.Fields(value)
				ours = slices.ContainsFunc(words, func(w string) bool { return w != "*" && named(w) })
			case "pin":
				pin = strings.TrimSpace(value)
			}
		}
		if ours && pin != "" && len(out) < maxHolds {
			out = append(out, "Pin: "+pin)
		}
	}
	return out
}

// ParseVersionLock finds the lines of a list of locked packages that are about the
// agent: one name a line, or name = "…" in the form of dnf 5 and solvable_name: … in
// that of zypper.
func ParseVersionLock(b []byte) []string {
	var out []string
	gather.Lines(b, func(line []byte) bool {
		l := strings.TrimSpace(string(line))
		word := l
		for _, key := range []string{"name =", "name=", "solvable_name:"} {
			if v, ok := strings.CutPrefix(l, key); ok {
				word = strings.TrimSpace(v)
			}
		}
		if !strings.HasPrefix(l, "#") && word != "*" && named(word) {
			out = append(out, l)
		}
		return len(out) < maxHolds
	})
	return out
}

// ParseExcludes finds the settings of yum's or dnf's configuration that leave the agent
// out of every update.
func ParseExcludes(b []byte) []string {
	var out []string
	gather.Lines(b, func(line []byte) bool {
		key, value, ok := strings.Cut(string(line), "=")
		if key = strings.TrimSpace(key); ok && (key == "exclude" || key == "excludepkgs") {
			for w := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
				if w != "*" && named(w) {
					out = append(out, key+"="+w)
				}
			}
		}
		return len(out) < maxHolds
	})
	return out
}

// ParseSnapHolds finds the holds of refreshes in snapd's state: of this snap, or of all.
// Source: snapd, overlord/snapstate/autorefresh_gating.go and autorefresh.go.
func ParseSnapHolds(b []byte, now time.Time) []facts.Hold {
	var in struct {
		Data struct {
			Config struct {
				Core struct {
					Refresh struct{ Hold string }
				}
			}
			Held map[string]map[string]struct {
				Until time.Time `json:"hold-until"`
			} `json:"snaps-hold"`
		}
	}
	if json.Unmarshal(b, &in) != nil {
		return nil
	}
	var out []facts.Hold
	add := func(what string, until time.Time) {
		if until.After(now) || until.IsZero() {
			if until.Year() > now.Year()+20 { // what snapd writes for ever
				until = time.Time{}
			}
			out = append(out, facts.Hold{Tool: "snap", Text: what, Until: gather.SaneTime(until)})
		}
	}
	if system, ok := in.Data.Held[pkgName]["system"]; ok {
		add("refreshes of amazon-ssm-agent are held", system.Until)
	}
	if all := in.Data.Config.Core.Refresh.Hold; all == "forever" {
		add("refreshes of all snaps are held", time.Time{})
	} else if until, err := time.Parse(time.RFC3339, all); err == nil {
		add("refreshes of all snaps are held", until)
	}
	return out
}

// updateLock is the lock of the agent's updater, which holds the process id of its owner.
// Source: amazon-ssm-agent, agent/appconfig, UpdaterPidLockfile.
func updateLock(env *gather.Env) facts.Seen[facts.UpdateLock] {
	d := gather.AgentDirs(env)
	name := path.Join(d.SSM, "update.lock")
	if env.GOOS == "darwin" {
		name = "opt/aws/ssm/update.lock"
	}
	s, err := gather.ReadText(env.FS, name)
	if err != nil {
		return gather.Unseen[facts.UpdateLock](err, name)
	}
	l := facts.UpdateLock{At: gather.ModTime(env.FS, name), Alive: gather.NotAskable[bool](gather.NotLive, "")}
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		l.PID = n
	}
	if env.Live && env.GOOS == "linux" && l.PID > 0 {
		l.Alive = facts.Known(gather.Exists(env.FS, "proc/"+strconv.Itoa(l.PID)), "file:/proc")
	}
	return facts.Known(l, gather.FileURL(name))
}

// updateLogs are the logs of package managers that say why a package was not taken.
var updateLogs = []string{"var/log/dnf.log", "var/log/dnf.rpm.log", "var/log/yum.log", "var/log/zypper.log", "var/log/apt/term.log"}

// failureKinds are fragments of those logs and what they mean.
var failureKinds = []struct{ kind, text string }{
	{"signature", "gpg check failed"}, {"signature", "is not signed"}, {"signature", "public key for"}, {"signature", "nokey"}, {"signature", "signature verification failed"},
	{"locked", "could not get lock"}, {"locked", "waiting for process with pid"}, {"locked", "is locked by another"}, {"locked", "system management is locked"},
	{"excluded", "all matches were filtered out by exclude filtering"},
}

func updateFailures(env *gather.Env) facts.Seen[[]facts.UpdateFailure] {
	out := []facts.UpdateFailure{}
	var failed error
	for _, name := range updateLogs {
		b, err := endOf(env.FS, name)
		switch {
		case err != nil && !gather.Missing(err):
			failed = cmp.Or(failed, err)
		case err == nil:
			for _, f := range ParseUpdateLog(b) {
				f.From, f.At = gather.FileURL(name), cmp.Or(f.At, gather.ModTime(env.FS, name))
				if len(out) < maxFailures {
					out = append(out, f)
				}
			}
		}
	}
	return gather.Partly(out, failed, "")
}

// endOf is the end of a log.
func endOf(fsys gather.FileSystem, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err == nil && fi.Size() > updateTail {
		if s, ok := f.(io.Seeker); ok {
			if _, err := s.Seek(-updateTail, io.SeekEnd); err != nil {
				return nil, err
			}
		}
	}
	return io.ReadAll(io.LimitReader(f, updateTail))
}

var logTime = pattern.New(`^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})([+-]\d{2}:?\d{2}|Z)`)

// ParseUpdateLog finds what a package manager's log says against the agent's package.
// A line about a lock names no package: it counts only beside one that names the agent's.
func ParseUpdateLog(b []byte) []facts.UpdateFailure {
	var out []facts.UpdateFailure
	lock := facts.UpdateFailure{}
	seen := false
	gather.Lines(b, func(line []byte) bool {
		if len(line) > 4<<10 {
			return true
		}
		ours := bytes.Contains(line, []byte(pkgName))
		seen = seen || ours
		low := strings.ToLower(string(line))
		for _, k := range failureKinds {
			if !strings.Contains(low, k.text) || !ours && k.kind != "locked" {
				continue
			}
			f := facts.UpdateFailure{Kind: k.kind, Text: gather.OneLine(string(line), 300)}
			if m := logTime.FindStringSubmatch(string(line)); m != nil {
				zone := strings.ReplaceAll(m[2], ":", "")
				if at, err := time.Parse("2006-01-02T15:04:05Z0700", m[1]+zone); err == nil {
					f.At = gather.SaneTime(at)
				}
			}
			if k.kind == "locked" {
				lock = f
			} else if out = append(out, f); len(out) > maxFailures {
				out = out[1:]
			}
			return true
		}
		return true
	})
	if seen && lock.Kind != "" {
		out = append(out, lock)
	}
	return out[max(0, len(out)-maxFailures):]
}

// setupTools are where ssm-setup-cli is downloaded to by the usual instructions.
var setupTools = []string{"opt/ssm/ssm-setup-cli", "opt/aws/ssm-setup-cli", "tmp/ssm/ssm-setup-cli", "usr/bin/ssm-setup-cli", "usr/local/bin/ssm-setup-cli"}

func setupCLI(env *gather.Env) facts.Seen[[]facts.Dated] {
	out := []facts.Dated{}
	for _, name := range setupTools {
		if at := gather.ModTime(env.FS, name); !at.IsZero() {
			out = append(out, facts.Dated{Path: "/" + name, At: at})
		}
	}
	return facts.Known(out, "")
}

// around are the traces of programs that live by the agent, or share its work.
// Source: eks-hybrid (nodeadm), internal/aws and internal/tracker; amazon-ecs-agent,
// scripts/ecs-anywhere-install.sh; AWS IoT Greengrass developer guide, on installing
// the nucleus.
func around(env *gather.Env) facts.Seen[[]facts.Trace] {
	out := []facts.Trace{}
	if env.GOOS != "linux" {
		return facts.Known(out, "")
	}
	for _, t := range []struct{ kind, name string }{
		{facts.AroundEKS, "opt/nodeadm/tracker"},
		{facts.AroundEKS, "usr/local/bin/nodeadm"},
		{facts.AroundEKS, "etc/systemd/system/eks-hybrid-kubelet.service"},
		{facts.AroundECS, "etc/ecs/ecs.config"},
		{facts.AroundGreengrass, "greengrass/v2/config/effectiveConfig.yaml"},
		{facts.AroundGreengrass, "greengrass/v2/alts/current"},
		{facts.AroundAnywhere, "usr/local/bin/aws_signing_helper"},
		{facts.AroundAnywhere, "etc/systemd/system/aws_signing_helper_update.service"},
		{facts.AroundAnywhere, "etc/iam/pki/server.pem"},
	} {
		if gather.Exists(env.FS, t.name) && !slices.ContainsFunc(out, func(o facts.Trace) bool { return o.Kind == t.kind }) {
			out = append(out, facts.Trace{Kind: t.kind, From: gather.FileURL(t.name)})
		}
	}
	return facts.Known(out, "")
}
