package jobs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/store"
)

func TestSweepsArePunctual(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Data: t.TempDir()}))
	swept := make(chan time.Time, 1000)
	r.play.on(kindSweep, func(context.Context, string) error { swept <- time.Now(); return nil })
	r.start(t)
	first := <-swept
	for _, ask := range []func(at time.Time){
		r.Wake,
		func(at time.Time) { r.Kick(core.Job{Kind: core.JobDecide, ID: "later", At: at}) },
		func(at time.Time) { r.Wake(at.Add(time.Hour)); r.Wake(at); r.Wake(at.Add(time.Hour)) },
	} {
		at := time.Now().Add(150 * time.Millisecond)
		ask(at)
		for {
			if got := <-swept; !got.Before(at) {
				t.Logf("late by %v", got.Sub(at))
				if got.Sub(at) > 500*time.Millisecond { // ten milliseconds, and a busy machine
					t.Errorf("late by %v", got.Sub(at))
				}
				break
			}
		}
	}
	last := first
	for range 2 { // and without anybody asking
		got := <-swept
		if got.Sub(last) > 3*time.Second {
			t.Errorf("no sweep for %v", got.Sub(last))
		}
		last = got
	}
}

func TestTheSweepSaysWhenItIsNext(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Data: t.TempDir()}))
	at := time.Now().Add(300 * time.Millisecond)
	r.play.next = at
	swept := make(chan time.Time, 1000)
	r.play.on(kindSweep, func(context.Context, string) error { swept <- time.Now(); return nil })
	r.start(t)
	for got := <-swept; ; got = <-swept {
		if !got.Before(at) {
			if got.Sub(at) > 500*time.Millisecond {
				t.Errorf("late by %v", got.Sub(at))
			}
			return
		}
	}
}

func TestATroubleOfTheSweepIsLoggedOnce(t *testing.T) {
	r := newRig(t, openStore(t, store.Options{Data: t.TempDir()}))
	r.play.on(kindSweep, func(context.Context, string) error { return errors.New("no database") })
	r.start(t)
	for range 4 {
		r.play.wantRun(t, "sweep", 5*time.Second)
		r.Wake(time.Now())
	}
	r.play.on(kindSweep, nil)
	r.play.wantRun(t, "sweep", 5*time.Second)
	r.play.wantRun(t, "sweep", 5*time.Second)
	r.end(t)
	if n := strings.Count(r.log.String(), "the sweep failed"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, r.log)
	}
	if !strings.Contains(r.log.String(), "sweeps work again") {
		t.Errorf("the end of it is not in the log:\n%s", r.log)
	}
}

func TestReconcileRunsThroughTheLeader(t *testing.T) {
	onEach(t, func(t *testing.T, s *store.Store) {
		r := newRig(t, s).start(t)
		r.play.wantRun(t, "reconcile", 20*time.Second)
	})
}
