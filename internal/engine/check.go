package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

// A pagerDutyWord is what PagerDuty says about the names in roles: a roster to hold them
// against, or why it could not be asked.
type pagerDutyWord struct {
	roster *core.Roster
	err    error
}

// askPagerDuty gets a roster to hold the names in new roles against, before the transaction.
func (e *Engine) askPagerDuty(ctx context.Context, items []manifest.Item) pagerDutyWord {
	needed := slices.ContainsFunc(items, func(i manifest.Item) bool { return i.Kind == "role" && strings.Contains(i.Body, "pagerduty_") })
	if !needed {
		return pagerDutyWord{}
	}
	word := e.pagerDutyWord(ctx)
	again, can := e.OnCall.(refresher)
	if !can || word.roster == nil || !slices.ContainsFunc(items, func(i manifest.Item) bool { return len(e.unknown(word.roster, i.Document)) > 0 }) {
		return word
	}
	// What is new in PagerDuty may not have been read yet.
	if err := again.Refresh(ctx, ""); err != nil {
		return pagerDutyWord{err: err}
	}
	return e.pagerDutyWord(ctx)
}

// A refresher is an OnCall that can look at once for what is new in PagerDuty besides duties.
type refresher interface {
	Refresh(ctx context.Context, account string) error
}

func (e *Engine) pagerDutyWord(ctx context.Context) pagerDutyWord {
	roster, err := e.OnCall.Roster(ctx, "", e.MaxStale)
	if err != nil {
		return pagerDutyWord{err: err}
	}
	return pagerDutyWord{roster: roster}
}

// unknown returns the PagerDuty names of a role that PagerDuty does not know. A role that
// cannot be read is refused later, with words of its own.
func (e *Engine) unknown(roster *core.Roster, d core.Document) []string {
	if d.Kind != manifest.KindRole {
		return nil
	}
	role, err := manifest.Role(d)
	if err != nil {
		return nil
	}
	return roster.Unknown(e.Terms.Names(role))
}

// check holds a stored document against everything else that is stored.
func (e *Engine) check(tx *txn, dir *core.Directory, d core.Document, asked pagerDutyWord) (warnings []string, err error) {
	switch d.Kind {
	case "role":
		return e.checkRole(tx, dir, d, asked)
	case "user":
		return e.checkUser(dir, d)
	case "target":
		t, err := manifest.Target(d)
		if err == nil && e.CheckTarget != nil {
			err = e.CheckTarget(t)
		}
		return nil, err
	case "pagerduty_account":
		return nil, e.checkAccount(tx, d)
	default:
		return nil, nil
	}
}

func (e *Engine) checkRole(tx *txn, dir *core.Directory, d core.Document, asked pagerDutyWord) ([]string, error) {
	role, err := manifest.Role(d)
	if err != nil {
		return nil, err
	}
	warnings, err := core.CheckRole(role)
	if err != nil {
		return nil, err
	}
	if err := e.checkEntitlements(tx, role); err != nil {
		return nil, err
	}
	warnings = append(warnings, e.Terms.Misspelt(role)...)
	warnings = append(warnings, dir.UnknownRoles(role)...)
	rule := e.Terms.Names(role)
	switch {
	case rule.Empty():
	case asked.err != nil:
		warnings = append(warnings, "the PagerDuty names in role "+role.Name+" could not be checked: "+asked.err.Error()+"; once they can be, sallyport status names those that PagerDuty does not know")
	case asked.roster != nil:
		if unknown := e.unknown(asked.roster, d); len(unknown) > 0 {
			return nil, core.Errorf(core.Invalid, "role %s names what PagerDuty does not know: %s", role.Name, strings.Join(unknown, ", ")).
				WithHint("names are exact and case-sensitive; ids work too")
		}
	}
	return warnings, nil
}

func (e *Engine) checkEntitlements(tx *txn, role core.Role) error {
	targets, err := tx.Documents("target")
	if err != nil {
		return err
	}
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Name
	}
	for _, r := range role.Entitlements {
		if slices.Contains(names, r.Target) {
			continue
		}
		err := core.Errorf(core.Invalid, "role %s gives %s, but there is no target %q", role.Name, r, r.Target)
		if near := core.Nearest(r.Target, names); near != "" {
			return err.WithHint("did you mean %q?", near)
		}
		return err.WithHint("make the target first: sallyport apply -f target.yaml")
	}
	return nil
}

func (e *Engine) checkUser(dir *core.Directory, d core.Document) ([]string, error) {
	u, err := manifest.User(d)
	if err != nil {
		return nil, err
	}
	if err := checkName(u.Name); err != nil {
		return nil, err
	}
	if other := dir.LookAlike(u.Name); other != "" {
		return nil, core.Errorf(core.Conflict, "user %q looks like user %q; two names for one person would let them review their own requests", u.Name, other).
			WithHint("use the name that exists, or delete it first")
	}
	for _, r := range u.Roles {
		if _, ok := dir.Role(r); ok {
			continue
		}
		err := core.Errorf(core.Invalid, "user %s: there is no role %q", u.Name, r)
		if near := core.Nearest(r, dir.RoleNames()); near != "" {
			return nil, err.WithHint("did you mean %q?", near)
		}
		return nil, err.WithHint("roles there are: sallyport get roles")
	}
	if u.Owner != "" {
		if _, ok := dir.User(u.Owner); !ok {
			return nil, core.Errorf(core.Invalid, "user %s: its owner %q does not exist", u.Name, u.Owner)
		}
	}
	return nil, nil
}

func (e *Engine) checkAccount(tx *txn, d core.Document) error {
	accounts, err := nouns(tx, "pagerduty_account", manifest.Account)
	if err != nil {
		return err
	}
	var defaults []string
	for _, a := range accounts {
		if a.Default {
			defaults = append(defaults, a.Name)
		}
	}
	if len(defaults) > 1 {
		return core.Errorf(core.Conflict, "only one PagerDuty account can be the default, not %s", strings.Join(defaults, " and ")).
			WithHint("set default: false on the others in the same file")
	}
	return nil
}
