package install

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/sorting"
)

const (
	// maxNodeFolders, maxDocuments and maxSteps bound what is looked at; a busy
	// host keeps thousands of orchestration folders.
	maxNodeFolders = 8
	maxDocuments   = 200
	maxSteps       = 20
	// maxStates and maxState bound the state files of documents that are read.
	maxStates = 50
	maxState  = 512 << 10
)

// Uses looks for traces of features that were used on this host.
type Uses struct{}

func (Uses) Name() string { return "uses" }

func (Uses) Reset(f *facts.Facts) {
	f.Agent.Uses, f.Agent.Output = facts.Seen[[]facts.Use]{}, facts.Seen[facts.Output]{}
}

func (Uses) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
	d := gather.AgentDirs(env)
	u := uses{env: env, seen: map[string]trace{}}
	packages, cloudwatch := path.Join(d.Data, "packages"), "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent"
	switch env.GOOS {
	case "windows":
		packages, cloudwatch = path.Join(d.SSM, "Packages"), path.Join(path.Dir(gather.ProgramFolder(env)), "AmazonCloudWatchAgent/amazon-cloudwatch-agent.exe")
	case "darwin":
		packages = "opt/aws/ssm/packages"
	}
	if names := u.list(packages, maxDocuments); len(names) > 0 {
		u.add("distributor", path.Join(packages, names[0]))
	}
	u.add("cloudwatch-agent", cloudwatch)
	n := 0
	var states []string
	for _, node := range u.list(d.Data, 1000) {
		if !strings.HasPrefix(node, "i-") && !strings.HasPrefix(node, "mi-") || n >= maxNodeFolders || ctx.Err() != nil {
			continue
		}
		n++
		dir := path.Join(d.Data, node)
		u.documents(ctx, path.Join(dir, "document/orchestration"))
		if s := u.list(path.Join(dir, "session/orchestration"), 1); len(s) > 0 {
			u.add("session-manager", path.Join(dir, "session/orchestration", s[0]))
		}
		if s := u.list(path.Join(dir, "inventory/contentHash"), 1); len(s) > 0 {
			u.add("inventory", path.Join(dir, "inventory/contentHash", s[0]))
		}
		states = append(states, path.Join(dir, "document/state/completed"), path.Join(dir, "document/state/current"))
	}
	f.Agent.Output = u.output(ctx, states)
	var found []facts.Use
	for _, feature := range slices.Sorted(maps.Keys(u.seen)) {
		found = append(found, facts.Use{Feature: feature, From: gather.FileURL(u.seen[feature].name)})
	}
	f.Agent.Uses = gather.Partly(found, u.err, gather.FileURL(d.Data))
	if u.err != nil && len(found) == 0 {
		return errors.New(gather.Why(u.err))
	}
	return nil
}

// trace is a file or directory that a feature left.
type trace struct {
	name string
	at   time.Time
}

type uses struct {
	env  *gather.Env
	seen map[string]trace // the latest by feature
	err  error            // the first that is not "does not exist"
}

// list is the names in a directory, at most limit; none when it cannot be read.
func (u *uses) list(dir string, limit int) []string {
	es, err := u.env.FS.ReadDir(dir)
	if err != nil {
		if !gather.Missing(err) {
			u.err = cmp.Or(u.err, err)
		}
		return nil
	}
	var out []string
	for _, e := range es[:min(len(es), limit)] {
		out = append(out, e.Name())
	}
	return out
}

// add notes a trace if the file or directory exists.
func (u *uses) add(feature, name string) {
	fi, err := u.env.FS.Stat(name)
	if err != nil {
		return
	}
	if old, ok := u.seen[feature]; ok && !fi.ModTime().After(old.at) {
		return
	}
	u.seen[feature] = trace{name, fi.ModTime()}
}

