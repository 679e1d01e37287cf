package pagerduty

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/core"
)

// An Error is a call that PagerDuty did not answer with a complete success.
//
// Everything this package returns for such a call is a *core.Error for people, with the
// Error as its cause: AsError finds it.
type Error struct {
	Op          string   // "POST /incidents"
	Status      int      // HTTP status; 0: there was no answer
	Code        int      // PagerDuty's own number: 2001 invalid input, 2010 access denied, 2014 missing ability, …
	Message     string   // PagerDuty's words, or ours where it had none
	Errors      []string // its details; those of v3 endpoints as "field: text"
	RetryAfter  time.Duration
	Doubtful    bool // a write that may have been carried out all the same
	Credentials bool // a key, scope or ability is the cause: a person must act
	Err         error

	local     bool   // refused here, without a call
	unsent    bool   // nothing reached PagerDuty
	proxy     string // what the call went through, and did not come back from
	malformed bool   // a success that could not be read
	html      bool
	scoped    bool // 429 for one operation: the account has calls left
}

// AsError returns the Error in err's chain.
func AsError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// Doubtful reports whether err is of a write that may have been carried out all the same.
func Doubtful(err error) bool { e, ok := AsError(err); return ok && e.Doubtful }

// RetryAfter is how long to wait before trying again; zero where nothing is known.
func RetryAfter(err error) time.Duration {
	if e, ok := AsError(err); ok {
		return e.RetryAfter
	}
	return 0
}

// Credentials reports whether a key, a scope or an ability is the cause of err.
func Credentials(err error) bool { e, ok := AsError(err); return ok && e.Credentials }

// Error says what PagerDuty answered, in at most about 512 bytes.
func (e *Error) Error() string {
	var parts []string
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	parts = append(parts, e.Errors...)
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	s := e.Op
	if e.Status != 0 {
		s += ": " + strconv.Itoa(e.Status)
	}
	if len(parts) > 0 {
		s += ": " + strings.Join(parts, "; ")
	}
	return clip(s, 512)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// passing reports whether the same read may succeed a moment later.
func (e *Error) passing() bool {
	return !e.local && !e.Credentials && (e.Status == 0 || e.Status == http.StatusRequestTimeout || e.Status >= 500 || e.malformed)
}

// kind maps an answer to what the rest of the program does about it.
func (e *Error) kind() core.Kind {
	switch {
	case e.malformed, e.Status == 0, e.Credentials, e.Status >= 500, e.Status < 400:
		return core.Unavailable
	case e.Status == http.StatusRequestTimeout, e.Status == http.StatusTooManyRequests:
		return core.Unavailable
	case e.Status == http.StatusNotFound:
		return core.NotFound
	}
	return core.Invalid
}

// forPeople wraps the error with a kind, a message and a hint.
func (e *Error) forPeople(a core.Account) error {
	kind, msg, hint := e.kind(), "PagerDuty: "+e.Error(), ""
	switch {
	case e.Status == http.StatusUnauthorized:
		msg = "PagerDuty refuses the credentials: " + e.Error()
		hint = fmt.Sprintf("check api_token and region (now %s) of pagerduty_account %s", regionOf(a), a.Name)
	case e.Status == http.StatusPaymentRequired:
		msg = "PagerDuty's plan does not cover this: " + e.Error()
		hint = "ask the owner of the PagerDuty account about the ability that is missing"
	case e.Status == http.StatusForbidden:
		msg = "PagerDuty denies this: " + e.Error()
		hint = fmt.Sprintf("pagerduty_account %s needs a key or token with the scope %s", a.Name, scopeOf(e.Op))
	case e.proxy != "":
		hint = "calls to PagerDuty go through that proxy, because HTTPS_PROXY or HTTP_PROXY says so: check it, or set NO_PROXY"
	case e.Credentials:
		hint = fmt.Sprintf("check the credentials of pagerduty_account %s", a.Name)
	case e.Status == http.StatusTooManyRequests:
		msg = "PagerDuty's rate limit is reached: " + e.Error()
		hint = "it is tried again in " + e.RetryAfter.Round(time.Second).String()
	case e.html, e.Status >= 300 && e.Status < 400:
		kind = core.Unavailable
		hint = fmt.Sprintf("is rest_url of pagerduty_account %s right? What answers is not PagerDuty's API", a.Name)
	case e.noSender():
		hint = fmt.Sprintf("set from_email of pagerduty_account %s to the e-mail address of a user in PagerDuty", a.Name)
	}
	return &core.Error{Kind: kind, Msg: msg, Hint: hint, Err: e}
}

// noSender reports whether the From header is the trouble: unknown (1008), malformed (1028) or missing (2016).
func (e *Error) noSender() bool { return e.Code == 1008 || e.Code == 1028 || e.Code == 2016 }

// scrub takes a token out of everything that may be shown.
func (e *Error) scrub(token string) {
	e.Message = strings.ReplaceAll(e.Message, token, "[secret]")
	for i := range e.Errors {
		e.Errors[i] = strings.ReplaceAll(e.Errors[i], token, "[secret]")
	}
}

// scopeOf is the OAuth scope of an operation: PagerDuty's specification names one for almost each, in this form.
func scopeOf(op string) string {
	method, path, _ := strings.Cut(op, " ")
	noun, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, "/v3"), "/"), "/")
	if method == http.MethodGet {
		return noun + ".read"
	}
	return noun + ".write"
}

