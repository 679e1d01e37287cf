package engine_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

func TestB009ARoleThatIsWidenedAfterTheRequestGivesNothingMore(t *testing.T) {
	const wide = `{kind: role, version: v5, metadata: {name: demo-role}, spec: {entitlements: [{target: demo, resource: db}, {target: demo, resource: admin}]}}`
	tests := map[string]func(h *harness) string{
		"before the approval": func(h *harness) string {
			r := h.ask("cy@example.com", "demo-role")
			h.apply(wide)
			_, err := h.Review(h.t.Context(), admin, r.ID, engine.Opinion{State: core.Approved})
			h.must(err)
			return r.ID
		},
		"between approval and issue": func(h *harness) string {
			r := h.ask("cy@example.com", "demo-role")
			_, err := h.Review(h.t.Context(), admin, r.ID, engine.Opinion{State: core.Approved})
			h.must(err)
			h.apply(wide)
			return r.ID
		},
		"before a start that was set": func(h *harness) string {
			r := h.ask("cy@example.com", "demo-role", func(a *core.Ask) { a.StartAt = h.clock.Now().Add(time.Minute) })
			_, err := h.Review(h.t.Context(), admin, r.ID, engine.Opinion{State: core.Approved})
			h.must(err)
			h.apply(wide)
			h.advance(time.Minute)
			return r.ID
		},
	}
	for name, story := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			id := story(h)
			h.run()
			h.wantAccess("cy@example.com", true)
			if n := len(h.story(id).Grants); n != 2 {
				t.Errorf("the request came to %d grants, want demo/db and role/demo-role", n)
			}
			more := core.Entitlement{User: "cy@example.com", Resource: core.Resource{Target: "demo", Name: "admin"}}
			if h.target.Shows(more) {
				t.Error("the target shows what was added to the role after it was asked for")
			}
		})
	}
}

func TestARoleThatIsGoneBeforeTheApprovalGivesNothing(t *testing.T) {
	h := newHarness(t)
	r := h.ask("cy@example.com", "demo-role")
	h.must(h.Delete(t.Context(), admin, "role", "demo-role"))
	_, err := h.Review(t.Context(), admin, r.ID, engine.Opinion{State: core.Approved})
	h.must(err)
	h.run()
	h.wantNothing()
	wantWords(t, h.wantGrant(r.ID, "demo/db", core.GrantFailed, "").Error, "role demo-role was removed before the access began")
}

// asvs: 2.3.1
func TestB010NothingEditsARequestOnceItIsMade(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		ask := core.Ask{Roles: []string{"demo-role"}, Reason: "to mend it", Duration: time.Hour}
		r, err := h.Submit(t.Context(), as("ann@example.com"), engine.Submission{Ask: ask, Key: "key"})
		h.must(err)
		grantsBefore := func() []core.Grant { return h.story(r.ID).Grants }
		check := func(when string) {
			t.Helper()
			now := h.story(r.ID).Request
			now.State, now.Reviews, now.Evaluation, now.Decision = r.State, r.Reviews, r.Evaluation, r.Decision
			now.CreatedAt, now.ExpiresAt = r.CreatedAt, r.ExpiresAt
			if !reflect.DeepEqual(now, r) {
				t.Errorf("%s the request is\n%+v\nand was\n%+v", when, now, r)
			}
		}
		check("as it was stored")
		again := func(when string) {
			t.Helper()
			ask := core.Ask{Roles: []string{"demo-role"}, Reason: "something else", Duration: 100 * time.Hour}
			same, err := h.Submit(t.Context(), as("ann@example.com"), engine.Submission{Ask: ask, Key: "key"})
			if h.must(err); same.ID != r.ID || same.Duration != time.Hour {
				t.Errorf("%s the key names %s for %s", when, same.ID, same.Duration)
			}
			check(when)
		}
		again("pending, asked again with more")
		h.run()
		h.wantState(r.ID, core.Approved)
		grants := grantsBefore()
		again("approved, asked again with more")
		h.apply(`{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: ["*"], max_duration: 300h}}}}`)
		check("after its rules changed")
		_, err = h.Extend(t.Context(), as("ann@example.com"), grants[0].ID, engine.Extension{Duration: 20 * time.Hour, Reason: "longer"})
		h.must(err)
		h.run()
		check("after an extension")
		if now := grantsBefore(); !reflect.DeepEqual(now, grants) {
			t.Errorf("its grants are\n%+v\nand were\n%+v", now, grants)
		}
	})
}

// An approval can only say yes: there is no field in it for a longer time or another role.
func TestB011AnOpinionHasAStateAndAReasonAndNothingElse(t *testing.T) {
	var names []string
	for f := range reflect.TypeFor[engine.Opinion]().Fields() {
		names = append(names, f.Name)
	}
	if !reflect.DeepEqual(names, []string{"State", "Reason"}) {
		t.Errorf("an opinion has the fields %v", names)
	}
}

