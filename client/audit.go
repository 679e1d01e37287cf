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
	return c.AuditEntries(ctx, AuditQuery{After: after, Limit: limit})
}

// An AuditQuery selects audit entries. Zero fields select everything.
type AuditQuery struct {
	Actor   string
	Action  string // what it begins with
	Subject string
	Since   time.Time // at or after
	Until   time.Time // before
	After   int64     // the Next of the page before
	Newest  bool      // the newest first
	Limit   int       // zero: 100; at most 1,000
}

// AuditEntries lists the audit entries that a query selects.
func (c *Client) AuditEntries(ctx context.Context, q AuditQuery) (AuditPage, error) {
	v := values{}.set("actor", q.Actor).set("action", q.Action).set("subject", q.Subject).
		moment("since", q.Since).moment("until", q.Until).number("after", q.After).number("limit", int64(q.Limit))
	if q.Newest {
		v = v.set("order", "newest")
	}
	var out AuditPage
	return out, c.do(ctx, get("/v1/audit", v), &out)
}

// An AuditKey is a key that signs, or signed, the audit log.
type AuditKey struct {
	ID        string    `json:"id" doc:"The first 16 hexadecimal digits of the SHA-256 of the public key."`
	Public    []byte    `json:"public" doc:"Ed25519, 32 bytes in base64."`
	CreatedAt time.Time `json:"created_at"`
}

// AuditKeys are the keys of an audit log, the oldest first.
type AuditKeys struct {
	Items []AuditKey `json:"items"`
}

// AuditKeys lists the keys that sign the audit log, the oldest first.
func (c *Client) AuditKeys(ctx context.Context) (AuditKeys, error) {
	var out AuditKeys
	return out, c.do(ctx, get("/v1/audit/keys", nil), &out)
}

// A KeyRotation asks for a new key.
type KeyRotation struct {
	Lost bool `json:"lost,omitempty" doc:"The present key cannot be used any more, so that it will not sign the new one."`
}

// RotateAuditKey makes a new key that signs the audit log from now on.
func (c *Client) RotateAuditKey(ctx context.Context, r KeyRotation) (AuditKeys, error) {
	var out AuditKeys
	return out, c.do(ctx, post("/v1/audit/keys", r, nil), &out)
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
