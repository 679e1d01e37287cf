package engine

import (
	"cmp"
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
// jobs that decide it and tell PagerDuty.
func (e *Engine) Submit(ctx context.Context, a Actor, in Submission) (core.Request, error) {
	r, err := e.submit(ctx, a, in.Key, func(View) (core.Ask, error) { return in.Ask, nil })
	return r, e.refused(ctx, a, "access_request.create", "user/"+cmp.Or(in.User, a.User), err)
}

// submit takes the request that ask makes of what the transaction sees.
func (e *Engine) submit(ctx context.Context, a Actor, key string, ask func(View) (core.Ask, error)) (core.Request, error) {
	id := "req_" + e.NewID()
	if key != "" {
		id = "req_" + digestID(a.User, a.Name(), key)
	}
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
		return e.store(tx, a, out)
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
	ask.Author = cmp.Or(a.Author(), a.Name())
	ask.SessionLeft = a.sessionLeft(now, ask.SessionLeft)
	if ask.User == "" {
		return core.Request{}, core.Errorf(core.Invalid, "the local administrator has no access of its own to ask for").
			WithHint("name the person with --user, or act as one with --as")
	}
	if !a.Admin {
		if err := mayAskFor(dir, a, ask.User); err != nil {
			return core.Request{}, err
		}
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

// mayAskFor refuses whoever asks for somebody else without the right to.
func mayAskFor(dir *core.Directory, a Actor, user string) error {
	if user == a.User { // whether they are known, and not locked, is asked of every user
		return nil
	}
	if err := active(dir, a); err != nil {
		return err
	}
	if dir.Allowed(a.User, "access_request", core.VerbCreate) {
		return nil
	}
	return core.Errorf(core.Refused, "%s may not ask for %s: asking for somebody else needs the verb create on access_request", a.Name(), user).
		WithHint("leave --user out to ask for yourself; %s", whoGives(dir, "access_request", core.VerbCreate))
}

// store commits a new request with everything that follows from it.
func (e *Engine) store(tx *txn, a Actor, r core.Request) error {
	if err := tx.PutRequest(r); err != nil {
		return err
	}
	err := tx.audit(a, "access_request.create", "request/"+r.ID, detail{
		"user": r.User, "author": r.Author, "roles": r.Roles, "resources": resourceNames(r.Resources), "reason": r.Reason,
		"duration_s": int(r.Duration.Seconds()), "annotations": r.Annotations, "expires_at": r.ExpiresAt.UTC(),
	})
	if err != nil {
		return err
	}
	if err := e.wantIncidents(tx, r); err != nil {
		return err
	}
	tx.wakeAt(r.ExpiresAt)
	return tx.Enqueue(core.Job{Kind: core.JobDecide, ID: r.ID})
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
