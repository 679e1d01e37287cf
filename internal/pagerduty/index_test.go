package pagerduty

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

func TestAFreshRosterCostsNoCallAndAStaleOneOneForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		x := index(t, sim)
		roster(t, x, time.Minute)
		sim.ClearCalls()
		for range 200 {
			time.Sleep(100 * time.Millisecond)
			roster(t, x, time.Minute)
		}
		if n := len(sim.Calls()); n != 0 {
			t.Errorf("%d calls within a minute", n)
		}
		time.Sleep(time.Minute)
		strike(t, sim, pdsim.Fault{Path: "/oncalls", Delay: time.Second})
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if r := roster(t, x, time.Minute); time.Since(r.FetchedAt) > time.Minute {
					t.Error("stale")
				}
			})
		}
		wg.Wait()
		if n := len(sim.Calls()); n != 1 {
			t.Errorf("%d calls for 200 who wait", n)
		}
	})
}

func TestAnImpatientCallerDoesNotEndTheSharedQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		x := index(t, sim)
		roster(t, x, time.Minute)
		time.Sleep(2 * time.Minute)
		strike(t, sim, pdsim.Fault{Path: "/oncalls", Delay: 5 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			r, err := x.Roster(ctx, time.Minute)
			wantKind(t, err, core.Unavailable, "stale", "2m1s ago")
			if r == nil || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, %v", r, err)
			}
		})
		wg.Go(func() { time.Sleep(500 * time.Millisecond); roster(t, x, time.Minute) })
		wg.Wait()
	})
}

func TestFreshMeansAskedForAndNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		x := index(t, sim)
		roster(t, x, time.Minute)
		strike(t, sim, pdsim.Fault{Path: "/oncalls", When: pdsim.After, Delay: 3 * time.Second, Times: 1})
		time.Sleep(2 * time.Minute)
		asked := time.Now()
		r := roster(t, x, time.Minute)
		if !r.FetchedAt.Equal(asked) {
			t.Errorf("fetched at %s, want the moment of the question, %s", r.FetchedAt, asked)
		}
		// Somebody who wants it newer than a question under way gets a question of their own.
		sim.ClearCalls()
		strike(t, sim, pdsim.Fault{Path: "/oncalls", When: pdsim.After, Delay: 3 * time.Second, Times: 1})
		var wg sync.WaitGroup
		wg.Go(func() { _ = x.Sync(t.Context()) })
		time.Sleep(time.Second)
		asked = time.Now()
		if r := roster(t, x, 0); r.FetchedAt.Before(asked) {
			t.Errorf("fetched %s before it was asked", asked.Sub(r.FetchedAt))
		}
		wg.Wait()
	})
}

// In the standalone Teleport plugin, each of these meant "not on call".
func TestTeleport37TroubleIsStaleDataAndNeverNotOnCall(t *testing.T) {
	for _, path := range []string{"/oncalls", "/users", "/services"} {
		for _, status := range []int{400, 401, 402, 403, 404, 408, 429, 500, 503} {
			t.Run(fmt.Sprint(path, status), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sim := simulate(t, org)
					strike(t, sim, pdsim.Fault{Method: "GET", Path: path, Status: status})
					x := index(t, sim)
					r, err := x.Roster(t.Context(), time.Minute)
					if wantKind(t, err, core.Unavailable, "stale", "never read"); r != nil {
						t.Fatal("a roster out of nothing")
					}
					running(t, x)
					time.Sleep(20 * time.Second)
					sim.ClearFaults()
					time.Sleep(61 * time.Second)
					if got := on(roster(t, x, time.Minute), time.Now()); len(got) != 4 {
						t.Errorf("after it healed: %q", got)
					}
				})
			})
		}
	}
}

func TestTheRosterIsReadAgainWhenAShiftEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		x := index(t, sim, func(o *IndexOptions) { o.SyncEvery = 45 * time.Minute })
		began := time.Now()
		running(t, x)
		time.Sleep(2*time.Hour + time.Minute)
		var at []time.Duration
		for _, c := range sim.Calls() {
			if c.Path == "/oncalls" {
				at = append(at, c.At.Sub(began).Round(time.Second))
			}
		}
		for _, end := range []time.Duration{time.Hour, 2 * time.Hour} {
			if !slices.Contains(at, end) {
				t.Errorf("no call at %s: %v", end, at)
			}
		}
	})
}

func TestPagerDutysReturnIsNoticedWithin15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, fault := range []pdsim.Fault{{Status: 500}, {Status: 401}, {Drop: true}, {Path: "/oncalls", Status: 403}, {Status: 503}} {
			sim := simulate(t, org)
			changed := make(chan *core.Roster, 100)
			x := index(t, sim, func(o *IndexOptions) { o.OnChange = func(_, r *core.Roster) { changed <- r } })
			running(t, x)
			<-changed
			strike(t, sim, fault)
			time.Sleep(10*time.Minute + 7*time.Second)
			if s := x.Status(); s.LastError == nil || s.Age < 9*time.Minute || time.Until(s.NextTry) > 15*time.Second {
				t.Errorf("%+v", s)
			}
			sim.ClearCalls()
			sim.ClearFaults()
			for len(changed) > 0 {
				<-changed
			}
			healed := time.Now()
			<-changed
			if took := time.Since(healed); took > 15*time.Second {
				t.Errorf("%+v: noticed after %s", fault, took)
			}
		}
	})
}

