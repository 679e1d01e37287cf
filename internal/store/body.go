package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// The JSON shapes of what is kept whole and never queried. Moments and lengths are
// microseconds, as in the columns. A name in here is for good: old rows hold it.

type requestBody struct {
	Roles       []string                  `json:"roles,omitempty"`
	Resources   []resourceBody            `json:"resources,omitempty"`
	Reason      string                    `json:"reason,omitempty"`
	Duration    int64                     `json:"duration,omitempty"`
	StartAt     int64                     `json:"start_at,omitempty"`
	Annotations map[string][]string       `json:"annotations,omitempty"`
	Thresholds  []thresholdBody           `json:"thresholds,omitempty"`
	Sets        map[string][][]int        `json:"sets,omitempty"`
	Rules       []ruleBody                `json:"rules,omitempty"`
	Evaluation  *evaluationBody           `json:"evaluation,omitempty"`
	Decision    *decisionBody             `json:"decision,omitempty"`
	Gives       map[string][]resourceBody `json:"gives,omitempty"`
	Extends     string                    `json:"extends,omitempty"`
	Suggested   []string                  `json:"suggested,omitempty"`
}

type resourceBody struct {
	Target string `json:"target"`
	Name   string `json:"name"`
}

type thresholdBody struct {
	Name    string `json:"name,omitempty"`
	Filter  string `json:"filter,omitempty"`
	Approve int    `json:"approve,omitempty"`
	Deny    int    `json:"deny,omitempty"`
}

type ruleBody struct {
	Origin             string      `json:"origin,omitempty"`
	Roles              []string    `json:"roles,omitempty"`
	OnCall             *onCallBody `json:"on_call,omitempty"`
	Notify             []string    `json:"notify,omitempty"`
	UntilOffCall       bool        `json:"until_off_call,omitempty"`
	Grace              int64       `json:"grace,omitempty"`
	KeepDuringIncident bool        `json:"keep_during_incident,omitempty"`
}

type onCallBody struct {
	Account            string   `json:"account,omitempty"`
	Services           []string `json:"services,omitempty"`
	Levels             []int    `json:"levels,omitempty"`
	Schedules          []string `json:"schedules,omitempty"`
	EscalationPolicies []string `json:"escalation_policies,omitempty"`
	Teams              []string `json:"teams,omitempty"`
}

type reasonBody struct {
	Check string `json:"check,omitempty"`
	OK    bool   `json:"ok,omitempty"`
	Text  string `json:"text,omitempty"`
}

type evidenceBody struct {
	Account          string `json:"account,omitempty"`
	User             string `json:"user,omitempty"`
	Service          string `json:"service,omitempty"`
	EscalationPolicy string `json:"escalation_policy,omitempty"`
	Level            int    `json:"level,omitempty"`
	Schedule         string `json:"schedule,omitempty"`
	Start            int64  `json:"start,omitempty"`
	End              int64  `json:"end,omitempty"`
	FetchedAt        int64  `json:"fetched_at,omitempty"`
	FirstSeen        int64  `json:"first_seen,omitempty"`
}

type evaluationBody struct {
	At       int64          `json:"at,omitempty"`
	Outcome  string         `json:"outcome,omitempty"`
	Reasons  []reasonBody   `json:"reasons,omitempty"`
	Evidence []evidenceBody `json:"evidence,omitempty"`
	Rules    []ruleBody     `json:"rules,omitempty"`
}

type decisionBody struct {
	State    string         `json:"state"`
	At       int64          `json:"at,omitempty"`
	By       string         `json:"by,omitempty"`
	Override bool           `json:"override,omitempty"`
	Reasons  []reasonBody   `json:"reasons,omitempty"`
	Evidence []evidenceBody `json:"evidence,omitempty"`
	Rules    []ruleBody     `json:"rules,omitempty"`
}

// micros returns a moment as it is kept; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// moment is the inverse of micros.
func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func length(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// each maps a list; an empty one becomes nil.
func each[A, B any](in []A, f func(A) B) []B {
	if len(in) == 0 {
		return nil
	}
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

// eachIn maps the lists of a map.
func eachIn[A, B any](in map[string][]A, f func(A) B) map[string][]B {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string][]B, len(in))
	for k, a := range in {
		out[k] = each(a, f)
	}
	return out
}

