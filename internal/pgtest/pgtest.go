// Package pgtest runs a real PostgreSQL for tests.
//
// One server per test process is started by the first call of Database and ended by Main;
// it also dies with the process, however that dies. Each call of Database makes a fresh
// database. Roles belong to the whole server, so a test that makes roles gives them names
// of its own. A server that a test may stop and start is made by Open.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// patience bounds every step of starting and asking a server.
const patience = 30 * time.Second

// The server that the tests of this process share.
var shared struct {
	sync.Mutex
	server *Server
	err    error // why it could not be started; told to every test
}

// Main runs the tests of a package, ends the shared server and exits. Call it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Database returns the DSN of a fresh, empty database on the shared server. Its user is a
// superuser. The database is dropped when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	s := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dsn, err := s.Database(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Drop(ctx, dsn); err != nil {
			t.Error(err)
		}
	})
	return dsn
}

// Restart ends the shared server at once, as a crash would (pg_ctl -m immediate), and
// starts it again on the same port. What was committed is kept; every session is lost.
func Restart(t testing.TB) {
	t.Helper()
	s := start(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
}

// start returns the shared server and starts it if this is the first call.
func start(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = Open(Options{})
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

func closeShared() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return nil
	}
	err := shared.server.Close()
	shared.server = nil
	return err
}
