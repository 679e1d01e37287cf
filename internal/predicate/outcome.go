package predicate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What Outcome can come to.
const (
	OutcomeTrue       = "true"
	OutcomeFalse      = "false"
	OutcomeParseError = "parse_error" // rejected when the role is stored
	OutcomeEvalError  = "eval_error"  // in Teleport found only when a review is attempted, which it blocks
)

// Outcome parses and evaluates an expression once and names what came of it.
// The error is that of Parse or Eval and is nil for true and false.
func Outcome(kind, src string, c *Context) (result string, err error) {
	e, err := Parse(Kind(kind), src)
	if err != nil {
		return OutcomeParseError, err
	}
	v, err := e.Eval(c)
	switch {
	case err != nil:
		return OutcomeEvalError, err
	case v:
		return OutcomeTrue, nil
	}
	return OutcomeFalse, nil
}

// contextBody is a context in JSON.
type contextBody struct {
	Reviewer struct {
		Roles  []string            `json:"roles"`
		Traits map[string][]string `json:"traits"`
	} `json:"reviewer"`
	Review struct {
		Reason      string              `json:"reason"`
		Annotations map[string][]string `json:"annotations"`
	} `json:"review"`
	Request struct {
		Roles             []string            `json:"roles"`
		Reason            string              `json:"reason"`
		SystemAnnotations map[string][]string `json:"system_annotations"`
	} `json:"request"`
}

// DecodeContext reads a context from a JSON object such as
//
//	{"reviewer": {"roles": [], "traits": {}}, "request": {"roles": [], "reason": "", "system_annotations": {}},
//	 "review": {"reason": "", "annotations": {}}}
//
// What is left out is empty; a field that is not known is an error.
func DecodeContext(data []byte) (*Context, error) {
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' {
		return nil, errors.New("read context: a JSON object with reviewer, request and review is wanted")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var b contextBody
	if err := d.Decode(&b); err != nil {
		return nil, fmt.Errorf("read context: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read context: more than one JSON value")
	}
	var c Context
	c.Reviewer.Roles, c.Reviewer.Traits = b.Reviewer.Roles, b.Reviewer.Traits
	c.Request.Roles, c.Request.Reason, c.Request.SystemAnnotations = b.Request.Roles, b.Request.Reason, b.Request.SystemAnnotations
	c.Review.Reason, c.Review.Annotations = b.Review.Reason, b.Review.Annotations
	return &c, nil
}
