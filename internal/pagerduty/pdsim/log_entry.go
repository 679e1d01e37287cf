package pdsim

import "slices"

// listLogEntries lists an incident's history, newest first.
func (s *Server) listLogEntries(q *request) (answer, error) {
	i := s.incident(q.PathValue("id"))
	if i == nil {
		return answer{}, failNotFound
	}
	since, until, err := q.window()
	if err != nil {
		return answer{}, err
	}
	var found []LogEntry
	for _, e := range slices.Backward(i.Log) {
		if (since.IsZero() || !e.At.Before(since)) && (until.IsZero() || !e.At.After(until)) {
			found = append(found, e)
		}
	}
	return paged(q, "log_entries", found, func(e LogEntry) obj { return s.logEntry(i, e) })
}

func (s *Server) logEntry(i *Incident, e LogEntry) obj {
	o := s.logRef(i, e)
	o["type"], o["created_at"] = e.Type, stamp(e.At)
	o["agent"], o["incident"], o["service"] = s.agent(i, e.User), s.account.incidentRef(i), s.account.serviceRef(i.Service)
	o["channel"] = obj{"type": e.Channel}
	if e.Note != "" {
		o["channel"] = obj{"type": e.Channel, "summary": e.Note}
		o["note"] = e.Note
	}
	o["teams"], o["contexts"] = []obj{}, []obj{}
	if e.Type == "assign_log_entry" {
		o["assignees"] = each(i.Assignees, s.account.userRef)
	}
	return o
}
