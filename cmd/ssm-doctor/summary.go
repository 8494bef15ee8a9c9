package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/fleet"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/safefile"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/logline"
)

// summaryFlags are the flags of summary.
type summaryFlags struct {
	format, file, since, hosts, failOn string
	noRedact                           bool
}

func newSummaryCmd(a *app) *cobra.Command {
	var s summaryFlags
	cmd := &cobra.Command{
		Use:   "summary [FILE|FOLDER...]",
		Short: "Group the reports of many hosts by cause",
		Long: "Reads any number of reports (check -o json or jsonl) or facts (collect): files,\n" +
			"folders as S3 syncs them, JSON lines on standard input, output of Run Command,\n" +
			"tar and gzip. It says how many hosts have which cause, which one change mends\n" +
			"how many, what tells sick hosts from healthy ones of the same kind, and what is\n" +
			"new since an earlier summary. Of several reports of a host the latest counts.\n\n" +
			"Exit code: 0 when every host is managed or degraded; 2 when one is not managed;\n" +
			"3 when of one it cannot be told, or its report is missing or cannot be read.",
		Example: "  ssm-doctor summary reports/\n" +
			"  ssm-doctor summary reports -o html -f fleet.html\n" +
			"  ssm-doctor summary reports -o json -f today.json --since yesterday.json",
		RunE: func(cmd *cobra.Command, args []string) error { return s.run(cmd, a, args) },
	}
	fs := cmd.Flags()
	fs.StringVarP(&s.format, "output", "o", "text", "`format`: "+strings.Join(fleet.Formats, ", "))
	fs.StringVarP(&s.file, "file", "f", "-", "write to this `file` instead of standard output")
	fs.StringVar(&s.since, "since", "", "say what is new since the summary in this `file`, written with -o json")
	fs.StringVar(&s.hosts, "hosts", "", "name the hosts of this `file`, one id a line, of which there is no report")
	fs.StringVar(&s.failOn, "fail-on", "not-managed", "exit code other than 0 on: not-managed, never")
	fs.BoolVar(&s.noRedact, "no-redact", false, "keep names in what is judged from facts")
	for flag, values := range map[string][]string{"output": fleet.Formats, "fail-on": {"not-managed", "never"}} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

func (s *summaryFlags) run(cmd *cobra.Command, a *app, args []string) error {
	if err := a.fromEnvironment(cmd); err != nil {
		return err
	}
	if err := oneOf("--output", s.format, fleet.Formats...); err != nil {
		return err
	}
	if err := oneOf("--fail-on", s.failOn, "not-managed", "never"); err != nil {
		return err
	}
	o := fleet.Options{Now: time.Now(), Version: versionString()}
	if s.since != "" {
		b, err := a.readInput(s.since, fleet.MaxSummary)
		if err != nil {
			return err
		}
		if o.Since, err = fleet.ParseSummary(b); err != nil {
			return usagef("%s: %w", s.since, err)
		}
	}
	if s.hosts != "" {
		b, err := a.readInput(s.hosts, 64<<20)
		if err != nil {
			return err
		}
		o.Expected = strings.Fields(string(b))
	}
	if len(args) == 0 {
		if f, ok := a.in.(*os.File); ok {
			if tty, _ := report.Terminal(f); tty {
				return usagef("summary takes files or folders of reports, or reports on standard input")
			}
		}
		args = []string{"-"}
	}
	t := fleet.NewTable()
	if err := a.readFleet(cmd, t, args, s.judge()); err != nil {
		return err
	}
	if cmd.Context().Err() != nil {
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
	if err := t.Empty(); err != nil {
		return usagef("%w", err)
	}
	sum := t.Summarize(o)
	if err := a.create(s.file, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 64<<10)
		if err := fleet.Write(b, s.format, sum); err != nil {
			return err
		}
		return b.Flush()
	}); err != nil {
		return err
	}
	switch {
	case s.failOn == "never":
	case sum.States[report.NotManaged] > 0:
		return &exitError{code: exitNotManaged}
	case sum.States[report.Unknown]+len(sum.Missing)+sum.Unreadable > 0:
		return &exitError{code: exitUnknown}
	}
	return nil
}

// judge turns facts into reports as check --from does.
func (s *summaryFlags) judge() fleet.Judge {
	key := sync.OnceValue(func() []byte {
		here, err := gather.Host("/")
		if err != nil {
			return nil
		}
		return gather.PseudonymKey(here)
	})
	return func(f *facts.Facts) *report.Report {
		if s.noRedact {
			logline.WholeFacts(f)
		} else {
			logline.ShownFacts(f)
		}
		f.Pseudonyms = key()
		r := engine.Judge(f, engine.Options{})
		if !s.noRedact {
			r = report.Redact(r)
		}
		return r
	}
}

// readFleet reads files, folders and standard input; documents are judged beside each
// other.
func (a *app) readFleet(cmd *cobra.Command, t *fleet.Table, args []string, judge fleet.Judge) error {
	ctx := cmd.Context()
	work := make(chan fleet.Document, 4)
	var wg sync.WaitGroup
	for range min(4, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for d := range work {
				t.AddDocument(d, judge)
			}
		})
	}
	read := func(name string, r io.Reader) error {
		return fleet.Documents(name, &interruptible{ctx, r}, func(d fleet.Document) bool {
			select {
			case work <- d:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}
	err := func() error {
		for _, name := range args {
			err := a.readInputs(name, read)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	}()
	close(work)
	wg.Wait()
	return err
}

// readInputs reads one argument: standard input, a file, or all files of a folder. Links
// in a folder are not followed.
func (a *app) readInputs(name string, read func(string, io.Reader) error) error {
	if name == "-" {
		return read("standard input", a.in)
	}
	info, err := os.Stat(name)
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return usagef("read %s: %w", name, at.Err)
	}
	if err != nil {
		return usagef("%w", err)
	}
	if !info.IsDir() {
		return readOne(name, read)
	}
	return filepath.WalkDir(name, func(at string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return usagef("%w", err)
		case !e.Type().IsRegular():
			return nil
		}
		return readOne(at, read)
	})
}

func readOne(name string, read func(string, io.Reader) error) error {
	f, err := safefile.OpenRead(name)
	if err != nil {
		return usagef("%w", err)
	}
	defer f.Close()
	if err := read(name, f); err != nil {
		return &exitError{exitInternal, fmt.Errorf("read %s: %w", name, err)}
	}
	return nil
}

// interruptible is an input that ends when ctx does: much may be read that holds nothing.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.Reader.Read(p)
}
