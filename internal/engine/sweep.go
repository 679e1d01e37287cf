package engine

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// sweepBatch is how many things one transaction of a sweep ends.
const sweepBatch = 250

// Sweep does what is due by now and has nobody to do it: it ends grants and requests whose
// time is up, and starts jobs again that were lost. The tables are the truth; this finds
// whatever a crash left. It returns when it wants to be called next, at the latest.
func (e *Engine) Sweep(ctx context.Context) (next time.Time, err error) {
	now := e.Clock.Now()
	err = errors.Join(
		e.endDue(ctx, now),
		e.expelLocked(ctx),
		e.expireDue(ctx, now),
		e.offCallDue(ctx, now),
		e.restart(ctx, now),
	)
	if err != nil {
		return now.Add(time.Second), err
	}
	return e.nextDue(ctx, now)
}

// endDue ends the grants whose time is up.
func (e *Engine) endDue(ctx context.Context, now time.Time) error {
	for {
		due, err := e.grants(ctx, GrantQuery{States: []core.GrantState{core.GrantActive}, EndsBy: now, Limit: sweepBatch})
		if err != nil || len(due) == 0 {
			return err
		}
		err = e.write(ctx, func(tx *txn) error {
			tx.Vital()
			for _, stale := range due {
				g, err := tx.Grant(stale.ID)
				if err != nil {
					return err
				}
				if g.State != core.GrantActive || tx.now.Before(g.EndsAt) {
					continue
				}
				if err := e.over(tx, engineActor, g, core.EndTime, ""); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// expireDue ends the requests that nobody decided in time.
func (e *Engine) expireDue(ctx context.Context, now time.Time) error {
	for {
		due, err := e.requests(ctx, RequestQuery{State: core.Pending, ExpiresBy: now, Limit: sweepBatch})
		if err != nil || len(due) == 0 {
			return err
		}
		err = e.write(ctx, func(tx *txn) error {
			for _, stale := range due {
				r, err := tx.Request(stale.ID)
				if err != nil {
					return err
				}
				if r.State != core.Pending || tx.now.Before(r.ExpiresAt) {
					continue
				}
				text := "nobody decided within " + r.ExpiresAt.Sub(r.CreatedAt).String()
				if err := e.finish(tx, engineActor, end(r, core.Expired, engineActor.Name(), text, tx)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// restart starts the jobs again whose work is due and that may have been lost.
func (e *Engine) restart(ctx context.Context, now time.Time) error {
	if err := e.restartGrants(ctx, now); err != nil {
		return err
	}
	unfinished, waiting := 0, 0
	query := IncidentQuery{Unfinished: true, RetryBy: now}
	for {
		page, err := e.incidents(ctx, query)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for _, i := range page {
			e.Jobs.Kick(core.Job{Kind: core.JobIncident, ID: i.ID})
		}
		unfinished += len(page)
		query.After = page[len(page)-1].ID
	}
	err := e.eachRequest(ctx, RequestQuery{State: core.Pending}, func(r core.Request) {
		waiting++
		if r.Evaluation.Outcome == "" && now.Sub(r.CreatedAt) > time.Second {
			e.Jobs.Kick(core.Job{Kind: core.JobDecide, ID: r.ID})
		}
	})
	if err == nil {
		e.Meter.Waiting(waiting, unfinished)
	}
	return err
}

// restartGrants has every grant settled that is on its way, and the owners paged where access
// should long be gone.
func (e *Engine) restartGrants(ctx context.Context, now time.Time) error {
	moving, err := e.grants(ctx, GrantQuery{States: []core.GrantState{core.GrantPending, core.GrantEnding}, Limit: unlimited})
	if err != nil {
		return err
	}
	var overdue []core.Grant
	var troubles []error
	for _, g := range moving {
		if g.State == core.GrantEnding && now.Sub(g.EndedAt) >= overdueAfter {
			overdue = append(overdue, g)
		}
		switch {
		case g.NotBefore.After(now):
		case g.Target == core.RoleTarget:
			troubles = append(troubles, e.beginRole(ctx, g)) // the others shall not wait for this one
		default:
			e.Jobs.Kick(settleJob(g.Entitlement))
		}
	}
	return errors.Join(append(troubles, e.scream(ctx, overdue))...)
}

// beginRole starts a grant of a role whose start has come.
func (e *Engine) beginRole(ctx context.Context, g core.Grant) error {
	onCall, err := e.atStart(ctx, []core.Grant{g})
	if err != nil {
		return err
	}
	return e.write(ctx, func(tx *txn) error {
		g, err := tx.Grant(g.ID)
		if err != nil || g.State != core.GrantPending || g.NotBefore.After(tx.now) {
			return err
		}
		why, wait, err := e.mayBegin(tx, g, onCall)
		if err != nil || wait {
			return err
		}
		if why != "" {
			_, err := e.turnAway(tx, g, why, false)
			return err
		}
		return e.activate(tx, g)
	})
}

// nextDue returns the next moment that something ends, within a second from now.
func (e *Engine) nextDue(ctx context.Context, now time.Time) (time.Time, error) {
	next := now.Add(time.Second)
	soon, err := e.grants(ctx, GrantQuery{States: []core.GrantState{core.GrantActive}, EndsBy: next, Limit: 1})
	if err != nil {
		return next, err
	}
	if len(soon) > 0 && soon[0].EndsAt.Before(next) {
		next = soon[0].EndsAt
	}
	return next, nil
}

func (e *Engine) grants(ctx context.Context, q GrantQuery) (out []core.Grant, err error) {
	err = e.Store.Read(ctx, func(v View) (err error) {
		out, err = v.Grants(q)
		return err
	})
	return out, err
}

func (e *Engine) requests(ctx context.Context, q RequestQuery) (out []core.Request, err error) {
	err = e.Store.Read(ctx, func(v View) (err error) {
		out, err = v.Requests(q)
		return err
	})
	return out, err
}

// eachRequest shows every request that a query selects, page by page.
func (e *Engine) eachRequest(ctx context.Context, q RequestQuery, show func(core.Request)) error {
	for {
		page, err := e.requests(ctx, q)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			show(r)
		}
		q.After = page[len(page)-1].ID
	}
}

func (e *Engine) incidents(ctx context.Context, q IncidentQuery) (out []core.Incident, err error) {
	err = e.Store.Read(ctx, func(v View) (err error) {
		out, err = v.Incidents(q)
		return err
	})
	return out, err
}
