// Package engine runs the pipeline: gather, check, diagnose, report.
package engine

import (
	"context"
	"log/slog"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
)

// DefaultBudget is the longest a run may take.
const DefaultBudget = 20 * time.Second

// Options choose what a run does.
type Options struct {
	Budget time.Duration // 0: DefaultBudget
	// Only and Skip hold check or group ids, with * as wildcard.
	Only, Skip []string
	// Profile is empty for a node, or "image" for the image gate.
	Profile string
	// Log receives trouble of our own; nil: none.
	Log *slog.Logger
	// Sources, when set, takes the place of the plan (the daemon gathers parts
	// at different rhythms).
	Waves Waves
	// Previous facts whose sections are kept for waves that are not run.
	Previous *facts.Facts
	// Progress, when set, is told each source as it ends.
	Progress func(source string, done, total int)
}

// Waves says which parts of the plan are run. The zero value runs all.
type Waves struct {
	SkipNetwork     bool
	SkipPermissions bool
}

// Run gathers facts from env and judges them.
func Run(ctx context.Context, env *gather.Env, o Options) (*report.Report, *facts.Facts) {
	f := Collect(ctx, env, o)
	return Judge(f, o), f
}

// Collect only gathers.
func Collect(ctx context.Context, env *gather.Env, o Options) *facts.Facts {
	panic("not yet")
}

// Judge only judges; it needs no host.
func Judge(f *facts.Facts, o Options) *report.Report {
	panic("not yet")
}
