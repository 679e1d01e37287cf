package engine_test

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/app"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// A wall is a wall clock that a test sets, and the true time that has passed, which nobody sets.
type wall struct {
	now    time.Time
	passed time.Duration
}

func (w *wall) Now() time.Time         { return w.now }
func (w *wall) elapsed() time.Duration { return w.passed }

// onWall lets the engine read a wall clock as the server does: through a clock that never goes back.
func onWall(w *wall) func(*engine.Options) {
	return func(o *engine.Options) { o.Clock = app.NewClock(w.Now, w.elapsed, time.Time{}) }
}

// settleAll sweeps and does what is due.
func (h *harness) settleAll() {
	h.t.Helper()
	_, err := h.Sweep(h.t.Context())
	h.must(err)
	h.run()
}

func TestF052AWallClockThatJumpsLengthensNoGrant(t *testing.T) {
	begin := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	tests := []struct {
		name    string
		to      time.Time     // where the wall clock jumps after 20 minutes
		atMost  time.Duration // of true time until the access is gone
		atLeast time.Duration
	}{
		{"an hour back", begin.Add(-40 * time.Minute), time.Hour, 59 * time.Minute},
		{"an hour ahead", begin.Add(80 * time.Minute), 21 * time.Minute, 0},
		{"to 1970", time.Unix(0, 0), time.Hour, 59 * time.Minute},
		{"to 2039", time.Date(2039, 1, 1, 0, 0, 0, 0, time.UTC), 21 * time.Minute, 0},
		{"a second back", begin.Add(20*time.Minute - time.Second), time.Hour, 59 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &wall{now: begin}
			h := newHarness(t, onWall(w))
			r := h.ask("cy@example.com", "demo-role")
			_, err := h.Review(t.Context(), admin, r.ID, engine.Opinion{State: core.Approved})
			h.must(err)
			h.run()
			h.wantAccess("cy@example.com", true)
			pass := func(d time.Duration) {
				w.passed += d
				w.now = w.now.Add(d)
				h.settleAll()
			}
			pass(20 * time.Minute)
			w.now = tt.to
			for h.target.Shows(db("cy@example.com")) && w.passed < 2*time.Hour {
				pass(time.Minute)
			}
			if w.passed > tt.atMost || w.passed < tt.atLeast {
				t.Errorf("the access of an hour was there for %s, want %s to %s", w.passed, tt.atLeast, tt.atMost)
			}
			h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndTime)
			h.wantChain()
		})
	}
}

func TestF054AfterTheMachineSleptEverythingOverdueEndsAtOnce(t *testing.T) {
	h := newHarness(t)
	var ids []string
	for i := range 20 {
		r := h.ask("bo@example.com", "demo-role", within(time.Duration(1+i)*20*time.Minute))
		ids = append(ids, r.ID)
	}
	pending := h.ask("cy@example.com", "editor")
	h.run()
	h.clock.advance(8 * time.Hour)
	h.settleAll()
	h.wantNothing()
	for _, id := range ids {
		if g := h.wantGrant(id, "demo/db", core.GrantEnded, core.EndTime); !g.EndedAt.Equal(h.clock.Now()) {
			t.Errorf("it ended at %s, want now, %s", g.EndedAt, h.clock.Now())
		}
	}
	h.wantState(pending.ID, core.Pending)
}

func TestF053DurationsAreExactWhateverClocksOnWallsDo(t *testing.T) {
	h := newHarness(t)
	tests := []struct {
		zone string
		at   string // just before the clocks change, where they do
	}{
		{"America/New_York", "2026-03-08T06:30:00Z"},
		{"Europe/Berlin", "2026-03-29T00:30:00Z"},
		{"Pacific/Pago_Pago", "2026-06-30T23:30:00Z"},
		{"Australia/Lord_Howe", "2026-10-03T15:00:00Z"}, // half an hour
		{"Europe/Berlin", "2026-10-25T00:30:00Z"},
		{"America/New_York", "2026-11-01T05:30:00Z"},
		{"Pacific/Kiritimati", "2026-12-31T23:30:00Z"},
	}
	for _, tt := range tests {
		zone, err := time.LoadLocation(tt.zone)
		h.must(err)
		at, err := time.Parse(time.RFC3339, tt.at)
		h.must(err)
		h.clock.advance(at.Sub(h.clock.Now()))
		o := h.options
		o.Clock = zonedClock{h.clock, zone}
		h.Engine = engine.New(o)
		h.replace(annsShift, "start: now-1h, end: now+3h")
		r := h.ask("ann@example.com", "demo-role", within(90*time.Minute))
		h.run()
		g := h.wantGrant(r.ID, "demo/db", core.GrantActive, "")
		if !g.EndsAt.Equal(at.Add(90 * time.Minute)) {
			t.Errorf("%s: 90 minutes from %s end at %s", tt.zone, at, g.EndsAt)
		}
		h.advance(90*time.Minute - time.Microsecond)
		h.wantAccess("ann@example.com", true)
		h.advance(time.Microsecond)
		h.wantAccess("ann@example.com", false)
	}
}

// A zonedClock tells the time of a place.
type zonedClock struct {
	engine.Clock
	zone *time.Location
}

func (c zonedClock) Now() time.Time { return c.Clock.Now().In(c.zone) }
