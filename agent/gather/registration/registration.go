// Package registration reads the state that the agent keeps: its registration and
// its credentials. Keys leave it for the run only, never for the facts.
package registration

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // what the agent uses
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/big"
	"path"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// Source reads the vault and the rest of the agent's state. No key
// material leaves this file.
type Source struct{}

func (Source) Name() string { return "registration" }

func (Source) Reset(f *facts.Facts) { f.Registration = facts.Registration{} }

// maxVaultFile bounds files of the vault; a key file has about 2 kB.
const maxVaultFile = 64 << 10

// Kinds of damage, facts.Damage.Kind.
const (
	damageJSON      = "not-json"
	damageMissing   = "missing-file"
	damageKey       = "bad-key"
	damageTruncated = "truncated"
	damageNotAFile  = "not-a-file"
	damageLoop      = "link-loop"
)

func (Source) Gather(_ context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
	d := gather.AgentDirs(env)
	r := &f.Registration
	v := &vault{env: env, fsys: env.FS, dir: path.Join(d.Data, "Vault")}

	hybrid, ec2 := v.manifest("Manifest"), v.manifest("EC2Manifest")
	index := map[string]string{}
	maps.Copy(index, ec2)
	maps.Copy(index, hybrid)
	for _, dir := range []string{v.dir, path.Join(v.dir, "Store")} {
		fi, err := env.FS.Stat(dir)
		switch {
		case err == nil && !fi.IsDir():
			v.damage(dir, damageNotAFile, "a directory is expected here")
		case err != nil:
			v.noteErr(dir, err)
		}
	}
	r.Hybrid = v.key("RegistrationKey", index)
	r.EC2 = v.key("EC2RegistrationKey", index)
	r.Fingerprint = v.fingerprint(index, env.FS)
	v.missingFiles(hybrid)
	v.missingFiles(ec2)
	r.Informational = v.informational(path.Join(d.Data, "registration"))
	r.Damage = gather.Partly(v.found, v.unread, gather.FileURL(v.dir))
	r.NodeFolders = nodeFolders(env.FS, d.Data)
	r.Paths = statePaths(env, d)
	return gather.Denied(env.FS, path.Join(v.dir, "Manifest"))
}

// vault reads the files under Vault and notes what is damaged.
type vault struct {
	env    *gather.Env
	fsys   gather.FileSystem
	dir    string
	found  []facts.Damage
	unread error // why something could not be judged
}

func (v *vault) damage(name, kind, what string) {
	v.found = append(v.found, facts.Damage{Path: "/" + gather.OneLine(gather.Clean(name), 500), Kind: kind, What: gather.OneLine(what, 200)})
}

// noteErr records an error that is damage and not only lack of permission.
func (v *vault) noteErr(name string, err error) {
	switch {
	case errors.Is(err, gather.ErrNotAFile):
		v.damage(name, damageNotAFile, "a regular file is expected here")
	case errors.Is(err, gather.ErrLinkLoop):
		v.damage(name, damageLoop, "links lead in a circle")
	case errors.Is(err, gather.ErrTooLarge):
		v.damage(name, damageJSON, "far larger than what the agent writes")
	case gather.Missing(err) && isLink(v.fsys, name):
		v.damage(name, damageMissing, "a link to a file that does not exist")
	case !gather.Missing(err):
		v.unread = cmp.Or(v.unread, err)
	}
}

func isLink(fsys gather.FileSystem, name string) bool {
	fi, err := fsys.Lstat(gather.Clean(name))
	return err == nil && fi.Mode()&fs.ModeSymlink != 0
}

// read returns a file of the vault; ok is false when seen says why not.
func (v *vault) read(name string) ([]byte, error) {
	b, err := gather.ReadFile(v.fsys, name, maxVaultFile)
	if err != nil {
		v.noteErr(name, err)
	}
	return b, err
}

// jsonDamage tells a partial write from other text.
func jsonDamage(b []byte, err error) (kind, what string) {
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return damageTruncated, "the file is empty, as after a power loss"
	case len(bytes.Trim(b, "\x00")) == 0: // what a file system leaves whose data were not written in time
		return damageTruncated, "the file holds only zero bytes, as after a power loss"
	case errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(err.Error(), "unexpected end of JSON input"):
		return damageTruncated, "the file ends in the middle, as after a power loss"
	}
	return damageJSON, gather.JSONError(err)
}

