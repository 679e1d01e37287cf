package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// leaseTime is how long one run may work on an entitlement before another replica takes it
// for dead. Calls to the target end well before.
const (
	leaseTime  = 10 * time.Second
	effectTime = 8 * time.Second
)

func settleJob(e core.Entitlement) core.Job {
	return core.Job{Kind: core.JobSettle, ID: strings.Join([]string{e.User, e.Target, e.Name}, "\x1f")}
}

// SettleJob runs Settle for the entitlement that a job names.
func (e *Engine) SettleJob(ctx context.Context, id string) error {
	parts := strings.Split(id, "\x1f")
	if len(parts) != 3 {
		return core.Errorf(core.Invalid, "settle job names no entitlement: %q", id)
	}
	return e.Settle(ctx, core.Entitlement{User: parts[0], Resource: core.Resource{Target: parts[1], Name: parts[2]}})
}

// A plan is what one run of Settle means to do on the target.
type plan struct {
	present     bool      // the entitlement shall be there
	work        bool      // there is something to do
	effect      bool      // and it takes the target to do it
	preExisting bool      // the entitlement was there before us
	until       time.Time // the lease under which it is done
}

// A course says how Settle goes on after a round.
type course int

const (
	settled course = iota
	again          // something changed meanwhile
	repair         // the target may not show what it was last seen to show
)

// Settle drives one entitlement on its target to what the grants say, and moves the grants
// along: it is how access begins and how it ends. What it means to do is committed before
// it is done, the target is read back afterwards, and grants that came or went meanwhile
// are seen by the next round. One run at a time works on an entitlement.
func (e *Engine) Settle(ctx context.Context, ent core.Entitlement) error {
	return e.settle(ctx, ent, again)
}

// settle is Settle; with repair it also asks the target whether it still shows what it should.
func (e *Engine) settle(ctx context.Context, ent core.Entitlement, next course) error {
	unlock, err := e.keys.lock(ctx, settleJob(ent).ID)
	if err != nil {
		return err
	}
	defer unlock()
	for range 10 {
		if next, err = e.settleOnce(ctx, ent, next == repair); err != nil || next == settled {
			return err
		}
	}
	return core.Errorf(core.Unavailable, "%s on %s changes faster than it can be settled", ent.User, ent.Resource)
}

func (e *Engine) settleOnce(ctx context.Context, ent core.Entitlement, mend bool) (course, error) {
	seen, err := e.lookFirst(ctx, ent, mend)
	if err != nil {
		return settled, err
	}
	var p plan
	if seen.trouble != nil {
		return settled, e.setBack(ctx, ent, seen, p, seen.trouble)
	}
	err = e.write(ctx, func(tx *txn) (err error) {
		p, err = e.plan(tx, ent, seen, mend)
		return err
	})
	if err != nil || !p.work {
		return settled, err
	}
	if p.effect && !e.Clock.Now().Before(p.until) {
		return again, nil // this process slept through its lease; others may be at it
	}
	if p.effect {
		if err := e.bringAbout(ctx, seen.target, ent, p.present); err != nil {
			return settled, e.setBack(ctx, ent, seen, p, err)
		}
	}
	next := settled
	err = e.writeAnyway(ctx, func(tx *txn) (err error) {
		next, err = e.moveAll(tx, ent, seen, p)
		return err
	})
	return next, err
}

// writeAnyway is write for what came of an effect: the caller may be gone, and what was done
// must be known all the same.
func (e *Engine) writeAnyway(ctx context.Context, fn func(*txn) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), effectTime)
	defer cancel()
	return e.write(ctx, fn)
}

// plan takes the entitlement, works out what is to be done, and writes it to the audit log before it happens.
func (e *Engine) plan(tx *txn, ent core.Entitlement, seen look, mend bool) (plan, error) {
	h, err := tx.Holding(ent)
	if err != nil {
		return plan{}, err
	}
	if h.Owner != "" && h.Owner != e.Replica && tx.now.Before(h.OwnedUntil) {
		tx.wakeAt(h.OwnedUntil)
		return plan{}, core.Errorf(core.Unavailable, "another replica works on %s for %s", ent.Resource, ent.User)
	}
	if tx.now.Before(h.RetryAt) {
		tx.wakeAt(h.RetryAt)
		return plan{}, nil
	}
	grants, err := e.due(tx, ent, h, seen)
	if err != nil {
		return plan{}, err
	}
	p, why := planFor(grants), ""
	switch {
	case p.work:
	case len(grants) == 0 && h.User != "" && !h.Fresh:
		p.work, why = true, "it came after its grants had ended"
	case mend && p.present && seen.missing(h):
		p.work, why, h.PreExisting = true, "the target no longer showed it", false // what is given now is ours
	default:
		return p, e.letGo(tx, h, len(grants))
	}
	switch {
	case h.User == "": // a grant without a holding: take it, and look first
		h = Holding{Entitlement: ent, Fresh: true}
	case h.Fresh && seen.asked && seen.until.Equal(h.OwnedUntil):
		h.Fresh, h.PreExisting = false, seen.has
	}
	h.Owner, h.OwnedUntil = e.Replica, tx.now.Add(leaseTime).Truncate(time.Microsecond)
	p.preExisting, p.until = h.PreExisting, h.OwnedUntil
	p.effect = !h.Fresh && (p.present || !h.PreExisting)
	if err := tx.PutHolding(h); err != nil || !p.effect {
		return p, err
	}
	d := detail{"user": ent.User, "pre_existing": h.PreExisting, "grants": grantIDs(grants)}
	if why != "" {
		d["why"] = why
	}
	return p, tx.audit(engineActor, intention(p), "entitlement/"+ent.Resource.String(), d)
}