// asvs: 2.3.1
func TestAPendingRequestKeepsTheRulesThatItWasMadeUnder(t *testing.T) {
	h := newHarness(t)
	h.apply(`{kind: role, version: v5, metadata: {name: editor-requester}, spec: {allow: {request: {roles: [editor], thresholds: [{approve: 2, deny: 1}]}}}}`)
	id := h.asked("cy@example.com", "editor")
	h.apply(`
{kind: role, version: v5, metadata: {name: editor-requester}, spec: {allow: {request: {roles: [editor], thresholds: [{approve: 1, deny: 1}]}}}}
---
{kind: user, version: v2, metadata: {name: second@example.com}, spec: {roles: [editor-reviewer]}}`)
	h.review("rev@example.com", id, core.Approved)
	h.wantState(id, core.Pending)
	h.review("second@example.com", id, core.Approved)
	h.wantState(id, core.Approved)
}

// asvs: 8.3.1
func TestB005AndB008WhoMayReviewIsSettledWhenTheReviewIsCommitted(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		other := h.replica("other")
		tests := []struct{ name, text string }{
			{"the role no longer reviews", `{kind: role, version: v5, metadata: {name: editor-reviewer}, spec: {}}`},
			{"the reviewer lost the role", `{kind: user, version: v2, metadata: {name: rev@example.com}, spec: {roles: []}}`},
			{"the reviewer is locked", `{kind: user, version: v2, metadata: {name: rev@example.com}, spec: {roles: [editor-reviewer], locked: true}}`},
			{"the reviewer is the requester's bot now", `{kind: user, version: v2, metadata: {name: rev@example.com}, spec: {roles: [editor-reviewer], bot: true, owner: cy@example.com}}`},
		}
		for _, tt := range tests {
			h.apply(resources)
			id := h.asked("cy@example.com", "editor")
			dir, err := other.Directory(t.Context()) // the other replica knows the roles as they are
			h.must(err)
			if err := dir.MayReview("rev@example.com", h.story(id).Request); err != nil {
				t.Fatalf("%s: before, %v", tt.name, err)
			}
			h.apply(tt.text)
			_, err = other.Review(t.Context(), as("rev@example.com"), id, engine.Opinion{State: core.Approved})
			if core.KindOf(err) != core.Refused {
				t.Errorf("%s: %v", tt.name, err)
			}
			h.wantState(id, core.Pending)
		}
		if n := h.audited("access_request.review.refused"); n != len(tests) {
			t.Errorf("%d refusals were audited, want %d", n, len(tests))
		}
	})
}

// What was worked out for one asker or one state of the rules is never used for another.
func TestB040NoAnswerIsReusedForAnotherAskerOrOtherRules(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: by-team}, spec: {allow: {request: {claims_to_roles: [{claim: teams, value: "*", roles: ["$1-role"]}], annotations: {pagerduty_services: ["{{external.service}}"]}}}}}
---
{kind: role, version: v5, metadata: {name: a-role}, spec: {}}
---
{kind: role, version: v5, metadata: {name: b-role}, spec: {}}
---
{kind: role, version: v5, metadata: {name: access-plugin}, spec: {allow: {review_requests: {roles: ["*"]}}}}
---
{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [by-team], traits: {teams: [a], service: [My Critical Service]}}}
---
{kind: user, version: v2, metadata: {name: bo@example.com}, spec: {roles: [by-team], traits: {teams: [b], service: [My Critical Service]}}}
---
{kind: user, version: v2, metadata: {name: cy@example.com}, spec: {roles: [by-team], traits: {teams: [a, b], service: [Payments API]}}}`)
	try := func(user, role string) string {
		r, err := h.Try(t.Context(), as(user), core.Ask{Roles: []string{role}})
		if err != nil {
			return string(core.KindOf(err))
		}
		return string(r.Evaluation.Outcome)
	}
	for range 2 {
		tests := []struct{ user, role, want string }{
			{"ann@example.com", "a-role", "approve"},
			{"ann@example.com", "b-role", "refused"},
			{"bo@example.com", "a-role", "refused"},
			{"bo@example.com", "b-role", "approve"},
			{"cy@example.com", "a-role", "people"},
			{"cy@example.com", "b-role", "people"},
		}
		for _, tt := range tests {
			if got := try(tt.user, tt.role); got != tt.want {
				t.Errorf("%s asks for %s: %s, want %s", tt.user, tt.role, got, tt.want)
			}
		}
	}
	h.apply(`{kind: user, version: v2, metadata: {name: bo@example.com}, spec: {roles: [by-team], traits: {teams: [a], service: [My Critical Service]}}}`)
	if got := try("bo@example.com", "a-role") + try("bo@example.com", "b-role"); got != "approverefused" {
		t.Errorf("after bo changed teams: %s", got)
	}
}
