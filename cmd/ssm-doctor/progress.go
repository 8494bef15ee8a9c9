package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"ssm-doctor/agent/report"
)

// A run that is longer than showAfter says what it waits for, and keeps saying it.
const (
	showAfter  = 300 * time.Millisecond
	showEvery  = 200 * time.Millisecond
	clearLine  = "\r\x1b[K"
	clearAll   = "\x1b[H\x1b[2J"
	namesShown = 3
)

// errTerminal is standard error where it is a terminal, else nil.
func (a *app) errTerminal() *os.File {
	f, ok := a.err.(*os.File)
	if !ok {
		return nil
	}
	if tty, _ := report.Terminal(f); !tty {
		return nil
	}
	return f
}

// progress is one line on a terminal's standard error, for runs that last.
type progress struct {
	w     *os.File // nil: show nothing
	width int

	mu      sync.Mutex
	waiting []string
	done    int
	total   int
	start   time.Time
	shown   bool
	stop    chan struct{}
	over    sync.WaitGroup
}

func (a *app) progress(o output) *progress {
	p := &progress{start: time.Now(), stop: make(chan struct{})}
	if p.w = a.errTerminal(); p.w == nil || o.quiet {
		p.w = nil
		return p
	}
	_, p.width = report.Terminal(p.w)
	p.over.Go(func() {
		wait := time.After(showAfter)
		for {
			select {
			case <-p.stop:
				return
			case <-wait:
				p.show()
				wait = time.After(showEvery)
			}
		}
	})
	return p
}

// sources is told which sources are waited for.
func (p *progress) sources(waiting []string, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting, p.done, p.total = waiting, done, total
}

func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = true
	fmt.Fprint(p.w, clearLine+fitting(waitingLine(p.waiting, p.done, p.total, time.Since(p.start)), p.width))
}

// waitingLine says what is waited for, and how long already.
func waitingLine(waiting []string, done, total int, since time.Duration) string {
	names := strings.Join(waiting[:min(len(waiting), namesShown)], ", ")
	if more := len(waiting) - namesShown; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	if names == "" {
		names = "the answer"
	}
	return fmt.Sprintf("waiting for %s   %d of %d   %.1f s", names, done, total, since.Seconds())
}

// fitting cuts a line to the width of a terminal, which would break it otherwise.
func fitting(line string, width int) string {
	if width > 1 && len(line) >= width {
		return line[:width-1]
	}
	return line
}

func (p *progress) erase() {
	close(p.stop)
	p.over.Wait()
	if p.shown {
		fmt.Fprint(p.w, clearLine)
	}
}

// pause waits between two looks; on a terminal it says what the last one found, when the
// next one is and how much time is left. False: interrupted.
func (a *app) pause(ctx context.Context, o output, r *report.Report, length time.Duration, deadline time.Time) bool {
	next := time.Now().Add(length)
	var tick <-chan time.Time
	w := a.errTerminal()
	if w != nil && !o.quiet {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		tick = t.C
		_, width := report.Terminal(w)
		say := func() {
			fmt.Fprint(w, clearLine+fitting(pauseLine(r, time.Until(next), time.Until(deadline)), width))
		}
		say()
		defer fmt.Fprint(w, clearLine)
		for {
			select {
			case <-ctx.Done():
				return false
			case <-tick:
				if !time.Now().Before(next) {
					return true
				}
				say()
			case <-time.After(time.Until(next)):
				return true
			}
		}
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(length):
		return true
	}
}

// pauseLine is the verdict so far, the next look and the time that is left.
func pauseLine(r *report.Report, next, left time.Duration) string {
	state := map[string]string{report.Managed: "managed", report.Degraded: "managed, but", report.NotManaged: "not managed", report.Unknown: "cannot tell"}[r.State]
	if r.RootCause != nil {
		state += ": " + report.Printable(r.RootCause.ID)
	}
	line := fmt.Sprintf("%s   next look in %d s", state, int(next.Round(time.Second).Seconds()))
	if left > 0 {
		line += fmt.Sprintf("   %d:%02d left", int(left.Minutes()), int(left.Seconds())%60)
	}
	return line
}
