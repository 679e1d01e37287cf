package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// A Scenario is a whole story of one request, in the short form in which the conformance
// data is kept: roles, users, a request and the reviews that are tried on it.
type Scenario struct {
	ID             string                  `json:"id"`
	Title          string                  `json:"title"`
	Source         string                  `json:"source"`
	Roles          map[string]ScenarioRole `json:"roles"`
	Users          map[string]ScenarioUser `json:"users"`
	Requester      string                  `json:"requester"`
	RequestedRoles []string                `json:"requested_roles"`
	RequestReason  string                  `json:"request_reason"`
	Steps          []ScenarioStep          `json:"steps"`
	Expect         json.RawMessage         `json:"expect"` // what should come of it; not looked at
}

// A ScenarioRole is a role, with what it allows and denies side by side.
type ScenarioRole struct {
	Request     ScenarioRequest `json:"request"`
	DenyRequest ScenarioRequest `json:"deny_request"`
	Review      ScenarioReview  `json:"review"`
	DenyReview  ScenarioReview  `json:"deny_review"`
	Options     struct {
		RequestAccess string `json:"request_access"`
	} `json:"options"`
}

// A ScenarioRequest is a RequestRule.
type ScenarioRequest struct {
	Roles         []string            `json:"roles"`
	ClaimsToRoles []ScenarioClaim     `json:"claims_to_roles"`
	SearchAsRoles []string            `json:"search_as_roles"`
	Annotations   map[string][]string `json:"annotations"`
	Thresholds    []ReplayThreshold   `json:"thresholds"`
	Reason        struct {
		Mode string `json:"mode"`
	} `json:"reason"`
}

// A ScenarioReview is a ReviewRule.
type ScenarioReview struct {
	Roles         []string        `json:"roles"`
	ClaimsToRoles []ScenarioClaim `json:"claims_to_roles"`
	Where         string          `json:"where"`
}

// A ScenarioClaim is a ClaimMapping.
type ScenarioClaim struct {
	Claim string   `json:"claim"`
	Value string   `json:"value"`
	Roles []string `json:"roles"`
}

// A ScenarioUser is a user.
type ScenarioUser struct {
	Roles  []string            `json:"roles"`
	Traits map[string][]string `json:"traits"`
}

// A ScenarioStep is a review that is tried.
type ScenarioStep struct {
	By      string `json:"by"`
	Propose string `json:"propose"`
	Reason  string `json:"reason"`
}

// A ReplayThreshold is a Threshold.
type ReplayThreshold struct {
	Approve uint32 `json:"approve"`
	Deny    uint32 `json:"deny"`
	Filter  string `json:"filter"`
	Name    string `json:"name"`
}

// A Result is what came of a scenario.
type Result struct {
	ID                string              `json:"id"`
	Accepted          bool                `json:"accepted"`
	Error             string              `json:"error,omitempty"` // bad_parameter or access_denied
	SystemAnnotations map[string][]string `json:"system_annotations"`
	Thresholds        []ReplayThreshold   `json:"thresholds"`
	Steps             []ReplayStep        `json:"steps,omitzero"` // absent when not accepted
}

// A ReplayStep is what came of one review.
type ReplayStep struct {
	By        string `json:"by"`
	MayReview bool   `json:"may_review"`
	State     string `json:"state"`               // of the request, afterwards
	CountsFor []int  `json:"counts_for,omitzero"` // absent when the review was not applied
	Error     string `json:"error,omitempty"`
}

// The names that Teleport gives to errors.
const (
	badParameter = "bad_parameter"
	accessDenied = "access_denied"
)

// Replay plays a scenario through the rules as Teleport would. It differs from what a
// running Sallyport does where Sallyport adds a rule of its own: here names are people, a
// role is taken with a where that can only fail, and PROMOTED may be proposed.
func Replay(s Scenario) Result {
	out := Result{ID: s.ID, SystemAnnotations: map[string][]string{}, Thresholds: []ReplayThreshold{}}
	roles, users := s.nouns()
	d, _ := NewDirectory(roles, users)
	now := time.Unix(0, 0).UTC()
	var r Request
	err := d.incomplete(s.Requester, (*compiledRole).requestBroken)
	if err == nil {
		r, err = d.newRequest(s.ID, &Ask{User: s.Requester, Roles: s.RequestedRoles, Reason: s.RequestReason}, DefaultTerms(), now)
	}
	if err != nil {
		out.Error = badParameter // Teleport's name for a request that may not be made as well
		return out
	}
	out.Accepted, out.Steps = true, []ReplayStep{}
	for key, values := range r.Annotations {
		out.SystemAnnotations[key] = values
	}
	for _, t := range r.Thresholds {
		out.Thresholds = append(out.Thresholds, ReplayThreshold{uint32(t.Approve), uint32(t.Deny), t.Filter, t.Name})
	}
	for _, step := range s.Steps {
		var played ReplayStep
		r, played = d.replayStep(r, step, now)
		out.Steps = append(out.Steps, played)
	}
	return out
}

