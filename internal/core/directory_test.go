package core

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var testNow = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

func mustDirectory(t testing.TB, roles []Role, users []User) *Directory {
	t.Helper()
	d, errs := NewDirectory(roles, users)
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	return d
}

func mustRequest(t testing.TB, d *Directory, ask Ask) Request {
	t.Helper()
	r, err := d.NewRequest("req_1", ask, DefaultTerms(), testNow)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantRefusal checks the kind and the words of an error.
func wantRefusal(t *testing.T, err error, kind Kind, words string) {
	t.Helper()
	if err == nil || KindOf(err) != kind || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v (%s), want %s with %q", err, KindOf(err), kind, words)
	}
}

func hintOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// requester is a role whose holders may ask for roles.
func requester(name string, roles ...string) Role {
	return Role{Name: name, Allow: Conditions{Request: RequestRule{Roles: roles}}}
}

// reviewer is a role whose holders may review requests for roles.
func reviewer(name, where string, roles ...string) Role {
	return Role{Name: name, Allow: Conditions{Review: ReviewRule{Roles: roles, Where: where}}}
}

func TestARoleThatCannotBeReadGivesNothing(t *testing.T) {
	broken := requester("broken", "^($", "dev")
	broken.Allow.Request.ClaimsToRoles = []ClaimMapping{{Claim: "g", Value: "^($", Roles: []string{"*"}}}
	blind := requester("blind", "*")
	blind.Deny.Request.Roles = []string{"{{regexp.match(1)}}"}
	roles := []Role{broken, blind, requester("good", "prod"), {Name: "prod"}, {Name: "dev"},
		reviewer("rev-broken", "contains(", "*"),
		{Name: "rev-blind", Allow: Conditions{Review: ReviewRule{Roles: []string{"*"}}}, Deny: Conditions{Review: ReviewRule{Roles: []string{"^($"}}}}}
	users := []User{
		{Name: "ann", Roles: []string{"broken", "good"}, Traits: map[string][]string{"g": {"x"}}},
		{Name: "bob", Roles: []string{"blind", "good"}},
		{Name: "rita", Roles: []string{"rev-broken"}}, {Name: "ron", Roles: []string{"rev-blind"}},
	}
	d, errs := NewDirectory(roles, users)
	if len(errs) != 5 {
		t.Fatalf("%d faults are reported, want 5: %v", len(errs), errs)
	}
	if !slices.ContainsFunc(errs, func(err error) bool {
		return strings.Contains(err.Error(), "role rev-broken: allow.review_requests.where: ")
	}) {
		t.Errorf("the where is not named: %v", errs)
	}
	if d.MayRequest("ann", "prod") != true || d.MayRequest("ann", "dev") != true {
		t.Error("what can be read of an allowing list still allows")
	}
	if d.MayRequest("bob", "prod") {
		t.Error("a deny rule that cannot be read must refuse everything")
	}
	r := mustRequest(t, d, Ask{User: "ann", Roles: []string{"prod"}})
	wantRefusal(t, d.MayReview("rita", r), Refused, "cannot be evaluated")
	wantRefusal(t, d.MayReview("ron", r), Refused, "denies it")
}

func TestAThresholdThatCannotBeReadCountsNothing(t *testing.T) {
	req := requester("req", "x")
	req.Allow.Request.Thresholds = []Threshold{{Name: "odd", Approve: 1, Filter: "contains("}}
	d, errs := NewDirectory([]Role{req, {Name: "x"}, reviewer("rev", "", "*")}, []User{{Name: "ann", Roles: []string{"req"}}, {Name: "bob", Roles: []string{"rev"}}})
	if len(errs) != 1 {
		t.Fatal(errs)
	}
	r := mustRequest(t, d, Ask{User: "ann", Roles: []string{"x"}})
	_, err := d.AddReview(r, Review{Author: "bob", State: Approved}, testNow)
	wantRefusal(t, err, Refused, `the filter of threshold "odd" cannot be evaluated`)
}

func TestFrozenFiltersOutliveTheirRole(t *testing.T) {
	req := requester("req", "x")
	req.Allow.Request.Thresholds = []Threshold{{Approve: 1, Filter: `contains(reviewer.roles, "rev")`}}
	users := []User{{Name: "ann", Roles: []string{"req"}}, {Name: "bob", Roles: []string{"rev"}}}
	rev := reviewer("rev", "", "*")
	r := mustRequest(t, mustDirectory(t, []Role{req, {Name: "x"}, rev}, users), Ask{User: "ann", Roles: []string{"x"}})
	later := mustDirectory(t, []Role{{Name: "req"}, {Name: "x"}, rev}, users)
	r, err := later.AddReview(r, Review{Author: "bob", State: Approved}, testNow)
	if err != nil || r.State != Approved {
		t.Errorf("%s, %v", r.State, err)
	}
}

func TestTheLaterOfTwoRolesCounts(t *testing.T) {
	d := mustDirectory(t, append(BuiltinRoles(), Role{Name: "editor"}), []User{{Name: "ann", Roles: []string{"editor"}}})
	if d.Allowed("ann", "role", VerbUpdate) {
		t.Error("the edited editor role is not used")
	}
	if want := []string{"access", "admin", "auditor", "editor"}; !slices.Equal(d.RoleNames(), want) {
		t.Errorf("names %v", d.RoleNames())
	}
}

