package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// overdueAfter is how long access may stay after its end before the owners are paged.
const overdueAfter = time.Minute

// setBack records that the target did not do what it should. Giving is tried again while the
// trouble may pass, and given up where the target says that it never will; taking is tried
// again for ever, and the owners are paged when it is overdue.
func (e *Engine) setBack(ctx context.Context, ent core.Entitlement, seen look, p plan, cause error) error {
	left := !permanent(cause) || p.effect && p.present && !p.preExisting && e.leftBehind(ctx, ent)
	err := e.writeAnyway(ctx, func(tx *txn) error {
		h, err := tx.Holding(ent)
		switch {
		case err != nil:
			return err
		case h.User == "" && p.effect && p.present && !p.preExisting && left:
			// Others took it away while we were at it, and our try may have come after them.
			return tx.PutHolding(Holding{Entitlement: ent, RetryAt: tx.now.Add(backOff(1)), Failures: 1, Error: cause.Error()})
		case h.User == "" || h.Owner != e.Replica || p.effect && !h.OwnedUntil.Equal(p.until):
			return nil
		}
		h.Failures++
		h.Error = cause.Error()
		h.RetryAt = tx.now.Add(backOff(h.Failures))
		h.Owner = ""
		if h.Fresh {
			h.Owner, h.OwnedUntil = e.Replica, tx.now.Add(leaseTime)
		}
		tx.wakeAt(h.RetryAt)
		open, err := e.hinderedAll(tx, h, seen, cause, left)
		switch {
		case err != nil:
			return err
		case open == 0:
			return tx.DeleteHolding(ent)
		}
		return tx.PutHolding(h)
	})
	if err != nil {
		return err
	}
	return cause
}

// hinderedAll marks every grant on an entitlement with the trouble, and counts those that go on.
func (e *Engine) hinderedAll(tx *txn, h Holding, seen look, cause error, left bool) (open int, err error) {
	grants, err := e.due(tx, h.Entitlement, h, seen)
	if err != nil {
		return 0, err
	}
	for _, g := range grants {
		gone, err := e.hindered(tx, g, cause, left)
		if err != nil {
			return 0, err
		}
		if !gone {
			open++
		}
	}
	return open, nil
}

// hindered marks one grant with the trouble on its target; gone tells that it was given up.
func (e *Engine) hindered(tx *txn, g core.Grant, cause error, left bool) (gone bool, err error) {
	switch {
	case g.State == core.GrantActive:
		return false, nil
	case g.State == core.GrantPending && permanent(cause):
		g, err = e.turnAway(tx, g, cause.Error(), left)
		return g.State == core.GrantFailed, err
	case g.State == core.GrantEnding && g.EndCause == "":
		return false, nil // its error says why it failed
	}
	first := g.Error == ""
	g.Error = cause.Error()
	if err := tx.PutGrant(g); err != nil || !first {
		return false, err
	}
	return false, tx.audit(engineActor, "grant.hindered", "grant/"+g.ID, detail{"user": g.User, "entitlement": g.Resource.String(), "state": g.State, "error": g.Error})
}

// turnAway ends a grant that never began. Where a try may have left something on the target,
// it is seen to be gone first.
func (e *Engine) turnAway(tx *txn, g core.Grant, why string, left bool) (core.Grant, error) {
	g.State, g.Error, g.EndedAt = core.GrantFailed, why, tx.now
	if left {
		g.State = core.GrantEnding
	}
	if err := tx.PutGrant(g); err != nil {
		return g, err
	}
	return g, tx.audit(engineActor, "grant.fail", "grant/"+g.ID, detail{"user": g.User, "entitlement": g.Resource.String(), "why": why, "state": g.State})
}

// permanent tells trouble that stays from trouble that may pass.
func permanent(err error) bool {
	switch core.KindOf(err) {
	case core.NotFound, core.Refused, core.Invalid:
		return true
	default:
		return false
	}
}

// backOff doubles from one second to half a minute.
func backOff(failures int) time.Duration {
	if failures > 5 {
		return 30 * time.Second
	}
	return time.Second << (failures - 1)
}

// mayBegin says why a grant may not begin any more; no reason: it may. Rules were decided with
// the request, but the person must still be there. One that was to begin later must still be
// allowed to ask, and be on call where the approval rested on that; wait says that nobody has
// looked at the latter yet.
func (e *Engine) mayBegin(tx *txn, g core.Grant, onCall map[string]bool) (why string, wait bool, err error) {
	dir, err := e.dir(tx)
	if err != nil {
		return "", false, err
	}
	u, ok := dir.User(g.User)
	switch {
	case !ok:
		return "user " + g.User + " was removed before the access began", false, nil
	case u.Locked:
		return "user " + g.User + " was locked before the access began", false, nil
	case g.NotBefore.IsZero():
		return "", false, nil
	}
	r, err := tx.Request(g.RequestID)
	if err != nil {
		return "", false, err
	}
	for _, role := range r.Roles {
		if _, ok := dir.Role(role); !ok || len(r.Resources) == 0 && !dir.MayRequest(g.User, role) {
			return g.User + " may no longer ask for " + role, false, nil
		}
	}
	on, asked := onCall[g.ID]
	switch {
	case !boundToShift(g) || on:
		return "", false, nil
	case !asked:
		return "", true, nil
	}
	return fmt.Sprintf("%s was not on call for %s when the access was to begin", g.User, wordsOf(r, g.Rule)), false, nil
}

// wordsOf says for what a grant's rule wants its holder to be on call, in the words of the role
// that it came from: the rule itself is bound to ids.
func wordsOf(r core.Request, bound core.ApprovalRule) *core.OnCallRule {
	for _, rule := range r.Rules {
		if rule.Origin == bound.Origin && rule.OnCall != nil {
			return rule.OnCall
		}
	}
	return bound.OnCall
}
