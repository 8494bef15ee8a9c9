package svc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kardianos/service"
)

const (
	// readyLimit bounds how long a service may take until it listens; the
	// Windows service manager gives up after 30 s.
	readyLimit = 20 * time.Second
	// stopLimit bounds a stop; the daemon itself needs less than 5 s.
	stopLimit = 10 * time.Second
)

// Run runs serve under the host's service manager, or directly when a person
// started it. serve returns when ctx ends and calls ready once it listens. The
// error of serve is returned; a clean stop returns nil.
func Run(ctx context.Context, serve func(ctx context.Context, ready func()) error) error {
	if service.ChosenSystem() == nil || service.Interactive() {
		return serve(ctx, func() {})
	}
	p := newProgram(ctx, serve)
	s, err := service.New(p, config(""))
	if err != nil {
		return fmt.Errorf("join the service manager: %w", err)
	}
	p.stopSelf = func() { _ = s.Stop() }
	s2, err := service.New(p, p.withWait(config("")))
	if err != nil {
		return fmt.Errorf("join the service manager: %w", err)
	}
	if err := s2.Run(); err != nil {
		return err
	}
	return p.err()
}

// program is what kardianos/service starts and stops.
type program struct {
	ctx      context.Context
	cancel   context.CancelFunc
	serve    func(ctx context.Context, ready func()) error
	ready    chan struct{}
	done     chan struct{} // closed when serve has returned
	result   error         // valid after done
	stopSelf func()        // asks the service manager for our own stop (Windows)
}

func newProgram(ctx context.Context, serve func(context.Context, func()) error) *program {
	p := &program{serve: serve, ready: make(chan struct{}), done: make(chan struct{}), stopSelf: func() {}}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

// withWait makes Run of the Unix managers end when serve does or its context
// ends; they would otherwise wait for a signal only.
func (p *program) withWait(c *service.Config) *service.Config {
	c.Option["RunWait"] = func() {
		select {
		case <-p.done:
		case <-p.ctx.Done():
		}
	}
	return c
}

// Start returns once serve listens, or with the error that kept it from it.
func (p *program) Start(service.Service) error {
	go func() {
		p.result = p.serve(p.ctx, func() { close(p.ready) })
		close(p.done)
		if p.ctx.Err() == nil {
			p.stopSelf()
		}
	}()
	select {
	case <-p.ready:
		return nil
	case <-p.done:
		return p.err()
	case <-time.After(readyLimit):
		// Slow is not broken: what follows is watched by the service manager.
		return nil
	}
}

// Stop ends serve and waits for it, at most stopLimit.
func (p *program) Stop(service.Service) error {
	p.cancel()
	select {
	case <-p.done:
		return p.err()
	case <-time.After(stopLimit):
		return errors.New("the daemon did not stop in time")
	}
}

func (p *program) err() error {
	select {
	case <-p.done:
		if errors.Is(p.result, context.Canceled) {
			return nil
		}
		return p.result
	default:
		return nil
	}
}
