package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// A Ticket works once, until its time is over: an invitation, or a sign-in under way. Whoever
// has its token holds it; the database has only the token's digest, so that a ticket is good on
// every replica and of two uses at once one wins.
type Ticket struct {
	Purpose string // "invitation", or what a ceremony is for
	User    string // whom it is for; empty: whoever comes
	Data    string // what its maker wants back
	TTL     time.Duration
}

type ticketBody struct {
	Purpose string `json:"purpose"`
	Data    string `json:"data,omitempty"`
}

// newToken returns over 256 random bits, as text that fits into a URL: an id has 80.
func (e *Engine) newToken() string { return e.NewID() + e.NewID() + e.NewID() + e.NewID() }

// Digest is what is stored of a token.
func Digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// IssueTicket stores a ticket and returns its token.
func (e *Engine) IssueTicket(ctx context.Context, t Ticket) (token string, err error) {
	token = e.newToken()
	err = e.write(ctx, func(tx *txn) error { return tx.issue(Actor{}, token, t) })
	return token, err
}

func (t *txn) issue(by Actor, token string, in Ticket) error {
	body, err := json.Marshal(ticketBody{Purpose: in.Purpose, Data: in.Data})
	if err != nil {
		return err
	}
	return t.PutCredential(core.Credential{
		Kind: core.CredentialTicket, ID: Digest(token), User: in.User, Author: by.User,
		Body: string(body), CreatedAt: t.now, ExpiresAt: t.now.Add(in.TTL),
	})
}

// RedeemTicket uses a ticket up, and returns it as it was issued.
func (e *Engine) RedeemTicket(ctx context.Context, purpose, token string) (Ticket, error) {
	var out Ticket
	err := e.write(ctx, func(tx *txn) error {
		c, body, err := ticket(tx, purpose, token, tx.now)
		if err != nil {
			return err
		}
		out = Ticket{Purpose: body.Purpose, User: c.User, Data: body.Data}
		return tx.DeleteCredential(c.Kind, c.ID)
	})
	return out, err
}

// ticket finds a ticket that is still good. Used, expired and never issued look alike.
func ticket(v View, purpose, token string, now time.Time) (c core.Credential, body ticketBody, err error) {
	c, err = v.Credential(core.CredentialTicket, Digest(token))
	if core.KindOf(err) == core.NotFound {
		return c, body, stale(purpose)
	}
	if err == nil {
		err = json.Unmarshal([]byte(c.Body), &body)
	}
	if err == nil && (body.Purpose != purpose || c.Expired(now)) {
		err = stale(purpose)
	}
	return c, body, err
}

func stale(purpose string) error {
	if purpose == invitation {
		return core.Errorf(core.NotFound, "this invitation was used, has expired, or was replaced by a newer one").
			WithHint("ask whoever invited you for a new link: sallyport user invite")
	}
	return core.Errorf(core.Unauthenticated, "this took too long, or was done already").WithHint("begin again")
}
