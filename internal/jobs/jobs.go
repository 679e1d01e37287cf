// Package jobs runs verbs: at once in this process after their transaction is committed,
// and again from River's tables if that did not work or the process died.
//
// The tables of the store are the truth and a job is only the impulse to look at them, so
// every verb may run twice, and a sweep finds what has no job. River is not punctual and
// not for volume; hence Kick, which runs a verb within microseconds and then deletes its
// durable copy, and Wake, which sweeps at the very moment that something is due.
package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

const (
	backstopAfter = 5 * time.Second  // a durable copy waits so long for its kick
	verbTimeout   = 25 * time.Second // of one run
	rescueAfter   = 30 * time.Second // a run that is silent for so long is taken for dead
	drainTime     = 5 * time.Second  // at the end, for what runs
	pruneEvery    = 250 * time.Millisecond
	sweepAtLeast  = time.Second
)

// Verbs are what jobs run. Each finds out by itself what is left to do.
type Verbs interface {
	Decide(ctx context.Context, id string) error
	Settle(ctx context.Context, id string) error
	SyncIncident(ctx context.Context, id string) error
	Sweep(ctx context.Context) (next time.Time, err error) // next: when something will be due; zero: not known
	Reconcile(ctx context.Context) error
}

// A Store keeps the job tables and shares its transactions.
type Store interface {
	// Handles returns the connections for River; one of them is nil.
	Handles() (sqlite *sql.DB, postgres *pgxpool.Pool)
	// InsertJobs says who writes the jobs of a transaction, a *sql.Tx or a pgx.Tx.
	InsertJobs(insert func(ctx context.Context, tx any, jobs []core.Job) (committed func(), err error))
	// WriteRaw runs fn in a write transaction. Nothing else is written meanwhile.
	WriteRaw(ctx context.Context, fn func(ctx context.Context, tx any) error) error
}

// Options configure jobs. The zero value of a field means its default.
type Options struct {
	Store  Store        // required
	Verbs  Verbs        // required to Run
	Clock  engine.Clock // default: the system's
	Logger *slog.Logger // default: none
	Kicks  int          // how many kicked verbs run at a time; default 64
	Queue  int          // how many kicks may wait; further ones are left to River; default 65,536
}

// Stats count since the start.
type Stats struct {
	Kicked  int64 // verbs that were run by a kick
	Worked  int64 // verbs that were run from their durable copy
	Failed  int64 // runs that failed for another reason than that something was away
	Panics  int64
	Dropped int64 // kicks that were left to River because too many waited
}

// Jobs run verbs. They implement engine.Jobs.
type Jobs struct {
	o                  Options
	client             client
	backstop, patience time.Duration // backstopAfter, drainTime; tests shorten them
	kicks              *runner
	durable            *copies
	alarm              *alarm

	kicked, worked, failed, panics atomic.Int64

	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
	running atomic.Bool
}

var _ engine.Jobs = (*Jobs)(nil)

// New makes jobs and lets the store write them from now on. Nothing runs before Run.
func New(o Options) (*Jobs, error) {
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Kicks == 0 {
		o.Kicks = 64
	}
	if o.Queue == 0 {
		o.Queue = 65_536
	}
	j := &Jobs{
		o: o, backstop: backstopAfter, patience: drainTime, durable: newCopies(), alarm: newAlarm(o.Clock),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	j.kicks = newRunner(o.Kicks, o.Queue, j.runKicked)
	var err error
	if j.client, err = j.openRiver(); err != nil {
		return nil, fmt.Errorf("set up jobs: %w", err)
	}
	o.Store.InsertJobs(j.insert)
	return j, nil
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

// Run runs jobs until ctx ends or Stop is called, then gives what runs five seconds.
func (j *Jobs) Run(ctx context.Context) error {
	if !j.running.CompareAndSwap(false, true) {
		return errors.New("run jobs: they run already")
	}
	defer close(j.stopped)
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	if err := j.client.forgetLeader(life); err != nil {
		return fmt.Errorf("run jobs: %w", err)
	}
	if err := j.client.Start(life); err != nil {
		return fmt.Errorf("run jobs: %w", err)
	}
	j.kicks.open(life)

	loops, endLoops := context.WithCancel(life)
	var wait sync.WaitGroup
	wait.Go(func() { j.sweepLoop(loops) })
	wait.Go(func() { j.pruneLoop(loops) })
	select {
	case <-ctx.Done():
	case <-j.stop:
	}
	endLoops()
	err := j.drain(end)
	wait.Wait()
	j.prune(context.WithoutCancel(ctx))
	return err
}

// drain lets what runs come to its end, for a while.
func (j *Jobs) drain(end context.CancelFunc) error {
	soft, cancel := context.WithTimeout(context.Background(), j.patience)
	defer cancel()
	idle := j.kicks.close()
	stopping := make(chan error, 1)
	go func() { stopping <- j.client.Stop(soft) }()
	select {
	case <-idle:
	case <-soft.Done():
	}
	err := <-stopping
	if err == nil && soft.Err() == nil {
		return nil
	}
	end() // what still runs is told to give up; its durable copy is for the next process
	hard, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	select {
	case <-idle:
	case <-hard.Done():
	}
	if err := j.client.StopAndCancel(hard); err != nil {
		return fmt.Errorf("stop jobs: %w", err)
	}
	return nil
}

// Stop ends Run and waits for it.
func (j *Jobs) Stop(ctx context.Context) error {
	j.once.Do(func() { close(j.stop) })
	if !j.running.Load() {
		return nil
	}
	select {
	case <-j.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stats returns the counts so far.
func (j *Jobs) Stats() Stats {
	return Stats{
		Kicked: j.kicked.Load(), Worked: j.worked.Load(), Failed: j.failed.Load(),
		Panics: j.panics.Load(), Dropped: j.kicks.dropped.Load(),
	}
}
