package client

import (
	"context"
	"time"
)

// An InvitationAsk says what an invitation is to be like.
type InvitationAsk struct {
	TTL     string `json:"ttl,omitempty" doc:"How long the link is good, between 1m and 7d; absent: 24h."`
	Replace bool   `json:"replace,omitempty" doc:"Accepting it removes every other way to sign in as the user, and ends their sessions."`
}

// An Invitation is a link by which somebody becomes a user, once.
type Invitation struct {
	User      string    `json:"user"`
	Link      string    `json:"link" doc:"Whoever opens it first is the user. It is told once."`
	ExpiresAt time.Time `json:"expires_at"`
}

// Invite makes an invitation for a user; older ones are void.
func (c *Client) Invite(ctx context.Context, user string, ask InvitationAsk) (Invitation, error) {
	var out Invitation
	return out, c.do(ctx, post("/v1/users/"+escape(user)+"/invitation", ask, nil), &out)
}
