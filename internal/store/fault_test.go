package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pgtest"
	"github.com/sallyport/sallyport/internal/store"
)

// wantTrouble checks that an error may be shown to people: its kind, a word of what it
// says, and that it says what to do.
func wantTrouble(t *testing.T, err error, kind core.Kind, text string) {
	t.Helper()
	var e *core.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a core.Error", err)
	}
	if e.Kind != kind || !strings.Contains(e.Msg, text) || e.Hint == "" {
		t.Errorf("got %s: %q (hint %q), want %s with %q and a hint", e.Kind, e.Msg, e.Hint, kind, text)
	}
}

func request(id string) func(engine.Tx) error {
	return func(tx engine.Tx) error {
		return errors.Join(tx.PutRequest(core.Request{ID: id}), tx.Append(core.AuditEntry{Subject: id}))
	}
}

// wantRequests checks what is there, and the audit chain with it.
func wantRequests(t *testing.T, s *store.Store, want ...string) {
	t.Helper()
	err := s.Read(t.Context(), func(v engine.View) error {
		entries, err := v.Audit(0, 0)
		if err != nil {
			return err
		}
		if err := core.VerifyChain(entries...); err != nil || len(entries) != len(want) {
			t.Errorf("%d audit entries, want %d; chain: %v", len(entries), len(want), err)
		}
		for _, id := range want {
			if _, err := v.Request(id); err != nil {
				t.Error(err)
			}
		}
		all, err := v.Requests(engine.RequestQuery{})
		if len(all) != len(want) {
			t.Errorf("%d requests, want %v", len(all), want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// F015.
func TestASecondServerIsTurnedAway(t *testing.T) {
	o := store.Options{Data: filepath.Join(t.TempDir(), "data")}
	first := open(t, o)
	_, err := store.Open(t.Context(), o)
	wantTrouble(t, err, core.Conflict, fmt.Sprintf("process %d", os.Getpid()))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, o)
}

func TestNobodyElseCanReadTheData(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, store.Options{Data: folder})
	if err := s.Write(t.Context(), request("r1")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(folder)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the data folder has mode %v (%v)", info.Mode(), err)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) < 4 { // the database, its WAL and index, the lock
		t.Fatalf("files: %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v)", f.Name(), info.Mode(), err)
		}
	}
}

// F018.
func TestANewerSchemaIsRefused(t *testing.T) {
	const later = "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)"
	t.Run("sqlite", func(t *testing.T) {
		o := store.Options{Data: t.TempDir()}
		s := open(t, o)
		lite, _ := s.Handles()
		if _, err := lite.Exec(later); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(t.Context(), o)
		wantTrouble(t, err, core.Conflict, "newer Sallyport")
	})
	t.Run("postgres", func(t *testing.T) {
		o := store.Options{Database: pgtest.Database(t)}
		_, pool := open(t, o).Handles()
		if _, err := pool.Exec(t.Context(), later); err != nil {
			t.Fatal(err)
		}
		_, err := store.Open(t.Context(), o)
		wantTrouble(t, err, core.Conflict, "newer Sallyport")
	})
}

func TestReplicasMayStartTogether(t *testing.T) {
	o := store.Options{Database: pgtest.Database(t)}
	outcomes := make(chan error, 3)
	for range cap(outcomes) {
		go func() {
			s, err := store.Open(context.Background(), o)
			if err == nil {
				err = s.Close()
			}
			outcomes <- err
		}()
	}
	for range cap(outcomes) {
		if err := <-outcomes; err != nil {
			t.Error(err)
		}
	}
}

// F014.
func TestADamagedFileIsRefused(t *testing.T) {
	folder := t.TempDir()
	s := open(t, store.Options{Data: folder})
	for i := range 200 {
		if err := s.Write(t.Context(), func(tx engine.Tx) error { return tenRows(tx, fmt.Sprint(i)) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(folder, "sallyport.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"truncated":      func(b []byte) []byte { return b[:len(b)/2/4096*4096] },
		"cut in a page":  func(b []byte) []byte { return b[:len(b)/2+100] },
		"another header": func(b []byte) []byte { return append([]byte("not a database at all"), b[21:]...) },
		"torn page":      func(b []byte) []byte { clear(b[5*4096 : 6*4096]); return b },
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "sallyport.db"), damage(append([]byte(nil), whole...)), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := store.Open(t.Context(), store.Options{Data: folder})
			wantTrouble(t, err, core.Internal, "is damaged")
		})
	}
}

// F012.
func TestAFileThatIsReplacedIsNoticed(t *testing.T) {
	folder := folder(t)
	s := open(t, store.Options{Data: folder})
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "sallyport.db")
	if err := os.Rename(file, file+".old"); err != nil {
		t.Fatal(err)
	}
	wantTrouble(t, s.Check(t.Context()), core.Unavailable, "is gone")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantTrouble(t, s.Check(t.Context()), core.Unavailable, "was replaced")
}

// exec runs SQL inside a write.
func exec(ctx context.Context, tx any, text string) error {
	if lite, ok := tx.(*sql.Tx); ok {
		_, err := lite.ExecContext(ctx, text)
		return err
	}
	_, err := tx.(pgx.Tx).Exec(ctx, text)
	return err
}

// A statement that the database refuses spoils the write it is in and no other, even if
// that write does not care.
func TestARefusedStatementSpoilsOnlyItsWrite(t *testing.T) {
	onEach(t, func(t *testing.T, o store.Options) {
		s := open(t, o)
		bad := func() error {
			return s.WriteRaw(t.Context(), func(ctx context.Context, tx any) error {
				_ = exec(ctx, tx, "INSERT INTO revision (id, number) VALUES (2, 0)")
				return exec(ctx, tx, "INSERT INTO revision (id, number) VALUES (2, 0)")
			})
		}
		if err := bad(); err == nil {
			t.Error("a refused statement was no error")
		}
		held, outcomes := hold(s), make(chan error, 3)
		go func() { outcomes <- s.Write(t.Context(), request("r1")) }()
		go func() {
			if bad() == nil {
				t.Error("a refused statement was no error")
			}
			outcomes <- nil
		}()
		go func() { outcomes <- s.Write(t.Context(), request("r2")) }()
		close(held)
		for range 3 {
			if err := <-outcomes; err != nil {
				t.Error(err)
			}
		}
		wantRequests(t, s, "r1", "r2")
	})
}

// hold keeps the writer busy until the channel is closed, so that writes form a group.
func hold(s *store.Store) chan<- struct{} {
	busy, release := make(chan struct{}), make(chan struct{})
	go s.Write(context.Background(), func(engine.Tx) error { //nolint:errcheck // it writes nothing
		close(busy)
		<-release
		return nil
	})
	<-busy
	return release
}

func TestTheWriterOutlivesAFunctionThatEndsItsGoroutine(t *testing.T) {
	s := open(t, store.Options{Data: folder(t)})
	if err := s.Write(t.Context(), func(tx engine.Tx) error { runtime.Goexit(); return nil }); err == nil {
		t.Error("a function that never returned was no error")
	}
	if err := s.Write(t.Context(), request("r1")); err != nil {
		t.Error(err)
	}
	wantRequests(t, s, "r1")
}

func TestAClosedStoreRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, o store.Options) {
		s := open(t, o)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), request("r1")); core.KindOf(err) != core.Unavailable {
			t.Errorf("write: %v", err)
		}
		if err := s.Read(t.Context(), func(engine.View) error { return nil }); core.KindOf(err) != core.Unavailable {
			t.Errorf("read: %v", err)
		}
	})
}

