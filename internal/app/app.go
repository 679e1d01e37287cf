// Package app joins everything: it reads the settings, opens what is outside, and starts and
// stops the parts in the right order.
//
// It is the only package that knows everyone. No rule about access lives here.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/internal/auth"
	"github.com/sallyport/sallyport/internal/config"
	"github.com/sallyport/sallyport/internal/connector/all"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/egress"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/jobs"
	"github.com/sallyport/sallyport/internal/notary"
	"github.com/sallyport/sallyport/internal/pagerduty"
	"github.com/sallyport/sallyport/internal/store"
)

// Options configure an app. Config is required; the zero value of every other field means its default.
type Options struct {
	Config  config.Config
	Log     *slog.Logger
	Wall    func() time.Time // default time.Now
	Version string
	Demo    string // the token that opens the TCP listener on loopback; empty: it stays shut
}

// An App is a running Sallyport.
type App struct {
	Options
	Engine  *engine.Engine
	Metrics *Metrics

	store     *store.Store
	jobs      *jobs.Jobs
	accounts  *pagerduty.Accounts
	targets   *Targets
	clock     *Clock
	sealer    *auth.Sealer
	authority authority
	notary    *notary.Notary
	refreshed atomic.Int64 // the second in which its keys were last read for a stranger
	probe     probe
	replica   string
	started   time.Time
	address   string
}

