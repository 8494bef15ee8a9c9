package hostfile

import (
	"path"
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
)

const MaxVars = 500

// ShellAssignments reads NAME=value lines, with or without export and quotes.
// Anything that would need a shell to evaluate is skipped.
func ShellAssignments(b []byte) [][2]string {
	var out [][2]string
	gather.Lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		s = strings.TrimSpace(strings.TrimPrefix(s, "export "))
		s = strings.TrimSpace(strings.TrimPrefix(s, "declare -x "))
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" || strings.ContainsAny(k, " \t#$()\"'`") {
			return true
		}
		if v != "" && (v[0] == '"' || v[0] == '\'') {
			q := v[0]
			if i := strings.IndexByte(v[1:], q); i >= 0 {
				v = v[1 : 1+i]
			} else {
				return true
			}
		} else {
			v, _, _ = strings.Cut(v, " #")
			v, _, _ = strings.Cut(v, ";")
			v = strings.TrimSpace(v)
		}
		if strings.ContainsAny(v, "$`") {
			return true
		}
		if len(out) < MaxVars {
			out = append(out, [2]string{k, v})
		}
		return true
	})
	return out
}

// FilesIn lists the files of a directory with a suffix, sorted, at most 100.
func FilesIn(fsys gather.FileSystem, dir, suffix string) []string {
	es, err := fsys.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range es {
		if strings.HasSuffix(e.Name(), suffix) && len(out) < 100 {
			out = append(out, path.Join(dir, e.Name()))
		}
	}
	slices.Sort(out)
	return out
}
