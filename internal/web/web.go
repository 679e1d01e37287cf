// Package web is the console: server-rendered pages of what is going on.
//
// Its pages read what the API reads, as the same caller, and hold no state. They run no
// script but the one of passkeys. Public is for those who are not signed in yet.
package web

//go:generate go tool -modfile=../../tools/go.mod templ generate

import (
	"context"
	"embed"
	"net/http"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

//go:embed static
var static embed.FS

// Options configure the console. Engine and Caller are required.
type Options struct {
	Engine *engine.Engine
	Caller func(*http.Request) engine.Actor // who is looking
	Now    func() time.Time
	Notice string // stands on every page; empty: none

	Passkeys     Passkeys
	SetSession   func(w http.ResponseWriter, token string, until time.Time) // gives a browser its cookie
	ClearSession func(http.ResponseWriter)
	CSRF         func(*http.Request) string // what forms send along
}

// A Page is what the overview shows.
type Page struct {
	Reader
	Now       time.Time
	Notice    string
	OnCall    engine.OnCallAnswer
	OnCallErr string
	Requests  []engine.Story
	Grants    []core.Grant
	Incidents []core.Incident
}

// Handler serves the console.
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /static/", http.FileServerFS(static))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		page, err := read(r.Context(), o, o.Caller(r))
		if err != nil {
			http.Error(w, "The overview cannot be read now: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		page.Reader = o.reader(r)
		show(w, r, overview(page))
	})
	mux.HandleFunc("GET /requests/{id}", func(w http.ResponseWriter, r *http.Request) {
		s, err := o.Engine.Story(r.Context(), o.Caller(r), r.PathValue("id"))
		if err != nil {
			http.Error(w, "There is no such request.", http.StatusNotFound)
			return
		}
		show(w, r, request(o.Notice, o.reader(r), s))
	})
	own(mux, o)
	return mux
}

// read collects the overview.
func read(ctx context.Context, o Options, a engine.Actor) (p Page, err error) {
	p.Now, p.Notice = o.Now(), o.Notice
	if p.OnCall, err = o.Engine.WhoIsOnCall(ctx, a, engine.OnCallQuestion{}); err != nil {
		p.OnCallErr = err.Error()
	}
	if p.Requests, err = o.Engine.Stories(ctx, a, engine.RequestQuery{Limit: 30}); err != nil {
		return p, err
	}
	live := []core.GrantState{core.GrantPending, core.GrantActive, core.GrantEnding}
	if p.Grants, err = o.Engine.Grants(ctx, a, engine.GrantQuery{States: live, Limit: 100}); err != nil {
		return p, err
	}
	p.Incidents, err = o.Engine.Incidents(ctx, a, engine.IncidentQuery{Limit: 30})
	if core.KindOf(err) == core.Refused {
		return p, nil // not for everybody; the rest is
	}
	return p, err
}
