package jobs

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pgtest"
	"github.com/sallyport/sallyport/internal/store"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A play is a set of verbs that a test directs. Every run is told on ran; what a verb does
// is looked up by kind.
type play struct {
	mu   sync.Mutex
	acts map[core.JobKind]func(ctx context.Context, id string) error
	ran  chan string // "decide req_1"
	next time.Time   // what Sweep answers
}

func newPlay() *play {
	return &play{acts: map[core.JobKind]func(context.Context, string) error{}, ran: make(chan string, 10_000)}
}

func (p *play) on(kind core.JobKind, act func(ctx context.Context, id string) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acts[kind] = act
}

func (p *play) run(ctx context.Context, kind core.JobKind, id string) error {
	p.mu.Lock()
	act := p.acts[kind]
	p.mu.Unlock()
	p.ran <- strings.TrimSpace(string(kind) + " " + id)
	if act == nil {
		return nil
	}
	return act(ctx, id)
}

func (p *play) Decide(ctx context.Context, id string) error { return p.run(ctx, core.JobDecide, id) }
func (p *play) Settle(ctx context.Context, id string) error { return p.run(ctx, core.JobSettle, id) }
func (p *play) SyncIncident(ctx context.Context, id string) error {
	return p.run(ctx, core.JobIncident, id)
}
func (p *play) Reconcile(ctx context.Context) error { return p.run(ctx, kindReconcile, "") }
func (p *play) Sweep(ctx context.Context) (time.Time, error) {
	err := p.run(ctx, kindSweep, "")
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.next
	p.next = time.Time{}
	return next, err
}

// wantRun waits until something has run; what else runs meanwhile does not matter.
func (p *play) wantRun(t testing.TB, what string, limit time.Duration) {
	t.Helper()
	over := time.After(limit)
	for {
		select {
		case ran := <-p.ran:
			if ran == what {
				return
			}
		case <-over:
			t.Fatalf("%s did not run within %v", what, limit)
		}
	}
}

// A log keeps what was logged.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A rig is a store with jobs on it.
type rig struct {
	*Jobs
	store *store.Store
	play  *play
	log   *log
	ended chan error
}

func openStore(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newRig(t testing.TB, s *store.Store) *rig {
	t.Helper()
	r := &rig{store: s, play: newPlay(), log: &log{}, ended: make(chan error, 1)}
	var err error
	r.Jobs, err = New(Options{Store: s, Verbs: r.play, Logger: slog.New(slog.NewTextHandler(r.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// start runs the jobs until the test ends.
func (r *rig) start(t testing.TB) *rig {
	go func() { r.ended <- r.Run(context.Background()) }()
	t.Cleanup(func() { r.end(t) })
	return r
}

func (r *rig) end(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// atOnce makes durable copies due the moment they are written.
func (r *rig) atOnce() *rig { r.backstop = 0; return r }

func (r *rig) enqueue(t testing.TB, jobs ...core.Job) {
	t.Helper()
	err := r.store.Write(t.Context(), func(tx engine.Tx) error {
		for _, j := range jobs {
			if err := tx.Enqueue(j); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// count counts rows of River's table.
func (r *rig) count(t testing.TB, where string) (n int) {
	t.Helper()
	lite, pool := r.store.Handles()
	query := "SELECT count(*) FROM river_job WHERE kind NOT IN ('sweep', 'reconcile') AND " + where
	var err error
	if lite != nil {
		err = lite.QueryRowContext(t.Context(), query).Scan(&n)
	} else {
		err = pool.QueryRow(t.Context(), query).Scan(&n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wantCount waits until the table has so many rows.
func (r *rig) wantCount(t testing.TB, where string, want int, limit time.Duration) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.After(limit)
	for n := r.count(t, where); n != want; n = r.count(t, where) {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("%d jobs %s after %v, want %d", n, where, limit, want)
		}
	}
}

func onEach(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, openStore(t, store.Options{Data: t.TempDir()})) })
	t.Run("postgres", func(t *testing.T) { test(t, openStore(t, store.Options{Database: pgtest.Database(t)})) })
}
