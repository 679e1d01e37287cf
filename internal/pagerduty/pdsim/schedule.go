package pdsim

import (
	"slices"
	"time"
)

// twoWeeks is how long a classic schedule is rendered where one end is not given.
const twoWeeks = 14 * 24 * time.Hour

// listSchedules lists the classic schedules; the shift-based ones have their own endpoint.
func (s *Server) listSchedules(q *request) (answer, error) {
	return paged(q, "schedules", s.account.schedulesOf("v2", q), func(x *schedule) obj { return s.account.schedule(x) })
}

func (a *account) schedulesOf(kind string, q *request) []*schedule {
	var found []*schedule
	for i := range a.data.Schedules {
		x := a.schedules[a.data.Schedules[i].ID]
		if x.Kind == kind && named(q.query("query"), x.Name) && wanted(q.list("team_ids"), x.Teams...) {
			found = append(found, x)
		}
	}
	return found
}

// classic finds the classic schedule that the path names. A shift-based one is a 400.
func (s *Server) classic(q *request) (*schedule, error) {
	x := s.account.schedules[q.PathValue("id")]
	switch {
	case x == nil:
		return nil, failNotFound
	case x.Kind == "v3":
		return nil, invalid("Schedule %s is a shift-based schedule: use /v3/schedules/%[1]s", x.ID)
	}
	return x, nil
}

func (s *Server) getSchedule(q *request) (answer, error) {
	x, err := s.classic(q)
	if err != nil {
		return answer{}, err
	}
	since, until, err := q.window()
	if err != nil {
		return answer{}, err
	}
	zone, err := q.zone()
	if err != nil {
		return answer{}, err
	}
	o := s.account.schedule(x)
	if since.IsZero() && until.IsZero() {
		return ok(obj{"schedule": o})
	}
	if until.IsZero() {
		until = since.Add(twoWeeks)
	}
	if since.IsZero() {
		since = until.Add(-twoWeeks)
	}
	if !since.Before(until) {
		return answer{}, invalid("The until time must be after the since time")
	}
	r := rendering{s.account, since, until, q.flag("overflow"), zone}
	o["final_schedule"] = r.render("Final Schedule", x.final())
	o["overrides_subschedule"] = r.render("Overrides", x.overrides)
	return ok(obj{"schedule": o})
}

// A rendering shows shifts within a window, cut at its borders unless they may overflow.
type rendering struct {
	account      *account
	since, until time.Time
	overflow     bool
	zone         *time.Location
}

// within returns the shifts that the rendering shows, by start.
func (r rendering) within(shifts []shift) []shift {
	var seen []shift
	for _, w := range shifts {
		if !w.covers(r.since, r.until) {
			continue
		}
		if !r.overflow {
			w = w.clip(r.since, r.until)
		}
		seen = append(seen, w)
	}
	slices.SortStableFunc(seen, func(x, y shift) int { return x.start.Compare(y.start) })
	return seen
}

func (r rendering) render(name string, shifts []shift) obj {
	entries := each(r.within(shifts), func(w shift) obj {
		return obj{
			"start": w.start.In(r.zone).Format(time.RFC3339), "end": w.end.In(r.zone).Format(time.RFC3339),
			"user": r.account.userRef(w.user),
		}
	})
	return obj{"name": name, "rendered_schedule_entries": entries, "rendered_coverage_percentage": coverage(shifts, r.since, r.until)}
}

func (a *account) schedule(x *schedule) obj {
	o := a.thing("schedule", x.ID, x.Name, "/schedules/"+x.ID, "/schedules/"+x.ID)
	o["name"], o["time_zone"], o["description"] = x.Name, x.TimeZone, ""
	o["schedule_layers"] = []obj{}
	o["users"] = each(x.people(), a.userRef)
	o["teams"] = each(x.Teams, a.teamRef)
	o["escalation_policies"] = a.policiesWith(x.ID)
	return o
}

// people are the users of the schedule's shifts, each once.
func (x *schedule) people() []string {
	var ids []string
	for _, w := range x.shifts {
		if w.user != "" && !slices.Contains(ids, w.user) {
			ids = append(ids, w.user)
		}
	}
	return ids
}

func (a *account) policiesWith(schedule string) []obj {
	refs := []obj{}
	for _, p := range a.data.EscalationPolicies {
		if p.covers(schedule) {
			refs = append(refs, a.policyRef(p.ID))
		}
	}
	return refs
}

// listScheduleUsers lists who works in the window, or everybody of the schedule.
func (s *Server) listScheduleUsers(q *request) (answer, error) {
	x, err := s.classic(q)
	if err != nil {
		return answer{}, err
	}
	since, until, err := q.window()
	if err != nil {
		return answer{}, err
	}
	ids := x.people()
	if !since.IsZero() && !until.IsZero() {
		ids = nil
		for _, w := range x.final() {
			if w.covers(since, until) && !slices.Contains(ids, w.user) {
				ids = append(ids, w.user)
			}
		}
	}
	return ok(obj{"users": each(ids, func(id string) obj { return s.account.user(s.account.users[id], q) })})
}
