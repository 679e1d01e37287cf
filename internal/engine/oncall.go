package engine

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// An OnCallQuestion asks who is on call. Zero fields ask for everybody.
type OnCallQuestion struct {
	Account  string
	Service  string
	Schedule string
	User     string    // a Sallyport user, or an e-mail address
	At       time.Time // zero: now
}

// An OnCallAnswer tells who is on call, and how old that knowledge is.
type OnCallAnswer struct {
	Account   string
	FetchedAt time.Time
	Age       time.Duration
	Stale     string // why nothing fresher is to be had; empty where it is fresh
	Duties    []core.Evidence
}

// WhoIsOnCall answers from the index, and from PagerDuty where the index is too old.
func (e *Engine) WhoIsOnCall(ctx context.Context, a Actor, q OnCallQuestion) (OnCallAnswer, error) {
	dir, err := e.Directory(ctx)
	if err != nil {
		return OnCallAnswer{}, err
	}
	if !a.Admin {
		if err := active(dir, a); err != nil {
			return OnCallAnswer{}, err
		}
	}
	roster, err := e.OnCall.Roster(ctx, q.Account, e.MaxStale)
	if roster == nil {
		return OnCallAnswer{}, err
	}
	now := e.Clock.Now()
	out := OnCallAnswer{Account: roster.Account, FetchedAt: roster.FetchedAt, Age: now.Sub(roster.FetchedAt)}
	if err != nil {
		out.Stale = err.Error()
	}
	rule := core.OnCallRule{}
	if q.Service != "" {
		rule.Services = []string{q.Service}
	}
	if q.Schedule != "" {
		rule.Schedules = []string{q.Schedule}
	}
	if unknown := roster.Unknown(rule); len(unknown) > 0 {
		return out, core.Errorf(core.NotFound, "PagerDuty knows no %s", unknown[0])
	}
	if q.At.IsZero() {
		q.At = now
	}
	people, err := e.people(dir, roster, q.User)
	if err != nil {
		return out, err
	}
	for _, person := range people {
		out.Duties = append(out.Duties, onCallOf(roster, rule, person.ID, q.At)...)
	}
	return out, nil
}

func (e *Engine) people(dir *core.Directory, roster *core.Roster, user string) ([]core.PagerUser, error) {
	if user == "" {
		return roster.Users, nil
	}
	email := user
	if u, ok := dir.User(user); ok {
		email = u.PagerDutyEmail()
	}
	person, ok := roster.UserByEmail(email)
	if !ok {
		return nil, core.Errorf(core.NotFound, "PagerDuty has no user with the e-mail address %q", email)
	}
	return []core.PagerUser{person}, nil
}

// onCallOf lists somebody's duties; without a place named, also those on a policy directly.
func onCallOf(roster *core.Roster, rule core.OnCallRule, userID string, at time.Time) []core.Evidence {
	if len(rule.Services)+len(rule.Schedules) > 0 {
		return roster.Match(rule, userID, at)
	}
	var out []core.Evidence
	for _, d := range roster.OnCall(userID, at) {
		out = append(out, roster.Describe(d, ""))
	}
	return out
}