func intention(p plan) string {
	if p.present {
		return "entitlement.give"
	}
	return "entitlement.take"
}

// due returns the grants on an entitlement that matter now. Pending ones that may not begin are turned away first.
func (e *Engine) due(tx *txn, ent core.Entitlement, h Holding, seen look) ([]core.Grant, error) {
	all, err := tx.Grants(GrantQuery{Entitlement: ent, States: openStates, Limit: unlimited})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 || slices.ContainsFunc(all, func(g core.Grant) bool { return !g.Live() }) {
		tx.Vital() // access ends here, at most beside some that goes on
	}
	out := all[:0]
	for _, g := range all {
		if g.State == core.GrantPending {
			if g.NotBefore.After(tx.now) {
				tx.wakeAt(g.NotBefore)
				continue
			}
			why, wait, err := e.mayBegin(tx, g, seen.onCall)
			if err != nil {
				return nil, err
			}
			if wait {
				continue
			}
			if why != "" {
				if g, err = e.turnAway(tx, g, why, h.User != "" && !h.Fresh && !h.PreExisting); err != nil {
					return nil, err
				}
			}
		}
		if g.State != core.GrantFailed {
			out = append(out, g)
		}
	}
	return out, nil
}

func planFor(grants []core.Grant) plan {
	var p plan
	for _, g := range grants {
		p.present = p.present || g.Live()
		p.work = p.work || g.State == core.GrantPending || g.State == core.GrantEnding
	}
	return p
}

// moveAll moves the grants along after the target has been seen as planned.
func (e *Engine) moveAll(tx *txn, ent core.Entitlement, seen look, p plan) (course, error) {
	h, err := tx.Holding(ent)
	if err != nil {
		return settled, err
	}
	if h.Owner != e.Replica || !h.OwnedUntil.Equal(p.until) {
		return e.overtaken(tx, ent, h, seen, p)
	}
	if h.Fresh {
		return again, nil
	}
	grants, err := e.due(tx, ent, h, seen)
	if err != nil {
		return settled, err
	}
	if now := planFor(grants); now.work && now.present != p.present {
		return again, nil
	}
	live := false
	for _, g := range grants {
		live = live || g.Live()
		if err := e.moveOn(tx, g); err != nil {
			return settled, err
		}
	}
	if !live {
		return settled, tx.DeleteHolding(ent)
	}
	h.Owner, h.Failures, h.Error, h.RetryAt = "", 0, "", time.Time{}
	return settled, tx.PutHolding(h)
}

// overtaken is for a run whose lease ran out before it was done: others went on without it, and
// what it did may have come after what they did. Where that is not what the grants say, it
// takes the entitlement back and puts it right.
func (e *Engine) overtaken(tx *txn, ent core.Entitlement, h Holding, seen look, p plan) (course, error) {
	grants, err := e.due(tx, ent, h, seen)
	if err != nil || !p.effect || planFor(grants).present == p.present {
		return again, err
	}
	if h.User == "" {
		h = Holding{Entitlement: ent, PreExisting: p.preExisting}
	}
	h.Owner, h.OwnedUntil = e.Replica, tx.now.Add(leaseTime).Truncate(time.Microsecond)
	return repair, tx.PutHolding(h)
}

func (e *Engine) moveOn(tx *txn, g core.Grant) error {
	switch g.State {
	case core.GrantPending:
		return e.activate(tx, g)
	case core.GrantEnding:
		return e.ended(tx, g)
	default:
		return nil
	}
}

// letGo gives an entitlement back that needs no work. One that no grant speaks of was never touched.
func (e *Engine) letGo(tx *txn, h Holding, grants int) error {
	switch {
	case h.User == "":
		return nil
	case grants == 0:
		return tx.DeleteHolding(h.Entitlement)
	case h.Owner == "":
		return nil
	}
	h.Owner = ""
	return tx.PutHolding(h)
}

func grantIDs(grants []core.Grant) []string {
	out := make([]string, len(grants))
	for i, g := range grants {
		out[i] = g.ID
	}
	return out
}