func TestF031TheIndexWakesWithinASecondOfTheReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		changed := make(chan *core.Roster, 100)
		x := index(t, sim, func(o *IndexOptions) { o.OnChange = func(_, r *core.Roster) { changed <- r } })
		running(t, x)
		<-changed
		strike(t, sim, pdsim.Fault{Path: "/oncalls", Status: 429, Headers: map[string]string{"ratelimit-reset": "12"}, Times: 1})
		limited := time.Time{}
		for limited.IsZero() {
			time.Sleep(100 * time.Millisecond)
			if s := x.Status(); s.LastError != nil {
				limited = time.Now()
			}
		}
		for len(changed) > 0 {
			<-changed
		}
		sim.ClearCalls()
		<-changed
		if took := time.Since(limited); took < 11*time.Second || took > 13*time.Second {
			t.Errorf("woke after %s, want 12 s", took)
		}
		if n := len(sim.Calls()); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestF031ALimitThatIsLiftedEarlyIsNoticedAfter15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		x := index(t, sim)
		strike(t, sim, pdsim.Fault{Path: "/oncalls", Status: 429}) // PagerDuty's own: reset in a minute
		running(t, x)
		time.Sleep(4 * time.Second)
		sim.ClearFaults()
		time.Sleep(12 * time.Second)
		roster(t, x, time.Minute)
	})
}

func TestChangesAreToldInOrderAndMayAskTheIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		var last *core.Roster
		n := 0
		var x *Index
		x = index(t, sim, func(o *IndexOptions) {
			o.OnChange = func(was, now *core.Roster) {
				if was != last {
					t.Error("out of order")
				}
				last = now
				if n++; n == 2 {
					if _, err := x.Roster(context.Background(), -1); err != nil {
						t.Error(err)
					}
				}
			}
		})
		for range 3 {
			time.Sleep(time.Second)
			if err := x.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n < 4 || last != x.roster.Load() {
			t.Errorf("told %d times", n)
		}
	})
}

func TestAServiceIsFoundByItsExactNameOrID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		x := index(t, sim)
		for _, name := range []string{"Payments API", " Payments API ", "PSVC001"} {
			if id, err := x.ServiceID(t.Context(), name); err != nil || id != "PSVC001" {
				t.Errorf("%q: %q, %v", name, id, err)
			}
		}
		_, err := x.ServiceID(t.Context(), "payments api")
		wantKind(t, err, core.NotFound, "did you mean Payments API")
		_, err = x.ServiceID(t.Context(), "qqq")
		wantKind(t, err, core.NotFound, "qqq")
		if n := paths(sim)["GET /services"]; n != 1 {
			t.Errorf("%d reads of the services within 15 s", n)
		}
		time.Sleep(20 * time.Second)
		strike(t, sim, pdsim.Fault{Path: "/users", Status: 500})
		_, err = x.ServiceID(t.Context(), "brand new")
		wantKind(t, err, core.Unavailable, "brand new", "500")
		if id, err := x.ServiceID(t.Context(), "Payments API"); err != nil || id != "PSVC001" {
			t.Errorf("a name that is known needs no call: %q, %v", id, err)
		}
	})
}

func TestAClosedIndexAnswersWithWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := index(t, simulate(t, org))
		roster(t, x, time.Minute)
		x.Close()
		roster(t, x, time.Minute)
		time.Sleep(time.Hour)
		r, err := x.Roster(t.Context(), time.Minute)
		if wantKind(t, err, core.Unavailable); r == nil {
			t.Error("no roster")
		}
	})
}

func TestAClockThatJumpsMakesNoRosterFresh(t *testing.T) {
	now := time.Now()
	r := &core.Roster{FetchedAt: now}
	for _, tt := range []struct {
		at    time.Time
		fresh bool
	}{
		{now, true}, {now.Add(59 * time.Second), true}, {now.Add(61 * time.Second), false},
		{now.Round(0).Add(2 * time.Hour), false},  // the machine slept
		{now.Round(0).Add(-2 * time.Hour), false}, // the clock was set back
	} {
		if got := age(r, tt.at) <= time.Minute; got != tt.fresh {
			t.Errorf("%s: fresh is %t", tt.at.Sub(now), got)
		}
	}
}

func BenchmarkAFreshRoster(b *testing.B) {
	x := NewIndex(IndexOptions{Client: &Client{now: time.Now}})
	x.roster.Store(&core.Roster{FetchedAt: time.Now()})
	for b.Loop() {
		if _, err := x.Roster(b.Context(), time.Hour); err != nil {
			b.Fatal(err)
		}
	}
}
