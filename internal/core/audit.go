package core

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"
)

// An AuditEntry is one line of the audit log: who did what to what, from where, and why.
//
// Entries form a chain: Hash covers the entry and the hash before it.
type AuditEntry struct {
	Seq     int64
	At      time.Time
	Actor   string // on whose behalf
	Via     string // how they came: "local admin (uid 0)", "on-call reviewer", "engine"
	Action  string // "access_request.create", "grant.activate", …
	Subject string // what it was done to: "request/req_7Q2M"
	Detail  string // JSON object, keys sorted; may be empty
	Prev    string // hex SHA-256 of the entry before; 64 zeros for the first
	Hash    string // hex SHA-256 of this entry
}

// AuditRoot is the hash before the first entry of a chain.
const AuditRoot = "0000000000000000000000000000000000000000000000000000000000000000"

// SealEntry puts an entry behind the one whose hash is prev: it fills Prev and Hash.
// Seq is the caller's. The moment is cut to microseconds, which is what is kept of it.
//
// The hash is SHA-256 over the JSON array [seq, at, actor, via, action, subject, detail,
// prev] in the canonical form of RFC 8785, at in microseconds since 1970. Any language
// can compute it again.
func SealEntry(prev string, e AuditEntry) AuditEntry {
	var at int64 // stays 0 where there is no moment
	if !e.At.IsZero() {
		e.At = e.At.UTC().Truncate(time.Microsecond)
		at = e.At.UnixMicro()
	}
	e.Prev = prev
	b := make([]byte, 0, 256+len(e.Detail))
	b = append(b, '[')
	b = strconv.AppendInt(b, e.Seq, 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, at, 10)
	for _, s := range []string{e.Actor, e.Via, e.Action, e.Subject, e.Detail, e.Prev} {
		b = append(b, ',')
		b = appendCanonical(b, s)
	}
	b = append(b, ']')
	sum := sha256.Sum256(b)
	e.Hash = hex.EncodeToString(sum[:])
	return e
}

// appendCanonical appends a string as RFC 8785 section 3.2.2.2 writes it.
func appendCanonical(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s { // bytes that are no UTF-8 come as U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ':
			b = utf8.AppendRune(b, r)
		case r == '\b':
			b = append(b, '\\', 'b')
		case r == '\t':
			b = append(b, '\\', 't')
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\f':
			b = append(b, '\\', 'f')
		case r == '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, '\\', 'u', '0', '0')
			b = hex.AppendEncode(b, []byte{byte(r)})
		}
	}
	return append(b, '"')
}

// A Chain checks audit entries one after the other. The zero Chain starts at the first
// entry; one with Seq and Hash set goes on behind that entry.
type Chain struct {
	Seq  int64  // of the last good entry
	Hash string // of the last good entry
}

// Verify takes the next entries. The error names the first one that does not belong where
// it stands, and the chain then stays at the entry before.
func (c *Chain) Verify(entries ...AuditEntry) error {
	if c.Hash == "" {
		c.Hash = AuditRoot
	}
	for _, e := range entries {
		switch {
		case e.Seq != c.Seq+1:
			return Errorf(Internal, "audit entry %d is missing: entry %d follows entry %d", c.Seq+1, e.Seq, c.Seq)
		case e.Prev != c.Hash:
			return Errorf(Internal, "audit entry %d does not continue entry %d: one of them was changed", e.Seq, c.Seq)
		case SealEntry(c.Hash, e).Hash != e.Hash:
			return Errorf(Internal, "audit entry %d was changed: its hash does not match", e.Seq)
		}
		c.Seq, c.Hash = e.Seq, e.Hash
	}
	return nil
}

// VerifyChain checks a whole audit chain, from its first entry.
func VerifyChain(entries ...AuditEntry) error {
	var c Chain
	return c.Verify(entries...)
}

// A Job is follow-up work, committed with the state that asks for it.
//
// Its argument is an id and nothing else: jobs are read by operators and never hold secrets.
type Job struct {
	Kind JobKind
	ID   string
	At   time.Time // not before; zero: at once
}

// A JobKind names the verb that a job runs.
type JobKind string

// The jobs.
const (
	JobDecide   JobKind = "decide"   // ID: a request
	JobSettle   JobKind = "settle"   // ID: an entitlement, "user\x1ftarget\x1fname"
	JobIncident JobKind = "incident" // ID: an incident
)
