package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// What an event does.
const (
	Trigger     = "trigger"
	Acknowledge = "acknowledge"
	Resolve     = "resolve"
)

// An Event is one event of Events API v2.
//
// It must have a dedup key, although PagerDuty could make one up: then every repetition
// would be an alert of its own, and nothing could ever resolve it.
type Event struct {
	RoutingKey, Action, DedupKey string
	Client, ClientURL            string
	Summary, Source, Severity    string // severity: critical, error, warning or info
	Timestamp                    time.Time
	Component, Group, Class      string
	Details                      any
	Links                        []EventLink
	Images                       []EventImage
}

// An EventLink is a link shown on the alert.
type EventLink struct {
	Href string `json:"href"`
	Text string `json:"text,omitempty"`
}

// An EventImage is a picture shown on the alert; PagerDuty takes https sources only.
type EventImage struct {
	Src  string `json:"src"`
	Href string `json:"href,omitempty"`
	Alt  string `json:"alt,omitempty"`
}

type wireEvent struct {
	RoutingKey string       `json:"routing_key"`
	Action     string       `json:"event_action"`
	DedupKey   string       `json:"dedup_key"`
	Client     string       `json:"client,omitempty"`
	ClientURL  string       `json:"client_url,omitempty"`
	Links      []EventLink  `json:"links,omitempty"`
	Images     []EventImage `json:"images,omitempty"`
	Payload    *wirePayload `json:"payload,omitempty"`
}

type wirePayload struct {
	Summary   string `json:"summary"`
	Source    string `json:"source"`
	Severity  string `json:"severity"`
	Timestamp string `json:"timestamp,omitempty"`
	Component string `json:"component,omitempty"`
	Group     string `json:"group,omitempty"`
	Class     string `json:"class,omitempty"`
	Details   any    `json:"custom_details,omitempty"`
}

func (e Event) wire() wireEvent {
	w := wireEvent{
		RoutingKey: e.RoutingKey, Action: e.Action, DedupKey: shortKey(e.DedupKey),
		Client: e.Client, ClientURL: e.ClientURL, Links: e.Links, Images: e.Images,
	}
	if e.Action != Trigger && e.Summary == "" {
		return w
	}
	w.Payload = &wirePayload{
		Summary: cutRunes(e.Summary, summaryLimit), Source: e.Source, Severity: e.Severity,
		Component: e.Component, Group: e.Group, Class: e.Class, Details: e.Details,
	}
	if !e.Timestamp.IsZero() {
		w.Payload.Timestamp = e.Timestamp.UTC().Format(time.RFC3339Nano)
	}
	return w
}

// encode writes an event in at most eventLimit bytes. What does not fit is cut, visibly, the
// details first: the event itself always gets through.
func (e Event) encode() ([]byte, error) {
	w := e.wire()
	data, err := json.Marshal(w)
	if err != nil || len(data) <= eventLimit {
		return data, err
	}
	w.Images, w.Client, w.ClientURL = nil, cutBytes(w.Client, summaryLimit), cutBytes(w.ClientURL, summaryLimit)
	if len(w.Links) > 50 {
		w.Links = w.Links[:50]
	}
	if p := w.Payload; p != nil {
		for _, s := range []*string{&p.Source, &p.Component, &p.Group, &p.Class} {
			*s = cutBytes(*s, summaryLimit)
		}
		details, _ := json.Marshal(p.Details) // it was encoded a moment ago
		for room := eventLimit / 2; room > 0; room /= 2 {
			p.Details = map[string]any{"cut": true, "details": cutBytes(string(details), room)}
			if data, err = json.Marshal(w); err != nil || len(data) <= eventLimit {
				return data, err
			}
		}
	}
	w.Links = nil
	return json.Marshal(w)
}

// Enqueue sends an event and returns its dedup key as PagerDuty knows it. Sending it again is
// harmless. An accepted event is not yet an alert: PagerDuty drops one with an unknown
// routing key, and a resolve without its trigger, without a word.
func (c *Client) Enqueue(ctx context.Context, e Event) (string, error) {
	if e.RoutingKey == "" || e.DedupKey == "" {
		return "", core.Errorf(core.Invalid, "an event needs a routing key and a dedup key")
	}
	data, err := e.encode()
	if err != nil {
		return "", core.Errorf(core.Invalid, "encode the event: %w", err)
	}
	const op = "POST /v2/enqueue"
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.events+"/v2/enqueue", bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	answer, _, bad := c.exchange(req, op, e.RoutingKey)
	if bad != nil {
		return "", noList(bad.forPeople(c.account))
	}
	var out struct {
		Status   string `json:"status"`
		DedupKey string `json:"dedup_key"`
	}
	if json.Unmarshal(answer, &out) != nil || out.Status != "success" {
		return "", c.odd(call{op: op}, "the answer does not say that the event was accepted")
	}
	if out.DedupKey == "" {
		return shortKey(e.DedupKey), nil
	}
	return out.DedupKey, nil
}
