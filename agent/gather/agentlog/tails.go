package agentlog

import (
	"context"
	"path"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/logline"
)

// Bounds of the tails of logs: what a person reads.
const (
	tailBytes   = 512 << 10
	tailLines   = 400 // of one file
	tailAround  = 4   // lines shown before and after a warning or error
	tailWidth   = 600
	latestLines = 40 // of the end of a file, whatever they say
)

// Tail is what may be shown of the end of one log file: warnings, errors and what stands
// around them, and its last lines.
type Tail struct {
	Name  string
	Lines []string
	Left  int    // lines that were read and are not shown
	Why   string // why the file could not be read
}

// Tails reads the ends of the agent's newest log files. Of a line what is recognised is
// shown, unless env asks for whole lines; texts that identify or authorise never are.
func Tails(ctx context.Context, env *gather.Env) []Tail {
	dir := gather.AgentDirs(env).Log
	es, err := env.FS.ReadDir(dir)
	if err != nil {
		return []Tail{{Name: path.Base(dir), Why: gather.Why(err)}}
	}
	zone, _ := gather.HostZone(env)
	if zone == nil {
		zone = time.UTC
	}
	var out []Tail
	for _, group := range logFiles(es) {
		if ctx.Err() != nil {
			break
		}
		b, err := gather.ReadTail(env.FS, path.Join(dir, group[0]), tailBytes)
		t := Tail{Name: group[0]}
		if err != nil {
			t.Why = gather.Why(err)
		} else {
			t.Lines, t.Left = tail(b, zone, env.WholeLines)
		}
		out = append(out, t)
	}
	return out
}

// tail picks the lines to show of the end of a log.
func tail(b []byte, zone *time.Location, whole bool) (lines []string, left int) {
	all := strings.Split(strings.TrimRight(string(b), "\r\n"), "\n")
	wanted := make([]bool, len(all))
	mark := func(from, to int) {
		for i := max(0, from); i < min(len(all), to); i++ {
			wanted[i] = true
		}
	}
	mark(len(all)-latestLines, len(all))
	for i, l := range all {
		if levelOf([]byte(l)) != "" {
			mark(i-tailAround, i+tailAround+1)
		}
	}
	for i := len(all) - 1; i >= 0; i-- { // the latest are worth most
		if wanted[i] && len(lines) < tailLines {
			if l := shownLine(all[i], zone, whole); l != "" {
				lines = append(lines, l)
				continue
			}
		}
		left++
	}
	for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
		lines[i], lines[j] = lines[j], lines[i]
	}
	return lines, left
}

// shownLine is what may be shown of a line: its time in UTC and what is recognised of
// the rest; empty where that is nothing.
func shownLine(l string, zone *time.Location, whole bool) string {
	stamp, rest := "    ", l
	if at, after, ok := ParseStamp([]byte(l), zone); ok {
		stamp, rest = at.UTC().Format("2006-01-02T15:04:05Z "), string(after)
	}
	rest = gather.OneLine(scrub(rest[:min(len(rest), 2*maxEntry)]), tailWidth)
	if whole {
		rest = logline.Whole(rest)
	} else {
		rest = logline.Shown(rest)
	}
	if rest == "" || rest == logline.Gap {
		return ""
	}
	return stamp + rest
}
