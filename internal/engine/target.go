package engine

import (
	"context"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/core"
)

// A look is what was learned outside before a transaction.
type look struct {
	asked   bool // the target was asked
	has     bool // and shows the entitlement
	target  connector.Provisioner
	trouble error
	until   time.Time       // the lease of the holding that was looked for
	onCall  map[string]bool // grants that begin at a set time → their holder is on call now
}

// missing reports whether the target was seen without what it was given.
func (l look) missing(h Holding) bool { return l.asked && !l.has && !h.Fresh }

// lookFirst asks the target whether the access is there before we touch it, where nobody has
// asked yet, or where it is to be mended. It asks PagerDuty about the holders of grants whose
// set start has come.
func (e *Engine) lookFirst(ctx context.Context, ent core.Entitlement, mend bool) (seen look, err error) {
	h, known := e.taken.take(ent)
	if !known {
		var starting []core.Grant
		err = e.Store.Read(ctx, func(v View) (err error) {
			if h, err = v.Holding(ent); err != nil {
				return err
			}
			starting, err = v.Grants(GrantQuery{Entitlement: ent, States: []core.GrantState{core.GrantPending}, UntilOffCall: true, Limit: unlimited})
			return err
		})
		if err != nil {
			return seen, err
		}
		if seen.onCall, err = e.atStart(ctx, starting); err != nil {
			return seen, err
		}
	}
	now := e.Clock.Now()
	owned := h.Owner != "" && h.Owner != e.Replica && now.Before(h.OwnedUntil)
	first := h.Fresh && h.Owner == e.Replica
	if h.User == "" || owned || now.Before(h.RetryAt) || !first && !mend {
		return seen, nil
	}
	seen.until, seen.asked = h.OwnedUntil, true
	if seen.target, seen.trouble = e.target(ctx, ent.Target); seen.trouble == nil {
		seen.has, seen.trouble = has(ctx, seen.target, ent)
	}
	return seen, nil
}

// justTaken is the holdings that this process has just committed with their first grant, for
// the run of Settle that follows: to look for what is known would cost more than the run. They
// are no more than what lookFirst would read, and plan reads them again.
type justTaken struct {
	mu   sync.Mutex
	kept map[core.Entitlement]Holding
}

// mostTaken bounds what is kept for runs that never come.
const mostTaken = 4096

func (t *justTaken) put(all []Holding) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept == nil || len(t.kept) > mostTaken {
		t.kept = map[core.Entitlement]Holding{}
	}
	for _, h := range all {
		t.kept[h.Entitlement] = h
	}
}

func (t *justTaken) take(ent core.Entitlement) (h Holding, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, known = t.kept[ent]
	delete(t.kept, ent)
	return h, known
}

func (e *Engine) target(ctx context.Context, name string) (connector.Provisioner, error) {
	return e.Targets.Provisioner(ctx, name)
}

// has asks the target whether it shows the entitlement.
func has(ctx context.Context, target connector.Provisioner, ent core.Entitlement) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, effectTime)
	defer cancel()
	return target.Has(ctx, ent)
}

// bringAbout makes the target show the entitlement, or not show it, and reads it back.
func (e *Engine) bringAbout(ctx context.Context, target connector.Provisioner, ent core.Entitlement, present bool) (err error) {
	ctx, cancel := context.WithTimeout(ctx, effectTime)
	defer cancel()
	if target == nil {
		if target, err = e.target(ctx, ent.Target); err != nil {
			return err
		}
	}
	if present {
		err = target.Grant(ctx, ent)
	} else {
		err = target.Revoke(ctx, ent)
	}
	if !present && core.KindOf(err) == core.NotFound {
		return nil // the target no longer knows the person or the thing, so the access is gone
	}
	if err != nil {
		return err
	}
	there, err := target.Has(ctx, ent)
	switch {
	case !present && core.KindOf(err) == core.NotFound:
		return nil
	case err != nil:
		return err
	case there && !present:
		return core.Errorf(core.Unavailable, "%s said yes, but still shows %s for %s", ent.Target, ent.Name, ent.User)
	case present && !there:
		return core.Errorf(core.Unavailable, "%s said yes, but does not show %s for %s", ent.Target, ent.Name, ent.User)
	}
	return nil
}

// leftBehind reports whether something may be on the target although giving it failed for good.
func (e *Engine) leftBehind(ctx context.Context, ent core.Entitlement) bool {
	target, err := e.target(ctx, ent.Target)
	there := false
	if err == nil {
		there, err = has(ctx, target, ent)
	}
	return there || err != nil && core.KindOf(err) != core.NotFound
}
