package engine_test

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

func TestWhoeverIsOnCallHasAccessAtOnceAndUntilTheShiftEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		r := h.ask("ann@example.com", "demo-role", func(a *core.Ask) { a.Duration = 8 * time.Hour })
		h.run()
		s := h.wantState(r.ID, core.Approved)
		if len(s.Reviews) != 1 || s.Reviews[0].Author != "access-plugin" {
			t.Errorf("reviews are %+v, want one by access-plugin", s.Reviews)
		}
		if len(s.Decision.Evidence) != 1 || s.Decision.Evidence[0].Service != "My Critical Service" || s.Decision.Evidence[0].Level != 1 {
			t.Errorf("evidence is %+v", s.Decision.Evidence)
		}
		h.wantAccess("ann@example.com", true)
		h.advance(110 * time.Minute)
		h.wantAccess("ann@example.com", true)
		h.advance(10*time.Minute + time.Second) // the shift is over; 15 minutes of grace begin
		h.wantAccess("ann@example.com", true)
		h.advance(15 * time.Minute)
		h.wantAccess("ann@example.com", false)
		for _, g := range h.story(r.ID).Grants {
			if g.State != core.GrantEnded || g.EndCause != core.EndOffCall {
				t.Errorf("grant of %s is %s by %q, want ended by off_call", g.Resource, g.State, g.EndCause)
			}
		}
		h.wantChain()
	})
}

func TestAccessEndsWhenItsTimeIsUp(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		r := h.ask("ann@example.com", "demo-role")
		h.run()
		h.wantState(r.ID, core.Approved)
		h.advance(59 * time.Minute)
		h.wantAccess("ann@example.com", true)
		h.clock.advance(time.Minute)
		resource := core.Resource{Target: "demo", Name: "db"}
		if _, holds, err := h.Check(t.Context(), admin, "ann@example.com", resource); err != nil || holds {
			t.Errorf("check at the end itself says %v (%v), want no, whatever the target still shows", holds, err)
		}
		h.advance(0)
		h.wantAccess("ann@example.com", false)
		if g := h.story(r.ID).Grants[0]; g.EndCause != core.EndTime {
			t.Errorf("end cause is %q, want time", g.EndCause)
		}
	})
}

func TestTheClockOfAGrantStartsWhenTheAccessIsActive(t *testing.T) {
	h := newHarness(t)
	r := h.ask("cy@example.com", "editor")
	h.run()
	h.advance(5 * time.Hour) // reviewers sleep
	h.review("rev@example.com", r.ID, core.Approved)
	h.run()
	g := h.story(r.ID).Grants[0]
	if want := h.clock.Now().Add(time.Hour); !g.EndsAt.Equal(want) {
		t.Errorf("the grant ends at %s, want %s", g.EndsAt, want)
	}
}

func TestWhoIsNotOnCallWaitsForPeopleAndReadsWhy(t *testing.T) {
	h := newHarness(t)
	r := h.ask("cy@example.com", "demo-role")
	h.run()
	h.wantState(r.ID, core.Pending)
	h.wantSaid(r.ID, "cy@example.com is not on call for service My Critical Service")
	h.wantAccess("cy@example.com", false)
}

func TestSomebodyWhoseShiftBeginsIsApprovedThen(t *testing.T) {
	h := newHarness(t)
	h.replace("start: now-1h, end: now+2h", "start: now+30m, end: now+2h")
	h.advance(2 * time.Minute)
	id := h.asked("ann@example.com", "demo-role")
	h.wantState(id, core.Pending)
	h.advance(30 * time.Minute)
	h.wantState(id, core.Approved)
}

func TestEveryLevelCountsUnlessLevelsAreNamed(t *testing.T) {
	h := newHarness(t)
	r := h.ask("bo@example.com", "demo-role")
	h.run()
	h.wantState(r.ID, core.Approved)
	h.apply(`{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role], annotations: {pagerduty_services: [My Critical Service], pagerduty_levels: ["1"]}}}}}`)
	second := h.ask("bo@example.com", "demo-role")
	h.run()
	h.wantState(second.ID, core.Pending)
	h.wantSaid(second.ID, "on level 1")
}