// features by the folder that a step of a document leaves. Steps of the public
// documents: AWS-GatherSoftwareInventory, AWS-RunPatchBaseline,
// AWS-ConfigureAWSPackage, AWS-JoinDirectoryServiceDomain and the VSS documents.
var featureOfStep = map[string]string{
	"collectsoftwareinventoryitems": "inventory", "awssoftwareinventory": "inventory",
	"patchlinux": "patch-manager", "patchwindows": "patch-manager", "patchmacos": "patch-manager",
	"configurepackage": "distributor", "awsconfigurepackage": "distributor",
	"awsdomainjoin": "domain-join", "domainjoin": "domain-join",
	"createvsssnapshot": "vss-snapshots", "createsnapshot": "vss-snapshots",
}

// A command leaves a folder named by its id; a run of an association one with
// the time after it.
var (
	commandRE     = pattern.New(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	associationRE = pattern.New(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.[0-9]{4}-[0-9]{2}-[0-9]{2}`)
)

func (u *uses) documents(ctx context.Context, dir string) {
	for _, id := range u.list(dir, maxDocuments) {
		if ctx.Err() != nil {
			return
		}
		switch {
		case commandRE.MatchString(id):
			u.add("run-command", path.Join(dir, id))
		case associationRE.MatchString(id):
			u.add("state-manager", path.Join(dir, id))
		default:
			continue
		}
		for _, step := range u.list(path.Join(dir, id), maxSteps) {
			if feature := featureOfStep[strings.ToLower(step)]; feature != "" {
				u.add(feature, path.Join(dir, id, step))
			}
		}
	}
}

var (
	bucketRE = pattern.New(`"OutputS3BucketName"\s*:\s*"([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])"`)
	groupRE  = pattern.New(`"LogGroupName"\s*:\s*"([A-Za-z0-9._/#-]+)"`)
)

// output reads where documents send their output. State files hold parameters
// of documents, so nothing but the names of buckets and log groups is taken.
func (u *uses) output(ctx context.Context, dirs []string) facts.Seen[facts.Output] {
	if len(dirs) == 0 {
		return facts.Absent[facts.Output]("no node folder", "")
	}
	out := facts.Output{Buckets: []string{}, LogGroups: []string{}}
	from := gather.FileURL(dirs[0])
	files, failed := u.states(dirs)
	if failed != nil && len(files) == 0 {
		return gather.Unknown[facts.Output](failed, from)
	}
	for _, name := range files {
		b, err := gather.ReadFile(u.env.FS, name, maxState)
		if err != nil || ctx.Err() != nil {
			continue
		}
		u.names(b, bucketRE, &out.Buckets, "run-command-output-s3", name)
		u.names(b, groupRE, &out.LogGroups, "run-command-output-logs", name)
	}
	slices.Sort(out.Buckets)
	slices.Sort(out.LogGroups)
	return facts.Known(out, from)
}

// states are the newest state files of some directories.
func (u *uses) states(dirs []string) (names []string, failed error) {
	var files []trace
	for _, dir := range dirs {
		es, err := u.env.FS.ReadDir(dir)
		if err != nil {
			if !gather.Missing(err) {
				failed = err
			}
			continue
		}
		for _, e := range es[:min(len(es), 2000)] {
			if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() {
				files = append(files, trace{path.Join(dir, e.Name()), fi.ModTime()})
			}
		}
	}
	sorting.By(files, func(a, b trace) int { return b.at.Compare(a.at) })
	for _, f := range files[:min(len(files), maxStates)] {
		names = append(names, f.name)
	}
	return names, failed
}

// names adds what an expression finds in a state file, which is a trace of a feature.
func (u *uses) names(b []byte, re *pattern.Pattern, to *[]string, feature, file string) {
	for _, m := range re.FindAllSubmatch(b, 10) {
		u.add(feature, file)
		if v := string(m[1]); len(v) <= 512 && !slices.Contains(*to, v) && len(*to) < 10 {
			*to = append(*to, v)
		}
	}
}
