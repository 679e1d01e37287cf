package core

import "time"

// An IncidentState is where our record of a PagerDuty incident stands.
//
//	wanted ─► open ─► resolved
type IncidentState string

// The states of an incident.
const (
	IncidentWanted   IncidentState = "wanted" // committed; PagerDuty may or may not have it yet
	IncidentOpen     IncidentState = "open"
	IncidentResolved IncidentState = "resolved"
)

// An Incident is Sallyport's record of something wrong, tied to one PagerDuty incident.
type Incident struct {
	ID          string
	RequestID   string
	Account     string
	Service     string // the name that the rule gave
	ServiceID   string // empty until looked up
	Key         string // PagerDuty's incident_key, computed from the cause
	Title       string
	Details     string
	State       IncidentState
	PagerDutyID string
	URL         string
	TriedAt     time.Time // a create was sent at this time and its answer may be unknown
	CreatedAt   time.Time
	Resolve     bool      // it shall be resolved
	Error       string    // the last trouble; empty when all is well
	RetryAt     time.Time // nobody calls PagerDuty about it before; also the lease of whoever does
	Failures    int       // in a row
	Notes       []Note
}

// A Note is a line in an incident's timeline.
type Note struct {
	Seq    int
	Text   string
	Tried  bool // a post was sent and its answer may be unknown
	Posted bool
}

// Done reports whether PagerDuty shows everything that it should.
func (i Incident) Done() bool {
	for _, n := range i.Notes {
		if !n.Posted {
			return false
		}
	}
	return i.State == IncidentResolved || (i.State == IncidentOpen && !i.Resolve)
}
