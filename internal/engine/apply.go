package engine

import (
	"context"
	"slices"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

// An Applied tells what became of one document.
type Applied struct {
	core.Document
	Action   string // "created", "updated" or "unchanged"
	Before   string // the body before; empty for a new one
	Warnings []string
}

// Apply creates or replaces documents, all of them or none. With dryRun everything is
// checked and nothing is kept.
func (e *Engine) Apply(ctx context.Context, a Actor, items []manifest.Item, dryRun bool) ([]Applied, error) {
	asked := e.askPagerDuty(ctx, items)
	var out []Applied
	err := e.write(ctx, func(tx *txn) error {
		out = nil
		if onlyLocks(items) {
			tx.Vital()
		}
		before, err := e.dir(tx)
		if err != nil {
			return err
		}
		for _, item := range items {
			applied, err := e.put(tx, a, item)
			if err == nil {
				err = e.guard(before, a, applied)
			}
			if err != nil {
				return err
			}
			out = append(out, applied)
		}
		dir, err := e.dir(tx)
		if err != nil {
			return err
		}
		for i := range out {
			warnings, err := e.check(tx, dir, out[i].Document, asked)
			if err != nil {
				return err
			}
			out[i].Warnings = append(out[i].Warnings, warnings...)
			if err := e.follow(tx, a, out[i]); err != nil {
				return err
			}
		}
		if dryRun {
			return errDryRun
		}
		return nil
	})
	if dryRun && err == errDryRun { //nolint:errorlint // never wrapped
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	if err := e.expelLocked(ctx); err != nil {
		e.Log.Warn("not all access of locked users could be ended yet; the next sweep goes on", "error", err)
	}
	if e.DocumentsChanged != nil {
		e.DocumentsChanged(ctx)
	}
	return out, nil
}

// errDryRun undoes the transaction of a dry run.
var errDryRun = core.Errorf(core.Conflict, "dry run")

// put stores one document.
func (e *Engine) put(tx *txn, a Actor, item manifest.Item) (Applied, error) {
	d := item.Document
	out := Applied{Document: d, Action: "created", Warnings: item.Warnings}
	old, err := tx.Document(d.Kind, d.Name)
	switch {
	case core.KindOf(err) == core.NotFound:
		d.CreatedAt = tx.now
	case err != nil:
		return out, err
	default:
		out.Action, out.Before, d.CreatedAt = "updated", old.Body, old.CreatedAt
	}
	verb := map[string]string{"created": "create", "updated": "update"}[out.Action]
	if err := e.mayIn(tx, a, d.Kind, verb); err != nil {
		return out, err
	}
	if old.Body == d.Body && old.Version == d.Version {
		out.Action, out.Document = "unchanged", old
		return out, nil
	}
	d.UpdatedAt = tx.now
	out.Document = d
	if err := tx.PutDocument(d); err != nil {
		return out, err
	}
	return out, tx.audit(a, "resource."+verb, d.Kind+"/"+d.Name, detail{"before": out.Before, "after": d.Body})
}

// mayIn is may inside a transaction.
func (e *Engine) mayIn(tx *txn, a Actor, kind, verb string) error {
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
	if !dir.Allowed(a.User, kind, verb) {
		return core.Errorf(core.Refused, "%s may not %s %s: no role of theirs allows it", a.User, verb, kind)
	}
	return nil
}

// follow does what a change of a user asks for: whoever is locked loses access now, and
// whoever has another address is matched with PagerDuty anew.
func (e *Engine) follow(tx *txn, a Actor, applied Applied) error {
	if applied.Kind != "user" || applied.Action == "unchanged" {
		return nil
	}
	u, err := manifest.User(applied.Document)
	if err != nil {
		return err
	}
	if applied.Before != "" {
		before := applied.Document
		before.Body = applied.Before
		old, err := manifest.User(before)
		if err != nil {
			return err
		}
		if old.PagerDutyEmail() != u.PagerDutyEmail() {
			if err := e.unpin(tx, a, u.Name); err != nil {
				return err
			}
		}
	}
	if !u.Locked {
		return nil
	}
	_, err = e.expel(tx, a, u.Name, core.EndLocked)
	return err
}

// unpin clears a user's matches with PagerDuty users.
func (e *Engine) unpin(tx *txn, a Actor, user string) error {
	accounts, err := nouns(tx, "pagerduty_account", manifest.Account)
	if err != nil {
		return err
	}
	for _, account := range accounts {
		pin, err := tx.Pin(user, account.Name)
		if err != nil {
			return err
		}
		if pin.User == "" {
			continue
		}
		if err := tx.DeletePin(user, account.Name); err != nil {
			return err
		}
		if err := tx.audit(a, "user.unmatch", "user/"+user, detail{"account": account.Name, "pagerduty_user": pin.PagerDutyUserID, "email": pin.Email}); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes a document. What is still needed stays, and the error says by whom.
func (e *Engine) Delete(ctx context.Context, a Actor, kind, name string) error {
	for more := true; more; {
		err := e.write(ctx, func(tx *txn) (err error) {
			more, err = e.remove(tx, a, kind, name)
			return err
		})
		if err != nil {
			return err
		}
	}
	if e.DocumentsChanged != nil {
		e.DocumentsChanged(ctx)
	}
	return nil
}

// remove removes a document in one transaction. A user who has too much for one stays until
// enough of it is ended, and more says that there is.
func (e *Engine) remove(tx *txn, a Actor, kind, name string) (more bool, err error) {
	if err := e.mayIn(tx, a, kind, "delete"); err != nil {
		return false, err
	}
	if err := e.guardDelete(tx, a, kind); err != nil {
		return false, err
	}
	if isBuiltin(kind, name) {
		return false, core.Errorf(core.Refused, "role %s is built in and cannot be deleted", name).WithHint("it can be changed: sallyport edit role/%s", name)
	}
	old, err := tx.Document(kind, name)
	if err != nil {
		return false, err
	}
	if err := e.neededBy(tx, kind, name); err != nil {
		return false, err
	}
	if kind == "user" {
		if more, err = e.expel(tx, a, name, core.EndUserRemoved); err != nil || more {
			return more, err
		}
		if err := e.unpin(tx, a, name); err != nil {
			return false, err
		}
	}
	if err := tx.DeleteDocument(kind, name); err != nil {
		return false, err
	}
	return false, tx.audit(a, "resource.delete", kind+"/"+name, detail{"before": old.Body})
}

func isBuiltin(kind, name string) bool {
	return kind == "role" && slices.ContainsFunc(core.BuiltinRoles(), func(r core.Role) bool { return r.Name == name })
}

// neededBy refuses to delete what others still rest on.
func (e *Engine) neededBy(tx *txn, kind, name string) error {
	switch kind {
	case "role":
		users, err := nouns(tx, "user", manifest.User)
		if err != nil {
			return err
		}
		for _, u := range users {
			if slices.Contains(u.Roles, name) {
				return core.Errorf(core.Conflict, "role %s is held by user %s", name, u.Name).WithHint("take the role from its holders first: sallyport edit users/%s", u.Name)
			}
		}
	case "target":
		live, err := tx.Grants(GrantQuery{Target: name, States: openStates, Limit: 1})
		if err != nil {
			return err
		}
		if len(live) > 0 {
			return core.Errorf(core.Conflict, "target %s still has access on it: grant %s of %s", name, live[0].ID, live[0].User).WithHint("revoke it first: sallyport grant revoke %s", live[0].ID)
		}
	}
	return nil
}

// Documents lists the documents of a kind; an empty kind means all.
func (e *Engine) Documents(ctx context.Context, a Actor, kind string) ([]core.Document, error) {
	if err := e.may(ctx, a, orAny(kind), "list"); err != nil {
		return nil, err
	}
	var out []core.Document
	err := e.Store.Read(ctx, func(v View) (err error) {
		out, err = v.Documents(kind)
		return err
	})
	return out, err
}

// Document returns one document.
func (e *Engine) Document(ctx context.Context, a Actor, kind, name string) (core.Document, error) {
	if err := e.may(ctx, a, kind, "read"); err != nil {
		return core.Document{}, err
	}
	var out core.Document
	err := e.Store.Read(ctx, func(v View) (err error) {
		out, err = v.Document(kind, name)
		return err
	})
	return out, err
}

func orAny(kind string) string {
	if kind == "" {
		return "*"
	}
	return kind
}
