package test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/test/world"
)

// pair makes two servers on one PostgreSQL, each with a data folder of its own.
func pair(t *testing.T, prefix string) (a, b *world.Server, resource string) {
	t.Helper()
	dsn, resource := target(t, prefix)
	settings := "oncall: {max_staleness: 5s, sync_every: 1s}\ndatabase: " + database(t)
	pd := world.Simulate(t)
	a, b = world.New(t, program, pd, settings), world.New(t, program, pd, settings)
	for _, s := range []*world.Server{a, b} {
		s.Env = append(s.Env, "TARGET_DSN="+dsn)
	}
	return a, b, resource
}

// F030, F026, I3, I4, I7: either of two replicas is killed in the middle of work, and the other goes on.
func TestF030EitherOfTwoReplicasMayDieAndTheOtherFinishes(t *testing.T) {
	t.Parallel()
	a, b, resource := pair(t, "pair")
	a.Start().Work("pair", resource)
	b.Start()
	ledger := world.NewLedger()
	during := func(servers []*world.Server, f func()) {
		ctx, stop := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for _, s := range servers {
			for range 2 {
				wait.Go(func() { ledger.Run(ctx, s, 50*time.Millisecond) })
			}
		}
		f()
		stop()
		wait.Wait()
	}
	asked := func(n int) {
		world.Eventually(t, world.Patience, "work is under way", func() error {
			if ledger.Asked() < n {
				return fmt.Errorf("%d requests", ledger.Asked())
			}
			return nil
		})
	}
	for _, s := range [][2]*world.Server{{a, b}, {b, a}} {
		victim, other := s[0], s[1]
		begun := ledger.Asked()
		for _, f := range troubles() {
			f.Times *= 3
			a.PD.Order(t, f)
		}
		during([]*world.Server{a, b}, func() {
			asked(begun + 30)
			victim.Kill()
			asked(ledger.Asked() + 20) // of the other
		})
		a.PD.ClearFaults()
		ledger.Check(t, other, 45*time.Second)
		victim.Start()
	}
	ledger.Check(t, a, world.Patience)
	for _, s := range []*world.Server{a, b} {
		if out := s.Must("audit", "verify"); !strings.HasPrefix(out, "ok: ") {
			t.Error(out)
		}
		s.Stop()
	}
	t.Logf("%d requests and %d decisions acknowledged", ledger.Asked(), ledger.Decided())
}

// I2: the replica that gave the access is dead when its time is up.
func TestF030AccessEndsOnTimeAlthoughTheReplicaThatGaveItIsDead(t *testing.T) {
	t.Parallel()
	a, b, resource := pair(t, "late")
	a.Start().Work("late", resource)
	b.Start()
	onA, onB := a.Client(), b.Client()
	var grants []client.Grant
	for _, user := range []string{"ann", "cy", "dee", "eve"} {
		r, err := onA.Submit(t.Context(), client.Ask{User: user + "@example.com", Roles: []string{"prod"}, Reason: "short", Duration: "4s"}, client.SubmitOptions{Wait: world.Patience})
		if err != nil || r.State != "APPROVED" {
			t.Fatalf("%+v, %v", r, err)
		}
		grants = append(grants, r.Grants...)
	}
	if shown, err := onB.Entitlements(t.Context(), "db"); err != nil || len(shown.Items) != 4 {
		t.Fatalf("the target shows %v (%v)", shown.Items, err)
	}
	a.Kill()
	for _, g := range grants {
		end := time.NewTimer(time.Until(g.EndsAt))
		<-end.C
		if h, err := onB.Check(t.Context(), g.User, g.Entitlement); err != nil || h.Held {
			t.Errorf("%s is still said to hold %s when its time is up: %v", g.User, g.Entitlement, err)
		}
	}
	world.Eventually(t, world.Patience, "the target shows nothing", func() error {
		shown, err := onB.Entitlements(t.Context(), "db")
		if err == nil && len(shown.Items) > 0 {
			err = fmt.Errorf("it shows %v", shown.Items)
		}
		return err
	})
	ended(t, b, client.Request{Grants: grants})
	for _, g := range grants {
		after, err := onB.Grant(t.Context(), g.ID)
		if err != nil || after.EndCause != "time" {
			t.Errorf("grant %+v, %v", after, err)
			continue
		}
		// One second is what is promised; the tests share their machine with others.
		if late := after.EndedAt.Sub(g.EndsAt); late < 0 || late > 2*time.Second {
			t.Errorf("%s on %s ended %v late", g.User, g.Entitlement, late)
		}
	}
	b.Stop()
}

// I7: what a replica has taken, it has taken under a name that no other has.
func TestReplicasTellThemselvesApart(t *testing.T) {
	t.Parallel()
	a, b, _ := pair(t, "names")
	a.Start()
	b.Start()
	one, err := a.Client().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	two, err := b.Client().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if one.Replica == two.Replica || one.Replica == "" {
		t.Errorf("replicas %q and %q", one.Replica, two.Replica)
	}
}
