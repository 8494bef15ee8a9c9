package registration

import (
	"cmp"
	"context"
	"encoding/json"
	"path"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentsvc"
	"ssm-doctor/agent/gather/install"
	"ssm-doctor/checks/facts"
)

// Credentials reads what the agent says it uses and the files that hold
// credentials. Keys go to the signer by the run, never into the facts.
type Credentials struct{}

func (Credentials) Name() string { return "credentials" }

func (Credentials) Reset(f *facts.Facts) { f.Credentials = facts.Credentials{} }

func (Credentials) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
	d := gather.AgentDirs(env)
	c := &f.Credentials

	name := path.Join(d.Runtime, "identity_config.json")
	var profile string
	c.Runtime, profile = readRuntime(env.FS, name)

	dhmcFile := path.Join(d.Data, "credentials")
	if env.GOOS != "linux" {
		dhmcFile = gather.Clean(gather.Folders(env).DHMC)
	}
	var profiles []section
	c.DHMCFile, profiles = readShared(env.FS, dhmcFile)
	if k, ok := keysFrom(profiles, "default"); ok {
		run.SetKeys(facts.SourceDHMC, k)
	}

	service := agentsvc.ReadEnvironment(ctx, env)
	rootFile := sharedFile(env, service)
	c.RootFile, profiles = readShared(env.FS, rootFile)
	if b, err := gather.ReadFile(env.FS, install.ConfigFile(env), gather.MaxSmall); err == nil {
		profile = cmp.Or(profile, install.ParseConfig(b).ShareProfile)
	}
	used := c.Runtime.Value
	source := facts.SourceShared
	if used.IdentityType == "OnPrem" {
		source = facts.SourceHybrid
		// A hybrid agent may share another file than root's usual one.
		if share, ok := gather.OnRoot(env, used.ShareFile); ok && share != rootFile && share != dhmcFile {
			if _, ps := readShared(env.FS, share); ps != nil {
				profiles = ps
			}
		}
	}
	if k, ok := keysFrom(profiles, cmp.Or(profile, "default")); ok {
		run.SetKeys(source, k)
	}
	return gather.Denied(env.FS, name)
}

// sharedFile is the credentials file of the account the agent runs as.
func sharedFile(env *gather.Env, service agentsvc.Environment) string {
	if p := service.Vars["AWS_SHARED_CREDENTIALS_FILE"]; strings.HasPrefix(p, "/") || env.GOOS == "windows" && len(p) > 2 && p[1] == ':' {
		if at, ok := gather.OnRoot(env, p); ok {
			return at
		}
	}
	if env.GOOS != "linux" {
		return gather.Clean(gather.Folders(env).Shared)
	}
	home := "root"
	if b, err := gather.ReadFile(env.FS, "etc/passwd", gather.MaxSmall); err == nil {
		gather.Lines(b, func(l []byte) bool {
			if f := strings.Split(string(l), ":"); len(f) >= 6 && f[0] == "root" && strings.HasPrefix(f[5], "/") && len(f[5]) > 1 {
				home = gather.Clean(f[5])
				return false
			}
			return true
		})
	}
	return path.Join(home, ".aws/credentials")
}

// readRuntime reads what the agent says it uses, and the profile of the shared file
// that it names.
func readRuntime(fsys gather.FileSystem, name string) (seen facts.Seen[facts.Runtime], profile string) {
	b, err := gather.ReadFile(fsys, name, maxVaultFile)
	if err != nil {
		return gather.Unseen[facts.Runtime](err, name), ""
	}
	r, profile, err := parseRuntime(b)
	if err != nil {
		_, what := jsonDamage(b, err)
		return facts.Unknown[facts.Runtime]("damaged: "+what, gather.FileURL(name)).Because(facts.Damaged), ""
	}
	r.ModifiedAt = gather.ModTime(fsys, name)
	return facts.Known(r, gather.FileURL(name)), profile
}

// parseRuntime decodes identity_config.json of any version.
func parseRuntime(b []byte) (r facts.Runtime, profile string, err error) {
	var in struct {
		InstanceId, IdentityType, ShareFile, ShareProfile string
		CredentialsExpiresAt, CredentialsRetrievedAt      time.Time
		CredentialSource                                  *string
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return r, "", err
	}
	r = facts.Runtime{
		InstanceID: gather.OneLine(in.InstanceId, 300), IdentityType: gather.OneLine(in.IdentityType, 50),
		ShareFile: gather.OneLine(in.ShareFile, 500),
		// The agent writes year 1 for never.
		ExpiresAt: gather.SaneTime(in.CredentialsExpiresAt), RetrievedAt: gather.SaneTime(in.CredentialsRetrievedAt),
	}
	if in.CredentialSource != nil {
		r.HasSource, r.Source = true, gather.OneLine(*in.CredentialSource, 50)
	}
	return r, in.ShareProfile, nil
}

// readShared reads a shared credentials file; the sections hold its secrets.
func readShared(fsys gather.FileSystem, name string) (facts.Seen[facts.SharedFile], []section) {
	b, err := gather.ReadFile(fsys, name, gather.MaxSmall)
	if err != nil {
		return gather.Unseen[facts.SharedFile](err, name), nil
	}
	sf := facts.SharedFile{Path: "/" + gather.Clean(name), Profiles: []facts.Keys{}, ModifiedAt: gather.ModTime(fsys, name)}
	sections, err := parseINI(b)
	if err != nil {
		sf.ParseError = err.Error()
	}
	for _, s := range sections {
		id := s.values["aws_access_key_id"]
		if id == "" {
			continue
		}
		k := facts.Keys{Profile: gather.OneLine(s.name, 100)}
		if len(id) >= 16 {
			k.KeyPrefix = gather.OneLine(id[:4], 16)
		}
		sf.Profiles = append(sf.Profiles, k)
	}
	return facts.Known(sf, gather.FileURL(name)), sections
}

// keysFrom returns the credentials of a profile.
func keysFrom(sections []section, profile string) (gather.Keys, bool) {
	for _, s := range sections {
		if s.name != profile {
			continue
		}
		k := gather.Keys{ID: s.values["aws_access_key_id"], Secret: s.values["aws_secret_access_key"], Token: s.values["aws_session_token"]}
		if k.ID != "" && k.Secret != "" {
			return k, true
		}
	}
	return gather.Keys{}, false
}
