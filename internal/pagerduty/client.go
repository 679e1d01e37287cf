// Package pagerduty speaks PagerDuty's REST API, Events v2 and Scoped OAuth, and keeps
// an index of who is on call.
//
// An error is never an answer here. Whatever is not a complete, well-formed success (a
// refusal, a timeout, a page cut short, a list without its key) comes back as an error
// that says what happened and whether a write may have been carried out all the same.
// One Client serves one account and knows what that account may still spend; one Index
// keeps its duties; Accounts holds them all.
package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sallyport/sallyport/internal/core"
)

const (
	callTimeout  = 10 * time.Second // of one attempt, body included
	shareTimeout = 35 * time.Second // of a shared read with its retries
	bodyLimit    = 4 << 20          // bytes of one answer; a page of 100 has well under one MiB
	depthLimit   = 64               // nesting of one answer; PagerDuty's deepest has about ten
	mediaType    = "application/vnd.pagerduty+json;version=2"
)

// Options configure a Client. The zero value of a field means its default; without a Token only events can be sent.
type Options struct {
	Account core.Account
	// Token returns the API key, or an OAuth token, and is asked before every call.
	Token func(ctx context.Context) (string, error)
	// Reject tells a caching source that PagerDuty refused this token; Token is then asked once more.
	Reject func(token string)
	// HTTP carries the calls. Redirects are never followed, whatever it says. Where it may
	// connect is its own affair: package egress makes such clients.
	HTTP    *http.Client
	Now     func() time.Time
	Random  func() float64 // in [0,1), for jitter
	Logger  *slog.Logger
	Observe func(Call) // sees every call that was sent
	Version string     // of this program, for the User-Agent
}

// A Call is one call as metrics see it.
type Call struct {
	Account, Op string // Op has no ids in it: "PUT /incidents/{id}"
	Status      int    // 0 where there was no answer
	Duration    time.Duration
	Err         error
}

// A Client calls PagerDuty for one account. It is safe for concurrent use.
type Client struct {
	account      core.Account
	rest, events string // without a trailing slash
	agent        string
	token        func(context.Context) (string, error)
	reject       func(string)
	http         *http.Client
	now          func() time.Time
	random       func() float64
	log          *slog.Logger
	observe      func(Call)
	budget       *budget
	shared       singleflight.Group
	sent         atomic.Int64
}

// New builds a client. An account with an unknown region or an address that is none is core.Invalid.
func New(o Options) (*Client, error) {
	h, err := hostsOf(o.Account)
	if err != nil {
		return nil, err
	}
	c := &Client{
		account: o.Account, rest: h.rest, events: h.events, agent: "sallyport",
		token: o.Token, reject: o.Reject, now: o.Now, random: o.Random, log: o.Logger, observe: o.Observe,
	}
	if o.Version != "" {
		c.agent += "/" + o.Version
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.random == nil {
		c.random = rand.Float64
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.observe == nil {
		c.observe = func(Call) {}
	}
	if c.token == nil {
		c.token = func(context.Context) (string, error) { return "", nil } // events need none
	}
	if c.reject == nil {
		c.reject = func(string) {}
	}
	c.http = withoutRedirects(o.HTTP)
	c.budget = newBudget(c.now, c.random)
	return c, nil
}

// withoutRedirects copies a client so that a redirect is an answer: following one would
// carry the credentials to wherever it points.
func withoutRedirects(h *http.Client) *http.Client {
	if h == nil {
		h = &http.Client{}
	}
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Budget tells what the account may still spend.
func (c *Client) Budget() Budget { return c.budget.snapshot() }

// Calls is how many calls were sent since the start.
func (c *Client) Calls() int64 { return c.sent.Load() }

// A call is one REST operation with its arguments.
type call struct {
	op    string // "GET /incidents/{id}": for people, metrics and gates
	path  string // "/incidents/PT4KHLK"
	query url.Values
	body  any
	lane  lane
	alone bool // never shared with an equal call: its answer must be newer than the question
}

func (k call) method() string { m, _, _ := strings.Cut(k.op, " "); return m }
func (k call) writes() bool   { return k.method() != http.MethodGet }

// do carries out a call and decodes its answer into out, which may be nil.
func (c *Client) do(ctx context.Context, k call, out any) error {
	data, err := c.answer(ctx, k)
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return c.odd(k, "the answer does not have the form it should"+misfit(err))
	}
	return nil
}

// misfit tells what does not fit, without a word of the answer: it may repeat the credentials.
func misfit(err error) string {
	var wrong *json.UnmarshalTypeError
	var moment *time.ParseError
	switch {
	case errors.As(err, &wrong):
		kind, _, _ := strings.Cut(wrong.Value, " ") // "number 7"
		return ": " + clip(wrong.Field, 100) + " is a " + kind
	case errors.As(err, &moment):
		return ": a time in it is none"
	}
	return ""
}

// odd is the error for a success that cannot be read. For a write it is doubtful, never success.
func (c *Client) odd(k call, what string) error {
	e := &Error{Op: k.op, Status: http.StatusOK, Message: what, Doubtful: k.writes(), malformed: true}
	return e.forPeople(c.account)
}

// answer returns the body of a successful answer. Equal reads at the same time share one call,
// which lives on when the caller that began it goes away.
func (c *Client) answer(ctx context.Context, k call) ([]byte, error) {
	if k.writes() || k.alone {
		return c.fetch(ctx, k)
	}
	ch := c.shared.DoChan(k.path+"?"+k.query.Encode(), func() (any, error) {
		detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), shareTimeout)
		defer cancel()
		return c.fetch(detached, k)
	})
	select {
	case r := <-ch:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.([]byte), nil
	case <-ctx.Done():
		return nil, (&Error{Op: k.op, Err: ctx.Err(), Message: "gave up waiting"}).forPeople(c.account)
	}
}

