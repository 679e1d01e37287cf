//go:build soak

// Package soak tries for a long time, and with the means of a machine's owner, to make the
// built program lose or double something: it kills it at system calls, lets the disk fail,
// fill up and dawdle, and stops the clock of one process among others.
//
// It needs Linux, root, strace and PostgreSQL's programs; "make soak" runs it.
package soak

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport/sallyport/internal/pgtest"
	"github.com/sallyport/sallyport/test/world"
)

var (
	lasts = flag.Duration("for", 2*time.Minute, "how long servers are killed at random")
	step  = flag.Int("step", 7, "strike at every so many system calls, where there are many; 1: at every one")
)

var (
	program  world.Program
	postgres *pgtest.Server
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if os.Geteuid() != 0 {
		return 1, errors.New("the soak tests need root: they mount, trace and stop")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		return 1, errors.New("the soak tests need strace: apt-get install strace")
	}
	folder, err := os.MkdirTemp("", "sallyport-soak-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if program, err = world.Build(folder); err != nil {
		return 1, err
	}
	if postgres, err = pgtest.Open(pgtest.Options{}); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, postgres.Close()) }()
	return m.Run(), nil
}

// database makes a PostgreSQL database and returns its address.
func database(t *testing.T) string {
	t.Helper()
	dsn, err := postgres.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// The logins and roles of PostgreSQL belong to the whole server.
var logins sync.Mutex

// target makes two roles on a PostgreSQL database, and returns the target that gives them.
func target(t *testing.T, prefix string) (dsn, resource string) {
	t.Helper()
	dsn = database(t)
	logins.Lock()
	defer logins.Unlock()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	statements := []string{"CREATE ROLE " + prefix + "_prod", "CREATE ROLE " + prefix + "_manual"}
	for _, login := range []string{"ann", "bob", "cy", "dee", "eve", "fay"} {
		statements = append(statements, fmt.Sprintf("DO $$ BEGIN CREATE ROLE %s LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$", login))
	}
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return dsn, fmt.Sprintf(`{kind: target, version: v1, metadata: {name: db}, spec: {connector: postgres, dsn: "env:TARGET_DSN",
  roles: [%[1]s_prod, %[1]s_manual], login: email_local, domain: example.com}}`, prefix)
}

const settings = "oncall: {max_staleness: 5s, sync_every: 1s}\n"

// prepare makes a server with the roles and the target of a ledger's work, and ends it again.
func prepare(t *testing.T, prefix, more string) *world.Server {
	t.Helper()
	dsn, resource := target(t, prefix)
	s := world.New(t, program, nil, settings+more)
	s.Env = append(s.Env, "TARGET_DSN="+dsn)
	s.Start().Work(prefix, resource)
	s.Stop()
	return s
}

// injected has the next start go through strace, which strikes at system calls. It counts
// them for every thread by itself. (With --seccomp-bpf, strace 6.1 miscounts.)
func injected(s *world.Server, calls, what string) {
	s.Around = []string{"strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=" + calls, "-e", "inject=" + calls + ":" + what}
}

// pid is the server's own, not that of strace around it.
func pid(t *testing.T, s *world.Server) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Data, "sallyport.lock"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// end ends a server behind strace.
func end(t *testing.T, s *world.Server) {
	t.Helper()
	if err := syscall.Kill(pid(t, s), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := s.Status(15 * time.Second); status != 0 {
		t.Fatalf("it ended with %d:\n%s", status, s.Log)
	}
}

// answers waits until a server that was launched answers, or is gone.
func answers(t *testing.T, s *world.Server) bool {
	t.Helper()
	up := make(chan struct{})
	ctx, stop := context.WithTimeout(t.Context(), world.Patience)
	defer stop()
	go func() {
		c := s.Client()
		defer c.Close()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			if _, err := c.Status(ctx); err == nil {
				close(up)
				return
			}
			<-tick.C
		}
	}()
	select {
	case <-up:
		return true
	case <-s.Done():
		return false
	case <-ctx.Done():
		t.Fatalf("it neither answers nor ends:\n%s", s.Log)
		return false
	}
}
