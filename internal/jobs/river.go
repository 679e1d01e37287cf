package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/sallyport/sallyport/internal/core"
)

const (
	clockQueue = "clock" // of periodic jobs, so that a sweep never waits behind other jobs
	// A job is tried for ever. River keeps every error of a job in its row, so only the
	// first few are given to it; after them the job snoozes.
	keptErrors  = 20
	maxAttempts = math.MaxInt16
)

// A client is River's, whichever database it is for.
type client interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	insert(ctx context.Context, tx any, list []copyOf) (ids []int64, err error)
	remove(ctx context.Context, tx any, ids []int64) error
	forgetLeader(ctx context.Context) error
	due(ctx context.Context) ([]dueCopy, error)
}

// A copyOf is a durable copy that is to be written.
type copyOf struct {
	args
	at time.Time // zero: at once
}

// clientOn is the client for a kind of transaction.
type clientOn[T any] struct {
	*river.Client[T]
}

func (c clientOn[T]) insert(ctx context.Context, tx any, list []copyOf) (ids []int64, err error) {
	params := make([]river.InsertManyParams, len(list))
	for i, n := range list {
		params[i] = river.InsertManyParams{Args: n.args, InsertOpts: &river.InsertOpts{ScheduledAt: n.at}}
	}
	rows, err := c.InsertManyTx(ctx, tx.(T), params)
	for _, r := range rows {
		ids = append(ids, r.Job.ID)
	}
	return ids, err
}