// replayStep tries one review.
func (d *Directory) replayStep(r Request, step ScenarioStep, now time.Time) (Request, ReplayStep) {
	out := ReplayStep{By: step.By, State: string(r.State)}
	if step.By == r.User || d.incomplete(step.By, (*compiledRole).reviewBroken) != nil || d.mayReview(step.By, &r) != nil {
		return r, out
	}
	out.MayReview = true
	next, err := d.addReview(r, Review{Author: step.By, State: RequestState(step.Propose), Reason: step.Reason}, now, asTeleport)
	if err != nil {
		if out.Error = accessDenied; KindOf(err) == Invalid {
			out.Error = badParameter
		}
		return r, out
	}
	out.State, out.CountsFor = string(next.State), next.Reviews[len(next.Reviews)-1].CountsFor
	return next, out
}

// incomplete says why Teleport could not look at a user's roles: one does not exist, or has
// an entry that cannot be read.
func (d *Directory) incomplete(user string, broken func(*compiledRole) bool) error {
	u, ok := d.User(user)
	if !ok {
		return Errorf(NotFound, "there is no user %q", user)
	}
	for _, name := range u.Roles {
		if c, ok := d.roles[name]; !ok || broken(c) {
			return Errorf(Invalid, "role %q of %s does not exist or cannot be read", name, user)
		}
	}
	return nil
}

func (h *compiledRole) requestBroken() bool { return h.request.broken || h.denyRequest.broken }
func (h *compiledRole) reviewBroken() bool {
	return h.review.names.broken || h.denyReview.names.broken
}

// ReplayFile plays the scenarios of a file: an object with request_review_cases, a list of
// scenarios, or a single one. An unknown field is an error.
func ReplayFile(data []byte) ([]Result, error) {
	scenarios, err := readScenarios(data)
	if err != nil {
		return nil, err
	}
	out := make([]Result, 0, len(scenarios))
	for _, s := range scenarios {
		out = append(out, Replay(s))
	}
	return out, nil
}

func readScenarios(data []byte) ([]Scenario, error) {
	data = bytes.TrimSpace(data)
	var list []json.RawMessage
	var file struct {
		Cases []json.RawMessage `json:"request_review_cases"`
	}
	switch {
	case len(data) == 0:
		return nil, Errorf(Invalid, "read scenarios: the file is empty")
	case data[0] == '[':
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, Errorf(Invalid, "read scenarios: %w", err)
		}
	default:
		if err := json.Unmarshal(data, &file); err != nil {
			return nil, Errorf(Invalid, "read scenarios: %w", err)
		}
		if list = file.Cases; list == nil {
			list = []json.RawMessage{data}
		}
	}
	out := make([]Scenario, len(list))
	for i, raw := range list {
		if err := decodeStrictly(raw, &out[i]); err != nil {
			return nil, Errorf(Invalid, "read scenario %d (%s): %w", i+1, scenarioID(raw), err)
		}
	}
	return out, nil
}

func scenarioID(raw []byte) string {
	var s struct{ ID string }
	if json.Unmarshal(raw, &s) != nil || s.ID == "" {
		return "without an id"
	}
	return s.ID
}

// decodeStrictly reads one JSON value into v; an unknown field is an error.
func decodeStrictly(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more than one JSON value")
	}
	return nil
}

// nouns makes roles and users of a scenario.
func (s Scenario) nouns() (roles []Role, users []User) {
	for name, r := range s.Roles {
		role := Role{
			Name:  name,
			Allow: Conditions{Request: r.Request.rule(), Review: r.Review.rule()},
			Deny:  Conditions{Request: r.DenyRequest.rule(), Review: r.DenyReview.rule()},
		}
		role.Options.RequestAccess = r.Options.RequestAccess
		roles = append(roles, role)
	}
	for name, u := range s.Users {
		users = append(users, User{Name: name, Roles: u.Roles, Traits: u.Traits})
	}
	return roles, users
}

func (r ScenarioRequest) rule() RequestRule {
	out := RequestRule{
		Roles: r.Roles, ClaimsToRoles: claimMappings(r.ClaimsToRoles), SearchAsRoles: r.SearchAsRoles,
		Annotations: r.Annotations, ReasonMode: r.Reason.Mode,
	}
	for _, t := range r.Thresholds {
		out.Thresholds = append(out.Thresholds, Threshold{Name: t.Name, Filter: t.Filter, Approve: int(t.Approve), Deny: int(t.Deny)})
	}
	return out
}

func (r ScenarioReview) rule() ReviewRule {
	return ReviewRule{Roles: r.Roles, ClaimsToRoles: claimMappings(r.ClaimsToRoles), Where: r.Where}
}

func claimMappings(claims []ScenarioClaim) []ClaimMapping {
	var out []ClaimMapping
	for _, c := range claims {
		out = append(out, ClaimMapping{Claim: c.Claim, Value: c.Value, Roles: slices.Clone(c.Roles)})
	}
	return out
}
