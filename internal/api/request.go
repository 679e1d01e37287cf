package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
)

// An answer is a body with a status.
type answer[T any] struct {
	Status int
	Body   T
}

func ok[T any](v T) *answer[T] { return &answer[T]{Status: http.StatusOK, Body: v} }

func created[T any](v T) *answer[T] { return &answer[T]{Status: http.StatusCreated, Body: v} }

// One names a thing by its id.
type One struct {
	ID string `path:"id" maxLength:"128"`
}

// Waiting asks for an answer later than at once.
type Waiting struct {
	Wait string `query:"wait" doc:"Answer when the request is decided and its grants have begun, or after this long; at most 50 s are waited." example:"10s"`
}

// maxWait stays below the minute after which an idempotency key is free again.
const maxWait = 50 * time.Second

// Paging selects a page of a list.
type Paging struct {
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many to answer with at most."`
	After string `query:"after" maxLength:"128" doc:"The next of the page before."`
}

// cut takes the extra thing off a page that was asked for with one more, and returns the cursor.
func cut[T any](items []T, limit int, id func(T) string) (page []T, next string) {
	if len(items) <= limit {
		return items, ""
	}
	return items[:limit], id(items[limit-1])
}

func (a *API) submitRequest(ctx context.Context, in *struct {
	Waiting
	Key string `header:"Idempotency-Key" hidden:"true"`
},
) (*answer[client.Request], error) {
	wait, err := in.patience()
	if err != nil {
		return nil, err
	}
	ask, dryRun, err := readAsk(ctx)
	if err != nil {
		return nil, err
	}
	if dryRun {
		tried, err := a.Engine.Try(ctx, caller(ctx), ask)
		return ok(viewRequest(tried)), err
	}
	submission := engine.Submission{Ask: ask, Key: in.Key}
	if wait > 0 {
		out, err := a.storyWithin(ctx, wait, func(patience context.Context) (engine.Story, error) {
			return a.Engine.SubmitAndWait(ctx, patience, caller(ctx), submission, isSettled)
		})
		return created(out), err
	}
	r, err := a.Engine.Submit(ctx, caller(ctx), submission)
	if err != nil {
		return nil, err
	}
	out, err := a.story(ctx, r.ID, 0)
	return created(out), err
}

func (a *API) tryRequest(ctx context.Context, _ *struct{}) (*answer[client.Request], error) {
	ask, _, err := readAsk(ctx)
	if err != nil {
		return nil, err
	}
	r, err := a.Engine.Try(ctx, caller(ctx), ask)
	return ok(viewRequest(r)), err
}

// readAsk reads what somebody asks for.
func readAsk(ctx context.Context) (ask core.Ask, dryRun bool, err error) {
	var in client.Ask
	if err := read(ctx, &in); err != nil {
		return ask, false, err
	}
	ask = core.Ask{User: in.User, Roles: in.Roles, Reason: in.Reason, StartAt: in.Start, DryRun: in.DryRun}
	for _, text := range in.Resources {
		r, err := readResource(text)
		if err != nil {
			return ask, false, err
		}
		ask.Resources = append(ask.Resources, r)
	}
	ask.Duration, err = readDuration(in.Duration)
	return ask, in.DryRun, err
}

func readResource(text string) (core.Resource, error) {
	target, name, found := strings.Cut(text, "/")
	if !found || target == "" || name == "" {
		return core.Resource{}, core.Errorf(core.Invalid, "a resource is written as target/name").WithHint("for example postgres-prod/readers")
	}
	return core.Resource{Target: target, Name: name}, nil
}

func readDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return manifest.Duration(text)
}

func (w Waiting) patience() (time.Duration, error) {
	if w.Wait == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(w.Wait)
	if err != nil || d < 0 {
		return 0, core.Errorf(core.Invalid, "wait is not a length of time").WithHint("for example ?wait=10s")
	}
	return min(d, maxWait), nil
}

