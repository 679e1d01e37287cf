package api

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

func (a *API) listIncidents(ctx context.Context, in *struct {
	Paging
	Request    string `query:"request" doc:"Only incidents of this request."`
	Unfinished bool   `query:"unfinished" doc:"Only those with something left to do at PagerDuty."`
},
) (*answer[client.IncidentPage], error) {
	found, err := a.Engine.Incidents(ctx, caller(ctx), engine.IncidentQuery{RequestID: in.Request, Unfinished: in.Unfinished, After: in.After, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	page, next := cut(found, in.Limit, func(i core.Incident) string { return i.ID })
	return ok(client.IncidentPage{Items: list(page, viewIncident), Next: next}), nil
}

func (a *API) whoIsOnCall(ctx context.Context, in *struct {
	Account  string `query:"account" doc:"A PagerDuty account; absent: the default one."`
	Service  string `query:"service"`
	Schedule string `query:"schedule"`
	User     string `query:"user" doc:"A user, or an e-mail address."`
	At       string `query:"at" doc:"A time such as 2006-01-02T15:04:05Z; absent: now."`
},
) (*answer[client.OnCall], error) {
	q := engine.OnCallQuestion{Account: in.Account, Service: in.Service, Schedule: in.Schedule, User: in.User}
	if in.At != "" {
		at, err := time.Parse(time.RFC3339Nano, in.At)
		if err != nil {
			return nil, core.Errorf(core.Invalid, "at must be a time such as 2006-01-02T15:04:05Z")
		}
		q.At = at
	}
	got, err := a.Engine.WhoIsOnCall(ctx, caller(ctx), q)
	if err != nil {
		return nil, err
	}
	return ok(client.OnCall{
		Account: got.Account, FetchedAt: got.FetchedAt.UTC(), AgeSeconds: got.Age.Seconds(), Stale: got.Stale,
		Duties: list(got.Duties, viewEvidence),
	}), nil
}