// New opens the database and builds the parts. Nothing runs yet.
func New(ctx context.Context, o Options) (*App, error) {
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c := o.Config
	st, err := store.Open(ctx, store.Options{Data: c.Data, Database: string(c.Database), Logger: o.Log})
	if err != nil {
		return nil, err
	}
	a := &App{Options: o, store: st, Metrics: NewMetrics(), replica: replicaName(c)}
	if err := a.build(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// replicaName names this process among those on one database. The only process on a data
// folder keeps its name, so that after a crash it goes on with its own work at once.
func replicaName(c config.Config) string {
	if c.Database == "" {
		return "local"
	}
	return rand.Text()
}

func (a *App) build(ctx context.Context) error {
	allow, err := egress.ParseAllow(a.Config.Egress.Allow)
	if err != nil {
		return err
	}
	last, err := a.lastWritten(ctx)
	if err != nil {
		return err
	}
	if err := a.store.CompareClock(ctx, a.Wall); err != nil {
		return err
	}
	begun := time.Now()
	// Replicas go by the clock of the database that they share: leases and ends mean the same to all of them.
	shared := func() time.Time { return a.Wall().Add(a.store.Skew()) }
	a.clock = NewClock(shared, func() time.Duration { return time.Since(begun) }, last)
	c := a.Config
	if a.sealer, err = openSealer(c); err != nil {
		return err
	}
	a.targets = &Targets{find: a.findTarget, secret: resolveSecret}
	a.accounts = pagerduty.NewAccounts(pagerduty.AccountsOptions{
		Token:     func(ctx context.Context, acc core.Account) (string, error) { return resolveSecret(ctx, acc.APIToken) },
		Interest:  a.interest,
		OnChange:  a.rosterChanged,
		SyncEvery: c.OnCall.SyncEvery,
		MinAge:    c.OnCall.MinOverrideAge,
		Now:       a.clock.Now,
		Logger:    a.Log,
		Version:   a.Version,
		Observe:   a.Metrics.Called,
		HTTP:      egress.NewClient(egress.Options{Policy: egress.Administrator, Allow: allow}), // only administrators set an account's addresses
	})
	a.jobs, err = jobs.New(jobs.Options{Store: a.store, Verbs: verbs{a}, Clock: a.clock, Logger: a.Log})
	if err != nil {
		return err
	}
	a.Engine = engine.New(engine.Options{
		Store: a.store, OnCall: a.accounts, Pager: pager{a.accounts}, Targets: a.targets, Clock: a.clock, Jobs: a.jobs,
		Authority: a.issuer, SessionTTL: c.Auth.SessionTTL,
		Meter: a.Metrics, NewID: newID, Log: a.Log, Terms: terms(c), Reviewer: c.Annotations.Reviewer,
		MaxStale: c.OnCall.MaxStaleness, MinAge: c.OnCall.MinOverrideAge, PublicURL: c.PublicURL, Replica: a.replica, CheckTarget: all.Check,
		DocumentsChanged:  a.documentsChanged,
		MayHaveToken:      allow.Names,
		OperationsAccount: c.Operations.Account, OperationsService: c.Operations.Service,
	})
	a.Metrics.Watch(a.accounts.Status, a.jobs.Queue, a.store.Commits)
	a.watchProbe(a.Metrics.registry)
	a.started = a.clock.Now()
	if err := a.Engine.KeepBuiltins(ctx); err != nil {
		return err
	}
	if err := a.openAuthority(ctx); err != nil {
		return err
	}
	return a.buildNotary(ctx, allow)
}

func terms(c config.Config) core.Terms {
	return core.Terms{
		NotifyAnnotations: c.Annotations.NotifyService, ServicesAnnotations: c.Annotations.Services,
		Default: c.Defaults.Duration, Pending: c.Defaults.Pending, Grace: c.Defaults.Grace, MaxGlobal: core.DefaultTerms().MaxGlobal,
	}
}

// newID returns 80 random bits as letters and digits.
func newID() string { return strings.ToLower(rand.Text()[:16]) }

// lastWritten returns the newest moment in the audit log, before which the clock shall not start.
func (a *App) lastWritten(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := a.store.Read(ctx, func(v engine.View) error {
		seq, _, err := v.AuditHead()
		if err != nil || seq == 0 {
			return err
		}
		last, err := v.Audit(seq-1, 1)
		if err == nil && len(last) == 1 {
			at = last[0].At
		}
		return err
	})
	return at, err
}

func (a *App) findTarget(ctx context.Context, name string) (core.Document, error) {
	var doc core.Document
	err := a.store.Glance(ctx, func(v engine.View) (err error) {
		doc, err = v.Document("target", name)
		return err
	})
	if core.KindOf(err) == core.NotFound {
		return doc, core.Errorf(core.NotFound, "there is no target %q", name).WithHint("targets there are: sallyport get targets")
	}
	return doc, err
}

// interest returns the PagerDuty names that roles speak of, and the addresses of those who wait for a decision.
func (a *App) interest(string) []string {
	ctx := context.Background()
	dir, err := a.Engine.Directory(ctx)
	if err != nil {
		return nil
	}
	var out []string
	for _, name := range dir.RoleNames() {
		if role, ok := dir.Role(name); ok {
			n := terms(a.Config).Names(role)
			out = slices.Concat(out, n.Services, n.Schedules, n.EscalationPolicies, n.Teams)
		}
	}
	waiting, err := a.Engine.Stories(ctx, owner, engine.RequestQuery{State: core.Pending})
	if err != nil {
		return out
	}
	for _, s := range waiting {
		if u, ok := dir.User(s.User); ok && len(s.Accounts()) > 0 {
			out = append(out, u.PagerDutyEmail())
		}
	}
	return out
}

func (a *App) rosterChanged(string, *core.Roster, *core.Roster) {
	if err := a.Engine.RosterChanged(context.Background()); err != nil {
		a.Log.Error("requests could not be looked at again after PagerDuty answered", "error", err)
	}
}

// documentsChanged brings the accounts in line with what is stored.
func (a *App) documentsChanged(ctx context.Context) {
	accounts, err := a.Engine.Accounts(ctx)
	if err == nil {
		err = a.accounts.Set(accounts)
	}
	if err != nil {
		a.Log.Error("the PagerDuty accounts could not be taken over", "error", err)
	}
}

// watchDocuments notices what other replicas changed.
func (a *App) watchDocuments(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var known int64
	for {
		var now int64
		err := a.store.Read(ctx, func(v engine.View) (err error) {
			now, err = v.Revision()
			return err
		})
		if err == nil && now != known {
			known = now
			a.documentsChanged(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Close ends what New has opened.
func (a *App) Close() error {
	if a.accounts != nil {
		a.accounts.Close()
	}
	if a.targets != nil {
		a.targets.Close()
	}
	return a.store.Close()
}
