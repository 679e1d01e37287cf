package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sallyport/sallyport/internal/core"
)

// maxConns is how many connections a pool opens at most.
const maxConns = 4

// newPool makes a pool that resolves the credential whenever it dials.
func (t *Target) newPool() (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig("") // a stand-in until the credential is resolved
	if err != nil {
		return nil, core.Errorf(core.Invalid, "target %s: the environment's settings for PostgreSQL are wrong: %w", t.name, err)
	}
	cfg.MaxConns, cfg.MinConns = maxConns, 1
	cfg.HealthCheckPeriod = 5 * time.Second    // how soon the one that is kept comes back
	cfg.MaxConnLifetime = 365 * 24 * time.Hour // giving one up is a risk when all are taken
	cfg.MaxConnIdleTime = 30 * time.Minute
	cfg.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error {
		dsn, err := t.secret(ctx, t.dsn)
		if err != nil {
			return core.Errorf(core.Unavailable, "target %s: resolve %s: %w", t.name, t.dsn, err)
		}
		fresh, err := t.parse(dsn)
		if err == nil {
			*c = *fresh
		}
		return err
	}
	return pgxpool.NewWithConfig(context.Background(), cfg)
}

// parse reads a DSN. Its error never repeats the DSN, which holds a password.
func (t *Target) parse(dsn string) (*pgx.ConnConfig, error) {
	cfg, err := pgxpool.ParseConfig(dsn) // pgxpool's reader knows pool_ parameters and takes them out
	if err != nil || strings.TrimSpace(dsn) == "" {
		return nil, core.Errorf(core.Invalid, "target %s: what %s holds is not the address of a PostgreSQL database", t.name, t.dsn).
			WithHint("it looks like postgres://LOGIN:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full")
	}
	c := cfg.ConnConfig
	c.ConnectTimeout = timeout
	c.RuntimeParams["application_name"] = "sallyport"
	c.DefaultQueryExecMode = pgx.QueryExecModeExec // nothing prepared stays behind: poolers in between are fine
	return c, nil
}

// use runs fn on a connection. All that fn does may be done again, so what a dead
// connection or a rival transaction spoiled is tried again at once.
func (t *Target) use(ctx context.Context, pool *pgxpool.Pool, fn func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var err error
	for range maxConns + 1 { // each try uses up one dead connection
		err = pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return fn(ctx, c.Conn()) })
		if ctx.Err() != nil || !isBroken(err) && !isRivalry(err) {
			return err
		}
	}
	return err
}

// isBroken reports whether a connection that worked before has died.
func isBroken(err error) bool {
	var dial *pgconn.ConnectError
	var shown *core.Error
	if err == nil || errors.As(err, &dial) || errors.As(err, &shown) {
		return false
	}
	code := sqlState(err)
	return code == "" || strings.HasPrefix(code, "57P") || strings.HasPrefix(code, "08")
}

// isRivalry reports whether somebody changed the same membership at the same time.
func isRivalry(err error) bool {
	switch code := sqlState(err); code {
	case "23505", "40001", "40P01":
		return true
	case "XX000":
		return strings.Contains(err.Error(), "concurrently")
	}
	return false
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// explain turns what PostgreSQL or the network said into words for people.
func (t *Target) explain(err error) error {
	var shown *core.Error
	var dial *pgconn.ConnectError
	if err == nil {
		return nil
	}
	if errors.As(err, &shown) {
		return shown
	}
	kind := core.Internal
	switch code := sqlState(err); {
	case errors.As(err, &dial), code == "", isRivalry(err), isTransient(code):
		kind = core.Unavailable
	case code == "42704": // dropped since we looked
		kind = core.NotFound
	case code == "42501", code == "0LP01": // no right to; a role would be a member of itself
		kind = core.Refused
	}
	return core.Errorf(kind, "target %s: %w", t.name, err)
}

// isTransient reports whether a state of PostgreSQL may pass by itself.
func isTransient(code string) bool {
	passing := []string{
		"08",    // connection trouble
		"25006", // read-only: a standby, until the failover is over
		"53",    // too few resources: 53300 is too many connections
		"55P03", // a lock was not to be had in time
		"57",    // shutting down, starting up, cancelled
		"58",    // trouble of its disk
	}
	return slices.ContainsFunc(passing, func(p string) bool { return strings.HasPrefix(code, p) })
}
