package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pgtest"
	"github.com/sallyport/sallyport/internal/store"
)

func decide(id string) core.Job { return core.Job{Kind: core.JobDecide, ID: id} }

func TestAKickRunsAtOnceAndDeletesTheDurableCopy(t *testing.T) {
	onEach(t, func(t *testing.T, s *store.Store) {
		r := newRig(t, s).start(t)
		settle := core.Job{Kind: core.JobSettle, ID: "ann\x1faws\x1fprod"}
		incident := core.Job{Kind: core.JobIncident, ID: "in_1"}
		r.enqueue(t, decide("req_1"), settle, incident)
		r.Kick(decide("req_1"))
		r.play.wantRun(t, "decide req_1", 2*time.Second)
		r.Kick(settle)
		r.play.wantRun(t, "settle ann\x1faws\x1fprod", 2*time.Second)
		r.wantCount(t, "finalized_at IS NULL", 1, 5*time.Second)
		r.Kick(incident)
		r.wantCount(t, "true", 0, 5*time.Second)
	})
}

func TestADurableCopyRunsWhatNobodyKicked(t *testing.T) {
	onEach(t, func(t *testing.T, s *store.Store) {
		r := newRig(t, s).atOnce().start(t)
		r.enqueue(t, decide("req_1"))
		r.play.wantRun(t, "decide req_1", 5*time.Second)
		r.wantCount(t, "finalized_at IS NULL", 0, 5*time.Second)
	})
}

func TestJobsSurviveAStopAndANewStart(t *testing.T) {
	onEach(t, func(t *testing.T, s *store.Store) {
		first := newRig(t, s).atOnce().start(t)
		first.play.wantRun(t, "sweep", 5*time.Second)
		first.end(t)
		first.enqueue(t, decide("req_1")) // committed, and then the process is gone
		first.Kick(decide("req_1"))
		if first.count(t, "finalized_at IS NULL") != 1 {
			t.Error("the job is not there")
		}
		second := newRig(t, s).start(t)
		second.play.wantRun(t, "decide req_1", 20*time.Second)
		if n := len(first.play.ran); n > 0 {
			for range n {
				if ran := <-first.play.ran; ran != "sweep" && ran != "reconcile" {
					t.Errorf("%s ran after the stop", ran)
				}
			}
		}
	})
}

func TestAJobThatFailsIsTriedAgain(t *testing.T) {
	for name, test := range map[string]struct {
		fail    func() error
		failed  int64
		logged  string
		visible string // in River's table, while it waits
	}{
		"away":   {func() error { return core.Errorf(core.Unavailable, "PagerDuty is away") }, 0, "", "finalized_at IS NULL"},
		"broken": {func() error { return errors.New("some bug") }, 1, "some bug", "finalized_at IS NULL AND errors IS NOT NULL"},
		"panic":  {func() error { panic("oh no") }, 1, "jobs_test.go", "finalized_at IS NULL AND errors IS NOT NULL"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, openStore(t, store.Options{Data: t.TempDir()})).atOnce().start(t)
			runs := 0
			r.play.on(core.JobDecide, func(context.Context, string) error {
				if runs++; runs == 1 {
					return test.fail()
				}
				return nil
			})
			r.enqueue(t, decide("req_1"))
			r.play.wantRun(t, "decide req_1", 5*time.Second)
			r.wantCount(t, test.visible+" AND attempted_at IS NOT NULL AND state <> 'running'", 1, 5*time.Second)
			r.play.wantRun(t, "decide req_1", 15*time.Second)
			r.wantCount(t, "finalized_at IS NULL", 0, 5*time.Second)
			if stats := r.Stats(); stats.Failed != test.failed || stats.Worked < 2 {
				t.Errorf("stats: %+v", stats)
			}
			if !strings.Contains(r.log.String(), test.logged) {
				t.Errorf("%q is not in the log:\n%s", test.logged, r.log)
			}
		})
	}
}

func TestAKickThatFailsLeavesTheDurableCopy(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Data: t.TempDir()}))
	r.play.on(core.JobDecide, func(context.Context, string) error { return errors.New("some bug") })
	r.start(t)
	r.enqueue(t, decide("req_1"), decide("req_2"))
	r.Kick(decide("req_1"))
	r.play.wantRun(t, "decide req_1", 2*time.Second)
	r.play.on(core.JobDecide, nil)
	r.Kick(decide("req_2"))
	r.wantCount(t, "finalized_at IS NULL", 1, 5*time.Second) // of req_1
}

// A job that is committed while its verb runs may be about something that the verb did not
// see: its copy stays, and a kick runs the verb once more.
func TestAJobCommittedWhileItsVerbRunsIsNotLost(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Data: t.TempDir()})).start(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	r.play.on(core.JobDecide, func(context.Context, string) error {
		inside <- struct{}{}
		<-leave
		return nil
	})
	r.enqueue(t, decide("req_1"))
	r.Kick(decide("req_1"))
	<-inside
	r.enqueue(t, decide("req_1"))
	leave <- struct{}{}
	r.prune(t.Context())
	if n := r.count(t, "finalized_at IS NULL"); n != 1 {
		t.Errorf("%d copies after the first run, want the one of the second job", n)
	}
	r.Kick(decide("req_1"))
	<-inside
	leave <- struct{}{}
	r.wantCount(t, "finalized_at IS NULL", 0, 5*time.Second)
}

