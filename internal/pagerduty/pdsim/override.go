package pdsim

import (
	"net/http"
	"slices"
	"time"
)

// An override is one of POST /schedules/{id}/overrides.
type override struct {
	Start string    `json:"start"`
	End   string    `json:"end"`
	User  reference `json:"user"`
}

// A reference is how PagerDuty's callers name a thing.
type reference struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

func (s *Server) listOverrides(q *request) (answer, error) {
	x, err := s.classic(q)
	if err != nil {
		return answer{}, err
	}
	since, until, err := q.window()
	if err != nil {
		return answer{}, err
	}
	if since.IsZero() || until.IsZero() {
		return answer{}, invalid("since and until are required")
	}
	r := rendering{s.account, since, until, q.flag("overflow"), time.UTC}
	return ok(obj{"overrides": each(r.within(x.overrides), s.account.override)})
}

// createOverrides answers 201 with a status of its own for each of them. The
// deprecated form with a single override is understood.
func (s *Server) createOverrides(q *request) (answer, error) {
	x, err := s.classic(q)
	if err != nil {
		return answer{}, err
	}
	var in struct {
		Overrides []override `json:"overrides"`
		Override  *override  `json:"override"`
	}
	if err := q.read(&in); err != nil {
		return answer{}, err
	}
	if in.Override != nil {
		shift, problem := s.override(x, *in.Override)
		if problem != "" {
			return answer{}, invalid("%s", problem)
		}
		return created(obj{"override": s.account.override(shift)})
	}
	if len(in.Overrides) == 0 {
		return answer{}, invalid("overrides is missing or empty")
	}
	return created(each(in.Overrides, func(o override) obj {
		shift, problem := s.override(x, o)
		if problem != "" {
			return obj{"status": http.StatusBadRequest, "errors": []string{problem}, "override": obj{"start": o.Start, "end": o.End, "user": s.account.userRef(o.User.ID)}}
		}
		return obj{"status": http.StatusCreated, "override": s.account.override(shift)}
	}))
}

// override adds o to the schedule, or says what is wrong with it.
func (s *Server) override(x *schedule, o override) (shift, string) {
	start, err := time.Parse(time.RFC3339, o.Start)
	if err != nil {
		return shift{}, "Start is invalid"
	}
	end, err := time.Parse(time.RFC3339, o.End)
	if err != nil {
		return shift{}, "End is invalid"
	}
	switch {
	case !start.Before(end):
		return shift{}, "Override must end after its start"
	case end.Before(s.now()):
		return shift{}, "Override cannot be in the past"
	case s.account.users[o.User.ID] == nil:
		return shift{}, "User not found"
	}
	w := shift{id: s.newID("Q"), user: o.User.ID, start: start.UTC().Truncate(time.Second), end: end.UTC().Truncate(time.Second)}
	x.overrides = append(x.overrides, w)
	return w, ""
}

// deleteOverride takes an override away. One that has begun is cut at now,
// which PagerDuty says with a 200 in the place of a 204.
func (s *Server) deleteOverride(q *request) (answer, error) {
	x, err := s.classic(q)
	if err != nil {
		return answer{}, err
	}
	i := slices.IndexFunc(x.overrides, func(w shift) bool { return w.id == q.PathValue("override") })
	if i < 0 {
		return answer{}, failNotFound
	}
	w := &x.overrides[i]
	switch {
	case !w.end.After(q.now):
		return answer{}, invalid("Override is in the past")
	case w.start.Before(q.now):
		w.end = q.now.Truncate(time.Second)
		return empty(http.StatusOK)
	}
	x.overrides = slices.Delete(x.overrides, i, i+1)
	return empty(http.StatusNoContent)
}

func (a *account) override(w shift) obj {
	return obj{"id": w.id, "start": stamp(w.start), "end": stamp(w.end), "user": a.userRef(w.user)}
}
