package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/store/db"
)

// A batch is one transaction that several writes share.
//
// Its first statement locks the head of the audit chain on PostgreSQL: that makes the
// transactions of all replicas follow one another, so that READ COMMITTED is enough. On
// SQLite there is one writer anyway.
type batch struct {
	s    *Store
	ctx  context.Context
	conn *sql.Conn
	tx   *sql.Tx
	q    *db.Queries

	before, head db.LockHeadRow // of the audit chain
	revision     int64          // of the documents; 0: not read, or moved since
	jobs         []core.Job
	dirty        bool // there is something to commit
	ended        bool
	bad          bool // the connection shall not be used again
}

func (s *Store) begin(ctx context.Context) (*batch, error) {
	conn, err := s.w.Conn(ctx)
	if err != nil {
		return nil, err
	}
	b := &batch{s: s, ctx: ctx, conn: conn}
	if b.tx, err = conn.BeginTx(ctx, s.isolation); err != nil {
		b.bad = true
		b.close()
		return nil, err
	}
	b.q = s.wq.WithTx(b.tx)
	if b.before, err = b.lock(); err != nil {
		b.bad = judge(err) != theirs
		b.close()
		return nil, fmt.Errorf("lock the audit chain: %w", err)
	}
	b.head = b.before
	return b, nil
}

// lock returns the head of the audit chain, which nobody else moves from now on.
func (b *batch) lock() (db.LockHeadRow, error) {
	if b.s.postgres {
		return b.q.LockHead(b.ctx)
	}
	head, err := b.q.Head(b.ctx)
	return db.LockHeadRow(head), err
}

// close undoes what was not committed and gives the connection back.
func (b *batch) close() {
	if b.tx != nil && !b.ended {
		b.ended = true
		if err := b.tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
			b.bad = true
		}
	}
	if b.bad {
		_ = b.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = b.conn.Close()
}

// run runs one write. It returns an error only if the transaction is lost with it.
func (b *batch) run(w *write, guarded, alone bool) error {
	head, jobs := b.head, len(b.jobs)
	t := &tx{view: view{ctx: b.ctx, tx: b.tx, q: b.q, texts: b.s.writes, rules: &b.s.rules, alive: func() {}}, batch: b, guarded: guarded && !alone}
	w.err = t.call(w.fn)
	if t.fail != nil {
		w.err = t.fail
	}
	t.closed = true
	if t.fended {
		w.err = b.s.full() // whatever the function made of it
	}
	if w.err == nil {
		b.dirty = b.dirty || t.dirty
		return t.release()
	}
	b.head, b.jobs = head, b.jobs[:jobs]
	switch {
	case t.fail != nil && (judge(t.fail) != theirs || !t.dirty && !alone):
		b.bad = judge(t.fail) != theirs
		return t.fail
	case t.dirty && !guarded && !alone:
		return errSpoiled
	}
	return t.undo()
}

// raw gives a function the transaction as its driver knows it.
func (b *batch) raw(fn func(tx any) error) error {
	if !b.s.postgres {
		return fn(b.tx)
	}
	return b.conn.Raw(func(c any) error { return fn(joinedTx{c.(*stdlib.Conn).Conn()}) })
}

// finish writes the jobs and the head of the audit chain, and commits.
func (b *batch) finish() error {
	if !b.dirty {
		return nil
	}
	committed := func() {}
	if len(b.jobs) > 0 {
		err := b.raw(func(tx any) (err error) {
			committed, err = b.s.insert(b.ctx, tx, b.jobs)
			return err
		})
		if err != nil {
			b.bad = judge(err) != theirs
			return fmt.Errorf("write jobs: %w", err)
		}
	}
	if b.head != b.before {
		if err := b.q.PutHead(b.ctx, db.PutHeadParams(b.head)); err != nil {
			b.bad = judge(err) != theirs
			return fmt.Errorf("move the audit head: %w", err)
		}
	}
	b.ended = true
	if err := b.tx.Commit(); err != nil {
		b.bad = true
		if err := b.doubt(err); err != nil {
			return err
		}
	}
	b.s.commits.Add(1)
	committed()
	return nil
}

// doubt finds out whether a commit that failed was carried out.
//
// After a failed fsync SQLite may show what is not on disk, so there a failed commit
// counts as failed. PostgreSQL has done all or nothing, and the audit chain tells which:
// the head is locked first, so whatever was still under way has ended.
func (b *batch) doubt(failed error) error {
	failed = fmt.Errorf("commit: %w", failed)
	var pg *pgconn.PgError
	if !b.s.postgres || errors.As(failed, &pg) && judgePostgres(pg.Code) == theirs {
		return core.Errorf(core.Unavailable, "%s could not keep a change: %w", b.s.name, failed).
			WithHint("look at its disk; then try again")
	}
	unsure := core.Errorf(core.Unavailable, "%s went away during a commit: %w", b.s.name, failed).
		WithHint("the change may have been made or not: look before you try again")
	if b.head == b.before {
		return unsure
	}
	b.close()
	for until := time.Now().Add(b.s.patience); time.Now().Before(until); pause(2) {
		switch hash, err := b.s.hashAt(b.head.Seq); {
		case err == nil && hash == b.head.Hash:
			return nil
		case err == nil:
			return failed
		}
	}
	return unsure
}

// hashAt reads the hash of an audit entry, empty where there is none, once every
// transaction before has ended.
func (s *Store) hashAt(seq int64) (string, error) {
	ctx, cancel := s.transactionContext()
	defer cancel()
	b, err := s.begin(ctx)
	if err != nil {
		return "", err
	}
	defer b.close()
	hash, err := b.q.AuditHash(ctx, seq)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return hash, err
}

// call runs a function and turns a panic into its error.
func (t *tx) call(fn func(*tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a write: %v", p)
			t.batch.s.log.ErrorContext(t.ctx, "panic in a write", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	return fn(t)
}
