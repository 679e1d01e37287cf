package core

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func reviewDirectory(t testing.TB) *Directory {
	req := requester("req", "x", "y")
	req.Allow.Request.Thresholds = []Threshold{{Name: "two", Approve: 2, Deny: 1}}
	req.Allow.Request.Annotations = map[string][]string{"pagerduty_services": {"Payments"}}
	deny := Role{Name: "deny", Deny: Conditions{Review: ReviewRule{Roles: []string{"y"}, Where: `equals(request.reason, "odd")`}}}
	return mustDirectory(t, []Role{
		req, {Name: "x"}, {Name: "y"}, deny,
		reviewer("rev", "", "*"), reviewer("rev-x", "", "x"), reviewer("rev-y", "", "y"),
		reviewer("rev-pay", `contains(request.system_annotations["pagerduty_services"], "Payments")`, "x"),
		reviewer("rev-web", `contains(request.system_annotations["pagerduty_services"], "Web")`, "x"),
		reviewer("rev-fail", `equals(request.reason, "odd") || equals(request.roles, "x")`, "x"),
		{Name: "rev-claims", Allow: Conditions{Review: ReviewRule{ClaimsToRoles: []ClaimMapping{{Claim: "team", Value: "team-*", Roles: []string{"$1"}}}}}},
	}, []User{
		{Name: "ann@x.org", Roles: []string{"req", "rev"}},
		{Name: "Ann@X.org", Roles: []string{"rev"}}, {Name: "ann+2@x.org", Roles: []string{"rev"}},
		{Name: "ann", Roles: []string{"rev"}, Traits: map[string][]string{"pagerduty_email": {"ANN@x.org"}}},
		{Name: "ann-bot", Bot: true, Owner: "ann@x.org", Roles: []string{"rev"}}, {Name: "ann-bot-bot", Bot: true, Owner: "ann-bot", Roles: []string{"rev"}},
		{Name: "bob", Roles: []string{"rev"}}, {Name: "bob-bot", Bot: true, Owner: "Bob", Roles: []string{"rev"}},
		{Name: "eve", Roles: []string{"rev"}}, {Name: "plugin", Bot: true, Roles: []string{"rev"}},
		{Name: "x-only", Roles: []string{"rev-x"}}, {Name: "both", Roles: []string{"rev-x", "rev-y"}},
		{Name: "pay", Roles: []string{"rev-pay"}}, {Name: "web", Roles: []string{"rev-web"}}, {Name: "web-x", Roles: []string{"rev-web", "rev-x"}},
		{Name: "fail", Roles: []string{"rev-fail"}}, {Name: "fail-x", Roles: []string{"rev", "rev-fail"}}, {Name: "denied", Roles: []string{"rev", "deny"}},
		{Name: "claims", Roles: []string{"rev-claims"}, Traits: map[string][]string{"team": {"team-x"}}},
		{Name: "none"}, {Name: "locked", Roles: []string{"rev"}, Locked: true},
	})
}

