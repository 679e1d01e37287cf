package engine

import (
	"cmp"
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// An Opinion is what somebody thinks of a request.
type Opinion struct {
	State  core.RequestState // core.Approved or core.Denied
	Reason string
}

// Review takes an opinion on a request. By the local administrator it is an override of the
// decision: it goes around the thresholds, and is marked as such for ever.
func (e *Engine) Review(ctx context.Context, a Actor, id string, in Opinion) (core.Request, error) {
	if in.State != core.Approved && in.State != core.Denied {
		return core.Request{}, core.Errorf(core.Invalid, "a review proposes APPROVED or DENIED, not %q", in.State)
	}
	if err := core.CheckReason(in.Reason); err != nil {
		return core.Request{}, err
	}
	people, err := e.peopleAtPagerDuty(ctx)
	if err != nil {
		return core.Request{}, err
	}
	var out core.Request
	err = e.write(ctx, func(tx *txn) error {
		r, err := tx.Request(id)
		if err != nil {
			return err
		}
		if a.Admin && a.User == "" {
			err = e.override(tx, a, r, in)
		} else {
			err = e.review(tx, a, r, in, people)
		}
		if err != nil {
			return err
		}
		out, err = tx.Request(id)
		return err
	})
	return out, e.refused(ctx, a, "access_request.review", "request/"+id, err)
}

func (e *Engine) review(tx *txn, a Actor, r core.Request, in Opinion, people []*core.Roster) error {
	dir, err := e.dir(tx)
	if err != nil {
		return err
	}
	if err := active(dir, a); err != nil {
		return err
	}
	if err := dir.MayReview(a.User, r); err != nil {
		return err
	}
	for _, name := range [...]string{a.User, a.Author()} { // whoever acts behind the name is held to the same
		if name == "" {
			continue
		}
		if err := cmp.Or(dir.Independent(name, r), e.onePagerUser(tx, dir, people, name, r)); err != nil {
			return err
		}
	}
	if in.State == core.Approved {
		if err := askerStands(dir, r); err != nil {
			return err
		}
	}
	_, err = e.addReview(tx, a, r, core.Review{Author: a.User, Human: a.Author(), State: in.State, Reason: in.Reason})
	return err
}

// addReview adds a review to a request, and ends the request where that decides it.
func (e *Engine) addReview(tx *txn, a Actor, r core.Request, review core.Review) (core.Request, error) {
	dir, err := e.dir(tx)
	if err != nil {
		return r, err
	}
	next, err := dir.AddReview(r, review, tx.now)
	if err != nil {
		return r, err
	}
	last := next.Reviews[len(next.Reviews)-1]
	d := detail{"reviewer": last.Author, "proposed": last.State, "reason": last.Reason, "counts_for": last.CountsFor}
	if by := a.Author(); by != "" {
		d["impersonated_by"] = by
	}
	err = tx.audit(a, "access_request.review", "request/"+r.ID, d)
	if err != nil {
		return r, err
	}
	if err := e.noteReview(tx, next, last); err != nil {
		return r, err
	}
	if next.State == core.Pending {
		return next, tx.PutRequest(next)
	}
	if reviewedBy(next, e.Reviewer) {
		next.Decision.Evidence = next.Evaluation.Evidence
		next.Decision.Rules = next.Evaluation.Rules
		next.Decision.Reasons = append(next.Decision.Reasons, next.Evaluation.Reasons...)
	}
	return next, e.finish(tx, a, next)
}

// override decides a request as an administrator, around the thresholds.
func (e *Engine) override(tx *txn, a Actor, r core.Request, in Opinion) error {
	if err := undecided(r, tx.now); err != nil {
		return err
	}
	r.State = in.State
	text := "the local administrator overrode the reviews"
	if in.Reason != "" {
		text += ": " + in.Reason
	}
	r.Decision = &core.Decision{State: in.State, At: tx.now, By: a.Name(), Override: true,
		Reasons: []core.Reason{{Check: "override", OK: in.State == core.Approved, Text: text}}}
	return e.finish(tx, a, r)
}

// Cancel withdraws a request that is not decided yet. The requester may, and whoever may update requests.
func (e *Engine) Cancel(ctx context.Context, a Actor, id string) (core.Request, error) {
	var out core.Request
	err := e.write(ctx, func(tx *txn) error {
		r, err := tx.Request(id)
		if err != nil {
			return err
		}
		if err := e.mayCancel(tx, a, r); err != nil {
			return err
		}
		if err := undecided(r, tx.now); err != nil {
			return err
		}
		out = end(r, core.Cancelled, a.Name(), "cancelled by "+a.Name(), tx)
		return e.finish(tx, a, out)
	})
	return out, e.refused(ctx, a, "access_request.cancel", "request/"+id, err)
}

// mayCancel refuses whoever did not ask, unless they may update requests.
func (e *Engine) mayCancel(tx *txn, a Actor, r core.Request) error {
	if a.Admin {
		return nil
	}
	dir, err := e.dir(tx)
	if err != nil {
		return err
	}
	if err := active(dir, a); err != nil {
		return err
	}
	author := a.User == r.Author && a.User != LocalAdmin // which is not a user of that name
	if a.User == r.User || author || dir.Allowed(a.User, "access_request", core.VerbUpdate) {
		return nil
	}
	if !sees(dir, a, r) {
		return hidden("request", r.ID)
	}
	return core.Errorf(core.Refused, "%s may not cancel request %s: it is %s's", a.Name(), r.ID, r.User).
		WithHint("a reviewer denies instead: sallyport request deny %s", r.ID)
}

// end ends a request without a review.
func end(r core.Request, state core.RequestState, by, text string, tx *txn) core.Request {
	r.State = state
	r.Decision = &core.Decision{State: state, At: tx.now, By: by, Reasons: []core.Reason{{Check: "state", OK: false, Text: text}}}
	return r
}

// undecided refuses what comes after a request's decision, or after the time for one.
func undecided(r core.Request, now time.Time) error {
	const form = "2006-01-02 15:04:05 UTC"
	switch {
	case r.State != core.Pending && r.Decision != nil:
		return core.Errorf(core.Conflict, "request %s is already %s since %s", r.ID, r.State, r.Decision.At.UTC().Format(form)).
			WithHint("see why: sallyport request explain %s", r.ID)
	case r.State != core.Pending:
		return core.Errorf(core.Conflict, "request %s is already %s", r.ID, r.State)
	case !now.Before(r.ExpiresAt):
		return core.Errorf(core.Conflict, "request %s expired at %s", r.ID, r.ExpiresAt.UTC().Format(form)).WithHint("ask again")
	}
	return nil
}
