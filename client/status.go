package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// A Status is how a server is doing.
type Status struct {
	Version      string          `json:"version"`
	Replica      string          `json:"replica" doc:"Names this process among the replicas."`
	StartedAt    time.Time       `json:"started_at,omitzero"`
	Now          time.Time       `json:"now,omitzero" doc:"The server's clock."`
	Database     string          `json:"database" doc:"sqlite or postgres, and where."`
	Listen       string          `json:"listen,omitempty"`
	PublicURL    string          `json:"public_url,omitempty"`
	Caller       string          `json:"caller,omitempty" doc:"As whom this was asked."`
	Via          string          `json:"via,omitempty" doc:"How the caller came."`
	MaxStaleness string          `json:"max_staleness,omitempty" doc:"Of on-call data that an approval may rest on."`
	Accounts     []AccountStatus `json:"accounts"`
	Pending      int             `json:"pending" doc:"Requests that nobody has decided yet."`
	Active       int             `json:"active_grants" doc:"Grants that give access now."`
	Overdue      int             `json:"overdue" doc:"Grants whose access should be gone and is not."`
	Unfinished   int             `json:"unfinished" doc:"Incidents with something left to do at PagerDuty."`
	Warnings     []string        `json:"warnings"`
	Partial      bool            `json:"partial,omitempty" doc:"The caller may not know how the server is doing, so the rest is empty."`
	Audit        []AuditPlace    `json:"audit,omitempty" doc:"The places outside that the audit log is taken to."`
}

// An AuditPlace is how it stands with one place that the audit log is taken to.
type AuditPlace struct {
	Place  string    `json:"place"`
	Seq    int64     `json:"seq" doc:"The last entry that is there, or that a checkpoint there vouches for."`
	At     time.Time `json:"at,omitzero" doc:"When something last arrived there; absent: never."`
	Behind int64     `json:"behind" doc:"Entries that it does not have yet."`
	Error  string    `json:"error,omitempty"`
}

// An AccountStatus is what is known of one PagerDuty account.
type AccountStatus struct {
	Name       string    `json:"name"`
	SyncedAt   time.Time `json:"synced_at,omitzero" doc:"When its duties were last fetched; absent: never."`
	AgeSeconds float64   `json:"age_seconds"`
	Error      string    `json:"error,omitempty"`
}

// Status tells how the server is doing.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var out Status
	return out, c.do(ctx, get("/v1/status", nil), &out)
}

// A Finding is one thing that doctor looked at.
type Finding struct {
	Check string `json:"check" doc:"What was looked at."`
	State string `json:"state" doc:"ok, warning or problem."`
	Text  string `json:"text"`
	Cure  string `json:"cure,omitempty" doc:"What mends it."`
}

// A Diagnosis is everything that doctor found.
type Diagnosis struct {
	OK       bool      `json:"ok" doc:"There is no problem among the findings."`
	Findings []Finding `json:"findings"`
}

// Doctor checks everything outside.
func (c *Client) Doctor(ctx context.Context) (Diagnosis, error) {
	var out Diagnosis
	return out, c.do(ctx, get("/v1/doctor", nil), &out)
}

// A Readiness tells whether the server can do its work, and why not.
type Readiness struct {
	Ready   bool     `json:"ready" doc:"Whether calls can be answered."`
	Reasons []string `json:"reasons" doc:"What is amiss, also where calls can be answered."`
}

// Ready asks whether the server can do its work. That it cannot is no error but an answer.
func (c *Client) Ready(ctx context.Context) (Readiness, error) {
	var out Readiness
	req, err := c.request(ctx, get("/readyz", nil))
	if err != nil {
		return out, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return out, c.unreached(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusServiceUnavailable {
		return out, readError(res)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err := errors.Join(err, json.Unmarshal(body, &out)); err != nil {
		return out, err
	}
	return out, nil
}
