package pdsim

import "slices"

// incidentView shows an incident.
func (s *Server) incidentView(i *Incident, q *request) obj {
	a := s.account
	o := a.thing("incident", i.ID, i.summary(), "/incidents/"+i.ID, "/incidents/"+i.ID)
	o["incident_number"], o["title"], o["incident_key"] = i.Number, i.Title, i.Key
	o["status"], o["urgency"], o["is_mergeable"] = i.Status, i.Urgency, i.open()
	o["created_at"], o["updated_at"], o["last_status_change_at"] = stamp(i.CreatedAt), stamp(i.UpdatedAt), stamp(i.StatusAt)
	o["resolved_at"] = nil
	if !i.ResolvedAt.IsZero() {
		o["resolved_at"] = stamp(i.ResolvedAt)
	}
	o["incident_type"] = obj{"name": "incident_default"}
	o["last_status_change_by"] = s.agent(i, i.StatusBy)
	o["first_trigger_log_entry"] = s.logRef(i, i.Log[0])
	o["alert_counts"] = i.alertCounts()
	s.viewPlace(o, i, q)
	s.viewPeople(o, i, q)
	if i.Details != "" {
		o["body"] = obj{"type": "incident_body", "details": i.Details}
	}
	if k := slices.IndexFunc(priorities, func(p priority) bool { return p.id == i.Priority }); k >= 0 {
		o["priority"] = a.priority(priorities[k])
	}
	if target := s.incident(i.MergedInto); target != nil {
		o["resolve_reason"] = obj{"type": "merge_resolve_reason", "incident": a.incidentRef(target)}
	}
	return o
}

// viewPlace shows where the incident belongs.
func (s *Server) viewPlace(o obj, i *Incident, q *request) {
	a := s.account
	o["service"], o["escalation_policy"], o["teams"] = a.serviceRef(i.Service), a.policyRef(i.EscalationPolicy), []obj{}
	service := a.services[i.Service]
	if service != nil {
		o["teams"] = a.teamViews(service.Teams, q)
	}
	if service != nil && q.includes("services") {
		o["service"] = s.service(service, plain)
	}
	if p := a.policies[i.EscalationPolicy]; p != nil && q.includes("escalation_policies") {
		o["escalation_policy"] = a.policy(p, plain)
	}
}

// viewPeople shows who has the incident.
func (s *Server) viewPeople(o obj, i *Incident, q *request) {
	person := s.account.person
	o["assigned_via"] = "escalation_policy"
	if i.Direct {
		o["assigned_via"] = "direct_assignment"
	}
	o["assignments"] = each(i.Assignees, func(id string) obj {
		return obj{"at": stamp(i.AssignedAt), "assignee": person(id, q.includes("assignees") || q.includes("users"))}
	})
	o["acknowledgements"] = []obj{}
	if i.Status == Acknowledged {
		o["acknowledgements"] = each(i.Acknowledgers, func(id string) obj {
			return obj{"at": stamp(i.StatusAt), "acknowledger": person(id, q.includes("acknowledgers"))}
		})
	}
	o["pending_actions"] = []obj{}
	if !i.SnoozedUntil.IsZero() {
		o["pending_actions"] = []obj{{"type": "unacknowledge", "at": stamp(i.SnoozedUntil)}}
	}
}

// agent is who did something: a user, or the service for an event.
func (s *Server) agent(i *Incident, user string) obj {
	if user != "" {
		return s.account.userRef(user)
	}
	return s.account.serviceRef(i.Service)
}

func (i *Incident) alertCounts() obj {
	resolved := 0
	for _, a := range i.Alerts {
		if a.Status == Resolved {
			resolved++
		}
	}
	return obj{"all": len(i.Alerts), "triggered": len(i.Alerts) - resolved, "resolved": resolved}
}

func (s *Server) logRef(i *Incident, e LogEntry) obj {
	return s.account.thing(e.Type+"_reference", e.ID, e.Summary, "/log_entries/"+e.ID+"?incident_id="+i.ID, "/incidents/"+i.ID+"/log_entries/"+e.ID)
}
