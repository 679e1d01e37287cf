package api

import (
	"context"
	"net/http"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

const renewPath = "/v1/certificates/renew"

// remote is from where a call came, for what is kept about it.
type remoteKey struct{}

func remote(ctx context.Context) string {
	from, _ := ctx.Value(remoteKey{}).(string)
	return from
}

func withRemote(r *http.Request) *http.Request {
	if local(r) {
		return r // a socket has no address
	}
	return r.WithContext(context.WithValue(r.Context(), remoteKey{}, addressOnly(r.RemoteAddr)))
}

func (a *API) startLogin(ctx context.Context, _ *struct{}) (*answer[client.Login], error) {
	var in client.LoginStart
	if err := read(ctx, &in); err != nil {
		return nil, err
	}
	ttl, err := readDuration(in.TTL)
	if err != nil {
		return nil, err
	}
	l, secret, err := a.Engine.StartLogin(ctx, engine.LoginStart{Label: in.Label, Address: remote(ctx), TTL: ttl, Request: []byte(in.Request)})
	if err != nil {
		return nil, err
	}
	return created(client.Login{
		ID: l.ID, Code: l.Code, Secret: secret, URL: a.Site() + "/login/" + l.ID, ExpiresAt: l.ExpiresAt.UTC(),
	}), nil
}

func (a *API) finishLogin(ctx context.Context, in *One) (*answer[client.LoginEnd], error) {
	var by client.LoginSecret
	if err := read(ctx, &by); err != nil {
		return nil, err
	}
	out, done, err := a.Engine.FinishLogin(ctx, in.ID, by.Secret, remote(ctx))
	if err != nil {
		return nil, err
	}
	end := client.LoginEnd{Done: done}
	if done {
		issued := viewIssued(out)
		end.Certificate = &issued
	}
	return ok(end), nil
}

func (a *API) showAuthority(context.Context, *struct{}) (*answer[client.Authority], error) {
	authority, err := a.Engine.Authority()
	if err != nil {
		return nil, err
	}
	bundle, pin := authority.Bundle()
	return ok(client.Authority{Certificates: string(bundle), Pin: pin}), nil
}

func (a *API) signCertificate(ctx context.Context, _ *struct{}) (*answer[client.Certificate], error) {
	return a.certificate(ctx, a.Engine.Sign)
}

func (a *API) renewCertificate(ctx context.Context, _ *struct{}) (*answer[client.Certificate], error) {
	return a.certificate(ctx, a.Engine.Renew)
}

func (a *API) certificate(ctx context.Context, do func(context.Context, engine.Actor, engine.SignRequest) (engine.Issued, error)) (*answer[client.Certificate], error) {
	var in client.SignRequest
	if err := read(ctx, &in); err != nil {
		return nil, err
	}
	ttl, err := readDuration(in.TTL)
	if err != nil {
		return nil, err
	}
	out, err := do(ctx, caller(ctx), engine.SignRequest{User: in.User, TTL: ttl, Label: in.Label, Request: []byte(in.Request), Address: remote(ctx)})
	if err != nil {
		return nil, err
	}
	return created(viewIssued(out)), nil
}

func viewIssued(i engine.Issued) client.Certificate {
	return client.Certificate{
		User: i.User, Author: i.Author, ID: i.Serial, Certificate: string(i.Certificate), Authority: string(i.Authority), Pin: i.Pin, ExpiresAt: i.ExpiresAt.UTC(),
	}
}

func (a *API) whoAmI(ctx context.Context, _ *struct{}) (*answer[client.Who], error) {
	who := caller(ctx)
	if err := a.Engine.Known(ctx, who); err != nil {
		return nil, err
	}
	out := client.Who{User: who.Name(), Via: who.Via, Author: who.Author(), Admin: who.Admin, Roles: []string{}, ExpiresAt: who.Session.ExpiresAt}
	out.Kind, out.ID = string(who.Session.Kind), who.Session.ID
	dir, err := a.Engine.Directory(ctx)
	if err != nil {
		return nil, err
	}
	if u, known := dir.User(who.User); known {
		out.Roles = list(u.Roles, same)
	}
	return ok(out), nil
}

func (a *API) listSessions(ctx context.Context, in *struct {
	User string `query:"user" doc:"Whose; absent: the caller's."`
},
) (*answer[client.SessionList], error) {
	who := caller(ctx)
	user := in.User
	if user == "" {
		user = who.User
	}
	if user == "" {
		return nil, core.Errorf(core.Invalid, "the local administrator has no sessions").WithHint("name a user: ?user=NAME")
	}
	found, err := a.Engine.Sessions(ctx, who, user)
	return ok(client.SessionList{Items: list(found, viewSession)}), err
}

func viewSession(s engine.Session) client.Session {
	return client.Session{
		Kind: string(s.Kind), ID: s.ID, User: s.User, Author: s.Author, Method: s.Method, Address: s.Address, Label: s.Label,
		CreatedAt: s.CreatedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
	}
}

func (a *API) endSession(ctx context.Context, in *struct {
	Kind string `path:"kind" enum:"session,certificate"`
	ID   string `path:"id" maxLength:"128"`
},
) (*struct{}, error) {
	return nil, a.Engine.EndSession(ctx, caller(ctx), core.CredentialKind(in.Kind), in.ID)
}

func (a *API) rotateAuthority(ctx context.Context, _ *struct{}) (*answer[client.Authority], error) {
	if a.Rotate == nil {
		return nil, core.Errorf(core.Unavailable, "this server has no certificate authority")
	}
	bundle, pin, err := a.Engine.RotateAuthority(ctx, caller(ctx), a.Rotate)
	if err != nil {
		return nil, err
	}
	return ok(client.Authority{Certificates: string(bundle), Pin: pin}), nil
}
