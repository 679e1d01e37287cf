package api

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

// A Problem is an error as it goes over the wire.
type Problem client.Error

// Error says what happened.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status, for huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type of problems, for huma.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders tells when another try is worth it, for huma.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.Kind == client.KindUnavailable {
		h.Set("Retry-After", "2")
	}
	return h
}

func newProblem(status int, kind client.Kind, detail, hint string) *Problem {
	return &Problem{
		Type: "urn:sallyport:problem:" + string(kind), Title: titles[kind],
		Status: status, Kind: kind, Detail: detail, Hint: hint,
	}
}

var titles = map[client.Kind]string{
	client.KindInvalid:         "The input is wrong",
	client.KindUnauthenticated: "Nobody is known to be calling",
	client.KindRefused:         "A rule says no",
	client.KindNotFound:        "There is no such thing",
	client.KindConflict:        "It is too late, or somebody else was first",
	client.KindMismatch:        "The idempotency key belongs to another call",
	client.KindUnavailable:     "Something does not answer",
	client.KindInternal:        "Something broke on our side",
}

var statuses = map[core.Kind]int{
	core.Invalid:         http.StatusBadRequest,
	core.Unauthenticated: http.StatusUnauthorized,
	core.Refused:         http.StatusForbidden,
	core.NotFound:        http.StatusNotFound,
	core.Conflict:        http.StatusConflict,
	core.Mismatch:        http.StatusUnprocessableEntity,
	core.Unavailable:     http.StatusServiceUnavailable,
	core.Internal:        http.StatusInternalServerError,
}

// problem turns an error into what the caller sees. The log gets what the caller does not.
func (a *API) problem(ctx context.Context, err error) *Problem {
	var p *Problem
	var known *core.Error
	switch {
	case errors.As(err, &p):
		copied := *p
		p = &copied
	case errors.As(err, &known) && known.Kind != core.Internal:
		p = newProblem(statuses[known.Kind], client.Kind(known.Kind), known.Msg, known.Hint)
	case ctx.Err() != nil:
		p = newProblem(http.StatusServiceUnavailable, client.KindUnavailable, "the call was given up before it was done", "")
	default:
		id := requestID(ctx)
		a.Log.ErrorContext(ctx, "a call failed", "request_id", id, "error", err)
		p = newProblem(http.StatusInternalServerError, client.KindInternal, "something broke on our side",
			"the server's log has the cause under "+id)
	}
	p.RequestID = requestID(ctx)
	return p
}

// fail answers with a problem.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := a.problem(r.Context(), err)
	if p.Status == http.StatusUnauthorized {
		if err := a.limits.unknown(w, r); err != nil {
			p = a.problem(r.Context(), err)
		}
	}
	for name, values := range p.GetHeaders() {
		if w.Header().Get(name) == "" {
			w.Header()[name] = values
		}
	}
	writeJSON(w, p.Status, p.ContentType(""), p)
}

// refusal turns huma's own errors into problems. It names places and never repeats values.
func refusal(id string, status int, msg string, errs []error) *Problem {
	texts := make([]string, 0, len(errs))
	for _, err := range errs {
		var d huma.ErrorDetailer
		if !errors.As(err, &d) {
			continue // it may say anything
		}
		e := d.ErrorDetail()
		texts = append(texts, strings.TrimPrefix(strings.TrimPrefix(e.Location, "query."), "path.")+": "+e.Message)
	}
	if len(texts) > 0 {
		msg = strings.Join(texts, "; ")
	}
	kind, hint := client.KindInvalid, "the parameters of every route are listed at /docs"
	switch {
	case status >= http.StatusInternalServerError:
		kind, msg, hint = client.KindInternal, "something broke on our side", ""
	case status == http.StatusUnprocessableEntity:
		status = http.StatusBadRequest
	}
	p := newProblem(status, kind, msg, hint)
	p.RequestID = id
	return p
}

// guard gives every call an id, holds it to the limits, and turns a panic into a problem.
func (a *API) guard(next http.HandlerFunc) http.Handler { return &guarded{a, next} }

// A guarded handler is a door. Server takes from it who counts refusals.
type guarded struct {
	*API
	next http.HandlerFunc
}

// ServeHTTP answers a call that is within the limits.
func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := "call_" + g.Engine.NewID()
	r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
	w.Header().Set("X-Request-Id", id)
	defer g.recover(w, r)
	if err := g.limits.admit(w, r); err != nil {
		g.fail(w, r, err)
		return
	}
	g.next(w, r)
}

// recover answers for a handler that panicked.
func (a *API) recover(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares so too
		panic(cause)
	}
	a.Log.ErrorContext(r.Context(), "a handler panicked", "request_id", requestID(r.Context()), "panic", cause, "stack", string(debug.Stack()))
	a.fail(w, r, errors.New("a handler panicked"))
}

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
