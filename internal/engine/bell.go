package engine

import (
	"context"
	"sync"
	"time"
)

// A bell wakes everybody who waits for a change.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

func newBell() bell { return bell{ch: make(chan struct{})} }

func (b *bell) ring() {
	b.mu.Lock()
	close(b.ch)
	b.ch = make(chan struct{})
	b.mu.Unlock()
}

// rung returns a channel that is closed at the next ring.
func (b *bell) rung() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
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

// pause waits for a change: the bell, or a second's tick, as other replicas ring their own bells.
func (e *Engine) pause(ctx context.Context, rung <-chan struct{}) error {
	tick := time.NewTimer(time.Second)
	defer tick.Stop()
	select {
	case <-rung:
		return nil
	case <-tick.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
