package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/sallyport/sallyport/internal/core"
)

// A verdict says what an error of the database means for the transaction it came up in.
type verdict int

const (
	// theirs: one function gave the database something that it refuses. It alone fails.
	theirs verdict = iota
	// again: the transaction is lost and may be tried again.
	again
	// broken: the database cannot be written or read now; the connection is given up.
	broken
)

// judge tells what an error of the database means.
func judge(err error) verdict {
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg):
		return judgePostgres(pg.Code)
	case errors.As(err, &lite):
		return judgeSQLite(lite.Code())
	case lostConnection(err):
		return again
	}
	return theirs
}

// judgePostgres goes by SQLSTATE (PostgreSQL manual, appendix A).
func judgePostgres(code string) verdict {
	switch code {
	case "40001", "40P01", // serialization failure, deadlock
		"55P03", "57014", // lock or statement timeout
		"25P03",                            // we were paused inside the transaction
		"57P01", "57P02", "57P03", "57P05", // the server goes down or comes up
		"25006", // the server became a standby
		"53300": // too many connections
		return again
	}
	switch code[:min(2, len(code))] {
	case "08": // the connection is lost
		return again
	case "53", "58", "XX": // no disk or memory, I/O error, internal error
		return broken
	}
	return theirs
}

// judgeSQLite goes by primary result code (sqlite.org/rescode.html). Those that may end
// the whole transaction by themselves (lang_transaction.html, section 3) are broken.
func judgeSQLite(code int) verdict {
	switch code & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return again
	case lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_NOMEM, lib.SQLITE_INTERRUPT, lib.SQLITE_READONLY,
		lib.SQLITE_CANTOPEN, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_PROTOCOL:
		return broken
	}
	return theirs
}

func lostConnection(err error) bool {
	var net net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &net) || errors.As(err, &connect) || pgconn.Timeout(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "connection is already closed")
}

// unavailable is what callers learn when the database fails.
func (s *Store) unavailable(err error) error {
	var known *core.Error
	if errors.As(err, &known) {
		return err
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
			return damaged(s.name, err)
		case lib.SQLITE_FULL:
			return core.Errorf(core.Unavailable, "the disk that holds %s is full: %w", s.name, err).
				WithHint("make room; nothing needs to be restarted")
		}
	}
	return core.Errorf(core.Unavailable, "%s does not answer: %w", s.name, err).
		WithHint("nothing was changed; try again in a few seconds")
}

// damaged says that a SQLite file cannot be trusted any more, and what to do.
func damaged(name string, err error) error {
	return core.Errorf(core.Internal, "%s is damaged: %w", name, err).
		WithHint("keep a copy of it and of the -wal file beside it, then put the newest backup in their place")
}