// refusal makes an Error of an answer that is no success.
func refusal(op string, resp *http.Response, body []byte, writes bool) *Error {
	s := resp.StatusCode
	e := &Error{Op: op, Status: s, RetryAfter: retryAfter(resp.Header)}
	e.Credentials = s == http.StatusUnauthorized || s == http.StatusPaymentRequired || s == http.StatusForbidden
	e.Doubtful = writes && (s >= 500 || s == http.StatusRequestTimeout)
	e.read(body)
	if loc := resp.Header.Get("Location"); s >= 300 && s < 400 {
		e.Message = "a redirect to " + clip(loc, 100) + " was not followed"
	}
	return e
}

// read parses PagerDuty's error shapes: an object with a list or (v3) an object of details,
// {"error": ["…"]} and {status, message, errors} of the Events API, OAuth's, and what proxies send.
func (e *Error) read(body []byte) {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		e.Message = strings.ToLower(http.StatusText(e.Status)) + ", no text"
		return
	case body[0] == '<':
		e.html, e.Message = true, "a web page instead of an answer"
		return
	case tooDeep(body, depthLimit):
		e.Message = "an answer nested too deep"
		return
	}
	var outer struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
		Message     string          `json:"message"`
		Errors      json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(body, &outer) != nil {
		e.Message = clip(string(body), 200)
		return
	}
	e.Message, e.Errors = outer.Message, details(outer.Errors)
	var inner struct {
		Message string          `json:"message"`
		Code    int             `json:"code"`
		Errors  json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(outer.Error, &inner) == nil && inner.Message+strconv.Itoa(inner.Code) != "0" {
		e.Message, e.Code, e.Errors = inner.Message, inner.Code, details(inner.Errors)
	} else {
		e.Errors = append(e.Errors, details(outer.Error)...)
	}
	if outer.Description != "" {
		e.Errors = append(e.Errors, outer.Description)
	}
	e.shorten()
}

func (e *Error) shorten() {
	e.Message = clip(e.Message, 300)
	e.Errors = e.Errors[:min(len(e.Errors), 20)]
	for i := range e.Errors {
		e.Errors[i] = clip(e.Errors[i], 200)
	}
}

// details reads a text, a list of texts, or an object of field to texts.
func details(raw json.RawMessage) []string {
	var text string
	var list []string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		return []string{text}
	}
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil
	}
	for name, texts := range fields {
		for _, t := range details(texts) {
			list = append(list, name+": "+t)
		}
	}
	slices.Sort(list)
	return list
}

// unsent reports whether a request failed before a connection was there.
func unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// proxyOf names the proxy that a request goes through; empty: none.
func proxyOf(h *http.Client, req *http.Request) string {
	t, ok := cmp.Or(h.Transport, http.DefaultTransport).(*http.Transport)
	if !ok || t.Proxy == nil {
		return ""
	}
	u, err := t.Proxy(req)
	if err != nil || u == nil {
		return ""
	}
	return u.Host
}

// withoutURL drops the address from a transport's error: its query may name people.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// clip shortens a text to at most n bytes, at a rune's edge, and makes it printable on one line.
func clip(s string, n int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
