package jobs

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/engine"
)

// restBetweenSweeps keeps a sweep that always has something due from taking all there is.
const restBetweenSweeps = 5 * time.Millisecond

// An alarm keeps the earliest time that somebody wants a sweep at.
type alarm struct {
	clock engine.Clock
	moved chan struct{} // one place: the time became earlier

	mu sync.Mutex
	at time.Time // zero: nobody wants one
}

func newAlarm(c engine.Clock) *alarm { return &alarm{clock: c, moved: make(chan struct{}, 1)} }

// set asks for a sweep at a time.
func (a *alarm) set(at time.Time) {
	a.mu.Lock()
	earlier := a.at.IsZero() || at.Before(a.at)
	if earlier {
		a.at = at
	}
	a.mu.Unlock()
	if earlier {
		select {
		case a.moved <- struct{}{}:
		default:
		}
	}
}

// clear forgets a time that has come.
func (a *alarm) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.at.After(a.clock.Now()) {
		a.at = time.Time{}
	}
}

// in returns how long it is until the sweep, at most a limit.
func (a *alarm) in(limit time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsZero() {
		return limit
	}
	return min(limit, a.at.Sub(a.clock.Now()))
}

// Wake asks for a sweep at a time; the earliest asked for counts. There is one every
// second anyway.
func (j *Jobs) Wake(at time.Time) { j.alarm.set(at) }

// sweepLoop sweeps when something is due, and every second.
func (j *Jobs) sweepLoop(ctx context.Context) {
	var last time.Time // when the sweep before ended
	trouble := ""
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.alarm.moved:
		case <-timer.C:
			j.alarm.clear()
			err := j.call(ctx, key{kind: kindSweep})
			last = time.Now()
			trouble = j.tell(ctx, trouble, err)
		}
		wait := max(j.alarm.in(sweepAtLeast-time.Since(last)), restBetweenSweeps-time.Since(last))
		timer.Reset(max(wait, 0))
	}
}

// tell logs a trouble of the sweep when it comes and when it goes, and not every second.
func (j *Jobs) tell(ctx context.Context, before string, err error) (now string) {
	switch {
	case ctx.Err() != nil:
		return before
	case err != nil:
		now = err.Error()
	}
	if now == before {
		return now
	}
	if now == "" {
		j.o.Logger.InfoContext(ctx, "sweeps work again")
	} else {
		j.o.Logger.WarnContext(ctx, "the sweep failed; it is tried again every second", "error", err)
	}
	return now
}
