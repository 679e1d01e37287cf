package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
	"github.com/sallyport/sallyport/internal/pgtest"
	"github.com/sallyport/sallyport/internal/store"
)

func TestF019ADatabaseThatRestartsAtAnyMomentLosesNothing(t *testing.T) {
	dsn := newPostgres(t) // not beside other tests: the server is theirs as well
	h := newHarnessOn(t, openStore(t, store.Options{Database: dsn}), dsn)
	h.apply(notifying)
	writes, at := 0, 0
	w := &watch{before: func(_ context.Context, step string, _ any) error {
		if step != "write" {
			return nil
		}
		if writes++; writes == at {
			pgtest.Restart(t)
		}
		return nil
	}}
	p := h.process("p", w.over)
	for _, at = range []int{1, 2, 3, 5, 8, 11} {
		writes = 0
		key := fmt.Sprint("restart ", at)
		var r core.Request
		for {
			var err error
			r, err = p.Submit(t.Context(), as("bo@example.com"), engine.Submission{Ask: core.Ask{Roles: []string{"demo-role"}, Duration: time.Hour}, Key: key})
			if err == nil {
				break
			}
			if core.KindOf(err) != core.Unavailable {
				t.Fatalf("while the database restarts, submitting says %v", err)
			}
		}
		p.runDying()
		p.sweepAfterRestart()
		h.wantState(r.ID, core.Approved)
		h.wantAccess("bo@example.com", true)
		h.clock.advance(time.Hour)
		p.sweepAfterRestart()
		h.wantOneIncident(r.ID, pdsim.Resolved)
		h.wantNothing()
		if writes < at {
			t.Errorf("there were only %d writes, so the database never restarted", writes)
		}
	}
	h.wantChain()
}

// sweepAfterRestart does what is due, with a database that may go away once more. Then it reads
// until no connection of before is left.
func (h *harness) sweepAfterRestart() {
	h.t.Helper()
	for range 3 {
		h.sweepDying()
		h.clock.advance(11 * time.Second)
	}
	for good, tries := 0, 0; good < 10; tries++ {
		if good++; h.store.Check(h.t.Context()) != nil {
			good = 0
		}
		if tries == 100 {
			h.t.Fatal("the database does not come back")
		}
	}
}

func TestF016ADatabaseOfAnHourAgoMakesNoSecondIncidentAndSeesWhatItDoesNotKnow(t *testing.T) {
	first, err := firstFile()
	if err != nil {
		t.Fatal(err)
	}
	now, old := t.TempDir(), t.TempDir()
	if err := os.WriteFile(now+"/sallyport.db", first, 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHarnessOn(t, openStore(t, store.Options{Data: now}), "")
	h.must(h.store.Close())
	copied, err := os.ReadFile(now + "/sallyport.db")
	h.must(err)
	h.must(os.WriteFile(old+"/sallyport.db", copied, 0o600))

	after := func(dir string) *harness {
		s := openStore(t, store.Options{Data: dir})
		p := h.process("local", func(o *engine.Options) { o.Store = s })
		p.store = s
		return p
	}
	p := after(now)
	ask := engine.Submission{Ask: core.Ask{Roles: []string{"editor"}, Reason: "to mend it"}, Key: "key"}
	r, err := p.Submit(t.Context(), as("cy@example.com"), ask)
	h.must(err)
	p.ask("ann@example.com", "demo-role")
	p.run()
	h.wantOneIncident(r.ID, pdsim.Triggered)
	h.wantAccess("ann@example.com", true)
	h.must(p.store.Close())

	p = after(old)
	drifts, err := p.Drifts(t.Context(), admin, "")
	h.must(err)
	if len(drifts) != 1 || !drifts[0].Extra || drifts[0].Entitlement != db("ann@example.com") {
		t.Errorf("what the restored database does not know is %+v, want ann's access", drifts)
	}
	again, err := p.Submit(t.Context(), as("cy@example.com"), ask)
	h.must(err)
	if again.ID != r.ID {
		t.Errorf("the same key names %s and %s", r.ID, again.ID)
	}
	p.run()
	h.wantOneIncident(r.ID, pdsim.Triggered)
	p.review("rev@example.com", again.ID, core.Denied)
	p.run()
	h.wantOneIncident(r.ID, pdsim.Resolved)
}

func TestF003AndF030ProcessesThatAreKilledAtRandomUnderLoadLoseNothing(t *testing.T) {
	h := newHarness(t)
	h.apply(notifying)
	random := rand.New(rand.NewPCG(3, 30))
	users := []string{"ann@example.com", "bo@example.com", "cy@example.com"}
	h.replace(annsShift, "start: now-1h, end: now+200h")
	h.advance(2 * time.Minute)
	var ids []string
	for round := range 12 {
		deaths := make([]*lockedDeath, 3)
		processes := make([]*harness, 3)
		for i := range processes {
			deaths[i] = &lockedDeath{death: death{at: 1 + random.IntN(40)}}
			processes[i] = h.process(fmt.Sprint("p", round, ".", i), deaths[i].watch().over)
		}
		for i := range 3 {
			key, user := fmt.Sprint(round, ".", i), users[random.IntN(len(users))]
			d := time.Duration(1+random.IntN(30)) * time.Minute
			for n := 0; ; n++ { // a client tries again, with another process
				p := h
				if n < 3 {
					p = processes[(i+n)%3]
				}
				r, err := p.Submit(t.Context(), as(user), engine.Submission{Ask: core.Ask{Roles: []string{"demo-role"}, Duration: d}, Key: key})
				if err == nil {
					ids = append(ids, r.ID)
					break
				}
			}
		}
		var all sync.WaitGroup
		for _, p := range processes {
			all.Go(func() {
				p.runDying()
				p.sweepDying()
			})
		}
		all.Wait()
		h.clock.advance(time.Duration(random.IntN(300)) * time.Second)
	}
	for range 12 {
		h.advance(time.Minute)
	}
	h.review("rev@example.com", h.asked("cy@example.com", "editor"), core.Denied)
	for _, id := range ids {
		s := h.story(id)
		for _, g := range s.Grants {
			if g.State == core.GrantFailed || g.State == core.GrantPending {
				t.Errorf("the grant of %s for %s is %s: %s", g.Resource, g.User, g.State, g.Error)
			}
		}
		status := pdsim.Triggered
		if s.State == core.Approved {
			status = pdsim.Resolved
		}
		h.wantOneIncident(id, status)
	}
	h.advance(time.Hour)
	h.wantNothing()
	h.wantChain()
}

// A lockedDeath may come at a step of any goroutine.
type lockedDeath struct {
	mu sync.Mutex
	death
}

func (d *lockedDeath) watch() *watch {
	w := d.death.watch()
	lock := func(hook func(context.Context, string, any) error) func(context.Context, string, any) error {
		return func(ctx context.Context, step string, about any) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			return hook(ctx, step, about)
		}
	}
	return &watch{before: lock(w.before), after: lock(w.after)}
}
