// Package store keeps Sallyport's state in SQLite or PostgreSQL.
//
// There is one set of queries. The two databases differ in how they are opened and in how
// jobs are written, and in nothing else that this package can see; package storetest holds
// both to that.
//
// Writes of one process share transactions and commits (writer.go); every transaction
// holds the head of the audit chain, so those of all replicas follow one another
// (batch.go). SQL decides nothing.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/store/db"
)

// Options configure a store. The zero value of a field means its default.
type Options struct {
	Data           string        // the folder of the SQLite file; required without Database
	Database       string        // "postgres://…"; default: SQLite in Data
	Readers        int           // connections for reading; default one per processor, at least 4
	JobConnections int           // PostgreSQL connections for jobs; default 8
	Patience       time.Duration // how long PostgreSQL is waited for; default 5 s
	Logger         *slog.Logger  // default: none
}

// An insertFunc makes jobs durable inside a transaction, a *sql.Tx on SQLite and a pgx.Tx
// on PostgreSQL. It returns what to do once the transaction is committed.
type insertFunc = func(ctx context.Context, tx any, jobs []core.Job) (committed func(), err error)

// A Store is an open database. It implements engine.Store.
type Store struct {
	name     string // for people
	log      *slog.Logger
	postgres bool
	patience time.Duration

	w, r   *sql.DB // the one writer, the readers
	wq, rq *db.Queries
	marks  marks
	writes *texts
	reads  *texts
	rules  knownRules
	pool   *pgxpool.Pool // of the jobs; nil on SQLite
	insert insertFunc

	isolation *sql.TxOptions // of writes
	snapshot  sql.TxOptions  // of reads
	retries   bool

	lock   *os.File // of the data folder; nil on PostgreSQL
	file   string
	opened os.FileInfo

	reserve reserve      // on SQLite
	skew    atomic.Int64 // of PostgreSQL's clock, in nanoseconds

	commits atomic.Int64

	queue   chan *write
	batch   []*write // the writer's
	closing chan struct{}
	stopped chan struct{}
	closed  sync.Once
}

var _ engine.Store = (*Store)(nil)

// Open opens the database and brings its schema up to date. Only Open migrates.
//
// It refuses a data folder that another process uses, a file that is damaged, and a schema
// that is newer than this program; each is a core.Error that says what to do.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Readers == 0 {
		o.Readers = max(4, runtime.NumCPU())
	}
	if o.JobConnections == 0 {
		o.JobConnections = 8
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		log: o.Logger, patience: o.Patience, snapshot: sql.TxOptions{ReadOnly: true},
		queue: make(chan *write, maxBatch), closing: make(chan struct{}), stopped: make(chan struct{}),
		insert: func(context.Context, any, []core.Job) (func(), error) {
			return nil, errors.New("nobody runs jobs: InsertJobs was not called")
		},
	}
	if err := s.open(ctx, o); err != nil {
		return nil, errors.Join(err, s.release())
	}
	go s.writeLoop()
	return s, nil
}

func (s *Store) open(ctx context.Context, o Options) (err error) {
	if o.Database == "" {
		if err = s.openSQLite(ctx, o); err == nil {
			err = s.reserve.open()
		}
	} else {
		err = s.openPostgres(ctx, o)
	}
	if err != nil {
		return err
	}
	s.writes, s.reads = newTexts(s.w), newTexts(s.r)
	if s.wq, err = db.Prepare(ctx, s.w); err != nil {
		return s.unavailable(fmt.Errorf("prepare statements: %w", err))
	}
	if s.marks, err = prepareMarks(ctx, s.w); err != nil {
		return s.unavailable(err)
	}
	if s.rq, err = db.Prepare(ctx, s.r); err != nil {
		return s.unavailable(fmt.Errorf("prepare statements: %w", err))
	}
	return nil
}

// Close ends the store after the writes that wait, and lets go of the data folder.
func (s *Store) Close() error {
	var err error
	s.closed.Do(func() {
		close(s.closing)
		<-s.stopped
		err = s.release()
	})
	return err
}

