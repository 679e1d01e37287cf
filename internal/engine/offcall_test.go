package engine_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

const annsShift = "start: now-1h, end: now+2h"

// longAsk asks for more than the shift lasts, and runs what follows.
func (h *harness) longAsk() string {
	h.t.Helper()
	r := h.ask("ann@example.com", "demo-role", within(10*time.Hour))
	h.run()
	h.wantState(r.ID, core.Approved)
	return r.ID
}

func TestWhoComesBackOnCallWithinTheGraceKeepsTheAccess(t *testing.T) {
	h := newHarness(t)
	id := h.longAsk()
	h.replace(annsShift, "start: now-1h, end: now+1m")
	h.advance(3 * time.Minute)
	if h.grantOf(id, "demo/db").OffCallAt.IsZero() {
		t.Fatal("the grant does not know that its holder is off call")
	}
	h.replace(annsShift, "start: now-1h, end: now+5h") // somebody asked Ann to stay
	h.advance(14 * time.Minute)
	if g := h.wantGrant(id, "demo/db", core.GrantActive, ""); !g.OffCallAt.IsZero() {
		t.Errorf("off call since %s, want on call again", g.OffCallAt)
	}
	h.advance(time.Hour)
	h.wantAccess("ann@example.com", true)
}

func TestWhoCameBackJustBeforeTheGraceIsOverIsAskedAboutBeforeTheAccessIsTaken(t *testing.T) {
	h := newHarness(t)
	id := h.longAsk()
	h.replace(annsShift, "start: now-1h, end: now+1m")
	h.advance(2 * time.Minute)
	since := h.grantOf(id, "demo/db").OffCallAt
	h.advance(since.Add(14*time.Minute + 30*time.Second).Sub(h.clock.Now())) // the roster is read once more
	h.replace(annsShift, "start: now-1m, end: now+5h")
	h.advance(since.Add(15 * time.Minute).Sub(h.clock.Now())) // that roster is fresh enough for everything else
	h.wantGrant(id, "demo/db", core.GrantActive, "")
	h.wantAccess("ann@example.com", true)
}

func TestAnErrorOfPagerDutyEndsNothing(t *testing.T) {
	h := newHarness(t)
	id := h.longAsk()
	h.fault(pdsim.Fault{Status: http.StatusForbidden})
	for range 12 {
		h.advance(15 * time.Minute) // the shift ended meanwhile, which nobody could see
	}
	if g := h.wantGrant(id, "demo/db", core.GrantActive, ""); !g.OffCallAt.IsZero() {
		t.Errorf("an error was read as off call since %s", g.OffCallAt)
	}
	h.sim.ClearFaults()
	h.advance(time.Minute)
	h.advance(15 * time.Minute)
	h.wantGrant(id, "demo/db", core.GrantEnded, core.EndOffCall)
	h.wantAccess("ann@example.com", false)
}

func TestF039AHandOffAfterTheDecisionIsNoticedWithinTheMaximumAge(t *testing.T) {
	h := newHarness(t)
	id := h.longAsk()
	decision := h.story(id).Decision
	if fetched := decision.Evidence[0].FetchedAt; fetched.IsZero() || decision.At.Sub(fetched) > time.Minute {
		t.Errorf("decided at %s on data of %s", decision.At, fetched)
	}
	h.replace(annsShift, "start: now-1h, end: now-1m") // an override takes the shift away at once, unannounced
	handOff := h.clock.Now()
	for h.grantOf(id, "demo/db").OffCallAt.IsZero() && h.clock.Now().Sub(handOff) < 5*time.Minute {
		h.clock.advance(time.Second)
		_, err := h.Sweep(t.Context())
		h.must(err)
	}
	if noticed := h.clock.Now().Sub(handOff); noticed > 61*time.Second {
		t.Errorf("the hand-off was noticed after %s, want at most 61s", noticed)
	}
	h.advance(15 * time.Minute)
	h.wantAccess("ann@example.com", false)
	if got := h.story(id).Decision; len(got.Evidence) != 1 || !got.Evidence[0].FetchedAt.Equal(decision.Evidence[0].FetchedAt) {
		t.Errorf("the decision's evidence changed to %+v", got.Evidence)
	}
}

func TestF040AtAHandOffOneTwoOrNobodyMayBeOnCall(t *testing.T) {
	tests := []struct {
		name, next           string // cy's shift, when ann's ends in ten minutes
		annBefore, cyBefore  core.Outcome
		annAt, cyAt, cyLater core.Outcome
	}{
		{"exact", "now+10m", core.OutcomeApprove, core.OutcomePeople, core.OutcomePeople, core.OutcomeApprove, core.OutcomeApprove},
		{"overlap", "now+5m", core.OutcomeApprove, core.OutcomeApprove, core.OutcomePeople, core.OutcomeApprove, core.OutcomeApprove},
		{"gap", "now+12m", core.OutcomeApprove, core.OutcomePeople, core.OutcomePeople, core.OutcomePeople, core.OutcomeApprove},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			h.replace("kind: v3, shifts: [{user: PUANN01, "+annsShift+"}]", "kind: v3, shifts: [{user: PUANN01, start: now-1h, end: now+10m}, {user: PUCY001, start: "+tt.next+", end: now+2h}]")
			h.apply(annotated("pagerduty_services", "Payments API") + "\n---\n" +
				`{kind: role, version: v5, metadata: {name: access-plugin}, spec: {allow: {review_requests: {roles: [demo-role]}}}}`)
			begin := h.clock.Now()
			for _, at := range []struct {
				after   time.Duration
				ann, cy core.Outcome
			}{
				{10*time.Minute - time.Second, tt.annBefore, tt.cyBefore},
				{10 * time.Minute, tt.annAt, tt.cyAt},
				{12*time.Minute + time.Second, core.OutcomePeople, tt.cyLater},
			} {
				h.clock.advance(begin.Add(at.after).Sub(h.clock.Now()))
				for user, want := range map[string]core.Outcome{"ann@example.com": at.ann, "cy@example.com": at.cy} {
					r, err := h.Try(t.Context(), as(user), core.Ask{Roles: []string{"demo-role"}})
					h.must(err)
					if r.Evaluation.Outcome != want {
						t.Errorf("%s after %s: %s, want %s", user, at.after, r.Evaluation.Outcome, want)
					}
				}
			}
		})
	}
}

