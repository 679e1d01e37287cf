package engine_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// grantOf returns the grant of a request on a resource, "demo/db" or "role/demo-role".
func (h *harness) grantOf(id, resource string) core.Grant {
	h.t.Helper()
	for _, g := range h.story(id).Grants {
		if g.Resource.String() == resource {
			return g
		}
	}
	h.t.Fatalf("request %s has no grant of %s", id, resource)
	return core.Grant{}
}

func (h *harness) wantGrant(id, resource string, state core.GrantState, cause core.EndCause) core.Grant {
	h.t.Helper()
	g := h.grantOf(id, resource)
	if g.State != state || g.EndCause != cause {
		h.t.Errorf("the grant of %s is %s by %q with trouble %q, want %s by %q", resource, g.State, g.EndCause, g.Error, state, cause)
	}
	return g
}

// wantNothing looks whether every grant is over and the target shows nothing that it did not show before.
func (h *harness) wantNothing(before ...core.Entitlement) {
	h.t.Helper()
	open, err := h.Grants(h.t.Context(), admin, engine.GrantQuery{States: []core.GrantState{core.GrantPending, core.GrantActive, core.GrantEnding}})
	h.must(err)
	if len(open) > 0 {
		h.t.Errorf("%d grants are not over, the first is %+v", len(open), open[0])
	}
	shown, err := h.target.List(h.t.Context())
	h.must(err)
	if len(shown) != len(before) {
		h.t.Errorf("the target shows %v, want %v", shown, before)
	}
	for _, e := range before {
		if !h.target.Shows(e) {
			h.t.Errorf("the target no longer shows %v, which was there before", e)
		}
	}
}

func within(d time.Duration) func(*core.Ask) { return func(a *core.Ask) { a.Duration = d } }

func TestTheFirstOfTwoGrantsToEndTakesNothingAway(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		short := h.ask("ann@example.com", "demo-role", within(20*time.Minute))
		long := h.ask("ann@example.com", "demo-role", within(50*time.Minute))
		h.run()
		h.advance(20 * time.Minute)
		h.wantGrant(short.ID, "demo/db", core.GrantEnded, core.EndTime)
		h.wantGrant(long.ID, "demo/db", core.GrantActive, "")
		h.wantAccess("ann@example.com", true)
		h.advance(30 * time.Minute)
		h.wantGrant(long.ID, "demo/db", core.GrantEnded, core.EndTime)
		h.wantNothing()
		h.wantChain()
	})
}

func TestF057OverlappingGrantsNeverEndEarlyAndLeaveNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		random := rand.New(rand.NewPCG(57, 1))
		h.apply(`{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role]}}}}`)
		users := []string{"ann@example.com", "bo@example.com", "cy@example.com"}
		waiting, ends := map[string][]time.Duration{}, map[string]time.Time{} // by user; the latest end of what is active
		activate := func() {
			for user, list := range waiting {
				for _, d := range list {
					if end := h.clock.Now().Add(d); end.After(ends[user]) {
						ends[user] = end
					}
				}
			}
			clear(waiting)
		}
		for range 40 {
			for _, user := range users {
				if random.IntN(3) > 0 {
					continue
				}
				// Ends fall on whole minutes, so that many of them coincide and touch.
				d := time.Duration(1+random.IntN(6)) * time.Minute
				r := h.ask(user, "demo-role", within(d))
				_, err := h.Review(t.Context(), admin, r.ID, engine.Opinion{State: core.Approved})
				h.must(err)
				waiting[user] = append(waiting[user], d)
			}
			if random.IntN(2) == 0 {
				h.run() // else they are settled together with what ends next
				activate()
			}
			h.advance(time.Duration(random.IntN(3)) * time.Minute)
			activate()
			for _, user := range users {
				h.wantAccess(user, h.clock.Now().Before(ends[user]))
			}
		}
		h.advance(10 * time.Minute)
		h.wantNothing()
		h.wantChain()
	})
}

