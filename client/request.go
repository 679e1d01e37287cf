package client

import (
	"context"
	"time"
)

// A Request is one person asking for roles or resources, with everything that came of it.
type Request struct {
	ID          string              `json:"id" doc:"Such as req_7q2m."`
	User        string              `json:"user" doc:"Who shall have the access."`
	Author      string              `json:"author" doc:"Who asked."`
	Roles       []string            `json:"roles"`
	Resources   []string            `json:"resources" doc:"Each as target/name."`
	Reason      string              `json:"reason"`
	State       string              `json:"state" doc:"PENDING, APPROVED, DENIED, EXPIRED or CANCELLED."`
	CreatedAt   time.Time           `json:"created_at,omitzero"`
	ExpiresAt   time.Time           `json:"expires_at,omitzero" doc:"When it ends undecided."`
	Duration    string              `json:"duration" doc:"Of the access, from the moment it is active: 1h0m0s."`
	StartAt     time.Time           `json:"start_at,omitzero" doc:"The access begins no earlier."`
	Extends     string              `json:"extends,omitempty" doc:"The grant that this request would lengthen."`
	Suggested   []string            `json:"suggested_reviewers,omitempty" doc:"Whom the roles that grant this suggest as reviewers."`
	Annotations map[string][]string `json:"annotations"`
	Thresholds  []Threshold         `json:"thresholds"`
	Reviews     []Review            `json:"reviews"`
	Evaluation  *Evaluation         `json:"evaluation,omitempty" doc:"What the on-call reviewer found last; absent before it has looked."`
	Decision    *Decision           `json:"decision,omitempty" doc:"Absent while the request is pending."`
	Grants      []Grant             `json:"grants"`
	Incidents   []Incident          `json:"incidents"`
}

// Pending tells whether nobody has decided the request yet.
func (r Request) Pending() bool { return r.State == "PENDING" }

// Settled tells whether a request is decided, and its access given or known to fail.
func (r Request) Settled() bool {
	if r.Pending() {
		return false
	}
	for _, g := range r.Grants {
		if g.State == "pending" && r.StartAt.IsZero() {
			return false
		}
	}
	return true
}

// A Threshold is a number of reviews that decides a request.
type Threshold struct {
	Name    string `json:"name"`
	Filter  string `json:"filter,omitempty" doc:"A predicate on reviews; absent: every review counts."`
	Approve int    `json:"approve" doc:"So many approvals approve; 0 never does."`
	Deny    int    `json:"deny" doc:"So many denials deny; 0 never does."`
}

// A Review is one opinion on a request.
type Review struct {
	Author    string    `json:"author"`
	State     string    `json:"state" doc:"APPROVED or DENIED."`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	CountsFor []int     `json:"counts_for" doc:"Indexes of the thresholds that it counts for."`
}

// An Evaluation is one look of the on-call reviewer at a request.
type Evaluation struct {
	At       time.Time  `json:"at,omitzero"`
	Outcome  string     `json:"outcome" doc:"approve, people (people decide) or wait (PagerDuty cannot be asked)."`
	Reasons  []Reason   `json:"reasons"`
	Evidence []Evidence `json:"evidence"`
}

// A Reason is one condition that was looked at, and what came of it.
type Reason struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Text  string `json:"text"`
}

// Evidence is the PagerDuty answer that a decision rested on.
type Evidence struct {
	Account          string    `json:"account"`
	User             string    `json:"user"`
	Service          string    `json:"service"`
	EscalationPolicy string    `json:"escalation_policy"`
	Level            int       `json:"level"`
	Schedule         string    `json:"schedule"`
	Start            time.Time `json:"start,omitzero" doc:"Absent: always has been."`
	End              time.Time `json:"end,omitzero" doc:"Absent: without an end."`
	FetchedAt        time.Time `json:"fetched_at,omitzero"`
	FirstSeen        time.Time `json:"first_seen,omitzero" doc:"Only of a duty that was not planned: when PagerDuty first showed it."`
}

