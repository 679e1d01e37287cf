package core

import "time"

// A GrantState is where a grant stands.
//
//	pending ─► active ─► ending ─► ended
//	   └────────────────────┴────► failed (access could not be given)
type GrantState string

// The states of a grant.
const (
	GrantPending GrantState = "pending"
	GrantActive  GrantState = "active"
	GrantEnding  GrantState = "ending" // its time is over; the target has not yet been seen without it
	GrantEnded   GrantState = "ended"
	GrantFailed  GrantState = "failed"
)

// An EndCause says why a grant ended.
type EndCause string

// The causes.
const (
	EndTime             EndCause = "time"
	EndOffCall          EndCause = "off_call"
	EndIncidentResolved EndCause = "incident_resolved"
	EndRevoked          EndCause = "revoked"
	EndLocked           EndCause = "locked"
	EndUserRemoved      EndCause = "user_removed"
)

// RoleTarget is the reserved target of grants of a role itself.
const RoleTarget = "role"

// An Entitlement is one user on one resource.
type Entitlement struct {
	User string
	Resource
}

// A Grant is an entitlement that a request earned, from a start to an end.
//
// A grant is never deleted and never lengthened: longer access is a new request,
// so that every hour of access has a decision behind it.
type Grant struct {
	ID, RequestID string
	Entitlement
	State     GrantState
	Duration  time.Duration
	NotBefore time.Time // not active before; zero: at once
	StartsAt  time.Time // when it became active; zero before
	EndsAt    time.Time // zero before it is active
	EndedAt   time.Time
	EndCause  EndCause
	EndedBy   string       // who revoked it; empty for time and off-call
	Rule      ApprovalRule // the rule that bound it; its OnCall is nil where no on-call approval did
	OffCallAt time.Time    // when its holder was first seen off call; zero while on call
	FirstAt   time.Time    // when the first grant of this unbroken line became active; caps extensions
	Error     string       // the last trouble with its target; empty when all is well
}

// Holds reports whether the grant gives access at now. It says no at EndsAt by itself, whatever the target still shows.
func (g Grant) Holds(now time.Time) bool { return g.State == GrantActive && now.Before(g.EndsAt) }

// Live reports whether the grant wants its entitlement on the target.
func (g Grant) Live() bool { return g.State == GrantPending || g.State == GrantActive }
