// Package engine holds Sallyport's verbs: what can happen, one file each.
//
// A verb reads, decides with package core, and commits state, audit entry and follow-up
// jobs in one write transaction. Nothing outside is touched inside a transaction; a verb
// that works on another system commits what it is about to do, does it, and commits what
// came of it. Every verb may run twice, on any replica, and finds what is already done.
package engine

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// Options configure an engine. Store, OnCall, Pager, Targets, Clock, Jobs and NewID are required.
type Options struct {
	Store   Store
	OnCall  OnCall
	Pager   Pager
	Targets Targets
	Clock   Clock
	Jobs    Jobs
	// Authority returns what issues certificates, or why there is nothing now: its keys cannot be
	// opened. Default: there never is.
	Authority func() (Authority, error)

	Meter Meter         // default: counts nothing
	NewID func() string // random, unguessable, without a prefix
	Log   *slog.Logger  // default: discards

	Terms      core.Terms
	Reviewer   string        // the user as whom the on-call reviewer reviews; default "access-plugin"
	MaxStale   time.Duration // of on-call data that an approval may rest on; default 60 s
	MinAge     time.Duration // of a duty that was made on the spot, before an approval may rest on it
	PublicURL  string        // for links in incidents
	Replica    string        // names this process among the replicas; default: NewID()
	SessionTTL time.Duration // of a session in a browser; default 12 h

	CheckTarget      func(core.Target) error // refuses settings that a connector does not know; default: takes all
	DocumentsChanged func(context.Context)   // called after documents changed; default: nobody is
	MayHaveToken     func(url string) bool   // opens a host that is not PagerDuty's to an account's token; default: none

	OperationsAccount, OperationsService string // paged when access cannot be removed; empty: nobody is
}

// A Meter counts what happens, for metrics.
type Meter interface {
	Decided(state core.RequestState, automatic bool)
	Ended(cause core.EndCause, lag time.Duration) // lag: from the end that was due to the revocation
	Overdue(n int)                                // grants whose access should be gone and is not
	Waiting(pending, unfinished int)              // requests undecided; incidents with work left
}

// Engine runs the verbs. It is safe for concurrent use.
type Engine struct {
	Options
	directory atomic.Pointer[knownDirectory]
	keys      keyLock
	bell      bell
	offCall   offCallWatch
	expelled  atomic.Int64 // the revision whose locked users have nothing left
	taken     justTaken
	refusals  refusals
}

// New returns an engine.
func New(o Options) *Engine {
	if o.Meter == nil {
		o.Meter = noMeter{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Reviewer == "" {
		o.Reviewer = "access-plugin"
	}
	if o.SessionTTL == 0 {
		o.SessionTTL = 12 * time.Hour
	}
	if o.MaxStale == 0 {
		o.MaxStale = time.Minute
	}
	if o.Terms.MaxGlobal == 0 {
		o.Terms.MaxGlobal = core.DefaultTerms().MaxGlobal
	}
	if o.MayHaveToken == nil {
		o.MayHaveToken = func(string) bool { return false }
	}
	if o.Authority == nil {
		o.Authority = func() (Authority, error) {
			return nil, core.Errorf(core.Unavailable, "this server issues no certificates")
		}
	}
	if o.Replica == "" {
		o.Replica = o.NewID()
	}
	return &Engine{Options: o}
}

type noMeter struct{}

func (noMeter) Decided(core.RequestState, bool)    {}
func (noMeter) Ended(core.EndCause, time.Duration) {}
func (noMeter) Overdue(int)                        {}
func (noMeter) Waiting(pending, unfinished int)    {}

// A txn is a write transaction that remembers what to do after the commit.
type txn struct {
	Tx
	now   time.Time
	jobs  []core.Job
	wake  time.Time
	count []func()        // tell the meter
	known *knownDirectory // compiled from what this transaction sees
	taken []Holding       // with their first grant
	rest  map[string]bool // what is to be rung, unless something of it is yet to come; see bell
}

// PutRequest writes a request and wakes those who wait for it, once it is decided.
func (t *txn) PutRequest(r core.Request) error {
	t.touch(r.ID, r.State != core.Pending)
	return t.Tx.PutRequest(r)
}

// PutGrant writes a grant and wakes those who wait for its request, once it need not be waited for.
func (t *txn) PutGrant(g core.Grant) error {
	t.touch(g.RequestID, g.State != core.GrantPending || !g.NotBefore.IsZero())
	return t.Tx.PutGrant(g)
}

// PutAnswer writes an answer and wakes those who wait for it.
func (t *txn) PutAnswer(a Answer) error {
	t.touch(a.Key, true)
	return t.Tx.PutAnswer(a)
}

func (t *txn) touch(name string, rest bool) {
	if before, touched := t.rest[name]; touched {
		rest = rest && before
	}
	t.rest[name] = rest
}

// Enqueue commits a durable job, and has it run in this process right after the commit.
func (t *txn) Enqueue(j core.Job) error {
	t.jobs = append(t.jobs, j)
	return t.Tx.Enqueue(j)
}

// wakeAt asks for a sweep once the transaction is committed.
func (t *txn) wakeAt(at time.Time) {
	if t.wake.IsZero() || at.Before(t.wake) {
		t.wake = at
	}
}

// write runs fn in one write transaction; afterwards it starts the jobs and tells the watchers.
func (e *Engine) write(ctx context.Context, fn func(*txn) error) error {
	var t *txn
	err := e.Store.Write(ctx, func(tx Tx) error {
		t = &txn{Tx: tx, now: e.Clock.Now().Truncate(time.Microsecond), rest: map[string]bool{}} // anew, as a transaction may be tried again
		return fn(t)
	})
	if err != nil {
		return err
	}
	if t.known != nil {
		e.directory.Store(t.known)
	}
	for _, told := range t.count {
		told()
	}
	if len(t.taken) > 0 {
		e.taken.put(t.taken)
	}
	for _, j := range t.jobs {
		e.Jobs.Kick(j)
	}
	if !t.wake.IsZero() {
		e.Jobs.Wake(t.wake)
	}
	e.bell.ring(t.rest)
	return nil
}
