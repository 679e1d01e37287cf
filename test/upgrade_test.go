package test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/test/world"
)

// F029: while a newer release is rolled out, it has widened the schema under servers of this
// one, which go on with their work. (There is one release so far, so its successor is played:
// columns and tables more than this one knows, and a later version.)
func TestF029ServersGoOnWhenANewerReleaseHasWidenedTheSchema(t *testing.T) {
	t.Parallel()
	dsn, resource := target(t, "widened")
	shared := database(t)
	settings := "oncall: {max_staleness: 5s, sync_every: 1s}\ndatabase: " + shared
	pd := world.Simulate(t)
	var servers []*world.Server
	for range 2 {
		s := world.New(t, program, pd, settings)
		s.Env = append(s.Env, "TARGET_DSN="+dsn)
		servers = append(servers, s.Start())
	}
	servers[0].Work("widened", resource)
	ledger := world.NewLedger()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wait sync.WaitGroup
	for _, s := range servers {
		wait.Go(func() { ledger.Run(ctx, s, 50*time.Millisecond) })
	}
	asked := func(n int) {
		world.Eventually(t, world.Patience, "work is under way", func() error {
			if ledger.Asked() < n {
				return fmt.Errorf("%d requests", ledger.Asked())
			}
			return nil
		})
	}
	asked(20)
	for _, table := range []string{"document", "request", "review", "access_grant", "holding", "incident", "note", "audit", "answer"} {
		execute(t, shared, "ALTER TABLE "+table+" ADD COLUMN later text NOT NULL DEFAULT 'new'")
	}
	execute(t, shared, "CREATE TABLE invented (id text PRIMARY KEY)", "CREATE INDEX invented_on ON request (later)",
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
	asked(ledger.Asked() + 40)
	stop()
	wait.Wait()
	for _, s := range servers {
		ledger.Check(t, s, world.Patience)
		s.Must("audit", "verify")
	}
	t.Logf("%d requests and %d decisions acknowledged", ledger.Asked(), ledger.Decided())
}
