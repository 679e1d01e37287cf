package store_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pgtest"
	"github.com/sallyport/sallyport/internal/store"
)

// F019.
func TestPostgresMayRestart(t *testing.T) {
	s := open(t, store.Options{Database: pgtest.Database(t)})
	if err := s.Write(t.Context(), request("r1")); err != nil {
		t.Fatal(err)
	}
	pgtest.Restart(t)
	ctx := within(t, 30*time.Second)
	eventually(t, 5*time.Second, "write after a restart", func() error { return s.Write(ctx, request("r2")) })
	eventually(t, 5*time.Second, "read after a restart", func() error { return s.Check(ctx) })
	wantRequests(t, s, "r1", "r2")
}

// session opens a session of somebody else.
func session(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// F022.
func TestALockThatDoesNotEndIs503(t *testing.T) {
	dsn := pgtest.Database(t)
	s := open(t, store.Options{Database: dsn, Patience: time.Second})
	other := session(t, dsn)
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "UPDATE audit_head SET seq = seq"); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	wantTrouble(t, s.Write(t.Context(), request("r1")), core.Unavailable, "does not answer")
	if took := time.Since(started); took > 3*time.Second {
		t.Errorf("it took %v to say so", took)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), request("r2")); err != nil {
		t.Error(err)
	}
	wantRequests(t, s, "r2")
}

// F022 too: a lock that does end only makes the write late.
func TestALockThatEndsIsWaitedFor(t *testing.T) {
	dsn := pgtest.Database(t)
	s := open(t, store.Options{Database: dsn})
	other := session(t, dsn)
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "UPDATE audit_head SET seq = seq"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Write(t.Context(), request("r1")) }()
	watcher := session(t, dsn)
	eventually(t, 10*time.Second, "the write waits", func() error {
		var waits int
		err := watcher.QueryRow(t.Context(), "SELECT 1 FROM pg_locks WHERE NOT granted").Scan(&waits)
		return err
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	wantRequests(t, s, "r1")
}

func TestALostConnectionIsTriedAgain(t *testing.T) {
	dsn := pgtest.Database(t)
	s := open(t, store.Options{Database: dsn})
	other := session(t, dsn)
	var runs atomic.Int32
	err := s.Write(t.Context(), func(tx engine.Tx) error {
		if err := request("r1")(tx); err != nil {
			return err
		}
		if runs.Add(1) == 1 { // whoever is in a transaction is us
			_, err := other.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'")
			if err != nil {
				t.Error(err)
			}
		}
		return tx.PutHolding(engine.Holding{Owner: "us"})
	})
	if err != nil || runs.Load() != 2 {
		t.Errorf("after %d runs: %v", runs.Load(), err)
	}
	wantRequests(t, s, "r1")
}

// The connection is cut between PostgreSQL and us right when a commit was carried out:
// the answer is lost, and the write still learns that it was done, and is done once.
func TestACommitWhoseAnswerIsLostIsLookedUp(t *testing.T) {
	dsn, proxy := startProxy(t, pgtest.Database(t))
	s := open(t, store.Options{Database: dsn})
	if err := s.Write(t.Context(), request("r1")); err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int32
	err := s.Write(t.Context(), func(tx engine.Tx) error {
		runs.Add(1)
		proxy.cutAfterCommit.Store(true)
		return request("r2")(tx)
	})
	if err != nil || runs.Load() != 1 {
		t.Errorf("after %d runs: %v", runs.Load(), err)
	}
	if proxy.cutAfterCommit.Load() {
		t.Error("nothing was cut")
	}
	wantRequests(t, s, "r1", "r2")
}

// And where it was cut before PostgreSQL had heard of the commit, it is done again.
func TestACommitThatNeverArrivedIsDoneAgain(t *testing.T) {
	dsn, proxy := startProxy(t, pgtest.Database(t))
	s := open(t, store.Options{Database: dsn})
	var runs atomic.Int32
	err := s.Write(t.Context(), func(tx engine.Tx) error {
		if runs.Add(1) == 1 {
			proxy.cutBeforeCommit.Store(true)
		}
		return request("r1")(tx)
	})
	if err != nil || runs.Load() != 2 {
		t.Errorf("after %d runs: %v", runs.Load(), err)
	}
	wantRequests(t, s, "r1")
}

// A proxy stands between a store and PostgreSQL and can lose a commit or its answer.
type proxy struct {
	to                              string
	cutBeforeCommit, cutAfterCommit atomic.Bool
}

func startProxy(t *testing.T, dsn string) (string, *proxy) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: u.Host}
	var wait sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wait.Wait() })
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() { p.serve(c) })
		}
	})
	u.Host = l.Addr().String()
	return u.String(), p
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	var lose atomic.Bool // the next answer
	done := make(chan struct{}, 2)
	go func() {
		pipe(client, server, func(b []byte) bool {
			if bytes.Contains(b, []byte("commit")) {
				if p.cutBeforeCommit.CompareAndSwap(true, false) {
					return false
				}
				lose.Store(p.cutAfterCommit.CompareAndSwap(true, false))
			}
			return true
		})
		done <- struct{}{}
	}()
	go func() {
		pipe(server, client, func([]byte) bool { return !lose.Load() })
		done <- struct{}{}
	}()
	<-done
}

// pipe copies as long as what it copies may pass.
func pipe(from io.Reader, to io.Writer, pass func([]byte) bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 && !pass(b[:n]) {
			return
		}
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}
