package install

import (
	"bytes"
	"cmp"
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentlog"
	"ssm-doctor/agent/gather/agentsvc"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/sorting"
)

// audit is one start recorded by the agent itself.
type audit struct {
	exe, version string
	at           time.Time
}

// parseAudit reads one audit file; day is the date of its name in the host's zone.
func parseAudit(b []byte, day time.Time) []audit {
	var out []audit
	gather.Lines(b, func(l []byte) bool {
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
		out = append(out, audit{gather.OneLine(exe, 50), v, gather.SaneTime(at)})
		return true
	})
	return out
}

// audits reads the audit files, oldest first; at most the latest ten days. The
// error says why the list lacks some.
func audits(fsys gather.FileSystem, dir string, zone *time.Location) ([]audit, error) {
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
		b, err := gather.ReadFile(fsys, path.Join(dir, "amazon-ssm-agent-audit-"+d), 4<<20)
		if err != nil {
			bad = err
			continue
		}
		out = append(out, parseAudit(b, day)...)
	}
	sorting.By(out, func(a, b audit) int { return a.at.Compare(b.at) })
	return out, bad
}

const (
	maxVersions = 20
	maxStarts   = 200
)

// gatherStarts fills the versions that ran and the starts of the last day.
func gatherStarts(ctx context.Context, env *gather.Env, a *facts.Agent) {
	list, from, err := coreStarts(ctx, env)
	if len(list) == 0 {
		const none = "no start is recorded"
		a.Starts, a.Running, a.Versions = facts.Absent[[]time.Time](none, from), facts.Absent[string](none, from), facts.Absent[[]facts.VersionStart](none, from)
		if err != nil && !gather.Missing(err) {
			a.Starts, a.Running, a.Versions = gather.Unknown[[]time.Time](err, from), gather.Unknown[string](err, from), gather.Unknown[[]facts.VersionStart](err, from)
		}
		return
	}
	var starts []time.Time
	var versions []facts.VersionStart
	since := env.Now().Add(-24 * time.Hour)
	for _, x := range list {
		if n := len(versions); n == 0 || versions[n-1].Version != x.version {
			versions = append(versions, facts.VersionStart{Version: x.version, At: x.at})
		}
		if x.at.After(since) {
			starts = append(starts, x.at)
		}
	}
	a.Versions = gather.Partly(versions[max(0, len(versions)-maxVersions):], err, from)
	a.Starts = gather.Partly(starts[max(0, len(starts)-maxStarts):], err, from)
	a.Running = facts.Known(list[len(list)-1].version, from)
	if err != nil { // the latest start may be in what was not read
		a.Running = gather.Unknown[string](err, from)
	}
}

// coreStarts are the starts of the core agent, oldest first, from its audit files.
// Before there were any, and where none are left, the log has a line per start.
func coreStarts(ctx context.Context, env *gather.Env) (list []audit, from string, err error) {
	d := gather.AgentDirs(env)
	zone, _ := gather.HostZone(env)
	dir := path.Join(d.Log, "audits")
	list, err = audits(env.FS, dir, zone)
	list = slices.DeleteFunc(list, func(x audit) bool { return x.exe != agentsvc.ExeCore })
	if len(list) > 0 {
		return list, gather.FileURL(dir), err
	}
	name := path.Join(d.Log, agentsvc.ExeCore+".log")
	logged, lerr := logStarts(ctx, env, name, zone)
	if len(logged) > 0 {
		return logged, gather.FileURL(name), nil
	}
	if err == nil || gather.Missing(err) {
		err = cmp.Or(lerr, err)
	}
	return nil, gather.FileURL(dir), err
}

// logStarts finds the core agent's starts in the end of its log.
func logStarts(ctx context.Context, env *gather.Env, name string, zone *time.Location) ([]audit, error) {
	const tail = 1 << 20
	b, err := gather.ReadTail(env.FS, name, tail)
	if err != nil {
		return nil, err
	}
	var out []audit
	mark := []byte("amazon-ssm-agent - v")
	gather.Lines(b, func(l []byte) bool {
		i := bytes.Index(l, mark)
		if i < 0 || ctx.Err() != nil {
			return ctx.Err() == nil
		}
		at, _, ok := agentlog.ParseStamp(l, zone)
		if v := agentVersion(string(l[i+len(mark):])); ok && v != "" {
			out = append(out, audit{agentsvc.ExeCore, v, at})
		}
		return len(out) < 10_000
	})
	return out, nil
}