func TestMayReview(t *testing.T) {
	tests := []struct {
		reviewer string
		roles    []string
		reason   string
		refused  string // words; empty: may
	}{
		{"bob", []string{"x", "y"}, "", ""},
		{"plugin", []string{"x"}, "", ""},
		{"x-only", []string{"x"}, "", ""},
		{"x-only", []string{"x", "y"}, "", "no role of x-only lets them review a request for y"},
		{"both", []string{"x", "y"}, "", ""},
		{"pay", []string{"x"}, "", ""},
		{"web", []string{"x"}, "", "role rev-web lets web review only where a condition holds, and here contains("},
		{"web-x", []string{"x"}, "", ""},
		{"fail", []string{"x"}, "", "role rev-fail: allow.review_requests.where cannot be evaluated: column "},
		{"fail", []string{"x"}, "odd", ""},
		{"fail-x", []string{"x"}, "", "cannot be evaluated"}, // another role covers all, and still: no luck of the draw
		{"fail-x", []string{"y"}, "", ""},
		{"denied", []string{"y"}, "odd", "role deny denies it"},
		{"denied", []string{"y"}, "", ""},
		{"denied", []string{"x"}, "odd", ""},
		{"claims", []string{"x"}, "", ""},
		{"claims", []string{"y"}, "", "no role of claims"},
		{"none", []string{"x"}, "", "no role of none"},
		{"locked", []string{"x"}, "", "locked is locked"},
	}
	d := reviewDirectory(t)
	for _, tt := range tests {
		r := mustRequest(t, d, Ask{User: "ann@x.org", Roles: tt.roles, Reason: tt.reason})
		switch err := d.MayReview(tt.reviewer, r); {
		case tt.refused == "" && err != nil:
			t.Errorf("%s on %v: %v", tt.reviewer, tt.roles, err)
		case tt.refused != "":
			wantRefusal(t, err, Refused, tt.refused)
			if hintOf(err) == "" {
				t.Errorf("%s: no hint", tt.reviewer)
			}
		}
	}
	r := mustRequest(t, d, Ask{User: "ann@x.org", Roles: []string{"x"}})
	wantRefusal(t, d.MayReview("nobody", r), NotFound, "there is no user")
	r.Roles = nil
	wantRefusal(t, d.MayReview("bob", r), Refused, "names no roles")
}

func TestB001NobodyApprovesTheirOwnRequest(t *testing.T) {
	d := reviewDirectory(t)
	r := mustRequest(t, d, Ask{User: "ann@x.org", Author: "eve", Roles: []string{"x"}})
	for _, who := range []string{"ann@x.org", "eve"} {
		wantRefusal(t, d.MayReview(who, r), Refused, "nobody reviews their own request")
		next, err := d.AddReview(r, Review{Author: who, State: Approved}, testNow)
		wantRefusal(t, err, Refused, "nobody reviews their own request")
		if diff := cmp.Diff(r, next); diff != "" {
			t.Errorf("the request changed: %s", diff)
		}
	}
}

func TestB002ASecondNameIsTheSamePerson(t *testing.T) {
	d := reviewDirectory(t)
	r := mustRequest(t, d, Ask{User: "ann@x.org", Roles: []string{"x"}})
	for _, who := range []string{"Ann@X.org", "ann+2@x.org", "ann", "ann-bot", "ann-bot-bot", " ANN@x.ORG"} {
		wantRefusal(t, d.MayReview(who, r), Refused, "same person")
		_, err := d.AddReview(r, Review{Author: who, State: Approved}, testNow)
		wantRefusal(t, err, Refused, "same person")
	}
	byAdmin := mustRequest(t, d, Ask{User: "ann@x.org", Author: "BOB", Roles: []string{"x"}})
	wantRefusal(t, d.MayReview("bob-bot", byAdmin), Refused, "same person")
}

func TestTwoReviewsByOnePersonCountOnce(t *testing.T) {
	d := reviewDirectory(t)
	r := mustRequest(t, d, Ask{User: "ann@x.org", Roles: []string{"x"}})
	for first, second := range map[string]string{"bob": "bob-bot", "bob-bot": "bob"} {
		one, err := d.AddReview(r, Review{Author: first, State: Approved}, testNow)
		if err != nil || one.Reviews[0].Human != "bob" {
			t.Fatalf("%+v, %v", one.Reviews, err)
		}
		_, err = d.AddReview(one, Review{Author: second, State: Approved}, testNow)
		wantRefusal(t, err, Refused, second+" and "+first+" are the same person, who has already reviewed")
		_, err = d.AddReview(one, Review{Author: first, State: Approved}, testNow)
		wantRefusal(t, err, Refused, first+" has already reviewed")
		// The bot changed hands since: whose it was when it reviewed still counts.
		one.Reviews[0].Author, one.Reviews[0].Human = "gone-bot", "bob"
		_, err = d.AddReview(one, Review{Author: "bob", State: Approved}, testNow)
		wantRefusal(t, err, Refused, "same person")
	}
}

