// Package api serves Sallyport's REST API.
//
// It turns a caller's words into a verb of the engine, and the answer into theirs; it decides
// nothing about access. All routes stand in one list, in routes.go, and the OpenAPI
// description is generated from them. Who is calling is settled before a route is reached, by
// one of three doors: Socket for callers on the same host, TCP for everybody else, and Demo.
// The structs on the wire are those of package client.
package api

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// Options configure an API. Engine is required.
type Options struct {
	Engine  *engine.Engine
	Version string
	Log     *slog.Logger // default: discards

	Status func(context.Context) client.Status    // default: what the engine knows
	Doctor func(context.Context) []client.Finding // default: there is nothing to look at
	// Ready tells whether calls can be answered, and what is amiss even where they can. Anybody
	// on the network may read it, so it names no person. Default: all is well.
	Ready func(context.Context) (ready bool, reasons []string)

	// Refused counts a call or a connection that is beyond a limit. Default: the engine's meter,
	// where that has such a method.
	Refused func(reason string)

	// Certificate looks at the certificate that a caller showed, and returns whom it names and
	// its serial number. Default: nobody is known by a certificate.
	Certificate func([]*x509.Certificate) (user, serial string, err error)
	// Rotate adds a generation to the certificate authority. Default: there is none.
	Rotate   func(context.Context) (bundle []byte, pin string, err error)
	Hosts    []string                 // names, with their ports, by which browsers reach the server; empty: any
	Site     func() string            // where people reach the server; default: the engine's PublicURL
	Public   http.Handler             // pages for those who are not signed in; default: none
	IsPublic func(*http.Request) bool // whether Public answers a call; required with it
	// AuditKeys lists the keys of the audit log, and RotateAuditKey adds one. Default: there are none.
	AuditKeys      func(context.Context, engine.Actor) ([]client.AuditKey, error)
	RotateAuditKey func(ctx context.Context, a engine.Actor, lost bool) ([]client.AuditKey, error)

	Metrics http.Handler // at /metrics of the socket; default: not there
	Console http.Handler // everything that is not API; default: not there
}

// API holds the routes. Its doors are handlers for a server.
type API struct {
	Options
	mux    *http.ServeMux
	limits *limits
}

// New returns an API.
func New(o Options) (*API, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Ready == nil {
		o.Ready = func(context.Context) (bool, []string) { return true, nil }
	}
	if o.Status == nil {
		o.Status = func(context.Context) client.Status { return client.Status{} }
	}
	if o.Doctor == nil {
		o.Doctor = func(context.Context) []client.Finding { return nil }
	}
	if o.AuditKeys == nil {
		o.AuditKeys = func(context.Context, engine.Actor) ([]client.AuditKey, error) { return []client.AuditKey{}, nil }
	}
	if o.RotateAuditKey == nil {
		o.RotateAuditKey = func(context.Context, engine.Actor, bool) ([]client.AuditKey, error) {
			return nil, core.Errorf(core.Unavailable, "this server keeps no keys")
		}
	}
	if o.Refused == nil {
		o.Refused = func(string) {}
		if m, counts := o.Engine.Meter.(interface{ Refused(string) }); counts {
			o.Refused = m.Refused
		}
	}
	a := &API{Options: o, mux: http.NewServeMux(), limits: newLimits(o.Refused)}
	described := a.describe()
	for _, r := range a.routes() {
		if err := r.rule.check(r.op.Method + " " + r.op.Path); err != nil {
			return nil, err
		}
		r.register(described, a.problem)
	}
	spec, err := json.MarshalIndent(described.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI description: %w", err)
	}
	page, err := docsPage(described.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("write the page at /docs: %w", err)
	}
	a.mux.HandleFunc("GET /v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(spec) // the caller has gone
	})
	a.mux.Handle("GET /docs", page)
	a.mux.HandleFunc("/v1/", a.noRoute)
	a.mux.HandleFunc("GET /healthz", healthz)
	a.mux.HandleFunc("GET /readyz", a.readyz)
	if o.Console != nil {
		a.mux.Handle("/", o.Console)
	} else {
		a.mux.HandleFunc("/", a.noRoute)
	}
	return a, nil
}

// setUpHuma replaces what huma keeps in variables of its package: its errors would repeat
// rejected values, and lists are never null here.
var setUpHuma = sync.OnceFunc(func() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError { return refusal("", status, msg, errs) }
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		return refusal(requestID(ctx.Context()), status, msg, errs)
	}
	huma.DefaultArrayNullable = false
})

// describe makes the huma API that routes are registered with.
func (a *API) describe() huma.API {
	setUpHuma()
	version := a.Version
	if version == "" {
		version = "dev"
	}
	return humago.New(a.mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "Sallyport",
				Version: version,
				Description: "Access for whoever is on call, for as long as it is needed. Errors are problems as of RFC 9457, with a hint. " +
					"Every POST takes an Idempotency-Key. Lists come in pages: give next as after. " +
					"On the server's own host, calls go through the Unix socket; the header Sallyport-As names a user to act as.",
			},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	})
}

// serve runs a call whose caller is known through the routes.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if _, known := Caller(r.Context()); known {
		if err := a.limits.known(w, r); err != nil {
			a.fail(w, r, err)
			return
		}
	}
	a.route(w, r, true)
}

// route runs a call through the routes; with once it minds idempotency keys.
func (a *API) route(w http.ResponseWriter, r *http.Request, once bool) {
	r = withRemote(r)
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		a.mux.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil { // else what cannot be read would be left out in silence
		a.fail(w, r, core.Errorf(core.Invalid, "the query cannot be read: it has a bare ; or a broken %%").WithHint("escape the values: %%3B, %%25"))
		return
	}
	r, err := a.takeBody(w, r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if once && r.Method == http.MethodPost && len(r.Header.Values("Idempotency-Key")) > 0 && !telling(r) {
		a.once(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// noRoute answers for every path and method that is not there.
func (a *API) noRoute(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := a.mux.Handler(other); strings.HasPrefix(pattern, method+" ") {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		a.fail(w, r, newProblem(http.StatusNotFound, client.KindNotFound, "there is nothing at this path", "the routes are listed at /docs"))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	a.fail(w, r, newProblem(http.StatusMethodNotAllowed, client.KindInvalid,
		"this path does not take that method", "it takes "+strings.Join(allowed, " and ")))
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // the caller has gone
}

func (a *API) readyz(w http.ResponseWriter, r *http.Request) {
	ready, reasons := a.Ready(r.Context())
	out := client.Readiness{Ready: ready, Reasons: list(reasons, same)}
	status := http.StatusOK
	if !out.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, "application/json", out)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = huma.DefaultJSONFormat.Marshal(w, v) // the caller has gone
}
