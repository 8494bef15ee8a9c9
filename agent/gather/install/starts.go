package install

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentlog"
	"ssm-doctor/agent/gather/agentsvc"
	"ssm-doctor/checks/facts"
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

// audits reads the audit files, oldest first; at most the latest ten days.
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
func gatherStarts(ctx context.Context, env *gather.Env, a *facts.Agent) {
	d := gather.AgentDirs(env)
	zone, _, _ := gather.HostZone(env)
	dir := path.Join(d.Log, "audits")
	list, err := audits(env.FS, dir, zone)
	from := gather.FileURL(dir)
	if len(list) == 0 {
		// Before audit files, and where none are left, the log has a line per start.
		name := path.Join(d.Log, agentsvc.ExeCore+".log")
		l, lerr := logStarts(ctx, env, name, zone)
		if len(l) > 0 {
			list, from, err = l, gather.FileURL(name), nil
		} else if err == nil || gather.Missing(err) {
			err = cmp.Or(lerr, err)
		}
	}
	if err != nil && !gather.Missing(err) {
		a.Starts = facts.Unknown[[]time.Time](gather.Why(err), from)
		a.Running = facts.Unknown[string](gather.Why(err), from)
		return
	}
	starts := []time.Time{}
	since := env.Now().Add(-24 * time.Hour)
	for _, x := range list {
		if x.exe != agentsvc.ExeCore {
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
func logStarts(ctx context.Context, env *gather.Env, name string, zone *time.Location) ([]audit, error) {
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
