package core

import "time"

// A Duty is one stretch of one person's on-call time.
//
// It covers [Start, End). A zero Start has always been, a zero End never ends:
// PagerDuty answers so for people who stand on an escalation policy directly.
type Duty struct {
	Account          string
	UserID           string // PagerDuty's id of the person
	EscalationPolicy string // id; empty for a duty that is known from its schedule alone
	Level            int    // escalation level, from 1; 0 where there is no escalation policy
	Schedule         string // id; empty for people on a policy directly
	Start, End       time.Time
	// FirstSeen is when the duty was first seen, where PagerDuty had not announced it although it
	// was asked about that time before: somebody made it shortly before or after its start, by
	// an override or an edit. Zero: it was announced, or was there before anybody looked.
	FirstSeen time.Time
}

// Covers reports whether the duty holds at an instant.
func (d Duty) Covers(at time.Time) bool {
	return !at.Before(d.Start) && (d.End.IsZero() || at.Before(d.End))
}

// An OnCallRule narrows which duties count. Within one list any value will do;
// across lists all must hold for the same duty. With no list at all, any
// schedule of the account counts (Indent's default).
type OnCallRule struct {
	Account            string // empty: the default account
	Services           []string
	Levels             []int
	Schedules          []string
	EscalationPolicies []string
	Teams              []string
}

// Evidence is the PagerDuty answer that a decision rested on.
type Evidence struct {
	Account          string
	User             string // PagerDuty's name and id of the person, "Ann (PUANN01)"
	Service          string // name; empty where the rule names none
	EscalationPolicy string // name
	Level            int
	Schedule         string // name; empty for people on the policy directly
	Start, End       time.Time
	FetchedAt        time.Time
	FirstSeen        time.Time // the duty's
}

// A Named is a PagerDuty thing with its id and name.
type Named struct{ ID, Name string }

// A PagerUser is a person as PagerDuty knows them.
type PagerUser struct {
	ID, Name, Email string
}

// A PagerService is a PagerDuty service with the escalation policy and the teams it has.
type PagerService struct {
	ID, Name, EscalationPolicy string
	Teams                      []string // ids
}

// A PagerPolicy is a PagerDuty escalation policy.
type PagerPolicy struct {
	ID, Name string
	Teams    []string // ids
}
