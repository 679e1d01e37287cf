package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

// expel ends every session of a user and what they have or have asked for, as much of it as one transaction may hold; more
// says that there is more.
func (e *Engine) expel(tx *txn, a Actor, user string, cause core.EndCause) (more bool, err error) {
	if err := tx.dismiss(a, user, cause, cause == core.EndUserRemoved); err != nil {
		return false, err
	}
	held, err := tx.Grants(GrantQuery{User: user, States: heldStates, Limit: sweepBatch})
	if err != nil {
		return false, err
	}
	for _, g := range held {
		if err := e.over(tx, a, g, cause, ""); err != nil {
			return false, err
		}
	}
	open, err := tx.Requests(RequestQuery{User: user, State: core.Pending, Limit: sweepBatch})
	if err != nil {
		return false, err
	}
	for _, r := range open {
		text := fmt.Sprintf("%s was %s", user, strings.ReplaceAll(string(cause), "user_", ""))
		if err := e.finish(tx, a, end(r, core.Cancelled, a.Name(), text, tx)); err != nil {
			return false, err
		}
	}
	return len(held) == sweepBatch || len(open) == sweepBatch, nil
}

// expelLocked ends what locked users still have. The lock itself is one transaction, which
// ends no more than it may hold: until the rest has followed, it gives nothing all the same.
func (e *Engine) expelLocked(ctx context.Context) error {
	var revision int64
	var left []string
	err := e.Store.Read(ctx, func(v View) (err error) {
		left = nil
		if revision, err = v.Revision(); err != nil || revision == e.expelled.Load() {
			return err
		}
		left, err = e.withSomethingLeft(v)
		return err
	})
	if err != nil {
		return err
	}
	for _, user := range left {
		for more := true; more; {
			err := e.write(ctx, func(tx *txn) error {
				tx.Vital()
				dir, err := e.dir(tx)
				if err != nil {
					return err
				}
				if u, ok := dir.User(user); !ok || !u.Locked {
					more = false
					return nil
				}
				more, err = e.expel(tx, engineActor, user, core.EndLocked)
				return err
			})
			if err != nil {
				return err
			}
			if err := e.endDue(ctx, e.Clock.Now()); err != nil {
				return err // what ends meanwhile shall not wait
			}
		}
	}
	e.expelled.Store(revision)
	return nil
}

// withSomethingLeft names the locked users who have a grant or a request left.
func (e *Engine) withSomethingLeft(v View) (out []string, err error) {
	dir, err := e.dir(v)
	if err != nil {
		return nil, err
	}
	for _, user := range dir.Locked() {
		held, err := v.Grants(GrantQuery{User: user, States: heldStates, Limit: 1})
		if err != nil {
			return nil, err
		}
		open, err := v.Requests(RequestQuery{User: user, State: core.Pending, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(held)+len(open) > 0 {
			out = append(out, user)
		}
	}
	return out, nil
}

// onlyLocks tells whether all that is stored is users who are locked.
func onlyLocks(items []manifest.Item) bool {
	return !slices.ContainsFunc(items, func(i manifest.Item) bool {
		if i.Kind != manifest.KindUser {
			return true
		}
		u, err := manifest.User(i.Document)
		return err != nil || !u.Locked
	})
}