// A Decision is how a request ended.
type Decision struct {
	State    string     `json:"state"`
	At       time.Time  `json:"at,omitzero"`
	By       string     `json:"by"`
	Override bool       `json:"override" doc:"An administrator went around the thresholds."`
	Reasons  []Reason   `json:"reasons"`
	Evidence []Evidence `json:"evidence"`
}

// An Ask is what somebody asks for.
type Ask struct {
	User      string    `json:"user,omitempty" doc:"Who shall have the access; absent: the caller."`
	Roles     []string  `json:"roles,omitempty"`
	Resources []string  `json:"resources,omitempty" doc:"Instead of roles, each as target/name."`
	Reason    string    `json:"reason,omitempty"`
	Duration  string    `json:"duration,omitempty" doc:"Such as 2h or 90m; a bare number means minutes."`
	Start     time.Time `json:"start,omitzero" doc:"The access begins no earlier; absent: at once."`
	DryRun    bool      `json:"dry_run,omitempty" doc:"Check everything and store nothing."`
}

// SubmitOptions say how to submit. The zero value is fine.
type SubmitOptions struct {
	Wait time.Duration // answer when the request is decided and its grants have begun, or after this long
	Key  string        // idempotency key
}

// Submit asks for access.
func (c *Client) Submit(ctx context.Context, in Ask, o SubmitOptions) (Request, error) {
	var out Request
	q := post("/v1/requests", in, values{}.wait(o.Wait))
	q.key = o.Key
	return out, c.do(ctx, q, &out)
}

// Try runs an ask through the rules without making a request: what would be asked for, and
// what the on-call reviewer would say now.
func (c *Client) Try(ctx context.Context, in Ask) (Request, error) {
	var out Request
	return out, c.do(ctx, post("/v1/try", in, nil), &out)
}

// A RequestQuery selects requests, newest first. Zero fields select everything.
type RequestQuery struct {
	User, State string
	Limit       int    // default 100, at most 1,000
	After       string // the Next of the page before
}

// A RequestPage is one page of requests.
type RequestPage struct {
	Items []Request `json:"items"`
	Next  string    `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one."`
}

// Requests lists requests.
func (c *Client) Requests(ctx context.Context, q RequestQuery) (RequestPage, error) {
	var out RequestPage
	v := values{}.set("user", q.User).set("state", q.State).number("limit", int64(q.Limit)).set("after", q.After)
	return out, c.do(ctx, get("/v1/requests", v), &out)
}

// Request returns one request. With wait it answers when the request is decided and its
// grants have begun, or after that long.
func (c *Client) Request(ctx context.Context, id string, wait time.Duration) (Request, error) {
	var out Request
	return out, c.do(ctx, get("/v1/requests/"+escape(id), values{}.wait(wait)), &out)
}

// An Opinion is what somebody thinks of a request.
type Opinion struct {
	State  string `json:"state" doc:"APPROVED or DENIED."`
	Reason string `json:"reason,omitempty"`
}

// Review gives an opinion on a request. By the local administrator it is an override.
func (c *Client) Review(ctx context.Context, id string, in Opinion) (Request, error) {
	var out Request
	return out, c.do(ctx, post("/v1/requests/"+escape(id)+"/reviews", in, nil), &out)
}

// Cancel withdraws a request.
func (c *Client) Cancel(ctx context.Context, id string) (Request, error) {
	var out Request
	return out, c.do(ctx, post("/v1/requests/"+escape(id)+"/cancel", nil, nil), &out)
}

// An Explanation says in words why a request stands where it stands, and what to do next.
type Explanation struct {
	Lines   []string `json:"lines" doc:"To be read by people, in order."`
	Next    []string `json:"next" doc:"What to do next; these are also the last lines."`
	Request Request  `json:"request"`
}

// Explain says why a request is or is not approved.
func (c *Client) Explain(ctx context.Context, id string) (Explanation, error) {
	var out Explanation
	return out, c.do(ctx, get("/v1/requests/"+escape(id)+"/explain", nil), &out)
}
