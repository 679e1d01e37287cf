package pdsim

import (
	"slices"
	"strings"
	"time"
)

// founded is when everything in the account was made.
var founded = time.Date(2015, 11, 6, 16, 12, 51, 0, time.UTC)

func (s *Server) listServices(q *request) (answer, error) {
	var found []*Service
	for i := range s.account.data.Services {
		v := &s.account.data.Services[i]
		if named(q.query("query"), v.Name) && (q.query("name") == "" || q.query("name") == v.Name) && wanted(q.list("team_ids"), v.Teams...) {
			found = append(found, v)
		}
	}
	switch order := q.query("sort_by"); order {
	case "", "name", "name:asc", "name:desc":
		slices.SortStableFunc(found, func(x, y *Service) int { return strings.Compare(x.Name, y.Name) })
		if order == "name:desc" {
			slices.Reverse(found)
		}
	default:
		return answer{}, invalid("Invalid sort_by: %q", order)
	}
	return paged(q, "services", found, func(v *Service) obj { return s.service(v, q) })
}

func (s *Server) getService(q *request) (answer, error) {
	v := s.account.services[q.PathValue("id")]
	if v == nil {
		return answer{}, failNotFound
	}
	return ok(obj{"service": s.service(v, q)})
}

func (s *Server) service(v *Service, q *request) obj {
	a := s.account
	o := a.thing("service", v.ID, v.Name, "/services/"+v.ID, "/service-directory/"+v.ID)
	o["name"], o["description"], o["created_at"] = v.Name, v.Description, stamp(founded)
	o["status"] = s.serviceStatus(v.ID)
	o["alert_creation"] = "create_alerts_and_incidents"
	o["auto_resolve_timeout"], o["acknowledgement_timeout"] = 14400, 1800
	o["incident_urgency_rule"] = obj{"type": "constant", "urgency": "high"}
	o["teams"] = a.teamViews(v.Teams, q)
	o["escalation_policy"] = a.policyRef(v.EscalationPolicy)
	if q.includes("escalation_policies") {
		o["escalation_policy"] = a.policy(a.policies[v.EscalationPolicy], plain)
	}
	o["integrations"] = a.integrations(v, q.includes("integrations"))
	if last := s.lastIncident(v.ID); last != nil {
		o["last_incident_timestamp"] = stamp(last.CreatedAt)
	}
	return o
}

// serviceStatus is critical with a triggered incident, warning with an acknowledged one.
func (s *Server) serviceStatus(id string) string {
	status := "active"
	for _, i := range s.incidents {
		switch {
		case i.Service == id && i.Status == Triggered:
			return "critical"
		case i.Service == id && i.Status == Acknowledged:
			status = "warning"
		}
	}
	return status
}

func (s *Server) lastIncident(service string) *Incident {
	for _, i := range slices.Backward(s.incidents) {
		if i.Service == service {
			return i
		}
	}
	return nil
}

// integrations shows the Events API v2 integration; its key only where include[] asks for it.
func (a *account) integrations(v *Service, full bool) []obj {
	if v.IntegrationKey == "" {
		return []obj{}
	}
	if !full {
		return []obj{a.integrationRef(v)}
	}
	o := a.integrationRef(v)
	o["type"], o["name"], o["integration_key"] = "events_api_v2_inbound_integration", "Events API V2", v.IntegrationKey
	o["service"], o["created_at"] = a.serviceRef(v.ID), stamp(founded)
	return []obj{o}
}

func (a *account) integrationRef(v *Service) obj {
	path := "/services/" + v.ID + "/integrations/I" + v.ID
	return a.thing("events_api_v2_inbound_integration_reference", "I"+v.ID, "Events API V2", path, path)
}
