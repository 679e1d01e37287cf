package store

import (
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/sallyport/sallyport/internal/core"
)

const (
	reserveName = "sallyport.reserve"
	reserveSize = 8 << 20
	// Besides the reserve itself there must be so much room before the disk counts as no
	// longer full: the room that the reserve has just left is none.
	reserveSlack = 4 << 20
	reserveRetry = 2 * time.Second
)

// A reserve is a file that keeps room on the disk for the end of access. When the disk is full
// it is deleted, and until it can be made again only what a transaction declared to be vital
// is written, in the room that it has left.
type reserve struct {
	path  string // empty: the database is not on our disk
	log   *slog.Logger
	out   atomic.Bool // it is not there
	tried time.Time   // to make it again; the writer's
}

// open makes the reserve when the store is opened. Where there is no room the disk counts as full from the start.
func (r *reserve) open() error {
	err := r.make(0)
	if noRoom(err) {
		r.out.Store(true)
		r.log.Warn("there is no room for the reserve: until there is, only ends of access are written", "file", r.path, "bytes", reserveSize)
		return nil
	}
	return err
}

// make brings the file to its size, in blocks that are really there.
func (r *reserve) make(slack int64) error {
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(allocate(f, reserveSize+slack), f.Truncate(reserveSize), f.Close())
	if err != nil {
		_ = os.Remove(r.path) // half of it would only take room
	}
	return err
}

// occupy fills a file with what no file system stores as less than it is, unless it is that long already.
func occupy(f *os.File, size int64) error {
	if i, err := f.Stat(); err != nil || i.Size() >= size {
		return err
	}
	noise := rand.NewChaCha8([32]byte{})
	_, err := io.CopyN(f, noise, size)
	return errors.Join(err, f.Sync())
}

// give deletes the file because of an error that says that the disk is full. It reports whether
// there is room now that was not there before.
func (r *reserve) give(cause error) bool {
	if r.path == "" || !noRoom(cause) || r.out.Swap(true) {
		return false
	}
	r.tried = time.Time{}
	r.log.Error("the disk is full: the reserve was given up, and until there is room only ends of access are written", "file", r.path, "error", cause)
	if err := os.Remove(r.path); err != nil {
		r.log.Error("the reserve could not be deleted", "error", err)
	}
	return true
}

// regain makes the file again where there is room.
func (r *reserve) regain() {
	if !r.out.Load() || time.Since(r.tried) < reserveRetry {
		return
	}
	r.tried = time.Now()
	if r.make(reserveSlack) == nil {
		r.out.Store(false)
		r.log.Info("there is room on the disk again")
	}
}

// noRoom tells whether an error says that the disk is full.
func noRoom(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == lib.SQLITE_FULL || lite.Code() == lib.SQLITE_IOERR_SHMSIZE
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// full is what callers learn while the reserve is out.
func (s *Store) full() *core.Error {
	return core.Errorf(core.Unavailable, "the disk that holds %s is full: only ends of access are written", s.name).
		WithHint("make room, at least %d MiB; nothing needs to be restarted", (reserveSize+reserveSlack)>>20)
}

// Reserve returns how many bytes are kept back for ends of access when the disk is full; -1
// where the disk is not ours.
func (s *Store) Reserve() int64 {
	switch {
	case s.reserve.path == "":
		return -1
	case s.reserve.out.Load():
		return 0
	}
	return reserveSize
}
