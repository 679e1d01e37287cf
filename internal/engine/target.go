package engine

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/core"
)

// A look is what was learned outside before a transaction.
type look struct {
	asked   bool // the target was asked
	has     bool // and shows the entitlement
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
	var h Holding
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
	now := e.Clock.Now()
	owned := h.Owner != "" && h.Owner != e.Replica && now.Before(h.OwnedUntil)
	first := h.Fresh && h.Owner == e.Replica
	if h.User == "" || owned || now.Before(h.RetryAt) || !first && !mend {
		return seen, nil
	}
	seen.until, seen.asked = h.OwnedUntil, true
	seen.has, seen.trouble = e.has(ctx, ent)
	return seen, nil
}

func (e *Engine) target(ctx context.Context, name string) (connector.Provisioner, error) {
	return e.Targets.Provisioner(ctx, name)
}

// has asks the target whether it shows the entitlement.
func (e *Engine) has(ctx context.Context, ent core.Entitlement) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, effectTime)
	defer cancel()
	target, err := e.target(ctx, ent.Target)
	if err != nil {
		return false, err
	}
	return target.Has(ctx, ent)
}

// bringAbout makes the target show the entitlement, or not show it, and reads it back.
func (e *Engine) bringAbout(ctx context.Context, ent core.Entitlement, present bool) error {
	ctx, cancel := context.WithTimeout(ctx, effectTime)
	defer cancel()
	target, err := e.target(ctx, ent.Target)
	if err != nil {
		return err
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
	has, err := target.Has(ctx, ent)
	switch {
	case !present && core.KindOf(err) == core.NotFound:
		return nil
	case err != nil:
		return err
	case has && !present:
		return core.Errorf(core.Unavailable, "%s said yes, but still shows %s for %s", ent.Target, ent.Name, ent.User)
	case present && !has:
		return core.Errorf(core.Unavailable, "%s said yes, but does not show %s for %s", ent.Target, ent.Name, ent.User)
	}
	return nil
}

// leftBehind reports whether something may be on the target although giving it failed for good.
func (e *Engine) leftBehind(ctx context.Context, ent core.Entitlement) bool {
	has, err := e.has(ctx, ent)
	return has || err != nil && core.KindOf(err) != core.NotFound
}
