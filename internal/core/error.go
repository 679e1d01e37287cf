package core

import (
	"errors"
	"fmt"
)

// A Kind says what sort of trouble an Error is. The kind alone decides the HTTP
// status, the exit code, and whether a job is tried again.
type Kind string

// The kinds of trouble.
const (
	Invalid         Kind = "invalid"         // the input is wrong and stays wrong: 400
	Unauthenticated Kind = "unauthenticated" // nobody is known to be calling: 401
	Refused         Kind = "refused"         // a rule says no: 403
	NotFound        Kind = "not_found"       // no such thing: 404
	Conflict        Kind = "conflict"        // it is too late, or somebody else was first: 409
	Mismatch        Kind = "mismatch"        // an idempotency key came back with another body: 422
	Unavailable     Kind = "unavailable"     // something outside does not answer: 503, and tried again
	Internal        Kind = "internal"        // a fault of our own: 500
)

// An Error may be shown to people: it says what happened, to what, and what to do next.
type Error struct {
	Kind Kind
	Msg  string // what happened, to what, and why, the cause's text included
	Hint string // what to do next; may be empty
	Err  error  // the cause, for errors.Is; may be nil
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind. A cause given with %w stays reachable by errors.Is.
func Errorf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns the error with what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// HintOf returns the hint of the first Error in err's chain, if it has one.
func HintOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// KindOf returns the kind of the first Error in err's chain, and Internal where there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