// parseManifest decodes the vault's index: key to absolute path.
func parseManifest(b []byte) (map[string]string, error) {
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	return m, nil
}

const maxManifestKeys = 50

// manifest reads an index of the vault: key to absolute path.
func (v *vault) manifest(name string) map[string]string {
	name = path.Join(v.dir, name)
	b, err := v.read(name)
	if err != nil {
		return nil
	}
	paths, err := parseManifest(b)
	if err != nil {
		kind, what := jsonDamage(b, err)
		v.damage(name, kind, what)
	}
	return paths
}

// missingFiles notes the files that a manifest names and that are gone.
func (v *vault) missingFiles(manifest map[string]string) {
	keys := slices.Sorted(maps.Keys(manifest))
	for _, k := range keys[:min(len(keys), maxManifestKeys)] {
		if _, err := v.fsys.Stat(v.inRoot(manifest[k])); err != nil && gather.Missing(err) {
			v.damage(manifest[k], damageMissing, "named in the vault's manifest")
		}
	}
}

// inRoot makes a path of a manifest relative to the root.
func (v *vault) inRoot(p string) string {
	p, _ = gather.OnRoot(v.env, p)
	return gather.Clean(p)
}

// store finds the file of a key: where a manifest says, else the usual place.
func (v *vault) store(key string, index map[string]string) string {
	usual := path.Join(v.dir, "Store", key)
	if p, ok := index[key]; ok && p != "" {
		if p = v.inRoot(p); gather.Exists(v.fsys, p) || !gather.Exists(v.fsys, usual) {
			return p
		}
	}
	return usual
}

func (v *vault) key(key string, index map[string]string) facts.Seen[facts.Key] {
	name := v.store(key, index)
	b, err := v.read(name)
	if err != nil {
		return gather.Unseen[facts.Key](err, name)
	}
	k, valid, err := parseKey(b)
	if err != nil {
		kind, what := jsonDamage(b, err)
		v.damage(name, kind, what)
		return facts.Unknown[facts.Key](what, gather.FileURL(name))
	}
	if k.HasPrivate && !valid {
		v.damage(name, damageKey, "the private key is not base64 of a PKCS#1 RSA key")
	}
	return facts.Known(k, gather.FileURL(name))
}

// keyDate is the layout of privateKeyCreatedDate, Go's time text.
const keyDate = "2006-01-02 15:04:05.999999999 -0700 MST"

// parseKey decodes RegistrationKey or EC2RegistrationKey. Of the private key only
// its presence is kept, and whether it is one.
func parseKey(b []byte) (k facts.Key, valid bool, err error) {
	var in struct {
		InstanceID  string `json:"instanceID"`
		Region      string `json:"region"`
		PrivateKey  string `json:"privateKey"`
		CreatedDate string `json:"privateKeyCreatedDate"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return k, false, err
	}
	k = facts.Key{InstanceID: gather.OneLine(in.InstanceID, 100), Region: gather.OneLine(in.Region, 100), HasPrivate: in.PrivateKey != ""}
	if der, err := base64.StdEncoding.DecodeString(in.PrivateKey); err == nil && len(der) > 0 {
		valid = rsaPrivateKey(der)
	}
	if t, err := time.Parse(keyDate, in.CreatedDate); err == nil {
		k.CreatedAt = gather.SaneTime(t)
	}
	return k, valid, nil
}

// rsaPrivateKey reports whether DER bytes are a PKCS#1 RSA private key. Checking
// that its primes are prime would cost more than the rest of the source.
func rsaPrivateKey(der []byte) bool {
	var k struct {
		Version          int
		N                *big.Int
		E                int
		D, P, Q          *big.Int
		DP, DQ, QInverse *big.Int `asn1:"optional"`
	}
	rest, err := asn1.Unmarshal(der, &k)
	if err != nil || len(rest) > 0 || k.Version != 0 || k.E < 2 {
		return false
	}
	return k.N.BitLen() >= 1024 && new(big.Int).Mul(k.P, k.Q).Cmp(k.N) == 0
}

// parseFingerprint decodes InstanceFingerprint. machineID is the stored one; it
// must not become a fact.
func parseFingerprint(b []byte) (fp facts.Fingerprint, machineID string, err error) {
	var in struct {
		Fingerprint string            `json:"fingerprint"`
		Hashes      map[string]string `json:"hardwareHash"`
		Threshold   int               `json:"similarityThreshold"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return fp, "", err
	}
	fp.Threshold = in.Threshold
	return fp, strings.TrimSpace(cmp.Or(in.Hashes["machine-id"], in.Hashes["uuid"])), nil
}

