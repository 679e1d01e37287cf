package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/store"
)

func TestJobsOfOneKindAndTransactionShareACopy(t *testing.T) {
	onEach(t, func(t *testing.T, s *store.Store) {
		r := newRig(t, s)
		later := core.Job{Kind: core.JobDecide, ID: "req_1", At: time.Now().Add(time.Hour)}
		r.enqueue(t, decide("req_1"), decide("req_2"), decide("req_1"), core.Job{Kind: core.JobIncident, ID: "in_1"}, later)
		if n := r.count(t, "true"); n != 3 {
			t.Errorf("%d copies, want one of the decisions, one of the incident and one of what is to run later", n)
		}
		var many []core.Job
		for i := range 2*idsPerCopy + 1 {
			many = append(many, decide(fmt.Sprintf("many_%d", i)))
		}
		r.enqueue(t, many...)
		if n := r.count(t, "true"); n != 3+3 {
			t.Errorf("%d copies, want three more of %d decisions", n, len(many))
		}
	})
}

func TestAnEqualJobJoinsACopyThatRiverLeavesAlone(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Data: t.TempDir()}))
	r.enqueue(t, decide("req_1"), decide("req_2"))
	r.enqueue(t, decide("req_2"))
	if n := r.count(t, "true"); n != 1 {
		t.Errorf("%d copies of jobs that wait, want 1", n)
	}
	r.atOnce()
	r.enqueue(t, decide("req_3"))
	r.enqueue(t, decide("req_3")) // River may be running the first of them
	if n := r.count(t, "true"); n != 3 {
		t.Errorf("%d copies, want two more of jobs that may be running", n)
	}
}

func TestOnlyWhatFailedOfACopyIsTriedAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s *store.Store) {
		r := newRig(t, s).atOnce()
		failed := false
		r.play.on(core.JobDecide, func(_ context.Context, id string) error {
			if id == "req_2" && !failed {
				failed = true
				return core.Errorf(core.Unavailable, "PagerDuty is away")
			}
			return nil
		})
		r.enqueue(t, decide("req_1"), decide("req_2"), decide("req_3"))
		r.start(t)
		r.wantCount(t, "finalized_at IS NULL", 0, 20*time.Second)
		ran := map[string]int{}
		for len(r.play.ran) > 0 {
			ran[<-r.play.ran]++
		}
		if ran["decide req_1"] != 1 || ran["decide req_2"] != 2 || ran["decide req_3"] != 1 {
			t.Errorf("ran %v", ran)
		}
	})
}

// The process before this one died: nobody remembers its copies.
func TestACopyThatNobodyRemembersIsRunWhole(t *testing.T) {
	s := openStore(t, store.Options{Data: t.TempDir()})
	newRig(t, s).atOnce().enqueue(t, decide("req_1"), decide("req_2"))
	r := newRig(t, s).start(t)
	r.play.wantRun(t, "decide req_1", 10*time.Second)
	r.wantCount(t, "finalized_at IS NULL", 0, 10*time.Second)
	if stats := r.Stats(); stats.Worked < 2 {
		t.Errorf("stats: %+v", stats)
	}
}

func TestTheQueueCountsJobsAndNotCopies(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Data: t.TempDir()})).atOnce()
	r.enqueue(t, decide("req_1"), decide("req_2"), core.Job{Kind: core.JobIncident, ID: "in_1"})
	if n, _ := r.Queue(); n != 3 {
		t.Errorf("%d jobs wait, want 3", n)
	}
}

func TestAVerbCountsOnlyForWhatWasCommittedBeforeItBegan(t *testing.T) {
	c, a, b := newCopies(), key{core.JobDecide, "a"}, key{core.JobDecide, "b"}
	one := &durable{id: 1, left: map[key]int64{}}
	c.committed(map[*durable][]key{one: {a, b}})
	before := c.mark()
	two := &durable{id: 2, left: map[key]int64{}}
	c.committed(map[*durable][]key{one: {a}, two: {b}})
	c.done(a, before)
	c.done(b, before)
	if got := c.take(); len(got) > 0 {
		t.Errorf("%v can go, though jobs were committed onto them after the verbs began", got)
	}
	c.done(a, c.mark())
	if got := c.take(); !slices.Equal(got, []int64{1}) {
		t.Errorf("%v can go, want 1", got)
	}
	c.done(b, c.mark())
	if got := c.take(); !slices.Equal(got, []int64{2}) || !c.idle() || len(c.of)+len(c.known) > 0 {
		t.Errorf("%v can go, want 2, and then nothing is remembered: %v", got, c.of)
	}
}

func TestAnErrorOfACopyOutweighsAWait(t *testing.T) {
	wait, broken := river.JobSnooze(time.Second), errors.New("some bug")
	for _, of := range [][2]error{{nil, broken}, {wait, broken}, {broken, wait}} {
		if got := graver(of[0], of[1]); !errors.Is(got, broken) {
			t.Errorf("of %v and %v counts %v", of[0], of[1], got)
		}
	}
}
