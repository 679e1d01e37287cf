package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/store"
)

// fill lets the database grow no more. The limit goes with the connection, which is given up
// after the first write that meets it: that stands for the room that the reserve leaves.
func fill(t *testing.T, s *store.Store) {
	t.Helper()
	err := s.WriteRaw(t.Context(), func(ctx context.Context, tx any) error {
		var pages int
		if err := tx.(*sql.Tx).QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
			return err
		}
		return exec(ctx, tx, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// large writes more than a page.
func large(id string, vital bool) func(engine.Tx) error {
	return func(tx engine.Tx) error {
		if vital {
			tx.Vital()
		}
		return errors.Join(tx.Append(core.AuditEntry{Subject: id}), tx.PutRequest(core.Request{ID: id, Reason: strings.Repeat("x", 1<<20)}))
	}
}

// F009: on a full disk what ends access is written, and nothing else, until there is room.
func TestF009OnAFullDiskOnlyWhatEndsAccessIsWritten(t *testing.T) {
	data := folder(t)
	s := open(t, store.Options{Data: data})
	reserve := filepath.Join(data, "sallyport.reserve")
	wantReserve(t, s, reserve, 8<<20)

	// Something stands where the reserve would be made again: there is no room for it.
	if err := errors.Join(os.Remove(reserve), os.MkdirAll(filepath.Join(reserve, "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	fill(t, s)
	held, refused, ended := hold(s), make(chan error, 1), make(chan error, 1)
	go func() { refused <- s.Write(t.Context(), large("new", false)) }()
	go func() { ended <- s.Write(t.Context(), large("end", true)) }()
	close(held)
	wantTrouble(t, <-refused, core.Unavailable, "only ends of access are written")
	if err := <-ended; err != nil {
		t.Error(err)
	}

	wantTrouble(t, s.Write(t.Context(), request("new")), core.Unavailable, "is full")
	careless := func(tx engine.Tx) error { _ = request("new")(tx); return nil }
	wantTrouble(t, s.Write(t.Context(), careless), core.Unavailable, "is full")
	if err := s.Write(t.Context(), large("another end", true)); err != nil {
		t.Error(err)
	}
	wantTrouble(t, s.Check(t.Context()), core.Unavailable, "is full")
	wantRequests(t, s, "end", "another end")
	if n := s.Reserve(); n != 0 {
		t.Errorf("a reserve of %d bytes is said to be there", n)
	}

	if err := os.RemoveAll(reserve); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "it is written again", func() error { return s.Write(t.Context(), request("new")) })
	wantReserve(t, s, reserve, 8<<20)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	wantRequests(t, s, "end", "another end", "new")
}

// wantReserve checks that the reserve is there, and that the disk has given room for all of it.
func wantReserve(t *testing.T, s *store.Store, path string, want int64) {
	t.Helper()
	i, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if taken := i.Sys().(*syscall.Stat_t).Blocks * 512; i.Size() != want || taken < want || s.Reserve() != want {
		t.Errorf("the reserve has %d bytes, of which %d are on the disk, and is said to have %d; want %d", i.Size(), taken, s.Reserve(), want)
	}
}
