package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// An offCallWatch remembers when the grants that are bound to a shift must be looked at again.
type offCallWatch struct {
	mu  sync.Mutex
	due time.Time // zero: now
}

// take reports whether it is time to look, and if so sets the next time.
func (w *offCallWatch) take(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Before(w.due) {
		return false
	}
	w.due = now.Add(time.Minute)
	return true
}

// RosterChanged is called when newer on-call data is at hand. Requests that wait for it are
// looked at again, and so are the grants that are bound to a shift.
func (e *Engine) RosterChanged(ctx context.Context) error {
	e.offCall.mu.Lock()
	e.offCall.due = time.Time{}
	e.offCall.mu.Unlock()
	e.Jobs.Wake(e.Clock.Now())
	return e.eachRequest(ctx, RequestQuery{State: core.Pending}, func(r core.Request) {
		if len(r.Accounts()) > 0 && !reviewedBy(r, e.Reviewer) {
			e.Jobs.Kick(core.Job{Kind: core.JobDecide, ID: r.ID})
		}
	})
}

func boundToShift(g core.Grant) bool { return g.Rule.UntilOffCall && g.Rule.OnCall != nil }

// offCallDue ends the grants whose holders went off call and whose grace is over.
//
// Only data that was asked for after the shift's end shows that somebody is off call: an
// error, or an old answer, never does. A grant that waits for its target is looked at as well.
func (e *Engine) offCallDue(ctx context.Context, now time.Time) error {
	if !e.offCall.take(now) {
		return nil
	}
	query := GrantQuery{States: heldStates, UntilOffCall: true}
	for {
		bound, err := e.grants(ctx, query)
		if err != nil || len(bound) == 0 {
			return err
		}
		query.After = bound[len(bound)-1].ID
		bound = slices.DeleteFunc(bound, func(g core.Grant) bool {
			return !boundToShift(g) || g.State == core.GrantPending && !g.NotBefore.IsZero() // atStart is for those
		})
		if err := e.lookOffCall(ctx, bound, now); err != nil {
			return err
		}
		if err := e.endDue(ctx, e.Clock.Now()); err != nil {
			return err // to look at 100,000 grants takes seconds, and what ends meanwhile shall not wait
		}
	}
}

