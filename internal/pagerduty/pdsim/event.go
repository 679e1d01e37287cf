package pdsim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxEvent is the size that Events API v2 takes.
const maxEvent = 512 * 1024

// An Event is one that Events API v2 accepted.
type Event struct {
	At         time.Time       `json:"at"`
	Kind       string          `json:"kind"` // event or change
	Action     string          `json:"event_action,omitempty"`
	RoutingKey string          `json:"routing_key"`
	DedupKey   string          `json:"dedup_key,omitempty"`
	Service    string          `json:"service,omitempty"`  // "" where no service has the key: the event is lost
	Incident   string          `json:"incident,omitempty"` // what it opened, joined, acknowledged or resolved; "" when dropped
	Body       json.RawMessage `json:"body"`
}

// Events returns the accepted events, in order of arrival.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// throttled is the 429 of Events API v2.
var throttled = obj{
	"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly.  Please retry later.",
	"errors": []string{"Enhance Your Calm."},
}

func isEvents(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v2/") }

// An alertEvent is the body of POST /v2/enqueue.
type alertEvent struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"`
	DedupKey   string `json:"dedup_key"`
	Payload    *struct {
		Summary   string `json:"summary"`
		Source    string `json:"source"`
		Severity  string `json:"severity"`
		Timestamp string `json:"timestamp"`
		Details   any    `json:"custom_details"`
	} `json:"payload"`
}

// problems are what PagerDuty refuses an event for.
func (e alertEvent) problems() []string {
	problems := keyProblems(e.RoutingKey)
	blank := func(name, value string) {
		if value == "" {
			problems = append(problems, fmt.Sprintf("'%s' is missing or blank", name))
		}
	}
	switch e.Action {
	case "trigger", "acknowledge", "resolve":
	case "":
		blank("event_action", "")
	default:
		problems = append(problems, "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')")
	}
	if utf8.RuneCountInString(e.DedupKey) > 255 {
		problems = append(problems, "'dedup_key' is too long (maximum is 255 characters)")
	}
	if e.Action == "acknowledge" || e.Action == "resolve" {
		blank("dedup_key", e.DedupKey)
	}
	if e.Action != "trigger" {
		return problems
	}
	if e.Payload == nil {
		return append(problems, "'payload' is missing or blank")
	}
	blank("payload.summary", e.Payload.Summary)
	blank("payload.source", e.Payload.Source)
	if utf8.RuneCountInString(e.Payload.Summary) > 1024 {
		problems = append(problems, "'payload.summary' is too long (maximum is 1024 characters)")
	}
	if !slices.Contains([]string{"critical", "error", "warning", "info"}, e.Payload.Severity) {
		problems = append(problems, "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')")
	}
	return problems
}

func keyProblems(key string) []string {
	switch {
	case key == "":
		return []string{"'routing_key' is missing or blank"}
	case len(key) != 32:
		return []string{"Length of 'routing_key' is incorrect (should be 32 characters)"}
	}
	return nil
}

// enqueue is POST /v2/enqueue. 202 says that the event is taken, not that it did
// anything: without a service for the key, or without an open alert to
// acknowledge or resolve, it is dropped without a word.
func (s *Server) enqueue(w http.ResponseWriter, r *http.Request) {
	d := w.(*draft)
	var in alertEvent
	body, taken := readEvent(d, r, &in)
	if !taken {
		return
	}
	if problems := in.problems(); len(problems) > 0 {
		refuseEvent(d, problems)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.arrive(in.RoutingKey) {
		d.json(http.StatusTooManyRequests, throttled)
		return
	}
	if in.DedupKey == "" {
		in.DedupKey = s.newID("") + s.newID("")
	}
	e := Event{At: s.now(), Kind: "event", Action: in.Action, RoutingKey: in.RoutingKey, DedupKey: in.DedupKey, Body: body}
	if service := s.account.keys[in.RoutingKey]; service != nil {
		e.Service = service.ID
		if i := s.happen(service, in); i != nil {
			e.Incident = i.ID
		}
	}
	s.events = append(s.events, e)
	d.json(http.StatusAccepted, obj{"status": "success", "message": "Event processed", "dedup_key": in.DedupKey})
}

// happen lets an event act on its service, and returns the incident it is about.
func (s *Server) happen(service *Service, e alertEvent) *Incident {
	i := s.openByKey(service.ID, e.DedupKey)
	switch {
	case e.Action == "trigger":
		return s.join(service, i, e)
	case i == nil:
		return nil
	case e.Action == "resolve":
		s.turn(i, Resolved, "")
	case i.Status == Triggered:
		s.turn(i, Acknowledged, "")
	}
	return i
}

// join puts a trigger event on the open incident with its key, or opens one.
func (s *Server) join(service *Service, i *Incident, e alertEvent) *Incident {
	if i != nil {
		s.enter(i, LogEntry{Type: "trigger_log_entry", Summary: e.Payload.Summary})
		return i
	}
	i = &Incident{Title: e.Payload.Summary, Key: e.DedupKey, Service: service.ID}
	i.Alerts = []Alert{{
		ID: s.newID("Q"), Key: e.DedupKey, Summary: e.Payload.Summary, Severity: e.Payload.Severity, Status: Triggered,
		At: s.now().Truncate(time.Second), Details: e.Payload.Details,
	}}
	s.trigger(i, "", "Triggered through the API")
	return i
}

// enqueueChange is POST /v2/change/enqueue: it opens nothing.
func (s *Server) enqueueChange(w http.ResponseWriter, r *http.Request) {
	d := w.(*draft)
	var in struct {
		RoutingKey string `json:"routing_key"`
		Payload    struct {
			Summary string `json:"summary"`
		} `json:"payload"`
		Links []json.RawMessage `json:"links"`
	}
	body, taken := readEvent(d, r, &in)
	if !taken {
		return
	}
	problems := keyProblems(in.RoutingKey)
	if in.Payload.Summary == "" {
		problems = append(problems, "'payload.summary' is missing or blank")
	}
	if len(in.Links) > 50 {
		problems = append(problems, "'links' has too many entries (maximum is 50)")
	}
	if len(problems) > 0 {
		refuseEvent(d, problems)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.arrive(in.RoutingKey) {
		d.json(http.StatusTooManyRequests, throttled)
		return
	}
	e := Event{At: s.now(), Kind: "change", RoutingKey: in.RoutingKey, Body: body}
	if service := s.account.keys[in.RoutingKey]; service != nil {
		e.Service = service.ID
	}
	s.events = append(s.events, e)
	d.json(http.StatusAccepted, obj{"status": "success", "message": "Change event processed"})
}

// readEvent decodes an event, or answers why it cannot.
func readEvent(d *draft, r *http.Request, into any) (body []byte, taken bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err) // it is in memory
	}
	if len(body) > maxEvent {
		d.json(http.StatusRequestEntityTooLarge, obj{"status": "invalid event", "message": "Event object is too large", "errors": []string{"The event is larger than 512 KB"}})
		return nil, false
	}
	if err := json.Unmarshal(body, into); err != nil {
		refuseEvent(d, []string{"The event is not valid JSON of its kind: " + err.Error()})
		return nil, false
	}
	return body, true
}

func refuseEvent(d *draft, problems []string) {
	d.json(http.StatusBadRequest, obj{"status": "invalid event", "message": "Event object is invalid", "errors": problems})
}
