package engine

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// Decide is the on-call reviewer's turn on a request. PagerDuty is asked before the
// transaction, and only where the index is too old; the answer that the decision rests on is
// stored with it. An error of kind core.Unavailable means that PagerDuty could not be asked.
func (e *Engine) Decide(ctx context.Context, id string) error {
	var r core.Request
	err := e.Store.Read(ctx, func(v View) (err error) {
		r, err = v.Request(id)
		return err
	})
	if err != nil || undecided(r, e.Clock.Now()) != nil {
		return err
	}
	answers := e.rosters(ctx, r)
	waiting := ""
	err = e.write(ctx, func(tx *txn) error {
		waiting = ""
		r, err := tx.Request(id)
		if err != nil || undecided(r, tx.now) != nil || reviewedBy(r, e.Reviewer) {
			return err
		}
		ev, pins, err := e.evaluate(tx, r, answers, tx.now)
		if err != nil {
			return err
		}
		if ev.Outcome == core.OutcomeWait {
			waiting = ev.Reasons[len(ev.Reasons)-1].Text
		}
		_, err = e.record(tx, r, ev, pins)
		return err
	})
	if err == nil && waiting != "" {
		return core.Errorf(core.Unavailable, "request %s waits for PagerDuty: %s", id, waiting)
	}
	return err
}

// rosters asks for the duties that a request's rules speak of.
func (e *Engine) rosters(ctx context.Context, r core.Request) map[string]core.RosterAnswer {
	answers := map[string]core.RosterAnswer{}
	for _, account := range r.Accounts() {
		roster, err := e.OnCall.Roster(ctx, account, e.MaxStale)
		answers[account] = core.RosterAnswer{Roster: roster, Err: err}
	}
	return answers
}

// evaluate holds a request against the duties; pins are the matches with PagerDuty users that this would make.
func (e *Engine) evaluate(v View, r core.Request, answers map[string]core.RosterAnswer, now time.Time) (core.Evaluation, []Pin, error) {
	dir, err := e.dir(v)
	if err != nil {
		return core.Evaluation{}, nil, err
	}
	in := core.EvaluateInput{Request: r, Rosters: answers, Reviewer: e.Reviewer, MaxAge: e.MaxStale, MinAge: e.MinAge,
		Pinned: map[string]string{}, Taken: map[string]string{}}
	user, _ := dir.User(r.User)
	in.Email = user.PagerDutyEmail()
	if _, ok := dir.User(e.Reviewer); !ok {
		in.MayNot = fmt.Errorf("there is no user %q, as whom it reviews", e.Reviewer)
	} else if err := dir.MayReview(e.Reviewer, r); err != nil {
		in.MayNot = err
	}
	var fresh []Pin
	for _, answer := range answers {
		if answer.Roster == nil || answer.Err != nil {
			continue // nobody is matched by what PagerDuty said long ago
		}
		pin, taken, err := e.pin(v, r.User, in.Email, answer.Roster)
		if err != nil {
			return core.Evaluation{}, nil, err
		}
		account := answer.Roster.Account
		switch {
		case taken != "":
			in.Taken[account+"/"+pin.PagerDutyUserID] = taken
		case pin.PagerDutyUserID != "":
			in.Pinned[account] = pin.PagerDutyUserID
			if pin.PinnedAt.IsZero() {
				pin.PinnedAt = now
				fresh = append(fresh, pin)
			}
		}
	}
	ev := core.Evaluate(in, now)
	return ev, fresh, nil
}

// pin finds the user's match with a PagerDuty user, or the one that would be made now, which has
// no moment yet; taken names who has it instead.
func (e *Engine) pin(v View, user, email string, roster *core.Roster) (pin Pin, taken string, err error) {
	pin, err = v.Pin(user, roster.Account)
	if err != nil || pin.PagerDutyUserID != "" {
		return pin, "", err
	}
	person, ok := roster.UserByEmail(email)
	if !ok {
		return Pin{}, "", nil
	}
	pin = Pin{User: user, Account: roster.Account, PagerDutyUserID: person.ID, Email: email}
	owner, err := v.PinOf(roster.Account, person.ID)
	return pin, owner.User, err
}

// record stores what the on-call reviewer found, and its review where it approves.
func (e *Engine) record(tx *txn, r core.Request, ev core.Evaluation, pins []Pin) (core.Request, error) {
	for _, p := range pins {
		if err := tx.PutPin(p); err != nil {
			return r, err
		}
		if err := tx.audit(engineActor, "user.match", "user/"+p.User, detail{"account": p.Account, "pagerduty_user": p.PagerDutyUserID, "email": p.Email}); err != nil {
			return r, err
		}
	}
	if ev.Outcome != core.OutcomeApprove {
		if sameFinding(r.Evaluation, ev) {
			return r, nil
		}
		r.Evaluation = ev
		if err := tx.audit(reviewerActor, "access_request.evaluate", "request/"+r.ID, detail{"outcome": ev.Outcome, "reasons": texts(ev.Reasons)}); err != nil {
			return r, err
		}
		return r, tx.PutRequest(r)
	}
	r.Evaluation = ev
	review := core.Review{Author: e.Reviewer, State: core.Approved, Reason: onCallReason(r, ev)}
	return e.addReview(tx, Actor{User: e.Reviewer, Via: reviewerActor.Via + ", on-call reviewer"}, r, review)
}

// onCallReason says why the on-call reviewer approves, in the words of Teleport's plugin.
func onCallReason(r core.Request, ev core.Evaluation) string {
	var services []string
	for _, x := range ev.Evidence {
		if x.Service != "" && !strings.Contains("\x1f"+strings.Join(services, "\x1f")+"\x1f", "\x1f"+x.Service+"\x1f") {
			services = append(services, x.Service)
		}
	}
	if len(services) == 0 {
		return fmt.Sprintf("%s is on call: %s", r.User, ev.Evidence[0])
	}
	return fmt.Sprintf("Access requested by user %s who is on call in service(s) %s", r.User, strings.Join(services, ","))
}

// sameFinding compares two evaluations but for their times, so that asking again does not fill the log.
func sameFinding(a, b core.Evaluation) bool {
	if a.Outcome != b.Outcome || len(a.Reasons) != len(b.Reasons) {
		return false
	}
	if a.Outcome == core.OutcomeWait {
		return true // its words tell an age
	}
	checks := func(ev core.Evaluation) (out []core.Reason) {
		for _, r := range ev.Reasons {
			text, _, _ := strings.Cut(r.Text, ", asked ")
			text, _, _ = strings.Cut(text, " (PagerDuty asked at ")
			out = append(out, core.Reason{Check: r.Check, OK: r.OK, Text: text})
		}
		return out
	}
	return reflect.DeepEqual(checks(a), checks(b))
}

func reviewedBy(r core.Request, name string) bool {
	for _, v := range r.Reviews {
		if v.Author == name {
			return true
		}
	}
	return false
}

func texts(reasons []core.Reason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = r.Text
	}
	return out
}
