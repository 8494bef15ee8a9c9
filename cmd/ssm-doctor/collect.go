package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/bundle"
	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentlog"
	"ssm-doctor/agent/gather/recorded"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
)

// newCollectCmd writes the facts of this host, for a ticket or for check --from.
func newCollectCmd(a *app) *cobra.Command {
	var (
		t        target
		file     string
		raw      string
		archive  string
		noRedact bool
		timeout  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Write what can be seen of this host as redacted JSON",
		Long: "Writes the facts of this host as JSON, redacted, for a ticket or for\ncheck --from elsewhere. Keys, tokens, activation codes and proxy passwords are\nnever part of it.\n\n" +
			"--bundle writes one archive (tar.gz) for support instead: the report as text,\npage and JSON, the facts, the ends of the agent's logs, and a list of what is\nin it and of what was left out. check --from judges it as well.",
		Example: "  ssm-doctor collect -f facts.json\n" +
			"  ssm-doctor check --from facts.json\n" +
			"  ssm-doctor collect --bundle case.tar.gz\n" +
			"  ssm-doctor check --from case.tar.gz\n" +
			"  ssm-doctor collect --raw recording",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.fromEnvironment(cmd); err != nil {
				return err
			}
			if t.from != "" {
				return usagef("collect takes no --from")
			}
			if archive != "" && raw != "" {
				return usagef("--bundle does not go with --raw")
			}
			if archive != "" && file != "-" {
				return usagef("--bundle names its own file: it does not go with --file")
			}
			if timeout <= 0 {
				return usagef("--timeout must be positive")
			}
			env, err := t.environment(noRedact)
			if err != nil {
				return err
			}
			if raw != "" {
				return a.collectRaw(cmd, env, raw, file, noRedact, timeout)
			}
			f := engine.Collect(cmd.Context(), env, engine.Options{Budget: timeout, Log: a.logger(false), Waves: engine.Waves{SkipNetwork: !env.Live}})
			if archive != "" {
				return a.bundle(cmd.Context(), archive, bundle.Input{Report: engine.Judge(f, engine.Options{}), Facts: f, Logs: agentlog.Tails(cmd.Context(), env), Redact: !noRedact, Now: env.Now()})
			}
			if !noRedact {
				f = report.RedactFacts(f)
			} else {
				f = report.StripFacts(f)
			}
			fmt.Fprintln(a.err, "in it: host, agent, registration (no keys), metadata, credentials (no secrets), network, permissions, log matches")
			err = a.create(file, func(w io.Writer) error {
				return report.WriteJSON(w, f, " ")
			})
			if err == nil && cmd.Context().Err() != nil {
				err = &exitError{exitInterrupted, errors.New("interrupted, incomplete")}
			}
			return err
		},
	}
	flags := cmd.Flags()
	t.flags(flags)
	_ = flags.MarkHidden("from")
	flags.StringVarP(&file, "file", "f", "-", "write to this `file` instead of standard output")
	flags.StringVar(&raw, "raw", "", "write to this `folder` also what programs, files and interfaces answered, to judge the host elsewhere as if it were there")
	flags.StringVar(&archive, "bundle", "", "write an archive for support to this `file`")
	flags.BoolVar(&noRedact, "no-redact", false, "show account numbers, role names, addresses and whole log lines")
	durationVar(flags, &timeout, "timeout", engine.DefaultBudget, "longest `duration` of a run")
	return cmd
}

// Files of a recording.
const (
	recordingFile = "recording.json"
	recordedFacts = "facts.json"
)

// collectRaw writes a recording of this host into a folder: what it answered, and the
// facts, for what its network answered is only in these.
func (a *app) collectRaw(cmd *cobra.Command, env *gather.Env, folder, file string, whole bool, timeout time.Duration) error {
	if file != "-" {
		return usagef("--raw names the folder; it takes no --file")
	}
	env, recorder := recorded.Record(env)
	f := engine.Collect(cmd.Context(), env, engine.Options{Budget: timeout, Log: a.logger(false), Waves: engine.Waves{SkipNetwork: !env.Live}})
	if cmd.Context().Err() != nil {
		return &exitError{exitInterrupted, errors.New("interrupted, nothing written")}
	}
	redact := report.StripText
	if whole {
		f = report.StripFacts(f)
	} else {
		f, redact = report.RedactRecording(f)
	}
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return notWritten(folder, err)
	}
	for name, what := range map[string]any{recordingFile: recorder.Recording(redact, !whole), recordedFacts: f} {
		err := a.create(filepath.Join(folder, name), func(w io.Writer) error { return report.WriteJSON(w, what, " ") })
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(a.err, "in it: answers of programs, files and interfaces as far as they were recognised, and facts; judge it by: ssm-doctor check --from %s\n", report.Printable(folder))
	return nil
}

// readRecording reads what collectRaw wrote.
func (a *app) readRecording(folder string) (*gather.Env, *facts.Facts, error) {
	b, err := a.readInput(filepath.Join(folder, recordingFile), recorded.MaxBytes)
	if err != nil {
		return nil, nil, err
	}
	r, err := recorded.Read(b)
	if err != nil {
		return nil, nil, usagef("%s: %w", filepath.Join(folder, recordingFile), err)
	}
	f, err := a.readFacts(filepath.Join(folder, recordedFacts), false)
	if err != nil {
		return nil, nil, err
	}
	return r.Env(), f, nil
}

// bundle writes an archive for support.
func (a *app) bundle(ctx context.Context, name string, in bundle.Input) error {
	err := a.create(name, func(w io.Writer) error { return bundle.Write(w, in) })
	if err == nil {
		fmt.Fprintf(a.err, "in it: report, facts, ends of the agent's logs; %s lists all, and what was left out\n", bundle.ContentsFile)
	}
	if err == nil && ctx.Err() != nil {
		err = &exitError{exitInterrupted, errors.New("interrupted, incomplete")}
	}
	return err
}
