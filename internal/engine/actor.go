package engine

import (
	"encoding/json"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// An Actor is who is calling.
type Actor struct {
	User  string // empty: the local administrator
	Admin bool   // may do everything
	Via   string // how they came, for the audit log: "socket, uid 0"

	Session Session // by which they are known; zero: none, as on the socket
}

// Author is who had the caller's identity made for them: an impersonator. Empty: nobody else.
func (a Actor) Author() string { return a.Session.Author }

// sessionLeft is what bounds access that is asked for now: what is left of the caller's session,
// or of one that is given, whichever is less; zero: nothing does. Below zero it is over.
func (a Actor) sessionLeft(now time.Time, given time.Duration) time.Duration {
	if a.Session.ExpiresAt.IsZero() {
		return given
	}
	left := a.Session.ExpiresAt.Sub(now)
	if left <= 0 {
		return -1
	}
	if given != 0 {
		left = min(left, given)
	}
	return left
}

// LocalAdmin is the name of the administrator on the server's own host.
const LocalAdmin = "admin"

// Name returns the name under which the actor stands in the audit log.
func (a Actor) Name() string {
	if a.User == "" {
		return LocalAdmin
	}
	return a.User
}

// The engine's own actors.
var (
	engineActor   = Actor{User: "sallyport", Admin: true, Via: "engine"}
	reviewerActor = Actor{User: "on-call-reviewer", Via: "engine"}
)

// detail is what an audit entry says besides who, what and to what.
type detail map[string]any

// audit appends one entry to the chain. The detail's keys come out sorted.
func (t *txn) audit(a Actor, action, subject string, d detail) error {
	text := ""
	if len(d) > 0 {
		b, err := json.Marshal(d)
		if err != nil {
			return err
		}
		text = string(b)
	}
	return t.Append(core.AuditEntry{At: t.now, Actor: a.Name(), Via: a.Via, Action: action, Subject: subject, Detail: text})
}