func TestF081ARenameInPagerDutyEndsNoGrantAndADeletionDoes(t *testing.T) {
	h := newHarness(t)
	id := h.longAsk()
	h.change("name: My Critical Service", "name: Renamed")
	h.advance(20 * time.Minute)
	h.wantGrant(id, "demo/db", core.GrantActive, "")
	next := h.asked("ann@example.com", "demo-role")
	h.wantState(next, core.Pending) // the role still says the old name, which is said aloud
	h.wantSaid(next, `PagerDuty knows no service "My Critical Service"`)
	h.change("  - {id: PSV0001, name: My Critical Service, escalation_policy: PE00001, integration_key: \"00000000000000000000000000000001\"}\n", "")
	h.advance(16 * time.Minute)
	h.wantGrant(id, "demo/db", core.GrantEnded, core.EndOffCall)
	h.wantAccess("ann@example.com", false)
}

func TestAGrantThatWaitsForItsTargetEndsWithTheShiftAsWell(t *testing.T) {
	h := newHarness(t)
	h.target.Fail(core.Errorf(core.Unavailable, "down"))
	id := h.longAsk()
	h.wantGrant(id, "demo/db", core.GrantPending, "")
	h.advance(2*time.Hour + time.Second)
	h.advance(15 * time.Minute)
	h.target.Fail(nil)
	h.advance(time.Minute)
	h.wantGrant(id, "demo/db", core.GrantEnded, core.EndOffCall)
	h.wantAccess("ann@example.com", false)
}

func atHalfPast(h *harness) func(*core.Ask) {
	return func(a *core.Ask) { a.StartAt, a.Duration = h.clock.Now().Add(90*time.Minute), 2*time.Hour }
}

func TestB092AGrantForLaterBeginsOnlyIfItStillMay(t *testing.T) {
	tests := []struct {
		name  string
		lose  func(h *harness)
		begin bool
		says  string
	}{
		{"nothing changed", func(*harness) {}, true, ""},
		{"the right to ask is gone", func(h *harness) {
			h.apply(`{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [editor-requester]}}`)
		}, false, "may no longer ask for demo-role"},
		{"the role is gone", func(h *harness) { h.must(h.Delete(h.t.Context(), admin, "role", "demo-role")) }, false, "may no longer ask for demo-role"},
		{"the shift was handed over", func(h *harness) { h.replace(annsShift, "start: now-1h, end: now+30m") }, false, "was not on call for service My Critical Service"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			r := h.ask("ann@example.com", "demo-role", atHalfPast(h))
			h.run()
			h.wantState(r.ID, core.Approved)
			h.advance(time.Minute)
			h.wantAccess("ann@example.com", false)
			tt.lose(h)
			h.advance(88 * time.Minute)
			h.wantAccess("ann@example.com", false)
			h.advance(time.Minute)
			h.wantAccess("ann@example.com", tt.begin)
			for _, resource := range []string{"demo/db", "role/demo-role"} {
				if tt.begin {
					g := h.wantGrant(r.ID, resource, core.GrantActive, "")
					if want := r.StartAt.Add(2 * time.Hour); !g.EndsAt.Equal(want) {
						t.Errorf("the grant of %s ends at %s, want %s", resource, g.EndsAt, want)
					}
					continue
				}
				g := h.wantGrant(r.ID, resource, core.GrantFailed, "")
				wantWords(t, g.Error, tt.says)
			}
			h.advance(2 * time.Hour)
			h.advance(15 * time.Minute)
			h.wantNothing()
		})
	}
}

func TestAGrantForLaterWaitsVisiblyWhilePagerDutyCannotBeAsked(t *testing.T) {
	h := newHarness(t)
	r := h.ask("ann@example.com", "demo-role", atHalfPast(h))
	h.run()
	h.fault(pdsim.Fault{Status: http.StatusInternalServerError})
	h.advance(90 * time.Minute)
	h.wantAccess("ann@example.com", false)
	wantWords(t, h.wantGrant(r.ID, "demo/db", core.GrantPending, "").Error, "on-call data is stale")
	wantWords(t, h.wantGrant(r.ID, "role/demo-role", core.GrantPending, "").Error, "on-call data is stale")
	h.sim.ClearFaults()
	h.advance(time.Minute)
	h.wantAccess("ann@example.com", true)
	h.wantGrant(r.ID, "role/demo-role", core.GrantActive, "")
}

func TestAGrantForLaterThatPeopleApprovedAsksNobodyWhoIsOnCall(t *testing.T) {
	h := newHarness(t)
	r := h.ask("cy@example.com", "demo-role", func(a *core.Ask) { a.StartAt = h.clock.Now().Add(30 * time.Minute) })
	_, err := h.Review(t.Context(), admin, r.ID, engine.Opinion{State: core.Approved})
	h.must(err)
	h.fault(pdsim.Fault{Status: http.StatusInternalServerError})
	h.advance(time.Hour)
	h.wantAccess("cy@example.com", true)
}
