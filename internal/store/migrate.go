package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/sallyport/sallyport/internal/core"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock under which replicas that start together migrate one
// after the other. The number means nothing; it must only stay the same.
const migrationLock = 7_255_918_330_467

// migrateSQLite brings the schema up to date, our own and River's.
func migrateSQLite(ctx context.Context, d *sql.DB) error {
	if err := migrate(ctx, d, goose.DialectSQLite3, migrations); err != nil {
		return err
	}
	return migrateJobs(ctx, riversqlite.New(d))
}

// migratePostgres does the same on PostgreSQL, under a lock. It has a connection of its
// own, because a migration may take longer than a statement is otherwise allowed to.
func migratePostgres(ctx context.Context, d *sql.DB, pool *pgxpool.Pool) error {
	conn, err := d.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close() //nolint:errcheck // the lock ends with the connection
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return fmt.Errorf("wait for other replicas to migrate: %w", err)
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrationLock) //nolint:errcheck // see above
	if err := migrate(ctx, d, goose.DialectPostgres, migrations); err != nil {
		return err
	}
	return migrateJobs(ctx, riverpgxv5.New(pool))
}

// migrate runs the migrations of a folder that have not run yet, each in one transaction.
// It refuses a schema that is newer than the newest of them.
func migrate(ctx context.Context, d *sql.DB, dialect goose.Dialect, folder fs.FS) error {
	files, err := fs.Sub(folder, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, d, files, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	there, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the schema: %w", err)
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; there > newest {
		return core.Errorf(core.Conflict, "the database was written by a newer Sallyport: its schema is version %d, and this program knows versions up to %d", there, newest).
			WithHint("start the newer program again, or restore a backup that was made before it first ran")
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func migrateJobs[T any](ctx context.Context, driver riverdriver.Driver[T]) error {
	m, err := rivermigrate.New(driver, nil)
	if err != nil {
		return fmt.Errorf("read the migrations of jobs: %w", err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate jobs: %w", err)
	}
	return nil
}
