package gather

import (
	"context"
	"encoding/json"
	"path"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
)

// credentialsSource reads what the agent says it uses and the files that hold
// credentials. Keys go to the signer by the run, never into the facts.
type credentialsSource struct{}

func (credentialsSource) Name() string { return "credentials" }

func (credentialsSource) Reset(f *facts.Facts) { f.Credentials = facts.Credentials{} }

func (credentialsSource) Gather(ctx context.Context, run *Run, f *facts.Facts) error {
	env := run.Env
	d := agentDirs(env)
	c := &f.Credentials

	name := path.Join(d.runtime, "identity_config.json")
	c.Runtime = readRuntime(env.FS, name)

	dhmcFile := path.Join(d.data, "credentials")
	if env.GOOS == "windows" {
		dhmcFile = path.Join(programFolder(env), "credentials")
	}
	var profiles []section
	c.DHMCFile, profiles = readShared(env.FS, dhmcFile)
	if k, ok := keysFrom(profiles, "default"); ok {
		run.setKeys(facts.SourceDHMC, k)
	}

	service := serviceEnvironment(ctx, env)
	rootFile := sharedFile(env, service)
	c.RootFile, profiles = readShared(env.FS, rootFile)
	profile := "default"
	if b, err := readFile(env.FS, configFile(env), maxSmall); err == nil {
		if cfg := parseConfig(b); cfg.ParseError == "" && cfg.ShareProfile != "" {
			profile = cfg.ShareProfile
		}
	}
	used := c.Runtime.Value
	if used.ShareProfile != "" {
		profile = used.ShareProfile
	}
	source := facts.SourceShared
	if used.IdentityType == "OnPrem" {
		source = facts.SourceHybrid
		// A hybrid agent may share another file than root's usual one.
		if share := winPath(used.ShareFile); share != "" && share != rootFile && share != dhmcFile {
			if _, ps := readShared(env.FS, share); ps != nil {
				profiles = ps
			}
		}
	}
	if k, ok := keysFrom(profiles, profile); ok {
		run.setKeys(source, k)
	}
	c.EnvKeys = serviceHasKeys(service)
	return denied(env.FS, name)
}

// winPath makes a stored path relative to the root, whatever its system.
func winPath(p string) string {
	if p == "" {
		return ""
	}
	p = strings.ReplaceAll(p, `\`, "/")
	if len(p) > 1 && p[1] == ':' {
		p = p[2:]
	}
	return clean(p)
}

// sharedFile is the credentials file of the account the agent runs as.
func sharedFile(env *Env, service serviceEnv) string {
	if p := service.vars["AWS_SHARED_CREDENTIALS_FILE"]; strings.HasPrefix(p, "/") {
		return clean(p)
	}
	switch env.GOOS {
	case "windows":
		return "Windows/System32/config/systemprofile/.aws/credentials"
	case "darwin":
		return "var/root/.aws/credentials"
	}
	home := "root"
	if b, err := readFile(env.FS, "etc/passwd", maxSmall); err == nil {
		lines(b, func(l []byte) bool {
			if f := strings.Split(string(l), ":"); len(f) >= 6 && f[0] == "root" && strings.HasPrefix(f[5], "/") && len(f[5]) > 1 {
				home = clean(f[5])
				return false
			}
			return true
		})
	}
	return path.Join(home, ".aws/credentials")
}

// serviceHasKeys tells whether the service's environment carries an access key.
func serviceHasKeys(e serviceEnv) facts.Seen[bool] {
	if e.err != nil {
		return facts.Unknown[bool](why(e.err), e.from)
	}
	_, ok := e.vars["AWS_ACCESS_KEY_ID"]
	return facts.Known(ok, e.from)
}

func readRuntime(fsys FileSystem, name string) facts.Seen[facts.Runtime] {
	b, err := readFile(fsys, name, maxVaultFile)
	if err != nil {
		return unseen[facts.Runtime](err, name)
	}
	r, err := parseRuntime(b)
	if err != nil {
		_, what := jsonDamage(b, err)
		return facts.Unknown[facts.Runtime]("damaged: "+what, fileURL(name))
	}
	r.ModifiedAt = modTime(fsys, name)
	return facts.Known(r, fileURL(name))
}

// parseRuntime decodes identity_config.json of any version.
func parseRuntime(b []byte) (facts.Runtime, error) {
	var in struct {
		SchemaVersion, InstanceId, IdentityType, ShareFile, ShareProfile string
		CredentialsExpiresAt, CredentialsRetrievedAt                     time.Time
		CredentialSource                                                 *string
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return facts.Runtime{}, err
	}
	r := facts.Runtime{
		SchemaVersion: oneLine(in.SchemaVersion, 20), InstanceID: oneLine(in.InstanceId, 300), IdentityType: oneLine(in.IdentityType, 50),
		ShareFile: oneLine(in.ShareFile, 500), ShareProfile: oneLine(in.ShareProfile, 100),
		// The agent writes year 1 for never.
		ExpiresAt: saneTime(in.CredentialsExpiresAt), RetrievedAt: saneTime(in.CredentialsRetrievedAt),
	}
	if in.CredentialSource != nil {
		r.HasSource, r.Source = true, oneLine(*in.CredentialSource, 50)
	}
	return r, nil
}

// readShared reads a shared credentials file; the sections hold its secrets.
func readShared(fsys FileSystem, name string) (facts.Seen[facts.SharedFile], []section) {
	b, err := readFile(fsys, name, maxSmall)
	if err != nil {
		return unseen[facts.SharedFile](err, name), nil
	}
	sf := facts.SharedFile{Path: "/" + clean(name), Profiles: []facts.Keys{}, ModifiedAt: modTime(fsys, name)}
	sections, err := parseINI(b)
	if err != nil {
		sf.ParseError = err.Error()
	}
	for _, s := range sections {
		id := s.values["aws_access_key_id"]
		if id == "" {
			continue
		}
		k := facts.Keys{Profile: oneLine(s.name, 100), HasToken: s.values["aws_session_token"] != ""}
		if len(id) >= 16 {
			k.KeyPrefix = oneLine(id[:4], 16)
		}
		sf.Profiles = append(sf.Profiles, k)
	}
	return facts.Known(sf, fileURL(name)), sections
}

// keysFrom returns the credentials of a profile.
func keysFrom(sections []section, profile string) (keys, bool) {
	for _, s := range sections {
		if s.name != profile {
			continue
		}
		k := keys{s.values["aws_access_key_id"], s.values["aws_secret_access_key"], s.values["aws_session_token"]}
		if k.id != "" && k.secret != "" {
			return k, true
		}
	}
	return keys{}, false
}
