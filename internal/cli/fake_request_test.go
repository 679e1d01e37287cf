package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

func readAll(r *http.Request) []byte {
	b, _ := io.ReadAll(r.Body)
	return b
}

// submit makes a request: on call means approved, and everybody else waits for people.
func (f *fakeServer) submit(r *http.Request) (any, error) {
	var in client.Ask
	if err := json.Unmarshal(readAll(r), &in); err != nil {
		return nil, core.Errorf(core.Invalid, "%w", err)
	}
	if in.User == "" {
		in.User = caller(r)
	}
	if in.User == "admin" {
		return nil, core.Errorf(core.Invalid, "the local administrator has no access of its own to ask for").
			WithHint("name the person with --user, or act as one with --as")
	}
	if _, err := f.find("user", in.User); err != nil {
		return nil, err
	}
	if slices.Contains(in.Roles, "admin") {
		return nil, core.Errorf(core.Refused, "%s may not ask for role admin: no role of theirs allows it", in.User)
	}
	if in.Duration == "" {
		in.Duration = "4h0m0s"
	}
	req := client.Request{
		ID: fmt.Sprintf("req_%d", len(f.requests)+1), User: in.User, Author: caller(r), Roles: in.Roles, Resources: in.Resources, Reason: in.Reason,
		State: "PENDING", CreatedAt: then, ExpiresAt: then.Add(7 * 24 * time.Hour), Duration: in.Duration,
		Annotations: map[string][]string{}, Thresholds: []client.Threshold{{Name: "default", Approve: 1, Deny: 1}},
	}
	f.decideOnCall(&req)
	if in.DryRun || strings.HasSuffix(r.URL.Path, "/try") {
		return req, nil
	}
	if slices.Contains(in.Roles, "editor") {
		req.Incidents = []client.Incident{{
			ID: "inc_" + req.ID[4:], RequestID: req.ID, Account: "default", Service: "Teleport Access Request Notifications",
			PagerDutyID: "Q1", Key: "sallyport/request/" + req.ID, State: "open", CreatedAt: then, Title: "Access request",
		}}
	}
	f.requests = append(f.requests, req)
	f.log(caller(r), "access_request.create", "request/"+req.ID)
	return req, nil
}

func (f *fakeServer) decideOnCall(req *client.Request) {
	look := client.Evaluation{At: then, Outcome: "people", Reasons: []client.Reason{
		{Check: "on call", Text: req.User + " is not on call for My Critical Service"},
	}}
	if req.User == "ann@example.com" && slices.Contains(req.Roles, "demo-role") {
		reason := client.Reason{Check: "on call", OK: true, Text: req.User + " is on call for My Critical Service"}
		look = client.Evaluation{At: then, Outcome: "approve", Reasons: []client.Reason{reason}, Evidence: []client.Evidence{onCallEvidence()}}
		req.Reviews = []client.Review{{Author: "access-plugin", State: "APPROVED", Reason: "on call", CreatedAt: then, CountsFor: []int{0}}}
		req.Decision = &client.Decision{State: "APPROVED", At: then, By: "access-plugin", Reasons: look.Reasons, Evidence: look.Evidence}
		give(req)
	}
	req.Evaluation = &look
}

func give(req *client.Request) {
	req.State = "APPROVED"
	for _, role := range req.Roles {
		req.Grants = append(req.Grants, client.Grant{
			ID: "gr_" + req.ID[4:], RequestID: req.ID, User: req.User, Entitlement: "role/" + role, State: "active",
			Duration: req.Duration, StartsAt: then, EndsAt: then.Add(time.Hour),
		})
	}
}

func (f *fakeServer) named(r *http.Request) (*client.Request, error) {
	for i := range f.requests {
		if f.requests[i].ID == r.PathValue("id") {
			return &f.requests[i], nil
		}
	}
	return nil, core.Errorf(core.NotFound, "there is no request %s", r.PathValue("id"))
}

func (f *fakeServer) request(r *http.Request) (any, error) {
	req, err := f.named(r)
	if err != nil {
		return nil, err
	}
	if r.URL.Query().Get("wait") != "" && req.Pending() { // somebody decides while the caller waits
		f.decide(req, "DENIED", "bob@example.com", false)
	}
	return *req, nil
}

