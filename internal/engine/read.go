package engine

import (
	"context"
	"slices"

	"github.com/sallyport/sallyport/internal/core"
)

// A Story is a request with everything that came of it.
type Story struct {
	core.Request
	Grants    []core.Grant
	Incidents []core.Incident
	Void      []string // why each review does not count any more; none where the request is decided
}

// Story returns a request with its grants and incidents.
func (e *Engine) Story(ctx context.Context, a Actor, id string) (Story, error) {
	var s Story
	err := e.Store.Read(ctx, func(v View) (err error) {
		if s, err = story(v, id); err != nil {
			return err
		}
		seen, err := e.sees(v, a, s.Request)
		if err == nil && !seen {
			err = hidden("request", id)
		}
		if err != nil || s.State != core.Pending {
			return err
		}
		dir, err := e.dir(v)
		if err == nil {
			s.judge(dir)
		}
		return err
	})
	if err != nil {
		return Story{}, e.refused(ctx, a, "access_request.read", "request/"+id, err)
	}
	return s, nil
}

// judge says of each review of an undecided request whether it counts still.
func (s *Story) judge(dir *core.Directory) {
	if s.State != core.Pending {
		return
	}
	s.Void = make([]string, len(s.Reviews))
	for i, r := range s.Reviews {
		s.Void[i] = dir.Void(r)
	}
}

func story(v View, id string) (s Story, err error) {
	if s.Request, err = v.Request(id); err != nil {
		return s, err
	}
	if s.Grants, err = v.Grants(GrantQuery{RequestID: id}); err != nil {
		return s, err
	}
	over := slices.ContainsFunc(s.Grants, func(g core.Grant) bool { return !g.EndedAt.IsZero() })
	if over || notifies(s.Request) { // else nobody was paged because of it
		s.Incidents, err = v.Incidents(IncidentQuery{RequestID: id})
	}
	return s, err
}

// Stories lists the requests that an actor may see, newest first.
func (e *Engine) Stories(ctx context.Context, a Actor, q RequestQuery) ([]Story, error) {
	limit := q.Limit
	if limit == 0 {
		limit = 100
	}
	var out []Story
	err := e.Store.Read(ctx, func(v View) error {
		dir, err := e.dir(v)
		if err == nil && !a.Admin {
			err = active(dir, a)
		}
		if err != nil {
			return err
		}
		q.Limit = 0
		for len(out) < limit {
			page, err := v.Requests(q)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, r := range page {
				if len(out) == limit || !sees(dir, a, r) {
					continue
				}
				s, err := story(v, r.ID)
				if err != nil {
					return err
				}
				s.judge(dir)
				out = append(out, s)
			}
			q.After = page[len(page)-1].ID
		}
		return nil
	})
	return out, err
}

// Grant returns one grant, to its holder and to those who may read grants.
func (e *Engine) Grant(ctx context.Context, a Actor, id string) (core.Grant, error) {
	var g core.Grant
	err := e.Store.Read(ctx, func(v View) error {
		dir, err := e.dir(v)
		if err != nil {
			return err
		}
		if g, err = v.Grant(id); err != nil {
			return err
		}
		if !seesGrant(dir, a, g) {
			return hidden("grant", id)
		}
		return nil
	})
	if err != nil {
		return core.Grant{}, e.refused(ctx, a, "grant.read", "grant/"+id, err)
	}
	return g, nil
}

// Grants lists grants; a caller who may not list them all sees their own.
func (e *Engine) Grants(ctx context.Context, a Actor, q GrantQuery) ([]core.Grant, error) {
	if q.User == "" || q.User == a.User {
		if err := e.Known(ctx, a); err != nil {
			return nil, err
		}
		if !e.SeesAll(ctx, a, "grant", core.VerbList) {
			q.User = a.User
		}
	} else if err := e.may(ctx, a, "grant", core.VerbList); err != nil {
		return nil, err
	}
	return e.grants(ctx, q)
}

// Incidents lists incidents, newest first.
func (e *Engine) Incidents(ctx context.Context, a Actor, q IncidentQuery) ([]core.Incident, error) {
	if err := e.may(ctx, a, "incident", "list"); err != nil {
		return nil, err
	}
	return e.incidents(ctx, q)
}

// Check says whether a user holds an entitlement now, by the grants alone: at a grant's end
// the answer is no, whatever the target still shows.
func (e *Engine) Check(ctx context.Context, a Actor, user string, resource core.Resource) (core.Grant, bool, error) {
	if a.User == user {
		if err := e.Known(ctx, a); err != nil {
			return core.Grant{}, false, err
		}
	} else {
		if err := e.may(ctx, a, "grant", "read"); err != nil {
			return core.Grant{}, false, err
		}
	}
	var held []core.Grant
	err := e.Store.Read(ctx, func(v View) error {
		dir, err := e.dir(v)
		if err != nil {
			return err
		}
		if u, ok := dir.User(user); !ok || u.Locked {
			return nil // whatever is still to be ended
		}
		held, err = v.Grants(GrantQuery{Entitlement: core.Entitlement{User: user, Resource: resource}, States: []core.GrantState{core.GrantActive}})
		return err
	})
	if err != nil {
		return core.Grant{}, false, err
	}
	now := e.Clock.Now()
	for _, g := range held {
		if g.Holds(now) {
			return g, true, nil
		}
	}
	return core.Grant{}, false, nil
}

// Entitlements lists what a target shows now.
func (e *Engine) Entitlements(ctx context.Context, a Actor, target string) ([]core.Entitlement, error) {
	if err := e.may(ctx, a, "grant", "list"); err != nil {
		return nil, err
	}
	t, err := e.target(ctx, target)
	if err != nil {
		return nil, err
	}
	return t.List(ctx)
}

// Wait returns a request's story as soon as done says so, or when ctx ends.
func (e *Engine) Wait(ctx context.Context, a Actor, id string, done func(Story) bool) (s Story, err error) {
	_, err = e.until(ctx, id, func() (bool, error) {
		s, err = e.Story(ctx, a, id)
		return err == nil && done(s), err
	})
	return s, err
}

// Watch calls each with every audit entry after a sequence number, as they come, until ctx ends.
// Whoever may not any more, is locked, or has no session left hears nothing from then on, and
// is told so within a second or two.
func (e *Engine) Watch(ctx context.Context, a Actor, after int64, each func(core.AuditEntry) error) error {
	_, err := e.until(ctx, "", func() (bool, error) {
		if err := e.still(ctx, a); err != nil {
			return false, err
		}
		for {
			page, err := e.Audit(ctx, a, after, 1000)
			if err != nil || len(page) == 0 {
				return false, err
			}
			for _, entry := range page {
				after = entry.Seq
				if err := each(entry); err != nil {
					return false, err
				}
			}
		}
	})
	if err == nil {
		err = ctx.Err()
	}
	return err
}