func (s *Store) release() error {
	var errs []error
	for _, d := range []*sql.DB{s.r, s.w} { // the writer last: it folds the WAL into the file
		if d != nil {
			errs = append(errs, d.Close())
		}
	}
	if s.pool != nil {
		s.pool.Close()
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// InsertJobs says who makes jobs durable. It is called once, before the first Write.
func (s *Store) InsertJobs(insert func(ctx context.Context, tx any, jobs []core.Job) (committed func(), err error)) {
	s.insert = insert
}

// Handles gives the owner of the job tables its connections: one of the two, the other is
// nil. The SQLite one is the writer's own, so that there is never a second writer.
func (s *Store) Handles() (sqlite *sql.DB, postgres *pgxpool.Pool) {
	if s.postgres {
		return nil, s.pool
	}
	return s.w, nil
}

// Commits returns how many transactions of ours were committed since the store was opened.
// Those of the owner of the job tables are among them only where they came through WriteRaw.
func (s *Store) Commits() int64 { return s.commits.Load() }

// Read runs fn on a consistent snapshot. After an error of the database the snapshot
// refuses everything else, and Read returns that error whatever fn does. It may take long;
// only a single answer, or a connection, that does not come within Options.Patience ends it.
func (s *Store) Read(ctx context.Context, fn func(engine.View) error) error {
	return s.reading(ctx, func(within context.Context, alive func()) error {
		wait := within // for a connection too: a silent database holds all of them
		if !s.postgres {
			wait = ctx
		}
		conn, err := s.r.Conn(wait)
		if err != nil {
			return s.unavailable(err)
		}
		defer conn.Close() //nolint:errcheck // it goes back to the pool
		tx, err := conn.BeginTx(within, &s.snapshot)
		if err != nil {
			return s.unavailable(err)
		}
		defer tx.Rollback() //nolint:errcheck // there is nothing to undo
		return s.show(&view{ctx: within, tx: tx, q: s.rq.WithTx(tx), texts: s.reads, rules: &s.rules, alive: alive}, fn)
	})
}

// Glance is Read for a single question: a second one is refused. It costs half as much, as
// one answer is consistent without a transaction.
func (s *Store) Glance(ctx context.Context, fn func(engine.View) error) error {
	return s.reading(ctx, func(within context.Context, alive func()) error {
		v := &view{ctx: within, q: s.rq, texts: s.reads, rules: &s.rules}
		asked := false
		v.alive = func() {
			if alive(); asked {
				v.fail = errors.New("a glance asked a second question")
			}
			asked = true
		}
		return s.show(v, fn)
	})
}

func (s *Store) show(v *view, fn func(engine.View) error) error {
	err := fn(v)
	switch {
	case v.fail == nil:
		return err
	case judge(v.fail) != theirs:
		return s.unavailable(v.fail)
	}
	return v.fail
}

// reading runs read with what it needs to be given up: alive is called before each question.
func (s *Store) reading(ctx context.Context, read func(within context.Context, alive func()) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	alive, within := func() {}, context.WithoutCancel(ctx)
	if s.postgres {
		limited, cancel := context.WithCancel(ctx)
		defer cancel()
		silence := time.AfterFunc(s.patience, cancel)
		defer silence.Stop()
		alive, within = func() { silence.Reset(s.patience) }, limited
	} // else a read is short, and watching a context costs SQLite more than the read itself
	defer s.reads.prepare(within)
	err := read(within, alive)
	if ctx.Err() != nil && err != nil && judge(err) != theirs {
		return ctx.Err()
	}
	return err
}

// Check reports whether the database can be read, whether its file is still in place, and
// whether there is room on its disk.
func (s *Store) Check(ctx context.Context) error {
	if s.file != "" {
		if err := s.checkReplaced(); err != nil {
			return err
		}
	}
	if s.reserve.out.Load() {
		return s.full()
	}
	return s.Read(ctx, func(v engine.View) error {
		_, _, err := v.AuditHead()
		return err
	})
}

// transactionContext bounds a transaction on PostgreSQL. On SQLite nothing does: a slow
// disk makes writes slow, and giving them up would not make it faster.
func (s *Store) transactionContext() (context.Context, context.CancelFunc) {
	if !s.postgres {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), s.patience)
}
