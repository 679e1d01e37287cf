package engine

import (
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
	var out core.Request
	err := e.write(ctx, func(tx *txn) error {
		r, err := tx.Request(id)
		if err != nil {
			return err
		}
		if a.Admin && a.User == "" {
			err = e.override(tx, a, r, in)
		} else {
			err = e.review(tx, a, r, in)
		}
		if err != nil {
			return err
		}
		out, err = tx.Request(id)
		return err
	})
	if core.KindOf(err) == core.Refused {
		e.refused(ctx, a, "access_request.review", "request/"+id, err)
	}
	return out, err
}

func (e *Engine) review(tx *txn, a Actor, r core.Request, in Opinion) error {
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
	_, err = e.addReview(tx, a, r, core.Review{Author: a.User, State: in.State, Reason: in.Reason})
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
	err = tx.audit(a, "access_request.review", "request/"+r.ID, detail{
		"reviewer": last.Author, "proposed": last.State, "reason": last.Reason, "counts_for": last.CountsFor,
	})
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

// Cancel withdraws a request that is not decided yet. The requester may, and an administrator.
func (e *Engine) Cancel(ctx context.Context, a Actor, id string) (core.Request, error) {
	var out core.Request
	err := e.write(ctx, func(tx *txn) error {
		r, err := tx.Request(id)
		if err != nil {
			return err
		}
		author := a.User == r.Author && a.User != LocalAdmin // which is not a user of that name
		if a.User != r.User && !author && !a.Admin {
			return core.Errorf(core.Refused, "%s may not cancel request %s: it is %s's", a.Name(), id, r.User).
				WithHint("a reviewer denies instead: sallyport request deny %s", id)
		}
		if err := undecided(r, tx.now); err != nil {
			return err
		}
		out = end(r, core.Cancelled, a.Name(), "cancelled by "+a.Name(), tx)
		return e.finish(tx, a, out)
	})
	return out, err
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

// active refuses callers who are unknown or locked.
func active(dir *core.Directory, a Actor) error {
	u, ok := dir.User(a.User)
	switch {
	case !ok:
		return core.Errorf(core.Refused, "there is no user %q", a.User).WithHint("users there are: sallyport get users")
	case u.Locked:
		return core.Errorf(core.Refused, "user %s is locked", a.User).WithHint("an administrator can unlock with: sallyport edit users/%s", a.User)
	}
	return nil
}

// refused leaves a refusal in the audit log. It stands by itself, as what was refused changed nothing.
func (e *Engine) refused(ctx context.Context, a Actor, action, subject string, why error) {
	err := e.write(ctx, func(tx *txn) error {
		return tx.audit(a, action+".refused", subject, detail{"why": why.Error()})
	})
	if err != nil {
		e.Log.Error("a refusal could not be written to the audit log", "subject", subject, "error", err)
	}
}
