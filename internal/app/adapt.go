package app

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pagerduty"
)

// verbs are the engine's, as jobs know them.
type verbs struct{ a *App }

// Decide implements jobs.Verbs.
func (v verbs) Decide(ctx context.Context, id string) error { return v.a.Engine.Decide(ctx, id) }

// Settle implements jobs.Verbs.
func (v verbs) Settle(ctx context.Context, id string) error { return v.a.Engine.SettleJob(ctx, id) }

// SyncIncident implements jobs.Verbs.
func (v verbs) SyncIncident(ctx context.Context, id string) error {
	return v.a.Engine.SyncIncident(ctx, id)
}

// Sweep implements jobs.Verbs.
func (v verbs) Sweep(ctx context.Context) (time.Time, error) { return v.a.Engine.Sweep(ctx) }

// Reconcile implements jobs.Verbs.
func (v verbs) Reconcile(ctx context.Context) error {
	return errors.Join(v.a.Engine.Reconcile(ctx), v.a.Engine.ForgetAnswers(ctx))
}

// pager turns the client's incidents into the engine's.
type pager struct{ *pagerduty.Accounts }

// FindIncident implements engine.Pager.
func (p pager) FindIncident(ctx context.Context, account, serviceID, key string) (*engine.PagerIncident, error) {
	found, err := p.Accounts.FindIncident(ctx, account, serviceID, key)
	if found == nil {
		return nil, err
	}
	return &engine.PagerIncident{ID: found.ID, URL: found.URL, Status: found.Status}, err
}

// CreateIncident implements engine.Pager.
func (p pager) CreateIncident(ctx context.Context, account string, in core.Incident) (engine.PagerIncident, error) {
	made, err := p.Accounts.CreateIncident(ctx, account, in)
	return engine.PagerIncident{ID: made.ID, URL: made.URL, Status: made.Status}, err
}