func TestLookups(t *testing.T) {
	d := mustDirectory(t, []Role{{Name: "x"}}, []User{{Name: "ann", Bot: true}})
	if u, ok := d.User("ann"); !ok || !u.Bot {
		t.Error("ann is not found")
	}
	if _, ok := d.User("Ann"); ok {
		t.Error("names of users are exact")
	}
	if r, ok := d.Role("x"); !ok || r.Name != "x" {
		t.Error("x is not found")
	}
	if _, ok := d.Role("y"); ok {
		t.Error("y is found")
	}
}

func TestRequestableLeavesOutWhatIsHeldAndDenied(t *testing.T) {
	req := requester("req", "*")
	req.Deny.Request.Roles = []string{"secret-*"}
	d := mustDirectory(t, []Role{req, {Name: "b"}, {Name: "a"}, {Name: "secret-1"}, {Name: "held"}},
		[]User{{Name: "ann", Roles: []string{"req", "held", "gone"}}, {Name: "lock", Roles: []string{"req"}, Locked: true}})
	if got := d.Requestable("ann"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
	if d.Requestable("lock") != nil || d.MayRequest("lock", "a") || d.Requestable("nobody") != nil || d.MayRequest("nobody", "a") {
		t.Error("who is locked or unknown may ask for something")
	}
	if d.MayRequest("ann", "not-there") {
		t.Error("a role that does not exist may be asked for")
	}
}

func TestNearest(t *testing.T) {
	of := []string{"prod-db", "prod-db-ro", "editor", "auditor", "Ünïted"}
	for name, want := range map[string]string{
		"prod-bd": "prod-db", "PROD-DB": "prod-db", "editro": "editor", "audtor": "auditor", "x": "", "": "",
		"completely-else": "", "ünited": "Ünïted", strings.Repeat("a", 200): "",
	} {
		if got := Nearest(name, of); got != want {
			t.Errorf("%.20q: %q, want %q", name, got, want)
		}
	}
}

func TestHumanIsThePersonBehindANameOrABot(t *testing.T) {
	d := mustDirectory(t, nil, []User{
		{Name: "ann@x"}, {Name: "bot", Bot: true, Owner: "Robot"}, {Name: "Robot", Bot: true, Owner: "Ann@X "},
		{Name: "ring1", Owner: "ring2"}, {Name: "ring2", Owner: "ring1"},
	})
	for name, want := range map[string]string{
		"ann@x": "ann@x", " Ann@X": "ann@x", "ann+oncall@x": "ann@x", "bot": "ann@x", "nobody": "nobody",
		"\u212Aim": "kim", "KIM": "kim", "ÉVA": "éva", "+1@x": "+1@x",
	} {
		if got := d.Human(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	_ = d.Human("ring1") // ends
}

func benchmarkDirectory(tb testing.TB, users int) *Directory {
	var roles []Role
	for i := range 50 {
		roles = append(roles, requester(fmt.Sprintf("req-%d", i), fmt.Sprintf("app-%d", i), "team-*"))
	}
	roles = append(roles,
		Role{Name: "demo-role", Entitlements: []Resource{{"aws", "admin"}}},
		Role{Name: "demo-role-requester", Allow: Conditions{Request: RequestRule{Roles: []string{"demo-role"},
			Thresholds: []Threshold{{Approve: 1, Deny: 1}}, Annotations: map[string][]string{"pagerduty_services": {"My Critical Service"}}}}},
		reviewer("access-plugin", `contains(request.system_annotations["pagerduty_services"], "My Critical Service")`, "demo-role"))
	list := []User{{Name: "access-plugin", Roles: []string{"access-plugin"}, Bot: true}}
	for i := range users {
		list = append(list, User{Name: fmt.Sprintf("user%d@example.com", i), Roles: []string{"req-1", "demo-role-requester", "req-2"}})
	}
	return mustDirectory(tb, roles, list)
}

func BenchmarkNewRequest(b *testing.B) {
	d := benchmarkDirectory(b, 100_000)
	ask := Ask{User: "user77777@example.com", Roles: []string{"demo-role"}, Reason: "INC-1", Duration: time.Hour}
	terms := DefaultTerms()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.NewRequest("req_1", ask, terms, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAddReview(b *testing.B) {
	d := benchmarkDirectory(b, 100_000)
	r := mustRequest(b, d, Ask{User: "user77777@example.com", Roles: []string{"demo-role"}, Reason: "INC-1"})
	rev := Review{Author: "access-plugin", State: Approved, Reason: "on call"}
	b.ReportAllocs()
	for b.Loop() {
		if err := d.MayReview(rev.Author, r); err != nil {
			b.Fatal(err)
		}
		if _, err := d.AddReview(r, rev, testNow); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewDirectory(b *testing.B) {
	for b.Loop() {
		benchmarkDirectory(b, 0)
	}
}
