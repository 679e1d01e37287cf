package core

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// A Checkpoint says, signed, how far the audit log had come at a moment. Kept where whoever
// changes the log cannot change it too, it shows a tail that was cut, a log that was computed
// anew, and an old database that was restored.
type Checkpoint struct {
	Log       string // which log: the hash of its first entry
	Seq       int64  // of the last entry
	Hash      string // of the last entry, and so of all before it
	At        time.Time
	Key       string // the id of the key that signed it
	Signature []byte // Ed25519
}

// text is what is signed: a JSON array in the canonical form of RFC 8785, at in microseconds.
func (c Checkpoint) text() []byte {
	b := appendCanonical([]byte{'['}, "sallyport.checkpoint")
	b = appendCanonical(append(b, ','), c.Log)
	b = strconv.AppendInt(append(b, ','), c.Seq, 10)
	b = appendCanonical(append(b, ','), c.Hash)
	b = strconv.AppendInt(append(b, ','), c.At.UnixMicro(), 10)
	b = appendCanonical(append(b, ','), c.Key)
	return append(b, ']')
}

// Sign returns the checkpoint with its key and signature, its moment cut to microseconds.
func (c Checkpoint) Sign(key ed25519.PrivateKey) Checkpoint {
	c.At = c.At.UTC().Truncate(time.Microsecond)
	c.Key = AuditKeyID(publicOf(key))
	c.Signature = ed25519.Sign(key, c.text())
	return c
}

// SignedBy reports whether a key signed exactly this.
func (c Checkpoint) SignedBy(key ed25519.PublicKey) bool {
	return c.Key == AuditKeyID(key) && c.At.Equal(c.At.Truncate(time.Microsecond)) && ed25519.Verify(key, c.text(), c.Signature)
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey {
	public, _ := key.Public().(ed25519.PublicKey) // it always is
	return public
}

// AuditKeyID names a key: the first 16 hexadecimal digits of the SHA-256 of its public half.
func AuditKeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// The audit entry that brings in a key that signs the log.
const (
	AuditKeyAction  = "key.create"
	AuditKeySubject = "key/audit/" // and the id of the key
)

// An AuditKey is a key that signs the log, as the entry tells that brings it in. Signature is
// that of the key before it; one without is the first, or the key before it was lost.
type AuditKey struct {
	Public    ed25519.PublicKey
	After     string // the id of the key before it; empty: it is the first
	Signature []byte
}

// text is what the key before it signs.
func (k AuditKey) text() []byte {
	b := appendCanonical([]byte{'['}, "sallyport.audit-key")
	b = appendCanonical(append(b, ','), k.After)
	b = appendCanonical(append(b, ','), base64.StdEncoding.EncodeToString(k.Public))
	return append(b, ']')
}

// Sign returns the key vouched for by the one before it.
func (k AuditKey) Sign(before ed25519.PrivateKey) AuditKey {
	k.After = AuditKeyID(publicOf(before))
	k.Signature = ed25519.Sign(before, k.text())
	return k
}

// SignedBy reports whether the key before it vouches for it.
func (k AuditKey) SignedBy(before ed25519.PublicKey) bool {
	return k.After == AuditKeyID(before) && ed25519.Verify(before, k.text(), k.Signature)
}

// auditKeyDetail is the detail of the entry, as far as it tells of the key.
type auditKeyDetail struct {
	After     string `json:"after"`
	Public    []byte `json:"public"`
	Signature []byte `json:"signature"`
}

// AuditKeyOf reads the key that an entry brings in; ok is false where it brings in none.
func AuditKeyOf(e AuditEntry) (k AuditKey, ok bool) {
	id, found := strings.CutPrefix(e.Subject, AuditKeySubject)
	if e.Action != AuditKeyAction || !found {
		return k, false
	}
	var d auditKeyDetail
	if json.Unmarshal([]byte(e.Detail), &d) != nil || len(d.Public) != ed25519.PublicKeySize || AuditKeyID(d.Public) != id {
		return k, false
	}
	return AuditKey{Public: d.Public, After: d.After, Signature: d.Signature}, true
}

// A Keyring is the keys whose checkpoints count: those it is given, and those that one of
// them vouches for in the log.
type Keyring map[string]ed25519.PublicKey

// Add puts a key in.
func (r Keyring) Add(key ed25519.PublicKey) { r[AuditKeyID(key)] = key }

// Take puts in a key that one in the ring vouches for, and reports whether it is in.
func (r Keyring) Take(k AuditKey) bool {
	id := AuditKeyID(k.Public)
	if before, known := r[k.After]; known && k.SignedBy(before) {
		r[id] = k.Public
	}
	return r[id] != nil
}
