package pdsim

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// listIncidents lists the last month's incidents, unless asked otherwise.
func (s *Server) listIncidents(q *request) (answer, error) {
	since, until, err := q.incidentWindow()
	if err != nil {
		return answer{}, err
	}
	for _, status := range q.list("statuses") {
		if status != Triggered && status != Acknowledged && status != Resolved {
			return answer{}, invalid("Invalid status: %q", status)
		}
	}
	var found []*Incident
	for _, i := range s.incidents {
		if (since.IsZero() || i.covers(since, until)) && s.wantedIncident(i, q) {
			found = append(found, i)
		}
	}
	if err := sortIncidents(found, q.query("sort_by")); err != nil {
		return answer{}, err
	}
	return paged(q, "incidents", found, func(i *Incident) obj { return s.incidentView(i, q) })
}

// incidentWindow is the last month, what since and until say (six months at
// most), or nothing where date_range is all.
func (q *request) incidentWindow() (since, until time.Time, err error) {
	if q.query("date_range") == "all" {
		return
	}
	if since, until, err = q.window(); err != nil {
		return
	}
	if until.IsZero() {
		until = q.now
		if !since.IsZero() && since.AddDate(0, 1, 0).Before(until) {
			until = since.AddDate(0, 1, 0)
		}
	}
	if since.IsZero() {
		since = until.AddDate(0, -1, 0)
	}
	if since.AddDate(0, 6, 0).Before(until) {
		err = &failure{status: 400, code: 2005, message: "Invalid Query Date Range", errors: []string{"The range cannot be more than 6 months"}}
	}
	return
}

// covers reports whether the incident was created in the window.
func (i *Incident) covers(since, until time.Time) bool {
	return !i.CreatedAt.Before(since.Truncate(time.Second)) && !i.CreatedAt.After(until)
}

func (s *Server) wantedIncident(i *Incident, q *request) bool {
	service := s.account.services[i.Service]
	var teams []string
	if service != nil {
		teams = service.Teams
	}
	key := q.query("incident_key")
	return wanted(q.list("statuses"), i.Status) && (key == "" || i.hasKey(key)) &&
		wanted(q.list("service_ids"), i.Service) && wanted(q.list("user_ids"), i.Assignees...) &&
		wanted(q.list("team_ids"), teams...) && wanted(q.list("urgencies"), i.Urgency)
}

// orders are what sort_by knows.
var orders = map[string]func(x, y *Incident) int{
	"incident_number": func(x, y *Incident) int { return cmp.Compare(x.Number, y.Number) },
	"created_at":      func(x, y *Incident) int { return x.CreatedAt.Compare(y.CreatedAt) },
	"resolved_at":     func(x, y *Incident) int { return x.ResolvedAt.Compare(y.ResolvedAt) },
	"urgency":         func(x, y *Incident) int { return cmp.Compare(x.Urgency, y.Urgency) },
}

// sortIncidents sorts by up to two fields: "created_at:desc,urgency".
func sortIncidents(found []*Incident, by string) error {
	if by == "" {
		return nil
	}
	fields := strings.Split(by, ",")
	if len(fields) > 2 {
		return invalid("Invalid sort_by: at most two fields")
	}
	for _, field := range slices.Backward(fields) {
		name, direction, _ := strings.Cut(field, ":")
		order := orders[name]
		if order == nil || (direction != "" && direction != "asc" && direction != "desc") {
			return invalid("Invalid sort_by: %q", field)
		}
		if direction == "desc" {
			ascending := order
			order = func(x, y *Incident) int { return -ascending(x, y) }
		}
		slices.SortStableFunc(found, order)
	}
	return nil
}

func (s *Server) getIncident(q *request) (answer, error) {
	i := s.incident(q.PathValue("id"))
	if i == nil {
		return answer{}, failNotFound
	}
	return ok(obj{"incident": s.incidentView(i, q)})
}