func (c clientOn[T]) remove(ctx context.Context, tx any, ids []int64) error {
	for len(ids) > 0 {
		n := min(len(ids), 1000)
		_, err := c.JobDeleteManyTx(ctx, tx.(T), river.NewJobDeleteManyParams().IDs(ids[:n]...).First(n))
		if err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

func (c clientOn[T]) forgetLeader(context.Context) error { return nil }

// A liteClient is the client on SQLite, where nobody else uses the database.
type liteClient struct {
	clientOn[*sql.Tx]
	insertion *sql.Stmt
}

// insertion is what River's own INSERT comes to for our copies. That one is parsed anew in
// each transaction, which takes as long as all else in it.
const insertion = `INSERT INTO river_job (args, kind, max_attempts, scheduled_at, state) VALUES (jsonb($1), $2, $3, $4, $5)`

// riverTime is how River writes a time on SQLite.
const riverTime = "2006-01-02 15:04:05.000"

func (c liteClient) insert(ctx context.Context, tx any, list []copyOf) ([]int64, error) {
	ids := make([]int64, len(list))
	stmt := tx.(*sql.Tx).StmtContext(ctx, c.insertion)
	defer stmt.Close()
	for i, n := range list {
		text, err := json.Marshal(n.args)
		if err != nil {
			return nil, err
		}
		at, state := n.at, rivertype.JobStateScheduled
		if at.IsZero() {
			at, state = time.Now(), rivertype.JobStateAvailable
		}
		done, err := stmt.ExecContext(ctx, string(text), n.Kind(), maxAttempts, at.UTC().Round(time.Millisecond).Format(riverTime), string(state))
		if err == nil {
			ids[i], err = done.LastInsertId()
		}
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// forgetLeader deletes the leader that a process before us may have left; without it we
// would wait until that one's term is over.
func (c liteClient) forgetLeader(ctx context.Context) error {
	return c.Driver().GetExecutor().Exec(ctx, "DELETE FROM river_leader")
}

func (j *Jobs) openRiver() (client, error) {
	lite, pool := j.o.Store.Handles()
	config := j.riverConfig()
	if pool != nil {
		c, err := river.NewClient(riverpgxv5.New(pool), config)
		return clientOn[pgx.Tx]{c}, err
	}
	config.PollOnly = true // River's notifications on SQLite are a poll of their own
	c, err := river.NewClient(riversqlite.New(lite), config)
	if err != nil {
		return nil, err
	}
	stmt, err := lite.Prepare(insertion)
	return liteClient{clientOn[*sql.Tx]{c}, stmt}, err
}

func (j *Jobs) riverConfig() *river.Config {
	workers := river.NewWorkers()
	for _, kind := range []core.JobKind{core.JobDecide, core.JobSettle, core.JobIncident, kindSweep, kindReconcile} {
		river.AddWorkerArgs(workers, args{kind: kind}, &worker{j: j})
	}
	return &river.Config{
		Queues: map[string]river.QueueConfig{
			river.QueueDefault: {MaxWorkers: 32},
			clockQueue:         {MaxWorkers: 2},
		},
		Workers: workers,
		PeriodicJobs: []*river.PeriodicJob{
			periodic(kindSweep, 5*time.Second), periodic(kindReconcile, 5*time.Minute),
		},
		FetchPollInterval:           200 * time.Millisecond,
		JobTimeout:                  verbTimeout,
		RescueStuckJobsAfter:        rescueAfter,
		MaxAttempts:                 maxAttempts,
		RetryPolicy:                 retryPolicy{},
		CompletedJobRetentionPeriod: 10 * time.Minute,
		Logger:                      slog.New(warnings{j.o.Logger.Handler()}),
	}
}

// notFinished are the states in which a job keeps an equal one away.
var notFinished = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

func periodic(kind core.JobKind, every time.Duration) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(every), func() (river.JobArgs, *river.InsertOpts) {
		return args{kind: kind}, &river.InsertOpts{
			Queue: clockQueue, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: notFinished},
		}
	}, &river.PeriodicJobOpts{RunOnStart: true})
}

// Args are what a copy has in River's table: ids, and nothing that is secret.
type args struct {
	kind core.JobKind

	IDs []string `json:"ids,omitempty"` // none: a job that is about nothing in particular
	At  int64    `json:"at,omitempty"`  // microseconds; 0: at once
}

// Kind returns the kind of the jobs.
func (a args) Kind() string { return string(a.kind) }

func (a args) keys() []key {
	out := make([]key, len(a.IDs))
	for i, id := range a.IDs {
		out[i] = key{a.kind, id}
	}
	return out
}

// idsPerCopy bounds how long River needs for one copy.
const idsPerCopy = 100

// insert writes the jobs of a transaction. It returns what to do after the commit.
//
// Jobs of one kind share a copy, because a row for each would cost more than the verbs
// themselves. A job that is equal to one of this process joins the copy of that one, unless
// River may be about to run it: what runs may have looked before this transaction. Copies
// of other processes are left alone, because those delete their own when their verbs have
// worked, and know nothing of ours.
func (j *Jobs) insert(ctx context.Context, tx any, jobs []core.Job) (committed func(), err error) {
	now := j.o.Clock.Now()
	due := now.Add(j.backstop)
	onto := map[*durable][]key{}
	var todo []args
	seen := make(map[core.Job]bool, len(jobs))
	for _, job := range jobs {
		if !job.At.After(now) {
			job.At = time.Time{}
		}
		if seen[job] {
			continue
		}
		seen[job] = true
		k := key{job.Kind, job.ID}
		if d := j.durable.find(k, now.Add(j.backstop/2)); d != nil && job.At.IsZero() {
			onto[d] = append(onto[d], k)
			continue
		}
		todo = group(todo, job)
	}
	list := make([]copyOf, len(todo))
	for i, a := range todo {
		list[i].args = a
		if at := later(due, a.At); at.After(now) { // what has a time waits for River's scheduler, even if it is over
			list[i].at = at
		}
	}
	if len(list) > 0 {
		ids, err := j.client.insert(ctx, tx, list)
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			if todo[i].At == 0 {
				onto[&durable{id: id, due: due, left: map[key]int64{}}] = todo[i].keys()
			}
		}
	}
	return func() { j.durable.committed(onto) }, nil
}

// group puts a job to others of its kind and time.
func group(all []args, job core.Job) []args {
	at := int64(0)
	if !job.At.IsZero() {
		at = job.At.UnixMicro()
	}
	for i, a := range all {
		if a.kind == job.Kind && a.At == at && len(a.IDs) < idsPerCopy {
			all[i].IDs = append(a.IDs, job.ID)
			return all
		}
	}
	return append(all, args{kind: job.Kind, IDs: []string{job.ID}, At: at})
}

