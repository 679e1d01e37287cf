package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// How many refusals of one caller are written to the audit log: of the same thing one a minute,
// and of all things so many. A caller who is refused on and on shall not fill the log.
const (
	refusalEvery      = time.Minute
	refusalsPerCaller = 60
	refusalsKnown     = 10_000
)

// refused leaves a refusal in the audit log and returns it; any other error passes. The entry
// stands by itself, as what was refused changed nothing.
func (e *Engine) refused(ctx context.Context, a Actor, action, subject string, why error) error {
	var unseen hiddenError
	if core.KindOf(why) != core.Refused && !errors.As(why, &unseen) {
		return why
	}
	if m, counts := e.Meter.(interface{ Denied(action string) }); counts {
		m.Denied(action)
	}
	unsaid, write := e.refusals.admit(strings.Join([]string{a.Name(), action, subject}, "\x1f"), a.Name(), e.Clock.Now())
	if !write {
		return why
	}
	d := detail{"why": why.Error()}
	if errors.As(why, &unseen) {
		d["why"] = "it is not shown to " + a.Name() + ", who was told that it is not there"
	}
	if unsaid > 0 {
		d["unsaid"] = unsaid
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := e.write(ctx, func(tx *txn) error { return tx.audit(a, action+".refused", subject, d) })
	if err != nil {
		e.Log.Error("a refusal could not be written to the audit log", "subject", subject, "error", err)
	}
	return why
}

// refusals remembers which refusals were written lately.
type refusals struct {
	mu      sync.Mutex
	since   time.Time
	said    map[string]bool // caller, action and subject
	callers map[string]int  // how many entries
	unsaid  map[string]int  // how many refusals of a caller were not written; told by their next entry
}

// admit says whether a refusal is to be written, and how many of the caller's were not before.
func (r *refusals) admit(what, caller string, now time.Time) (unsaid int, write bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said == nil || now.Sub(r.since) >= refusalEvery {
		kept := r.unsaid
		if kept == nil || len(kept) > refusalsKnown {
			kept = map[string]int{}
		}
		r.since, r.said, r.callers, r.unsaid = now, map[string]bool{}, map[string]int{}, kept
	}
	if r.said[what] || r.callers[caller] >= refusalsPerCaller || len(r.said) >= refusalsKnown {
		r.unsaid[caller]++
		return 0, false
	}
	r.said[what] = true
	r.callers[caller]++
	unsaid = r.unsaid[caller]
	delete(r.unsaid, caller)
	return unsaid, true
}
