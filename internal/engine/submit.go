package engine

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// A Submission is what somebody asks for.
type Submission struct {
	core.Ask
	Key string // idempotency key; the same caller and key name the same request
}

// Submit takes a request: one transaction with its frozen rules, the audit entry, and the
// jobs that decide it and tell PagerDuty. Where the duties that it rests on are at hand and
// approve it, that is part of the transaction.
func (e *Engine) Submit(ctx context.Context, a Actor, in Submission) (core.Request, error) {
	return e.submit(ctx, a, e.requestID(a, in.Key), in.Key, func(View) (core.Ask, error) { return in.Ask, nil })
}

// SubmitAndWait is Submit, and returns the request's story as soon as done says so, or when
// patience ends. With an error the story has an id if the request was taken.
func (e *Engine) SubmitAndWait(ctx, patience context.Context, a Actor, in Submission, done func(Story) bool) (s Story, err error) {
	id := e.requestID(a, in.Key)
	rung, leave := e.bell.listen(id) // before there is anything to hear of it
	s.Request, err = e.submit(ctx, a, id, in.Key, func(View) (core.Ask, error) { return in.Ask, nil })
	if err == nil && in.Key == "" {
		pause(patience, rung)
	}
	leave()
	if err != nil {
		return Story{}, err
	}
	if in.Key != "" || s.State == core.Pending || notifies(s.Request) {
		r := s.Request
		if s, err = e.Wait(patience, a, id, done); err != nil {
			s.Request = r
		}
		return s, err
	}
	_, err = e.until(patience, id, func() (bool, error) { // nothing of the request changes any more
		err := e.Store.Glance(patience, func(v View) (err error) {
			s.Grants, err = v.Grants(GrantQuery{RequestID: id})
			return err
		})
		return err == nil && done(s), err
	})
	return s, err
}

func (e *Engine) requestID(a Actor, key string) string {
	if key != "" {
		return "req_" + digestID(a.User, a.Name(), key)
	}
	return "req_" + e.NewID()
}

// submit takes the request that ask makes of what the transaction sees.
func (e *Engine) submit(ctx context.Context, a Actor, id, key string, ask func(View) (core.Ask, error)) (core.Request, error) {
	var out core.Request
	err := e.write(ctx, func(tx *txn) (err error) {
		if key != "" {
			if out, err = tx.Request(id); core.KindOf(err) != core.NotFound {
				return err
			}
		}
		in, err := ask(tx)
		if err != nil {
			return err
		}
		if out, err = e.newRequest(tx, a, id, in, tx.now); err != nil {
			return err
		}
		out, err = e.store(tx, a, out)
		return err
	})
	return out, err
}

// newRequest checks an ask against the rules and freezes them into a request.
func (e *Engine) newRequest(v View, a Actor, id string, ask core.Ask, now time.Time) (core.Request, error) {
	dir, err := e.dir(v)
	if err != nil {
		return core.Request{}, err
	}
	if ask.User == "" {
		ask.User = a.User
	}
	ask.Author = a.Name()
	if ask.User == "" {
		return core.Request{}, core.Errorf(core.Invalid, "the local administrator has no access of its own to ask for").
			WithHint("name the person with --user, or act as one with --as")
	}
	if ask.User != a.User && !a.Admin && !dir.Allowed(a.User, "access_request", "create") {
		return core.Request{}, core.Errorf(core.Refused, "%s may not ask for %s: asking for somebody else needs the verb create on access_request", a.Name(), ask.User).
			WithHint("leave --user out to ask for yourself")
	}
	r, err := dir.NewRequest(id, ask, e.Terms, now)
	if err != nil {
		return core.Request{}, err
	}
	r.Gives = map[string][]core.Resource{}
	for _, name := range r.Roles {
		if role, ok := dir.Role(name); ok {
			r.Gives[name] = role.Entitlements
		}
	}
	return r, nil
}

// store commits a new request with everything that follows from it.
func (e *Engine) store(tx *txn, a Actor, r core.Request) (core.Request, error) {
	err := tx.audit(a, "access_request.create", "request/"+r.ID, detail{
		"user": r.User, "roles": r.Roles, "resources": resourceNames(r.Resources), "reason": r.Reason,
		"duration_s": int(r.Duration.Seconds()), "annotations": r.Annotations, "expires_at": r.ExpiresAt.UTC(),
	})
	if err != nil {
		return r, err
	}
	if !notifies(r) && r.Extends == "" {
		if r, err = e.approveAtOnce(tx, r); err != nil || r.State != core.Pending {
			return r, err
		}
	}
	if err := tx.PutRequest(r); err != nil {
		return r, err
	}
	if err := e.wantIncidents(tx, r); err != nil {
		return r, err
	}
	tx.wakeAt(r.ExpiresAt)
	return r, tx.Enqueue(core.Job{Kind: core.JobDecide, ID: r.ID})
}

// approveAtOnce is Decide with the duties that are at hand, where they approve a request. Else
// it does nothing: whatever else there is to say is Decide's.
func (e *Engine) approveAtOnce(tx *txn, r core.Request) (core.Request, error) {
	answers := map[string]core.RosterAnswer{}
	for _, account := range r.Accounts() {
		answers[account] = core.RosterAnswer{Roster: e.OnCall.AtHand(account)}
	}
	if len(answers) == 0 {
		return r, nil
	}
	ev, pins, err := e.evaluate(tx, r, answers, tx.now)
	if err != nil || ev.Outcome != core.OutcomeApprove {
		return r, err
	}
	return e.record(tx, r, ev, pins)
}

// Try runs a request through the rules without making it: what would be asked for, and what
// the on-call reviewer would say now. Nothing is stored.
func (e *Engine) Try(ctx context.Context, a Actor, ask core.Ask) (core.Request, error) {
	var out core.Request
	err := e.Store.Read(ctx, func(v View) (err error) {
		out, err = e.newRequest(v, a, "req_try", ask, e.Clock.Now())
		return err
	})
	if err != nil {
		return out, err
	}
	answers := e.rosters(ctx, out)
	err = e.Store.Read(ctx, func(v View) error {
		ev, _, err := e.evaluate(v, out, answers, e.Clock.Now())
		out.Evaluation = ev
		return err
	})
	return out, err
}

// digestID computes an id from what names a thing, so that doing it again finds what is there.
func digestID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x1f")))
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:10]))
}

func resourceNames(list []core.Resource) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = r.String()
	}
	return out
}
