package engine_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
	"github.com/sallyport/sallyport/internal/pgtest"
	"github.com/sallyport/sallyport/internal/store"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// firstFile is a SQLite database with the roles and users that every test begins with, made
// once: migrating and applying take far longer than copying.
var firstFile = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sallyport-engine-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(context.Background(), store.Options{Data: dir})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(begin(s), s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(dir + "/sallyport.db")
})

// begin stores the roles and users that every test begins with.
func begin(s *store.Store) error {
	items, err := manifest.Read([]byte(resources))
	if err != nil {
		return err
	}
	e := engine.New(engine.Options{Store: s, OnCall: silence{}, Clock: &turnedClock{now: firstMoment}, Jobs: &queue{}, Replica: "first"})
	_, err = e.Apply(context.Background(), admin, items, false)
	return err
}

// silence is a PagerDuty that does not answer.
type silence struct{}

func (silence) Roster(context.Context, string, time.Duration) (*core.Roster, error) {
	return nil, core.Errorf(core.Unavailable, "nobody there")
}

func (silence) AtHand(string) *core.Roster { return nil }

func openSQLite(t *testing.T) *store.Store {
	t.Helper()
	first, err := firstFile()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/sallyport.db", first, 0o600); err != nil {
		t.Fatal(err)
	}
	return openStore(t, store.Options{Data: dir})
}

// template guards the database that the test server copies new ones from.
var template struct {
	sync.Mutex
	ready bool // it has what every test begins with
}

func newPostgres(t *testing.T) (dsn string) {
	t.Helper()
	template.Lock()
	defer template.Unlock()
	if template.ready {
		return pgtest.Database(t)
	}
	u, err := url.Parse(pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/template1"
	s, err := store.Open(t.Context(), store.Options{Database: u.String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(begin(s), s.Close()); err != nil {
		t.Fatal(err)
	}
	template.ready = true
	return pgtest.Database(t)
}

func openStore(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	// The durable copies of jobs are package jobs' business; a sweep stands for them here.
	s.InsertJobs(func(context.Context, any, []core.Job) (func(), error) { return func() {}, nil })
	return s
}

// onBoth runs a story on each of the two databases.
func onBoth(t *testing.T, story func(t *testing.T, h *harness), change ...func(*engine.Options)) {
	t.Run("SQLite", func(t *testing.T) { story(t, newHarness(t, change...)) })
	t.Run("PostgreSQL", func(t *testing.T) { story(t, newHarnessOnPostgres(t, change...)) })
}

func newHarnessOnPostgres(t *testing.T, change ...func(*engine.Options)) *harness {
	t.Helper()
	t.Parallel()
	dsn := newPostgres(t)
	return newHarnessOn(t, openStore(t, store.Options{Database: dsn}), dsn, change...)
}

// replica starts another process on the same database, in the same world.
func (h *harness) replica(name string, change ...func(*engine.Options)) *harness {
	h.t.Helper()
	r := *h
	r.jobs = &queue{}
	if h.dsn != "" {
		r.store = openStore(h.t, store.Options{Database: h.dsn})
	}
	r.pd = openAccounts(h.t, &r)
	r.options.Store, r.options.OnCall, r.options.Pager = r.store, r.pd, pager{r.pd}
	r.options.Jobs, r.options.Replica = r.jobs, name
	for _, f := range change {
		f(&r.options)
	}
	r.Engine = engine.New(r.options)
	return &r
}

// process is replica with the connections of this one: cheaper, where many are needed.
func (h *harness) process(name string, change ...func(*engine.Options)) *harness {
	p := *h
	p.jobs = &queue{}
	p.options.Jobs, p.options.Replica = p.jobs, name
	for _, f := range change {
		f(&p.options)
	}
	p.Engine = engine.New(p.options)
	return &p
}
