package pdsim

// listAlerts lists the alerts that events have put below an incident.
func (s *Server) listAlerts(q *request) (answer, error) {
	i := s.incident(q.PathValue("id"))
	if i == nil {
		return answer{}, failNotFound
	}
	var found []Alert
	for _, a := range i.Alerts {
		if wanted(q.list("statuses"), a.Status) && (q.query("alert_key") == "" || q.query("alert_key") == a.Key) {
			found = append(found, a)
		}
	}
	return paged(q, "alerts", found, func(a Alert) obj { return s.alert(i, a) })
}

func (s *Server) alert(i *Incident, al Alert) obj {
	a := s.account
	o := a.thing("alert", al.ID, al.Summary, "/incidents/"+i.ID+"/alerts/"+al.ID, "/alerts/"+al.ID)
	o["created_at"], o["status"], o["alert_key"], o["severity"] = stamp(al.At), al.Status, al.Key, al.Severity
	o["service"], o["incident"], o["suppressed"] = a.serviceRef(i.Service), a.incidentRef(i), false
	if v := a.services[i.Service]; v != nil && v.IntegrationKey != "" {
		o["integration"] = a.integrationRef(v)
	}
	o["body"] = obj{"type": "alert_body", "contexts": []obj{}, "details": al.Details}
	return o
}
