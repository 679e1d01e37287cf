package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestThresholdsAreKeptOnceInTheOrderOfRolesAndHeldRoles(t *testing.T) {
	a, b, c := Threshold{Name: "a", Approve: 1}, Threshold{Name: "b", Approve: 2, Deny: 1}, Threshold{Name: "a", Approve: 1, Filter: `equals(request.reason, "x")`}
	role := func(name string, thresholds []Threshold, roles ...string) Role {
		r := requester(name, roles...)
		r.Allow.Request.Thresholds = thresholds
		return r
	}
	d := mustDirectory(t, []Role{role("r1", []Threshold{b, a}, "y"), role("r2", []Threshold{a, c}, "x", "y"), role("r3", nil, "x"), role("r4", nil, "z"), {Name: "x"}, {Name: "y"}, {Name: "z"}},
		[]User{{Name: "ann", Roles: []string{"r4", "r1", "r3", "r2"}}})
	r := mustRequest(t, d, Ask{User: "ann", Roles: []string{"y", "x"}})
	if diff := cmp.Diff([]Threshold{defaultThreshold, a, c, b}, r.Thresholds); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string][][]int{"x": {{0}, {1, 2}}, "y": {{3, 1}, {1, 2}}}, r.Sets); diff != "" {
		t.Error(diff)
	}
}

func TestMoreThan4096ThresholdsAreRefused(t *testing.T) {
	var roles []Role
	u := User{Name: "ann"}
	for i := range 5 {
		r := requester(fmt.Sprint("req", i), "x")
		for j := range 1000 {
			r.Allow.Request.Thresholds = append(r.Allow.Request.Thresholds, Threshold{Name: fmt.Sprint(i, "-", j), Approve: 1})
		}
		roles, u.Roles = append(roles, r), append(u.Roles, r.Name)
	}
	d := mustDirectory(t, append(roles, Role{Name: "x"}), []User{u})
	_, err := d.NewRequest("r", Ask{User: "ann", Roles: []string{"x"}}, Terms{}, testNow)
	wantRefusal(t, err, Invalid, "more than 4096 thresholds")
}

func TestStandingSaysWhatIsMissing(t *testing.T) {
	r := Request{
		Roles: []string{"x", "y"}, Thresholds: []Threshold{{Approve: 2, Deny: 2}, {Name: "sre", Approve: 1, Filter: "f"}, {Name: "never", Deny: 1}},
		Sets:    map[string][][]int{"x": {{0, 1}}, "y": {{2}}},
		Reviews: []Review{{State: Approved, CountsFor: []int{0}}},
	}
	want := []Reason{
		{Check: "threshold", Text: `x: 1 of 2 approvals for threshold 1; or 0 of 1 approval for threshold "sre", counted where f`},
		{Check: "threshold", Text: "y: no number of approvals is enough"},
	}
	if diff := cmp.Diff(want, standing(&r, count(&r, asTeleport, nil), nil)); diff != "" {
		t.Error(diff)
	}
	r.Reviews = append(r.Reviews, Review{State: Denied, CountsFor: []int{2, 99, -1}})
	if diff := cmp.Diff([]Reason{{Check: "threshold", Text: `1 of 1 denial for threshold "never"`}}, standing(&r, count(&r, asTeleport, nil), nil)); diff != "" {
		t.Error(diff)
	}
}

func TestNothingIsApprovedWithoutSets(t *testing.T) {
	for name, r := range map[string]Request{
		"zero":          {},
		"no roles":      {Thresholds: []Threshold{defaultThreshold}},
		"no sets":       {Roles: []string{"x"}, Thresholds: []Threshold{defaultThreshold}},
		"no set of one": {Roles: []string{"x", "y"}, Thresholds: []Threshold{defaultThreshold}, Sets: map[string][][]int{"x": {{0}}}},
		"an empty set":  {Roles: []string{"x"}, Thresholds: []Threshold{defaultThreshold}, Sets: map[string][][]int{"x": {{}}}},
	} {
		r.Reviews = []Review{{State: Approved, CountsFor: []int{0}}}
		if got := resolve(&r, count(&r, asTeleport, nil)); got != Pending {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A secondOpinion decides again, review by review, as the sentences about Teleport have it.
type secondOpinion struct {
	thresholds         []Threshold
	approvals, denials []int
	state              RequestState
}

func (o *secondOpinion) add(rev Review) {
	for i, t := range o.thresholds {
		if t.Filter != "" && rev.Reason != "special" {
			continue
		}
		if rev.State == Approved {
			o.approvals[i]++
		} else {
			o.denials[i]++
		}
	}
	for i, t := range o.thresholds {
		if t.Approve > 0 && o.approvals[i] >= t.Approve {
			o.state = Approved
		}
	}
	for i, t := range o.thresholds {
		if t.Deny > 0 && o.denials[i] >= t.Deny {
			o.state = Denied
		}
	}
}

func TestDecisionsFollowTheReviewsOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var thresholds []Threshold
		for i := range rapid.IntRange(1, 3).Draw(t, "thresholds") {
			th := Threshold{Name: fmt.Sprint(i), Approve: rapid.IntRange(0, 2).Draw(t, "approve"), Deny: rapid.IntRange(0, 2).Draw(t, "deny")}
			if rapid.Bool().Draw(t, "filtered") {
				th.Filter = `equals(review.reason, "special")`
			}
			thresholds = append(thresholds, th)
		}
		req := requester("req", "x")
		req.Allow.Request.Thresholds = thresholds
		users := []User{{Name: "ann", Roles: []string{"req"}}}
		for i := range 6 {
			users = append(users, User{Name: fmt.Sprint("r", i), Roles: []string{"rev"}})
		}
		d, _ := NewDirectory([]Role{req, {Name: "x"}, reviewer("rev", "", "*")}, users)
		r, err := d.NewRequest("r", Ask{User: "ann", Roles: []string{"x"}}, Terms{}, testNow)
		if err != nil {
			t.Fatal(err)
		}
		want := secondOpinion{thresholds, make([]int, len(thresholds)), make([]int, len(thresholds)), Pending}
		for i := range 6 {
			rev := Review{Author: fmt.Sprint("r", i), State: rapid.SampledFrom([]RequestState{Approved, Denied}).Draw(t, "state")}
			rev.Reason = rapid.SampledFrom([]string{"", "special"}).Draw(t, "reason")
			before := fmt.Sprint(r)
			next, err := d.AddReview(r, rev, testNow)
			if fmt.Sprint(r) != before {
				t.Fatal("the given request changed")
			}
			if want.state != Pending {
				if KindOf(err) != Conflict || next.State != want.state {
					t.Fatalf("after %s: %s, %v", want.state, next.State, err)
				}
				continue
			}
			want.add(rev)
			if r = next; err != nil || r.State != want.state || (r.Decision != nil) != (want.state != Pending) {
				t.Fatalf("%s, %v; want %s", r.State, err, want.state)
			}
			if r.Decision != nil && (r.Decision.State != want.state || r.Decision.By != rev.Author || !strings.HasPrefix(r.Decision.Reasons[0].Text, rev.Author)) {
				t.Fatalf("decision %+v", r.Decision)
			}
		}
	})
}
