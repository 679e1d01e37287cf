package engine

import (
	"context"
	"sync"
	"time"
)

// A bell wakes those who wait for one thing: a request, by its id, that nothing of it is
// pending any more, or an answer, by its key. The name "" is a change of anything.
//
// With one bell for all, each of n callers who wait for their requests would look n times.
type bell struct {
	mu      sync.Mutex
	waiting map[string]*ringing
}

type ringing struct {
	ch      chan struct{}
	waiters int
}

// ring wakes those who wait for the names that are at rest, and who wait for anything.
func (b *bell) ring(rest map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wake("")
	for name, there := range rest {
		if there {
			b.wake(name)
		}
	}
}

func (b *bell) wake(name string) {
	if r := b.waiting[name]; r != nil {
		close(r.ch)
		delete(b.waiting, name)
	}
}

// listen returns a channel that is closed at the next ring. The caller must leave.
func (b *bell) listen(name string) (rung <-chan struct{}, leave func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.waiting[name]
	if r == nil {
		if b.waiting == nil {
			b.waiting = map[string]*ringing{}
		}
		r = &ringing{ch: make(chan struct{})}
		b.waiting[name] = r
	}
	r.waiters++
	return r.ch, func() { b.leave(name, r) }
}

func (b *bell) leave(name string, r *ringing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.waiters--; r.waiters == 0 && b.waiting[name] == r {
		delete(b.waiting, name)
	}
}

// A keyLock lets one goroutine at a time work on a key. It keeps replicas of one verb apart
// within the process; between processes the leases in the store do.
type keyLock struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits for the key, and returns the function that gives it back.
func (k *keyLock) lock(ctx context.Context, key string) (func(), error) {
	for {
		k.mu.Lock()
		if k.held == nil {
			k.held = map[string]chan struct{}{}
		}
		busy, taken := k.held[key]
		if !taken {
			mine := make(chan struct{})
			k.held[key] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.held, key)
				k.mu.Unlock()
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// until calls look until it is done or fails, or ctx ends; it looks again when the name is
// rung, and every second, as other replicas ring their own bells.
func (e *Engine) until(ctx context.Context, name string, look func() (done bool, err error)) (done bool, err error) {
	for {
		rung, leave := e.bell.listen(name)
		if done, err = look(); !done && err == nil {
			pause(ctx, rung)
		}
		leave()
		if done || err != nil || ctx.Err() != nil {
			return done, err
		}
	}
}

func pause(ctx context.Context, rung <-chan struct{}) {
	tick := time.NewTimer(time.Second)
	defer tick.Stop()
	select {
	case <-rung:
	case <-tick.C:
	case <-ctx.Done():
	}
}
