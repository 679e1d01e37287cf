package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sallyport/sallyport/internal/core"
)

// openPostgres connects to a database that several replicas may share. The writer has a
// connection of its own, so that it never waits for readers or for jobs.
func (s *Store) openPostgres(ctx context.Context, o Options) error {
	config, err := pgxpool.ParseConfig(o.Database)
	if err != nil {
		return core.Errorf(core.Invalid, "the address of the database is wrong: %w", err)
	}
	c := config.ConnConfig
	s.name = fmt.Sprintf("PostgreSQL at %s", c.Host)
	s.postgres, s.retries = true, true
	s.isolation = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	s.snapshot.Isolation = sql.LevelRepeatableRead
	c.ConnectTimeout = o.Patience
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "sallyport"
	}

	config.MaxConns = int32(o.JobConnections)
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return s.unavailable(err)
	}
	admin := stdlib.OpenDB(*c.Copy())
	defer admin.Close() //nolint:errcheck // nothing hangs on it
	if err := migratePostgres(ctx, admin, s.pool); err != nil {
		return s.unavailable(err)
	}

	// A replica that is paused inside a transaction must not hold the head of the audit
	// chain, and whoever waits for it must learn in time that it does not come.
	limited := c.Copy()
	millis := fmt.Sprint(o.Patience.Milliseconds())
	limited.RuntimeParams["statement_timeout"] = millis
	limited.RuntimeParams["idle_in_transaction_session_timeout"] = millis
	limited.RuntimeParams["lock_timeout"] = fmt.Sprint(o.Patience.Milliseconds() * 3 / 10) // three tries fit in
	s.w = stdlib.OpenDB(*limited)
	s.w.SetMaxOpenConns(1)
	s.r = stdlib.OpenDB(*limited)
	s.r.SetMaxOpenConns(o.Readers)
	s.r.SetMaxIdleConns(o.Readers)
	return nil
}

// A joinedTx lets River write in a transaction that database/sql holds. Its end is not
// River's to decide.
type joinedTx struct{ c *pgx.Conn }

var errNotYours = errors.New("the transaction belongs to the store")

func (joinedTx) Begin(context.Context) (pgx.Tx, error) { return nil, errNotYours }
func (joinedTx) Commit(context.Context) error          { return errNotYours }
func (joinedTx) Rollback(context.Context) error        { return errNotYours }
func (joinedTx) LargeObjects() pgx.LargeObjects        { return pgx.LargeObjects{} }
func (t joinedTx) Conn() *pgx.Conn                     { return t.c }

func (t joinedTx) Exec(ctx context.Context, text string, args ...any) (pgconn.CommandTag, error) {
	return t.c.Exec(ctx, text, args...)
}

func (t joinedTx) Query(ctx context.Context, text string, args ...any) (pgx.Rows, error) {
	return t.c.Query(ctx, text, args...)
}

func (t joinedTx) QueryRow(ctx context.Context, text string, args ...any) pgx.Row {
	return t.c.QueryRow(ctx, text, args...)
}

func (t joinedTx) Prepare(ctx context.Context, name, text string) (*pgconn.StatementDescription, error) {
	return t.c.Prepare(ctx, name, text)
}

func (t joinedTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.c.SendBatch(ctx, b)
}

func (t joinedTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	return t.c.CopyFrom(ctx, table, columns, rows)
}