func TestAccessThatWasThereBeforeIsNeverRemoved(t *testing.T) {
	h := newHarness(t)
	h.target.Set(db("ann@example.com"))
	for range 2 {
		r := h.ask("ann@example.com", "demo-role")
		h.run()
		h.wantGrant(r.ID, "demo/db", core.GrantActive, "")
		h.advance(time.Hour)
		h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndTime)
		h.wantNothing(db("ann@example.com"))
	}
}

func TestAccessThatWasTakenBehindOurBackIsGivenAgainAndIsOursToTake(t *testing.T) {
	h := newHarness(t)
	h.target.Set(db("ann@example.com"))
	h.ask("ann@example.com", "demo-role")
	h.run()
	h.target.Unset(db("ann@example.com"))
	h.must(h.Reconcile(t.Context()))
	h.wantAccess("ann@example.com", true)
	h.advance(time.Hour)
	h.wantNothing()
}

func TestReconcilingGivesNothingThatEndedMeanwhile(t *testing.T) {
	h := newHarness(t)
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	h.target.Unset(db("ann@example.com"))
	last := ""
	p := h.process("reconciler", (&watch{after: func(_ context.Context, step string, _ any) error {
		if last == "list" && step == "read" { // the difference is seen, and nothing done about it yet
			_, err := h.Revoke(t.Context(), as("ann@example.com"), h.grantOf(r.ID, "demo/db").ID, "")
			h.must(err)
			h.run()
		}
		last = step
		return nil
	}}).over)
	h.must(p.Reconcile(t.Context()))
	p.run()
	h.wantAccess("ann@example.com", false)
	h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndRevoked)
}

func TestReconcilingReportsWhatNobodyHereGaveAndLeavesIt(t *testing.T) {
	h := newHarness(t)
	h.target.Set(db("eve@example.com"))
	h.must(h.Reconcile(t.Context()))
	drifts, err := h.Drifts(t.Context(), admin, "")
	h.must(err)
	if len(drifts) != 1 || !drifts[0].Extra || drifts[0].User != "eve@example.com" {
		t.Errorf("drifts are %+v, want one extra of eve", drifts)
	}
	h.wantNothing(db("eve@example.com"))
}

func TestAnEntitlementThatTwoRolesGiveStaysUntilTheLastOfThemEnds(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: second-role}, spec: {entitlements: [{target: demo, resource: db}, {target: demo, resource: logs}]}}
---
{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role, second-role], annotations: {pagerduty_services: [My Critical Service]}}}}}
---
{kind: role, version: v5, metadata: {name: access-plugin}, spec: {allow: {review_requests: {roles: [demo-role, second-role]}}}}`)
	r := h.ask("ann@example.com", "demo-role", func(a *core.Ask) { a.Roles = []string{"demo-role", "second-role"} })
	h.run()
	var onDB []core.Grant
	for _, g := range h.wantState(r.ID, core.Approved).Grants {
		if g.State != core.GrantActive {
			t.Errorf("grant of %s is %s", g.Resource, g.State)
		}
		if g.Resource.String() == "demo/db" {
			onDB = append(onDB, g)
		}
	}
	if n := len(h.story(r.ID).Grants); n != 5 || len(onDB) != 2 {
		t.Fatalf("%d grants, %d of them on demo/db; want 5 and 2", n, len(onDB))
	}
	for i, g := range onDB {
		_, err := h.Revoke(t.Context(), as("ann@example.com"), g.ID, "done")
		h.must(err)
		h.run()
		h.wantAccess("ann@example.com", i == 0)
	}
}

func TestResourcesAreAskedForThroughTheRolesThatOneMaySearchAs(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: wide}, spec: {entitlements: [{target: demo, resource: db}, {target: demo, resource: logs}]}}
---
{kind: role, version: v5, metadata: {name: searcher}, spec: {allow: {request: {search_as_roles: [wide, demo-role], annotations: {pagerduty_services: [My Critical Service]}}}}}
---
{kind: role, version: v5, metadata: {name: access-plugin}, spec: {allow: {review_requests: {roles: [wide]}}}}
---
{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [searcher]}}`)
	logs := core.Resource{Target: "demo", Name: "logs"}
	r := h.ask("ann@example.com", "", func(a *core.Ask) { a.Roles, a.Resources = nil, []core.Resource{logs} })
	h.run()
	s := h.wantState(r.ID, core.Approved)
	if len(s.Roles) != 1 || s.Roles[0] != "wide" {
		t.Errorf("roles worked out are %v, want wide alone", s.Roles)
	}
	if !h.target.Shows(core.Entitlement{User: "ann@example.com", Resource: logs}) {
		t.Error("what was asked for was not given")
	}
	h.wantAccess("ann@example.com", false) // db was not asked for
}

