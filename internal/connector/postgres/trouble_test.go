package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pgtest"
)

// isAlive reports whether a session is still there.
func isAlive(t *testing.T, c *pgx.Conn) bool {
	t.Helper()
	_, err := c.Exec(t.Context(), "SELECT 1")
	return err == nil
}

func TestRevokeEndsTheSessionsOfThatLoginOnly(t *testing.T) {
	s := newServer(t)
	p := s.open(nil)
	if err := p.Grant(t.Context(), on("ann", "payments")); err != nil {
		t.Fatal(err)
	}
	idle, inRole, busy, bobs := s.connect("ann"), s.connect("ann"), s.connect("ann"), s.connect("bob")
	if _, err := inRole.Exec(t.Context(), "SET ROLE payments"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := busy.Exec(t.Context(), "SELECT pg_sleep(60)")
		ended <- err
	}()
	if err := p.Revoke(t.Context(), on("ann", "payments")); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; sqlState(err) != "57P01" {
		t.Errorf("the busy session ended with %v", err)
	}
	if isAlive(t, idle) || isAlive(t, inRole) {
		t.Error("a session of ann is still there")
	}
	if !isAlive(t, bobs) {
		t.Error("bob's session is gone")
	}
	if again := s.connect("ann"); !isAlive(t, again) {
		t.Error("ann cannot log in any more, which nobody asked for")
	} else if _, err := again.Exec(t.Context(), "SET ROLE payments"); sqlState(err) != "42501" {
		t.Errorf("in a new session the role answers %v", err)
	}
}

func TestRevokeEndsSessionsThatAnInterruptedOneLeft(t *testing.T) {
	s := newServer(t)
	p := s.open(nil)
	s.change("ann", "payments", true)
	session := s.connect("ann")
	if _, err := session.Exec(t.Context(), "SET ROLE payments"); err != nil {
		t.Fatal(err)
	}
	s.change("ann", "payments", false) // the first half of a revoke
	if err := p.Revoke(t.Context(), on("ann", "payments")); err != nil {
		t.Fatal(err)
	}
	if isAlive(t, session) {
		t.Error("the session keeps the role")
	}
}

func TestALackOfRightsIsRefusedWithTheGrantThatMendsIt(t *testing.T) {
	s := newServer(t)
	s.exec(`ALTER ROLE sallyport NOCREATEROLE; REVOKE pg_signal_backend FROM sallyport`)
	p := s.open(nil)
	wantHint := func(err error, hint string) {
		t.Helper()
		var shown *core.Error
		if !errors.As(err, &shown) || shown.Kind != core.Refused || !strings.Contains(shown.Hint, hint) {
			t.Errorf("got %+v, want the hint %s", shown, hint)
		}
	}
	admin := `GRANT "payments" TO "sallyport" WITH ADMIN OPTION`
	wantHint(p.Grant(t.Context(), on("ann", "payments")), admin)
	s.change("ann", "payments", true)
	wantHint(p.Revoke(t.Context(), on("ann", "payments")), admin)
	s.exec(admin)
	s.connect("ann")
	signal := `GRANT "pg_signal_backend" TO "sallyport"`
	wantHint(p.Revoke(t.Context(), on("ann", "payments")), signal)
	s.exec(signal)
	if err := p.Revoke(t.Context(), on("ann", "payments")); err != nil {
		t.Errorf("with both rights: %v", err)
	}
}

func TestAServerThatIsDownIsUnavailableAndHeals(t *testing.T) {
	down, err := pgtest.Open(pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := down.Close(); err != nil {
			t.Error(err)
		}
	})
	s := at(t, down.DSN("postgres"))
	s.exec("CREATE ROLE sallyport LOGIN SUPERUSER; CREATE ROLE ann LOGIN; CREATE ROLE payments")
	p := s.open(nil)
	if err := p.Grant(t.Context(), on("ann", "payments")); err != nil {
		t.Fatal(err)
	}
	if err := down.Stop(); err != nil {
		t.Fatal(err)
	}
	_, hasErr := p.Has(t.Context(), on("ann", "payments"))
	_, listErr := p.List(t.Context())
	for _, err := range []error{hasErr, listErr, p.Grant(t.Context(), on("ann", "payments")), p.Revoke(t.Context(), on("ann", "payments"))} {
		wantKind(t, err, core.Unavailable, "refused")
	}
	if err := down.Start(); err != nil {
		t.Fatal(err)
	}
	if err := p.Revoke(t.Context(), on("ann", "payments")); err != nil || s.shows("ann", "payments") {
		t.Errorf("healed: %v", err)
	}
}

