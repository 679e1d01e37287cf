package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver that the store uses

	"github.com/sallyport/sallyport/internal/store"
)

// A bare is the peer of P2: the rows of requests that a server has written, and an empty
// database of the same schema to write them into once more.
type bare struct {
	db         *sql.DB
	requests   []row
	reviews    []row
	roles      []row // grants of a role itself
	grants     []row // grants on the target
	holdings   []row
	audit      [3][]row // by the transaction that wrote them
	statements int      // executed by write
}

type row []any

// columns are named where the order matters to the statements below.
const (
	requestColumns = "id, user_name, author, state, created_at, expires_at, body"
	grantColumns   = "id, ordinal, request_id, user_name, target, name, state, duration, not_before, starts_at, ends_at, ended_at, end_cause, ended_by, until_off_call, off_call_at, first_at, error, rule"
	reviewColumns  = "request_id, author, position, human, state, reason, created_at, counts_for"
	holdingColumns = "user_name, target, name, fresh, pre_existing, owner, owned_until, retry_at, failures, error"
	auditColumns   = "seq, at, actor, via, action, subject, detail, prev, hash"
)

// openBare reads the newest n requests of a data folder, with all that came of them.
func openBare(ctx context.Context, data string, l *lab, n int) (*bare, error) {
	from, err := openSQLite(data)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	b := &bare{}
	of := func(columns, table, key, where string) string {
		newest := fmt.Sprintf("(SELECT id AS newest, created_at AS born FROM request ORDER BY created_at DESC, id DESC LIMIT %d)", n)
		return fmt.Sprintf("SELECT %s FROM %s JOIN %s ON newest = %s %s ORDER BY born, newest", columns, table, newest, key, where)
	}
	for _, q := range []struct {
		to   *[]row
		text string
	}{
		{&b.requests, of(requestColumns, "request", "id", "")},
		{&b.reviews, of(reviewColumns, "review", "request_id", "")},
		{&b.roles, of(grantColumns, "access_grant", "request_id", "WHERE target = 'role'")},
		{&b.grants, of(grantColumns, "access_grant", "request_id", "WHERE target = 'memory'")},
		{&b.holdings, fmt.Sprintf("SELECT "+holdingColumns+" FROM holding ORDER BY rowid DESC LIMIT %d", n)},
		{&b.audit[0], audited("action IN ('access_request.create', 'access_request.review', 'access_request.decide') OR action = 'grant.activate' AND detail LIKE '%\"role/%'", 4*n)},
		{&b.audit[1], audited("action = 'entitlement.give'", n)},
		{&b.audit[2], audited("action = 'grant.activate' AND detail NOT LIKE '%\"role/%'", n)},
	} {
		if *q.to, err = rowsOf(ctx, from, q.text); err != nil {
			return nil, err
		}
	}
	if len(b.reviews) != n || len(b.roles) != n || len(b.grants) != n || len(b.holdings) != n || len(b.audit[0]) != 4*n {
		return nil, fmt.Errorf("not every one of %d requests was approved and given: %d reviews, %d and %d grants", n, len(b.reviews), len(b.roles), len(b.grants))
	}
	to, err := l.folder()
	if err != nil {
		return nil, err
	}
	empty, err := store.Open(ctx, store.Options{Data: to})
	if err != nil {
		return nil, err
	}
	if err := empty.Close(); err != nil {
		return nil, err
	}
	b.db, err = openSQLite(to)
	return b, err
}

func audited(which string, n int) string {
	return fmt.Sprintf("SELECT %s FROM audit WHERE %s ORDER BY seq DESC LIMIT %d", auditColumns, which, n)
}

// openSQLite opens a data folder as the store does.
func openSQLite(data string) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "journal_size_limit(67108864)",
		"temp_store(memory)", "cache_size(-16000)",
	}}
	u := url.URL{Scheme: "file", Path: filepath.Join(data, "sallyport.db"), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

func rowsOf(ctx context.Context, db *sql.DB, text string) ([]row, error) {
	found, err := db.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		return nil, err
	}
	var out []row
	for found.Next() {
		r := make(row, len(columns))
		to := make([]any, len(columns))
		for i := range r {
			to[i] = &r[i]
		}
		if err := found.Scan(to...); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, found.Err()
}
