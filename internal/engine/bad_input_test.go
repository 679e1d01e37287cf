package engine_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
)

// A kept is everything that bad input must not change.
type kept struct {
	Requests  []engine.Story
	Grants    []core.Grant
	Incidents []core.Incident
	Documents []core.Document
}

func (h *harness) kept() kept {
	h.t.Helper()
	var k kept
	var err error
	k.Requests, err = h.Stories(h.t.Context(), admin, engine.RequestQuery{})
	h.must(err)
	k.Grants, err = h.Grants(h.t.Context(), admin, engine.GrantQuery{})
	h.must(err)
	k.Incidents, err = h.Incidents(h.t.Context(), admin, engine.IncidentQuery{})
	h.must(err)
	k.Documents, err = h.Documents(h.t.Context(), admin, "")
	h.must(err)
	return k
}

// words is what people read of an error: the message and the hint.
func words(err error) string {
	if err == nil {
		return ""
	}
	var shown *core.Error
	if errors.As(err, &shown) {
		return shown.Msg + "; " + shown.Hint
	}
	return err.Error()
}

// wantRefused holds an error to its kind and words, and what is kept to what was kept before.
func (h *harness) wantRefused(name string, err error, kind core.Kind, says string, before kept) {
	h.t.Helper()
	if err == nil || core.KindOf(err) != kind || !strings.Contains(words(err), says) {
		h.t.Errorf("%s: the error is %q (%s), want %s with %q", name, words(err), core.KindOf(err), kind, says)
	}
	h.run()
	if after := h.kept(); !reflect.DeepEqual(after, before) {
		h.t.Errorf("%s: something changed", name)
	}
}

