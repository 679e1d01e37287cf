package pdsim

import (
	"encoding/json"
	"slices"
)

// newIncident is the body of POST /incidents.
type newIncident struct {
	Type             string       `json:"type"`
	Title            string       `json:"title"`
	Service          reference    `json:"service"`
	Key              string       `json:"incident_key"`
	Urgency          string       `json:"urgency"`
	Priority         *reference   `json:"priority"`
	EscalationPolicy *reference   `json:"escalation_policy"`
	Assignments      []assignment `json:"assignments"`
	Body             *struct {
		Type    string          `json:"type"`
		Details json.RawMessage `json:"details"`
	} `json:"body"`
}

type assignment struct {
	Assignee reference `json:"assignee"`
}

// createIncident opens an incident. A second one with the incident_key of one
// that is open on the service is refused. Somebody who assigns it to himself
// has acknowledged it.
func (s *Server) createIncident(q *request) (answer, error) {
	var in struct {
		Incident *newIncident `json:"incident"`
	}
	if err := q.read(&in); err != nil {
		return answer{}, err
	}
	if in.Incident == nil {
		return answer{}, invalid("Incident is missing")
	}
	i, err := s.checkedIncident(in.Incident)
	if err != nil {
		return answer{}, err
	}
	if i.Key != "" && s.openByKey(i.Service, i.Key) != nil {
		return answer{}, failKeyTaken
	}
	by := q.requester.ID
	s.trigger(i, by, "Triggered through the API")
	if i.Direct && i.Assignees[0] == by {
		s.turn(i, Acknowledged, by)
	}
	return created(obj{"incident": s.incidentView(i, q)})
}

func (s *Server) checkedIncident(in *newIncident) (*Incident, error) {
	i := &Incident{Title: in.Title, Service: in.Service.ID, Key: in.Key, Urgency: in.Urgency}
	switch {
	case in.Type != "incident":
		return nil, invalid("Incident type must be incident")
	case in.Title == "":
		return nil, invalid("Title cannot be empty")
	case s.account.services[in.Service.ID] == nil:
		return nil, invalid("Service cannot be found")
	case in.Urgency != "" && in.Urgency != "high" && in.Urgency != "low":
		return nil, invalid("Urgency must be high or low")
	case len(in.Assignments) > 1:
		return nil, invalid("Only one assignee is allowed")
	}
	if in.Body != nil && len(in.Body.Details) > 0 {
		if json.Unmarshal(in.Body.Details, &i.Details) != nil {
			return nil, invalid("Body details must be a string")
		}
	}
	return i, s.assign(i, in.Priority, in.EscalationPolicy, in.Assignments)
}

// assign checks and sets what create and update have in common.
func (s *Server) assign(i *Incident, prio, policy *reference, assignments []assignment) error {
	if prio != nil {
		if !slices.ContainsFunc(priorities, func(p priority) bool { return p.id == prio.ID }) {
			return invalid("Priority cannot be found")
		}
		i.Priority = prio.ID
	}
	if policy != nil {
		if s.account.policies[policy.ID] == nil {
			return invalid("Escalation policy cannot be found")
		}
		i.EscalationPolicy, i.Direct = policy.ID, false
		i.Level, i.Assignees = s.account.firstLevel(policy.ID, s.now())
	}
	if len(assignments) == 0 {
		return nil
	}
	var users []string
	for _, a := range assignments {
		if s.account.users[a.Assignee.ID] == nil {
			return invalid("Assignee cannot be found")
		}
		users = append(users, a.Assignee.ID)
	}
	i.Direct, i.Assignees = true, users
	return nil
}
