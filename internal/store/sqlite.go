package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/sallyport/sallyport/internal/core"
)

const (
	fileName = "sallyport.db"
	// A file up to this size is read through at every start; it takes about 0.3 s per 64 MiB.
	// The header of a larger one is compared with its size.
	checkedSize  = 64 << 20
	smallestFile = 512 // SQLite's smallest page
)

// openSQLite opens the file in the data folder, for one writer and several readers.
func (s *Store) openSQLite(ctx context.Context, o Options) (err error) {
	if o.Data == "" {
		return core.Errorf(core.Invalid, "the store needs a data folder")
	}
	if s.lock, err = openFolder(o.Data); err != nil {
		return err
	}
	s.file = filepath.Join(o.Data, fileName)
	s.name = "the database " + s.file
	s.reserve.path, s.reserve.log = filepath.Join(o.Data, reserveName), s.log
	_ = os.Remove(s.reserve.path) // to open the file takes room as well; it is made again afterwards
	// Made here, so that it and the files beside it are ours alone from the start.
	f, err := os.OpenFile(s.file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open %s: %w", s.name, err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return fmt.Errorf("open %s: %w", s.name, err)
	}
	if s.opened, err = os.Stat(s.file); err != nil {
		return fmt.Errorf("open %s: %w", s.name, err)
	}
	if s.w, err = openFile(s.file, "cache_size(-16000)"); err != nil {
		return err
	}
	s.w.SetMaxOpenConns(1)
	if s.r, err = openFile(s.file, "query_only(1)"); err != nil {
		return err
	}
	s.r.SetMaxOpenConns(o.Readers)
	s.r.SetMaxIdleConns(o.Readers)
	if err := s.checkFile(ctx); err != nil {
		return err
	}
	return migrateSQLite(ctx, s.w)
}

func openFile(path string, pragmas ...string) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "journal_size_limit(67108864)",
		"temp_store(memory)", // or every savepoint copies its pages to a file: a quarter of the time of a write
	}}
	q["_pragma"] = append(q["_pragma"], pragmas...)
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	d, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	d.SetConnMaxLifetime(0)
	d.SetConnMaxIdleTime(0)
	return d, nil
}

// checkFile refuses a file that is damaged, rather than meet the damage later.
func (s *Store) checkFile(ctx context.Context) error {
	if size := s.opened.Size(); size > 0 && size < smallestFile {
		return damaged(s.name, fmt.Errorf("it has %d bytes", size)) // SQLite would begin it anew
	}
	if s.opened.Size() <= checkedSize {
		var found string
		if err := s.w.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
			return s.unavailable(fmt.Errorf("check it: %w", err))
		}
		if found != "ok" {
			return damaged(s.name, errors.New(found))
		}
		return nil
	}
	var pages, size int64
	if err := s.w.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		return s.unavailable(fmt.Errorf("check it: %w", err))
	}
	if err := s.w.QueryRowContext(ctx, "PRAGMA page_size").Scan(&size); err != nil {
		return s.unavailable(fmt.Errorf("check it: %w", err))
	}
	if wal, err := os.Stat(s.file + "-wal"); err == nil && wal.Size() > 0 {
		return nil // the file may lawfully be shorter than what it holds together with its WAL
	}
	if pages*size > s.opened.Size() {
		return damaged(s.name, fmt.Errorf("it has %d bytes and should have %d", s.opened.Size(), pages*size))
	}
	return nil
}

// checkReplaced finds out whether the file that we write is still the one that others would find.
func (s *Store) checkReplaced() error {
	now, err := os.Stat(s.file)
	if err != nil {
		return core.Errorf(core.Unavailable, "%s is gone: %w", s.name, err).
			WithHint("stop the server before you move its files")
	}
	if !os.SameFile(s.opened, now) {
		return core.Errorf(core.Unavailable, "%s was replaced while it was in use", s.name).
			WithHint("restart the server")
	}
	return nil
}
