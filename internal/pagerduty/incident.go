package pagerduty

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// StatusResolved is the status of an incident that is over.
const StatusResolved = "resolved"

// An Incident is an incident as PagerDuty shows it.
type Incident struct{ ID, URL, Status string }

// wireIncident is an incident in PagerDuty's words.
type wireIncident struct {
	ID        string    `json:"id"`
	HTMLURL   string    `json:"html_url"`
	Status    string    `json:"status"`
	Key       string    `json:"incident_key"`
	CreatedAt time.Time `json:"created_at"`
	Service   Ref       `json:"service"`
}

func (w wireIncident) incident() Incident {
	return Incident{ID: w.ID, URL: w.HTMLURL, Status: w.Status}
}

// Incident shows one incident.
func (c *Client) Incident(ctx context.Context, id string) (Incident, error) {
	var out struct{ Incident wireIncident }
	k := call{op: "GET /incidents/{id}", path: incidentPath(id), lane: laneWrite, alone: true}
	if err := c.do(ctx, k, &out); err != nil {
		return Incident{}, err
	}
	if out.Incident.ID == "" {
		return Incident{}, c.odd(k, "the answer has no incident")
	}
	return out.Incident.incident(), nil
}

func incidentPath(id string) string { return "/incidents/" + url.PathEscape(id) }

// IncidentByKey finds an incident by its key on a service, whatever its status and age: an
// open one if there is one, else the newest, else nil. It spends what is kept for writes,
// since a write waits for it. An incident with alerts has no key of its own; PagerDuty then
// finds it by its alerts' key.
func (c *Client) IncidentByKey(ctx context.Context, serviceID, key string) (*Incident, error) {
	key = shortKey(key)
	q := url.Values{
		"incident_key": {key}, "service_ids[]": {serviceID}, "date_range": {"all"},
		"statuses[]": {"triggered", "acknowledged", StatusResolved},
	}
	l, err := readAll(ctx, c, listing{path: "/incidents", key: "incidents", query: q, lane: laneWrite, alone: true},
		func(w wireIncident) string { return w.ID })
	if err != nil {
		return nil, err
	}
	if l.skipped > 0 {
		return nil, c.odd(call{op: "GET /incidents"}, "an incident in the answer is not understood")
	}
	var best *wireIncident
	for i := range l.items {
		w := &l.items[i]
		if (w.Key != "" && w.Key != key) || (w.Service.ID != "" && w.Service.ID != serviceID) {
			continue
		}
		if best == nil || (best.Status == StatusResolved && (w.Status != StatusResolved || w.CreatedAt.After(best.CreatedAt))) {
			best = w
		}
	}
	if best == nil {
		return nil, nil
	}
	found := best.incident()
	return &found, nil
}

// NewIncident is what an incident is created from.
type NewIncident struct {
	ServiceID, Key, Title, Details string
	Urgency                        string // "high", "low"; empty: the service's own
	Priority                       string // id; empty: none
}

type typed struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

type wireNewIncident struct {
	Type     string            `json:"type"`
	Title    string            `json:"title"`
	Service  typed             `json:"service"`
	Key      string            `json:"incident_key,omitempty"`
	Body     map[string]string `json:"body,omitempty"`
	Urgency  string            `json:"urgency,omitempty"`
	Priority *typed            `json:"priority,omitempty"`
}

func (n NewIncident) wire() map[string]wireNewIncident {
	title := strings.TrimSpace(n.Title)
	if title == "" {
		title = "(no title)" // PagerDuty demands one
	}
	w := wireNewIncident{
		Type: "incident", Title: cutRunes(title, titleLimit), Service: typed{n.ServiceID, "service_reference"},
		Key: shortKey(n.Key), Urgency: n.Urgency,
	}
	if n.Details != "" {
		w.Body = map[string]string{"type": "incident_body", "details": cutBytes(n.Details, detailsLimit)}
	}
	if n.Priority != "" {
		w.Priority = &typed{n.Priority, "priority_reference"}
	}
	return map[string]wireNewIncident{"incident": w}
}

