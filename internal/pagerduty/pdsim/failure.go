package pdsim

import (
	"fmt"
	"net/http"
)

// A failure is an error in PagerDuty's words: a status, a numbered message and
// details. The numbers are those of its "Errors" page.
type failure struct {
	status  int
	code    int
	message string
	errors  []string
	fields  map[string][]string // in the place of errors, at the v3 endpoints
}

// Error is part of error.
func (f *failure) Error() string { return fmt.Sprintf("%s (code %d)", f.message, f.code) }

func (f *failure) body() obj {
	e := obj{"message": f.message, "code": f.code}
	switch {
	case f.fields != nil:
		e["errors"] = f.fields
	case f.errors != nil:
		e["errors"] = f.errors
	}
	return obj{"error": e}
}

var (
	failUnauthorized  = &failure{status: http.StatusUnauthorized, code: 2006, message: "Authentication failed"}
	failDenied        = &failure{status: http.StatusForbidden, code: 2010, message: "Access Denied"}
	failNotFound      = &failure{status: http.StatusNotFound, code: 2100, message: "Not Found"}
	failRateLimit     = &failure{status: http.StatusTooManyRequests, code: 2020, message: "Rate Limit Exceeded"}
	failTooLarge      = &failure{status: http.StatusRequestEntityTooLarge, code: 2001, message: "Request Entity Too Large"}
	failInternal      = &failure{status: http.StatusInternalServerError, code: 2000, message: "Internal Server Error"}
	failAbility       = &failure{status: http.StatusPaymentRequired, code: 2014, message: "Required abilities are unavailable"}
	failNoFrom        = &failure{status: http.StatusBadRequest, code: 2016, message: `You must specify a user's email address in the "From" header to perform this action`}
	failMalformedFrom = &failure{status: http.StatusBadRequest, code: 1028, message: `Malformed "From" header`}
	failRequester     = &failure{status: http.StatusBadRequest, code: 1008, message: "Requester User Not Found", errors: []string{}}
	failResolved      = &failure{status: http.StatusBadRequest, code: 1001, message: "Incident Already Resolved", errors: []string{"Incident Already Resolved"}}
	failKeyTaken      = &failure{status: http.StatusBadRequest, code: 2002, message: "Arguments Caused Error", errors: []string{"Open incident with matching dedup key already exists on this service"}}
)

// invalid is the 400 of the classic endpoints.
func invalid(format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, code: 2001, message: "Invalid Input Provided", errors: []string{fmt.Sprintf(format, args...)}}
}

// invalidField is the 400 of the v3 endpoints, whose errors are an object.
func invalidField(field, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, code: 2001, message: "Invalid Request", fields: map[string][]string{field: {fmt.Sprintf(format, args...)}}}
}

// failureFor is what PagerDuty says with a bare status.
func failureFor(status int) *failure {
	for _, f := range []*failure{failUnauthorized, failDenied, failNotFound, failRateLimit, failTooLarge, failInternal, failAbility} {
		if f.status == status {
			return f
		}
	}
	if status == http.StatusBadRequest {
		return invalid("Invalid request")
	}
	return &failure{status: status, code: 2000, message: http.StatusText(status)}
}
