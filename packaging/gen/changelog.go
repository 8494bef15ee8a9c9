package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
)

const maintainer = "ssm-doctor maintainers <maintainers@ssm-doctor.invalid>"

// release is a section of CHANGELOG.md.
type release struct {
	version string // "unreleased" for the first
	when    time.Time
	changes []string
}

var releaseTitle = regexp.MustCompile(`^## (\S+)(?: / (\d{4}-\d{2}-\d{2}))?$`)

// releases reads CHANGELOG.md: "## 1.2.3 / 2026-11-27" and a list. The section
// "unreleased" is that of the version that is being built.
func releases(text, version string, when time.Time) ([]release, error) {
	var all []release
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := releaseTitle.FindStringSubmatch(line); m != nil {
			r := release{version: m[1], when: when}
			if r.version == "unreleased" {
				r.version = version
			}
			if m[2] != "" {
				t, err := time.Parse(time.DateOnly, m[2])
				if err != nil {
					return nil, err
				}
				r.when = t
			}
			all = append(all, r)
			continue
		}
		if c, ok := strings.CutPrefix(line, "* "); ok && len(all) > 0 {
			last := &all[len(all)-1]
			last.changes = append(last.changes, strings.ReplaceAll(c, "`", ""))
		}
	}
	if len(all) == 0 || len(all[0].changes) == 0 {
		return nil, errors.New("CHANGELOG.md has no release with changes")
	}
	return all, nil
}

// wrap breaks text into lines of at most width, the first after lead, the others after as
// many spaces.
func wrap(lead, text string, width int) string {
	var b strings.Builder
	b.WriteString(lead)
	at := len(lead)
	for i, word := range strings.Fields(text) {
		if i > 0 && at+1+len(word) > width {
			b.WriteString("\n" + strings.Repeat(" ", len(lead)))
			at = len(lead)
		} else if i > 0 {
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String() + "\n"
}

// debChangelog is the file that Debian's policy asks for.
func debChangelog(all []release) string {
	var b strings.Builder
	for i, r := range all {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "ssm-doctor (%s) stable; urgency=medium\n\n", r.version)
		for _, c := range r.changes {
			b.WriteString(wrap("  * ", c, 78))
		}
		fmt.Fprintf(&b, "\n -- %s  %s\n", maintainer, r.when.UTC().Format(time.RFC1123Z))
	}
	return b.String()
}

// rpmChangelog is what nfpm takes for the header of an rpm: YAML, of which JSON is a part.
func rpmChangelog(all []release) (string, error) {
	type note struct {
		Note string `json:"note"`
	}
	type entry struct {
		Semver   string    `json:"semver"`
		Date     time.Time `json:"date"`
		Packager string    `json:"packager"`
		Changes  []note    `json:"changes"`
	}
	var out []entry
	for _, r := range all {
		e := entry{r.version + "-1", r.when.UTC(), maintainer, nil}
		for _, c := range r.changes {
			e.Changes = append(e.Changes, note{c})
		}
		out = append(out, e)
	}
	b, err := json.MarshalIndent(out, "", "  ")
	return string(b) + "\n", err
}

// changelog writes the changelog of a kind of package.
func changelog(kind, version string, when time.Time, out io.Writer) error {
	b, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	all, err := releases(string(b), version, when)
	if err != nil {
		return err
	}
	text := debChangelog(all)
	if kind == "rpm" {
		if text, err = rpmChangelog(all); err != nil {
			return err
		}
	}
	_, err = io.WriteString(out, text)
	return err
}
