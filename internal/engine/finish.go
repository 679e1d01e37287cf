package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// finish commits a request's final state with all that follows: the audit entry, the grants
// with the jobs that make them real, and what PagerDuty shall be told.
func (e *Engine) finish(tx *txn, a Actor, r core.Request) error {
	if err := tx.PutRequest(r); err != nil {
		return err
	}
	d := r.Decision
	err := tx.audit(a, "access_request.decide", "request/"+r.ID, detail{
		"state": d.State, "override": d.Override, "reasons": texts(d.Reasons), "evidence": evidenceTexts(d.Evidence),
	})
	if err != nil {
		return err
	}
	tx.count = append(tx.count, func() { e.Meter.Decided(d.State, len(d.Evidence) > 0) })
	if r.State == core.Approved {
		if err := e.grant(tx, r); err != nil {
			return err
		}
	}
	return e.resolveIncidents(tx, r)
}

// grant makes the grants of an approved request: each requested role, and each thing it gives.
func (e *Engine) grant(tx *txn, r core.Request) error {
	dir, err := e.dir(tx)
	if err != nil {
		return err
	}
	firstAt, left, err := e.lengthens(tx, r)
	if err != nil {
		return err
	}
	never := ""
	if !firstAt.IsZero() && !tx.now.Before(firstAt.Add(e.Terms.MaxGlobal)) {
		never = fmt.Sprintf("this access was lengthened since %s, and %s is the most", firstAt.UTC().Format(time.RFC3339), e.Terms.MaxGlobal)
	}
	if u, ok := dir.User(r.User); !ok || u.Locked {
		never = "user " + r.User + " was removed or locked before the access began"
	}
	for _, role := range r.Roles {
		why := never
		if _, ok := dir.Role(role); !ok {
			why = "role " + role + " was removed before the access began"
		}
		rule := bindingRule(r, role)
		given := append([]core.Resource{{Target: core.RoleTarget, Name: role}}, r.Gives[role]...)
		for _, resource := range given {
			if len(r.Resources) > 0 && resource.Target != core.RoleTarget && !slices.Contains(r.Resources, resource) {
				continue // asked for by resource: only what was asked for
			}
			g := core.Grant{
				ID: "gr_" + digestID(r.ID, role, resource.String()), RequestID: r.ID,
				Entitlement: core.Entitlement{User: r.User, Resource: resource},
				State:       core.GrantPending, Duration: left + r.Duration, NotBefore: r.StartAt, Rule: rule, FirstAt: firstAt,
			}
			if err := e.begin(tx, g, why); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin commits a new grant; with why it is one that failed. One of a role is active at once,
// as there is no target to wait for.
func (e *Engine) begin(tx *txn, g core.Grant, why string) error {
	if why != "" {
		_, err := e.turnAway(tx, g, why, false)
		return err
	}
	if g.NotBefore.After(tx.now) {
		tx.wakeAt(g.NotBefore)
		return tx.PutGrant(g)
	}
	if g.Target == core.RoleTarget {
		return e.activate(tx, g)
	}
	h, err := tx.Holding(g.Entitlement)
	if err != nil {
		return err
	}
	if h.User == "" {
		// Taken before anything is asked of the target: see settle.
		h = Holding{Entitlement: g.Entitlement, Fresh: true, Owner: e.Replica, OwnedUntil: tx.now.Add(leaseTime).Truncate(time.Microsecond)}
		if err := tx.PutHolding(h); err != nil {
			return err
		}
		tx.taken = append(tx.taken, h)
	}
	if err := tx.PutGrant(g); err != nil {
		return err
	}
	return e.settleNow(tx, h)
}

// activate starts a grant's clock. The access itself has been seen on the target.
func (e *Engine) activate(tx *txn, g core.Grant) error {
	g.State, g.StartsAt, g.Error = core.GrantActive, tx.now, ""
	g.EndsAt = tx.now.Add(g.Duration)
	if g.FirstAt.IsZero() {
		g.FirstAt = tx.now
	}
	if limit := g.FirstAt.Add(e.Terms.MaxGlobal); g.EndsAt.After(limit) {
		g.EndsAt = limit
	}
	if err := tx.PutGrant(g); err != nil {
		return err
	}
	tx.wakeAt(g.EndsAt)
	return tx.audit(engineActor, "grant.activate", "grant/"+g.ID, detail{
		"user": g.User, "entitlement": g.Resource.String(), "request": g.RequestID, "ends_at": g.EndsAt.UTC(),
	})
}

// lengthens returns when the access that a request lengthens first began, and what is left of
// it now: the new time is counted from the old end. Zero: it lengthens nothing, as what it
// would lengthen has been seen to be gone.
func (e *Engine) lengthens(tx *txn, r core.Request) (firstAt time.Time, left time.Duration, err error) {
	if r.Extends == "" {
		return time.Time{}, 0, nil
	}
	old, err := tx.Grant(r.Extends)
	if err != nil || old.State == core.GrantEnded || old.State == core.GrantFailed {
		return time.Time{}, 0, err
	}
	if old.State == core.GrantActive {
		left = max(old.EndsAt.Sub(tx.now), 0)
	}
	return old.FirstAt, left, nil
}

// bindingRule returns the on-call rule that an approval for a role rested on. Where people
// decided, there is none, and only time ends the grant.
func bindingRule(r core.Request, role string) core.ApprovalRule {
	for _, rule := range r.Decision.Rules {
		if slices.Contains(rule.Roles, role) {
			return rule
		}
	}
	return core.ApprovalRule{}
}

func evidenceTexts(list []core.Evidence) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = fmt.Sprintf("%s: %s", x.User, x)
	}
	return out
}
