package pdsim

import "time"

// listSchedulesV3 lists the shift-based schedules: 100 a page, at most 1000.
func (s *Server) listSchedulesV3(q *request) (answer, error) {
	found := s.account.schedulesOf("v3", q)
	p, err := q.page(100, 1000)
	if err != nil {
		return answer{}, err
	}
	from, to := p.bounds(len(found))
	body := obj{"limit": p.limit, "offset": p.offset, "more": p.offset+p.limit < len(found), "schedules": each(found[from:to], s.account.scheduleRef)}
	if q.flag("total") {
		body["total"] = len(found)
	}
	return ok(body)
}

// getScheduleV3 shows a shift-based schedule; with include[]=final_schedule, who
// works when. Members are ids only, several at once, and may be nobody.
func (s *Server) getScheduleV3(q *request) (answer, error) {
	a := s.account
	x := a.schedules[q.PathValue("id")]
	switch {
	case x == nil:
		return answer{}, failNotFound
	case x.Kind != "v3":
		return answer{}, invalidField("id", "schedule %s is not a shift-based schedule", x.ID)
	}
	since, until, err := q.window()
	if err != nil {
		return answer{}, err
	}
	zone, err := q.zone()
	if err != nil {
		return answer{}, err
	}
	o := a.thing("schedule_v3", x.ID, x.Name, "/v3/schedules/"+x.ID, "/schedules/"+x.ID)
	o["name"], o["time_zone"], o["description"] = x.Name, x.TimeZone, ""
	o["users"] = each(x.people(), a.userRef)
	o["teams"] = each(x.Teams, a.teamRef)
	o["escalation_policies"] = a.policiesWith(x.ID)
	o["rotations"] = []obj{}
	if q.includes("final_schedule") {
		if since.IsZero() {
			since = q.now
		}
		if until.IsZero() {
			until = since.Add(twoWeeks)
		}
		if !since.Before(until) {
			return answer{}, invalidField("until", "must be after since")
		}
		o["final_schedule"] = rendering{a, since, until, q.flag("overflow"), zone}.assignments(x)
	}
	return ok(obj{"schedule": o})
}

func (r rendering) assignments(x *schedule) obj {
	worked := x.final()
	shifts := each(r.within(worked), func(w shift) obj {
		member := obj{"type": "empty_member"}
		if w.user != "" {
			member = obj{"type": "user_member", "user_id": w.user}
		}
		return obj{
			"type":       "computed_shift_assignment",
			"start_time": w.start.In(r.zone).Format(time.RFC3339), "end_time": w.end.In(r.zone).Format(time.RFC3339),
			"member": member, "source": obj{"type": "schedule_rotation", "rotation_id": "R" + x.ID},
		}
	})
	return obj{"type": "final_schedule", "rendered_coverage_percentage": coverage(worked, r.since, r.until), "computed_shift_assignments": shifts}
}