// asvs: 1.3.3, 1.4.2, 2.2.1, 2.2.3, 16.4.1
func TestABadRequestIsRefusedInWordsAndChangesNothing(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: strict}, spec: {allow: {request: {roles: [demo-role], reason: {mode: required}}}}}
---
{kind: role, version: v5, metadata: {name: stricter}, spec: {allow: {request: {roles: [demo-role]}}, options: {request_access: reason}}}
---
{kind: role, version: v5, metadata: {name: searcher}, spec: {allow: {request: {search_as_roles: [demo-role]}}}}
---
{kind: user, version: v2, metadata: {name: dee@example.com}, spec: {roles: [strict]}}
---
{kind: user, version: v2, metadata: {name: eli@example.com}, spec: {roles: [stricter]}}
---
{kind: user, version: v2, metadata: {name: fay@example.com}, spec: {roles: [searcher]}}
---
{kind: user, version: v2, metadata: {name: off@example.com}, spec: {roles: [demo-role-requester], locked: true}}`)
	h.run()
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("role-%d", i)
	}
	resource := func(target, name string) core.Ask {
		return core.Ask{Resources: []core.Resource{{Target: target, Name: name}}}
	}
	now := h.clock.Now()
	ann, dee, eli, fay := "ann@example.com", "dee@example.com", "eli@example.com", "fay@example.com"
	demo := []string{"demo-role"}
	tests := []struct {
		name string
		who  string
		ask  core.Ask
		kind core.Kind
		says string
	}{
		{"an unknown user", "zed@example.com", core.Ask{Roles: demo}, core.NotFound, `no user "zed@example.com"`},
		{"an upper-case user", "Ann@example.com", core.Ask{Roles: demo}, core.NotFound, `no user "Ann@example.com"`},
		{"a locked user", "off@example.com", core.Ask{Roles: demo}, core.Refused, "is locked"},
		{"nobody", "", core.Ask{Roles: demo}, core.Invalid, "local administrator"},
		{"for somebody else", ann, core.Ask{User: "bo@example.com", Roles: demo}, core.Refused, "may not ask for bo@example.com"},
		{"nothing", ann, core.Ask{}, core.Invalid, "nothing is asked for"},
		{"an unknown role", ann, core.Ask{Roles: []string{"demo-rle"}}, core.Invalid, `no role "demo-rle"`},
		{"an empty role", ann, core.Ask{Roles: []string{""}}, core.Invalid, `no role ""`},
		{"one of two unknown", ann, core.Ask{Roles: []string{"demo-role", "nothing"}}, core.Invalid, `no role "nothing"`},
		{"a role that is not theirs to ask for", ann, core.Ask{Roles: []string{"editor"}}, core.Refused, "may not ask for role editor"},
		{"B041 a glob", ann, core.Ask{Roles: []string{"demo-*"}}, core.Invalid, `no role "demo-*"`},
		{"B041 a regular expression", ann, core.Ask{Roles: []string{"^.*$"}}, core.Invalid, `no role "^.*$"`},
		{"B041 every role among others", ann, core.Ask{Roles: []string{"*", "demo-role"}}, core.Invalid, `no role "*"`},
		{"B041 a pattern for a resource", fay, resource("demo", "*"), core.Refused, "demo/*"},
		{"an unknown target", fay, resource("demos", "db"), core.Refused, "demos/db"},
		{"half a resource", fay, resource("demo", ""), core.Invalid, "is not a resource"},
		{"resources without search_as_roles", ann, resource("demo", "db"), core.Refused, "search_as_roles"},
		{"B084 ten thousand roles", ann, core.Ask{Roles: many}, core.Invalid, "at most 300"},
		{"no reason where the role wants one", dee, core.Ask{Roles: demo}, core.Invalid, "a reason is required"},
		{"a blank reason", dee, core.Ask{Roles: demo, Reason: " \u00a0 "}, core.Invalid, "a reason is required"},
		{"no reason where every request needs one", eli, core.Ask{Roles: demo}, core.Invalid, "a reason is required"},
		{"an over-long reason", ann, core.Ask{Roles: demo, Reason: strings.Repeat("é", 2049)}, core.Invalid, "at most 4096"},
		{"B084 a reason of 10 MiB", ann, core.Ask{Roles: demo, Reason: strings.Repeat("x", 10<<20)}, core.Invalid, "at most 4096"},
		{"B083 a reason that is not UTF-8", ann, core.Ask{Roles: demo, Reason: "a\xff"}, core.Invalid, "not valid UTF-8"},
		{"B083 a reason with a NUL", ann, core.Ask{Roles: demo, Reason: "a\x00b"}, core.Invalid, "control character"},
		{"a reason that turns the text around", ann, core.Ask{Roles: demo, Reason: "a\u202eb"}, core.Invalid, "control character"},
		{"a negative duration", ann, core.Ask{Roles: demo, Duration: -time.Second}, core.Invalid, "not a length of time"},
		{"a tiny duration", ann, core.Ask{Roles: demo, Duration: 1}, core.Invalid, "too short"},
		{"an absurd duration", ann, core.Ask{Roles: demo, Duration: 1<<63 - 1}, core.Invalid, "too long"},
		{"a start in the past", ann, core.Ask{Roles: demo, StartAt: now.Add(-time.Second)}, core.Invalid, "in the past"},
		{"a start too far ahead", ann, core.Ask{Roles: demo, Duration: 9 * 24 * time.Hour, StartAt: now.Add(8 * 24 * time.Hour)}, core.Invalid, "7 days"},
		{"a session that is over", ann, core.Ask{Roles: demo, SessionLeft: -1}, core.Refused, "session"},
	}
	before := h.kept()
	calls := len(h.sim.Calls())
	for _, tt := range tests {
		_, err := h.Submit(t.Context(), as(tt.who), engine.Submission{Ask: tt.ask})
		h.wantRefused(tt.name, err, tt.kind, tt.says, before)
		_, err = h.Try(t.Context(), as(tt.who), tt.ask)
		h.wantRefused(tt.name+", tried", err, tt.kind, tt.says, before)
	}
	if len(h.sim.Calls()) != calls {
		t.Errorf("bad requests made %d calls to PagerDuty", len(h.sim.Calls())-calls)
	}
}

func TestZeroIsNoLengthOfTimeButTheDefault(t *testing.T) {
	h := newHarness(t)
	if r := h.ask("ann@example.com", "demo-role", within(0)); r.Duration != 4*time.Hour {
		t.Errorf("a request without a duration is for %s, want the default of 4h", r.Duration)
	}
	if r := h.ask("ann@example.com", "demo-role", within(300*24*time.Hour)); r.Duration != 14*24*time.Hour {
		t.Errorf("a request for 300 days is for %s, want 14 days", r.Duration)
	}
}

func TestABadReviewIsRefusedInWordsAndDecidesNothing(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: editor-requester}, spec: {allow: {request: {roles: [editor]}}}}
---
{kind: role, version: v5, metadata: {name: editor-reviewer}, spec: {allow: {review_requests: {roles: [editor]}}}}
---
{kind: role, version: v5, metadata: {name: narrow-reviewer}, spec: {allow: {review_requests: {roles: [editor], where: 'contains(reviewer.traits["team"], "a") && request.reason == "team a"'}}}}
---
{kind: user, version: v2, metadata: {name: cy@example.com}, spec: {roles: [editor-requester, editor-reviewer]}}
---
{kind: user, version: v2, metadata: {name: cy+1@example.com}, spec: {roles: [editor-reviewer]}}
---
{kind: user, version: v2, metadata: {name: cyrus}, spec: {roles: [editor-reviewer], traits: {pagerduty_email: ["CY@example.com"]}}}
---
{kind: user, version: v2, metadata: {name: cys-bot}, spec: {roles: [editor-reviewer], bot: true, owner: cy@example.com}}
---
{kind: user, version: v2, metadata: {name: team-b@example.com}, spec: {roles: [narrow-reviewer], traits: {team: [b]}}}
---
{kind: user, version: v2, metadata: {name: off@example.com}, spec: {roles: [editor-reviewer], locked: true}}`)
	r := h.ask("cy@example.com", "editor")
	h.run()
	yes := engine.Opinion{State: core.Approved}
	tests := []struct {
		name string
		who  engine.Actor
		in   engine.Opinion
		kind core.Kind
		says string
	}{
		{"B001 one's own", as("cy@example.com"), yes, core.Refused, "nobody reviews their own request"},
		{"B015 one's own, denied", as("cy@example.com"), engine.Opinion{State: core.Denied}, core.Refused, "nobody reviews their own request"},
		{"B002 under a plus address", as("cy+1@example.com"), yes, core.Refused, "same person"},
		{"B002 under a name with the same address", as("cyrus"), yes, core.Refused, "same person"},
		{"B002 through one's bot", as("cys-bot"), yes, core.Refused, "same person"},
		{"B002 in upper case", as("CY@EXAMPLE.COM"), yes, core.Refused, "no user"},
		{"B005 by an unknown", as("gone@example.com"), yes, core.Refused, "no user"},
		{"B005 by nobody", engine.Actor{}, yes, core.Refused, "no user"},
		{"by somebody locked", as("off@example.com"), yes, core.Refused, "is locked"},
		{"by somebody without the role", as("ann@example.com"), yes, core.Refused, "no role of ann@example.com"},
		{"B012 by another team", as("team-b@example.com"), yes, core.Refused, "narrow-reviewer"},
		{"a promotion", as("rev@example.com"), engine.Opinion{State: core.Promoted}, core.Invalid, "PROMOTED"},
		{"no opinion", as("rev@example.com"), engine.Opinion{}, core.Invalid, "APPROVED or DENIED"},
		{"an unknown opinion", as("rev@example.com"), engine.Opinion{State: "approved"}, core.Invalid, "APPROVED or DENIED"},
		{"an over-long reason", as("rev@example.com"), engine.Opinion{State: core.Approved, Reason: strings.Repeat("x", 4097)}, core.Invalid, "4096"},
		{"a reason with a line break", as("rev@example.com"), engine.Opinion{State: core.Approved, Reason: "a\nb"}, core.Invalid, "control character"},
	}
	before := h.kept()
	for _, tt := range tests {
		_, err := h.Review(t.Context(), tt.who, r.ID, tt.in)
		h.wantRefused(tt.name, err, tt.kind, tt.says, before)
	}
	_, err := h.Review(t.Context(), as("rev@example.com"), "req_none", yes)
	h.wantRefused("an unknown request", err, core.NotFound, "req_none", before)

	h.review("rev@example.com", r.ID, core.Denied)
	h.run()
	before = h.kept()
	for _, who := range []engine.Actor{as("rev@example.com"), admin} {
		_, err = h.Review(t.Context(), who, r.ID, yes)
		if kind := core.KindOf(err); kind != core.Refused && kind != core.Conflict {
			t.Errorf("a review after the decision by %s says %v", who.Name(), err)
		}
		h.wantRefused("after the decision", err, core.KindOf(err), "already DENIED", before)
	}
	_, err = h.Cancel(t.Context(), as("cy@example.com"), r.ID)
	h.wantRefused("cancelled after the decision", err, core.Conflict, "already DENIED", before)
}