// The same, where River runs the verb: the job gets a copy beside the one that runs.
func TestAJobCommittedWhileItsCopyRunsGetsOneOfItsOwn(t *testing.T) {
	onEach(t, func(t *testing.T, s *store.Store) {
		r := newRig(t, s).atOnce().start(t)
		inside, leave := make(chan struct{}), make(chan struct{})
		r.play.on(core.JobDecide, func(context.Context, string) error {
			inside <- struct{}{}
			<-leave
			return nil
		})
		r.enqueue(t, decide("req_1"))
		<-inside
		r.enqueue(t, decide("req_1"))
		r.enqueue(t, decide("req_1"))
		if n := r.count(t, "finalized_at IS NULL"); n < 2 {
			t.Errorf("%d copies, want one beside the one that runs", n)
		}
		leave <- struct{}{}
		<-inside
		close(leave)
		go func() { // further copies, if the second one ran already when the third job came
			for range inside {
			}
		}()
		r.wantCount(t, "finalized_at IS NULL", 0, 10*time.Second)
	})
}

func TestEqualKicksThatWaitAreOne(t *testing.T) {
	s := openStore(t, store.Options{Data: t.TempDir()})
	r := newRig(t, s)
	r.kicks.limit = 1
	inside, leave := make(chan struct{}), make(chan struct{})
	r.play.on(core.JobDecide, func(_ context.Context, id string) error {
		if id == "first" {
			inside <- struct{}{}
			<-leave
		}
		return nil
	})
	r.Kick(decide("first")) // before Run: it waits
	r.start(t)
	<-inside
	for range 5 {
		r.Kick(decide("second"))
		r.Kick(decide("first")) // runs already: once more
	}
	leave <- struct{}{}
	<-inside
	leave <- struct{}{}
	r.Kick(decide("last"))
	got := map[string]int{}
	for got["decide last"] == 0 {
		got[<-r.play.ran]++
	}
	if got["decide first"] != 2 || got["decide second"] != 1 {
		t.Errorf("ran %v", got)
	}
}

func TestKicksThatFindNoRoomAreCounted(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Data: t.TempDir()}))
	r.kicks.room = 2
	for i := range 5 {
		r.Kick(decide(fmt.Sprint(i)))
	}
	if n := r.Stats().Dropped; n != 3 {
		t.Errorf("%d dropped, want 3", n)
	}
}

func TestStopLetsWhatRunsComeToItsEnd(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Data: t.TempDir()}))
	inside, leave := make(chan struct{}), make(chan struct{})
	r.play.on(core.JobDecide, func(ctx context.Context, _ string) error {
		close(inside)
		<-leave
		return ctx.Err()
	})
	r.start(t)
	r.enqueue(t, decide("req_1"))
	r.Kick(decide("req_1"))
	<-inside
	stopped := make(chan struct{})
	go func() { r.end(t); close(stopped) }()
	<-r.kicks.closing
	select {
	case <-stopped:
		t.Error("it did not wait")
	default:
	}
	close(leave)
	<-stopped
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	if n := r.count(t, "true"); n != 0 {
		t.Errorf("%d copies left of a verb that worked", n)
	}
}

func TestStopGivesUpWhatDoesNotEnd(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Data: t.TempDir()}))
	r.patience = 200 * time.Millisecond
	inside := make(chan struct{})
	r.play.on(core.JobDecide, func(ctx context.Context, _ string) error {
		close(inside)
		<-ctx.Done()
		return ctx.Err()
	})
	r.start(t)
	r.enqueue(t, decide("req_1"))
	r.Kick(decide("req_1"))
	<-inside
	r.end(t)
	if n := r.count(t, "finalized_at IS NULL"); n != 1 {
		t.Errorf("%d copies left of a verb that did not work", n)
	}
}

// asvs: 1.4.3
func TestNothingIsLeftRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s, err := store.Open(t.Context(), store.Options{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, s)
	go func() { r.ended <- r.Run(context.Background()) }()
	r.play.wantRun(t, "sweep", 5*time.Second)
	r.enqueue(t, decide("req_1"))
	r.Kick(decide("req_1"))
	r.play.wantRun(t, "decide req_1", 5*time.Second)
	r.end(t)
	if err := errors.Join(<-r.ended, s.Close()); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, before)
}

// F023: whoever listens for notifications loses the connection.
func TestALostListenerOnlyDelays(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Database: pgtest.Database(t)})).atOnce().start(t)
	r.play.wantRun(t, "reconcile", 20*time.Second)
	_, pool := r.store.Handles()
	_, err := pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()`)
	if err != nil {
		t.Fatal(err)
	}
	r.enqueue(t, decide("req_1"))
	r.play.wantRun(t, "decide req_1", 2*time.Second)
}

// F019 for jobs.
func TestJobsGoOnAfterPostgresRestarts(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Database: pgtest.Database(t)})).start(t)
	r.play.wantRun(t, "reconcile", 20*time.Second)
	r.enqueue(t, decide("req_1"))
	pgtest.Restart(t)
	r.play.wantRun(t, "decide req_1", 30*time.Second)
}
