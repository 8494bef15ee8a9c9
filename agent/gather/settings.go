package gather

import (
	"bytes"
	"encoding/xml"
	"path"
	"strconv"
	"strings"

	"ssm-doctor/checks/facts"
)

// metadataSettings takes the variables of the metadata client out of the
// service's environment.
func metadataSettings(e serviceEnv) facts.Seen[facts.MetadataSettings] {
	is := func(name string) bool { return strings.EqualFold(e.vars[name], "true") }
	endpoint, _ := redactProxy(e.vars["AWS_EC2_METADATA_SERVICE_ENDPOINT"])
	m := facts.MetadataSettings{
		Disabled: is("AWS_EC2_METADATA_DISABLED"), V1Disabled: is("AWS_EC2_METADATA_V1_DISABLED"),
		Endpoint: endpoint, Mode: oneLine(e.vars["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"], 20),
	}
	if m == (facts.MetadataSettings{}) {
		return facts.Absent[facts.MetadataSettings]("no variable is set", e.from)
	}
	return facts.Known(m, e.from)
}

// updateLock reads the updater's lock, which holds a process id.
func updateLock(env *Env, name string) facts.Seen[facts.UpdateLock] {
	s, err := readText(env.FS, name)
	if err != nil {
		return unseen[facts.UpdateLock](err, name)
	}
	l := facts.UpdateLock{At: modTime(env.FS, name), Running: facts.Unknown[bool](notLive, "")}
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n < 1<<30 {
		l.PID = n
	}
	switch {
	case !env.Live:
	case env.GOOS != "linux":
		l.Running = facts.Unknown[bool](errUnsupported.Error(), "")
	case l.PID > 0:
		l.Running = facts.Known(exists(env.FS, "proc/"+strconv.Itoa(l.PID)), "file:/proc")
	default:
		l.Running = facts.Unknown[bool]("the lock names no process", fileURL(name))
	}
	return facts.Known(l, fileURL(name))
}

// logConfig reads a log configuration that replaces the built-in one.
func logConfig(env *Env, d dirs) facts.Seen[facts.LogConfig] {
	name := path.Join(path.Dir(configFile(env)), "seelog.xml")
	b, err := readFile(env.FS, name, maxSmall)
	if err != nil {
		return unseen[facts.LogConfig](err, name)
	}
	c := parseSeelog(b, d.log)
	c.Path = "/" + clean(name)
	return facts.Known(c, fileURL(name))
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
				c.ParseError = why(err)
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
				c.MinLevel = oneLine(strings.ToLower(a.Value), 20)
			case (e.Name.Local == "rollingfile" || e.Name.Local == "file") && (a.Name.Local == "filename" || a.Name.Local == "path"):
				if files++; strings.EqualFold(path.Dir(winPath(a.Value)), dir) {
					usual++
				}
			}
		}
	}
	c.Elsewhere = files > 0 && usual == 0 && c.ParseError == ""
	return c
}