// fetch tries a call, and tries a read again where that can help.
func (c *Client) fetch(ctx context.Context, k call) ([]byte, error) {
	var body []byte
	if k.body != nil {
		var err error
		if body, err = json.Marshal(k.body); err != nil {
			return nil, err
		}
	}
	for try := 0; ; try++ {
		began := time.Now()
		data, e := c.authorized(ctx, k, body)
		if e == nil {
			return data, nil
		}
		if !e.passing() || k.writes() || try == 2 || time.Since(began) >= callTimeout {
			return nil, e.forPeople(c.account)
		}
		wait := time.Duration(float64(try+1) * (0.5 + c.random()) * float64(200*time.Millisecond))
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < 2*wait {
			return nil, e.forPeople(c.account)
		}
		if !pause(ctx, wait) {
			return nil, e.forPeople(c.account)
		}
	}
}

// authorized sends a call with the present credentials. Refused, it reads them once more:
// they may have been rotated since they were last resolved.
func (c *Client) authorized(ctx context.Context, k call, body []byte) ([]byte, *Error) {
	token, e := c.credential(ctx, k)
	if e != nil {
		return nil, e
	}
	data, e := c.admitted(ctx, k, body, token)
	if e == nil || e.local || (e.Status != http.StatusUnauthorized && e.Status != http.StatusForbidden) {
		return data, e
	}
	if e.Status == http.StatusUnauthorized {
		c.reject(token)
	}
	fresh, again := c.credential(ctx, k)
	if again != nil || fresh == token {
		return nil, e
	}
	return c.admitted(ctx, k, body, fresh)
}

func (c *Client) credential(ctx context.Context, k call) (string, *Error) {
	token, err := c.token(ctx)
	if err != nil {
		e := &Error{Op: k.op, Message: "the credentials are not to be had", Err: err, Credentials: true, unsent: true}
		if inner, ok := AsError(err); ok {
			e.Credentials, e.RetryAfter = inner.Credentials, inner.RetryAfter
		}
		return "", e
	}
	token = strings.TrimSpace(token)
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return "", &Error{Op: k.op, Message: "the credentials are empty or have line breaks", Credentials: true, unsent: true}
	}
	return token, nil
}

// admitted sends a call once the budget lets it through.
func (c *Client) admitted(ctx context.Context, k call, body []byte, token string) ([]byte, *Error) {
	pass, e := c.budget.wait(ctx, k.op, k.lane, token)
	if e != nil {
		return nil, e
	}
	data, header, e := c.send(ctx, k, body, token)
	c.budget.leave(pass, header, e)
	return data, e
}

// send makes one HTTP exchange and reads its answer to the end.
func (c *Client) send(ctx context.Context, k call, body []byte, token string) ([]byte, http.Header, *Error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	target := c.rest + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, k.method(), target, bytes.NewReader(body))
	if err != nil {
		return nil, nil, &Error{Op: k.op, Err: err, unsent: true}
	}
	req.Header.Set("Accept", mediaType)
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Authorization", authorization(token))
	if k.writes() {
		req.Header.Set("Content-Type", "application/json")
		if c.account.FromEmail != "" {
			req.Header.Set("From", c.account.FromEmail) // PagerDuty: required on writes with an account key
		}
	}
	return c.exchange(req, k.op, token)
}

// exchange sends a request, of any of PagerDuty's APIs, and tells success from all else. No
// error repeats the secret that was sent.
func (c *Client) exchange(req *http.Request, op, secret string) ([]byte, http.Header, *Error) {
	c.sent.Add(1)
	began := time.Now()
	data, header, e := roundTrip(c.http, req, op, secret)
	seen := Call{Account: c.account.Name, Op: op, Status: http.StatusOK, Duration: time.Since(began)}
	if e != nil {
		seen.Status, seen.Err = e.Status, e
	}
	c.observe(seen)
	return data, header, e
}

func roundTrip(h *http.Client, req *http.Request, op, secret string) ([]byte, http.Header, *Error) {
	writes := req.Method != http.MethodGet
	resp, err := h.Do(req)
	if err != nil {
		e := &Error{Op: op, Err: withoutURL(err), Doubtful: writes && !unsent(err), unsent: unsent(err)}
		return nil, nil, e
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit+1))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, resp.Header, refusal(op, resp, data, writes, secret)
	}
	e := &Error{Op: op, Status: resp.StatusCode, Doubtful: writes, malformed: true}
	switch {
	case err != nil:
		e.Message, e.Err = "the answer is cut short", withoutURL(err)
	case len(data) > bodyLimit:
		e.Message = "the answer is longer than 4 MiB"
	case len(bytes.TrimSpace(data)) == 0 && resp.StatusCode == http.StatusNoContent:
		return nil, resp.Header, nil
	case tooDeep(data, depthLimit):
		e.Message = "the answer is nested too deep"
	case !json.Valid(data):
		e.Message = "the answer is no JSON"
	default:
		return data, resp.Header, nil
	}
	return nil, resp.Header, e
}

// authorization is the header for a token. OAuth tokens start with "pdus+" or "pdeu+"; API keys do not.
func authorization(token string) string {
	if strings.HasPrefix(token, "pdus+") || strings.HasPrefix(token, "pdeu+") {
		return "Bearer " + token
	}
	return "Token token=" + token
}

// tooDeep reports whether JSON is nested deeper than limit, without decoding it.
func tooDeep(data []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch b := data[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{' || b == '[':
			if depth++; depth > limit {
				return true
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return false
}

// pause waits and reports whether it was not interrupted.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