func TestTheFirstCallAfterARestartWorks(t *testing.T) {
	s := newServer(t)
	p := s.open(nil)
	e := on("ann", "payments")
	for range 3 {
		if err := p.Grant(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		pgtest.Restart(t) // every pooled connection is dead now
		if has, err := p.Has(t.Context(), e); err != nil || !has {
			t.Errorf("has: %v, %v", has, err)
		}
		pgtest.Restart(t)
		if err := p.Revoke(t.Context(), e); err != nil || s.shows("ann", "payments") {
			t.Errorf("revoke: %v", err)
		}
	}
}

func TestAServerThatSaysNothingKeepsNobodyWaiting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts; nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := Open(core.Target{Name: "db", Settings: map[string]any{"dsn": "secret:pg", "roles": []any{"payments"}}},
		says("postgres://sallyport@"+l.Addr().String()+"/db?sslmode=disable"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	wantKind(t, p.Revoke(ctx, on("ann", "payments")), core.Unavailable, "deadline exceeded")
	if took := time.Since(began); took > timeout/2 {
		t.Errorf("with 50 ms of patience it took %v", took)
	}
	began = time.Now()
	wantKind(t, p.Revoke(t.Context(), on("ann", "payments")), core.Unavailable, "db")
	if took := time.Since(began); took > timeout+time.Second {
		t.Errorf("without a deadline of the caller's it took %v", took)
	}
}

func TestAccessEndsEvenWhenEveryConnectionIsTaken(t *testing.T) {
	s := newServer(t)
	p := s.open(nil)
	e := on("ann", "payments")
	if err := p.Grant(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	reserved := time.NewTicker(time.Millisecond)
	defer reserved.Stop()
	patience := time.After(10 * time.Second)
	for p.revokes.Stat().IdleConns() == 0 { // it is opened without being asked for
		select {
		case <-patience:
			t.Fatal("no connection was reserved")
		case <-reserved.C:
		}
	}
	for range maxConns { // our own calls are as many as they can be
		c, err := p.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Release()
	}
	for {
		c, err := pgx.Connect(t.Context(), s.as("bob"))
		if sqlState(err) == "53300" {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close(context.Background()) }) // the server ends what is left
	}
	began := time.Now()
	if err := p.Revoke(t.Context(), e); err != nil || time.Since(began) > time.Second {
		t.Errorf("revoke: %v after %v", err, time.Since(began))
	}
	if s.shows("ann", "payments") {
		t.Error("the access is still there")
	}
	other, err := Open(core.Target{Name: "db", Settings: map[string]any{"dsn": "env:DSN", "roles": []any{"payments"}}}, says(s.as("sallyport")))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	wantKind(t, other.Grant(t.Context(), e), core.Unavailable, "53300")
}

func TestAChangedCredentialIsUsedForTheNextConnection(t *testing.T) {
	s := newServer(t)
	dsn := make(chan string, 1)
	dsn <- s.as("nobody")
	p, err := Open(core.Target{Name: "db", Settings: map[string]any{"dsn": "secret:pg", "roles": []any{"payments"}}},
		func(context.Context, core.SecretRef) (string, error) {
			now := <-dsn
			dsn <- now
			return now, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	wantKind(t, p.Grant(t.Context(), on("ann", "payments")), core.Unavailable, "nobody")
	<-dsn
	dsn <- s.as("sallyport")
	if err := p.Grant(t.Context(), on("ann", "payments")); err != nil {
		t.Error(err)
	}
}

func TestACredentialIsNeverRepeated(t *testing.T) {
	for _, dsn := range []string{
		"postgres://sallyport:hunter2@127.0.0.1:port/db", "postgres://sallyport:hunter2@127.0.0.1:1/db?sslmode=disable",
		"host=127.0.0.1 port=1 password=hunter2 sslmode=never", "hunter2", "postgres://u:hunter2@h:1/%zz", "password='hunter2", "",
	} {
		p, err := Open(core.Target{Name: "db", Settings: map[string]any{"dsn": "secret:pg", "roles": []any{"payments"}}}, says(dsn))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Has(t.Context(), on("ann", "payments"))
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)), "hunter2") {
			t.Errorf("it says %v", err)
		}
		if printed := fmt.Sprintf("%+v", p.config); strings.Contains(printed, "hunter2") {
			t.Errorf("it prints as %s", printed)
		}
		p.Close()
	}
}

func TestAnUnresolvedCredentialIsUnavailable(t *testing.T) {
	p, err := Open(core.Target{Name: "db", Settings: map[string]any{"dsn": "env:NOT_THERE", "roles": []any{"payments"}}},
		func(context.Context, core.SecretRef) (string, error) { return "", errors.New("the vault is sealed") })
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	wantKind(t, p.Revoke(t.Context(), on("ann", "payments")), core.Unavailable, "resolve env:NOT_THERE: the vault is sealed")
}