func TestB002TwoReviewsByOneHumanCountOnce(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: editor-requester}, spec: {allow: {request: {roles: [editor], thresholds: [{approve: 2, deny: 1}]}}}}
---
{kind: user, version: v2, metadata: {name: rev+2@example.com}, spec: {roles: [editor-reviewer]}}
---
{kind: user, version: v2, metadata: {name: revs-bot}, spec: {roles: [editor-reviewer], bot: true, owner: rev@example.com}}
---
{kind: user, version: v2, metadata: {name: second@example.com}, spec: {roles: [editor-reviewer]}}`)
	r := h.ask("cy@example.com", "editor")
	h.review("rev@example.com", r.ID, core.Approved)
	h.run()
	before := h.kept()
	for _, who := range []string{"rev@example.com", "rev+2@example.com", "revs-bot"} {
		_, err := h.Review(t.Context(), as(who), r.ID, engine.Opinion{State: core.Approved})
		h.wantRefused(who, err, core.Refused, "already reviewed", before)
	}
	h.review("second@example.com", r.ID, core.Approved)
	h.wantState(r.ID, core.Approved)
}

func TestB015WhoWithdrawsTheirOwnRequestHasNotReviewedIt(t *testing.T) {
	h := newHarness(t)
	id := h.asked("cy@example.com", "editor")
	for who, kind := range map[string]core.Kind{"bo@example.com": core.NotFound, "rev@example.com": core.Refused, "": core.Refused} {
		if _, err := h.Cancel(t.Context(), as(who), id); core.KindOf(err) != kind {
			t.Errorf("cancelling %s's request as %q says %v, want %s", "cy", who, err, kind)
		}
	}
	_, err := h.Cancel(t.Context(), as("cy@example.com"), id)
	h.must(err)
	h.run()
	if s := h.wantState(id, core.Cancelled); len(s.Reviews) != 0 || s.Decision.By != "cy@example.com" || len(s.Grants) != 0 {
		t.Errorf("the withdrawn request is %+v", s)
	}
}

func TestAUserCalledAdminDoesNotCancelWhatTheAdministratorAskedFor(t *testing.T) {
	h := newHarness(t)
	items, err := manifest.Read([]byte(`{kind: user, version: v2, metadata: {name: Admin}, spec: {roles: []}}`))
	h.must(err)
	if _, err := h.Apply(t.Context(), admin, items, false); core.KindOf(err) != core.Invalid {
		t.Errorf("a user called Admin is stored: %v", err)
	}
	r, err := h.Submit(t.Context(), admin, engine.Submission{Ask: core.Ask{User: "cy@example.com", Roles: []string{"editor"}}, Key: "k"})
	h.must(err)
	if _, err := h.Cancel(t.Context(), as("admin"), r.ID); core.KindOf(err) != core.Refused {
		t.Errorf("the user admin cancels the administrator's request: %v", err)
	}
	if _, err := h.Submit(t.Context(), as("admin"), engine.Submission{Ask: core.Ask{Roles: []string{"editor"}}, Key: "k"}); err == nil {
		t.Errorf("the user admin got the administrator's request by its key: %v", err)
	}
}
