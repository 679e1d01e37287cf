package engine

import (
	"context"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// Revoke ends a grant before its time. The holder may, and whoever may update grants.
func (e *Engine) Revoke(ctx context.Context, a Actor, id, reason string) (core.Grant, error) {
	if err := core.CheckReason(reason); err != nil {
		return core.Grant{}, err
	}
	var out core.Grant
	err := e.write(ctx, func(tx *txn) error {
		g, err := tx.Grant(id)
		if err != nil {
			return err
		}
		dir, err := e.dir(tx)
		if err != nil {
			return err
		}
		if !mayRevoke(dir, a, g.User) {
			return core.Errorf(core.Refused, "%s may not revoke %s's grant %s: that needs the verb update on grant", a.Name(), g.User, id)
		}
		if !g.Live() {
			out = g
			return nil // it is over already
		}
		tx.Vital()
		if err := e.over(tx, a, g, core.EndRevoked, reason); err != nil {
			return err
		}
		out, err = tx.Grant(id)
		return err
	})
	return out, err
}

// RevokeRequest ends all that came of a request before its time, in one transaction, and
// returns its grants as they are then.
func (e *Engine) RevokeRequest(ctx context.Context, a Actor, id, reason string) ([]core.Grant, error) {
	if err := core.CheckReason(reason); err != nil {
		return nil, err
	}
	var out []core.Grant
	err := e.write(ctx, func(tx *txn) error {
		dir, err := e.dir(tx)
		if err != nil {
			return err
		}
		r, err := tx.Request(id)
		if err != nil {
			return err
		}
		seen, err := e.sees(tx, a, r)
		if err != nil {
			return err
		}
		if !seen {
			return core.Errorf(core.NotFound, "there is no request %s", id)
		}
		if !mayRevoke(dir, a, r.User) {
			return core.Errorf(core.Refused, "%s may not revoke %s's access by request %s: that needs the verb update on grant", a.Name(), r.User, id)
		}
		grants, err := tx.Grants(GrantQuery{RequestID: id, Limit: unlimited})
		if err != nil {
			return err
		}
		if len(grants) == 0 {
			return core.Errorf(core.Conflict, "request %s is %s: no access came of it", id, r.State).
				WithHint("one that is not decided yet can be withdrawn: sallyport request cancel %s", id)
		}
		tx.Vital()
		for _, g := range grants {
			if !g.Live() {
				continue
			}
			if err := e.over(tx, a, g, core.EndRevoked, reason); err != nil {
				return err
			}
		}
		out, err = tx.Grants(GrantQuery{RequestID: id, Limit: unlimited})
		return err
	})
	return out, err
}

// mayRevoke tells whether somebody may end a user's access: the user may, and whoever may update grants.
func mayRevoke(dir *core.Directory, a Actor, user string) bool {
	return a.Admin || a.User == user || dir.Allowed(a.User, "grant", "update")
}

// over ends a grant: its access is to be taken now. A grant of a role has no target and is ended at once.
func (e *Engine) over(tx *txn, a Actor, g core.Grant, cause core.EndCause, reason string) error {
	due := tx.now
	if cause == core.EndTime {
		due = g.EndsAt
	}
	begun := g.State == core.GrantActive
	g.State, g.EndCause, g.EndedAt, g.Error = core.GrantEnding, cause, tx.now, ""
	if cause == core.EndRevoked {
		g.EndedBy = a.Name()
	}
	err := tx.audit(a, "grant.end", "grant/"+g.ID, detail{
		"user": g.User, "entitlement": g.Resource.String(), "cause": cause, "reason": reason, "late_ms": tx.now.Sub(due).Milliseconds(),
	})
	if err != nil {
		return err
	}
	if g.Target == core.RoleTarget || (!begun && g.NotBefore.After(tx.now)) {
		return e.ended(tx, g)
	}
	if err := tx.PutGrant(g); err != nil {
		return err
	}
	h, err := tx.Holding(g.Entitlement)
	if err != nil {
		return err
	}
	h.Entitlement = g.Entitlement
	return e.settleNow(tx, h)
}

// settleNow has an entitlement settled at once, however long its target was given to recover:
// something new is wanted of it.
func (e *Engine) settleNow(tx *txn, h Holding) error {
	if tx.now.Before(h.RetryAt) {
		h.RetryAt = time.Time{}
		if err := tx.PutHolding(h); err != nil {
			return err
		}
	}
	return tx.Enqueue(settleJob(h.Entitlement))
}

// ended commits that a grant's access is gone. One that ends for no cause never began.
func (e *Engine) ended(tx *txn, g core.Grant) error {
	if g.State = core.GrantFailed; g.EndCause != "" {
		g.State, g.Error = core.GrantEnded, ""
	}
	lag := time.Duration(0)
	if g.EndCause == core.EndTime {
		lag = tx.now.Sub(g.EndsAt)
	}
	if err := tx.PutGrant(g); err != nil {
		return err
	}
	if g.State == core.GrantEnded {
		tx.count = append(tx.count, func() { e.Meter.Ended(g.EndCause, lag) })
	}
	if err := e.calm(tx, g); err != nil {
		return err
	}
	return tx.audit(engineActor, "grant.ended", "grant/"+g.ID, detail{"user": g.User, "entitlement": g.Resource.String(), "cause": g.EndCause, "verified": g.Target != core.RoleTarget})
}

// An Extension is what somebody asks for who wants to keep access.
type Extension struct {
	Duration time.Duration
	Reason   string
	Key      string
}

// Extend asks for longer access. It is a new request with a decision of its own; the grant stays as it is.
func (e *Engine) Extend(ctx context.Context, a Actor, id string, in Extension) (core.Request, error) {
	return e.submit(ctx, a, e.requestID(a, in.Key), in.Key, func(v View) (core.Ask, error) {
		g, err := v.Grant(id)
		if err != nil {
			return core.Ask{}, err
		}
		if !a.Admin && a.User != g.User {
			return core.Ask{}, core.Errorf(core.Refused, "%s may not extend %s's grant %s", a.Name(), g.User, id)
		}
		r, err := v.Request(g.RequestID)
		if err != nil {
			return core.Ask{}, err
		}
		if !g.Live() || (g.State == core.GrantActive && !g.Holds(e.Clock.Now())) {
			return core.Ask{}, core.Errorf(core.Conflict, "grant %s is over; there is nothing left to extend", id).
				WithHint("ask anew: sallyport request create --roles %s", strings.Join(r.Roles, ","))
		}
		ask := core.Ask{User: g.User, Roles: r.Roles, Resources: r.Resources, Reason: in.Reason, Duration: in.Duration, Extends: g.ID}
		if len(r.Resources) > 0 {
			ask.Roles = nil
		}
		return ask, nil
	})
}
