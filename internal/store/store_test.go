package store_test

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/jobs"
	"github.com/sallyport/sallyport/internal/pgtest"
	"github.com/sallyport/sallyport/internal/store"
	"github.com/sallyport/sallyport/internal/store/storetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var _ engine.Store = (*store.Store)(nil)

// databases are the two kinds of options a store may be opened with.
var databases = []struct {
	name    string
	options func(t testing.TB) store.Options
}{
	{"sqlite", func(t testing.TB) store.Options { return store.Options{Data: folder(t)} }},
	{"postgres", func(t testing.TB) store.Options { return store.Options{Database: pgtest.Database(t)} }},
}

// migrated is an empty database. Migrating takes most of the time of a small test.
var migrated = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "sallyport-store-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	s, err := store.Open(context.Background(), store.Options{Data: folder})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(folder, "sallyport.db"))
})

// folder returns a data folder with an empty database.
func folder(t testing.TB) string {
	t.Helper()
	empty, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "sallyport.db"), empty, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// onEach runs a test on each database.
func onEach(t *testing.T, test func(t *testing.T, o store.Options)) {
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) { test(t, d.options(t)) })
	}
}

// open opens a store whose jobs go to River's tables and are not run.
func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := jobs.New(jobs.Options{Store: s}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	run := func(t *testing.T, options func(t *testing.T) store.Options) {
		storetest.Run(t, func(t *testing.T) storetest.Subject {
			s := open(t, options(t))
			return storetest.Subject{Store: s, Jobs: func(t testing.TB) []core.Job { return unfinished(t, s) }}
		})
	}
	t.Run("sqlite", func(t *testing.T) {
		run(t, func(t *testing.T) store.Options { return store.Options{Data: folder(t)} })
	})
	t.Run("postgres", func(t *testing.T) {
		original := pgtest.Database(t)
		if err := open(t, store.Options{Database: original}).Close(); err != nil {
			t.Fatal(err)
		}
		run(t, func(t *testing.T) store.Options { return store.Options{Database: copyOf(t, original)} })
	})
}

// copyOf copies a database, which takes a tenth of the time of migrating one.
func copyOf(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	original := strings.TrimPrefix(u.Path, "/")
	name := original + "_copy"
	u.Path = "/postgres"
	admin := session(t, u.String())
	if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+original); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

// unfinished reads River's jobs.
func unfinished(t testing.TB, s *store.Store) (out []core.Job) {
	t.Helper()
	lite, pool := s.Handles()
	add := func(kind string, text []byte) {
		var args struct{ IDs []string }
		if err := json.Unmarshal(text, &args); err != nil {
			t.Fatal(err)
		}
		for _, id := range args.IDs {
			out = append(out, core.Job{Kind: core.JobKind(kind), ID: id})
		}
	}
	var err error
	if lite != nil {
		err = eachRowSQLite(t.Context(), s, add)
	} else {
		err = eachRowPostgres(t.Context(), pool, add)
	}
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(out, func(a, b core.Job) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	return out
}

func eachRowSQLite(ctx context.Context, s *store.Store, add func(string, []byte)) error {
	lite, _ := s.Handles()
	rows, err := lite.QueryContext(ctx, "SELECT kind, json(args) FROM river_job WHERE finalized_at IS NULL")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var kind string
		var text []byte
		if err := rows.Scan(&kind, &text); err != nil {
			return err
		}
		add(kind, text)
	}
	return rows.Err()
}

func eachRowPostgres(ctx context.Context, pool *pgxpool.Pool, add func(string, []byte)) error {
	rows, err := pool.Query(ctx, "SELECT kind, args FROM river_job WHERE finalized_at IS NULL")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var kind string
		var text []byte
		if err := rows.Scan(&kind, &text); err != nil {
			return err
		}
		add(kind, text)
	}
	return rows.Err()
}

// within returns a context that ends the wait, not the test, if something hangs.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
