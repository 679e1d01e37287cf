package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

// A Drift is a difference between what a target shows and what the grants say.
type Drift struct {
	core.Entitlement
	Missing bool // a grant holds and the target does not show it; it is given again
	Extra   bool // the target shows it and nothing here accounts for it; it is reported and left alone

	residue bool // it was given here and its grants are over; it is taken
}

// Reconcile compares every target with the grants. Access that is missing is given again;
// access that nobody here gave is reported, as somebody else may have.
func (e *Engine) Reconcile(ctx context.Context) error {
	names, err := e.targetNames(ctx)
	if err != nil {
		return err
	}
	var trouble []error
	for _, name := range names {
		drifts, err := e.drift(ctx, name)
		if err != nil {
			trouble = append(trouble, err)
			continue
		}
		for _, d := range drifts {
			trouble = append(trouble, e.mend(ctx, d))
		}
	}
	return errors.Join(trouble...)
}

func (e *Engine) targetNames(ctx context.Context) ([]string, error) {
	var out []string
	err := e.Store.Read(ctx, func(v View) error {
		targets, err := nouns(v, "target", manifest.Target)
		for _, t := range targets {
			out = append(out, t.Name)
		}
		return err
	})
	return out, err
}

// drift compares one target with the grants on it.
func (e *Engine) drift(ctx context.Context, name string) ([]Drift, error) {
	target, err := e.target(ctx, name)
	if err != nil {
		return nil, err
	}
	shown, err := target.List(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(shown, byName) // to be searched; a map of it would take twice its space
	shown = slices.Compact(shown)
	known := make([]bool, len(shown)) // a grant speaks of it
	var out []Drift
	err = e.Store.Read(ctx, func(v View) error {
		missing := map[core.Entitlement]bool{} // several grants, one drift
		err := eachGrant(v, GrantQuery{Target: name, States: openStates, Limit: sweepBatch}, func(g core.Grant) {
			if i, there := slices.BinarySearchFunc(shown, g.Entitlement, byName); there {
				known[i] = true
			} else if g.State == core.GrantActive && !missing[g.Entitlement] {
				missing[g.Entitlement] = true
				out = append(out, Drift{Entitlement: g.Entitlement, Missing: true})
			}
		})
		if err != nil {
			return err
		}
		for i, s := range shown {
			if known[i] {
				continue
			}
			h, err := v.Holding(s)
			if err != nil {
				return err
			}
			residue := h.User != "" && !h.Fresh && !h.PreExisting
			out = append(out, Drift{Entitlement: s, Extra: true, residue: residue})
		}
		return nil
	})
	return out, err
}

func byName(a, b core.Entitlement) int {
	return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Name, b.Name))
}

// eachGrant shows every grant that a query selects, page by page: there may be too many to hold.
func eachGrant(v View, q GrantQuery, show func(core.Grant)) error {
	for {
		page, err := v.Grants(q)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, g := range page {
			show(g)
		}
		q.After = page[len(page)-1].ID
	}
}

// mend settles an entitlement that drifted. What the target really shows is asked once more.
func (e *Engine) mend(ctx context.Context, d Drift) error {
	if !d.Missing && !d.residue {
		return nil
	}
	return e.settle(ctx, d.Entitlement, repair)
}

// Drifts reports the differences on one target, or on all.
func (e *Engine) Drifts(ctx context.Context, a Actor, target string) ([]Drift, error) {
	if err := e.may(ctx, a, "grant", "list"); err != nil {
		return nil, err
	}
	names := []string{target}
	if target == "" {
		var err error
		if names, err = e.targetNames(ctx); err != nil {
			return nil, err
		}
	}
	var out []Drift
	for _, name := range names {
		d, err := e.drift(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, d...)
	}
	return out, nil
}
