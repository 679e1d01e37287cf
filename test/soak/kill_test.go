//go:build soak

package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
	"github.com/sallyport/sallyport/test/world"
)

// F002: kill -9 before the first, the second, the third … system call that writes, syncs or
// connects, through the start and one whole life of requests.
func TestF002NothingIsLostAtWhicheverSystemCallTheServerDies(t *testing.T) {
	for _, at := range []struct {
		calls string
		step  int
	}{{"fsync,fdatasync,ftruncate,unlink,unlinkat", 1}, {"connect,sendto,sendmsg", 1}, {"pwrite64", *step}} {
		t.Run(at.calls, func(t *testing.T) {
			s := prepare(t, "nth"+at.calls[:2], "")
			s.Env = append(s.Env, "GOMAXPROCS=1") // strace counts the calls of every thread by itself: the fewer, the better
			ledger := world.NewLedger()
			ledger.Lasts = "1s"
			began, kills := time.Now(), 0
			for n := 1; ; n += at.step {
				injected(s, at.calls, fmt.Sprintf("signal=KILL:when=%d", n))
				s.Launch()
				alive := answers(t, s)
				if alive {
					ctx, cancel := context.WithTimeout(t.Context(), world.Patience)
					ledger.Live(ctx, s)
					cancel()
				}
				whole := false
				select {
				case <-s.Done():
					kills++
				default:
					whole = true
				}
				s.Kill()
				s.Around = nil
				s.Start()
				ledger.Check(t, s, 60*time.Second)
				if t.Failed() {
					t.Fatalf("after a kill at call %d", n)
				}
				s.Stop()
				if whole {
					break // it lived through everything
				}
			}
			t.Logf("%s: %d kills, one at every %d. call; %d requests acknowledged; %v", at.calls, kills, at.step, ledger.Asked(), time.Since(began).Round(time.Second))
		})
	}
}

// F003: kill -9 at random under load, with PagerDuty in trouble, again and again.
func TestF003NothingIsLostInAnyNumberOfRandomKills(t *testing.T) {
	s := prepare(t, "random", "")
	s.Start()
	ledger := world.NewLedger()
	chance := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3))
	began, kills := time.Now(), 0
	for time.Since(began) < *lasts {
		kills++
		f := troubles[chance.IntN(len(troubles))]
		s.PD.Order(t, f)
		ctx, stop := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for n := range 8 {
			wait.Go(func() { ledger.Run(ctx, s, time.Duration(20+n*8)*time.Millisecond) })
		}
		moment := time.NewTimer(time.Duration(chance.IntN(400)) * time.Millisecond)
		<-moment.C
		s.Kill()
		stop()
		wait.Wait()
		s.PD.ClearFaults()
		s.Start()
		if kills%50 == 0 {
			ledger.Check(t, s, 60*time.Second)
			if t.Failed() {
				t.Fatalf("after %d kills", kills)
			}
		}
	}
	t.Logf("%d kills in %v; %d requests and %d decisions acknowledged", kills, time.Since(began).Round(time.Second), ledger.Asked(), ledger.Decided())
	ledger.Repeat(t, s, 50, 90*time.Second)
	ledger.Check(t, s, 90*time.Second)
	s.Stop()
}

// troubles are faults of PagerDuty around which servers are killed.
var troubles = []pdsim.Fault{
	{Method: "POST", Path: "/incidents", When: pdsim.After, Delay: 300 * time.Millisecond, Times: 3},
	{Method: "POST", Path: "/incidents", When: pdsim.Before, Delay: 300 * time.Millisecond, Times: 3},
	{Method: "POST", Path: "/incidents", When: pdsim.After, Drop: true, Times: 3},
	{Method: "POST", Path: "/incidents", When: pdsim.After, Status: 502, Times: 3},
	{Method: "POST", Path: "/incidents", Status: 503, Times: 3},
	{Method: "PUT", Path: "/incidents/*", When: pdsim.After, Delay: 300 * time.Millisecond, Times: 3},
	{Method: "PUT", Path: "/incidents/*", When: pdsim.After, Drop: true, Times: 3},
	{Method: "POST", Path: "/incidents/*/notes", When: pdsim.After, Drop: true, Times: 3},
	{Method: "GET", Path: "/oncalls", When: pdsim.Before, Delay: 200 * time.Millisecond, Times: 2},
	{Method: "GET", Path: "/oncalls", Status: 500, Times: 2},
}

// F030: the same with two replicas, one of which always lives.
func TestF030TwoReplicasLoseNothingInAnyNumberOfKillsOfEither(t *testing.T) {
	dsn, resource := target(t, "replica")
	pd := world.Simulate(t)
	shared := settings + "database: " + database(t)
	var servers []*world.Server
	for range 2 {
		s := world.New(t, program, pd, shared)
		s.Env = append(s.Env, "TARGET_DSN="+dsn)
		servers = append(servers, s.Start())
	}
	servers[0].Work("replica", resource)
	ledger := world.NewLedger()
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for _, s := range servers {
		for range 2 {
			wait.Go(func() { ledger.Run(ctx, s, 100*time.Millisecond) })
		}
	}
	chance := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 5))
	began, kills := time.Now(), 0
	for time.Since(began) < *lasts/2 {
		pd.Order(t, troubles[chance.IntN(len(troubles))])
		moment := time.NewTimer(time.Duration(500+chance.IntN(1500)) * time.Millisecond)
		<-moment.C
		victim := servers[kills%2]
		victim.Kill()
		kills++
		moment.Reset(time.Duration(chance.IntN(1000)) * time.Millisecond)
		<-moment.C
		victim.Start()
	}
	stop()
	wait.Wait()
	pd.ClearFaults()
	ledger.Repeat(t, servers[0], 50, 90*time.Second)
	for _, s := range servers {
		ledger.Check(t, s, 90*time.Second)
		s.Stop()
	}
	t.Logf("%d kills in %v; %d requests and %d decisions acknowledged", kills, time.Since(began).Round(time.Second), ledger.Asked(), ledger.Decided())
}
