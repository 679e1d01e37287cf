package jobs

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/sallyport/sallyport/internal/core"
)

// The jobs that nobody enqueues: River's leader does, again and again.
const (
	kindSweep     core.JobKind = "sweep"
	kindReconcile core.JobKind = "reconcile"
)

// A key names what a job is about.
type key struct {
	kind core.JobKind
	id   string
}

// call runs a verb. A panic in it is its error.
func (j *Jobs) call(ctx context.Context, k key) (err error) {
	ctx, cancel := context.WithTimeout(ctx, timeoutOf(k.kind))
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			j.panics.Add(1)
			j.o.Logger.ErrorContext(ctx, "panic in a job", "kind", k.kind, "id", k.id, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in job %s %s: %v", k.kind, k.id, p)
		}
	}()
	switch k.kind {
	case core.JobDecide:
		return j.o.Verbs.Decide(ctx, k.id)
	case core.JobSettle:
		return j.o.Verbs.Settle(ctx, k.id)
	case core.JobIncident:
		return j.o.Verbs.SyncIncident(ctx, k.id)
	case kindReconcile:
		return j.o.Verbs.Reconcile(ctx)
	case kindSweep:
		next, err := j.o.Verbs.Sweep(ctx)
		if !next.IsZero() {
			j.alarm.set(next)
		}
		return err
	}
	return core.Errorf(core.Internal, "no verb for jobs of kind %q", k.kind)
}
