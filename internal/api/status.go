package api

import (
	"context"
	"errors"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

func (a *API) getStatus(ctx context.Context, _ *struct{}) (*answer[client.Status], error) {
	who := caller(ctx)
	if err := a.Engine.Known(ctx, who); err != nil {
		return nil, err
	}
	s := client.Status{Version: a.Version, Accounts: []client.AccountStatus{}, Warnings: []string{}}
	s.Caller, s.Via, s.Now = who.Name(), who.Via, a.Engine.Clock.Now().UTC()
	if !a.Engine.SeesAll(ctx, who, "status", core.VerbRead) {
		s.Partial = true // who one is everybody may know, and no more
		return ok(s), nil
	}
	err := a.fillStatus(ctx, &s)
	return ok(s), err
}

// fillStatus adds what takes a right to see.
func (a *API) fillStatus(ctx context.Context, out *client.Status) error {
	s := a.Status(ctx)
	s.Caller, s.Via, s.Now = out.Caller, out.Via, out.Now
	s.MaxStaleness = a.Engine.MaxStale.String()
	if s.Version == "" {
		s.Version = a.Version
	}
	if s.Replica == "" {
		s.Replica = a.Engine.Replica
	}
	s.Accounts = list(s.Accounts, func(v client.AccountStatus) client.AccountStatus { return v })
	s.Warnings = list(s.Warnings, same)
	*out = s
	return a.count(ctx, out)
}

// count fills in how much there is to do.
func (a *API) count(ctx context.Context, s *client.Status) error {
	return a.Engine.Store.Read(ctx, func(v engine.View) error {
		const all = 1 << 30
		pending, err := v.Requests(engine.RequestQuery{State: core.Pending, Limit: all})
		if err != nil {
			return err
		}
		live, err := v.Grants(engine.GrantQuery{States: []core.GrantState{core.GrantActive, core.GrantEnding}, Limit: all})
		if err != nil {
			return err
		}
		unfinished, err := v.Incidents(engine.IncidentQuery{Unfinished: true, Limit: all})
		if err != nil {
			return err
		}
		s.Pending, s.Unfinished = len(pending), len(unfinished)
		for _, g := range live {
			if g.State == core.GrantActive {
				s.Active++
			} else if a.Engine.Clock.Now().Sub(g.EndedAt).Minutes() >= 1 {
				s.Overdue++
			}
		}
		return nil
	})
}

func (a *API) doctor(ctx context.Context, _ *struct{}) (*answer[client.Diagnosis], error) {
	if err := a.Engine.May(ctx, caller(ctx), "doctor", core.VerbRead); err != nil {
		return nil, err
	}
	out := client.Diagnosis{OK: true, Findings: list(a.Doctor(ctx), func(f client.Finding) client.Finding { return f })}
	for _, f := range out.Findings {
		out.OK = out.OK && f.State != "problem"
	}
	return ok(out), nil
}

// asCore finds the error in a chain that may be shown to people.
func asCore(err error, into **core.Error) bool { return errors.As(err, into) }