// F010, as far as SQL can bring it about: the commit itself fails.
func TestAFailedCommitFailsEverybodyAndIsSurvived(t *testing.T) {
	s := open(t, store.Options{Data: folder(t)})
	held, outcomes := hold(s), make(chan error, 2)
	go func() { outcomes <- s.Write(t.Context(), request("r1")) }()
	go func() {
		outcomes <- s.WriteRaw(t.Context(), func(ctx context.Context, tx any) error {
			// A foreign key that is checked at the commit only.
			return errors.Join(exec(ctx, tx, "PRAGMA defer_foreign_keys = ON"),
				exec(ctx, tx, "INSERT INTO note (incident_id, seq, text, tried, posted) VALUES ('nobody', 1, '', false, false)"))
		})
	}()
	close(held)
	failed := 0
	for range 2 {
		if err := <-outcomes; err != nil {
			wantTrouble(t, err, core.Unavailable, "could not keep a change")
			failed++
		}
	}
	if err := s.Write(t.Context(), request("r2")); err != nil {
		t.Fatal(err)
	}
	if failed == 2 { // they shared a transaction, as they nearly always do
		wantRequests(t, s, "r2")
	} else {
		wantRequests(t, s, "r1", "r2")
	}
}

// F009: the disk is full, and then it is not.
func TestAFullDiskIsSurvived(t *testing.T) {
	s := open(t, store.Options{Data: folder(t)})
	fill(t, s)
	big := large("big", false)
	wantTrouble(t, s.Write(t.Context(), big), core.Unavailable, "is full")
	wantRequests(t, s)
	// The connection was given up with its limit; that stands for room on the disk.
	if err := s.Write(t.Context(), big); err != nil {
		t.Fatal(err)
	}
	wantRequests(t, s, "big")
}

func eventually(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
		runtime.Gosched()
	}
}