// CreateIncident creates an incident, once. PagerDuty refuses a key that an open incident of
// the service has; that incident is then the one asked for. An answer that leaves open
// whether it was created is followed by a look-up; where that shows nothing either, the error
// is Doubtful, because PagerDuty may still be at it.
func (c *Client) CreateIncident(ctx context.Context, n NewIncident) (Incident, error) {
	if n.Key == "" || n.ServiceID == "" {
		return Incident{}, core.Errorf(core.Invalid, "an incident needs a service and a key")
	}
	var out struct{ Incident wireIncident }
	k := call{op: "POST /incidents", path: "/incidents", body: n.wire(), lane: laneWrite}
	err := c.do(ctx, k, &out)
	if err == nil && out.Incident.ID != "" {
		return out.Incident.incident(), nil
	}
	if err == nil {
		err = c.odd(k, "the answer has no incident")
	}
	e, ok := AsError(err)
	if !ok || (!e.Doubtful && (e.Status != http.StatusBadRequest || e.noSender())) {
		return Incident{}, err
	}
	found, lookErr := c.IncidentByKey(ctx, n.ServiceID, n.Key)
	if lookErr != nil || found == nil || (!e.Doubtful && found.Status == StatusResolved) {
		return Incident{}, err
	}
	return *found, nil
}

// ResolveIncident resolves an incident. One that is resolved stays so, and is no error.
// PagerDuty answers code 1001 for it; other 400s are looked into.
func (c *Client) ResolveIncident(ctx context.Context, id string) error {
	body := map[string]any{"incident": map[string]string{"type": "incident_reference", "status": StatusResolved}}
	var out struct{ Incident wireIncident }
	k := call{op: "PUT /incidents/{id}", path: incidentPath(id), body: body, lane: laneWrite}
	err := c.do(ctx, k, &out)
	if err == nil && out.Incident.Status == StatusResolved {
		return nil
	}
	if err == nil {
		err = c.odd(k, "the answer does not say that the incident is resolved")
	}
	e, ok := AsError(err)
	if ok && e.Status == http.StatusBadRequest && e.Code == 1001 {
		return nil
	}
	if !ok || (!e.Doubtful && (e.Status != http.StatusBadRequest || e.noSender())) {
		return err
	}
	if now, lookErr := c.Incident(ctx, id); lookErr == nil && now.Status == StatusResolved {
		return nil
	}
	return err
}

// Notes returns the texts of an incident's notes, in PagerDuty's order.
func (c *Client) Notes(ctx context.Context, id string) ([]string, error) {
	var out struct {
		Notes []struct{ Content string }
	}
	k := call{op: "GET /incidents/{id}/notes", path: incidentPath(id) + "/notes", lane: laneWrite, alone: true}
	if err := c.do(ctx, k, &out); err != nil {
		return nil, err
	}
	if out.Notes == nil {
		return nil, c.odd(k, "the answer has no list of notes")
	}
	texts := make([]string, len(out.Notes))
	for i, n := range out.Notes {
		texts[i] = n.Content
	}
	return texts, nil
}

// NoteText is a note as AddNote posts it, and so as Notes shows it: cut to what PagerDuty takes.
func NoteText(text string) string { return cutRunes(text, noteLimit) }

// AddNote adds a note to an incident. PagerDuty takes 2,000 of them; more are refused for good.
func (c *Client) AddNote(ctx context.Context, id, text string) error {
	body := map[string]any{"note": map[string]string{"content": NoteText(text)}}
	var out struct{ Note struct{ ID string } }
	k := call{op: "POST /incidents/{id}/notes", path: incidentPath(id) + "/notes", body: body, lane: laneWrite}
	err := c.do(ctx, k, &out)
	var shown *core.Error
	if e, ok := AsError(err); ok && errors.As(err, &shown) && e.Status == http.StatusBadRequest && !e.noSender() {
		return shown.WithHint("PagerDuty keeps at most 2,000 notes on an incident")
	}
	if err == nil && out.Note.ID == "" {
		return c.odd(k, "the answer has no note")
	}
	return err
}
