package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/spf13/cobra"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/daemon"
	"ssm-doctor/agent/daemon/svc"
	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/agent/outside"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/safefile"
	"ssm-doctor/checks/facts"
)

// memoryLimit bounds what is taken for a time. It is well above what a run with full
// logs and 64 clients holds: near its limit the collector does nothing else, and a scrape
// waits for seconds. What a run needed is given back after it. GOMEMLIMIT wins.
const memoryLimit = 48 << 20

func configNames() config.Names {
	return config.Names{MetricGroups: export.Groups(), Features: featureIDs(), Probes: awsapi.ProbeFamilies}
}

func newServeCmd(a *app) *cobra.Command {
	var demo, file, out string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Keep examining this host, with metrics and a status page",
		Long: "Examines this host again and again and serves the last report: metrics for\n" +
			"Prometheus on /metrics, a status page on /. It reads\n" +
			config.DefaultFile(runtime.GOOS) + " if there is one; the environment\n" +
			"beats the file, and flags beat both. SIGHUP reads it again.",
		Example: "  ssm-doctor serve\n  ssm-doctor serve --web.listen-address=:10776 --web.config.file=web.yml\n  ssm-doctor serve --demo tls-interceptor",
		Args:    noArgs,
	}
	fs := cmd.Flags()
	fs.StringVar(&file, "config.file", "", "configuration `file` (default: "+config.DefaultFile(runtime.GOOS)+" if it is there)")
	fs.StringVar(&demo, "demo", "", "examine the simulated host of this `name`; demo --list shows all")
	fs.StringVar(&out, "outside", "", "add what a `file` of outside says to each report, for a day; it is read at start and on SIGHUP")
	given := config.AddFlags(fs, configNames())
	_ = cmd.RegisterFlagCompletionFunc("demo", choicesOf(demoChoices))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed("config.file") {
			file = a.getenv(config.Env("config.file"))
		}
		s := serve{a: a, file: file, demo: demo, outside: out, flags: given()}
		err := s.run(cmd.Context())
		svc.Report(err)
		return err
	}
	return cmd
}

// serve is one daemon with what it was told.
type serve struct {
	a          *app
	file, demo string
	outside    string        // file of the operator's half
	read       *outside.View // with the last configuration
	view       atomic.Pointer[outside.View]
	left       atomic.Value // why the view was left out of the last report; empty: it was not
	flags      config.Overrides
	log        *slog.Logger
}

func (s *serve) load() (*config.Config, error) {
	if s.outside == "-" {
		return nil, errors.New("--outside is read again and again: name a file")
	}
	file, named := s.file, s.file != ""
	if !named {
		file = config.DefaultFile(runtime.GOOS)
	}
	if err := svc.OwnedByAdmin(file); err != nil {
		return nil, err
	}
	flags := s.flags
	if s.demo != "" && flags["state-dir"] == nil {
		flags = config.Overrides{"state-dir": {""}}
		for k, v := range s.flags {
			flags[k] = v
		}
	}
	c, err := config.Load(file, named, s.a.getenv, flags, configNames())
	if err == nil && c.WebConfigFile != "" { // it says who may see the report
		if err = svc.OwnedByAdmin(c.WebConfigFile); err != nil && !errors.Is(err, safefile.ErrRefused) {
			err = errors.New("web.config_file: its owner cannot be read") // what is no file may be a secret
		}
	}
	if err == nil && s.outside != "" { // it says what the report says
		err = svc.OwnedByAdmin(s.outside)
		if err == nil {
			s.read, err = s.a.outsideOf(s.outside)
		}
	}
	return c, err
}

// use makes what was read with a configuration that was accepted that of the next reports.
func (s *serve) use() {
	if s.read != nil {
		s.view.Store(s.read)
		s.left.Store("")
	}
}

// outsideLasts is how long a file of outside is good for: what it names may be mended.
// outsideAhead is how far its date may lie ahead: where the clocks differ by more, its age
// is not known.
const (
	outsideLasts = 24 * time.Hour
	outsideAhead = 10 * time.Minute
)