// lookOffCall holds some grants against the newest duties. Where somebody seems to have gone
// off call, or to have stayed off for as long as they may, PagerDuty is asked again first, once
// for all: the answer at hand may be from before another shift began.
func (e *Engine) lookOffCall(ctx context.Context, bound []core.Grant, now time.Time) error {
	changed, gone, err := e.offCallChanges(ctx, bound, e.boundRosters(ctx, bound, e.MaxStale), now)
	if err == nil && gone {
		changed, _, err = e.offCallChanges(ctx, bound, e.boundRosters(ctx, bound, 0), now)
	}
	if err != nil || len(changed) == 0 {
		return err
	}
	return e.write(ctx, func(tx *txn) error {
		tx.Vital()
		for _, c := range changed {
			if err := e.commitOffCall(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// boundRosters gets the rosters that grants are bound to. An account that cannot be asked has none.
func (e *Engine) boundRosters(ctx context.Context, bound []core.Grant, maxAge time.Duration) map[string]*core.Roster {
	rosters := map[string]*core.Roster{}
	for _, g := range bound {
		account := g.Rule.OnCall.Account
		if _, asked := rosters[account]; asked {
			continue
		}
		roster, err := e.OnCall.Roster(ctx, account, maxAge)
		if err != nil {
			roster = nil
		}
		rosters[account] = roster
	}
	return rosters
}

// offCallChanges returns the grants whose holders went off call or came back, or whose grace
// is over; gone tells that somebody is newly off call, or is to lose access for it.
func (e *Engine) offCallChanges(ctx context.Context, bound []core.Grant, rosters map[string]*core.Roster, now time.Time) (changed []core.Grant, gone bool, err error) {
	err = e.Store.Read(ctx, func(v View) error {
		for _, g := range bound {
			roster := rosters[g.Rule.OnCall.Account]
			next := g
			if roster != nil {
				pin, err := v.Pin(g.User, roster.Account)
				if err != nil {
					return err
				}
				next = e.offCallState(g, roster.Match(*g.Rule.OnCall, pin.PagerDutyUserID, now), now)
			}
			over := e.graceOver(next, now)
			gone = gone || over || g.OffCallAt.IsZero() && !next.OffCallAt.IsZero()
			if over || !next.OffCallAt.Equal(g.OffCallAt) {
				changed = append(changed, next)
			}
		}
		return nil
	})
	return changed, gone, err
}

// offCallState returns the grant with OffCallAt as its holder's duties show it.
func (e *Engine) offCallState(g core.Grant, on []core.Evidence, now time.Time) core.Grant {
	switch {
	case len(on) > 0:
		g.OffCallAt = time.Time{}
		for _, x := range on {
			if !x.End.IsZero() {
				e.lookAgain(x.End)
			}
		}
	case g.OffCallAt.IsZero():
		g.OffCallAt = now
	}
	if !g.OffCallAt.IsZero() {
		e.lookAgain(g.OffCallAt.Add(g.Rule.Grace))
	}
	return g
}

func (e *Engine) graceOver(g core.Grant, now time.Time) bool {
	return !g.OffCallAt.IsZero() && !now.Before(g.OffCallAt.Add(g.Rule.Grace))
}

func (e *Engine) lookAgain(at time.Time) {
	e.offCall.mu.Lock()
	if at.Before(e.offCall.due) {
		e.offCall.due = at
	}
	e.offCall.mu.Unlock()
	e.Jobs.Wake(at)
}

func (e *Engine) commitOffCall(tx *txn, seen core.Grant) error {
	g, err := tx.Grant(seen.ID)
	if err != nil || !g.Live() {
		return err
	}
	was := g.OffCallAt
	if g.OffCallAt = seen.OffCallAt; !was.IsZero() && !seen.OffCallAt.IsZero() && was.Before(seen.OffCallAt) {
		g.OffCallAt = was // another replica saw it earlier
	}
	if e.graceOver(g, tx.now) {
		return e.over(tx, engineActor, g, core.EndOffCall, "off call since "+g.OffCallAt.UTC().Format(time.RFC3339))
	}
	if g.OffCallAt.Equal(was) {
		return nil
	}
	if err := tx.PutGrant(g); err != nil {
		return err
	}
	action := "grant.off_call"
	if g.OffCallAt.IsZero() {
		action = "grant.on_call_again"
	}
	return tx.audit(engineActor, action, "grant/"+g.ID, detail{"user": g.User, "grace_s": int(g.Rule.Grace.Seconds())})
}

// atStart asks PagerDuty whether the holders of grants whose set start has come are on call
// now: that they were when they asked, perhaps days ago, is not enough. Where PagerDuty cannot
// be asked, the grants wait, and say so.
func (e *Engine) atStart(ctx context.Context, pending []core.Grant) (map[string]bool, error) {
	now := e.Clock.Now()
	onCall := map[string]bool{}
	for _, g := range pending {
		if g.NotBefore.IsZero() || g.NotBefore.After(now) || !boundToShift(g) {
			continue
		}
		roster, trouble := e.OnCall.Roster(ctx, g.Rule.OnCall.Account, e.MaxStale)
		if trouble != nil {
			err := e.write(ctx, func(tx *txn) error {
				g, err := tx.Grant(g.ID)
				if err != nil || g.State != core.GrantPending || g.Error == trouble.Error() {
					return err
				}
				_, err = e.hindered(tx, g, core.Errorf(core.Unavailable, "%w", trouble), false)
				return err
			})
			if err != nil {
				return nil, err
			}
			continue
		}
		err := e.Store.Read(ctx, func(v View) error {
			pin, err := v.Pin(g.User, roster.Account)
			onCall[g.ID] = len(roster.Match(*g.Rule.OnCall, pin.PagerDutyUserID, now)) > 0
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return onCall, nil
}
