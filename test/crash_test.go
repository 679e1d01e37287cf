package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
	"github.com/sallyport/sallyport/test/world"
)

// The logins and roles of PostgreSQL belong to the whole server.
var logins sync.Mutex

// target makes two roles on a PostgreSQL database, and returns the target that gives them.
func target(t *testing.T, prefix string) (dsn, resource string) {
	t.Helper()
	dsn = database(t)
	logins.Lock()
	defer logins.Unlock()
	for _, login := range []string{"ann", "bob", "cy", "dee", "eve", "fay"} {
		execute(t, dsn, fmt.Sprintf("DO $$ BEGIN CREATE ROLE %s LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$", login))
	}
	execute(t, dsn, "CREATE ROLE "+prefix+"_prod", "CREATE ROLE "+prefix+"_manual")
	return dsn, fmt.Sprintf(`{kind: target, version: v1, metadata: {name: db}, spec: {connector: postgres, dsn: "env:TARGET_DSN",
  roles: [%[1]s_prod, %[1]s_manual], login: email_local, domain: example.com}}`, prefix)
}

// troubles are faults of PagerDuty around which servers are killed.
func troubles() []pdsim.Fault {
	create, update, note := "/incidents", "/incidents/*", "/incidents/*/notes"
	return []pdsim.Fault{
		{Method: "POST", Path: create, When: pdsim.After, Delay: 300 * time.Millisecond, Times: 2},
		{Method: "POST", Path: create, When: pdsim.Before, Delay: 300 * time.Millisecond, Times: 2},
		{Method: "POST", Path: create, When: pdsim.After, Drop: true, Times: 2},
		{Method: "PUT", Path: update, When: pdsim.After, Delay: 300 * time.Millisecond, Times: 2},
		{Method: "POST", Path: note, When: pdsim.After, Drop: true, Times: 2},
		{Method: "GET", Path: "/oncalls", When: pdsim.Before, Delay: 200 * time.Millisecond, Times: 1},
	}
}

// F001, F003, I3, I4, I6: kill -9 at 24 moments around submit, decide, settle and incident.
func TestF001AndF003NothingAcknowledgedIsLostHoweverOftenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	dsn, resource := target(t, "kill")
	s := world.New(t, program, nil, "oncall: {max_staleness: 5s, sync_every: 1s}")
	s.Env = append(s.Env, "TARGET_DSN="+dsn)
	s.Start().Work("kill", resource)
	ledger := world.NewLedger()
	chance := rand.New(rand.NewPCG(1, 2))
	faults := troubles()
	for round := range 24 {
		s.PD.Order(t, faults[round%len(faults)])
		ctx, stop := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() { ledger.Run(ctx, s, 25*time.Millisecond) })
		}
		first := ledger.Asked()
		world.Eventually(t, world.Patience, "work is under way", func() error {
			if n := ledger.Asked(); n <= first+round%5 {
				return fmt.Errorf("%d requests", n)
			}
			return nil
		})
		moment := time.NewTimer(time.Duration(chance.IntN(150)) * time.Millisecond)
		<-moment.C
		s.Kill()
		stop()
		wait.Wait()
		s.PD.ClearFaults()
		s.Start()
	}
	ledger.Check(t, s, 45*time.Second)
	if out := s.Must("audit", "verify"); !strings.HasPrefix(out, "ok: ") {
		t.Error(out)
	}
	s.Stop()
	t.Logf("%d requests and %d decisions acknowledged over 24 kills", ledger.Asked(), ledger.Decided())
}

// F004: SIGTERM while calls are in flight, callers wait for decisions and others watch.
func TestF004AServerThatIsToldToEndFinishesWhatItIsDoing(t *testing.T) {
	t.Parallel()
	s := startTeleport(t, "")
	s.PD.Order(t, pdsim.Fault{Method: "POST", Path: "/incidents", When: pdsim.After, Delay: 500 * time.Millisecond})
	waiting := ask(t, s, "myuser", "--roles=editor")

	type outcome struct {
		what string
		err  error
	}
	ended := make(chan outcome)
	calls := 0
	in := func(what string, f func(c *client.Client) error) {
		calls++
		c := s.Client()
		go func() { ended <- outcome{what, f(c)} }()
	}
	for range 20 {
		in("a call that waits", func(c *client.Client) error {
			r, err := c.Request(t.Context(), waiting, 30*time.Second)
			if err == nil && r.ID != waiting {
				err = fmt.Errorf("got %+v", r)
			}
			return err
		})
	}
	for range 5 {
		in("a call that watches", func(c *client.Client) error {
			for _, err := range c.Watch(t.Context(), 0) {
				if err != nil {
					return nil // a stream has no other end
				}
			}
			return nil
		})
	}
	var mu sync.Mutex
	var answered []string
	stop := make(chan struct{})
	for range 20 {
		in("calls, one after the other", func(c *client.Client) error {
			for {
				r, err := c.Submit(t.Context(), client.Ask{User: "myuser", Roles: []string{"editor"}}, client.SubmitOptions{})
				if err == nil {
					mu.Lock()
					answered = append(answered, r.ID)
					mu.Unlock()
				}
				select {
				case <-stop:
					return nil
				case <-s.Done():
					return nil
				default:
				}
			}
		})
	}
	world.Eventually(t, world.Patience, "work is under way", func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(answered) < 50 {
			return fmt.Errorf("%d answers", len(answered))
		}
		return nil
	})

	before := time.Now()
	s.Signal(syscall.SIGTERM)
	status := s.Status(10 * time.Second)
	took := time.Since(before)
	close(stop)
	if status != 0 || took > 5*time.Second {
		t.Errorf("it ended with %d after %v:\n%s", status, took, s.Log)
	}
	for range calls {
		if o := <-ended; o.err != nil {
			t.Errorf("%s: %v", o.what, o.err)
		}
	}

	s.Start()
	c := s.Client()
	for _, id := range answered {
		if _, err := c.Request(t.Context(), id, 0); err != nil {
			t.Errorf("%s was answered and is lost: %v", id, err)
		}
	}
	s.PD.ClearFaults()
	opened(t, s, waiting)
	s.Stop()
}
