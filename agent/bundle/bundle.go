// Package bundle puts what support asks for into one archive: the report, the facts and
// the ends of the logs, with a list of what is in it and of what was left out.
package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather/agentlog"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
)

// Names of the files in a bundle.
const (
	FactsFile    = "facts.json"
	ContentsFile = "CONTENTS.txt"
)

// maxUnpacked bounds what is read of a bundle: whoever sends one may send any archive.
const (
	maxUnpacked = 64 << 20
	maxFiles    = 200
)

// Input is what a bundle is made of.
type Input struct {
	Report *report.Report
	Facts  *facts.Facts
	Logs   []agentlog.Tail
	Redact bool
	Now    time.Time
}

// file is one file of a bundle.
type file struct {
	name, what string
	body       []byte
}

// leftOut is what no bundle holds, and why.
var leftOut = []string{
	"the agent's vault, its private keys and the shared credentials file: secrets",
	"environment of the service and of processes: may hold passwords; the proxy settings are in facts.json without logins",
	"the agent's configuration and its unit as files: what the agent reads of them is in agent.txt, other text may hold secrets",
	"output of commands, parameters of documents, session logs: they are yours, not the agent's",
	"parts of log lines that are not recognised (…): they may be names or secrets; --no-redact keeps them",
}

// Write writes the archive, a gzipped tar.
func Write(w io.Writer, in Input) error {
	files, notes, err := in.files()
	if err != nil {
		return err
	}
	files = append([]file{{ContentsFile, "this list", contents(in, files, notes)}}, files...)
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Name: "ssm-doctor/" + f.name, Mode: 0o600, Size: int64(len(f.body)), ModTime: in.Now.UTC().Truncate(time.Second), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
		if _, err := t.Write(f.body); err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

func (in Input) files() (files []file, notes []string, err error) {
	f, r := report.StripFacts(in.Facts), in.Report
	if in.Redact {
		f, r = report.RedactFacts(in.Facts), report.Redact(r)
	}
	add := func(name, what string, write func(io.Writer) error) {
		var b bytes.Buffer
		if e := write(&b); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", name, e))
		}
		files = append(files, file{name, what, b.Bytes()})
	}
	for _, x := range [][3]string{{"report.txt", "wide", "the report, to read"}, {"report.html", "html", "the report as a page"}, {"report.json", "json", "the report, for programs"}} {
		add(x[0], x[2], func(w io.Writer) error { return report.Write(w, x[1], r, report.Style{Width: 100}) })
	}
	add(FactsFile, "what was seen; ssm-doctor check --from judges it again", func(w io.Writer) error { return report.WriteJSON(w, f, " ") })
	add("agent.txt", "configuration, service and installations of the agent, as they were read", func(w io.Writer) error {
		for _, part := range []struct {
			title string
			value any
		}{{"configuration", f.Agent.Config}, {"service", f.Agent.Units}, {"proxy of the service", f.Network.Proxy}, {"installations", f.Agent.Installations}} {
			if _, err := fmt.Fprintf(w, "# %s\n", part.title); err != nil {
				return err
			}
			if err := report.WriteJSON(w, part.value, " "); err != nil {
				return err
			}
		}
		return nil
	})
	for _, t := range in.Logs {
		if t.Why != "" {
			notes = append(notes, "log "+report.Printable(t.Name)+": "+report.Printable(t.Why))
			continue
		}
		lines := report.StripLines(t.Lines)
		if in.Redact {
			lines = report.RedactLines(in.Facts, t.Lines)
		}
		var b strings.Builder
		for _, l := range lines {
			b.WriteString(report.Printable(l) + "\n")
		}
		files = append(files, file{"logs/" + path.Base(t.Name), fmt.Sprintf("end of the log: warnings, errors, and the lines around them; %d lines left out", t.Left), []byte(b.String())})
	}
	return files, notes, err
}

func contents(in Input, files []file, notes []string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "ssm-doctor %s, %s, %s\n\nIn it\n", report.Printable(in.Report.Version), report.Printable(in.Report.Node.ID), in.Now.UTC().Format(time.RFC3339))
	if in.Redact {
		b.WriteString("  Redacted: names, account numbers and addresses are replaced.\n")
	}
	for _, f := range files {
		fmt.Fprintf(&b, "  %-32s %8d bytes  %s\n", f.name, len(f.body), f.what)
	}
	b.WriteString("\nNot read\n")
	for _, n := range notes {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	for _, s := range in.Report.Sources {
		if !s.Success {
			fmt.Fprintf(&b, "  %s: %s\n", report.Printable(s.Name), "see sources in report.json")
		}
	}
	b.WriteString("\nLeft out on purpose\n")
	for _, l := range leftOut {
		fmt.Fprintf(&b, "  %s\n", l)
	}
	b.WriteString("\nJudge it again: ssm-doctor check --from THIS_ARCHIVE\n")
	return []byte(b.String())
}

// Is tells an archive from a facts file by its first bytes.
func Is(b []byte) bool { return bytes.HasPrefix(b, []byte("\x1f\x8b")) }

// ErrNotBundle is returned for an archive without facts.
var ErrNotBundle = errors.New("the archive holds no " + FactsFile)

// Facts takes the facts file out of an archive.
func Facts(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("read bundle: %w", err)
	}
	t := tar.NewReader(io.LimitReader(z, maxUnpacked))
	for range maxFiles {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read bundle: %w", err)
		}
		if h.Typeflag != tar.TypeReg || !slices.Contains([]string{FactsFile, "ssm-doctor/" + FactsFile}, path.Clean(h.Name)) {
			continue
		}
		out, err := io.ReadAll(io.LimitReader(t, facts.MaxFileBytes+1))
		if err != nil {
			return nil, fmt.Errorf("read bundle: %w", err)
		}
		return out, nil
	}
	return nil, ErrNotBundle
}
