package engine_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// extend asks for longer access, has the on-call reviewer look at it, and returns the request.
func (h *harness) extend(g core.Grant, d time.Duration) core.Request {
	h.t.Helper()
	r, err := h.Extend(h.t.Context(), as(g.User), g.ID, engine.Extension{Duration: d, Reason: "still at it"})
	h.must(err)
	h.run()
	return r
}

func TestAnExtensionIsANewDecisionAndLeavesTheGrantAsItIs(t *testing.T) {
	h := newHarness(t)
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	before := h.grantOf(r.ID, "demo/db")
	h.advance(50 * time.Minute)
	longer := h.extend(before, time.Hour)
	s := h.wantState(longer.ID, core.Approved)
	if s.Extends != before.ID || len(s.Reviews) != 1 || len(s.Decision.Evidence) != 1 {
		t.Errorf("the extension is %+v, want one of %s with a review and evidence of its own", s.Request, before.ID)
	}
	after := h.grantOf(r.ID, "demo/db")
	if !after.EndsAt.Equal(before.EndsAt) || after.Duration != before.Duration || after.State != core.GrantActive {
		t.Errorf("the grant was %+v and is %+v", before, after)
	}
	h.advance(10 * time.Minute)
	h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndTime)
	h.advance(59 * time.Minute) // the hour is counted from the old end
	h.wantAccess("ann@example.com", true)
	h.advance(time.Minute)
	h.wantAccess("ann@example.com", false)
	h.wantNothing()
}

func TestAnExtensionThatIsNotApprovedGivesNothing(t *testing.T) {
	h := newHarness(t)
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	h.replace("start: now-1h, end: now+2h", "start: now-1h, end: now+1m") // somebody took the shift over
	h.advance(2 * time.Minute)
	longer := h.extend(h.grantOf(r.ID, "demo/db"), 3*time.Hour)
	h.wantState(longer.ID, core.Pending)
	h.advance(time.Hour)
	h.wantNothing()
}

func TestOnlyTheHolderExtendsAndOnlyWhatIsLive(t *testing.T) {
	h := newHarness(t)
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	g := h.grantOf(r.ID, "demo/db")
	extend := func(who engine.Actor, in engine.Extension) error {
		_, err := h.Extend(t.Context(), who, g.ID, in)
		return err
	}
	tests := []struct {
		name string
		who  engine.Actor
		in   engine.Extension
		kind core.Kind
		says string
	}{
		{"somebody else", as("bo@example.com"), engine.Extension{Duration: time.Hour}, core.NotFound, "no grant"},
		{"nobody", engine.Actor{}, engine.Extension{Duration: time.Hour}, core.Refused, "no user"},
		{"a negative duration", as("ann@example.com"), engine.Extension{Duration: -time.Hour}, core.Invalid, "not a length of time"},
		{"an absurd duration", as("ann@example.com"), engine.Extension{Duration: 1 << 62}, core.Invalid, "too long"},
		{"an over-long reason", as("ann@example.com"), engine.Extension{Reason: strings.Repeat("x", 4097)}, core.Invalid, "4096"},
	}
	for _, tt := range tests {
		if err := extend(tt.who, tt.in); core.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
	h.clock.advance(time.Hour) // its end has come, and nobody has swept yet
	if err := extend(as("ann@example.com"), engine.Extension{}); core.KindOf(err) != core.Conflict || !strings.Contains(err.Error(), "is over") {
		t.Errorf("extending what is over says %v", err)
	}
	h.advance(0)
	if err := extend(as("ann@example.com"), engine.Extension{}); core.KindOf(err) != core.Conflict {
		t.Errorf("extending what has ended says %v", err)
	}
	h.wantNothing()
}

// asvs: 2.3.2
func TestB091ManyExtensionsNeverExceedFourteenDaysFromTheFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		h.replace("end: now+2h", "end: now+2000h")
		h.apply(`{kind: role, version: v5, metadata: {name: access-plugin}, spec: {allow: {review_requests: {roles: [demo-role]}}}}`)
		h.advance(2 * time.Minute)
		r := h.ask("ann@example.com", "demo-role", within(14*24*time.Hour))
		h.run()
		first := h.grantOf(r.ID, "demo/db")
		limit := first.StartsAt.Add(14 * 24 * time.Hour)
		last := first
		for range 30 {
			h.advance(45 * time.Hour)
			if !h.clock.Now().Before(limit) {
				break
			}
			s := h.wantState(h.extend(last, 14*24*time.Hour).ID, core.Approved)
			last = h.grantOf(s.ID, "demo/db")
			if last.EndsAt.After(limit) || !last.FirstAt.Equal(first.StartsAt) {
				t.Fatalf("the extension at %s lasts until %s, 14 days after the first are %s", h.clock.Now(), last.EndsAt, limit)
			}
		}
		h.wantAccess("ann@example.com", false)
		h.wantNothing()
	})
}

func TestB091AnExtensionDecidedWhileItsGrantIsEndingIsOfTheSameLine(t *testing.T) {
	h := newHarness(t)
	h.replace("end: now+2h", "end: now+2000h")
	h.advance(2 * time.Minute)
	r := h.ask("ann@example.com", "demo-role", within(14*24*time.Hour))
	h.run()
	g := h.grantOf(r.ID, "demo/db")
	h.advance(14*24*time.Hour - time.Minute)
	longer, err := h.Extend(t.Context(), as("ann@example.com"), g.ID, engine.Extension{Duration: time.Hour})
	h.must(err)
	h.target.Fail(core.Errorf(core.Unavailable, "down")) // so that the access is still there after its end
	h.advance(2 * time.Minute)
	h.wantGrant(r.ID, "demo/db", core.GrantEnding, core.EndTime)
	h.wantState(longer.ID, core.Approved)
	h.target.Fail(nil)
	h.advance(time.Minute)
	h.wantAccess("ann@example.com", false)
	if g := h.wantGrant(longer.ID, "demo/db", core.GrantFailed, ""); !strings.Contains(g.Error, "336h") {
		t.Errorf("the grant beyond 14 days says %q", g.Error)
	}
	h.wantNothing()
}

func TestB099ExtendAndExpiryAtOnceLeaveNoGapAndNoZombie(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		other := h.replica("other")
		for range 4 {
			r := h.ask("bo@example.com", "demo-role", within(time.Minute))
			h.run()
			g := h.grantOf(r.ID, "demo/db")
			longer, err := h.Extend(t.Context(), as("bo@example.com"), g.ID, engine.Extension{Duration: time.Minute})
			h.must(err)
			h.clock.advance(time.Minute)
			var both sync.WaitGroup
			both.Go(func() {
				_, _ = h.Sweep(t.Context())
				_ = h.work(settleJobOf("bo@example.com")) // who comes second may be told to wait
			})
			both.Go(func() {
				_ = other.Decide(t.Context(), longer.ID)
				_ = other.work(settleJobOf("bo@example.com")) // the same
			})
			both.Wait()
			h.run()
			other.run()
			h.advance(11 * time.Second)
			h.wantState(longer.ID, core.Approved)
			h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndTime)
			h.wantGrant(longer.ID, "demo/db", core.GrantActive, "")
			h.wantAccess("bo@example.com", true)
			h.advance(time.Minute)
			h.wantNothing()
		}
		h.wantChain()
	})
}

func settleJobOf(user string) core.Job {
	return core.Job{Kind: core.JobSettle, ID: strings.Join([]string{user, "demo", "db"}, "\x1f")}
}