func TestAGrantIsRevokedByItsHolderOrByWhoMayUpdateGrantsAndByNobodyElse(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: guard}, spec: {allow: {rules: [{resources: [grant], verbs: [update]}]}}}
---
{kind: user, version: v2, metadata: {name: guard@example.com}, spec: {roles: [guard]}}`)
	tests := []struct {
		who    engine.Actor
		reason string
		kind   core.Kind // empty: it works
	}{
		{as("ann@example.com"), "I am done", ""},
		{as("guard@example.com"), "", ""},
		{admin, "", ""},
		{as("cy@example.com"), "", core.Refused},
		{as("nobody@example.com"), "", core.Refused},
		{engine.Actor{}, "", core.Refused},
		{as("ann@example.com"), strings.Repeat("x", 4097), core.Invalid},
		{as("ann@example.com"), "two\nlines", core.Invalid},
	}
	for _, tt := range tests {
		r := h.ask("ann@example.com", "demo-role")
		h.run()
		g := h.grantOf(r.ID, "demo/db")
		_, err := h.Revoke(t.Context(), tt.who, g.ID, tt.reason)
		h.run()
		if (err == nil) != (tt.kind == "") || err != nil && core.KindOf(err) != tt.kind {
			t.Errorf("%s with %.20q: %v, want kind %q", tt.who.Name(), tt.reason, err, tt.kind)
		}
		h.wantAccess("ann@example.com", err != nil)
		if err == nil {
			if ended := h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndRevoked); ended.EndedBy != tt.who.Name() {
				t.Errorf("it was ended by %q, want %q", ended.EndedBy, tt.who.Name())
			}
		}
		again, err := h.Revoke(t.Context(), admin, g.ID, "")
		h.must(err)
		if _, err = h.Revoke(t.Context(), admin, g.ID, ""); err != nil || again.ID != g.ID {
			t.Errorf("revoking what is over says %v", err)
		}
		h.run()
	}
	if _, err := h.Revoke(t.Context(), admin, "gr_none", ""); core.KindOf(err) != core.NotFound {
		t.Errorf("revoking what never was says %v", err)
	}
}

func TestB013ARoleThatCameByAGrantNeitherReviewsNorAsks(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: climber}, spec: {allow: {request: {roles: [editor-reviewer, demo-role-requester]}}}}
---
{kind: user, version: v2, metadata: {name: bo@example.com}, spec: {roles: [climber]}}`)
	r := h.ask("bo@example.com", "", func(a *core.Ask) { a.Roles = []string{"editor-reviewer", "demo-role-requester"} })
	_, err := h.Review(t.Context(), admin, r.ID, engine.Opinion{State: core.Approved})
	h.must(err)
	role := core.Resource{Target: core.RoleTarget, Name: "editor-reviewer"}
	if _, holds, err := h.Check(t.Context(), admin, "bo@example.com", role); err != nil || !holds {
		t.Errorf("check of the granted role says %v, %v", holds, err)
	}
	other := h.ask("cy@example.com", "editor")
	if _, err := h.Review(t.Context(), as("bo@example.com"), other.ID, engine.Opinion{State: core.Approved}); core.KindOf(err) != core.Refused {
		t.Errorf("reviewing by a granted role says %v", err)
	}
	if _, err := h.Submit(t.Context(), as("bo@example.com"), engine.Submission{Ask: core.Ask{Roles: []string{"demo-role"}}}); core.KindOf(err) != core.Refused {
		t.Errorf("asking by a granted role says %v", err)
	}
}
