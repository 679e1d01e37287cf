package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

const (
	maxBatch    = 256 // writes that share a commit
	maxAttempts = 4   // of a transaction that the database gave up
)

// The states of a write.
const (
	waiting int32 = iota
	taken         // its function runs or ran: the outcome is what the commit says
	left          // its caller went away before that
)

// A write is a function that waits for its transaction.
type write struct {
	ctx   context.Context
	fn    func(*tx) error
	state atomic.Int32
	err   error // what the function came to
	done  chan error
}

// take reports whether the function shall run, the first time or again.
func (w *write) take() bool {
	if w.ctx.Err() != nil {
		w.state.CompareAndSwap(waiting, left)
	}
	return w.state.CompareAndSwap(waiting, taken) || w.state.Load() == taken
}

// Write runs fn in a write transaction and returns once its effects are on disk.
//
// Functions that wait at the same time share one transaction and one commit; each gets
// its own outcome, and one that fails or panics undoes only itself. A function whose
// context ends before its turn does not run; one that ran learns its true outcome.
//
// fn may run more than once, because a transaction that the database gives up is tried
// again: it must get everything it needs from tx, and set, not add to, what it leaves
// outside. After an error of the database tx refuses everything else, and Write returns
// that error whatever fn does.
func (s *Store) Write(ctx context.Context, fn func(engine.Tx) error) error {
	return s.write(ctx, func(t *tx) error { return fn(t) })
}

// WriteRaw is Write for the owner of the job tables: fn gets the transaction itself, a
// *sql.Tx on SQLite and a pgx.Tx on PostgreSQL. It must neither end nor keep it.
func (s *Store) WriteRaw(ctx context.Context, fn func(ctx context.Context, tx any) error) error {
	return s.write(ctx, func(t *tx) error {
		t.Vital() // it only tidies up after what was done
		if err := t.begin(); err != nil {
			return err
		}
		return t.check("write jobs", t.batch.raw(func(raw any) error { return fn(t.ctx, raw) }))
	})
}

func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &write{ctx: ctx, fn: fn, done: make(chan error, 1)}
	select {
	case s.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return errClosed
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		if w.state.CompareAndSwap(waiting, left) {
			return ctx.Err()
		}
	case <-s.stopped:
	}
	select {
	case err := <-w.done:
		return err
	case <-s.stopped:
	}
	select { // it may have been answered just before the end
	case err := <-w.done:
		return err
	default:
		return errClosed
	}
}

var errClosed = core.Errorf(core.Unavailable, "the store is closed")

// writeLoop commits what waits until the store closes. It is the only writer of this process.
func (s *Store) writeLoop() {
	for {
		select {
		case w := <-s.queue:
			s.serve(w)
		case <-s.closing:
			select {
			case w := <-s.queue:
				s.serve(w)
				continue
			default:
			}
			close(s.stopped)
			return
		}
	}
}

// serve commits a write together with those that wait behind it.
func (s *Store) serve(first *write) {
	batch := append(s.batch[:0], first)
collect:
	for len(batch) < maxBatch {
		select {
		case w := <-s.queue:
			batch = append(batch, w)
		default:
			break collect
		}
	}
	s.batch = batch

	s.reserve.regain()
	survived := false
	defer func() {
		if !survived { // a function ended this goroutine; the next one goes on
			answer(batch, errors.New("a function in this transaction ended its goroutine"))
			go s.writeLoop()
		}
	}()
	s.commit(batch)
	survived = true
	clear(batch)
	s.writes.prepare(context.Background())
}

// commit brings a batch onto disk and gives everybody their outcome.
func (s *Store) commit(batch []*write) {
	err := s.persist(batch)
	if err != nil && len(batch) > 1 && judge(err) == theirs && core.KindOf(err) != core.Unavailable {
		// One of them spoils the transaction for all. Alone it spoils only its own.
		for i := range batch {
			s.commit(batch[i : i+1])
		}
		return
	}
	answer(batch, err)
}

func answer(batch []*write, err error) {
	for _, w := range batch {
		outcome := cmp.Or(err, w.err)
		if w.state.Load() == left {
			outcome = w.ctx.Err()
		}
		select {
		case w.done <- outcome:
		default: // answered before
		}
	}
}

// persist tries a batch until the database takes it, or the time for it is over. It begins
// in the hope that nobody fails after having written something: savepoints, which let one
// undo only itself, would cost all of them more than a second try costs the few.
func (s *Store) persist(batch []*write) error {
	started := time.Now()
	guarded := false
	for n := 1; ; n++ {
		err := s.attempt(batch, guarded)
		if err == nil {
			return nil
		}
		if errors.Is(err, errSpoiled) {
			guarded = true
			n--
			continue
		}
		switch verdict := judge(err); {
		case verdict == theirs && len(batch) > 1:
			return err
		case s.reserve.give(err):
			continue // there is room now for what is vital in it
		case verdict != again || !s.retries || n == maxAttempts || time.Since(started) > s.patience:
			err = s.unavailable(err)
			if s.postgres && time.Since(started) > s.patience {
				s.refuseWaiting(err)
			}
			return err
		}
		pause(n)
	}
}

// refuseWaiting answers those who came while a silent database was waited for: they have waited
// as long as anybody should.
func (s *Store) refuseWaiting(err error) {
	for {
		select {
		case w := <-s.queue:
			w.done <- err
		default:
			return
		}
	}
}

// pause waits a little longer every time, and never as long as the replica beside us.
func pause(n int) {
	time.Sleep(time.Duration(n*n)*10*time.Millisecond + rand.N(20*time.Millisecond)) //nolint:gosec // it keeps replicas apart; nobody gains by guessing it
}

// errSpoiled says that a write without a savepoint failed among others.
var errSpoiled = errors.New("a write has to be undone")

// attempt runs a batch in one transaction; guarded: each write in a savepoint of its own.
func (s *Store) attempt(batch []*write, guarded bool) error {
	ctx, cancel := s.transactionContext()
	defer cancel()
	b, err := s.begin(ctx)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	defer b.close()
	for _, w := range batch {
		if !w.take() {
			continue
		}
		if err := b.run(w, guarded, len(batch) == 1); err != nil {
			return err
		}
	}
	return b.finish()
}
