package client

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"
)

// A Kind says what sort of trouble an Error is.
type Kind string

// The kinds of trouble.
const (
	KindInvalid         Kind = "invalid"         // the input is wrong and stays wrong
	KindUnauthenticated Kind = "unauthenticated" // the server does not know who is calling
	KindRefused         Kind = "refused"         // a rule says no
	KindNotFound        Kind = "not_found"       // no such thing
	KindConflict        Kind = "conflict"        // it is too late, or somebody else was first
	KindMismatch        Kind = "mismatch"        // an idempotency key came back with another body
	KindUnavailable     Kind = "unavailable"     // something does not answer; worth another try
	KindInternal        Kind = "internal"        // a fault of the server's own
)

// An Error is what the server answers with when something is wrong: a problem as of RFC 9457.
type Error struct {
	Type      string `json:"type" doc:"A name for this kind of trouble, as a URI."`
	Title     string `json:"title" doc:"The kind of trouble in words."`
	Status    int    `json:"status" doc:"The HTTP status."`
	Detail    string `json:"detail" doc:"What happened, and to what."`
	Hint      string `json:"hint,omitempty" doc:"What to do next."`
	Kind      Kind   `json:"kind" doc:"The kind of trouble: invalid, unauthenticated, refused, not_found, conflict, mismatch, unavailable or internal."`
	RequestID string `json:"request_id,omitempty" doc:"Names this call in the server's log."`
	Err       error  `json:"-"` // the cause on this side; may be nil
}

// Error says what happened.
func (e *Error) Error() string { return e.Detail }

// Unwrap returns the cause on this side.
func (e *Error) Unwrap() error { return e.Err }

// ExitCode returns the exit status of a command that ends with this error.
func (e *Error) ExitCode() int {
	switch e.Kind {
	case KindInvalid:
		return 2
	case KindRefused, KindUnauthenticated:
		return 3
	case KindNotFound:
		return 4
	case KindUnavailable:
		return 5
	default:
		return 1
	}
}

// readError makes an Error of an answer that is no success.
func readError(res *http.Response) error {
	e := &Error{Status: res.StatusCode, Title: http.StatusText(res.StatusCode)}
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err == nil && strings.HasSuffix(media, "json") && json.Unmarshal(body, e) == nil && e.Detail != "" {
		e.Status = res.StatusCode
		return e
	}
	e.Kind = kindOfStatus(res.StatusCode)
	e.Detail = "the server answered " + res.Status
	if strings.HasPrefix(media, "text/plain") {
		if text := strings.TrimSpace(string(body)); text != "" && len(text) < 300 {
			e.Detail += ": " + text
		}
	}
	return e
}

func kindOfStatus(status int) Kind {
	switch {
	case status == http.StatusUnauthorized:
		return KindUnauthenticated
	case status == http.StatusForbidden:
		return KindRefused
	case status == http.StatusNotFound:
		return KindNotFound
	case status == http.StatusConflict:
		return KindConflict
	case status == http.StatusServiceUnavailable, status == http.StatusBadGateway, status == http.StatusGatewayTimeout, status == http.StatusTooManyRequests:
		return KindUnavailable
	case status >= 500:
		return KindInternal
	default:
		return KindInvalid
	}
}
