package client

import (
	"context"
	"time"
)

// A Grant is an entitlement that a request earned, from a start to an end.
type Grant struct {
	ID          string    `json:"id"`
	RequestID   string    `json:"request_id,omitempty"`
	User        string    `json:"user,omitempty"`
	Entitlement string    `json:"entitlement" doc:"target/name, or role/name for the role itself."`
	State       string    `json:"state" doc:"pending, active, ending, ended or failed."`
	Duration    string    `json:"duration,omitempty"`
	NotBefore   time.Time `json:"not_before,omitzero"`
	StartsAt    time.Time `json:"starts_at,omitzero" doc:"When it became active."`
	EndsAt      time.Time `json:"ends_at,omitzero"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	EndCause    string    `json:"end_cause" doc:"time, off_call, incident_resolved, revoked, locked or user_removed; empty before the end."`
	EndedBy     string    `json:"ended_by,omitempty"`
	Error       string    `json:"error,omitempty" doc:"The last trouble with its target."`
}

// A GrantQuery selects grants, newest first. Zero fields select everything.
type GrantQuery struct {
	User, Target, Request string
	State                 string // "active"; several with commas
	Limit                 int    // default 100, at most 1,000
	After                 string // the Next of the page before
}

// A GrantPage is one page of grants.
type GrantPage struct {
	Items []Grant `json:"items"`
	Next  string  `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one."`
}

// Grants lists grants.
func (c *Client) Grants(ctx context.Context, q GrantQuery) (GrantPage, error) {
	var out GrantPage
	v := values{}.set("user", q.User).set("target", q.Target).set("request", q.Request).set("state", q.State).
		number("limit", int64(q.Limit)).set("after", q.After)
	return out, c.do(ctx, get("/v1/grants", v), &out)
}

// Grant returns one grant.
func (c *Client) Grant(ctx context.Context, id string) (Grant, error) {
	var out Grant
	return out, c.do(ctx, get("/v1/grants/"+escape(id), nil), &out)
}

// A Revocation says why a grant ends before its time.
type Revocation struct {
	Reason string `json:"reason,omitempty"`
}

// Revoke ends a grant before its time.
func (c *Client) Revoke(ctx context.Context, id, reason string) (Grant, error) {
	var out Grant
	return out, c.do(ctx, post("/v1/grants/"+escape(id)+"/revoke", Revocation{Reason: reason}, nil), &out)
}

// RevokeRequest ends everything that a request earned, all of it or nothing.
func (c *Client) RevokeRequest(ctx context.Context, id, reason string) (GrantPage, error) {
	var out GrantPage
	return out, c.do(ctx, post("/v1/requests/"+escape(id)+"/revoke", Revocation{Reason: reason}, nil), &out)
}

// An Extension is what somebody asks for who wants to keep access.
type Extension struct {
	Duration string `json:"duration,omitempty" doc:"Such as 2h or 90m; a bare number means minutes."`
	Reason   string `json:"reason,omitempty"`
}

// Extend asks for longer access: a new request with a decision of its own.
func (c *Client) Extend(ctx context.Context, id string, in Extension, o SubmitOptions) (Request, error) {
	var out Request
	q := post("/v1/grants/"+escape(id)+"/extend", in, values{}.wait(o.Wait))
	q.key = o.Key
	return out, c.do(ctx, q, &out)
}

// A Holding is the answer to "has this user this entitlement now".
type Holding struct {
	User     string `json:"user"`
	Resource string `json:"resource"`
	Held     bool   `json:"held"`
	Grant    *Grant `json:"grant,omitempty" doc:"The grant that gives it."`
}

// Check tells whether a user holds an entitlement ("target/name" or "role/name") now.
func (c *Client) Check(ctx context.Context, user, resource string) (Holding, error) {
	var out Holding
	return out, c.do(ctx, get("/v1/check", values{}.set("user", user).set("resource", resource)), &out)
}

// An Entitlement is one user on one resource.
type Entitlement struct {
	User        string `json:"user"`
	Entitlement string `json:"entitlement" doc:"target/name."`
}

// An EntitlementList is what a target shows.
type EntitlementList struct {
	Items []Entitlement `json:"items"`
}

// Entitlements lists what a target shows now.
func (c *Client) Entitlements(ctx context.Context, target string) (EntitlementList, error) {
	var out EntitlementList
	return out, c.do(ctx, get("/v1/entitlements/"+escape(target), nil), &out)
}

// A Drift is a difference between what a target shows and what the grants say.
type Drift struct {
	User        string `json:"user"`
	Entitlement string `json:"entitlement"`
	Missing     bool   `json:"missing" doc:"A grant holds and the target does not show it."`
	Extra       bool   `json:"extra" doc:"The target shows it and no grant accounts for it."`
}

// A DriftList is what differs.
type DriftList struct {
	Items []Drift `json:"items"`
}

// Drift reports the differences on one target, or on all where target is empty.
func (c *Client) Drift(ctx context.Context, target string) (DriftList, error) {
	var out DriftList
	return out, c.do(ctx, get("/v1/drift", values{}.set("target", target)), &out)
}