func later(t time.Time, micros int64) time.Time {
	if at := time.UnixMicro(micros); at.After(t) {
		return at
	}
	return t
}

// A worker runs durable copies.
type worker struct {
	river.WorkerDefaults[args]
	j *Jobs
}

// Timeout is longer for reconciliation, which asks every target.
func (w *worker) Timeout(job *river.Job[args]) time.Duration {
	return timeoutOf(core.JobKind(job.Kind))
}

func timeoutOf(kind core.JobKind) time.Duration {
	if kind == kindReconcile {
		return 5 * time.Minute
	}
	return verbTimeout
}

// verbsPerCopy is how many verbs of one copy run at a time.
const verbsPerCopy = 16

// Work runs the jobs of a copy that are still to be done. Those that fail are tried again with
// the copy.
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	job.Args.kind = core.JobKind(job.Kind)
	if len(job.Args.IDs) == 0 {
		return w.work(ctx, job, key{kind: job.Args.kind})
	}
	var mu sync.Mutex
	var wait sync.WaitGroup
	var outcome error
	room := make(chan struct{}, verbsPerCopy)
	for _, k := range w.j.durable.begin(job.ID, job.Args.keys()) {
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			mark := w.j.durable.mark()
			err := w.work(ctx, job, k)
			if err == nil {
				w.j.durable.done(k, mark)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			outcome = graver(outcome, err)
		})
	}
	wait.Wait()
	if outcome == nil {
		w.j.durable.forget(job.ID)
	}
	return outcome
}

// graver returns which of two outcomes a copy has: one that River keeps stands out.
func graver(a, b error) error {
	var snooze *river.JobSnoozeError
	if a != nil && (errors.As(b, &snooze) || !errors.As(a, &snooze)) {
		return a
	}
	return b
}

// work runs one job.
func (w *worker) work(ctx context.Context, job *river.Job[args], k key) error {
	w.j.worked.Add(1)
	err := w.j.call(ctx, k)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return river.JobSnooze(time.Second) // we are stopping; another process goes on
	case k.kind == kindSweep:
		return nil // the loop sweeps every second, and tells
	case k.kind == kindReconcile:
		w.j.o.Logger.WarnContext(ctx, "the reconciliation failed; it comes again", "error", err)
		return nil
	}
	tries := len(job.Errors) + snoozes(job.Metadata)
	if core.KindOf(err) == core.Unavailable {
		w.j.o.Logger.DebugContext(ctx, "a job waits for something that is away", "kind", k.kind, "id", k.id, "tries", tries, "error", err)
		return river.JobSnooze(backOff(tries))
	}
	w.j.failed.Add(1)
	w.j.o.Logger.ErrorContext(ctx, "a job failed; it is tried again", "kind", k.kind, "id", k.id, "tries", tries, "error", err)
	if len(job.Errors) < keptErrors {
		return fmt.Errorf("%s %s: %w", k.kind, k.id, err)
	}
	return river.JobSnooze(backOff(tries))
}

// snoozes reads how often River has put a job off for us.
func snoozes(metadata []byte) int {
	var m struct {
		Snoozes int `json:"snoozes"`
	}
	_ = json.Unmarshal(metadata, &m) // without it the back-off begins anew
	return m.Snoozes
}

// backOff grows from one second to thirty.
func backOff(tries int) time.Duration {
	d := min(time.Second<<min(tries, 5), 24*time.Second)
	return d + rand.N(d/4) //nolint:gosec // it spreads tries; nobody gains by guessing it
}

type retryPolicy struct{}

// NextRetry is when a job that failed is tried again.
func (retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(backOff(len(job.Errors) + snoozes(job.Metadata)))
}

// Warnings passes on what River has to say that an operator should know.
type warnings struct{ slog.Handler }

// Enabled reports whether a level is worth passing on.
func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

func (w warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{w.Handler.WithAttrs(a)} }
func (w warnings) WithGroup(n string) slog.Handler      { return warnings{w.Handler.WithGroup(n)} }
