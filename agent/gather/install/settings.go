package install

import (
	"bytes"
	"encoding/xml"
	"path"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// updateLock reads the updater's lock, which holds a process id.
func updateLock(env *gather.Env, name string) facts.Seen[facts.UpdateLock] {
	s, err := gather.ReadText(env.FS, name)
	if err != nil {
		return gather.Unseen[facts.UpdateLock](err, name)
	}
	l := facts.UpdateLock{At: gather.ModTime(env.FS, name), Running: facts.Unknown[bool](gather.NotLive, "")}
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n < 1<<30 {
		l.PID = n
	}
	switch {
	case !env.Live:
	case env.GOOS != "linux":
		l.Running = facts.Unknown[bool](gather.ErrUnsupported.Error(), "")
	case l.PID > 0:
		l.Running = facts.Known(gather.Exists(env.FS, "proc/"+strconv.Itoa(l.PID)), "file:/proc")
	default:
		l.Running = facts.Unknown[bool]("the lock names no process", gather.FileURL(name))
	}
	return facts.Known(l, gather.FileURL(name))
}

// logConfig reads a log configuration that replaces the built-in one.
func logConfig(env *gather.Env, d gather.Dirs) facts.Seen[facts.LogConfig] {
	name := path.Join(path.Dir(ConfigFile(env)), "seelog.xml")
	b, err := gather.ReadFile(env.FS, name, gather.MaxSmall)
	if err != nil {
		return gather.Unseen[facts.LogConfig](err, name)
	}
	c := parseSeelog(b, d.Log)
	c.Path = "/" + gather.Clean(name)
	return facts.Known(c, gather.FileURL(name))
}

// parseSeelog reads the least level and the files of a seelog.xml; dir is the
// usual log directory, relative to the root.
func parseSeelog(b []byte, dir string) facts.LogConfig {
	var c facts.LogConfig
	dec := xml.NewDecoder(bytes.NewReader(b))
	root, files, usual := false, 0, 0
	for range 5000 {
		t, err := dec.Token()
		if err != nil {
			if !root {
				c.ParseError = "no seelog element"
			} else if _, bad := err.(*xml.SyntaxError); bad {
				c.ParseError = gather.Why(err)
			}
			break
		}
		e, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		root = root || e.Name.Local == "seelog"
		for _, a := range e.Attr {
			switch {
			case e.Name.Local == "seelog" && a.Name.Local == "minlevel":
				c.MinLevel = gather.OneLine(strings.ToLower(a.Value), 20)
			case (e.Name.Local == "rollingfile" || e.Name.Local == "file") && (a.Name.Local == "filename" || a.Name.Local == "path"):
				if files++; strings.EqualFold(path.Dir(gather.WinPath(a.Value)), dir) {
					usual++
				}
			}
		}
	}
	c.Elsewhere = files > 0 && usual == 0 && c.ParseError == ""
	return c
}
