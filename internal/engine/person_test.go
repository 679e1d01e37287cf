package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// through is a user by an identity that somebody else had made for them.
func through(user, by string) engine.Actor {
	a := as(user)
	a.Session.Author = by
	return a
}

const twoApprovals = `
{kind: role, version: v5, metadata: {name: editor-requester}, spec: {allow: {request: {roles: [editor], thresholds: [{approve: 2, deny: 2}]}}}}
---
{kind: role, version: v5, metadata: {name: for-others}, spec: {allow: {rules: [{resources: [access_request], verbs: [create]}]}}}
---
{kind: user, version: v2, metadata: {name: second@example.com}, spec: {roles: [editor-reviewer, for-others]}}
---
{kind: user, version: v2, metadata: {name: third@example.com}, spec: {roles: [editor-reviewer]}}
---
{kind: user, version: v2, metadata: {name: robot}, spec: {roles: [editor-reviewer, editor-requester], bot: true}}
---
{kind: user, version: v2, metadata: {name: cys-bot}, spec: {roles: [editor-reviewer], bot: true, owner: cy@example.com}}`

// asvs: 8.2.2
func TestB001NobodyReviewsWhatTheyAskedForAsSomebodyElse(t *testing.T) {
	h := newHarness(t)
	h.apply(twoApprovals)
	own := h.asked("cy@example.com", "editor")
	r, err := h.Submit(t.Context(), as("second@example.com"), engine.Submission{Ask: core.Ask{User: "cy@example.com", Roles: []string{"editor"}}})
	h.must(err)
	asked := r.ID
	r, err = h.Submit(t.Context(), through("robot", "rev@example.com"), engine.Submission{Ask: core.Ask{Roles: []string{"editor"}}})
	h.must(err)
	if r.User != "robot" || r.Author != "rev@example.com" {
		t.Errorf("asked as robot by rev: user %s, author %s", r.User, r.Author)
	}
	impersonated := r.ID
	h.run()
	before := h.kept()
	for _, tt := range []struct {
		name string
		who  engine.Actor
		id   string
		says string
	}{
		{"by a bot of theirs", as("cys-bot"), own, "same person"},
		{"by somebody whose identity they made", through("robot", "cy@example.com"), own, "cy@example.com asked for this"},
		{"by somebody whose identity their bot made", through("robot", "cys-bot"), own, "same person"},
		{"by who asked for another", as("second@example.com"), asked, "asked for this"},
		{"by who asked for another, as a robot", through("robot", "second@example.com"), asked, "asked for this"},
		{"by who asked as the robot", as("rev@example.com"), impersonated, "asked for this"},
		{"by the robot itself", as("robot"), impersonated, "asked for this"},
	} {
		_, err := h.Review(t.Context(), tt.who, tt.id, engine.Opinion{State: core.Approved})
		h.wantRefused(tt.name, err, core.Refused, tt.says, before)
	}
	if s, err := h.Story(t.Context(), as("cy@example.com"), asked); err != nil || s.Author != "second@example.com" {
		t.Errorf("who asked for another is to be seen for ever: %+v, %v", s, err)
	}
}

func TestB002TwoReviewsByOneHumanCountOnceAlsoThroughAnImpersonatedRobot(t *testing.T) {
	h := newHarness(t)
	h.apply(twoApprovals)
	robotFirst, ownFirst := h.asked("cy@example.com", "editor"), h.asked("cy@example.com", "editor")
	yes := engine.Opinion{State: core.Approved}
	_, err := h.Review(t.Context(), through("robot", "rev@example.com"), robotFirst, yes)
	h.must(err)
	h.review("rev@example.com", ownFirst, core.Approved)
	if s := h.story(robotFirst); s.Reviews[0].Author != "robot" || s.Reviews[0].Human != "rev@example.com" {
		t.Errorf("the review is %+v, want one of the robot with rev behind it", s.Reviews[0])
	}
	before := h.kept()
	_, err = h.Review(t.Context(), as("rev@example.com"), robotFirst, yes)
	h.wantRefused("as themselves afterwards", err, core.Refused, "same person", before)
	_, err = h.Review(t.Context(), through("robot", "rev@example.com"), ownFirst, yes)
	h.wantRefused("as the robot afterwards", err, core.Refused, "same person", before)
	h.review("second@example.com", robotFirst, core.Approved)
	h.wantState(robotFirst, core.Approved)
}

