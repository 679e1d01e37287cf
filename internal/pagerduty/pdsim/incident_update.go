package pdsim

import (
	"net/http"
	"slices"
	"time"
)

// A change is one incident of PUT /incidents.
type change struct {
	ID               string       `json:"id"`
	Type             string       `json:"type"`
	Status           string       `json:"status"`
	Title            string       `json:"title"`
	Urgency          string       `json:"urgency"`
	Resolution       string       `json:"resolution"`
	Level            int          `json:"escalation_level"`
	Priority         *reference   `json:"priority"`
	EscalationPolicy *reference   `json:"escalation_policy"`
	Assignments      []assignment `json:"assignments"`
}

func (s *Server) updateIncident(q *request) (answer, error) {
	var in struct {
		Incident *change `json:"incident"`
	}
	if err := q.read(&in); err != nil {
		return answer{}, err
	}
	i := s.incident(q.PathValue("id"))
	if i == nil {
		return answer{}, failNotFound
	}
	if in.Incident == nil {
		return answer{}, invalid("Incident is missing")
	}
	if err := s.checkChange(i, in.Incident); err != nil {
		return answer{}, err
	}
	s.change(i, in.Incident, q.requester.ID)
	return ok(obj{"incident": s.incidentView(i, q)})
}

// updateIncidents changes up to 250 incidents: all of them or, where one cannot
// be changed, none.
func (s *Server) updateIncidents(q *request) (answer, error) {
	var in struct {
		Incidents []change `json:"incidents"`
	}
	if err := q.read(&in); err != nil {
		return answer{}, err
	}
	if len(in.Incidents) == 0 {
		return answer{}, invalid("Incidents are missing")
	}
	if len(in.Incidents) > 250 {
		return answer{}, failTooLarge
	}
	changed := make([]*Incident, len(in.Incidents))
	for k := range in.Incidents {
		i := s.incident(in.Incidents[k].ID)
		if i == nil {
			return answer{}, invalid("Incident %s cannot be found", in.Incidents[k].ID)
		}
		if err := s.checkChange(i, &in.Incidents[k]); err != nil {
			return answer{}, err
		}
		changed[k] = i
	}
	for k, i := range changed {
		s.change(i, &in.Incidents[k], q.requester.ID)
	}
	body := obj{"limit": 100, "offset": 0, "more": false, "total": nil}
	body["incidents"] = each(changed, func(i *Incident) obj { return s.incidentView(i, q) })
	return ok(body)
}

// checkChange says why PagerDuty would refuse a change.
func (s *Server) checkChange(i *Incident, c *change) error {
	switch {
	case c.Type != "incident" && c.Type != "incident_reference":
		return invalid("Incident type must be incident or incident_reference")
	case !i.open():
		return failResolved
	case !slices.Contains([]string{"", Triggered, Acknowledged, Resolved}, c.Status):
		return &failure{status: http.StatusBadRequest, code: 1003, message: "Invalid Status Provided", errors: []string{"Invalid Status Provided"}}
	case c.Urgency != "" && c.Urgency != "high" && c.Urgency != "low":
		return invalid("Urgency must be high or low")
	case c.Level < 0 || c.Level > s.levels(i):
		return invalid("Escalation level is not one of the policy's")
	}
	probe := *i
	return s.assign(&probe, c.Priority, c.EscalationPolicy, c.Assignments)
}

func (s *Server) levels(i *Incident) int {
	if p := s.account.policies[i.EscalationPolicy]; p != nil {
		return len(p.Rules)
	}
	return 0
}

// change applies a change that is checked. It refuses nothing any more.
func (s *Server) change(i *Incident, c *change, by string) {
	now := s.now().Truncate(time.Second)
	i.UpdatedAt = now
	if c.Title != "" {
		i.Title = c.Title
	}
	if c.Urgency != "" && c.Urgency != i.Urgency {
		i.Urgency = c.Urgency
		s.enter(i, LogEntry{Type: "urgency_change_log_entry", Summary: "Urgency changed", User: by})
	}
	if priority := i.Priority; c.Priority != nil && c.Priority.ID != priority {
		_ = s.assign(i, c.Priority, nil, nil) // checked
		s.publish("incident.priority_updated", i, by, nil)
	}
	if c.EscalationPolicy != nil || len(c.Assignments) > 0 {
		_ = s.assign(i, nil, c.EscalationPolicy, c.Assignments) // checked
		i.AssignedAt = now
		s.enter(i, LogEntry{Type: "assign_log_entry", Summary: "Reassigned", User: by})
		s.publish("incident.reassigned", i, by, nil)
	}
	if c.Level > 0 && c.Level != i.Level {
		p := s.account.policies[i.EscalationPolicy]
		i.Level, i.Direct, i.AssignedAt = c.Level, false, now
		i.Assignees = s.account.onLevel(p, c.Level, p.Rules[c.Level-1], now)
		s.enter(i, LogEntry{Type: "escalate_log_entry", Summary: "Escalated", User: by})
		s.publish("incident.escalated", i, by, nil)
	}
	if c.Resolution != "" {
		s.addNote(i, by, "Resolution Note: "+c.Resolution)
	}
	if c.Status != "" {
		s.turn(i, c.Status, by)
	}
}

// mergeIncidents resolves the source incidents and gives their alerts to the target.
func (s *Server) mergeIncidents(q *request) (answer, error) {
	var in struct {
		Sources []reference `json:"source_incidents"`
	}
	if err := q.read(&in); err != nil {
		return answer{}, err
	}
	target := s.incident(q.PathValue("id"))
	if target == nil {
		return answer{}, failNotFound
	}
	if !target.open() {
		return answer{}, failResolved
	}
	if len(in.Sources) == 0 {
		return answer{}, invalid("Source incidents are missing")
	}
	var sources []*Incident
	for _, r := range in.Sources {
		i := s.incident(r.ID)
		if i == nil || i == target || i.MergedInto != "" {
			return answer{}, invalid("Incident %s cannot be merged", r.ID)
		}
		sources = append(sources, i)
	}
	by := q.requester.ID
	for _, i := range sources {
		target.Alerts = append(target.Alerts, i.Alerts...)
		i.Alerts, i.MergedInto = nil, target.ID
		s.turn(i, Resolved, by)
	}
	target.UpdatedAt = q.now.Truncate(time.Second)
	return ok(obj{"incident": s.account.incidentRef(target)})
}

// snoozeIncident acknowledges an incident for a while: at most a week.
func (s *Server) snoozeIncident(q *request) (answer, error) {
	var in struct {
		Duration int `json:"duration"`
	}
	if err := q.read(&in); err != nil {
		return answer{}, err
	}
	i := s.incident(q.PathValue("id"))
	switch {
	case i == nil:
		return answer{}, failNotFound
	case !i.open():
		return answer{}, failResolved
	case in.Duration < 1 || in.Duration > 604800:
		return answer{}, invalid("Duration must be between 1 and 604800 seconds")
	}
	by := q.requester.ID
	s.turn(i, Acknowledged, by)
	i.SnoozedUntil = q.now.Truncate(time.Second).Add(time.Duration(in.Duration) * time.Second)
	s.enter(i, LogEntry{Type: "snooze_log_entry", Summary: "Snoozed", User: by})
	return created(obj{"incident": s.incidentView(i, q)})
}
