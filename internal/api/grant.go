package api

import (
	"context"
	"strings"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

func (a *API) listGrants(ctx context.Context, in *struct {
	Paging
	User    string `query:"user" doc:"Only grants of this user."`
	Target  string `query:"target" doc:"Only grants on this target."`
	Request string `query:"request" doc:"Only grants of this request."`
	State   string `query:"state" doc:"pending, active, ending, ended or failed; several with commas."`
},
) (*answer[client.GrantPage], error) {
	q := engine.GrantQuery{RequestID: in.Request, User: in.User, Target: in.Target, After: in.After, Limit: in.Limit + 1}
	for text := range strings.SplitSeq(strings.ToLower(in.State), ",") {
		state, err := oneOf("state", strings.TrimSpace(text), core.GrantPending, core.GrantActive, core.GrantEnding, core.GrantEnded, core.GrantFailed)
		if err != nil {
			return nil, err
		}
		if state != "" {
			q.States = append(q.States, state)
		}
	}
	grants, err := a.Engine.Grants(ctx, caller(ctx), q)
	if err != nil {
		return nil, err
	}
	page, next := cut(grants, in.Limit, func(g core.Grant) string { return g.ID })
	return ok(client.GrantPage{Items: list(page, viewGrant), Next: next}), nil
}

func (a *API) getGrant(ctx context.Context, in *One) (*answer[client.Grant], error) {
	g, err := a.Engine.Grant(ctx, caller(ctx), in.ID)
	return ok(viewGrant(g)), err
}

func (a *API) revokeGrant(ctx context.Context, in *One) (*answer[client.Grant], error) {
	var why client.Revocation
	if err := read(ctx, &why); err != nil {
		return nil, err
	}
	g, err := a.Engine.Revoke(ctx, caller(ctx), in.ID, why.Reason)
	return ok(viewGrant(g)), err
}

func (a *API) revokeRequest(ctx context.Context, in *One) (*answer[client.GrantPage], error) {
	var why client.Revocation
	if err := read(ctx, &why); err != nil {
		return nil, err
	}
	grants, err := a.Engine.RevokeRequest(ctx, caller(ctx), in.ID, why.Reason)
	return ok(client.GrantPage{Items: list(grants, viewGrant)}), err
}

func (a *API) extendGrant(ctx context.Context, in *struct {
	One
	Waiting
	Key string `header:"Idempotency-Key" hidden:"true"`
},
) (*answer[client.Request], error) {
	wait, err := in.patience()
	if err != nil {
		return nil, err
	}
	var ext client.Extension
	if err := read(ctx, &ext); err != nil {
		return nil, err
	}
	d, err := readDuration(ext.Duration)
	if err != nil {
		return nil, err
	}
	r, err := a.Engine.Extend(ctx, caller(ctx), in.ID, engine.Extension{Duration: d, Reason: ext.Reason, Key: in.Key})
	if err != nil {
		return nil, err
	}
	out, err := a.story(ctx, r.ID, wait)
	return created(out), err
}

func (a *API) check(ctx context.Context, in *struct {
	User     string `query:"user" required:"true"`
	Resource string `query:"resource" required:"true" doc:"target/name, or role/name for a role."`
},
) (*answer[client.Holding], error) {
	resource, err := readResource(in.Resource)
	if err != nil {
		return nil, err
	}
	g, held, err := a.Engine.Check(ctx, caller(ctx), in.User, resource)
	out := client.Holding{User: in.User, Resource: resource.String(), Held: held}
	if held {
		view := viewGrant(g)
		out.Grant = &view
	}
	return ok(out), err
}

func (a *API) listEntitlements(ctx context.Context, in *struct {
	Target string `path:"target"`
},
) (*answer[client.EntitlementList], error) {
	shown, err := a.Engine.Entitlements(ctx, caller(ctx), in.Target)
	return ok(client.EntitlementList{Items: list(shown, viewEntitlement)}), err
}

func (a *API) listDrift(ctx context.Context, in *struct {
	Target string `query:"target" doc:"Only this target; absent: all."`
},
) (*answer[client.DriftList], error) {
	drifts, err := a.Engine.Drifts(ctx, caller(ctx), in.Target)
	return ok(client.DriftList{Items: list(drifts, viewDrift)}), err
}