func (f *fakeServer) decide(req *client.Request, state, by string, override bool) {
	req.Reviews = append(req.Reviews, client.Review{Author: by, State: state, CreatedAt: then, CountsFor: []int{0}})
	req.Decision = &client.Decision{State: state, At: then, By: by, Override: override, Reasons: []client.Reason{{Check: "review", OK: state == "APPROVED", Text: state + " by " + by}}}
	if req.State = state; state == "APPROVED" {
		give(req)
	}
}

func (f *fakeServer) listRequests(r *http.Request) (any, error) {
	out := client.RequestPage{Items: []client.Request{}}
	for _, req := range slices.Backward(f.requests) {
		if q := r.URL.Query(); wanted(q, "user", req.User) && wanted(q, "state", req.State) {
			out.Items = append(out.Items, req)
		}
	}
	return out, nil
}

func (f *fakeServer) review(r *http.Request) (any, error) {
	req, err := f.named(r)
	if err != nil {
		return nil, err
	}
	var in client.Opinion
	if err := json.Unmarshal(readAll(r), &in); err != nil {
		return nil, core.Errorf(core.Invalid, "%w", err)
	}
	by := caller(r)
	switch {
	case by == req.User:
		return nil, core.Errorf(core.Refused, "%s may not review a request of their own", by)
	case !req.Pending():
		return nil, core.Errorf(core.Conflict, "request %s is %s already", req.ID, req.State)
	}
	f.decide(req, in.State, by, by == "admin")
	f.log(by, "access_request.review", "request/"+req.ID)
	return *req, nil
}

func (f *fakeServer) cancel(r *http.Request) (any, error) {
	req, err := f.named(r)
	if err != nil {
		return nil, err
	}
	req.State = "CANCELLED"
	return *req, nil
}

func (f *fakeServer) explain(r *http.Request) (any, error) {
	req, err := f.named(r)
	if err != nil {
		return nil, err
	}
	return client.Explanation{
		Request: *req,
		Lines: []string{
			"Request " + req.ID + " is " + req.State + ".",
			req.Evaluation.Reasons[0].Text + ".",
			"Ask a reviewer: sallyport request approve " + req.ID,
		},
	}, nil
}

func (f *fakeServer) grants() []client.Grant {
	out := []client.Grant{}
	for _, r := range f.requests {
		out = append(out, r.Grants...)
	}
	return out
}

func (f *fakeServer) listGrants(r *http.Request) (any, error) {
	q := r.URL.Query()
	return client.GrantPage{Items: slices.DeleteFunc(f.grants(), func(g client.Grant) bool {
		return !wanted(q, "user", g.User) || !wanted(q, "state", g.State)
	})}, nil
}

func (f *fakeServer) held(r *http.Request) (*client.Grant, error) {
	for i := range f.requests {
		for j := range f.requests[i].Grants {
			if g := &f.requests[i].Grants[j]; g.ID == r.PathValue("id") {
				return g, nil
			}
		}
	}
	return nil, core.Errorf(core.NotFound, "there is no grant %s", r.PathValue("id"))
}

func (f *fakeServer) grant(r *http.Request) (any, error) {
	g, err := f.held(r)
	if err != nil {
		return nil, err
	}
	return *g, nil
}

func (f *fakeServer) revoke(r *http.Request) (any, error) {
	g, err := f.held(r)
	if err != nil {
		return nil, err
	}
	g.State, g.EndCause, g.EndedBy, g.EndedAt = "ended", "revoked", caller(r), then
	return *g, nil
}

func (f *fakeServer) revokeRequest(r *http.Request) (any, error) {
	req, err := f.named(r)
	if err != nil {
		return nil, err
	}
	for i := range req.Grants {
		g := &req.Grants[i]
		g.State, g.EndCause, g.EndedBy, g.EndedAt = "ended", "revoked", caller(r), then
	}
	return client.GrantPage{Items: req.Grants}, nil
}

func (f *fakeServer) extend(r *http.Request) (any, error) {
	g, err := f.held(r)
	if err != nil {
		return nil, err
	}
	return client.Request{ID: "req_extension", User: g.User, Author: caller(r), State: "PENDING", Extends: g.ID, CreatedAt: then}, nil
}
