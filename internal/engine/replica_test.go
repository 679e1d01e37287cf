package engine_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

const notifying = `{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role], annotations: {pagerduty_services: [My Critical Service], pagerduty_notify_service: [Teleport Access Request Notifications]}}}}}`

// runAll lets all replicas run every job of any of them, at the same time, until none is left.
func runAll(t *testing.T, replicas ...*harness) {
	t.Helper()
	for range 1000 {
		var jobs []core.Job
		for _, r := range replicas {
			for j, ok := r.jobs.take(); ok; j, ok = r.jobs.take() {
				jobs = append(jobs, j)
			}
		}
		if len(jobs) == 0 {
			return
		}
		var all sync.WaitGroup
		for _, r := range replicas {
			all.Go(func() {
				for _, j := range jobs {
					_ = r.work(j) // who comes second may be told to wait; a sweep comes back to it
				}
			})
		}
		all.Wait()
	}
	t.Fatal("the jobs never end")
}

func TestF026AndF027TwoReplicasThatRunEveryJobDoEverythingOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		var gives, takes atomic.Int32
		count := &watch{before: func(_ context.Context, step string, _ any) error {
			switch step {
			case "grant":
				gives.Add(1)
			case "revoke":
				takes.Add(1)
			}
			return nil
		}}
		h.apply(notifying)
		a, b := h.replica("a", count.over), h.replica("b", count.over)
		for n := int32(1); n <= 5; n++ {
			h.sim.ClearCalls()
			r := a.ask("bo@example.com", "demo-role")
			b.must(b.RosterChanged(t.Context())) // b learns of it as well
			runAll(t, a, b)
			h.wantState(r.ID, core.Approved)
			h.wantAccess("bo@example.com", true)
			h.clock.advance(time.Hour)
			for range 3 {
				for _, x := range []*harness{a, b} {
					_, err := x.Sweep(t.Context())
					h.must(err)
				}
				runAll(t, a, b)
				h.clock.advance(10 * time.Second)
			}
			h.wantNothing()
			h.wantOneIncident(r.ID, pdsim.Resolved)
			if made := h.called("POST", "/incidents"); made != 1 {
				t.Errorf("round %d: %d incidents were asked for, want one", n, made)
			}
			if gives.Load() != n || takes.Load() != n {
				t.Fatalf("after %d rounds the access was given %d times and taken %d times", n, gives.Load(), takes.Load())
			}
			if s := h.story(r.ID); len(s.Reviews) != 1 || len(s.Grants) != 2 {
				t.Errorf("round %d: %d reviews, %d grants", n, len(s.Reviews), len(s.Grants))
			}
		}
		h.wantChain()
	})
}

// called counts the calls that PagerDuty got.
func (h *harness) called(method, path string) (n int) {
	for _, c := range h.sim.Calls() {
		if c.Method == method && c.Path == path {
			n++
		}
	}
	return n
}

// A pause stops the first step of a kind before it is done, until it is told to go on.
type pause struct {
	step    string
	reached chan struct{}
	on      chan struct{}
	once    sync.Once
}

func newPause(step string) *pause {
	return &pause{step: step, reached: make(chan struct{}), on: make(chan struct{})}
}

func (p *pause) watch() *watch {
	return &watch{before: func(ctx context.Context, step string, _ any) error {
		if step == p.step {
			p.once.Do(func() {
				close(p.reached)
				<-p.on
			})
		}
		return nil
	}}
}

func TestF007AReplicaThatGivesAccessAfterItsLeaseLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		p := newPause("grant")
		slow, other := h.replica("slow", p.watch().over), h.replica("other")
		r := slow.ask("bo@example.com", "demo-role")
		h.must(slow.Decide(t.Context(), r.ID))
		var paused sync.WaitGroup
		paused.Go(func() { slow.run() })
		<-p.reached
		if err := other.SettleJob(t.Context(), settleJobOf("bo@example.com").ID); core.KindOf(err) != core.Unavailable {
			t.Errorf("while another replica is at it, settling says %v", err)
		}
		h.clock.advance(11 * time.Second)
		h.must(other.SettleJob(t.Context(), settleJobOf("bo@example.com").ID))
		g := h.wantGrant(r.ID, "demo/db", core.GrantActive, "")
		_, err := other.Revoke(t.Context(), as("bo@example.com"), g.ID, "")
		h.must(err)
		other.run()
		h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndRevoked)
		h.wantAccess("bo@example.com", false)
		close(p.on) // the slow one wakes up in the middle of its call, and gives
		paused.Wait()
		h.wantAccess("bo@example.com", false)
		h.advance(time.Hour)
		h.wantNothing()
		h.wantChain()
	})
}