func TestEveryServiceIsHonouredNotJustTheFirst(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role], annotations: {pagerduty_services: [Teleport Access Request Notifications, Payments API]}}}}}
---
{kind: role, version: v5, metadata: {name: access-plugin}, spec: {allow: {review_requests: {roles: [demo-role]}}}}`)
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	s := h.wantState(r.ID, core.Approved)
	if got := s.Decision.Evidence[0]; got.Service != "Payments API" || got.Schedule != "Modern" {
		t.Errorf("evidence is %+v, want the v3 schedule Modern of Payments API", got)
	}
}

func TestServicesOfOneRoleNeverMeetTheLevelsOfAnother(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role], annotations: {pagerduty_services: [My Critical Service], pagerduty_levels: ["1"]}}}}}
---
{kind: role, version: v5, metadata: {name: second}, spec: {allow: {request: {roles: [demo-role], annotations: {pagerduty_services: [Teleport Access Request Notifications], pagerduty_levels: ["2"]}}}}}
---
{kind: role, version: v5, metadata: {name: access-plugin}, spec: {allow: {review_requests: {roles: [demo-role]}}}}
---
{kind: user, version: v2, metadata: {name: bo@example.com}, spec: {roles: [demo-role-requester, second]}}`)
	r := h.ask("bo@example.com", "demo-role") // on call for My Critical Service, but on level 2
	h.run()
	h.wantState(r.ID, core.Pending)
}

func TestTheReviewerApprovesOnlyWhatItsRoleLetsItReview(t *testing.T) {
	h := newHarness(t)
	h.apply(`{kind: role, version: v5, metadata: {name: access-plugin}, spec: {allow: {review_requests: {roles: [demo-role], where: 'contains(request.system_annotations["pagerduty_services"], "Payments API")'}}}}`)
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	h.wantState(r.ID, core.Pending)
	h.wantSaid(r.ID, "the on-call reviewer cannot approve this")
}

func TestWithoutAReviewerUserTheRequestSaysSo(t *testing.T) {
	h := newHarness(t)
	h.must(h.Delete(t.Context(), admin, "user", "access-plugin"))
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	h.wantState(r.ID, core.Pending)
	h.wantSaid(r.ID, `there is no user "access-plugin"`)
}

func TestTheOnCallApprovalCountsOneTowardsTheThresholds(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		h.apply(`
{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role], thresholds: [{approve: 2, deny: 1}], annotations: {pagerduty_services: [My Critical Service]}}}}}
---
{kind: role, version: v5, metadata: {name: editor-reviewer}, spec: {allow: {review_requests: {roles: [editor, demo-role]}}}}`)
		r := h.ask("ann@example.com", "demo-role")
		h.run()
		if s := h.wantState(r.ID, core.Pending); len(s.Reviews) != 1 {
			t.Fatalf("reviews are %+v, want one", s.Reviews)
		}
		h.review("rev@example.com", r.ID, core.Approved)
		h.wantState(r.ID, core.Approved)
	})
}

func TestTheTraitNamesThePagerDutyAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		h.apply(`{kind: user, version: v2, metadata: {name: myuser}, spec: {roles: [demo-role-requester], traits: {pagerduty_email: ["ANN@example.COM"]}}}`)
		r := h.ask("myuser", "demo-role")
		h.run()
		h.wantState(r.ID, core.Approved)
		second := h.ask("ann@example.com", "demo-role")
		h.run()
		h.wantState(second.ID, core.Pending)
		h.wantSaid(second.ID, "already matched with myuser")
	})
}

func TestANameThatIsNoAddressIsSaidToBeNone(t *testing.T) {
	h := newHarness(t)
	h.apply(`{kind: user, version: v2, metadata: {name: myuser}, spec: {roles: [demo-role-requester]}}`)
	r := h.ask("myuser", "demo-role")
	h.run()
	h.wantState(r.ID, core.Pending)
	h.wantSaid(r.ID, "pagerduty_email")
}

func TestOneApprovalCostsNoCallWhileTheIndexIsFresh(t *testing.T) {
	h := newHarness(t)
	h.run()
	first := h.ask("ann@example.com", "demo-role")
	h.run()
	h.wantState(first.ID, core.Approved)
	h.sim.ClearCalls()
	for range 50 {
		h.wantState(h.asked("ann@example.com", "demo-role"), core.Approved)
	}
	if calls := h.sim.Calls(); len(calls) != 0 {
		t.Errorf("50 approvals made %d calls, the first %s %s", len(calls), calls[0].Method, calls[0].Path)
	}
}

func (h *harness) asked(user, role string) string {
	h.t.Helper()
	r := h.ask(user, role)
	h.run()
	return r.ID
}

func (h *harness) review(who, id string, state core.RequestState) {
	h.t.Helper()
	_, err := h.Review(h.t.Context(), as(who), id, engine.Opinion{State: state, Reason: "as asked"})
	h.must(err)
}
