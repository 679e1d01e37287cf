package app

import (
	"context"
	"net/http"

	"github.com/sallyport/sallyport/internal/api"
	"github.com/sallyport/sallyport/internal/auth"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/web"
)

// site is where people reach the server with a browser, which is known once it listens.
func (a *App) site() string { return a.Config.URL() }

func (a *App) webOptions(notice string) web.Options {
	return web.Options{
		Engine: a.Engine, Now: a.clock.Now, Notice: notice,
		Caller: func(r *http.Request) engine.Actor {
			caller, _ := api.Caller(r.Context())
			return caller
		},
		Passkeys:   passkeys{a},
		SetSession: api.SetSession, ClearSession: api.ClearSession, CSRF: api.CSRF,
	}
}

// passkeys are those of the address at which the server is reached, which is known once it listens.
type passkeys struct{ app *App }

func (p passkeys) open() (*auth.Passkeys, error) { return auth.NewPasskeys(p.app.site()) }

func (p passkeys) BeginRegistration(user string, known []string) (options, state []byte, err error) {
	keys, err := p.open()
	if err != nil {
		return nil, nil, err
	}
	c, err := keys.BeginRegistration(user, known)
	return c.Options, c.State, err
}

func (p passkeys) FinishRegistration(user string, state, answer []byte, label string) (engine.Proof, error) {
	keys, err := p.open()
	if err != nil {
		return engine.Proof{}, err
	}
	id, body, err := keys.FinishRegistration(user, state, answer, label)
	return engine.Proof{Kind: core.CredentialPasskey, ID: id, Body: body}, err
}

func (p passkeys) BeginSignIn() (options, state []byte, err error) {
	keys, err := p.open()
	if err != nil {
		return nil, nil, err
	}
	c, err := keys.BeginSignIn()
	return c.Options, c.State, err
}

func (p passkeys) FinishSignIn(ctx context.Context, state, answer []byte) (engine.Proof, error) {
	keys, err := p.open()
	if err != nil {
		return engine.Proof{}, err
	}
	shown, err := keys.FinishSignIn(state, answer, func(id string) (user, body string, err error) {
		return p.app.Engine.FindPasskey(ctx, id)
	})
	return engine.Proof{Kind: core.CredentialPasskey, ID: shown.ID, Before: shown.Before, Body: shown.Body, Cloned: shown.Cloned}, err
}