// merged is engine.Run with the operator's half.
func (s *serve) merged(ctx context.Context, env *gather.Env, o engine.Options) (*report.Report, *facts.Facts) {
	r, f := engine.Run(ctx, env, o)
	v, why := s.view.Load(), ""
	switch age := r.GeneratedAt.Sub(v.File.GeneratedAt); {
	case age >= outsideLasts:
		why = "it is older than a day"
	case age < -outsideAhead:
		why = "its date lies ahead of this host's clock"
	case !outside.Merge(r, v):
		why = "it does not hold this node"
	}
	if before := s.left.Swap(why); why != "" && before != why {
		s.log.Warn("the file of --outside is not used; the report holds what this host sees alone", "reason", why)
	}
	return r, f
}

func (s *serve) run(ctx context.Context) error {
	reload, stop := reloadSignal() // first of all: until then a SIGHUP ends the program
	defer stop()
	cfg, err := s.load()
	if err != nil {
		return usagef("%w", err)
	}
	log, level, err := newLogger(s.a, cfg)
	if err != nil {
		return usagef("%w", err)
	}
	s.log = log
	if s.a.alone && s.a.getenv("GOMEMLIMIT") == "" {
		collectUsually()
		debug.SetMemoryLimit(memoryLimit)
	}
	env := hostEnv
	if s.demo != "" {
		h, err := demoHost(s.demo)
		if err != nil {
			return err
		}
		defer h.Close()
		env = func(c *config.Config) (*gather.Env, error) {
			e := named(h.Env())
			e.AgentLatest = c.AgentLatest
			return e, nil
		}
	}
	load := func() (*config.Config, error) {
		c, err := s.load()
		if err == nil {
			err = level.Set(c.LogLevel)
		}
		return c, err
	}
	if err := makeStateDir(cfg.StateDir); err != nil {
		log.Warn("the state directory cannot be made; the history is lost when the daemon stops", "err", err)
	}
	host, _ := os.Hostname()
	o := daemon.Options{Load: load, Env: env, Log: log, Getenv: s.a.getenv, Reload: reload, Eager: s.demo != "", Host: host, Quiet: daemon.GiveBack}
	if s.outside != "" {
		o.Run = s.merged
		o.Env = func(c *config.Config) (*gather.Env, error) { // of a configuration that is accepted
			e, err := env(c)
			if err == nil {
				s.use()
			}
			return e, err
		}
	}
	log.Info("starting", "version", versionString())
	err = svc.Run(ctx, func(ctx context.Context, ready func()) error {
		o.Ready = ready
		d, err := daemon.New(o)
		if err != nil {
			return err
		}
		return d.Run(ctx)
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return &exitError{exitInternal, err}
	}
	log.Info("stopped")
	return nil
}

// hostEnv is the environment of this host under a configuration.
func hostEnv(c *config.Config) (*gather.Env, error) {
	env, err := gather.Host("/")
	if err != nil {
		return nil, fmt.Errorf("look at this host: %w", err)
	}
	env.Offline, env.Region, env.EndpointURL, env.Features, env.Probes = c.Offline, c.Region, c.EndpointURL, c.Features, c.Probes
	env.AgentLatest, env.Pseudonyms = c.AgentLatest, gather.PseudonymKey(env)
	env.Limits.Unhurried = true
	return named(env), nil
}

func named(env *gather.Env) *gather.Env {
	env.Version = versionString()
	env.UserAgent = "ssm-doctor/" + env.Version
	return env
}

func newLogger(a *app, c *config.Config) (*slog.Logger, *promslog.Level, error) {
	level, format := promslog.NewLevel(), promslog.NewFormat()
	if err := level.Set(c.LogLevel); err != nil {
		return nil, nil, err
	}
	if err := format.Set(c.LogFormat); err != nil {
		return nil, nil, err
	}
	log := svc.Logger(a.err, func(w io.Writer) *slog.Logger {
		return promslog.New(&promslog.Config{Level: level, Format: format, Writer: w})
	})
	return log, level, nil
}

// makeStateDir makes the directory, not the ones above it.
func makeStateDir(dir string) error {
	if dir == "" {
		return nil
	}
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}