// story returns a request with what came of it, once that is settled or the wait is over.
func (a *API) story(ctx context.Context, id string, wait time.Duration) (client.Request, error) {
	if wait <= 0 {
		s, err := a.Engine.Story(ctx, caller(ctx), id)
		return viewStory(s), err
	}
	return a.storyWithin(ctx, wait, func(patience context.Context) (engine.Story, error) {
		s, err := a.Engine.Wait(patience, caller(ctx), id, isSettled)
		s.ID = id
		return s, err
	})
}

// isSettled is client.Request's Settled, of as much of a request as that looks at.
func isSettled(s engine.Story) bool {
	return client.Request{State: string(s.State), StartAt: s.StartAt, Grants: list(s.Grants, func(g core.Grant) client.Grant {
		return client.Grant{State: string(g.State)}
	})}.Settled()
}

// storyWithin returns the story that look waits for; if its patience ended amid a look, the
// story as it is then.
func (a *API) storyWithin(ctx context.Context, wait time.Duration, look func(patience context.Context) (engine.Story, error)) (client.Request, error) {
	patience, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	defer context.AfterFunc(stopping(ctx), cancel)()
	s, err := look(patience)
	if patience.Err() != nil && err != nil && ctx.Err() == nil && s.ID != "" {
		s, err = a.Engine.Story(ctx, caller(ctx), s.ID)
	}
	return viewStory(s), err
}

func (a *API) listRequests(ctx context.Context, in *struct {
	Paging
	User  string `query:"user" doc:"Only requests for this user."`
	State string `query:"state" doc:"PENDING, APPROVED, DENIED, EXPIRED or CANCELLED."`
},
) (*answer[client.RequestPage], error) {
	state, err := oneOf("state", strings.ToUpper(in.State), core.Pending, core.Approved, core.Denied, core.Expired, core.Cancelled)
	if err != nil {
		return nil, err
	}
	stories, err := a.Engine.Stories(ctx, caller(ctx), engine.RequestQuery{User: in.User, State: state, After: in.After, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	page, next := cut(stories, in.Limit, func(s engine.Story) string { return s.ID })
	return ok(client.RequestPage{Items: list(page, viewStory), Next: next}), nil
}

// oneOf reads one of some words; nothing is nothing.
func oneOf[T ~string](what, text string, words ...T) (T, error) {
	names := make([]string, len(words))
	for i, w := range words {
		if names[i] = string(w); T(text) == w {
			return w, nil
		}
	}
	if text == "" {
		return "", nil
	}
	err := core.Errorf(core.Invalid, "there is no such %s", what)
	if near := core.Nearest(text, names); near != "" {
		return "", err.WithHint("did you mean %q?", near)
	}
	return "", err.WithHint("it is one of %s", strings.Join(names, ", "))
}

func (a *API) getRequest(ctx context.Context, in *struct {
	One
	Waiting
},
) (*answer[client.Request], error) {
	wait, err := in.patience()
	if err != nil {
		return nil, err
	}
	out, err := a.story(ctx, in.ID, wait)
	return ok(out), err
}

func (a *API) reviewRequest(ctx context.Context, in *One) (*answer[client.Request], error) {
	var opinion client.Opinion
	if err := read(ctx, &opinion); err != nil {
		return nil, err
	}
	_, err := a.Engine.Review(ctx, caller(ctx), in.ID, engine.Opinion{State: core.RequestState(opinion.State), Reason: opinion.Reason})
	if err != nil {
		return nil, err
	}
	out, err := a.story(ctx, in.ID, 0)
	return ok(out), err
}

func (a *API) cancelRequest(ctx context.Context, in *One) (*answer[client.Request], error) {
	if err := read(ctx, &struct{}{}); err != nil {
		return nil, err
	}
	if _, err := a.Engine.Cancel(ctx, caller(ctx), in.ID); err != nil {
		return nil, err
	}
	out, err := a.story(ctx, in.ID, 0)
	return ok(out), err
}

func (a *API) explainRequest(ctx context.Context, in *One) (*answer[client.Explanation], error) {
	s, err := a.Engine.Story(ctx, caller(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	reviewers, err := a.reviewers(ctx, s.Request)
	if err != nil {
		return nil, err
	}
	return ok(explain(s, reviewers, a.Engine.Clock.Now())), nil
}
