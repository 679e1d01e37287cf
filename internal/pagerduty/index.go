package pagerduty

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

const (
	defaultSync      = 30 * time.Second
	defaultDirectory = 5 * time.Minute
	directoryPause   = 15 * time.Second       // at least, between two reads of the directory
	afterBoundary    = 250 * time.Millisecond // PagerDuty rounds hand-offs to the second
	dutiesLimit      = 60 * time.Second       // of one read of all duties
	directoryLimit   = 15 * time.Minute       // of one read of the directory: a large one waits for its budget
)

// IndexOptions configure an Index. Client is required.
type IndexOptions struct {
	Client         *Client
	SyncEvery      time.Duration // default 30 s
	DirectoryEvery time.Duration // default 5 min
	// Interest returns the names, ids and addresses in use by rules. A schedule among them that hangs
	// on no escalation policy is asked by itself; Everything stands for all of those. One that
	// the directory does not know makes it be read again.
	Interest func() []string
	// MinAge is what age is asked of a duty that was made on the spot. Duties are asked for that
	// far ahead, so that one that was made earlier is seen before it begins.
	MinAge time.Duration
	// OnChange is called after every successful read, one call after the other, in order. It may
	// ask the index, but must not close it.
	OnChange func(was, now *core.Roster)
	Logger   *slog.Logger
}

// An Index keeps the roster of one account at hand.
//
// PagerDuty announces no change of a schedule, so the duties are read again and again: every
// SyncEvery, at every moment at which a known duty begins or ends, and at once when somebody
// asks for fresher ones than there are. Who and what there is changes less and is read
// beside that. What is read replaces what was there as a whole, or not at all.
type Index struct {
	o         IndexOptions
	c         *Client
	log       *slog.Logger
	now       func() time.Time
	end       context.CancelFunc
	duties    *source
	directory *source

	roster   atomic.Pointer[core.Roster]
	dir      atomic.Pointer[directory]
	snap     atomic.Pointer[snapshot]
	wantsDir atomic.Bool

	mu      sync.Mutex // guards publishing and what follows
	tried   map[string]bool
	pending []change
	telling bool
}

// A change is what OnChange is told.
type change struct{ was, now *core.Roster }

// NewIndex builds an index. It asks PagerDuty nothing before Run or the first question.
func NewIndex(o IndexOptions) *Index {
	if o.SyncEvery <= 0 {
		o.SyncEvery = defaultSync
	}
	if o.DirectoryEvery <= 0 {
		o.DirectoryEvery = defaultDirectory
	}
	if o.Interest == nil {
		o.Interest = func() []string { return nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	life, end := context.WithCancel(context.Background())
	x := &Index{o: o, c: o.Client, log: o.Logger.With("account", o.Client.account.Name), now: o.Client.now, end: end, tried: map[string]bool{}}
	x.duties = x.source(life, dutiesLimit, x.readDuties)
	x.directory = x.source(life, directoryLimit, x.readDirectory)
	return x
}

func (x *Index) source(life context.Context, limit time.Duration, read func(context.Context) error) *source {
	return &source{read: read, after: x.tell, limit: limit, now: x.now, random: x.c.random, life: life, wake: make(chan struct{}, 1)}
}

// Run keeps the roster fresh until ctx ends.
func (x *Index) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { x.directory.loop(ctx, x.directoryDue) })
	wg.Go(func() { x.duties.loop(ctx, x.dutiesDue) })
	wg.Wait()
}

// Close ends the reads under way. The index answers with what it has, and errors.
func (x *Index) Close() {
	x.end()
	x.duties.close()
	x.directory.close()
}

func (x *Index) dutiesDue() time.Time {
	s := x.snap.Load()
	if s == nil {
		return x.now()
	}
	jitter := 0.9 + 0.2*x.c.random()
	due := s.fetchedAt.Add(time.Duration(jitter * float64(x.o.SyncEvery)))
	if b := s.boundary(); !b.IsZero() && b.Add(afterBoundary).Before(due) {
		return b.Add(afterBoundary)
	}
	return due
}

func (x *Index) directoryDue() time.Time {
	d := x.dir.Load()
	switch {
	case d == nil:
		return x.now()
	case x.wantsDir.Load():
		return d.fetchedAt.Add(directoryPause)
	}
	return d.fetchedAt.Add(x.o.DirectoryEvery)
}

func (x *Index) readDirectory(ctx context.Context) error {
	before := x.dir.Load()
	d, err := readDirectory(ctx, x.c)
	x.report("directory", x.directory, err)
	if err != nil {
		return err
	}
	for _, m := range d.missing {
		if before == nil {
			x.log.Warn("a part of the PagerDuty directory is not readable", "part", m)
		}
	}
	x.wantsDir.Store(false)
	x.dir.Store(d)
	x.publish()
	if _, err := x.duties.state(); err != nil {
		x.duties.forgive() // the directory was what they lacked, or PagerDuty is back
	}
	return nil
}