func (v *vault) fingerprint(index map[string]string, fsys gather.FileSystem) facts.Seen[facts.Fingerprint] {
	name := v.store("InstanceFingerprint", index)
	b, err := v.read(name)
	if err != nil {
		return gather.Unseen[facts.Fingerprint](err, name)
	}
	fp, id, err := parseFingerprint(b)
	if err != nil {
		kind, what := jsonDamage(b, err)
		v.damage(name, kind, what)
		return facts.Unknown[facts.Fingerprint](what, gather.FileURL(name))
	}
	fp.MachineIDMatches = machineIDMatches(fsys, id)
	if v.env.GOOS == "windows" {
		fp.MachineIDMatches = uuidMatches(v.env.Windows, id)
	}
	return facts.Known(fp, gather.FileURL(name))
}

// machineIDMatches compares the stored machine id with this host's.
func machineIDMatches(fsys gather.FileSystem, stored string) facts.Seen[bool] {
	if stored == "" {
		return facts.Unknown[bool]("no machine id is stored", "").Because(facts.NotAskable)
	}
	unread := facts.Unknown[bool]("no machine id on this host", "file:/etc/machine-id").Because(facts.NotAskable)
	for _, name := range []string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		s, err := gather.ReadText(fsys, name)
		if err == nil && s != "" {
			return facts.Known(s == stored, gather.FileURL(name))
		}
		if err != nil && !gather.Missing(err) {
			unread = gather.Unknown[bool](err, gather.FileURL(name))
		}
	}
	return unread
}

// uuidMatches compares the stored hash of the machine's UUID with this machine's. It is one
// of what a program of Windows prints, whose form is that of its release: one that is the
// same is from here, and another one says nothing.
// Source: amazon-ssm-agent 3.3, agent/managedInstances/fingerprint/hardwareInfo_windows.go.
func uuidMatches(w *gather.Windows, stored string) facts.Seen[bool] {
	const from = "GetSystemFirmwareTable"
	switch {
	case stored == "":
		return facts.Unknown[bool]("no hash of the machine's UUID is stored", "").Because(facts.NotAskable)
	case w == nil || w.Firmware == nil:
		return gather.NotAskable[bool](gather.NotLive, from)
	}
	f, ok := w.Firmware().Get()
	if !ok || f.UUID == "" {
		return facts.Unknown[bool]("the firmware shows no UUID", from).Because(facts.NotAskable)
	}
	for _, out := range []string{
		"UUID" + strings.Repeat(" ", 34) + "\r\r\n" + f.UUID + "  \r\r\n\r\r\n", // wmic csproduct get UUID
		"{\r\n    \"UUID\":  \"" + f.UUID + "\"\r\n}\r\n",                       // Get-CimInstance … | ConvertTo-Json
	} {
		for _, text := range []string{out, strings.TrimSpace(out)} {
			sum := md5.Sum([]byte(text)) //nolint:gosec // what the agent uses
			if base64.StdEncoding.EncodeToString(sum[:]) == stored {
				return facts.Known(true, from)
			}
		}
	}
	return facts.Unknown[bool]("the agent stores a hash that only its own programs can make again", from).Because(facts.NotAskable)
}

// parseInformational decodes the registration file.
func parseInformational(b []byte) (facts.Informational, error) {
	var in struct{ ManagedInstanceID, Region string }
	if err := json.Unmarshal(b, &in); err != nil {
		return facts.Informational{}, err
	}
	return facts.Informational{InstanceID: gather.OneLine(in.ManagedInstanceID, 100), Region: gather.OneLine(in.Region, 100)}, nil
}

