// Package agentlog reads the log of the agent: what its entries say, when, and
// in which time zone.
package agentlog

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/sorting"
)

const (
	// logTail is how much of the end of one log file is read, logTotal of all.
	logTail  = 4 << 20
	logTotal = 10 << 20
	// logEnough is the size below which an older, rotated file is read too.
	logEnough = 256 << 10
	logChunk  = 64 << 10
	// maxEntry bounds one entry with its continuation lines.
	maxEntry    = 8 << 10
	maxMatch    = 600
	maxRefusals = 50
	// maxAhead is how far in the future an entry may lie.
	maxAhead = 5 * time.Minute
)

// Source reads the agent's log files from their end.
type Source struct{}

func (Source) Name() string { return "log" }

func (Source) Reset(f *facts.Facts) { f.Log = facts.Log{} }

func (Source) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
	dir := gather.AgentDirs(env).Log
	l := &f.Log
	if env.GOOS == "linux" && env.Live && gather.IsBottlerocket(env.FS) {
		return onBottlerocket(ctx, env, l)
	}
	es, err := env.FS.ReadDir(dir)
	if err != nil {
		l.Matches, l.Refusals, l.Backoff = gather.Unseen[[]facts.Match](err, dir), gather.Unseen[[]facts.Refusal](err, dir), gather.Unseen[facts.Backoff](err, dir)
		l.Unexplained = gather.Unseen[[]facts.Unexplained](err, dir)
		if gather.Missing(err) {
			return nil
		}
		l.Files = append(l.Files, facts.LogFile{Path: "/" + path.Join(dir, "amazon-ssm-agent.log"), Error: gather.Why(err)})
		return errors.New(gather.Why(err))
	}
	groups := logFiles(es)
	if len(groups) == 0 {
		const none = "the log directory holds no log of the agent"
		from := gather.FileURL(dir)
		l.Matches, l.Refusals, l.Backoff = facts.Absent[[]facts.Match](none, from), facts.Absent[[]facts.Refusal](none, from), facts.Absent[facts.Backoff](none, from)
		l.Unexplained = facts.Absent[[]facts.Unexplained](none, from)
		return nil
	}
	zone, _ := gather.HostZone(env)
	zone = logZone(env.FS, path.Join(dir, groups[0][0]), zone)
	s, files := resume(ctx, env, dir, groups, cmp.Or(zone, time.UTC))
	if s == nil {
		s = newLogScan(zone, env.Now())
		s.whole = env.WholeLines
		files = s.files(ctx, env.FS, dir, groups)
		keep(env.Memory, s, files)
	}
	for _, f := range files {
		l.Files = append(l.Files, f.facts)
	}
	s.with(files).fill(l, gather.FileURL(dir))
	return nil
}

// files reads the groups of files, each from the newest file back until enough of
// it is known.
func (s *logScan) files(ctx context.Context, fsys gather.FileSystem, dir string, groups [][]string) []readFile {
	var out []readFile
	budget := int64(logTotal)
	for _, group := range groups {
		read := int64(0)
		for _, name := range group {
			if ctx.Err() != nil || budget <= 0 {
				s.unread = cmp.Or(s.unread, ctx.Err())
				break
			}
			f := s.file(ctx, fsys, path.Join(dir, name), min(logTail, budget))
			out = append(out, f)
			budget -= f.facts.Read
			if read += f.facts.Read; read >= logEnough {
				break
			}
		}
		s.endGroup()
	}
	return out
}

// logFiles sorts the files of the log directory into groups that continue each
// other, newest first: the main log (on Windows one per executable), the
// hibernation log, and the errors, which repeat lines of the main log.
func logFiles(es []fs.DirEntry) [][]string {
	type file struct {
		name string
		n    int
	}
	groups := map[string][]file{}
	for _, e := range es {
		base, ext, ok := strings.Cut(e.Name(), ".log")
		if !ok || strings.ContainsAny(base, ".") {
			continue
		}
		switch base {
		case "amazon-ssm-agent", "ssm-agent-worker", "ssm-document-worker", "ssm-session-worker", "hibernate", "errors":
		default:
			continue
		}
		n := 1 << 30 // the current file is the newest
		if ext != "" {
			var err error
			if n, err = strconv.Atoi(strings.TrimPrefix(ext, ".")); err != nil {
				continue
			}
		}
		groups[base] = append(groups[base], file{e.Name(), n})
	}
	var out [][]string
	for _, base := range []string{"amazon-ssm-agent", "ssm-agent-worker", "hibernate", "ssm-document-worker", "ssm-session-worker", "errors"} {
		g := groups[base]
		// A higher number is newer.
		sorting.By(g, func(a, b file) int { return cmp.Compare(b.n, a.n) })
		var names []string
		for _, x := range g[:min(len(g), 3)] {
			names = append(names, x.name)
		}
		if names != nil {
			out = append(out, names)
		}
	}
	return out
}