func TestF007AReplicaThatTakesAccessAfterItsLeaseGivesItBack(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		p := newPause("revoke")
		slow, other := h.replica("slow", p.watch().over), h.replica("other")
		first := slow.ask("bo@example.com", "demo-role")
		slow.run()
		_, err := slow.Revoke(t.Context(), as("bo@example.com"), h.grantOf(first.ID, "demo/db").ID, "")
		h.must(err)
		var paused sync.WaitGroup
		paused.Go(func() { slow.run() })
		<-p.reached
		h.clock.advance(11 * time.Second)
		second := other.ask("bo@example.com", "demo-role")
		other.run()
		h.wantGrant(second.ID, "demo/db", core.GrantActive, "")
		h.wantAccess("bo@example.com", true)
		close(p.on)
		paused.Wait()
		h.wantAccess("bo@example.com", true)
		h.advance(time.Hour)
		h.wantNothing()
		h.wantChain()
	})
}

func TestF007AnAnswerFromAnEarlierLeaseMakesNothingPreExisting(t *testing.T) {
	h := newHarness(t)
	asked, answered := newPause("has"), newPause("has")
	slow := h.replica("slow", (&watch{before: asked.watch().before, after: answered.watch().before}).over)
	other := h.replica("other")
	settle := settleJobOf("bo@example.com")
	first := slow.ask("bo@example.com", "demo-role")
	h.must(slow.Decide(t.Context(), first.ID))
	var paused sync.WaitGroup
	paused.Go(func() { _ = slow.work(settle) })
	<-asked.reached
	h.clock.advance(11 * time.Second)
	h.must(other.work(settle)) // given, by another replica; that is what the target answers now
	close(asked.on)
	<-answered.reached
	_, err := other.Revoke(t.Context(), admin, h.grantOf(first.ID, "demo/db").ID, "")
	h.must(err)
	h.must(other.work(settle))
	second := slow.ask("bo@example.com", "demo-role")
	h.must(slow.Decide(t.Context(), second.ID)) // a new holding that nobody has looked at yet
	close(answered.on)                          // and now the answer arrives
	paused.Wait()
	h.wantGrant(second.ID, "demo/db", core.GrantActive, "")
	h.advance(time.Hour)
	h.advance(time.Minute)
	h.wantNothing()
}

func TestF007AnIncidentThatAnotherReplicaFinishedStaysFinished(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		p := newPause("create")
		slow, other := h.replica("slow", p.watch().over), h.replica("other")
		r := other.ask("cy@example.com", "editor")
		i := h.story(r.ID).Incidents[0]
		ctx, cancel := context.WithCancel(t.Context())
		var paused sync.WaitGroup
		paused.Go(func() { _ = slow.SyncIncident(ctx, i.ID) })
		<-p.reached
		other.run()
		if n := len(h.incidentsAbout(r.ID)); n != 0 {
			t.Fatalf("%d incidents while another replica is at it", n)
		}
		h.clock.advance(11 * time.Second)
		h.must(other.SyncIncident(t.Context(), i.ID))
		other.review("rev@example.com", r.ID, core.Approved)
		other.run()
		h.wantOneIncident(r.ID, pdsim.Resolved)
		before := h.story(r.ID).Incidents[0]
		cancel() // its time was over while it slept
		close(p.on)
		paused.Wait()
		h.wantOneIncident(r.ID, pdsim.Resolved)
		after := h.story(r.ID).Incidents[0]
		if after.State != core.IncidentResolved || after.PagerDutyID != before.PagerDutyID || after.Error != "" {
			t.Errorf("the incident was %+v and is %+v", before, after)
		}
	})
}

func TestF028AReplicaWhoseClockIsWrongLengthensNothingAndDoublesNothing(t *testing.T) {
	for name, offset := range map[string]time.Duration{"ahead": 10 * time.Minute, "behind": -10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			h := newHarnessOnPostgres(t)
			h.apply(notifying)
			h.clock.advance(time.Hour) // so that the one that is behind is not before the first entry
			wrong := h.replica("wrong", func(o *engine.Options) { o.Clock = offsetClock{h.clock, offset} })
			right := h.replica("right")
			r := right.ask("bo@example.com", "demo-role")
			runAll(t, right, wrong)
			begun := h.clock.Now()
			for range 13 {
				h.clock.advance(5 * time.Minute)
				for _, x := range []*harness{right, wrong} {
					_, err := x.Sweep(t.Context())
					h.must(err)
				}
				runAll(t, right, wrong)
				if h.clock.Now().Sub(begun) >= time.Hour {
					h.wantAccess("bo@example.com", false)
				}
			}
			h.wantNothing()
			h.wantOneIncident(r.ID, pdsim.Resolved)
			h.wantChain()
		})
	}
}

type offsetClock struct {
	engine.Clock
	by time.Duration
}

func (c offsetClock) Now() time.Time { return c.Clock.Now().Add(c.by) }