func bodyOfRequest(r core.Request) requestBody {
	b := requestBody{
		Roles: r.Roles, Resources: each(r.Resources, bodyOfResource), Reason: r.Reason,
		Duration: r.Duration.Microseconds(), StartAt: micros(r.StartAt), Annotations: r.Annotations,
		Thresholds: each(r.Thresholds, bodyOfThreshold), Sets: r.Sets, Rules: each(r.Rules, bodyOfRule),
		Gives: eachIn(r.Gives, bodyOfResource), Extends: r.Extends, Suggested: r.Suggested,
	}
	if e := r.Evaluation; e.Outcome != "" || !e.At.IsZero() || len(e.Reasons)+len(e.Evidence)+len(e.Rules) > 0 {
		b.Evaluation = &evaluationBody{
			At: micros(e.At), Outcome: string(e.Outcome),
			Reasons: each(e.Reasons, bodyOfReason), Evidence: each(e.Evidence, bodyOfEvidence),
			Rules: each(e.Rules, bodyOfRule),
		}
	}
	if d := r.Decision; d != nil {
		b.Decision = &decisionBody{
			State: string(d.State), At: micros(d.At), By: d.By, Override: d.Override,
			Reasons: each(d.Reasons, bodyOfReason), Evidence: each(d.Evidence, bodyOfEvidence),
			Rules: each(d.Rules, bodyOfRule),
		}
	}
	return b
}

// fill puts the body into a request.
func (b requestBody) fill(r *core.Request) {
	r.Roles, r.Resources, r.Reason = b.Roles, each(b.Resources, resourceBody.noun), b.Reason
	r.Duration, r.StartAt, r.Annotations = length(b.Duration), moment(b.StartAt), b.Annotations
	r.Thresholds, r.Sets, r.Rules = each(b.Thresholds, thresholdBody.noun), b.Sets, each(b.Rules, ruleBody.noun)
	r.Gives, r.Extends, r.Suggested = eachIn(b.Gives, resourceBody.noun), b.Extends, b.Suggested
	if e := b.Evaluation; e != nil {
		r.Evaluation = core.Evaluation{
			At: moment(e.At), Outcome: core.Outcome(e.Outcome),
			Reasons: each(e.Reasons, reasonBody.noun), Evidence: each(e.Evidence, evidenceBody.noun),
			Rules: each(e.Rules, ruleBody.noun),
		}
	}
	if d := b.Decision; d != nil {
		r.Decision = &core.Decision{
			State: core.RequestState(d.State), At: moment(d.At), By: d.By, Override: d.Override,
			Reasons: each(d.Reasons, reasonBody.noun), Evidence: each(d.Evidence, evidenceBody.noun),
			Rules: each(d.Rules, ruleBody.noun),
		}
	}
}

func bodyOfResource(r core.Resource) resourceBody { return resourceBody(r) }
func (b resourceBody) noun() core.Resource        { return core.Resource(b) }

func bodyOfThreshold(t core.Threshold) thresholdBody { return thresholdBody(t) }
func (b thresholdBody) noun() core.Threshold         { return core.Threshold(b) }

func bodyOfReason(r core.Reason) reasonBody { return reasonBody(r) }
func (b reasonBody) noun() core.Reason      { return core.Reason(b) }

func bodyOfRule(r core.ApprovalRule) ruleBody {
	b := ruleBody{
		Origin: r.Origin, Roles: r.Roles, Notify: r.Notify, UntilOffCall: r.UntilOffCall,
		Grace: r.Grace.Microseconds(), KeepDuringIncident: r.KeepDuringIncident,
	}
	if r.OnCall != nil {
		o := onCallBody(*r.OnCall)
		b.OnCall = &o
	}
	return b
}

func (b ruleBody) noun() core.ApprovalRule {
	r := core.ApprovalRule{
		Origin: b.Origin, Roles: b.Roles, Notify: b.Notify, UntilOffCall: b.UntilOffCall,
		Grace: length(b.Grace), KeepDuringIncident: b.KeepDuringIncident,
	}
	if b.OnCall != nil {
		o := core.OnCallRule(*b.OnCall)
		r.OnCall = &o
	}
	return r
}

func bodyOfEvidence(e core.Evidence) evidenceBody {
	return evidenceBody{
		Account: e.Account, User: e.User, Service: e.Service, EscalationPolicy: e.EscalationPolicy,
		Level: e.Level, Schedule: e.Schedule,
		Start: micros(e.Start), End: micros(e.End), FetchedAt: micros(e.FetchedAt), FirstSeen: micros(e.FirstSeen),
	}
}

func (b evidenceBody) noun() core.Evidence {
	return core.Evidence{
		Account: b.Account, User: b.User, Service: b.Service, EscalationPolicy: b.EscalationPolicy,
		Level: b.Level, Schedule: b.Schedule,
		Start: moment(b.Start), End: moment(b.End), FetchedAt: moment(b.FetchedAt), FirstSeen: moment(b.FirstSeen),
	}
}

// encode writes a body. The shapes above always can be.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return string(b)
}

// decode reads a body that a row holds.
func decode(what, id, text string, into any) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("read %s %s: its stored form is damaged: %w", what, id, err)
	}
	return nil
}
