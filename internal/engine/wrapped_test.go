package engine_test

import (
	"context"

	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// A watch stands between an engine and everything outside. before and after are called around
// every step, "write" for a commit, "read" for a snapshot; an error of before keeps the step from happening, one of
// after hides that it did.
type watch struct {
	before, after func(ctx context.Context, step string, about any) error
}

func (w *watch) around(ctx context.Context, step string, about any, do func() error) error {
	if w.before != nil {
		if err := w.before(ctx, step, about); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if w.after == nil {
		return nil
	}
	return w.after(ctx, step, about)
}

// over puts the watch between an engine and its store, pager and targets.
func (w *watch) over(o *engine.Options) {
	o.Store = watchedStore{o.Store, w}
	o.Pager = watchedPager{o.Pager, w}
	all := targets{}
	for name, p := range o.Targets.(targets) {
		all[name] = watchedTarget{p, w}
	}
	o.Targets = all
}

type watchedStore struct {
	engine.Store
	w *watch
}

func (s watchedStore) Read(ctx context.Context, fn func(engine.View) error) error {
	return s.w.around(ctx, "read", nil, func() error { return s.Store.Read(ctx, fn) })
}

func (s watchedStore) Glance(ctx context.Context, fn func(engine.View) error) error {
	return s.w.around(ctx, "read", nil, func() error { return s.Store.Glance(ctx, fn) })
}

func (s watchedStore) Write(ctx context.Context, fn func(engine.Tx) error) error {
	return s.w.around(ctx, "write", nil, func() error { return s.Store.Write(ctx, fn) })
}

type watchedTarget struct {
	connector.Provisioner
	w *watch
}

func (p watchedTarget) Has(ctx context.Context, e core.Entitlement) (has bool, err error) {
	err = p.w.around(ctx, "has", e, func() (err error) {
		has, err = p.Provisioner.Has(ctx, e)
		return err
	})
	return has, err
}

func (p watchedTarget) List(ctx context.Context) (shown []core.Entitlement, err error) {
	err = p.w.around(ctx, "list", nil, func() (err error) {
		shown, err = p.Provisioner.List(ctx)
		return err
	})
	return shown, err
}

func (p watchedTarget) Grant(ctx context.Context, e core.Entitlement) error {
	return p.w.around(ctx, "grant", e, func() error { return p.Provisioner.Grant(ctx, e) })
}

func (p watchedTarget) Revoke(ctx context.Context, e core.Entitlement) error {
	return p.w.around(ctx, "revoke", e, func() error { return p.Provisioner.Revoke(ctx, e) })
}

type watchedPager struct {
	engine.Pager
	w *watch
}

func (p watchedPager) CreateIncident(ctx context.Context, account string, in core.Incident) (made engine.PagerIncident, err error) {
	err = p.w.around(ctx, "create", in, func() (err error) {
		made, err = p.Pager.CreateIncident(ctx, account, in)
		return err
	})
	return made, err
}

func (p watchedPager) ResolveIncident(ctx context.Context, account, id string) error {
	return p.w.around(ctx, "resolve", id, func() error { return p.Pager.ResolveIncident(ctx, account, id) })
}

func (p watchedPager) AddNote(ctx context.Context, account, id, text string) error {
	return p.w.around(ctx, "note", id, func() error { return p.Pager.AddNote(ctx, account, id, text) })
}
