package pdsim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// The states of an incident. It goes forward, except that an acknowledged or
// snoozed one may become triggered again; resolved is the end.
//
//	triggered <-> acknowledged -> resolved
const (
	Triggered    = "triggered"
	Acknowledged = "acknowledged"
	Resolved     = "resolved"
)

// maxNotes is how many notes an incident can carry.
const maxNotes = 2000

// An Incident is one incident as the simulator keeps it.
type Incident struct {
	ID               string
	Number           int
	Title            string
	Key              string // incident_key: of one open incident per service
	Service          string
	EscalationPolicy string
	Status           string
	Urgency          string
	Priority         string // id; "" for none
	Details          string // of its body
	Level            int
	Direct           bool // assigned to somebody, not by the escalation policy
	Assignees        []string
	Acknowledgers    []string
	CreatedAt        time.Time
	UpdatedAt        time.Time
	AssignedAt       time.Time
	StatusAt         time.Time // of the last change of status
	StatusBy         string    // a user, or "" for the service
	ResolvedAt       time.Time
	SnoozedUntil     time.Time
	MergedInto       string
	Notes            []Note
	Log              []LogEntry
	Alerts           []Alert
}

// A Note is a note on an incident.
type Note struct {
	ID        string
	User      string
	Content   string
	CreatedAt time.Time
}

// A LogEntry is one line of an incident's history.
type LogEntry struct {
	ID      string
	Type    string // PagerDuty's, such as trigger_log_entry
	Summary string
	Channel string // api, note, …
	Note    string
	User    string // "" when the service did it
	At      time.Time
}

// An Alert is one event's alert below an incident.
type Alert struct {
	ID, Key, Summary, Severity, Status string
	At                                 time.Time
	Details                            any
}

// Incidents returns all incidents, oldest first.
func (s *Server) Incidents() []Incident {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Incident, len(s.incidents))
	for i, x := range s.incidents {
		all[i] = *x
		all[i].Assignees, all[i].Acknowledgers = slices.Clone(x.Assignees), slices.Clone(x.Acknowledgers)
		all[i].Notes, all[i].Log, all[i].Alerts = slices.Clone(x.Notes), slices.Clone(x.Log), slices.Clone(x.Alerts)
	}
	return all
}

func (i *Incident) summary() string { return fmt.Sprintf("[#%d] %s", i.Number, i.Title) }

func (i *Incident) open() bool { return i.Status != Resolved }

func (s *Server) incident(id string) *Incident {
	for _, i := range s.incidents {
		if i.ID == id {
			return i
		}
	}
	return nil
}

// openByKey finds the open incident of a service that has the key, itself or by an alert.
func (s *Server) openByKey(service, key string) *Incident {
	for _, i := range s.incidents {
		if i.Service == service && i.open() && i.hasKey(key) {
			return i
		}
	}
	return nil
}

func (i *Incident) hasKey(key string) bool {
	return i.Key == key || slices.ContainsFunc(i.Alerts, func(a Alert) bool { return a.Key == key })
}

// trigger opens an incident. It is assigned to everybody who is on call on the
// first level, unless it names its assignees. by is a user or "".
func (s *Server) trigger(i *Incident, by, summary string) {
	now := s.now().Truncate(time.Second)
	i.ID, i.Number = s.newID("Q"), len(s.incidents)+1
	i.Status, i.CreatedAt, i.UpdatedAt, i.StatusAt, i.AssignedAt, i.StatusBy = Triggered, now, now, now, now, by
	if i.EscalationPolicy == "" {
		i.EscalationPolicy = s.account.services[i.Service].EscalationPolicy
	}
	if i.Urgency == "" {
		i.Urgency = "high"
	}
	if i.Key == "" {
		sum := sha256.Sum256([]byte(i.ID))
		i.Key = hex.EncodeToString(sum[:16])
	}
	if len(i.Assignees) == 0 {
		i.Level, i.Assignees = s.account.firstLevel(i.EscalationPolicy, now)
	}
	s.incidents = append(s.incidents, i)
	s.enter(i, LogEntry{Type: "trigger_log_entry", Summary: summary, User: by})
	if len(i.Assignees) > 0 {
		s.enter(i, LogEntry{Type: "assign_log_entry", Summary: "Assigned"})
	}
	s.publish("incident.triggered", i, by, nil)
}

// enter writes a line of the incident's history.
func (s *Server) enter(i *Incident, e LogEntry) {
	e.ID, e.At = s.newID("R"), s.now().Truncate(time.Second)
	if e.Channel == "" {
		e.Channel = "api"
	}
	i.UpdatedAt = e.At
	i.Log = append(i.Log, e)
}

// turn moves the incident to a status and tells the webhooks.
func (s *Server) turn(i *Incident, status, by string) {
	if i.Status == status && status != Acknowledged {
		return
	}
	was := i.Status
	i.Status, i.StatusBy, i.StatusAt = status, by, s.now().Truncate(time.Second)
	switch status {
	case Acknowledged:
		if by != "" && !slices.Contains(i.Acknowledgers, by) {
			i.Acknowledgers = append(i.Acknowledgers, by)
		}
		s.enter(i, LogEntry{Type: "acknowledge_log_entry", Summary: "Acknowledged", User: by})
		if was != Acknowledged {
			s.publish("incident.acknowledged", i, by, nil)
		}
	case Triggered:
		i.Acknowledgers, i.SnoozedUntil = nil, time.Time{}
		s.enter(i, LogEntry{Type: "unacknowledge_log_entry", Summary: "Unacknowledged", User: by})
		s.publish("incident.unacknowledged", i, by, nil)
	case Resolved:
		i.ResolvedAt, i.Assignees, i.SnoozedUntil = i.StatusAt, nil, time.Time{}
		for k := range i.Alerts {
			i.Alerts[k].Status = Resolved
		}
		s.enter(i, LogEntry{Type: "resolve_log_entry", Summary: "Resolved", User: by})
		s.publish("incident.resolved", i, by, nil)
	}
}

// wake ends the snoozes that are over: their incidents are triggered again.
func (s *Server) wake() {
	now := s.now()
	for _, i := range s.incidents {
		if !i.SnoozedUntil.IsZero() && !now.Before(i.SnoozedUntil) {
			s.turn(i, Triggered, "")
		}
	}
}