func (x *Index) readDuties(ctx context.Context) error {
	d := x.dir.Load()
	if d == nil {
		if err := x.directory.ask().wait(ctx); err != nil {
			return err
		}
		d = x.dir.Load()
	}
	interest := x.o.Interest()
	s, err := readDuties(ctx, x.c, d, interest, x.snap.Load(), max(lookAhead, x.o.MinAge+edgeSlack))
	x.report("duties", x.duties, err)
	if err != nil {
		return err
	}
	x.snap.Store(s)
	x.publish()
	x.chase(s.unknown(x.dir.Load(), interest))
	return nil
}

// report logs when reading begins to fail and when it works again; what is between, Status tells.
func (x *Index) report(what string, s *source, err error) {
	if errors.Is(err, context.Canceled) {
		return // the index is being closed
	}
	switch _, was := s.state(); {
	case err != nil && was == nil:
		x.log.Warn("PagerDuty cannot be read", "part", what, "error", err)
	case err == nil && was != nil:
		x.log.Info("PagerDuty can be read again", "part", what)
	}
}

// chase has the directory read again for names that were not looked for yet.
func (x *Index) chase(unknown []string) {
	x.mu.Lock()
	tried, fresh := map[string]bool{}, false
	for _, n := range unknown {
		fresh = fresh || !x.tried[n]
		tried[n] = true
	}
	x.tried = tried
	x.mu.Unlock()
	if fresh {
		x.wantsDir.Store(true)
		x.directory.kick()
	}
}

// publish puts the newest directory and duties together.
func (x *Index) publish() {
	x.mu.Lock()
	d, s := x.dir.Load(), x.snap.Load()
	if d == nil || s == nil {
		x.mu.Unlock()
		return
	}
	c := change{was: x.roster.Load(), now: buildRoster(x.c.account.Name, d, s)}
	x.roster.Store(c.now)
	if x.o.OnChange != nil {
		x.pending = append(x.pending, c)
	}
	x.mu.Unlock()
}

// tell tells OnChange what was published, in order and by one goroutine at a time.
func (x *Index) tell() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.telling {
		return
	}
	x.telling = true
	for len(x.pending) > 0 {
		next := x.pending[0]
		x.pending = x.pending[1:]
		x.mu.Unlock()
		x.o.OnChange(next.was, next.now)
		x.mu.Lock()
	}
	x.telling = false
}

// Roster returns the duties of the account, asked for at most maxAge ago. Fresh ones cost
// nothing. For others PagerDuty is asked once for all who wait; the question goes on when a
// caller stops waiting. Where nothing fresh enough is to be had, the last roster known, which
// may be nil, comes with an error of kind core.Unavailable.
func (x *Index) Roster(ctx context.Context, maxAge time.Duration) (*core.Roster, error) {
	asked := x.now()
	r := x.roster.Load()
	if r != nil && age(r, asked) <= maxAge {
		return r, nil
	}
	for range 2 { // the read under way may have begun too early to be of use
		err := x.duties.ask().wait(ctx)
		now := x.now()
		if r = x.roster.Load(); r != nil && (age(r, now) <= maxAge || !r.FetchedAt.Before(asked)) {
			return r, nil
		}
		if err != nil {
			return r, x.stale(r, now, err)
		}
	}
	return r, x.stale(r, x.now(), fmt.Errorf("asking took too long"))
}

// age is how old a roster is. The machine may have slept, which only the wall clock sees, or
// its clock may have been set, which only the other does not: the larger one counts. A
// moment in the future is no age at all.
func age(r *core.Roster, now time.Time) time.Duration {
	d := max(now.Sub(r.FetchedAt), now.Round(0).Sub(r.FetchedAt.Round(0)))
	if d < -time.Second {
		return 1<<63 - 1
	}
	return d
}

func (x *Index) stale(r *core.Roster, now time.Time, err error) error {
	e := core.Errorf(core.Unavailable, "on-call data is stale: PagerDuty account %s was never read; %w", x.c.account.Name, err)
	if r != nil {
		e = core.Errorf(core.Unavailable, "on-call data is stale: PagerDuty account %s was last read %s ago; %w",
			x.c.account.Name, now.Sub(r.FetchedAt).Round(time.Second), err)
	}
	if inner, ok := asCore(err); ok && inner.Hint != "" {
		return e.WithHint("%s", inner.Hint)
	}
	return e.WithHint("it is asked again by itself; sallyport doctor checks the account")
}
