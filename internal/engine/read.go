package engine

import (
	"context"

	"github.com/sallyport/sallyport/internal/core"
)

// may refuses an actor who lacks a verb on a kind.
func (e *Engine) may(ctx context.Context, a Actor, kind, verb string) error {
	if a.Admin {
		return nil
	}
	dir, err := e.Directory(ctx)
	if err != nil {
		return err
	}
	if err := active(dir, a); err != nil {
		return err
	}
	if dir.Allowed(a.User, kind, verb) {
		return nil
	}
	return core.Errorf(core.Refused, "%s may not %s %s: no role of theirs allows it", a.User, verb, kind).
		WithHint("a role allows it with rules: [{resources: [%s], verbs: [%s]}]", kind, verb)
}

// sees tells whether an actor may see a request: it is theirs, they may review it, or a rule lets them read all.
func sees(dir *core.Directory, a Actor, r core.Request) bool {
	return a.Admin || a.User == r.User || a.User == r.Author ||
		dir.Allowed(a.User, "access_request", "read") || dir.MayReview(a.User, r) == nil
}

// A Story is a request with everything that came of it.
type Story struct {
	core.Request
	Grants    []core.Grant
	Incidents []core.Incident
}

// Story returns a request with its grants and incidents.
func (e *Engine) Story(ctx context.Context, a Actor, id string) (Story, error) {
	var s Story
	err := e.Store.Read(ctx, func(v View) error {
		dir, err := e.dir(v)
		if err != nil {
			return err
		}
		if s, err = story(v, id); err != nil {
			return err
		}
		if !sees(dir, a, s.Request) {
			return core.Errorf(core.NotFound, "there is no request %s", id)
		}
		return nil
	})
	return s, err
}

func story(v View, id string) (s Story, err error) {
	if s.Request, err = v.Request(id); err != nil {
		return s, err
	}
	if s.Grants, err = v.Grants(GrantQuery{RequestID: id}); err != nil {
		return s, err
	}
	s.Incidents, err = v.Incidents(IncidentQuery{RequestID: id})
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
		if !a.Admin && a.User != g.User && !dir.Allowed(a.User, "grant", "read") {
			return core.Errorf(core.NotFound, "there is no grant %s", id)
		}
		return nil
	})
	return g, err
}

// Grants lists grants; a caller who may not list them all sees their own.
func (e *Engine) Grants(ctx context.Context, a Actor, q GrantQuery) ([]core.Grant, error) {
	if err := e.may(ctx, a, "grant", "list"); err != nil {
		if q.User != "" && q.User != a.User {
			return nil, err
		}
		q.User = a.User
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
	if a.User != user {
		if err := e.may(ctx, a, "grant", "read"); err != nil {
			return core.Grant{}, false, err
		}
	}
	held, err := e.grants(ctx, GrantQuery{Entitlement: core.Entitlement{User: user, Resource: resource}, States: []core.GrantState{core.GrantActive}})
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
func (e *Engine) Watch(ctx context.Context, a Actor, after int64, each func(core.AuditEntry) error) error {
	_, err := e.until(ctx, "", func() (bool, error) {
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