func (v *vault) informational(name string) facts.Seen[facts.Informational] {
	b, err := v.read(name)
	if err != nil {
		return gather.Unseen[facts.Informational](err, name)
	}
	i, err := parseInformational(b)
	if err != nil {
		_, what := jsonDamage(b, err)
		return facts.Unknown[facts.Informational](what, gather.FileURL(name))
	}
	return facts.Known(i, gather.FileURL(name))
}

var nodeRE = pattern.New(`^m?i-[0-9a-f]{8,17}$`)

// nodeFolders lists the node ids that have a folder in the data directory.
func nodeFolders(fsys gather.FileSystem, data string) facts.Seen[[]string] {
	es, err := fsys.ReadDir(data)
	if err != nil {
		return gather.Unseen[[]string](err, data)
	}
	ids := []string{}
	for _, e := range es {
		if e.IsDir() && nodeRE.MatchString(e.Name()) && len(ids) < 100 {
			ids = append(ids, e.Name())
		}
	}
	slices.Sort(ids)
	return facts.Known(ids, gather.FileURL(data))
}

// nodePaths are what stands for single nodes in the data directory, folders or not.
func nodePaths(fsys gather.FileSystem, data string) []string {
	es, err := fsys.ReadDir(data)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range es {
		if nodeRE.MatchString(e.Name()) && len(out) < 10 {
			out = append(out, path.Join(data, e.Name()))
		}
	}
	return out
}

// statePaths looks at owner and mode of what the agent must be able to use.
func statePaths(env *gather.Env, d gather.Dirs) facts.Seen[[]facts.PathInfo] {
	v := path.Join(d.Data, "Vault")
	names := []string{
		d.Data, v, path.Join(v, "Manifest"), path.Join(v, "EC2Manifest"), path.Join(v, "Store"),
		path.Join(v, "Store", "RegistrationKey"), path.Join(v, "Store", "EC2RegistrationKey"), path.Join(v, "Store", "InstanceFingerprint"),
		path.Join(d.Data, "registration"), path.Join(d.Data, "credentials"), path.Join(d.Data, "ipc"),
		d.Runtime, path.Join(d.Runtime, "identity_config.json"), d.Log, path.Join(d.Log, "amazon-ssm-agent.log"), d.Config,
	}
	folders := []string{d.Data, v, path.Join(v, "Store"), path.Join(d.Data, "ipc"), d.Runtime, d.Log}
	if env.GOOS == "linux" {
		above := []string{path.Dir(d.Data), path.Dir(d.Log)}
		own := nodePaths(env.FS, d.Data)
		names, folders = append(append(names, above...), own...), append(append(folders, above...), own...)
	}
	out := make([]facts.PathInfo, 0, len(names))
	var unread error
	for _, name := range names {
		p := facts.PathInfo{Path: "/" + gather.Clean(name), Owner: facts.Absent[int]("no such file", ""), Folder: slices.Contains(folders, name), Flag: gather.FlagOf(env.FS, name)}
		fi, err := env.FS.Stat(name)
		switch {
		case err == nil:
			p.Exists, p.Mode, p.Owner = true, fi.Mode().String(), owner(env, fi)
			if env.Windows != nil && env.Windows.Access != nil {
				p.Access = env.Windows.Access(gather.OnWindows(env, name))
			}
		case gather.Missing(err):
			if isLink(env.FS, name) {
				p.Error = "dangling link"
			}
		default:
			p.Error, p.Owner = gather.Why(err), gather.Unknown[int](err, "")
			unread = cmp.Or(unread, err)
		}
		out = append(out, p)
	}
	return gather.Partly(out, unread, "")
}

// owner is the user id of a file's owner.
func owner(env *gather.Env, fi fs.FileInfo) facts.Seen[int] {
	if env.GOOS == "windows" {
		return facts.Absent[int]("Windows has no user ids", "")
	}
	if env.Owner != nil {
		if uid, ok := env.Owner(fi); ok {
			return facts.Known(uid, "")
		}
	}
	return facts.Unknown[int]("the file system does not tell", "")
}
