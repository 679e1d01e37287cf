package memory

import (
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// Fail makes every call return err; nil ends it. A target that is down gives an error of kind core.Unavailable.
func (t *Target) Fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault.err = err
}

// Lie makes Grant and Revoke say that all went well and do nothing. Has and List still tell the truth.
func (t *Target) Lie(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault.lies = on
}

// Delay makes every call that begins from now on wait first.
func (t *Target) Delay(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault.delay = d
}

// Set gives access behind everybody's back.
func (t *Target) Set(e core.Entitlement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held[t.own(e)] = true
}

// Unset takes access behind everybody's back.
func (t *Target) Unset(e core.Entitlement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.held, t.own(e))
}

// Shows looks at the target from outside, past every fault.
func (t *Target) Shows(e core.Entitlement) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held[t.own(e)]
}
