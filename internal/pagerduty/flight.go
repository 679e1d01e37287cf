package pagerduty

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

const (
	firstRetry = time.Second
	lastRetry  = 15 * time.Second // so that PagerDuty's return is noticed within this
)

// A source is something that is read from PagerDuty again and again, for all who want it at
// once. After a failure it is left alone for a while: those who ask meanwhile get the failure.
type source struct {
	read   func(context.Context) error
	after  func()        // follows a read, when those who waited for it have their answer
	limit  time.Duration // of one read
	now    func() time.Time
	random func() float64
	life   context.Context // of whoever owns the source: a read does not end with a caller
	wake   chan struct{}   // tells the loop to look again at once

	mu        sync.Mutex
	wg        sync.WaitGroup
	current   *flight
	closed    bool
	failures  int
	notBefore time.Time
	err       error // of the last read; nil when it went well
}

// A flight is one read under way.
type flight struct {
	done chan struct{}
	told chan struct{} // closed when what follows the read is over
	err  error         // to be read once done is closed
}

func landed(err error) *flight {
	f := &flight{done: make(chan struct{}), told: make(chan struct{}), err: err}
	close(f.done)
	close(f.told)
	return f
}

// ask returns the read under way, or begins one.
func (s *source) ask() *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.current != nil:
		return s.current
	case s.closed:
		return landed(core.Errorf(core.Unavailable, "the PagerDuty account is being changed"))
	case s.err != nil && s.now().Before(s.notBefore):
		return landed(s.err)
	}
	f := &flight{done: make(chan struct{}), told: make(chan struct{})}
	s.current = f
	s.wg.Go(func() { s.fly(f) })
	return f
}

func (s *source) fly(f *flight) {
	ctx, cancel := context.WithTimeout(s.life, s.limit)
	defer cancel()
	err := s.read(ctx)
	s.mu.Lock()
	s.current, s.err = nil, err
	if err == nil {
		s.failures, s.notBefore = 0, time.Time{}
	} else {
		wait := RetryAfter(err)
		if wait <= 0 {
			wait = backoff(s.failures, firstRetry, lastRetry, s.random())
		}
		s.failures++
		s.notBefore = s.now().Add(wait)
	}
	f.err = err
	s.mu.Unlock()
	close(f.done)
	s.after()
	close(f.told)
}

// wait waits for a flight as long as the caller may.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// state returns how the last read went and when the next may begin.
func (s *source) state() (notBefore time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notBefore, s.err
}

// forgive lets the next read begin at once: something has changed since the last failed.
func (s *source) forgive() {
	s.mu.Lock()
	s.notBefore = time.Time{}
	s.mu.Unlock()
	s.kick()
}

func (s *source) kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// loop reads whenever due says, until ctx ends.
func (s *source) loop(ctx context.Context, due func() time.Time) {
	for ctx.Err() == nil {
		at := due()
		if notBefore, err := s.state(); err != nil && notBefore.After(at) {
			at = notBefore
		}
		t := time.NewTimer(max(at.Sub(s.now()), time.Millisecond))
		select {
		case <-t.C:
		case <-s.wake:
			t.Stop()
		case <-ctx.Done():
			t.Stop()
			return
		}
		_ = s.ask().wait(ctx) // the error stays in the source, for all who ask
	}
}

// close ends the reads under way and lets none begin.
func (s *source) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
}
