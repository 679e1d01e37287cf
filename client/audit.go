package client

import (
	"context"
	"time"
)

// An AuditEntry is one line of the audit log: who did what to what, from where, and why.
//
// Hash is SHA-256 over the JSON array [seq, at, actor, via, action, subject, detail, prev] in
// the canonical form of RFC 8785, at in microseconds since 1970.
type AuditEntry struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at,omitzero"`
	Actor   string    `json:"actor"`
	Via     string    `json:"via"`
	Action  string    `json:"action"`
	Subject string    `json:"subject"`
	Detail  string    `json:"detail" doc:"A JSON object as text, exactly as it is hashed; may be empty."`
	Prev    string    `json:"prev"`
	Hash    string    `json:"hash"`
}

// An AuditPage is some of the audit log, in order.
type AuditPage struct {
	Items []AuditEntry `json:"items"`
	Next  int64        `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one."`
}

// Audit lists audit entries in order, after a sequence number; limit 0 means 100, at most 1,000.
func (c *Client) Audit(ctx context.Context, after int64, limit int) (AuditPage, error) {
	var out AuditPage
	return out, c.do(ctx, get("/v1/audit", values{}.number("after", after).number("limit", int64(limit))), &out)
}

// An AuditProof is the result of a walk over the whole audit chain.
type AuditProof struct {
	OK      bool   `json:"ok"`
	Entries int64  `json:"entries" doc:"How many are good, from the first on."`
	Head    string `json:"head" doc:"The hash of the last good entry."`
	Error   string `json:"error,omitempty" doc:"Names the first entry that does not belong where it stands."`
}

// VerifyAudit walks the whole audit chain. A broken chain is no error but an answer.
func (c *Client) VerifyAudit(ctx context.Context) (AuditProof, error) {
	var out AuditProof
	return out, c.do(ctx, get("/v1/audit/verify", nil), &out)
}