// A name and an address can be changed, also at PagerDuty; whom PagerDuty pages stays who it is.
func TestB002ASecondNameWithTheSamePagerDutyUserIsTheSamePerson(t *testing.T) {
	h := newHarness(t)
	h.apply(`{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {region: us, api_token: "env:PD", from_email: bot@example.com, default: true}}`)
	h.apply(twoApprovals)
	h.apply(`{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [demo-role-requester, editor-requester, editor-reviewer]}}`)
	h.wantState(h.asked("ann@example.com", "demo-role"), core.Approved) // matched with PUANN01
	h.change("email: Ann@Example.com", "email: married@example.com")
	h.apply(`{kind: user, version: v2, metadata: {name: married@example.com}, spec: {roles: [editor-reviewer]}}`)
	own, others := h.asked("ann@example.com", "editor"), h.asked("cy@example.com", "editor")
	h.review("ann@example.com", others, core.Approved)
	before := h.kept()
	yes := engine.Opinion{State: core.Approved}
	_, err := h.Review(t.Context(), as("married@example.com"), own, yes)
	h.wantRefused("their own request", err, core.Refused, "PUANN01; nobody reviews their own request", before)
	_, err = h.Review(t.Context(), as("married@example.com"), others, yes)
	h.wantRefused("a second review", err, core.Refused, "PUANN01, who has already reviewed", before)
}

func TestB002WhoIsDeletedAndComesAgainUnderAnotherNameHasNothingLeftToReview(t *testing.T) {
	h := newHarness(t)
	h.apply(twoApprovals)
	own, others := h.asked("cy@example.com", "editor"), h.asked("myuser", "editor")
	h.review("rev@example.com", others, core.Approved)
	h.must(h.Delete(t.Context(), admin, "user", "cy@example.com"))
	h.must(h.Delete(t.Context(), admin, "user", "rev@example.com"))
	h.apply(`
{kind: user, version: v2, metadata: {name: new-cy}, spec: {roles: [editor-reviewer], traits: {pagerduty_email: [cy@example.com]}}}
---
{kind: user, version: v2, metadata: {name: new-rev}, spec: {roles: [editor-reviewer], traits: {pagerduty_email: [rev@example.com]}}}`)
	h.wantState(own, core.Cancelled)
	_, err := h.Review(t.Context(), as("new-rev"), others, engine.Opinion{State: core.Approved})
	if core.KindOf(err) != core.Refused || !strings.Contains(err.Error(), "same person") {
		t.Errorf("the second review by one person: %v", err)
	}
	h.review("second@example.com", others, core.Approved)
	h.wantState(others, core.Pending) // the review of who was removed does not count
}

// asvs: 7.3.2
func TestAccessLastsNoLongerThanTheSessionItIsAskedIn(t *testing.T) {
	h := newHarness(t)
	for _, kind := range []core.CredentialKind{core.CredentialSession, core.CredentialCertificate} {
		ann := as("ann@example.com")
		ann.Session.Credential = core.Credential{Kind: kind, ID: "1", ExpiresAt: h.clock.Now().Add(20 * time.Minute)}
		ask := engine.Submission{Ask: core.Ask{Roles: []string{"demo-role"}, Duration: time.Hour}}
		r, err := h.Submit(t.Context(), ann, ask)
		h.must(err)
		if r.Duration != 20*time.Minute {
			t.Errorf("asked in a %s of 20 minutes, access lasts %s", kind, r.Duration)
		}
		ann.Session.ExpiresAt = h.clock.Now()
		h.run()
		before := h.kept()
		_, err = h.Submit(t.Context(), ann, ask)
		h.wantRefused("a session that is over", err, core.Refused, "is over", before)
	}
}
