package agentlog

import (
	"bytes"
	"context"
	"errors"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// journalLines is how many lines of the journal are read.
const journalLines = "4000"

// onBottlerocket reads the agent's log where it is only in the journal: that of the
// host container in which Bottlerocket has its agent. The container's clock is UTC.
// Source: bottlerocket-os/bottlerocket-control-container.
func onBottlerocket(ctx context.Context, env *gather.Env, l *facts.Log) error {
	const from = "journalctl -u " + gather.BottlerocketUnit
	fail := func(err error) error {
		l.Matches, l.Refusals, l.Backoff = gather.Unknown[[]facts.Match](err, from), gather.Unknown[[]facts.Refusal](err, from), gather.Unknown[facts.Backoff](err, from)
		l.Unexplained = gather.Unknown[[]facts.Unexplained](err, from)
		l.Files = append(l.Files, facts.LogFile{Path: from, Error: gather.Why(err)})
		return err
	}
	if env.Exec == nil {
		return fail(gather.ErrNoProgram)
	}
	b, err := env.Exec(ctx, "journalctl", "-q", "--no-pager", "-o", "cat", "-u", gather.BottlerocketUnit, "-n", journalLines)
	if err != nil {
		return fail(err)
	}
	if len(b) == 0 {
		return fail(errors.New("the journal holds no line of it that this user may read"))
	}
	s := newLogScan(nil, env.Now())
	s.path, s.fresh, s.whole = from, true, env.WholeLines
	n, err := s.read(ctx, bytes.NewReader(b), false)
	s.unread = err
	s.endGroup()
	l.Files = append(l.Files, facts.LogFile{Path: from, Bytes: int64(len(b)), Read: n})
	s.with([]readFile{{last: s.end}}).fill(l, from)
	return nil
}
