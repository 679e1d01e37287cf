// Package test holds the built program to what its users, operators and attackers see of it:
// each test starts the program that "go build" makes and drives it from outside.
package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport/sallyport/internal/pgtest"
	"github.com/sallyport/sallyport/test/world"
)

// program is built once, by TestMain.
var program world.Program

// postgres is the PostgreSQL server of these tests, started by the first that needs it.
var postgres = sync.OnceValues(func() (*pgtest.Server, error) { return pgtest.Open(pgtest.Options{}) })

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	folder, err := os.MkdirTemp("", "sallyport-test-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := os.Chmod(folder, 0o755); err != nil { // another user may run the program
		return 1, err
	}
	if program, err = world.Build(folder); err != nil {
		return 1, err
	}
	needed := false
	open := postgres
	postgres = func() (*pgtest.Server, error) { needed = true; return open() }
	code = m.Run()
	if !needed {
		return code, nil
	}
	server, err := postgres()
	if err != nil {
		return code, nil // the tests have said so
	}
	return code, server.Close()
}

// database makes a fresh PostgreSQL database and returns its address.
func database(t *testing.T) string {
	t.Helper()
	server, err := postgres()
	if err != nil {
		t.Fatal(err)
	}
	dsn, err := server.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// execute runs SQL on a PostgreSQL database.
func execute(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// start starts a server that knows nothing yet.
func start(t *testing.T, settings string) *world.Server {
	t.Helper()
	return world.New(t, program, nil, settings).Start()
}

// startTeleport starts a server with a PagerDuty account and the roles of page 004.
func startTeleport(t *testing.T, settings string) *world.Server {
	t.Helper()
	s := start(t, settings)
	s.Account()
	s.Teleport()
	return s
}

// nobody is somebody else on this machine, where we are root; else it is ourselves, for whom
// permissions hold as well.
func nobody() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}
