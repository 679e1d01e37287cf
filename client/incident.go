package client

import (
	"context"
	"time"
)

// An Incident is Sallyport's record of something wrong, tied to one PagerDuty incident.
type Incident struct {
	ID          string    `json:"id,omitempty"`
	RequestID   string    `json:"request_id,omitempty"`
	Account     string    `json:"account"`
	Service     string    `json:"service"`
	PagerDutyID string    `json:"pagerduty_id"`
	Key         string    `json:"key" doc:"PagerDuty knows it by this name."`
	Title       string    `json:"title,omitempty"`
	State       string    `json:"state" doc:"wanted, open or resolved."`
	CreatedAt   time.Time `json:"created_at,omitzero"`
	URL         string    `json:"url,omitempty"`
	Error       string    `json:"error,omitempty" doc:"The last trouble with PagerDuty."`
}

// An IncidentQuery selects incidents, newest first. Zero fields select everything.
type IncidentQuery struct {
	Request    string
	Unfinished bool   // only those with something left to do at PagerDuty
	Limit      int    // default 100, at most 1,000
	After      string // the Next of the page before
}

// An IncidentPage is one page of incidents.
type IncidentPage struct {
	Items []Incident `json:"items"`
	Next  string     `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one."`
}

// Incidents lists incidents.
func (c *Client) Incidents(ctx context.Context, q IncidentQuery) (IncidentPage, error) {
	var out IncidentPage
	v := values{}.set("request", q.Request).number("limit", int64(q.Limit)).set("after", q.After)
	if q.Unfinished {
		v.set("unfinished", "true")
	}
	return out, c.do(ctx, get("/v1/incidents", v), &out)
}

// An OnCallQuery asks who is on call. Zero fields ask for everybody, now.
type OnCallQuery struct {
	Account, Service, Schedule, User string
	At                               time.Time
}

// An OnCall tells who is on call, and how old that knowledge is.
type OnCall struct {
	Account    string     `json:"account"`
	FetchedAt  time.Time  `json:"fetched_at,omitzero" doc:"When PagerDuty was asked."`
	AgeSeconds float64    `json:"age_seconds"`
	Stale      string     `json:"stale,omitempty" doc:"Why nothing fresher is to be had."`
	Duties     []Evidence `json:"duties"`
}

// OnCall tells who is on call.
func (c *Client) OnCall(ctx context.Context, q OnCallQuery) (OnCall, error) {
	var out OnCall
	v := values{}.set("account", q.Account).set("service", q.Service).set("schedule", q.Schedule).set("user", q.User).moment("at", q.At)
	return out, c.do(ctx, get("/v1/oncall", v), &out)
}