// B012: who may review requests for one service may not review those for another.
func TestB012ReviewersStayWithTheirService(t *testing.T) {
	d := reviewDirectory(t)
	r := mustRequest(t, d, Ask{User: "ann@x.org", Roles: []string{"x"}}) // annotated with Payments
	wantRefusal(t, d.MayReview("web", r), Refused, "condition")
	if err := d.MayReview("pay", r); err != nil {
		t.Error(err)
	}
}

func TestAddReviewDecides(t *testing.T) {
	d := reviewDirectory(t)
	r := mustRequest(t, d, Ask{User: "ann@x.org", Roles: []string{"x"}})
	later := testNow.Add(time.Minute)
	r, err := d.AddReview(r, Review{Author: "bob", State: Approved, CountsFor: []int{7}, CreatedAt: testNow.Add(-time.Hour)}, later)
	if err != nil || r.State != Pending || r.Decision != nil {
		t.Fatalf("%s %v", r.State, err)
	}
	if diff := cmp.Diff(Review{Author: "bob", Human: "bob", State: Approved, CreatedAt: later, CountsFor: []int{0}}, r.Reviews[0]); diff != "" {
		t.Error(diff)
	}
	approved, err := d.AddReview(r, Review{Author: "eve", State: Approved, Reason: "fine"}, later)
	if err != nil {
		t.Fatal(err)
	}
	want := &Decision{State: Approved, At: later, By: "eve", Reasons: []Reason{
		{Check: "review", OK: true, Text: "eve approved: fine"},
		{Check: "threshold", OK: true, Text: `x: 2 of 2 approvals for threshold "two"`},
	}}
	if diff := cmp.Diff(want, approved.Decision); diff != "" || approved.State != Approved {
		t.Error(diff)
	}
	denied, err := d.AddReview(r, Review{Author: "eve", State: Denied}, later)
	want = &Decision{State: Denied, At: later, By: "eve", Reasons: []Reason{
		{Check: "review", Text: "eve denied"}, {Check: "threshold", Text: `1 of 1 denial for threshold "two"`},
	}}
	if diff := cmp.Diff(want, denied.Decision); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if len(r.Reviews) != 1 || approved.Reviews[1].State == denied.Reviews[1].State {
		t.Error("two requests share their reviews")
	}
	_, err = d.AddReview(approved, Review{Author: "plugin", State: Denied}, later)
	wantRefusal(t, err, Conflict, "already APPROVED")
}

func TestAddReviewRefuses(t *testing.T) {
	tests := []struct {
		name  string
		rev   Review
		at    time.Time
		kind  Kind
		words string
	}{
		{"pending", Review{Author: "bob", State: Pending}, testNow, Invalid, `not "PENDING"`},
		{"none", Review{Author: "bob"}, testNow, Invalid, `not ""`},
		{"promoted", Review{Author: "bob", State: Promoted}, testNow, Invalid, `not "PROMOTED"`},
		{"lower case", Review{Author: "bob", State: "approved"}, testNow, Invalid, `not "approved"`},
		{"expired", Review{Author: "bob", State: Approved}, testNow.Add(7 * 24 * time.Hour), Refused, "expired at 2026-11-30"},
		{"long reason", Review{Author: "bob", State: Approved, Reason: strings.Repeat("x", 4097)}, testNow, Invalid, "4097"},
		{"control character", Review{Author: "bob", State: Approved, Reason: "\x1b[31m"}, testNow, Invalid, "U+001B"},
	}
	d := reviewDirectory(t)
	r := mustRequest(t, d, Ask{User: "ann@x.org", Roles: []string{"x"}})
	for _, tt := range tests {
		_, err := d.AddReview(r, tt.rev, tt.at)
		wantRefusal(t, err, tt.kind, tt.words)
	}
	for _, state := range []RequestState{Expired, Cancelled, Denied, Promoted} {
		r.State = state
		_, err := d.AddReview(r, Review{Author: "bob", State: Approved}, testNow)
		wantRefusal(t, err, Conflict, "already "+string(state))
	}
}
